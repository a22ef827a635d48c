import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "#base/lib/random.ts";
import {
  buildBlock,
  CLOCK_TIME,
  genesisBlock,
  START_TIME,
  type TestBlock,
} from "#ledger/chain/chain-fixture.ts";
import type { HeaderNode } from "#ledger/chain/header-node.ts";
import { HeaderTree } from "#ledger/chain/header-tree.ts";
import { regtest } from "#protocol/bitcoin/networks.ts";
import { blockWork } from "#protocol/consensus/pow.ts";
import { HeaderPresync, type PresyncResult } from "./header-presync.ts";

const network = regtest();
const PARAMS = { commitmentPeriod: 20, redownloadBuffer: 100 };
const FULL = 50;
const WORK = blockWork(0x207f_ffff);

function root(): HeaderNode {
  const genesis = genesisBlock(network);
  return new HeaderTree().add(genesis.hash, genesis.raw, 0, null);
}

/** `count` headers on genesis, 80 bytes each. */
function headers(count: number, salt: number): Uint8Array {
  const raw = new Uint8Array(count * 80);
  let prev: TestBlock = genesisBlock(network);
  for (let i = 0; i < count; i++) {
    prev = buildBlock(network, prev, { salt, time: START_TIME + i });
    raw.set(prev.raw.subarray(0, 80), i * 80);
  }
  return raw;
}

const CHAIN = headers(600, 1);
const OTHER = headers(600, 2);

function start(blocks: number, seed = 1, now = CLOCK_TIME): HeaderPresync {
  const genesis = root();
  return new HeaderPresync(genesis, genesis.chainWork + WORK * BigInt(blocks), {
    network,
    random: new SeededRandom(seed),
    now,
    params: PARAMS,
  });
}

/** Hands in headers `from` … `to`, as many at a time as a message holds. */
function feed(sync: HeaderPresync, chain: Uint8Array, from: number, to: number): PresyncResult[] {
  const results: PresyncResult[] = [];
  for (let at = from; at < to; at += FULL) {
    const end = Math.min(to, at + FULL);
    const result = sync.process(chain.subarray(at * 80, end * 80), end - at === FULL);
    results.push(result);
    if (!result.success || !result.requestMore) break;
  }
  return results;
}

test("a chain with enough work passes twice and comes out whole", () => {
  const sync = start(500);
  const first = feed(sync, CHAIN, 0, 500);
  assert.ok(
    first.every(({ success, requestMore, headers: out }) => success && requestMore && out.length === 0),
  );
  assert.equal(sync.state, "redownload");
  assert.deepEqual([...sync.locator([])[0]!], [...root().hash]);
  const second = feed(sync, CHAIN, 0, 500);
  assert.ok(second.every(({ success }) => success));
  const out = second.flatMap(({ headers: part }) => [...part]);
  assert.deepEqual(out, [...CHAIN.subarray(0, 500 * 80)]);
  assert.equal(sync.state, "final");
  // Nothing came out before the buffer was full.
  assert.equal(second[0]!.headers.length, 0);
});

test("a chain that ends with too little work is let go, and nothing was kept of it", () => {
  const sync = start(500);
  const results = feed(sync, CHAIN, 0, 420);
  assert.equal(results.at(-1)!.requestMore, false);
  assert.equal(sync.state, "final");
  assert.deepEqual(sync.memory, { commitments: 0, headers: 0 });
});

test("another chain in the second pass is found out by its commitments", () => {
  let caught = 0;
  for (let seed = 1; seed <= 20; seed++) {
    const sync = start(500, seed);
    feed(sync, CHAIN, 0, 500);
    const results = feed(sync, OTHER, 0, 500);
    const last = results.at(-1)!;
    if (!last.success) {
      assert.match(last.ended!, /commitment mismatch/);
      caught++;
    }
    // Few headers of the wrong chain came out: those behind a whole buffer of matching bits.
    assert.equal(results.flatMap(({ headers: part }) => [...part]).length, 0, `seed ${seed}`);
  }
  // Each of 24 bits is right by chance half the time.
  assert.equal(caught, 20);
});

test("memory is a bit for each period in the first pass, and the buffer in the second", () => {
  const sync = start(500);
  feed(sync, CHAIN, 0, 450);
  assert.ok(sync.memory.commitments >= 22 && sync.memory.commitments <= 23);
  assert.equal(sync.memory.headers, 0);
  feed(sync, CHAIN, 450, 500);
  feed(sync, CHAIN, 0, 400);
  assert.equal(sync.memory.headers, PARAMS.redownloadBuffer);
});

test("headers that do not connect end the sync", () => {
  const sync = start(500);
  feed(sync, CHAIN, 0, 100);
  const result = sync.process(CHAIN.subarray(150 * 80, 200 * 80), true);
  assert.equal(result.success, false);
  assert.match(result.ended!, /non-continuous headers at height=100 \(presync phase\)/);
});

test("a chain longer than can be by now ends the sync", () => {
  const now = root().medianTimePast() - 2 * 3600 + 20;
  // Six blocks a second for twenty seconds make six commitments.
  const sync = start(500, 1, now);
  const results = feed(sync, CHAIN, 0, 500);
  assert.equal(results.at(-1)!.success, false);
  assert.match(results.at(-1)!.ended!, /exceeded max commitments/);
});

test("a chain that grew between the passes is still taken", () => {
  const sync = start(500);
  feed(sync, CHAIN, 0, 500);
  const results = feed(sync, CHAIN, 0, 600);
  const out = results.flatMap(({ headers: part }) => [...part]);
  assert.equal(out.length, 500 * 80);
  assert.equal(sync.state, "final");
});
