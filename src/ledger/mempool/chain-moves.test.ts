import assert from "node:assert/strict";
import { test } from "node:test";
import { toHexReversed } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { regtest } from "#protocol/bitcoin/networks.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";
import { hashTxs, txidAt } from "#protocol/bitcoin/txid.ts";
import { FeeEstimator } from "./fee-estimator.ts";
import { type Coin, coinOf, createFixture, type Fixture, keyLock, spend } from "./fixture.ts";
import { ReorgUpdate } from "./reorg-update.ts";

const txidOf = (table: TxTable) => txidAt(hashTxs(table), 0).slice();

async function accepted(fixture: Fixture, ...tables: TxTable[]): Promise<void> {
  for (const table of tables) {
    const result = await fixture.acceptor.accept(table);
    assert.ok(result.accepted, result.accepted ? "" : result.rejection.reason);
  }
}

/** What left, as `reason name`. */
function watch({ mempool }: Fixture, names: Record<string, TxTable>): string[] {
  const byTxid = new Map(Object.entries(names).map(([name, table]) => [toHexReversed(txidOf(table)), name]));
  const seen: string[] = [];
  mempool.removed.on(
    ({ entry, reason }) => void seen.push(`${reason} ${byTxid.get(toHexReversed(entry.txid))}`),
  );
  mempool.added.on(({ entry }) => void seen.push(`added ${byTxid.get(toHexReversed(entry.txid))}`));
  return seen;
}

test("a block takes out what it holds and what conflicts with it, and leaves the children", async () => {
  const fixture = createFixture();
  const { chain, mempool, acceptor } = fixture;
  const parent = spend([chain.coinbase(1)], 1000, { split: 2 });
  const child = spend([coinOf(parent)], 1000);
  const loser = spend([chain.coinbase(2)], 1000);
  const loserChild = spend([coinOf(loser)], 1000);
  const winner = spend([chain.coinbase(2)], 2000);
  const other = spend([chain.coinbase(3)], 1000);
  await accepted(fixture, parent, child, loser, loserChild, other);
  for (const table of [parent, loser, winner]) mempool.prioritise(txidAt(hashTxs(table), 0), 10);
  const seen = watch(fixture, { parent, child, loser, loserChild, winner, other });
  await acceptor.chainMoved(chain.extend([winner, parent]));
  assert.deepEqual(seen.slice(0, 2).sort(), ["conflict loser", "conflict loserChild"]);
  assert.deepEqual(seen.slice(2), ["block parent"]);
  assert.ok(mempool.has(txidOf(child)) && mempool.has(txidOf(other)));
  assert.deepEqual(mempool.parents(mempool.get(txidOf(child))!), []);
  assert.deepEqual(mempool.prioritised(), [], "nothing keeps a priority that was mined or lost");
});

test("each block that joins the chain is told, with what it held of the mempool", async () => {
  const fixture = createFixture();
  const { chain, mempool, acceptor } = fixture;
  const [one, two, lost] = [1, 2, 3].map((i) => spend([chain.coinbase(i)], 1000)) as [
    TxTable,
    TxTable,
    TxTable,
  ];
  const stranger = spend([chain.coinbase(4)], 1000);
  const told: [number, string[]][] = [];
  mempool.connected.on(({ height, mined }) => {
    for (const { txid } of mined) assert.equal(mempool.has(txid), false);
    told.push([height, mined.map(({ txid }) => toHexReversed(txid))]);
  });
  const idOf = (table: TxTable) => toHexReversed(txidOf(table));
  const { height } = chain.tip;
  await acceptor.chainMoved(chain.extend([]));
  await accepted(fixture, one, two, lost);
  await acceptor.chainMoved(chain.extend([two, stranger, one]));
  await acceptor.chainMoved(chain.extend([]));
  assert.deepEqual(told.splice(0), [
    [height + 1, []],
    [height + 2, [idOf(two), idOf(one)]],
    [height + 3, []],
  ]);
});

