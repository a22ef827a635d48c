import assert from "node:assert/strict";
import { test } from "node:test";
import { toHexReversed } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { regtest } from "#protocol/bitcoin/networks.ts";
import {
  buildBlock,
  buildChain,
  coinsHash,
  genesisBlock,
  openTestChain,
  spend,
  TRUE_SCRIPT,
  temporaryDirectory,
} from "./chain-fixture.ts";
import { BlockStatus } from "./header-node.ts";

const network = regtest();
const genesis = genesisBlock(network);
const COIN = 100_000_000;

test("a new chain has genesis as its tip, and so after a restart", async () => {
  const dir = temporaryDirectory();
  for (let run = 0; run < 2; run++) {
    const { chain, fatal } = await openTestChain(dir);
    assert.deepEqual(chain.tip.hash.slice(), genesis.hash);
    assert.equal(chain.tip.height, 0);
    assert.equal(chain.tip.chainTxCount, 1);
    assert.equal(chain.headers.best, chain.tip);
    assert.deepEqual(await chain.readBlock(chain.tip), network.genesis);
    assert.equal(chain.getChainTips().length, 1);
    await chain.close();
    assert.deepEqual(fatal, []);
  }
});

test("blocks extend the chain, are told of one by one, and survive a restart", async (t) => {
  const dir = temporaryDirectory();
  const blocks = buildChain(network, genesis, 110);
  const spending = buildBlock(network, blocks.at(-1)!, {
    txs: [spend(blocks[0]!.txids[1 - 1]!, 0, [10 * COIN, 40 * COIN])],
  });
  const first = await openTestChain(dir);
  await first.submitAll([...blocks, spending]);
  assert.equal(first.chain.tip.height, 111);
  assert.equal(first.updates.length, 111);
  for (const [i, update] of first.updates.entries()) {
    assert.equal(update.tip.height, i + 1);
    assert.deepEqual(update.disconnected, []);
    assert.equal(update.connected.length, 1);
    assert.equal(update.connected[0]!.node, update.tip);
  }
  const loaded = await first.updates.at(-1)!.connected[0]!.load();
  assert.deepEqual(loaded.block.bytes, spending.raw);
  const hash = await coinsHash(first.chain);
  await first.chain.close();

  const { chain } = await openTestChain(dir, { checkBlocks: 0, checkLevel: 4 });
  t.after(() => chain.close());
  assert.equal(chain.tip.height, 111);
  assert.equal(chain.tip.chainTxCount, 113);
  assert.equal(await coinsHash(chain), hash);
  assert.deepEqual(await chain.readBlock(chain.activeAt(111)!), spending.raw);
  const undo = await chain.readUndo(chain.tip);
  assert.equal(undo.amount(0), 0, "the coinbase spends nothing");
  assert.equal(undo.amount(1), 50 * COIN);
  assert.deepEqual(undo.script(1).slice(), TRUE_SCRIPT);
  const next = buildBlock(network, spending);
  await chain.acceptBlock(next.raw, { requested: true, minPowChecked: true });
  assert.equal(chain.tip.height, 112);
});

test("a block's transactions may spend each other, and coins are seen with the tip", async (t) => {
  const { chain, submit, submitAll } = await openTestChain(temporaryDirectory());
  t.after(() => chain.close());
  const blocks = buildChain(network, genesis, 101);
  await submitAll(blocks);
  const a = spend(blocks[0]!.txids[0]!, 0, [20 * COIN, 30 * COIN]);
  const aId = buildBlock(network, blocks.at(-1)!, { txs: [a] }).txids[1]!;
  const b = spend(aId, 1, [29 * COIN]);
  const block = buildBlock(network, blocks.at(-1)!, { txs: [a, b], fees: COIN });
  assert.equal(await submit(block), undefined);
  await chain.lock.run(async () => {
    const outpoints = [outpoint(aId, 0), outpoint(aId, 1), outpoint(block.txids[2]!, 0)];
    await chain.coins.prefetch(outpoints);
    const coin = chain.coins.get(outpoints[0]!);
    assert.deepEqual(
      { ...coin, script: coin?.script.slice() },
      { amount: 20 * COIN, script: TRUE_SCRIPT, height: 102, coinbase: false },
    );
    assert.equal(chain.coins.get(outpoints[1]!), undefined);
    assert.equal(chain.coins.get(outpoints[2]!)?.amount, 29 * COIN);
  });
});

test("blocks that come before their parents wait for them", async (t) => {
  const dir = temporaryDirectory();
  const first = await openTestChain(dir);
  const blocks = buildChain(network, genesis, 30);
  const headers = new Uint8Array(80 * 30);
  for (const [i, block] of blocks.entries()) headers.set(block.raw.subarray(0, 80), 80 * i);
  const verdict = await first.chain.acceptHeaders(headers, { minPowChecked: true });
  assert.equal(verdict.accepted, 30);
  assert.equal(verdict.last?.height, 30);
  assert.equal(first.chain.headers.best.height, 30);
  assert.equal(first.chain.tip.height, 0);
  assert.equal(first.chain.getChainTips()[0]!.status, "headers-only");
  for (const block of blocks.slice(10).reverse()) {
    assert.equal(await first.submit(block), undefined);
    assert.equal(first.chain.tip.height, 0);
  }
  await first.chain.close();

  const second = await openTestChain(dir);
  t.after(() => second.chain.close());
  await second.submitAll(blocks.slice(0, 9));
  assert.equal(second.chain.tip.height, 9);
  assert.equal(await second.submit(blocks[9]!), undefined);
  assert.equal(second.chain.tip.height, 30);
});

