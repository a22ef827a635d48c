/**
 * Reads all shards again and again, slowly, to find what the disk has let rot while it can still be repaired from
 * other hosts. It begins at a random place, so that a host which restarts often reaches everything, too.
 */
import { concatBytes } from "#base/lib/bytes.ts";
import type { Clock } from "#base/lib/clock.ts";
import type { Random } from "#base/lib/random.ts";
import { LEAF_BYTES, leafCountOf } from "../codec/scheme.ts";
import type { HostIndex, ShardEntry } from "./host-index.ts";
import { RotError, type ShardFiles } from "./shard-files.ts";

/** Leaves read at a time, 256 KiB, so that requests are not held up. */
const LEAVES_A_READ = (256 * 1024) / LEAF_BYTES;
/** Between two shards, however small they are. */
const PAUSE_MS = 100;
/** A round over all shards begins at most this often. */
const ROUND_MS = 3_600_000;
/** Where there is nothing to read, or the disk fails. */
const IDLE_MS = 60_000;

export interface ScrubDependencies {
  readonly files: ShardFiles;
  readonly index: HostIndex;
  readonly clock: Clock;
  readonly random: Random;
  /** Bytes read a second. */
  readonly bytesPerSecond: number;
  /** Called for each shard that can not be given back any more. */
  readonly declareLost: (
    account: Uint8Array,
    root: Uint8Array,
    entry: ShardEntry,
    reason: string,
  ) => Promise<void>;
  /** Called when the disk failed in another way; scrubbing goes on later. */
  readonly failed: (error: unknown) => void;
}

export class Scrub {
  readonly #d: ScrubDependencies;
  #cursor: Uint8Array;
  #stopped = false;
  #cancel: () => void = () => {};
  #running: Promise<void> = Promise.resolve();
  /** When the round began, by the monotonic clock; undefined until it has read something. */
  #roundBegan: number | undefined;

  constructor(dependencies: ScrubDependencies) {
    this.#d = dependencies;
    this.#cursor = dependencies.random.fill(new Uint8Array(64));
  }

  start(): void {
    this.#schedule(1_000);
  }

  /** Resolves when nothing is read any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    await this.#running;
  }

  #schedule(delayMs: number): void {
    if (this.#stopped) return;
    this.#cancel = this.#d.clock.after(delayMs, () => {
      this.#running = this.#step();
    });
  }

  async #step(): Promise<void> {
    const { clock, bytesPerSecond } = this.#d;
    try {
      const bytes = await this.next();
      const now = clock.monotonic();
      if (bytes > 0) {
        this.#roundBegan ??= now;
        this.#schedule(Math.max(PAUSE_MS, (1_000 * bytes) / bytesPerSecond));
        return;
      }
      const rest = this.#roundBegan === undefined ? 0 : this.#roundBegan + ROUND_MS - now;
      this.#roundBegan = undefined;
      this.#schedule(Math.max(IDLE_MS, rest));
    } catch (error) {
      this.#d.failed(error);
      this.#schedule(IDLE_MS);
    }
  }

  /** Reads the next shard that is not lost. @returns its length; 0 at the end of the round. */
  async next(): Promise<number> {
    for await (const { account, root, entry } of this.#d.index.allShards(this.#cursor)) {
      this.#cursor = concatBytes(account, root, Uint8Array.of(0));
      if (entry.lost) continue;
      await this.#check(account, root, entry);
      return entry.length;
    }
    this.#cursor = new Uint8Array(0);
    return 0;
  }

  async #check(account: Uint8Array, root: Uint8Array, entry: ShardEntry): Promise<void> {
    const { files } = this.#d;
    try {
      files.forgetTree(entry.file);
      const tree = await files.tree(entry, root);
      for (let leaf = 0; leaf < leafCountOf(entry.length) && !this.#stopped; leaf += LEAVES_A_READ) {
        await files.readLeaves(entry, tree, leaf, LEAVES_A_READ);
      }
    } catch (error) {
      if (!(error instanceof RotError)) throw error;
      await this.#d.declareLost(account, root, entry, error.message);
    }
  }
}
