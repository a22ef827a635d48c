import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "#base/lib/clock.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import { regtest } from "#protocol/bitcoin/networks.ts";
import {
  buildBlock,
  buildChain,
  CLOCK_TIME,
  genesisBlock,
  openTestChain,
  spend,
  TRUE_SCRIPT,
} from "./chain-fixture.ts";
import { MIB } from "./chain-options.ts";
import { shareCache } from "./load-chain.ts";

const network = regtest();
const blocks = buildChain(network, genesisBlock(network), 130);

/** Height of the coins that a killed program left on its disk. */
async function heightAfterKill(disk: FaultWorld): Promise<number> {
  const { chain } = await openTestChain("/data", { disk: disk.kill() });
  const { height } = chain.tip;
  await chain.close();
  return height;
}

test("what is unsaved is written after an hour or so, and not before", async () => {
  const disk = new FaultWorld();
  const clock = new ManualClock(CLOCK_TIME * 1000);
  const { chain, submitAll } = await openTestChain("/data", { disk, clock });
  await submitAll(blocks.slice(0, 20));
  clock.advance(49 * 60_000);
  await submitAll(blocks.slice(20, 40));
  const early = disk.operations;
  assert.equal(chain.tip.height, 40);
  clock.advance(22 * 60_000);
  await submitAll(blocks.slice(40, 41));
  assert.ok(disk.operations > early + 4);
  assert.equal(await heightAfterKill(disk), 41);
});

test("nothing is written in between", async () => {
  const disk = new FaultWorld();
  const { submitAll } = await openTestChain("/data", { disk });
  await submitAll(blocks.slice(0, 40));
  assert.equal(await heightAfterKill(disk), 0);
});

test("the coins are written when the cache is full, and it stays within its limit", async () => {
  const disk = new FaultWorld();
  const cacheBytes = 4 * MIB;
  const { chain, submitAll } = await openTestChain("/data", { disk, cacheBytes });
  await submitAll(blocks);
  const outputs = Array.from({ length: 4000 }, () => ({ value: 1, script: TRUE_SCRIPT }));
  let tip = blocks.at(-1)!;
  for (let i = 0; i < 20; i++) {
    tip = buildBlock(network, tip, { txs: [spend(blocks[i]!.txids[0]!, 0, outputs)] });
    await submitAll([tip]);
    assert.ok(chain.coinCache.bytes <= shareCache(cacheBytes).coins, `${chain.coinCache.bytes} bytes`);
  }
  assert.ok((await heightAfterKill(disk)) > 135);
});

test("a total is shared out as Core does", () => {
  assert.deepEqual(shareCache(450 * MIB), { index: 2 * MIB, database: 8 * MIB, coins: 440 * MIB });
  assert.deepEqual(shareCache(4 * MIB), { index: MIB / 2, database: 1.75 * MIB, coins: 1.75 * MIB });
  assert.deepEqual(shareCache(0), shareCache(4 * MIB));
});
