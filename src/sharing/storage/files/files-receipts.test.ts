/** Owner and host with real deals: both list for what, when, against which proof. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "#base/lib/clock.ts";
import { silentLogger } from "#base/lib/logger.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import type { KeptReceipt } from "#sharing/deals/deal.ts";
import { DealBook } from "#sharing/deals/deal-book.ts";
import { FreeRail } from "#sharing/deals/free-rail.ts";
import { type MemoryMesh, MemoryNetwork } from "#sharing/mesh/memory-mesh.ts";
import { SlabCodec } from "../codec/slab-codec.ts";
import { StorageHost } from "../host/storage-host.ts";
import { Files } from "./files.ts";
import { bodyOf } from "./test-circle.ts";

/** SHA-256 of no bytes at all. */
const NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 5000; i++) {
    if (await condition()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.fail("it never came to pass");
}

async function openPair() {
  const clock = new ManualClock(1_700_000_000_000);
  const network = new MemoryNetwork({ clock });
  const random = new SeededRandom(4);
  const common = { clock, random, log: silentLogger };
  const bookOf = (mesh: MemoryMesh) =>
    DealBook.open({
      ...{ mesh, disk: new FaultWorld(), folder: "/deals", ...common },
      rails: [new FreeRail((peer) => mesh.view(peer)?.standing === "friend")],
    });
  const hostMesh = network.join({ name: "host" });
  const hostDeals = await bookOf(hostMesh);
  const host = new StorageHost({
    ...{ mesh: hostMesh, deals: hostDeals, disk: new FaultWorld(), folder: "/host", ...common },
    ...{ limitBytes: 64 << 20, spareBytes: 0 },
  });
  hostDeals.sell("storage", { service: "storage", prices: {}, checkStep: host.checkStep });
  await host.start();
  const mesh = network.join({ name: "owner" });
  const deals = await bookOf(mesh);
  const codec = new SlabCodec({ random, workers: 0 });
  const files = new Files({
    ...{ mesh, deals, disk: new FaultWorld(), folder: "/files", ...common, codec, workers: 0 },
    ...{
      filesKey: new Uint8Array(32).fill(9),
      policy: { scheme: { needed: 1, total: 1 }, diversity: "relaxed" },
    },
  });
  await files.start();
  const stop = async () => {
    await files.stop();
    await host.stop();
    await deals.stop();
    await hostDeals.stop();
    await codec.close();
  };
  return { clock, files, deals, hostDeals, stop, host: hostMesh.self };
}

const audits = async (book: DealBook): Promise<readonly KeptReceipt[]> =>
  (await book.receipts()).filter(({ what }) => what === "epoch audited");

test("every audit of a small shard has a receipt of its own, and its proof names the audit on both sides", async () => {
  const { files, deals, hostDeals, stop, clock } = await openPair();
  await files.createBucket("box");
  // One leaf: its Merkle proof is empty.
  await files.put("box", "small", bodyOf(new Uint8Array(9000).fill(3)));
  for (let epoch = 1; epoch <= 3; epoch++) {
    await files.upkeep();
    await until(async () => (await audits(deals)).length === epoch);
    clock.advance(1000);
  }
  const [mine, theirs] = [await audits(deals), await audits(hostDeals)];
  assert.equal(new Set(mine.map(({ proof }) => proof)).size, 3);
  assert.ok(mine.every(({ proof }) => proof !== NOTHING));
  const shown = ({ what, subject, time, proof }: KeptReceipt) => ({ what, subject, time, proof });
  assert.deepEqual(mine.map(shown), theirs.map(shown));
  await stop();
});

test("a host signs for no audit that it did not answer, and for no shard that it does not have", async () => {
  const { files, deals, hostDeals, host, stop } = await openPair();
  await files.createBucket("box");
  await files.put("box", "small", bodyOf(new Uint8Array(9000).fill(3)));
  await files.upkeep();
  await until(async () => (await audits(deals)).length === 1);
  const [seen] = await audits(deals);
  const deal = await deals.open(host, "storage");
  assert.ok(deal.ok);
  const step = { what: "epoch audited", subject: seen!.subject, unit: "gib-epoch", milliUnits: 1 } as const;
  const invented = await deals.settle(deal.value, { ...step, proof: "ab".repeat(32) });
  assert.equal(invented.ok, false);
  assert.match(invented.ok ? "" : invented.refusal.text, /no audit/);
  // The evidence of one audit under the name of another shard, and twice for two sums.
  const other = await deals.settle(deal.value, { ...step, subject: "cd".repeat(32), proof: seen!.proof });
  assert.equal(other.ok, false);
  const again = await deals.settle(deal.value, { ...step, milliUnits: 2, proof: seen!.proof });
  assert.equal(again.ok, false);
  const stored = { ...step, what: "shard stored", subject: "cd".repeat(32), proof: "cd".repeat(32) };
  assert.equal((await deals.settle(deal.value, stored)).ok, false);
  assert.equal((await audits(hostDeals)).length, 1);
  await stop();
});
