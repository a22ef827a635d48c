/** Lives of a chain on a disk in memory whose power fails at random instants. */
import { toHexReversed } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import type { SyncRequest } from "#base/store/power.ts";
import { coinsHash, openTestChain, type TestChain } from "#ledger/chain/chain-fixture.ts";
import { blockFile, type CrashStory } from "./crash-story.ts";

export interface PowerCutTrial {
  readonly story: CrashStory;
  /** Of {@link coinsByTip}. */
  readonly coins: ReadonlyMap<string, string>;
  readonly seed: number;
  /** Syncs that do nothing: the mutant. */
  readonly leaveOut?: (sync: SyncRequest) => boolean;
}

/** What became of one chain, from its beginning to the end of the story. */
export interface PowerCutOutcome {
  readonly cuts: number;
  /** Times that the program alone was killed. */
  readonly kills: number;
  /** Times that coins were compared with those of the unharmed node at the same tip. */
  readonly compared: number;
  /** Flushes that a cut left half done, and that the next start made good. */
  readonly replays: number;
  /** Why the chain did not come through, undefined when it did. */
  readonly loss?: unknown;
}

const DATA = "/data";
const IMPORT = "/import/blk00000.dat";
/** The least there is: the coins are flushed every few dozen blocks, in the midst of reorgs too. */
const CACHE_BYTES = 4 << 20;
/** So that a flush takes many batches, and can be cut between them. */
const BATCH_BYTES = 20_000;
/** Sizes of a store's log: LevelDB's own, and such that most cuts fall near its end. */
const LOG_BYTES = [4 << 20, 64 << 10, 8 << 10];
/** Operations after a restart within which every second cut falls: while it recovers. */
const RECOVERY = 80;

/** The story on one disk, until it is told or the power goes off. */
class Life {
  readonly #disk: FaultWorld;
  readonly #trial: PowerCutTrial;
  readonly #random: SeededRandom;
  compared = 0;
  replays = 0;

  constructor(disk: FaultWorld, trial: PowerCutTrial, random: SeededRandom) {
    this.#disk = disk;
    this.#trial = trial;
    this.#random = random;
  }

  /** @returns whether the story was told to its end. @throws when the chain is not what it should be. */
  async live(): Promise<boolean> {
    let world: TestChain | undefined;
    try {
      world = await this.#open();
      await this.#import(world);
      await this.#reorganise(world);
      await this.#compare(world);
      // All blocks and all undo data, as they stand in the files.
      if (!(await world.chain.verifyChain(2, 0))) throw new Error("the blocks do not verify");
      await world.chain.close();
      return true;
    } catch (error) {
      await world?.chain.close().catch(() => {});
      if (!this.#disk.isOff) throw error;
      return false;
    }
  }

  async #open(): Promise<TestChain> {
    const world = await openTestChain(DATA, {
      disk: this.#disk,
      cacheBytes: CACHE_BYTES,
      coinBatchBytes: BATCH_BYTES,
      fastPrune: true,
      checkBlocks: 100,
      checkLevel: 4,
    });
    if (world.log.includes("Replaying blocks")) this.replays++;
    if (world.chain.reindexing) throw new Error("it wants a reindex");
    // Comparing writes everything out, which not every start should do.
    if (this.#random.below(2) === 0) await this.#compare(world);
    return world;
  }

  async #compare({ chain }: TestChain): Promise<void> {
    const tip = toHexReversed(chain.tip.hash);
    if ((await coinsHash(chain)) !== this.#trial.coins.get(tip)) {
      throw new Error(`the coins at height ${chain.tip.height} are not those of the unharmed node`);
    }
    this.compared++;
  }

  async #import({ chain }: TestChain): Promise<void> {
    for (const node of [...chain.headers.nodes()]) if (node.failed) await chain.reconsiderBlock(node);
    await chain.importBlocks([IMPORT]);
  }

  async #reorganise(world: TestChain): Promise<void> {
    const { chain } = world;
    for (const { blocks } of this.#trial.story.reorgs) {
      let isNew = false;
      for (const block of blocks) {
        if (chain.headers.lookup(block.hash)?.hasData === true) continue;
        await world.submitAll([block]);
        isNew = true;
        if (this.#random.below(15) === 0) await chain.flush();
      }
      if (isNew && this.#random.below(4) === 0) await this.#thereAndBack(world, blocks[0]!.hash);
    }
  }

  /** Another reorg, and its return. */
  async #thereAndBack({ chain }: TestChain, hash: Uint8Array): Promise<void> {
    const node = chain.headers.lookup(hash)!;
    await chain.invalidateBlock(node);
    if (this.#random.below(2) === 0) await chain.flush();
    await chain.reconsiderBlock(node);
  }
}

/** A disk with the blocks to import, and nothing else. */
async function newDisk(story: CrashStory, logBytes: number): Promise<FaultWorld> {
  const disk = new FaultWorld({ logBytes });
  await disk.files.makeDirectory("/import");
  const file = await disk.files.open(IMPORT, "create");
  await file.write(blockFile(story.trunk), 0);
  await file.sync();
  await file.close();
  await disk.files.syncDirectory("/import");
  return disk;
}

/** Operations of the story on a disk that is never harmed, by which instants are chosen. */
export async function countOperations(trial: PowerCutTrial): Promise<number> {
  const disk = await newDisk(trial.story, LOG_BYTES[0]!);
  const before = disk.operations;
  if (!(await new Life(disk, trial, new SeededRandom(trial.seed)).live()))
    throw new Error("the power went off");
  return disk.operations - before;
}

/** Tells the story on one disk, with as many interruptions as befall it. */
export async function sufferCuts(trial: PowerCutTrial, operations: number): Promise<PowerCutOutcome> {
  const random = new SeededRandom(trial.seed);
  let disk = await newDisk(trial.story, LOG_BYTES[random.below(LOG_BYTES.length)]!);
  const counts = { cuts: 0, kills: 0, compared: 0, replays: 0 };
  for (let isFirst = true; ; isFirst = false) {
    if (trial.leaveOut !== undefined) disk.leaveOutSyncs(trial.leaveOut);
    const within = !isFirst && random.below(2) === 0 ? RECOVERY : operations;
    disk.offAfter(1 + random.below(within));
    const life = new Life(disk, trial, random);
    try {
      if (await life.live()) return counts;
    } catch (loss) {
      return { ...counts, loss };
    } finally {
      counts.compared += life.compared;
      counts.replays += life.replays;
    }
    const isKill = random.below(5) === 0;
    disk = isKill ? disk.kill() : disk.powerCut(random);
    if (isKill) counts.kills++;
    else counts.cuts++;
  }
}