test("fees are learnt from what comes at the tip, and not from what a reorganisation brings back", async () => {
  const fixture = createFixture();
  const { chain, mempool, acceptor } = fixture;
  const estimator = new FeeEstimator();
  mempool.added.on(({ entry }) => estimator.added(entry, entry.sequence !== 0));
  mempool.removed.on(({ entry, reason }) => {
    if (reason !== "block") estimator.removed(entry.txid);
  });
  mempool.connected.on(({ height, mined }) => estimator.blockConnected(height, mined));
  await acceptor.chainMoved(chain.extend([]));
  const mined = spend([chain.coinbase(1)], 1000);
  const loser = spend([chain.coinbase(2)], 1000);
  const winner = spend([chain.coinbase(2)], 9000);
  await accepted(fixture, mined, loser);
  assert.equal(estimator.size, 2);
  await accepted(fixture, winner);
  assert.equal(estimator.size, 2, "one was replaced");
  await acceptor.chainMoved(chain.extend([mined, winner]));
  assert.equal(estimator.size, 0);
  const { pass } = estimator.raw("short", 1, 0.5)!;
  const before = pass;
  const move = chain.reorganise(1, [[], []]);
  await acceptor.chainMoved(move);
  assert.ok(mempool.has(txidOf(mined)) && mempool.has(txidOf(winner)), "they came back");
  assert.equal(estimator.size, 0, "and are not followed");
  await acceptor.chainMoved(chain.extend([mined, winner]));
  assert.ok(estimator.raw("short", 1, 0.5)!.pass.totalConfirmed <= before.totalConfirmed);
});

test("a reorganisation brings transactions back below their children", async () => {
  const fixture = createFixture();
  const { chain, mempool, acceptor } = fixture;
  const parent = spend([chain.coinbase(1)], 1000, { split: 2 });
  const middle = spend([coinOf(parent)], 1000);
  const child = spend([coinOf(middle)], 1000);
  await accepted(fixture, parent, middle);
  await acceptor.chainMoved(chain.extend([parent]));
  await acceptor.chainMoved(chain.extend([middle]));
  await accepted(fixture, child);
  const seen = watch(fixture, { parent, middle, child });
  await acceptor.chainMoved(chain.reorganise(2, [[], [], []]));
  assert.deepEqual(seen, ["added parent", "added middle"]);
  const entries = mempool.entriesByScore().map(({ txid }) => toHexReversed(txid));
  assert.deepEqual(
    entries,
    [parent, middle, child].map((table) => toHexReversed(txidOf(table))),
  );
  const top = mempool.get(txidOf(child))!;
  assert.deepEqual(mempool.entryInfo(top).ancestorCount, 3);
  assert.equal(mempool.get(txidOf(parent))!.sequence, 0, "older than its children");
});

test("what the new chain holds or spends does not come back, nor what depends on that", async () => {
  const fixture = createFixture();
  const { chain, mempool, acceptor } = fixture;
  const kept = spend([chain.coinbase(1)], 1000);
  const keptChild = spend([coinOf(kept)], 1000);
  const lost = spend([chain.coinbase(2)], 1000);
  const lostChild = spend([coinOf(lost)], 1000);
  const rival = spend([chain.coinbase(2)], 3000);
  await acceptor.chainMoved(chain.extend([kept, lost]));
  await accepted(fixture, keptChild, lostChild);
  const seen = watch(fixture, { kept, keptChild, lost, lostChild, rival });
  await acceptor.chainMoved(chain.reorganise(1, [[kept, rival], []]));
  assert.deepEqual(seen, ["reorg lostChild"]);
  assert.deepEqual(
    [...mempool.entries()].map(({ txid }) => [...txid]),
    [[...txidOf(keptChild)]],
  );
});

test("what depends on a coinbase of the old chain leaves", async () => {
  const fixture = createFixture(0);
  const { chain, mempool, acceptor } = fixture;
  for (let i = 0; i < 101; i++) chain.mine();
  const last = chain.coinbase(1);
  const spent = spend([last], 1000);
  await accepted(fixture, spent);
  const seen = watch(fixture, { spent });
  // One block fewer, and the coinbase of block 1 is immature again: 99 confirmations in the next block.
  await acceptor.chainMoved(chain.reorganise(2, []));
  assert.deepEqual(seen, ["reorg spent"]);
  assert.equal(mempool.size, 0);

  // The coinbase of a block that is gone: its spends are in the disconnected blocks at most.
  const lone = createFixture(101);
  const tx = spend([lone.chain.coinbase(1)], 1000);
  const child = spend([coinOf(tx)], 1000);
  await lone.acceptor.chainMoved(lone.chain.extend([tx]));
  await accepted(lone, child);
  const seenThere = watch(lone, { tx, child });
  await lone.acceptor.chainMoved(
    lone.chain.reorganise(
      102,
      Array.from({ length: 103 }, () => []),
    ),
  );
  assert.deepEqual(seenThere, ["reorg child"]);
});

