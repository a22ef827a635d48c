import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "#base/lib/random.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import { regtest } from "#protocol/bitcoin/networks.ts";
import type { Transaction } from "#protocol/bitcoin/transaction.ts";
import {
  buildBlock,
  buildChain,
  coinsHash,
  genesisBlock,
  openTestChain,
  spend,
  type TestBlock,
  type TestChain,
} from "./chain-fixture.ts";

const network = regtest();
const genesis = genesisBlock(network);

/** A trunk, and branches from it that each win over the one before; blocks spend coinbases of the trunk. */
function busyStory(): TestBlock[] {
  const trunk = buildChain(network, genesis, 115);
  const story = [...trunk];
  for (let branch = 0; branch < 6; branch++) {
    let tip = trunk[110 - branch]!;
    for (let i = 0; i < 6 + 3 * branch; i++) {
      const txs = i < 4 ? [spend(trunk[i]!.txids[0]!, 0, [10e8 + branch, 20e8, 1e8])] : [];
      tip = buildBlock(network, tip, { txs, salt: branch + 1 });
      story.push(tip);
    }
  }
  return story;
}

const story = busyStory();
let expected: string;

const CUTS = 60;
const CHOSEN = { checkBlocks: 0, checkLevel: 4, fastPrune: true };

/** Plays the story on a disk, writing out now and then, until its end or that of the power. */
async function play(disk: FaultWorld, random: SeededRandom): Promise<TestChain | undefined> {
  let world: TestChain | undefined;
  try {
    world = await openTestChain("/data", { ...CHOSEN, disk });
    for (const block of story) {
      await world.submit(block);
      if (random.below(12) === 0) await world.chain.flush();
    }
    return world;
  } catch (error) {
    if (!String(error).includes("the power is off")) throw error;
    await world?.chain.close().catch(() => {});
    return undefined;
  }
}

test("the story without any harm", async () => {
  const world = await play(new FaultWorld(), new SeededRandom(1));
  expected = await coinsHash(world!.chain);
  assert.deepEqual(world!.chain.tip.hash.slice(), story.at(-1)!.hash);
  await world!.chain.close();
});

/** Whether some of the random cuts is not survived, when the syncs of files with this name are left out. */
async function losesSomething(leaveOut: string | undefined): Promise<boolean> {
  for (let seed = 1; seed <= CUTS; seed++) {
    const random = new SeededRandom(seed);
    let disk = new FaultWorld();
    try {
      // Up to three cuts in a row, the later ones perhaps during recovery.
      for (let left = 1 + random.below(3); left > 0; left--) {
        if (leaveOut !== undefined) disk.leaveOutSyncs(({ path }) => path.includes(leaveOut));
        disk.offAfter(1 + random.below(seed % 2 === 0 ? 900 : 60));
        const world = await play(disk, random);
        await world?.chain.close().catch(() => {});
        disk = left === 1 && random.below(4) === 0 ? disk.kill() : disk.powerCut(random);
      }
      const world = await play(disk, random);
      assert.equal(await coinsHash(world!.chain), expected);
      await world!.chain.close();
    } catch (error) {
      if (leaveOut === undefined) throw new Error(`seed ${seed}`, { cause: error });
      return true;
    }
  }
  return false;
}

test("after power cuts at any instant the chain goes on without a reindex, to the same coins", async () => {
  assert.equal(await losesSomething(undefined), false);
});

for (const left of ["blk", "rev", "index"]) {
  test(`the test notices when ${left} is not synced`, async () => {
    assert.equal(await losesSomething(left), true);
  });
}

/** Nine blocks that spend coins, and a branch that leaves the last six of them and spends the same ones otherwise. */
function forkedStory(): { plain: TestBlock[]; main: TestBlock[]; branch: TestBlock[] } {
  const plain = buildChain(network, genesis, 105);
  const mine = (prev: TestBlock, from: number, count: number, salt: number): TestBlock[] => {
    const blocks: TestBlock[] = [];
    for (let i = from; i < from + count; i++) {
      const txs = i < 6 ? [spend(plain[i]!.txids[0]!, 0, [10e8 + salt, 20e8, 1e8])] : [];
      blocks.push(buildBlock(network, blocks.at(-1) ?? prev, { txs, salt }));
    }
    return blocks;
  };
  const main = mine(plain.at(-1)!, 0, 9, 0);
  return { plain, main, branch: mine(main[2]!, 3, 7, 1) };
}

/** How a chain moves between two flushes. It begins with six of the nine blocks. */
const { plain, main, branch } = forkedStory();
const MOVES: Readonly<Record<string, (world: TestChain) => Promise<void>>> = {
  forward: (world) => world.submitAll(main.slice(6)),
  back: ({ chain }) => chain.invalidateBlock(chain.headers.lookup(main[3]!.hash)!),
  "to another branch": (world) => world.submitAll(branch),
  "back and forth": async ({ chain }) => {
    const node = chain.headers.lookup(main[3]!.hash)!;
    await chain.invalidateBlock(node);
    await chain.reconsiderBlock(node);
  },
};

