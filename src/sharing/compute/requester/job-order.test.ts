import assert from "node:assert/strict";
import { test } from "node:test";
import { JobOrder, type JobPlace } from "./job-order.ts";

const place = (created: number, id: string): JobPlace => ({ created, id });

test("jobs stand by age, then by id, however they came", () => {
  const places = [place(3, "c1"), place(1, "a1"), place(3, "c2"), place(2, "b1")];
  const given = new JobOrder(places);
  const added = new JobOrder();
  for (const one of [...places, places[0]!]) added.add(one);
  for (const order of [given, added]) {
    assert.deepEqual([order.size, order.page(10)], [4, ["c2", "c1", "b1", "a1"]]);
    assert.deepEqual(order.page(2), ["c2", "c1"]);
    assert.deepEqual(order.page(2, place(3, "c1")), ["b1", "a1"]);
    assert.deepEqual(order.page(2, place(1, "a1")), []);
  }
});

test("a page goes on where the one before ended, though its last job is gone", () => {
  const order = new JobOrder([place(1, "a1"), place(2, "b1"), place(3, "c1"), place(3, "c2")]);
  order.remove("c1");
  order.remove("unknown");
  assert.deepEqual(order.page(1, place(3, "c1")), ["b1"]);
  assert.deepEqual(order.page(9), ["c2", "b1", "a1"]);
});

test("the start of an id finds a job where it names one alone", () => {
  const order = new JobOrder([place(1, "abcd01"), place(2, "abcd02"), place(3, "abce01"), place(4, "ab")]);
  assert.equal(order.find("abce"), "abce01");
  assert.equal(order.find("abcd02"), "abcd02");
  assert.equal(order.find("ab"), "ab");
  for (const none of ["abcd", "abc", "", "ffff"]) assert.equal(order.find(none), undefined, none);
});
