import assert from "node:assert/strict";
import { test } from "node:test";
import { equalBytes, toHex } from "#base/lib/bytes.ts";
import { silentLogger } from "#base/lib/logger.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { encodeTransaction } from "#protocol/bitcoin/transaction.ts";
import { parseTx } from "#protocol/bitcoin/tx-table.ts";
import { hashTxs, txidAt, wtxidAt } from "#protocol/bitcoin/txid.ts";
import { type RejectionResult, reject } from "#protocol/consensus/rejection.ts";
import type { LooseTransaction } from "./orphanage.ts";
import { MAX_ANNOUNCEMENTS, MAX_REQUESTS_IN_FLIGHT, TransactionDownload } from "./transaction-download.ts";

const NOW = 1_700_000_000_000;
let counter = 0;

function transaction(parents: readonly Uint8Array[], witness = true): LooseTransaction {
  const raw = encodeTransaction({
    version: 2,
    inputs: parents.map((txid) => ({
      txid,
      index: 0,
      script: new Uint8Array(0),
      sequence: counter++,
      witness: witness ? [Uint8Array.of(1)] : [],
    })),
    outputs: [{ value: 1, script: new Uint8Array(1) }],
    lockTime: 0,
  });
  const table = parseTx(raw);
  const hashes = hashTxs(table);
  return { table, txid: txidAt(hashes, 0), wtxid: wtxidAt(hashes, 0) };
}

function hashOf(n: number): Uint8Array {
  const hash = new Uint8Array(32).fill(9);
  new DataView(hash.buffer).setUint32(0, n);
  return hash;
}

function setUp(): { download: TransactionDownload; mempool: Set<string> } {
  const mempool = new Set<string>();
  const download = new TransactionDownload({
    mempool: { has: (txid) => mempool.has(toHex(txid)), hasWtxid: (wtxid) => mempool.has(toHex(wtxid)) },
    random: new SeededRandom(1),
    log: silentLogger,
  });
  const peer = { relayPermission: false, wtxidRelay: true };
  download.connected(1, { ...peer, preferred: true });
  download.connected(2, { ...peer, preferred: false });
  download.connected(3, { ...peer, preferred: true, wtxidRelay: false });
  return { download, mempool };
}

test("a preferred peer is asked at once, another after two seconds, by txid two seconds later still", () => {
  const { download } = setUp();
  const due = (peer: number, at: number): number => download.requestsToSend(peer, NOW + at).length;
  download.announced(1, { hash: hashOf(1), isWtxid: true }, NOW);
  assert.equal(due(1, 0), 1);
  download.announced(2, { hash: hashOf(2), isWtxid: true }, NOW);
  assert.equal(due(2, 1999), 0);
  assert.equal(due(2, 2000), 1);
  download.announced(3, { hash: hashOf(3), isWtxid: false }, NOW + 2000);
  assert.equal(due(3, 3999), 0);
  assert.equal(due(3, 4000), 1);
});

test("a peer with 100 requests out is asked later, and no more than 5000 announcements of one are kept", () => {
  const { download } = setUp();
  for (let i = 0; i < MAX_REQUESTS_IN_FLIGHT; i++)
    download.announced(1, { hash: hashOf(i), isWtxid: true }, NOW);
  assert.equal(download.requestsToSend(1, NOW).length, 100);
  download.announced(1, { hash: hashOf(1000), isWtxid: true }, NOW);
  assert.equal(download.requestsToSend(1, NOW + 1999).length, 0);
  assert.equal(download.requestsToSend(1, NOW + 2000).length, 1);
  for (let i = 2000; i < 9000; i++) download.announced(1, { hash: hashOf(i), isWtxid: true }, NOW);
  assert.equal(download.requests.count(1), MAX_ANNOUNCEMENTS);
  download.connected(4, { preferred: true, relayPermission: true, wtxidRelay: true });
  for (let i = 2000; i < 9000; i++) download.announced(4, { hash: hashOf(i), isWtxid: true }, NOW);
  assert.equal(download.requests.count(4), 7000);
});

test("after a minute without answer, or notfound, another peer is asked", () => {
  const { download } = setUp();
  for (const peer of [1, 2]) download.announced(peer, { hash: hashOf(1), isWtxid: true }, NOW);
  assert.equal(download.requestsToSend(1, NOW).length, 1);
  assert.equal(download.requestsToSend(2, NOW + 59_999).length, 0);
  assert.equal(download.requestsToSend(2, NOW + 60_000).length, 1);
  download.announced(1, { hash: hashOf(5), isWtxid: true }, NOW);
  download.announced(2, { hash: hashOf(5), isWtxid: true }, NOW);
  assert.equal(download.requestsToSend(1, NOW + 60_000).length, 1);
  download.notFound(1, [hashOf(5)]);
  assert.equal(download.requestsToSend(2, NOW + 60_000).length, 1);
});

