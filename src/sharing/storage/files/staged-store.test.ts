import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "#base/lib/random.ts";
import { MemoryStore } from "#base/store/memory-store.ts";
import { StagedStore } from "./staged-store.ts";

test("reads through staged changes are those of the store once they are written", async () => {
  const random = new SeededRandom(1);
  const key = () => new Uint8Array([random.below(6), random.below(6)]);
  for (let round = 0; round < 200; round++) {
    const base = new MemoryStore();
    for (let i = 0; i < 12; i++) await base.batch([{ type: "put", key: key(), value: new Uint8Array([i]) }]);
    const staged = new StagedStore(base);
    for (let i = 0; i < 8; i++) {
      if (random.below(2) === 0) staged.put(key(), new Uint8Array([100 + i]));
      else staged.del(key());
    }
    const range = { gte: new Uint8Array([1]), lt: new Uint8Array([5]), limit: 1 + random.below(14) };
    const seen = [];
    for await (const entry of staged.iterate(range)) seen.push(entry);
    await base.batch(staged.operations());
    const written = [];
    for await (const entry of base.iterate(range)) written.push(entry);
    assert.deepEqual(seen, written, `round ${round}`);
    const one = key();
    assert.deepEqual(await staged.get(one), await base.get(one));
  }
});
