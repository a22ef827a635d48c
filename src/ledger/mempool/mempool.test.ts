import assert from "node:assert/strict";
import { test } from "node:test";
import { toHexReversed } from "#base/lib/bytes.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";
import { hashTxs, txidAt, wtxidAt } from "#protocol/bitcoin/txid.ts";
import { feeRatePerKvb } from "#protocol/policy/fee-rate.ts";
import { anyone, coinOf, createFixture, type Fixture, spend } from "./fixture.ts";
import { modifiedFee } from "./mempool-entry.ts";
import { DEFAULT_MEMPOOL_OPTIONS, whyImpossible } from "./mempool-options.ts";
import { RollingFee } from "./rolling-fee.ts";

const txidOf = (table: TxTable) => txidAt(hashTxs(table), 0);

async function accepted(fixture: Fixture, ...tables: TxTable[]): Promise<void> {
  for (const table of tables) {
    const result = await fixture.acceptor.accept(table);
    assert.ok(result.accepted, result.accepted ? "" : result.rejection.reason);
  }
}

/** A parent with two children, one of which pays for both, and a grandchild. */
async function family() {
  const fixture = createFixture();
  const parent = spend([fixture.chain.coinbase(1)], 100, { split: 2 });
  const rich = spend([coinOf(parent, 0)], 5000);
  const poor = spend([coinOf(parent, 1)], 200);
  const last = spend([coinOf(poor, 0)], 150);
  await accepted(fixture, parent, rich, poor, last);
  return { ...fixture, fixture, parent, rich, poor, last };
}

test("what getmempoolentry tells of a family", async () => {
  const { mempool, parent, rich, poor, last } = await family();
  const entry = mempool.get(txidOf(parent))!;
  const vsize = (table: TxTable) => Math.ceil(table.weight(0) / 4);
  const info = mempool.entryInfo(entry);
  assert.deepEqual(info, {
    vsize: vsize(parent),
    weight: parent.weight(0),
    time: entry.time,
    height: 110,
    descendantCount: 4,
    descendantSize: vsize(parent) + vsize(rich) + vsize(poor) + vsize(last),
    ancestorCount: 1,
    ancestorSize: vsize(parent),
    chunkWeight: parent.weight(0) + rich.weight(0),
    wtxid: wtxidAt(hashTxs(parent), 0),
    fees: { base: 100, modified: 100, ancestor: 100, descendant: 5450, chunk: 5100 },
    depends: [],
    spentBy: [txidOf(rich), txidOf(poor)].sort((a, b) => (toHexReversed(a) < toHexReversed(b) ? -1 : 1)),
    unbroadcast: false,
  });
  const lowest = mempool.entryInfo(mempool.get(txidOf(last))!);
  assert.equal(lowest.ancestorCount, 3);
  assert.equal(lowest.fees.ancestor, 450);
  assert.deepEqual(lowest.depends, [txidOf(poor)]);
});

test("chunks, order and diagram of a cluster, before and after prioritisation", async () => {
  const { mempool, parent, rich, poor, last } = await family();
  const chunks = (table: TxTable) =>
    mempool
      .cluster(mempool.get(txidOf(table))!)
      .map(({ fee, entries }) => [fee, ...entries.map(({ txid }) => toHexReversed(txid))]);
  const names = [parent, rich, poor, last].map((table) => toHexReversed(txidOf(table)));
  assert.deepEqual(chunks(last), [
    [5100, names[0], names[1]],
    [200, names[2]],
    [150, names[3]],
  ]);
  assert.deepEqual(
    mempool.entriesByScore().map(({ txid }) => toHexReversed(txid)),
    names,
  );
  assert.deepEqual(
    mempool.feerateDiagram().map(({ fee }) => fee),
    [0, 5100, 5300, 5450],
  );
  const weights = mempool.feerateDiagram().map(({ weight }) => weight);
  assert.equal(
    weights.at(-1),
    [parent, rich, poor, last].reduce((sum, table) => sum + table.weight(0), 0),
  );

  const updated = mempool.transactionsUpdated;
  mempool.prioritise(txidOf(last), 90_000);
  assert.equal(mempool.transactionsUpdated, updated + 1);
  assert.deepEqual(chunks(last), [
    [90_450, names[0], names[2], names[3]],
    [5000, names[1]],
  ]);
  const entry = mempool.get(txidOf(last))!;
  assert.equal(modifiedFee(entry), 90_150);
  assert.equal(entry.fee, 150);
  assert.equal(mempool.info().totalFee, 5450, "what is really paid");
  assert.deepEqual(mempool.prioritised(), [{ txid: txidOf(last), feeDelta: 90_000, modifiedFee: 90_150 }]);
  mempool.prioritise(txidOf(last), -90_000);
  assert.deepEqual(mempool.prioritised(), []);
  assert.equal(mempool.info().optimal, true);
});

