/**
 * What it takes to be mined within so many blocks, learnt from what was (Core: CBlockPolicyEstimator). Transactions
 * that came in while we were at the tip, alone and at the usual limits, are followed until they are mined or gone;
 * three horizons keep the outcome, one that forgets within hours, one within days, one within weeks.
 */
import { toHex } from "#base/lib/bytes.ts";
import type { Txid } from "#protocol/bitcoin/hashes.ts";
import { feePerKvb } from "#protocol/policy/fee-rate.ts";
import { bucketOf, ConfirmationStats, type Estimation } from "./confirmation-stats.ts";

export type HorizonName = "short" | "medium" | "long";

/** Half of what is known is forgotten after 18 blocks, 144 (a day), 1008 (a week). */
const HORIZONS = {
  short: { periods: 12, scale: 1, decay: 0.962 },
  medium: { periods: 24, scale: 2, decay: 0.9952 },
  long: { periods: 42, scale: 24, decay: 0.99931 },
} as const;

/** Transactions a block that a range of fee rates must have had. */
const SUFFICIENT = { short: 0.5, medium: 0.1, long: 0.1 } as const;
/** Share that was mined within half the target, the target, twice the target. */
const HALF_SUCCESS = 0.6;
const SUCCESS = 0.85;
const DOUBLE_SUCCESS = 0.95;
/** Blocks after which what an earlier run saw is no longer believed to span anything. */
const OLDEST_HISTORY = 6 * 1008;

/** The most blocks that can be asked for. */
export const MAX_TARGET: number = HORIZONS.long.periods * HORIZONS.long.scale;

/** A transaction that came into the mempool, or was mined. */
export interface FeeSample {
  readonly txid: Txid;
  /** Satoshi. */
  readonly fee: number;
  /** Virtual bytes. */
  readonly vsize: number;
  /** Height of the tip when it came in. */
  readonly height: number;
}

export interface FeeEstimate {
  /** Satoshi per 1,000 virtual bytes; undefined where too little is known. */
  readonly perKvb: number | undefined;
  /** The target that the answer is for: the longest that can be answered when that is shorter than the one asked for. */
  readonly blocks: number;
}

export interface RawEstimate extends Estimation {
  readonly decay: number;
  readonly scale: number;
}

/** The heights between which transactions were followed; zeros for none. */
interface Span {
  readonly first: number;
  readonly last: number;
}

/** What is kept between runs. */
export interface KeptEstimates {
  readonly best: number;
  readonly span: Span;
  /** Of each horizon, in the order of {@link HORIZONS}; filled in when it is read. */
  readonly counts: readonly Float64Array[];
}

interface Followed {
  readonly height: number;
  readonly bucket: number;
}

export class FeeEstimator {
  readonly #short = new ConfirmationStats(HORIZONS.short);
  readonly #medium = new ConfirmationStats(HORIZONS.medium);
  readonly #long = new ConfirmationStats(HORIZONS.long);
  readonly #all = [this.#short, this.#medium, this.#long];
  /** By hex of the txid. */
  readonly #followed = new Map<string, Followed>();
  /** Height of the last block that counted. */
  #best = 0;
  /** Of this run: the first block with a transaction that was followed. */
  #first = 0;
  /** Of an earlier run. */
  #history: Span = { first: 0, last: 0 };

  /** Transactions that are followed, for tests and figures. */
  get size(): number {
    return this.#followed.size;
  }

