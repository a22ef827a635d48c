/**
 * Shards of accounts that have long had no open terms: nobody pays for them, and nobody says any more that they are
 * wanted. What counts is the time that this host ran while the account had none: a host that was off could not have
 * been asked for new terms, and a clock that jumps takes nothing away.
 */
import { hex } from "#base/lib/bytes.ts";
import type { Clock } from "#base/lib/clock.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { HostIndex } from "./host-index.ts";
import type { Space } from "./space.ts";

/** Looked at so often. */
export const SWEEP_MS = 3_600_000;
/** Shards removed between two looks at the terms. */
const TOGETHER = 64;

/** What was removed, of whom. */
export interface Expired {
  /** Hex. */
  readonly account: string;
  readonly shards: number;
  /** Of the limit. */
  readonly bytes: number;
}

export interface ExpiryDependencies {
  readonly index: HostIndex;
  readonly space: Space;
  readonly clock: Clock;
  readonly log: Logger;
  /** Whether an account, hex, has open terms now. */
  readonly hasTerms: (account: string) => boolean;
  /** Removes shards durably, those left out for which `isKept` says so when their turn has come. @returns how many. */
  readonly drop: (
    account: Uint8Array,
    roots: readonly Uint8Array[],
    isKept: () => boolean,
  ) => Promise<number>;
  readonly removed: (what: Expired) => void;
  /** Called when the disk failed; it is tried again later. */
  readonly failed: (error: unknown) => void;
}

export class Expiry {
  /** How long shards without terms are kept, milliseconds. */
  keepMs: number;
  readonly #d: ExpiryDependencies;
  #lastSweep: number;
  #cancel: () => void = () => {};
  #running: Promise<unknown> = Promise.resolve();
  #stopped = false;

  constructor(keepMs: number, dependencies: ExpiryDependencies) {
    this.keepMs = keepMs;
    this.#d = dependencies;
    this.#lastSweep = dependencies.clock.monotonic();
  }

  start(): void {
    this.#cancel = this.#d.clock.after(SWEEP_MS, () => {
      this.#running = this.sweep()
        .catch(this.#d.failed)
        .finally(() => {
          if (!this.#stopped) this.start();
        });
    });
  }

  /** Resolves when nothing is removed any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    await this.#running;
  }

  /** Counts the time since the last sweep for every account that has shards, and removes what is over. */
  async sweep(): Promise<void> {
    const { index, space, clock, hasTerms } = this.#d;
    const now = clock.monotonic();
    // A machine that slept was not there to be asked.
    const passed = Math.min(now - this.#lastSweep, 2 * SWEEP_MS);
    this.#lastSweep = now;
    const waiting = await index.withoutTerms();
    for (const account of space.accountsWithShards()) {
      if (this.#stopped) return;
      const before = waiting.get(account);
      waiting.delete(account);
      if (hasTerms(account)) {
        if (before !== undefined) await index.note(index.forgetWithoutTerms(hex(account)));
        continue;
      }
      const without = (before ?? 0) + passed;
      // Unsynced: a sweep that a crash takes back makes it a little later.
      await index.note(index.putWithoutTerms(hex(account), without));
      if (without >= this.keepMs) await this.#remove(account, without);
    }
    for (const account of waiting.keys()) await index.note(index.forgetWithoutTerms(hex(account)));
  }

  async #remove(account: string, without: number): Promise<void> {
    const { index, space, log, hasTerms, drop, removed } = this.#d;
    const bytes = space.of(hex(account)).bytes;
    let shards = 0;
    const isKept = (): boolean => this.#stopped || hasTerms(account);
    try {
      let roots: Uint8Array[] = [];
      for await (const { root } of index.shardsOf(hex(account))) {
        roots.push(root);
        if (roots.length < TOGETHER) continue;
        shards += await drop(hex(account), roots, isKept);
        roots = [];
        if (isKept()) break;
      }
      if (roots.length > 0) shards += await drop(hex(account), roots, isKept);
    } finally {
      if (shards > 0) {
        const days = Math.round(without / 86_400_000);
        const freed = bytes - space.of(hex(account)).bytes;
        log.info(
          `storage: removed ${shards} shards, ${freed} bytes, of account ${account.slice(0, 16)}: no terms for ${days} days`,
        );
        removed({ account, shards, bytes: freed });
      }
    }
  }
}
