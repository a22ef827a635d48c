import assert from "node:assert/strict";
import { test } from "node:test";
import { BoundedQueue } from "./bounded-queue.ts";
import { SeededRandom } from "./random.ts";

test("first in, first out, and nothing beyond the limit of items", () => {
  const queue = new BoundedQueue<string>({ maxItems: 2 });
  assert.equal(queue.shift(), undefined);
  assert.equal(queue.push("a"), true);
  assert.equal(queue.push("b"), true);
  assert.equal(queue.full, true);
  assert.equal(queue.push("c"), false);
  assert.deepEqual([queue.shift(), queue.shift(), queue.shift()], ["a", "b", undefined]);
});

test("an item is taken while the weight before it is under the limit", () => {
  const queue = new BoundedQueue<number>({ maxItems: 10, maxWeight: 100 });
  assert.equal(queue.push(1, 99), true);
  assert.equal(queue.push(2, 500), true);
  assert.equal(queue.weight, 599);
  assert.equal(queue.push(3, 0), false);
  queue.shift();
  assert.equal(queue.push(3, 0), false);
  queue.shift();
  assert.equal(queue.weight, 0);
  assert.equal(queue.push(3, 0), true);
});

test("as an array would, over many pushes and shifts", () => {
  const random = new SeededRandom(8);
  const queue = new BoundedQueue<number>({ maxItems: 300, maxWeight: 2_000 });
  const model: { item: number; weight: number }[] = [];
  for (let i = 0; i < 20_000; i++) {
    const weight = model.reduce((sum, entry) => sum + entry.weight, 0);
    assert.deepEqual([queue.length, queue.weight], [model.length, weight]);
    if (random.below(100) < 52) {
      const entry = { item: i, weight: random.below(20) };
      const taken = model.length < 300 && weight < 2_000;
      assert.equal(queue.push(entry.item, entry.weight), taken);
      if (taken) model.push(entry);
    } else {
      assert.equal(queue.shift(), model.shift()?.item);
    }
  }
});
