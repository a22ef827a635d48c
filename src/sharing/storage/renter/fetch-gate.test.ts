import assert from "node:assert/strict";
import { test } from "node:test";
import { FetchGate } from "./fetch-gate.ts";

test("fetches beyond the width wait, in order; one that fails gives its place on", async () => {
  const gate = new FetchGate();
  const begun: number[] = [];
  const ends: PromiseWithResolvers<void>[] = [];
  const all = Array.from({ length: 20 }, (_, i) =>
    gate.run(async () => {
      begun.push(i);
      const end = Promise.withResolvers<void>();
      ends.push(end);
      await end.promise;
    }),
  );
  const width = begun.length;
  assert.ok(width > 1 && width < all.length, `${width} at once`);
  ends[0]!.reject(new Error("no host answers"));
  await assert.rejects(all[0]!, /no host answers/);
  for (let i = 1; i < all.length; i++) {
    assert.ok(begun.length <= i + width);
    ends[i]!.resolve();
    await all[i];
  }
  assert.deepEqual(
    begun,
    all.map((_, i) => i),
  );
});