test("a delta waits for its transaction, and adds up", async () => {
  const fixture = createFixture();
  const { mempool, chain } = fixture;
  const table = spend([chain.coinbase(1)], 0);
  mempool.prioritise(txidOf(table), 300);
  mempool.prioritise(txidOf(table), 700);
  assert.deepEqual(mempool.prioritised(), [{ txid: txidOf(table), feeDelta: 1000, modifiedFee: undefined }]);
  await accepted(fixture, table);
  assert.equal(mempool.entryInfo(mempool.get(txidOf(table))!).fees.modified, 1000);
  // Far beyond all money there is, the order still holds and nothing overflows.
  mempool.prioritise(txidOf(table), Number.MAX_SAFE_INTEGER);
  assert.equal(mempool.feeDelta(txidOf(table)), Number.MAX_SAFE_INTEGER);
  await accepted(fixture, spend([chain.coinbase(2)], 1000));
  assert.deepEqual(mempool.entriesByScore()[0]!.txid, txidOf(table));
});

test("transactions to be broadcast are forgotten when they leave", async () => {
  const fixture = createFixture();
  const { mempool, chain, acceptor } = fixture;
  const [first, second] = [1, 2].map((i) => spend([chain.coinbase(i)], 1000)) as [TxTable, TxTable];
  mempool.addUnbroadcast(txidOf(first).slice() as never);
  assert.deepEqual(mempool.unbroadcast(), [], "it is not here yet");
  await accepted(fixture, first, second);
  mempool.addUnbroadcast(txidOf(first));
  mempool.addUnbroadcast(txidOf(second));
  assert.equal(mempool.entryInfo(mempool.get(txidOf(first))!).unbroadcast, true);
  assert.equal(mempool.info().unbroadcastCount, 2);
  mempool.removeUnbroadcast(txidOf(second));
  await acceptor.chainMoved(chain.extend([first]));
  assert.deepEqual(mempool.unbroadcast(), []);
});

test("hasDust tells of outputs below the threshold", async () => {
  const fixture = createFixture(110, { minRelayFee: feeRatePerKvb(0) });
  const coin = fixture.chain.coinbase(1);
  const outputs = [coin.amount, 0].map((value) => ({ value, script: anyone.script }));
  const dusty = spend([coin], 0, { outputs });
  const clean = spend([fixture.chain.coinbase(2)], 0);
  await accepted(fixture, dusty, clean);
  assert.equal(fixture.mempool.hasDust(fixture.mempool.get(txidOf(dusty))!), true);
  assert.equal(fixture.mempool.hasDust(fixture.mempool.get(txidOf(clean))!), false);
});

test("entries keep no more than their own bytes alive", async () => {
  const fixture = createFixture();
  const table = spend([fixture.chain.coinbase(1)], 1000);
  const message = new Uint8Array(table.bytes.length + 5000);
  message.set(table.bytes, 2500);
  const { parseTx } = await import("#protocol/bitcoin/tx-table.ts");
  await accepted(fixture, parseTx(message.subarray(2500, 2500 + table.bytes.length)));
  const { bytes } = fixture.mempool.get(txidOf(table))!.table;
  assert.equal(bytes.buffer.byteLength, bytes.length);
});

test("options that cannot be are told in Core's words", () => {
  assert.equal(whyImpossible(DEFAULT_MEMPOOL_OPTIONS), undefined);
  assert.equal(
    whyImpossible({ ...DEFAULT_MEMPOOL_OPTIONS, maxClusterCount: 65 }),
    "limitclustercount must be less than or equal to 64",
  );
  assert.equal(
    whyImpossible({ ...DEFAULT_MEMPOOL_OPTIONS, maxSize: 4_000_000 }),
    "-maxmempool must be at least 5 MB",
  );
});

test("RollingFee: up with each eviction, down by halves after a block, never below the step", () => {
  const step = feeRatePerKvb(100);
  const rolling = new RollingFee(step, 1000);
  const rate = (now: number, usage = 100) => rolling.current(now, usage, 100).fee;
  assert.equal(rate(1000), 0);
  assert.deepEqual(rolling.evicted({ fee: 300, size: 1000 }), feeRatePerKvb(400));
  assert.deepEqual(rolling.evicted({ fee: 200, size: 1000 }), feeRatePerKvb(300), "told, but no step back");
  assert.equal(rate(1000), 400);
  assert.equal(rate(1_000_000), 400, "it waits for a block");
  rolling.blockConnected(2000);
  assert.equal(rate(2010), 400, "not within ten seconds");
  assert.equal(rate(2000 + 12 * 3600), 200);
  const after = 2000 + 12 * 3600;
  assert.equal(rate(after + 6 * 3600, 49), 100, "half the time when it is half empty");
  assert.equal(rate(after + 6 * 3600 + 3 * 3600 - 60, 24), 100, "the step, while it is not under half of it");
  assert.equal(rate(after + 6 * 3600 + 3 * 3600 + 60, 24), 0);
  assert.equal(rate(after + 100 * 3600), 0);
  rolling.evicted({ fee: 900, size: 1000 });
  assert.equal(rate(after + 200 * 3600), 1000, "after another eviction it waits for another block");
});