test("a block that is known, unasked for or weak is not stored", async (t) => {
  const minimumChainWork = 100n;
  const { chain, submit, submitAll } = await openTestChain(temporaryDirectory(), { minimumChainWork });
  t.after(() => chain.close());
  const blocks = buildChain(network, genesis, 400);
  const unasked = { requested: false, minPowChecked: true };
  const weak = await chain.acceptBlock(blocks[0]!.raw, unasked);
  assert.equal(weak.isNew, false, "its chain has less than the minimum work");
  assert.equal(weak.rejection, undefined);
  assert.equal(weak.node?.hasData, false);
  await submitAll(blocks.slice(0, 60));
  assert.equal(await submit(blocks[10]!), undefined);
  assert.equal((await chain.acceptBlock(blocks[10]!.raw, unasked)).isNew, false, "it is known");
  const fork = buildBlock(network, blocks[40]!, { salt: 1 });
  assert.equal((await chain.acceptBlock(fork.raw, unasked)).isNew, false, "it has less work than the tip");
  const headers = new Uint8Array(80 * 400);
  for (const [i, block] of blocks.entries()) headers.set(block.raw.subarray(0, 80), 80 * i);
  await chain.acceptHeaders(headers, { minPowChecked: true });
  const far = 60 + 288;
  assert.equal((await chain.acceptBlock(blocks[far]!.raw, unasked)).isNew, false, "it is too far ahead");
  assert.equal((await chain.acceptBlock(blocks[far - 1]!.raw, unasked)).isNew, true);
  assert.equal((await chain.acceptBlock(fork.raw, { requested: true, minPowChecked: true })).isNew, true);
});

test("headers without checked work are refused", async (t) => {
  const { chain } = await openTestChain(temporaryDirectory());
  t.after(() => chain.close());
  const [block] = buildChain(network, genesis, 1);
  const options = { requested: true, minPowChecked: false };
  const { rejection } = await chain.acceptBlock(block!.raw, options);
  assert.equal(rejection?.reason, "too-little-chainwork");
  assert.equal(rejection?.result, "header-low-work");
  assert.equal(chain.headers.size, 1);
  await assert.rejects(chain.acceptBlock(block!.raw.slice(0, 100), options), DecodeError);
});

test("getchaintips names each branch by what is known of it", async (t) => {
  const { chain, submit, submitAll } = await openTestChain(temporaryDirectory());
  t.after(() => chain.close());
  const trunk = buildChain(network, genesis, 10);
  await submitAll(trunk);
  const fork = buildChain(network, trunk[4]!, 3, 1);
  await submitAll(fork);
  const bad = buildBlock(network, trunk[9]!, { fees: 1 });
  assert.equal(await submit(bad), "bad-cb-amount");
  const lone = buildChain(network, trunk[2]!, 2, 2);
  await chain.acceptHeaders(lone[0]!.raw.slice(0, 80), { minPowChecked: true });
  await submit(lone[1]!);
  const tips = chain.getChainTips().map(({ node, branchLength, status }) => ({
    hash: toHexReversed(node.hash),
    height: node.height,
    branchLength,
    status,
  }));
  assert.deepEqual(tips, [
    { hash: toHexReversed(bad.hash), height: 11, branchLength: 1, status: "invalid" },
    { hash: toHexReversed(trunk[9]!.hash), height: 10, branchLength: 0, status: "active" },
    { hash: toHexReversed(fork[2]!.hash), height: 8, branchLength: 3, status: "valid-headers" },
    { hash: toHexReversed(lone[1]!.hash), height: 5, branchLength: 2, status: "headers-only" },
  ]);
  const node = chain.headers.lookup(trunk[9]!.hash)!;
  assert.ok(node.isValid(BlockStatus.VALID_SCRIPTS));
});

test("a closed chain takes nothing more, and can be closed again", async () => {
  const { chain, submit, fatal } = await openTestChain(temporaryDirectory());
  const blocks = buildChain(network, genesis, 2);
  const closing = chain.close();
  await chain.importBlocks();
  await assert.rejects(submit(blocks[0]!), /the chain is closed/);
  await closing;
  await chain.close();
  assert.deepEqual(fatal, []);
});

test("the node stops at a height when told", async (t) => {
  const { chain, submit } = await openTestChain(temporaryDirectory(), { stopAtHeight: 5 });
  t.after(() => chain.close());
  for (const block of buildChain(network, genesis, 8)) await submit(block);
  assert.equal(chain.tip.height, 5);
});

test("initial download ends when the tip is recent and has the minimum work, for good", async (t) => {
  const chain = await openTestChain(temporaryDirectory(), { maxTipAge: 24 * 60 * 60, minimumChainWork: 8n });
  t.after(() => chain.chain.close());
  const now = 1_700_000_000 + 20 * 24 * 60 * 60;
  const old = buildBlock(network, genesis, { time: now - 25 * 60 * 60 });
  const recent = buildBlock(network, old, { time: now - 60 });
  const strong = buildBlock(network, recent, { time: now - 59 });
  assert.equal(chain.chain.isInitialBlockDownload(), true);
  await chain.submit(old);
  assert.equal(chain.chain.isInitialBlockDownload(), true, "the tip is old");
  await chain.submit(recent);
  assert.equal(chain.chain.isInitialBlockDownload(), true, "too little work");
  await chain.submit(strong);
  assert.equal(chain.chain.isInitialBlockDownload(), false);
  await chain.chain.invalidateBlock(chain.chain.activeAt(1)!);
  assert.equal(chain.chain.tip.height, 0);
  assert.equal(chain.chain.isInitialBlockDownload(), false, "it does not come back");
});

function outpoint(txid: Uint8Array, index: number): Uint8Array {
  const bytes = new Uint8Array(36);
  bytes.set(txid);
  bytes[32] = index;
  return bytes;
}
