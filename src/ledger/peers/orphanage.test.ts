import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "#base/lib/random.ts";
import { encodeTransaction } from "#protocol/bitcoin/transaction.ts";
import { parseTx } from "#protocol/bitcoin/tx-table.ts";
import { hashTxs, txidAt, wtxidAt } from "#protocol/bitcoin/txid.ts";
import { type LooseTransaction, MAX_ORPHAN_WEIGHT, Orphanage } from "./orphanage.ts";

let counter = 0;

/** A transaction that spends outputs of others; `padding` bytes make it heavier. */
function transaction(parents: readonly Uint8Array[], padding = 0): LooseTransaction {
  const raw = encodeTransaction({
    version: 2,
    inputs: parents.map((txid) => ({
      txid,
      index: 0,
      script: new Uint8Array(padding),
      sequence: counter++,
      witness: [],
    })),
    outputs: [{ value: 1, script: new Uint8Array(1) }],
    lockTime: 0,
  });
  const table = parseTx(raw);
  const hashes = hashTxs(table);
  return { table, txid: txidAt(hashes, 0), wtxid: wtxidAt(hashes, 0) };
}

function parent(n: number): Uint8Array {
  const txid = new Uint8Array(32).fill(7);
  txid[0] = n;
  txid[1] = n >>> 8;
  return txid;
}

test("an orphan is kept for each peer that has it, and goes with the last", () => {
  const orphanage = new Orphanage(new SeededRandom(1));
  const tx = transaction([parent(1)]);
  assert.equal(orphanage.add(tx, 1), true);
  assert.equal(orphanage.add(tx, 2), false);
  assert.equal(orphanage.addAnnouncer(tx.wtxid, 3), true);
  assert.equal(orphanage.addAnnouncer(tx.wtxid, 3), false);
  assert.equal(orphanage.addAnnouncer(transaction([parent(2)]).wtxid, 3), false);
  assert.deepEqual(orphanage.entries()[0]!.peers, [1, 2, 3]);
  orphanage.eraseForPeer(1);
  orphanage.eraseForPeer(2);
  assert.ok(orphanage.has(tx.wtxid));
  orphanage.eraseForPeer(3);
  assert.ok(!orphanage.has(tx.wtxid));
  assert.deepEqual([orphanage.size, orphanage.announcements, orphanage.weight], [0, 0, 0]);
});

test("what is too heavy to be standard is not kept", () => {
  const orphanage = new Orphanage(new SeededRandom(1));
  const heavy = transaction([parent(1)], 100_000);
  assert.ok(heavy.table.weight(0) > MAX_ORPHAN_WEIGHT);
  assert.equal(orphanage.add(heavy, 1), false);
  assert.equal(orphanage.size, 0);
});

test("a peer's flood pushes out its own orphans, not another's", () => {
  const orphanage = new Orphanage(new SeededRandom(1), { announcements: 100, weightPerPeer: 20_000 });
  const honest = transaction([parent(0)]);
  orphanage.add(honest, 1);
  const flood = Array.from({ length: 500 }, (_, i) => transaction([parent(i + 1)]));
  for (const tx of flood) orphanage.add(tx, 2);
  assert.ok(orphanage.has(honest.wtxid));
  assert.equal(orphanage.announcements <= 100, true);
  assert.ok(orphanage.weight <= 40_000);
  // The oldest went first.
  assert.ok(!orphanage.has(flood[0]!.wtxid));
  assert.ok(orphanage.has(flood.at(-1)!.wtxid));
});

test("by weight too, a peer pays with its own", () => {
  const orphanage = new Orphanage(new SeededRandom(1), { announcements: 3000, weightPerPeer: 404_000 });
  const honest = transaction([parent(0)], 50_000);
  orphanage.add(honest, 1);
  for (let i = 1; i < 20; i++) orphanage.add(transaction([parent(i)], 90_000), 2);
  assert.ok(orphanage.has(honest.wtxid));
  assert.ok(orphanage.weight <= 2 * 404_000);
  assert.ok(orphanage.weightOf(2) <= 2 * 404_000 - orphanage.weightOf(1));
});

test("children of an accepted transaction come up in the turn of one of their peers, once", () => {
  const orphanage = new Orphanage(new SeededRandom(1));
  const first = transaction([parent(0)]);
  const child = transaction([first.txid]);
  const other = transaction([parent(9)]);
  orphanage.add(child, 1);
  orphanage.add(child, 2);
  orphanage.add(other, 1);
  assert.equal(orphanage.hasWork(1) || orphanage.hasWork(2), false);
  orphanage.addChildrenToWork(first);
  const taken = [1, 2].flatMap((peer) => orphanage.takeWork(peer) ?? []);
  assert.deepEqual(taken, [child]);
  assert.equal(orphanage.hasWork(1) || orphanage.hasWork(2), false);
  assert.ok(orphanage.has(child.wtxid));
});

test("a block takes away what it contains and what it contradicts", () => {
  const orphanage = new Orphanage(new SeededRandom(1));
  const [included, conflicting, other] = [
    transaction([parent(1)]),
    transaction([parent(1)]),
    transaction([parent(2)]),
  ];
  for (const tx of [included, conflicting, other]) orphanage.add(tx, 1);
  orphanage.eraseForBlock(included.table);
  assert.deepEqual(
    orphanage.entries().map(({ tx }) => tx),
    [other],
  );
});

test("children from one peer come newest first", () => {
  const orphanage = new Orphanage(new SeededRandom(1));
  const first = transaction([parent(0)]);
  const children = [transaction([first.txid]), transaction([first.txid]), transaction([first.txid])];
  for (const child of children) orphanage.add(child, 1);
  orphanage.add(transaction([first.txid]), 2);
  assert.deepEqual(orphanage.childrenFrom(first, 1), [...children].reverse());
});

test("from random changes all counts stay true", () => {
  for (let seed = 0; seed < 30; seed++) {
    const random = new SeededRandom(seed);
    const orphanage = new Orphanage(random, { announcements: 40, weightPerPeer: 3_000 });
    const txs = Array.from({ length: 60 }, (_, i) => transaction([parent(i % 20)], random.below(300)));
    for (let step = 0; step < 400; step++) {
      const tx = txs[random.below(txs.length)]!;
      const peer = random.below(6);
      [
        () => orphanage.add(tx, peer),
        () => orphanage.add(tx, peer),
        () => orphanage.add(tx, peer),
        () => orphanage.addAnnouncer(tx.wtxid, peer),
        () => orphanage.erase(tx.wtxid),
        () => random.below(5) === 0 && orphanage.eraseForPeer(peer),
        () => orphanage.eraseForBlock(tx.table),
        () => orphanage.addChildrenToWork(tx),
        () => orphanage.takeWork(peer),
      ][random.below(9)]!();
      const entries = orphanage.entries();
      const announcements = entries.flatMap(({ peers }) => peers);
      assert.equal(orphanage.announcements, announcements.length);
      assert.equal(
        orphanage.weight,
        entries.reduce((sum, { weight }) => sum + weight, 0),
      );
      const peers = new Set(announcements).size;
      assert.ok(orphanage.announcements <= 40);
      assert.ok(orphanage.weight <= 3_000 * Math.max(1, peers), `seed ${seed} step ${step}`);
    }
  }
});