test("what we have, had or refused is not asked for", () => {
  const { download, mempool } = setUp();
  const tx = transaction([hashOf(1)]);
  mempool.add(toHex(hashOf(7)));
  assert.equal(download.announced(1, { hash: hashOf(7), isWtxid: true }, NOW), true);
  download.refused(tx, reject("not-standard", "dust"), 1, true, NOW);
  assert.equal(download.announced(1, { hash: tx.wtxid, isWtxid: true }, NOW), true);
  // Another witness might do: its txid stays open.
  assert.equal(download.announced(3, { hash: tx.txid, isWtxid: false }, NOW), false);
  download.tipChanged();
  assert.equal(download.announced(1, { hash: tx.wtxid, isWtxid: true }, NOW), false);
  const block = transaction([hashOf(2)]);
  download.blockConnected(block.table, hashTxs(block.table));
  assert.equal(download.announced(1, { hash: block.wtxid, isWtxid: true }, NOW), true);
  download.blockDisconnected();
  assert.equal(download.announced(1, { hash: block.wtxid, isWtxid: true }, NOW), false);
});

test("which ids are remembered depends on why it was refused", () => {
  const cases: [RejectionResult, boolean, boolean][] = [
    ["not-standard", true, false],
    ["inputs-not-standard", true, true],
    ["witness-stripped", false, false],
    ["consensus", true, false],
    ["reconsiderable", true, false],
  ];
  for (const [result, wtxid, txid] of cases) {
    const { download } = setUp();
    const tx = transaction([hashOf(1)]);
    download.refused(tx, reject(result, "x"), 1, true, NOW);
    assert.equal(download.alreadyHave({ hash: tx.wtxid, isWtxid: true }, true), wtxid, result);
    assert.equal(download.alreadyHave({ hash: tx.txid, isWtxid: false }, true), txid, result);
    // For a package it may still be good.
    assert.equal(
      download.alreadyHave({ hash: tx.wtxid, isWtxid: true }, false),
      wtxid && result !== "reconsiderable",
    );
  }
});

test("an orphan's missing parents are asked of all who announced it, and it is tried again when they came", () => {
  const { download, mempool } = setUp();
  const parent = transaction([hashOf(1)]);
  const child = transaction([parent.txid, hashOf(50)]);
  mempool.add(toHex(hashOf(50)));
  for (const peer of [1, 2]) download.announced(peer, { hash: child.wtxid, isWtxid: true }, NOW);
  download.requestsToSend(1, NOW);
  assert.equal(download.received(1, child), true);
  const parents = download.refused(
    child,
    reject("missing-inputs", "bad-txns-inputs-missingorspent"),
    1,
    true,
    NOW,
  );
  assert.deepEqual(parents.map(toHex), [toHex(parent.txid)]);
  assert.deepEqual(download.orphanage.entries()[0]!.peers, [1, 2]);
  assert.equal(download.requestsToSend(1, NOW + 1999).length, 0);
  const [asked] = download.requestsToSend(1, NOW + 2000);
  assert.ok(equalBytes(asked!.hash, parent.txid) && !asked!.isWtxid);
  // A third peer that announces the orphan is one more to ask.
  assert.equal(download.announced(3, { hash: child.wtxid, isWtxid: true }, NOW + 2000), true);
  assert.deepEqual(download.orphanage.entries()[0]!.peers, [1, 2, 3]);
  assert.equal(download.received(1, parent), true);
  download.accepted(parent);
  const work = [1, 2, 3].filter((peer) => download.hasWork(peer));
  assert.equal(work.length, 1);
  assert.equal(download.takeWork(work[0]!), child);
  download.accepted(child);
  assert.equal(download.orphanage.size, 0);
});

test("an orphan of a refused parent is refused with it", () => {
  const { download } = setUp();
  const parent = transaction([hashOf(1)], false);
  download.refused(parent, reject("not-standard", "dust"), 1, true, NOW);
  const child = transaction([parent.txid]);
  assert.deepEqual(download.refused(child, reject("missing-inputs", "x"), 1, true, NOW), []);
  assert.equal(download.orphanage.size, 0);
  assert.equal(download.alreadyHave({ hash: child.txid, isWtxid: false }, true), true);
});

test("a peer that goes takes its announcements and orphans with it", () => {
  const { download } = setUp();
  download.announced(1, { hash: hashOf(1), isWtxid: true }, NOW);
  download.refused(transaction([hashOf(2)]), reject("missing-inputs", "x"), 1, true, NOW);
  download.disconnected(1);
  assert.equal(download.requests.size, 0);
  assert.equal(download.orphanage.size, 0);
  assert.equal(download.announced(1, { hash: hashOf(3), isWtxid: true }, NOW), false);
  assert.equal(download.requests.size, 0);
});