  /**
   * A transaction came into the mempool.
   * @param counts whether it tells of fees: it came alone, no parent of it waits, the limits held for it, and the
   * chain was at its tip
   */
  added({ txid, fee, vsize, height }: FeeSample, counts: boolean): void {
    const key = toHex(txid);
    // Another height than ours: a reorganisation is under way, or no block was seen yet.
    if (!counts || height !== this.#best || this.#followed.has(key)) return;
    const bucket = bucketOf(feePerKvb({ fee, size: vsize }));
    for (const stats of this.#all) stats.entered(height, bucket);
    this.#followed.set(key, { height, bucket });
  }

  /** A transaction left the mempool, and not for a block. */
  removed(txid: Txid): void {
    this.#forget(txid, false);
  }

  /** A block was connected that held these of the mempool. */
  blockConnected(height: number, mined: readonly FeeSample[]): void {
    if (height <= this.#best) {
      // Side chains and reorganisations are taken for chance; what they mine is followed no longer.
      for (const { txid } of mined) this.#forget(txid, true);
      return;
    }
    this.#best = height;
    for (const stats of this.#all) stats.blockBegan(height);
    let counted = false;
    for (const sample of mined) if (this.#mined(sample, height)) counted = true;
    if (this.#first === 0 && counted) this.#first = height;
  }

  /**
   * The highest of the rates at which 60% are mined within half the target, 85% within it and 95% within twice of it.
   * @param blocks 1 … {@link MAX_TARGET}
   * @param isConservative the last must hold for longer horizons too, so that a quiet hour does not lower it much
   */
  estimate(blocks: number, isConservative = false): FeeEstimate {
    // For the next block nothing reasonable can be said.
    const target = Math.min(Math.max(2, blocks), this.maxUsableTarget);
    if (target <= 1) return { perKvb: undefined, blocks: target };
    const half = this.#combined(Math.floor(target / 2), HALF_SUCCESS, true);
    const full = this.#combined(target, SUCCESS, true);
    const double = this.#combined(2 * target, DOUBLE_SUCCESS, !isConservative);
    let perKvb = Math.max(half, full, double);
    if (isConservative || perKvb === -1) perKvb = Math.max(perKvb, this.#conservative(2 * target));
    return { perKvb: perKvb < 0 ? undefined : Math.round(perKvb), blocks: target };
  }

  /** What one horizon says; undefined for targets that it does not tell apart. */
  raw(horizon: HorizonName, blocks: number, success: number): RawEstimate | undefined {
    const stats = { short: this.#short, medium: this.#medium, long: this.#long }[horizon];
    if (blocks > stats.maxTarget) return undefined;
    const { decay, scale } = stats.horizon;
    return { ...stats.estimate(blocks, SUFFICIENT[horizon], success, this.#best), decay, scale };
  }

  /** The longest target that what was seen allows: half of it, so that there was time to fail. */
  get maxUsableTarget(): number {
    const { first, last } = this.#history;
    const isOld = this.#best - last > OLDEST_HISTORY;
    const seen = Math.max(this.#span, isOld ? 0 : last - first);
    return Math.min(MAX_TARGET, Math.floor(seen / 2));
  }

  /** What waits counts as not mined from now on: the node stops, and will not see what becomes of it. */
  giveUpWaiting(): void {
    for (const key of [...this.#followed.keys()]) this.#drop(key, false);
  }

  /** What is to be kept, or to be filled in with what was. */
  kept(): KeptEstimates {
    const { first, last } = this.#history;
    const isOwn = this.#span > (last - first) / 2;
    const span = isOwn ? { first: this.#first, last: this.#best } : this.#history;
    return { best: this.#best, span, counts: this.#all.flatMap(({ kept }) => kept) };
  }

  /** Goes on where an earlier run was; its counts are filled in already. */
  resume(best: number, span: Span): void {
    this.#best = best;
    this.#history = span;
    for (const stats of this.#all) stats.filled();
  }

  get #span(): number {
    return this.#first === 0 ? 0 : this.#best - this.#first;
  }

  #mined({ txid, fee, vsize, height: entered }: FeeSample, height: number): boolean {
    const followed = this.#forget(txid, true);
    const blocks = height - entered;
    if (followed === undefined || blocks <= 0) return false;
    const perKvb = feePerKvb({ fee, size: vsize });
    for (const stats of this.#all) stats.mined(blocks, perKvb, followed.bucket);
    return true;
  }

  #forget(txid: Txid, isMined: boolean): Followed | undefined {
    return this.#followed.size === 0 ? undefined : this.#drop(toHex(txid), isMined);
  }

  #drop(key: string, isMined: boolean): Followed | undefined {
    const followed = this.#followed.get(key);
    if (followed === undefined) return undefined;
    this.#followed.delete(key);
    for (const stats of this.#all) stats.left(followed.height, this.#best, followed.bucket, isMined);
    return followed;
  }

  /** From the shortest horizon that reaches the target; a lower answer of a shorter one for less is better still. */
  #combined(target: number, success: number, withShorter: boolean): number {
    if (target < 1 || target > MAX_TARGET) return -1;
    const ask = (horizon: HorizonName, blocks: number) => this.raw(horizon, blocks, success)?.perKvb ?? -1;
    const [short, medium] = [this.#short.maxTarget, this.#medium.maxTarget];
    const horizon = target <= short ? "short" : target <= medium ? "medium" : "long";
    let perKvb = ask(horizon, target);
    if (!withShorter) return perKvb;
    const lower = (other: number) => {
      if (other > 0 && (perKvb === -1 || other < perKvb)) perKvb = other;
    };
    if (target > medium) lower(ask("medium", medium));
    if (target > short) lower(ask("short", short));
    return perKvb;
  }

  /** 95% within twice the target, by every longer horizon. */
  #conservative(doubled: number): number {
    const ask = (horizon: HorizonName) => this.raw(horizon, doubled, DOUBLE_SUCCESS)?.perKvb ?? -1;
    const medium = doubled <= this.#short.maxTarget ? ask("medium") : -1;
    return doubled <= this.#medium.maxTarget ? Math.max(medium, ask("long")) : medium;
  }
}
