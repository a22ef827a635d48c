import type { Random } from "#base/lib/random.ts";
import type { FileSystem } from "#base/store/file-system.ts";
import { ChainError } from "./chain-error.ts";
import { MIB } from "./chain-options.ts";
import type { ChainParts } from "./chain-parts.ts";

/**
 * When to write: `if-needed` in the middle of processing, when the coin cache is over its limit; `periodic` where
 * there is time, when it comes near, or the last writing is long ago; `always` at a stop, or when someone asks.
 */
export type FlushMode = "if-needed" | "periodic" | "always";

/** Free space under which nothing is written any more (Core's check before each flush). */
const LEAST_FREE_BYTES = 50 * MIB;
/** Minutes between periodic writes: a random time, so that not all nodes write at once. */
const LEAST_INTERVAL = 50;
const GREATEST_INTERVAL = 70;

/** Bytes on disk of a coin, written twice (log and table) with a factor of safety, as Core reckons. */
const BYTES_PER_COIN = 48 * 2 * 2;

/** Remembers when the next periodic write is due. */
export class FlushSchedule {
  readonly files: FileSystem;
  readonly blocksDir: string;
  readonly dataDir: string;
  readonly #random: Random;
  #next: number | undefined;

  constructor(
    paths: { blocksDir: string; dataDir: string },
    dependencies: { files: FileSystem; random: Random },
  ) {
    this.blocksDir = paths.blocksDir;
    this.dataDir = paths.dataDir;
    this.files = dependencies.files;
    this.#random = dependencies.random;
  }

  /** Whether it is time, by the monotonic clock in milliseconds. The first time is one interval after the start. */
  due(now: number): boolean {
    if (this.#next === undefined) this.restart(now);
    return now >= this.#next!;
  }

  restart(now: number): void {
    const minutes = LEAST_INTERVAL + this.#random.below(GREATEST_INTERVAL - LEAST_INTERVAL + 1);
    this.#next = now + minutes * 60_000;
  }
}

/**
 * Writes what is unsaved, when `mode` says it is time (Core's FlushStateToDisk). The order makes every instant a
 * safe one: block and undo files are synced before the index that points into them, and the index before the coins
 * that presume it.
 * @param keepCoins keep the coins cached as far as they fit, for a write that is not for want of room.
 * @throws ChainError when the disk is full.
 */
export async function flushChain(parts: ChainParts, mode: FlushMode, keepCoins = false): Promise<void> {
  const { coins, flushes } = parts;
  const now = parts.clock.monotonic();
  const periodic = flushes.due(now) && mode === "periodic";
  const large = mode === "periodic" && coins.memoryUsage > largeThreshold(coins.maxBytes);
  if (!(mode === "always" || periodic || large || coins.full)) return;
  await requireSpace(flushes.files, flushes.blocksDir, 0);
  await flushIndex(parts);
  await requireSpace(flushes.files, flushes.dataDir, coins.dirty * BYTES_PER_COIN);
  const keep = keepCoins || (periodic && !large && !coins.full);
  await coins.flush(keep ? { keepBytes: coins.maxBytes } : {});
  flushes.restart(now);
}

/** Core's CoinsCacheSizeState::LARGE: within 10% and 10 MiB of the limit. */
function largeThreshold(maxBytes: number): number {
  return Math.max(0.9 * maxBytes, maxBytes - 10 * MIB);
}

/** Writes blocks, undo data and the block index, durably. */
export async function flushIndex(parts: ChainParts): Promise<void> {
  const { files, headers, index } = parts;
  await files.syncBlocks();
  await files.syncUndo();
  const changed = files.takeChanged().flatMap((number) => {
    const info = files.infos[number];
    return info === undefined ? [] : [[number, info] as const];
  });
  const nodes = headers.takeUnsaved();
  if (changed.length > 0 || nodes.length > 0) await index.save(changed, nodes);
}

async function requireSpace(files: FileSystem, path: string, bytes: number): Promise<void> {
  const free = await files.freeSpace(path);
  if (free < bytes + LEAST_FREE_BYTES) throw new ChainError("Disk space is too low!");
}
