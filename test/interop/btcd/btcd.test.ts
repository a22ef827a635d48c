import assert from "node:assert/strict";
import { test } from "node:test";
import { toHex, toHexReversed } from "#base/lib/bytes.ts";
import { systemClock } from "#base/lib/clock.ts";
import { buildBlock, genesisBlock, spend, type TestBlock } from "#ledger/chain/chain-fixture.ts";
import { TestNode } from "#ledger/peers/peer-fixture.ts";
import { encodeAddress } from "#protocol/bitcoin/address.ts";
import { regtest } from "#protocol/bitcoin/networks.ts";
import { encodeTransaction } from "#protocol/bitcoin/transaction.ts";
import { parseTx } from "#protocol/bitcoin/tx-table.ts";
import { hashTxs, txidAt, wtxidAt } from "#protocol/bitcoin/txid.ts";
import { Btcd, NO_BTCD } from "./btcd.ts";

const network = regtest();
/** P2WPKH of a key that nobody uses. */
const MINING_ADDRESS = encodeAddress(Uint8Array.of(0, 20, ...new Uint8Array(20).fill(7)), network)!;
const MINUTE = 60_000;

/** Blocks a minute apart whose last is of now: btcd relays nothing while its tip is older than a day. */
function chainUntilNow(count: number, prev: TestBlock, salt: number): TestBlock[] {
  const now = Math.floor(Date.now() / 1000);
  const blocks: TestBlock[] = [];
  for (let i = 0; i < count; i++) {
    const before = blocks.at(-1) ?? prev;
    blocks.push(
      buildBlock(network, before, { salt, time: Math.max(before.time + 1, now - (count - i) * 60) }),
    );
  }
  return blocks;
}

async function until(
  holds: () => boolean | Promise<boolean>,
  what: () => string,
  timeout: number,
): Promise<void> {
  const end = performance.now() + timeout;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`waited ${timeout} ms in vain for ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test("btcd and we sync, relay and reorganise together", {
  skip: NO_BTCD,
  timeout: 10 * MINUTE,
}, async (t) => {
  const ours = await TestNode.open(t, { clock: systemClock });
  const chain = chainUntilNow(500, genesisBlock(network), 1);
  await ours.mine(chain);
  const btcd = await Btcd.start(t, { miningAddress: MINING_ADDRESS, connect: ours.address });
  const same = async (node: TestNode): Promise<boolean> => (await btcd.tip()) === node.tip;

  await t.test("btcd syncs 500 blocks from us", async () => {
    await until(
      () => same(ours),
      () => `btcd at our tip\n${btcd.output.slice(-3000)}`,
      2 * MINUTE,
    );
    assert.equal(await btcd.height(), 500);
  });

  await t.test("we follow blocks that btcd mines", async () => {
    await btcd.call("generate", 10);
    await until(
      () => ours.height === 510,
      () => `height ${ours.height} to be 510`,
      MINUTE,
    );
    assert.ok(await same(ours));
  });

  await t.test("a fresh node of ours syncs all of them from btcd", async (inner) => {
    const fresh = await TestNode.open(inner, { clock: systemClock, seed: 2 });
    await fresh.peers.connectOnce(`127.0.0.1:${btcd.port}`);
    await until(
      () => fresh.height === 510,
      () => `height ${fresh.height} to be 510`,
      2 * MINUTE,
    );
    assert.ok(await same(fresh));
    await fresh.close();
  });

  await t.test("a transaction of ours reaches btcd", async () => {
    const table = parseTx(encodeTransaction(spend(chain[0]!.txids[0]!, 0, [4_999_000_000, 900_000])));
    const result = await ours.acceptor.accept(table);
    assert.ok(result.accepted);
    const hashes = hashTxs(table);
    const txid = toHexReversed(txidAt(hashes, 0));
    ours.peers.broadcastTransaction(txidAt(hashes, 0), wtxidAt(hashes, 0));
    const arrived = async (): Promise<boolean> =>
      ((await btcd.call("getrawmempool")) as string[]).includes(txid);
    await until(arrived, () => `${txid} in btcd's mempool\n${btcd.output.slice(-2000)}`, 2 * MINUTE);
  });

  await t.test("a transaction of btcd reaches us", async () => {
    const raw = encodeTransaction(spend(chain[1]!.txids[0]!, 0, [4_999_000_000, 900_000]));
    await btcd.call("sendrawtransaction", toHex(raw));
    const txid = txidAt(hashTxs(parseTx(raw)), 0);
    await until(
      () => ours.mempool.has(txid),
      () => "the transaction in our mempool",
      2 * MINUTE,
    );
  });

  await t.test("btcd follows a reorganisation of ours", async () => {
    const branch = chainUntilNow(15, chain[498]!, 2);
    await ours.mine(branch);
    assert.equal(ours.height, 514);
    await until(
      () => same(ours),
      () => `btcd at our tip\n${btcd.output.slice(-3000)}`,
      MINUTE,
    );
  });

  await t.test("we follow a reorganisation of btcd's", async () => {
    const branch = chainUntilNow(20, chain[497]!, 3);
    for (const { raw } of branch) await btcd.call("submitblock", toHex(raw));
    assert.equal(await btcd.height(), 518);
    await until(
      () => same(ours),
      () => `our tip at btcd's (height ${ours.height})`,
      MINUTE,
    );
  });
});