test("lock times and relative locks are looked at anew", async () => {
  const fixture = createFixture(110);
  const { chain, mempool, acceptor } = fixture;
  const late = spend([chain.coinbase(1)], 1000, { lockTime: 110, sequence: 0 });
  const source = spend([chain.coinbase(2)], 1000, { split: 2 });
  await acceptor.chainMoved(chain.extend([source]));
  await acceptor.chainMoved(chain.extend());
  // Two blocks above its coin in the next one, as it asks.
  const relative = spend([coinOf(source, 0)], 1000, { sequence: 2 });
  const free = spend([coinOf(source, 1)], 1000);
  await accepted(fixture, late, relative, free);
  const seen = watch(fixture, { late, source, relative, free });
  const before = mempool.get(txidOf(relative))!.lockPoints;
  // The source is mined again, one block higher in the new chain: the lock holds no longer.
  await acceptor.chainMoved(chain.reorganise(2, [[], [source]]));
  assert.deepEqual(seen, ["reorg relative"]);

  await acceptor.chainMoved(chain.extend());
  await accepted(fixture, relative);
  const again = mempool.get(txidOf(relative))!.lockPoints;
  assert.notDeepEqual(again.blockHash, before.blockHash);
  // Back to a tip at 109: a lock time of 110 is too late for block 110.
  await acceptor.chainMoved(chain.reorganise(4, []));
  assert.equal(chain.tip.height, 109);
  assert.ok(!mempool.has(txidOf(late)));
  assert.ok(mempool.has(txidOf(source)) && mempool.has(txidOf(free)), "without a lock they stay");
  assert.ok(!mempool.has(txidOf(relative)), "its coin is not even mined");
});

test("transactions of a disconnected block need no fee, but a valid script under policy", async () => {
  const fixture = createFixture(110);
  const { chain, mempool, acceptor } = fixture;
  const lock = keyLock(9);
  const parent = spend([chain.coinbase(1)], 0, { outputs: [{ value: 40_0000_0000, script: lock.script }] });
  const signed = spend([coinOf(parent, 0, lock)], 0);
  const nonstandard = spend([chain.coinbase(2)], 0, { version: 9 });
  await acceptor.chainMoved(chain.extend([parent, signed, nonstandard]));
  await acceptor.chainMoved(chain.reorganise(1, [[], []]));
  assert.ok(mempool.has(txidOf(parent)) && mempool.has(txidOf(signed)));
  assert.ok(!mempool.has(txidOf(nonstandard)));
});

test("a cluster that would be too large by what comes back loses its worst", async () => {
  const fixture = createFixture(110, { maxClusterCount: 4 });
  const { chain, mempool, acceptor } = fixture;
  const parent = spend([chain.coinbase(1)], 1000, { split: 6 });
  await acceptor.chainMoved(chain.extend([parent]));
  const children = Array.from({ length: 6 }, (_, i) => spend([coinOf(parent, i)], 1000 + 100 * i));
  await accepted(fixture, ...children);
  const seen: string[] = [];
  mempool.removed.on(({ entry, reason }) => void seen.push(`${reason} ${entry.fee}`));
  await acceptor.chainMoved(chain.reorganise(1, [[], []]));
  assert.deepEqual(seen.sort(), ["sizelimit 1000", "sizelimit 1100", "sizelimit 1200"]);
  assert.equal(mempool.size, 4);
  assert.equal(mempool.children(mempool.get(txidOf(parent))!).length, 3);
});

test("beyond their bound disconnected transactions are let go from the tip down", async () => {
  const fixture = createFixture(110);
  const { chain, mempool } = fixture;
  const old = spend([chain.coinbase(1)], 1000, { data: 3000 });
  const recent = spend([chain.coinbase(2)], 1000, { data: 3000 });
  const recentChild = spend([coinOf(recent)], 1000);
  await fixture.acceptor.chainMoved(chain.extend([old]));
  await fixture.acceptor.chainMoved(chain.extend([recent]));
  await accepted(fixture, recentChild);
  const update = new ReorgUpdate(mempool, chain, chain.reorganise(2, [[], [], []]), 5500);
  await update.prepare();
  const tried: string[] = [];
  update.apply(({ txid }) => void tried.push(toHexReversed(txid)));
  assert.deepEqual(tried, [toHexReversed(txidOf(old))]);
  assert.equal(mempool.size, 0, "the child of what was let go left with it");
});

