import assert from "node:assert/strict";
import { test } from "node:test";
import { BodyGate } from "./body-gate.ts";

const LARGE = 8 * 1024 * 1024;

test("three large bodies at once, in the order they came; small ones go past; a failure frees its place", async () => {
  const gate = new BodyGate();
  const started: number[] = [];
  const ends = Array.from({ length: 6 }, () => Promise.withResolvers<void>());
  const runs = ends.map(({ promise }, at) =>
    gate.run(LARGE, () => {
      started.push(at);
      return promise;
    }),
  );
  const tick = () => new Promise((resolve) => setImmediate(resolve));
  await tick();
  assert.deepEqual(started, [0, 1, 2]);
  assert.equal(await gate.run(1000, async () => "past"), "past");
  ends[1]!.reject(new Error("broken off"));
  await assert.rejects(runs[1]!, /broken off/);
  await tick();
  assert.deepEqual(started, [0, 1, 2, 3]);
  for (const end of ends) end.resolve();
  await Promise.all(runs.filter((_, at) => at !== 1));
  assert.deepEqual(started, [0, 1, 2, 3, 4, 5]);
  assert.equal(await gate.run(LARGE, async () => "free again"), "free again");
});
