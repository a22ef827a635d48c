import assert from "node:assert/strict";
import { test } from "node:test";
import { Mutex } from "./mutex.ts";
import { SeededRandom } from "./random.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("one at a time, in the order asked", async () => {
  const mutex = new Mutex();
  const random = new SeededRandom(1);
  const order: number[] = [];
  let inside = 0;
  const runs = Array.from({ length: 50 }, (_, i) =>
    mutex.run(async () => {
      inside++;
      assert.equal(inside, 1);
      for (let j = random.below(4); j > 0; j--) await turn();
      order.push(i);
      inside--;
      return i * 2;
    }),
  );
  assert.equal(mutex.busy, true);
  const results = await Promise.all(runs);
  assert.deepEqual(order, [...Array(50).keys()]);
  assert.deepEqual(
    results,
    order.map((i) => i * 2),
  );
  assert.equal(mutex.busy, false);
});

test("an exception is the caller's and frees the lock", async () => {
  const mutex = new Mutex();
  const failing = mutex.run(() => {
    throw new Error("mine");
  });
  const after = mutex.run(() => "done");
  await assert.rejects(failing, { message: "mine" });
  assert.equal(await after, "done");
  assert.equal(mutex.busy, false);
});

test("busy while someone waits", async () => {
  const mutex = new Mutex();
  let open!: () => void;
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const first = mutex.run(() => gate);
  const second = mutex.run(() => {});
  await turn();
  assert.equal(mutex.busy, true);
  open();
  await first;
  await second;
  assert.equal(mutex.busy, false);
});
