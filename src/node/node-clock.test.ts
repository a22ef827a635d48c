import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { NodeClock } from "./node-clock.ts";

test("mock time stands still until it is taken back", () => {
  const clock = new NodeClock();
  clock.setMockTime(1_000_000_000);
  assert.equal(clock.now(), 1_000_000_000_000);
  clock.setMockTime(0);
  assert.ok(Math.abs(clock.now() - Date.now()) < 1000);
});

test("what waits runs once, in order, when the scheduler is moved on; what was taken back does not", async () => {
  const clock = new NodeClock();
  const done: string[] = [];
  const finished = new Promise<void>((resolve) => {
    clock.after(20_000, () => {
      done.push("later");
      resolve();
    });
  });
  clock.after(10_000, () => done.push("first"));
  const cancel = clock.after(15_000, () => done.push("never"));
  cancel();
  clock.advanceScheduler(5);
  await sleep(5);
  assert.deepEqual(done, []);
  clock.advanceScheduler(30);
  await Promise.all([finished, sleep(1)]);
  assert.deepEqual(done, ["first", "later"]);
});

test("a delay longer than a timer can wait is not cut short", async () => {
  const clock = new NodeClock();
  let ran = false;
  const cancel = clock.after(2 ** 33, () => {
    ran = true;
  });
  await sleep(10);
  assert.equal(ran, false);
  cancel();
});
