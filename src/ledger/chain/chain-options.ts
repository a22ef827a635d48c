import type { Clock } from "#base/lib/clock.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { Random } from "#base/lib/random.ts";
import type { Disk } from "#base/store/disk.ts";
import type { Network } from "#protocol/bitcoin/network.ts";

/** What the owner of a chain may choose. */
export interface ChainOptions {
  readonly network: Network;
  /** The network's own data directory; `chainstate/` is made in it. */
  readonly dataDir: string;
  /** Where `blkNNNNN.dat`, `revNNNNN.dat` and `index/` lie; `<dataDir>/blocks` unless -blocksdir names another. */
  readonly blocksDir: string;
  /** Bytes for all caches together (-dbcache). */
  readonly cacheBytes: number;
  /** Bytes after which a flush of the coins writes a batch (-dbbatchsize); the coin cache's own choice when left out. */
  readonly coinBatchBytes?: number;
  /** Threads that check scripts, this one included (-par): 1 starts no worker. */
  readonly par: number;
  /** Least work of a chain that is worth storing (-minimumchainwork); the network's when left out. */
  readonly minimumChainWork?: bigint;
  /** Block (display hash) up to which scripts are assumed valid (-assumevalid); `"0"` for none, the network's when left out. */
  readonly assumeValid?: string;
  /** Seconds that the tip may be old before we count as catching up (-maxtipage). */
  readonly maxTipAge: number;
  /** Blocks to check at start, 0 for all (-checkblocks), and how thoroughly, 0–4 (-checklevel). */
  readonly checkBlocks: number;
  readonly checkLevel: number;
  /** Height at which the node is to stop (-stopatheight); 0 for never. */
  readonly stopAtHeight: number;
  /** Build the block index and the coins anew from the blk files. */
  readonly reindex: boolean;
  /** Build the coins anew from the blocks we have. */
  readonly reindexChainState: boolean;
  /** XOR new block files with a random key, as Core does (-blocksxor). */
  readonly blocksXor: boolean;
  /** Small block files, for tests (-fastprune). */
  readonly fastPrune: boolean;
}

export const MIB: number = 1024 * 1024;

/** Core's defaults. */
export const CHAIN_DEFAULTS: Omit<ChainOptions, "network" | "dataDir" | "blocksDir"> = {
  cacheBytes: 450 * MIB,
  par: 1,
  maxTipAge: 24 * 60 * 60,
  checkBlocks: 6,
  checkLevel: 3,
  stopAtHeight: 0,
  reindex: false,
  reindexChainState: false,
  blocksXor: true,
  fastPrune: false,
};

/** What a chain is given to work with. */
export interface ChainDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly disk: Disk;
  /**
   * Told once when the disk failed or a bug was found: the chain takes nothing more, and the owner is to stop.
   * What was acknowledged before is safe.
   */
  fatal(error: Error): void;
  /** Told when the height of {@link ChainOptions.stopAtHeight} was reached. */
  stop?(): void;
}
