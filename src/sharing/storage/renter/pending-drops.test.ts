import assert from "node:assert/strict";
import { test } from "node:test";
import { PendingDrops, type PendingDropsParts } from "./pending-drops.ts";
import type { PendingDrop } from "./slab-book.ts";

test("what is to be dropped of tens of thousands of slabs is gone through in their number, not its square", async () => {
  const shards = Array.from({ length: 24 }, (_, i) => ({ root: new Uint8Array(32), host: `12D3KooW${i}` }));
  const entries = Array.from({ length: 50_000 }, (_, i): PendingDrop => {
    const id = i.toString(16).padStart(32, "0");
    return { id, slab: id, since: 0, shards };
  });
  let forgotten = 0;
  const drops = new PendingDrops({
    book: {
      pending: async () => entries,
      forgetPending: async () => {
        forgotten++;
      },
    },
    hosts: { state: () => "dead" },
    client: {},
  } as unknown as PendingDropsParts);
  drops.clearEarlier();
  const began = performance.now();
  await drops.clear();
  const seconds = (performance.now() - began) / 1000;
  assert.equal(forgotten, entries.length);
  // Under a second; where each entry is copied for each before it, most of a minute.
  assert.ok(seconds < 10, `${seconds} s`);
});
