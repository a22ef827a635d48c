import assert from "node:assert/strict";
import { test } from "node:test";
import { equalBytes } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { isDiskFull } from "#base/store/disk-error.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import type { SyncRequest } from "#base/store/power.ts";
import { PowerOffError } from "#base/store/power.ts";
import { CoinDatabase } from "./coin-database.ts";
import {
  applyBlock,
  CoinModel,
  type FixtureBlock,
  listDatabase,
  replayBlock,
  sorted,
} from "./coin-fixture.ts";
import { type Coin, CoinCache } from "./coins.ts";

const PATH = "/data/chainstate";

async function open(disk: FaultWorld): Promise<{ database: CoinDatabase; coins: CoinCache }> {
  const database = await CoinDatabase.open({ path: PATH }, { disk });
  // Batches of some dozen coins, so that a flush has many.
  const options = { maxBytes: 1_000_000, batchBytes: 500 };
  return { database, coins: new CoinCache(options, { database, random: new SeededRandom(1) }) };
}

/** Twelve blocks flushed after the sixth and after the last; `cut` cuts the power within the second flush. */
interface Story {
  readonly model: CoinModel;
  readonly world: FaultWorld;
  /** The coins at the first flush. */
  readonly middle: ReadonlyMap<string, Coin>;
  /** Whether the second flush ended. */
  readonly finished: boolean;
  readonly operations: number;
}

async function tell(cut: number | undefined, leaveOut?: (sync: SyncRequest) => boolean): Promise<Story> {
  const world = new FaultWorld({ logBytes: 6_000 });
  const model = new CoinModel(new SeededRandom(21));
  const { coins } = await open(world);
  for (let i = 0; i < 6; i++) await grow(model, coins);
  await coins.flush();
  const middle = new Map(model.coins);
  for (let i = 0; i < 6; i++) await grow(model, coins);
  if (leaveOut !== undefined) world.leaveOutSyncs(leaveOut);
  if (cut !== undefined) world.offAfter(cut);
  const before = world.operations;
  let finished = true;
  try {
    await coins.flush();
  } catch (error) {
    assert.ok(error instanceof PowerOffError);
    finished = false;
  }
  return { model, world, middle, finished, operations: world.operations - before };
}

async function grow(model: CoinModel, coins: CoinCache): Promise<void> {
  await applyBlock(coins, model.grow(25));
  coins.commit(model.hash);
}

/**
 * What a start after a power cut makes of the coins: rolls an unfinished flush forward and returns all coins and the
 * block they belong to.
 */
async function recover(
  world: FaultWorld,
  blocks: readonly FixtureBlock[],
): Promise<{ height: number; coins: Map<string, Coin>; replayed: boolean }> {
  const { database, coins } = await open(world);
  const heads = database.heads();
  if (heads !== undefined) {
    assert.equal(database.bestBlock(), undefined);
    const from = blocks.findIndex(({ hash }) => heads.old !== undefined && equalBytes(hash, heads.old));
    const to = blocks.findIndex(({ hash }) => equalBytes(hash, heads.new));
    for (const block of blocks.slice(from + 1, to + 1)) await replayBlock(coins, block);
    await coins.flush();
  }
  const best = database.bestBlock()!;
  const height = blocks.find(({ hash }) => equalBytes(hash, best))!.height;
  return { height, coins: await listDatabase(database), replayed: heads !== undefined };
}

test("a power cut at any operation of a flush leaves the old coins, the new ones, or the way to them", async () => {
  const { operations } = await tell(undefined);
  assert.ok(operations > 20, `${operations} operations`);
  const outcomes = new Map<string, number>();
  for (let cut = 1; cut <= operations + 1; cut++) {
    const story = await tell(cut <= operations ? cut : undefined);
    for (let seed = 0; seed < 4; seed++) {
      const world = story.world.kill().powerCut(new SeededRandom(1000 * cut + seed));
      const { height, coins, replayed } = await recover(world, story.model.blocks);
      if (story.finished) assert.equal(height, 12);
      assert.deepEqual(sorted(coins), sorted(height === 6 ? story.middle : story.model.coins));
      const outcome = `${height}${replayed ? " replayed" : ""}`;
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
  }
  assert.deepEqual([...outcomes.keys()].sort(), ["12", "12 replayed", "6"]);
  assert.ok(outcomes.get("12 replayed")! > 20);
});

test("without the syncs of its batches a flush loses coins, and this test sees it", async () => {
  let wrong = 0;
  for (let seed = 0; seed < 40; seed++) {
    const story = await tell(undefined, (sync) => sync.kind === "store");
    const world = story.world.powerCut(new SeededRandom(seed));
    const { height, coins } = await recover(world, story.model.blocks);
    const expected = height === 6 ? story.middle : story.model.coins;
    // An acknowledged flush that is gone, or coins that belong to no block.
    if (height !== 12 || JSON.stringify(sorted(coins)) !== JSON.stringify(sorted(expected))) wrong++;
  }
  assert.ok(wrong > 0);
});

test("replaying over coins that are partly there may be cut and done again", async () => {
  const { operations } = await tell(undefined);
  const story = await tell(Math.floor(operations / 2));
  for (let cut = 1; cut < 60; cut += 3) {
    let world = story.world.kill().powerCut(new SeededRandom(cut));
    world.offAfter(cut);
    try {
      await recover(world, story.model.blocks);
    } catch (error) {
      assert.ok(error instanceof PowerOffError);
    }
    world = world.powerCut(new SeededRandom(cut));
    const { height, coins } = await recover(world, story.model.blocks);
    assert.deepEqual(sorted(coins), sorted(height === 6 ? story.middle : story.model.coins));
  }
});

test("a flush to another block is refused while an earlier one is not made good", async () => {
  const { operations } = await tell(undefined);
  const story = await tell(Math.floor(operations / 2));
  const { coins, database } = await open(story.world.kill());
  assert.ok(database.heads() !== undefined);
  coins.begin();
  coins.commit(story.model.blocks[2]!.hash);
  await assert.rejects(coins.flush(), /in the middle of a flush to another block/);
});

test("a flush that finds the disk full leaves the cache as it was, and can be done again", async () => {
  const world = new FaultWorld();
  const model = new CoinModel(new SeededRandom(5));
  const { coins, database } = await open(world);
  for (let i = 0; i < 6; i++) await grow(model, coins);
  const { dirty, size } = coins;
  world.capacity = world.used + 5_000;
  await assert.rejects(coins.flush(), isDiskFull);
  assert.equal(coins.dirty, dirty);
  assert.equal(coins.size, size);
  world.capacity = Number.POSITIVE_INFINITY;
  await coins.flush();
  assert.deepEqual(sorted(await listDatabase(database)), sorted(model.coins));
});