for (const [name, move] of Object.entries(MOVES)) {
  test(`a flush of coins that is cut at any instant is made good: ${name}`, async () => {
    // One coin a batch: there are many instants.
    const options = { ...CHOSEN, checkBlocks: 12, coinBatchBytes: 1 };
    const base = new FaultWorld();
    const start = await openTestChain("/data", { ...options, disk: base });
    await start.submitAll([...plain, ...main.slice(0, 6)]);
    await start.chain.close();
    let aim: { tip: Uint8Array; coins: string } | undefined;
    let replays = 0;
    // The first is not cut, and shows what the others must come to.
    for (let instant = 0, isCut = true; isCut; instant++) {
      const disk = base.kill();
      const world = await openTestChain("/data", { ...options, disk });
      await move(world);
      if (instant > 0) disk.offAfter(instant);
      const fails = await world.chain.flush().then(
        () => false,
        () => true,
      );
      isCut = instant === 0 || fails;
      const again = await openTestChain("/data", { ...options, disk: disk.kill() });
      if (again.log.includes("Replaying blocks")) replays++;
      await again.chain.importBlocks();
      const state = { tip: again.chain.tip.hash.slice(), coins: await coinsHash(again.chain) };
      aim ??= state;
      assert.deepEqual(state, aim, `cut at operation ${instant}`);
      await again.chain.close();
    }
    assert.ok(replays > 5, `only ${replays} cut flushes`);
  });
}

test("blocks that a killed program left unsynced are safe once they are indexed", async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = new SeededRandom(seed);
    const disk = new FaultWorld();
    const first = await openTestChain("/data", { disk });
    await first.submitAll(story.slice(0, 5 + random.below(50)));
    const killed = disk.kill();
    const second = await openTestChain("/data", { disk: killed });
    await second.chain.importBlocks();
    await second.chain.flush();
    const height = second.chain.tip.height;
    assert.ok(height >= 5);
    const { chain } = await openTestChain("/data", { ...CHOSEN, disk: killed.powerCut(random) });
    assert.equal(chain.tip.height, height);
    await chain.close();
  }
});

test("a killed program loses no block that it had taken, however many files they fill", async () => {
  const blocks: TestBlock[] = [];
  for (let i = 0; i < 40; i++) {
    const coinbase = (tx: Transaction): void => {
      tx.outputs.push({ value: 0, script: new Uint8Array(10_000).fill(0x51) });
    };
    blocks.push(buildBlock(network, blocks.at(-1) ?? genesis, { coinbase }));
  }
  const disk = new FaultWorld();
  const first = await openTestChain("/data", { disk, fastPrune: true });
  await first.submitAll(blocks);
  const killed = disk.kill();
  const second = await openTestChain("/data", { disk: killed, fastPrune: true });
  await second.chain.importBlocks();
  assert.equal(second.chain.tip.height, 40);
  await second.chain.flush();
  const { chain } = await openTestChain("/data", {
    ...CHOSEN,
    disk: killed.powerCut(new SeededRandom(1)),
  });
  assert.equal(chain.tip.height, 40);
  await chain.close();
});

test("what the user called invalid, or no longer, stays so when the program is killed", async () => {
  const blocks = buildChain(network, genesis, 10);
  const disk = new FaultWorld();
  const first = await openTestChain("/data", { disk });
  await first.submitAll(blocks);
  await first.chain.flush();
  await first.chain.invalidateBlock(first.chain.activeAt(8)!);
  const killed = disk.kill();
  const second = await openTestChain("/data", { disk: killed });
  await second.chain.importBlocks();
  assert.equal(second.chain.tip.height, 7);
  await second.chain.reconsiderBlock(second.chain.headers.lookup(blocks[7]!.hash)!);
  const cut = killed.powerCut(new SeededRandom(1));
  const { chain } = await openTestChain("/data", { ...CHOSEN, disk: cut });
  await chain.importBlocks();
  assert.equal(chain.tip.height, 10);
  await chain.close();
});

test("a full disk ends in a clean stop with its reason, and what was written stays", async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const random = new SeededRandom(seed);
    const disk = new FaultWorld({ capacity: 1e9 });
    const world = await openTestChain("/data", { ...CHOSEN, disk });
    await world.submitAll(story.slice(0, 60));
    await world.chain.flush();
    // Room for some blocks, and never for the check before a flush.
    disk.capacity = disk.used + random.below(10_000);
    await assert.rejects(async () => {
      await world.submitAll(story.slice(60));
      await world.chain.flush();
    }, /ENOSPC|Disk space is too low/);
    assert.equal(world.fatal.length, 1, "told once");
    await assert.rejects(world.submit(story[61]!), world.fatal[0]);
    await world.chain.close();
    disk.capacity = 1e9;
    const again = await openTestChain("/data", { ...CHOSEN, disk });
    assert.ok(again.chain.tip.height >= 60);
    for (const block of story) await again.submit(block);
    assert.equal(await coinsHash(again.chain), expected);
    await again.chain.close();
  }
});