test("readers see the mempool before a move or after it, never between", async () => {
  const fixture = createFixture(130);
  const { chain, mempool, acceptor } = fixture;
  const lock = keyLock(4);
  const mined: TxTable[] = [];
  for (let i = 1; i <= 12; i++) {
    const out = { value: 49_0000_0000, script: lock.script };
    const first = spend([chain.coinbase(i)], 0, { outputs: [out] });
    mined.push(first, spend([coinOf(first, 0, lock)], 1000));
  }
  await acceptor.chainMoved(chain.extend(mined));
  const staying = spend([chain.coinbase(20)], 1000);
  await accepted(fixture, staying);
  const sizes = new Set<number>();
  let watching = true;
  const watcher = (async () => {
    while (watching) {
      sizes.add(mempool.size);
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  await acceptor.chainMoved(chain.reorganise(1, [[], [staying]]));
  watching = false;
  await watcher;
  sizes.delete(mempool.size);
  assert.deepEqual([...sizes], [1]);
  assert.equal(mempool.size, mined.length);
});

/** Everything that must hold of a mempool at any time (Core's CTxMemPool::check). */
function checkConsistent({ chain, mempool }: Fixture): void {
  let bytes = 0;
  let fees = 0;
  const placed = new Set<string>();
  for (const entry of mempool.entriesByScore()) {
    bytes += entry.vsize;
    fees += entry.fee;
    const { table } = entry;
    assert.equal(mempool.get(entry.txid), entry);
    assert.equal(mempool.getByWtxid(entry.wtxid), entry);
    const parents = new Set<string>();
    for (let input = 0; input < table.inputCount(0); input++) {
      assert.equal(mempool.spender(table.bytes, table.outpoint(input)), entry);
      const txid = table.prevTxid(input);
      const index = table.prevIndex(input);
      if (mempool.has(txid)) {
        parents.add(toHexReversed(txid));
        assert.ok(placed.has(toHexReversed(txid)), "parents come first");
      } else {
        assert.ok(chain.isUnspent({ txid, index }), "what is spent is unspent in the chain");
      }
    }
    const known = mempool.parents(entry).map((parent) => toHexReversed(parent.txid));
    assert.deepEqual(known.sort(), [...parents].sort());
    for (const parent of mempool.parents(entry)) assert.ok(mempool.children(parent).includes(entry));
    placed.add(toHexReversed(entry.txid));
  }
  const info = mempool.info();
  assert.deepEqual([info.bytes, info.totalFee, info.size], [bytes, fees, placed.size]);
}

test("300 random steps of transactions, blocks and reorganisations leave it consistent, from 6 seeds", async () => {
  for (let seed = 1; seed <= 6; seed++) {
    const random = new SeededRandom(seed);
    const fixture = createFixture(130, { maxClusterCount: 10, maxSize: 120_000 }, regtest());
    const { chain, mempool, acceptor } = fixture;
    let coins: Coin[] = Array.from({ length: 25 }, (_, i) => chain.coinbase(i + 1));
    const pick = <T>(list: readonly T[]): T => list[random.below(list.length)]!;
    let moves = 0;
    for (let step = 0; step < 300; step++) {
      const kind = random.below(20);
      if (kind < 15) {
        const from = [...new Set([pick(coins), pick(coins)])].slice(0, 1 + random.below(2));
        const options = {
          split: 1 + random.below(3),
          data: random.below(2000),
          version: 2 + random.below(2),
        };
        const table = spend(from, 500 + random.below(20_000), options);
        const { accepted } = await acceptor.accept(table);
        if (accepted) for (let i = 0; i < options.split; i++) coins.push(coinOf(table, i));
      } else {
        // Mines what fits from the top, and now and then replaces up to three blocks.
        const chosen = mempool
          .entriesByScore()
          .slice(0, random.below(6))
          .map(({ table }) => table);
        const depth = kind >= 18 && chain.tip.height > 135 ? 1 + random.below(3) : 0;
        const blocks = depth === 0 ? [chosen] : Array.from({ length: depth + 1 }, () => []);
        const before = mempool.entriesByScore().length;
        await acceptor.chainMoved(depth === 0 ? chain.extend(chosen) : chain.reorganise(depth, blocks));
        if (depth > 0 && mempool.size > before) moves++;
        coins = coins.filter((coin) => chain.isUnspent(coin) || mempool.has(coin.txid));
        if (coins.length === 0)
          coins = Array.from({ length: 10 }, (_, i) => chain.coinbase(i + 1 + (step % 10)));
      }
      if (random.below(10) === 0 && mempool.size > 0) {
        mempool.prioritise(pick([...mempool.entries()]).txid, random.below(10_000) - 5000);
      }
      checkConsistent(fixture);
    }
    assert.ok(moves > 0, `seed ${seed}: no reorganisation brought anything back`);
  }
});
