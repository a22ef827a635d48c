import assert from "node:assert/strict";
import { test } from "node:test";
import { FaultWorld } from "#base/store/fault-world.ts";
import { endingDisk } from "./ending-disk.ts";

const key = Uint8Array.of(1);
const value = new Uint8Array(64 * 1024);

test("a write that fails is told, and one that does not is none of its business", async () => {
  const told: Error[] = [];
  const disk = endingDisk(new FaultWorld({ capacity: 200_000 }), (error) => told.push(error));
  const store = await disk.openStore("/store");
  await store.batch([{ type: "put", key, value }], { sync: true });
  assert.deepEqual(await store.get(key), value);
  assert.equal(told.length, 0);
  await assert.rejects(async () => {
    for (let i = 0; i < 10; i++) {
      const batch = store.newBatch();
      batch.put(Uint8Array.of(2, i), value);
      await batch.write({ sync: true });
    }
  });
  assert.equal(told.length, 1);
});
