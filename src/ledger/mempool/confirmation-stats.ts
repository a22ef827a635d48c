/**
 * How long transactions of each fee rate took to be mined, over one horizon (Core: TxConfirmStats in
 * policy/fees/block_policy_estimator.cpp). Counts of what was mined decay with each block; what waits in the mempool
 * is counted beside them, so that a rate at which transactions stay out is no answer.
 */

const MIN_BOUND = 100;
const MAX_BOUND = 1e7;
const SPACING = 1.05;
/** Bound of the bucket that takes whatever pays more. */
const NO_BOUND = 1e99;

/** Upper bounds of the buckets, inclusive, in satoshi per 1,000 virtual bytes. */
export const FEE_BUCKETS: Float64Array = (() => {
  const bounds: number[] = [];
  for (let bound = MIN_BOUND; bound <= MAX_BOUND; bound *= SPACING) bounds.push(bound);
  return Float64Array.from([...bounds, NO_BOUND]);
})();

const BUCKETS = FEE_BUCKETS.length;

/** The bucket of a fee rate in satoshi per 1,000 virtual bytes. */
export function bucketOf(perKvb: number): number {
  let [low, high] = [0, BUCKETS - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (FEE_BUCKETS[middle]! < perKvb) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** What one horizon looks at. */
export interface Horizon {
  /** Periods for which confirmations are told apart. */
  readonly periods: number;
  /** Blocks of a period. */
  readonly scale: number;
  /** What is left of a count after a block. */
  readonly decay: number;
}

/** Some buckets side by side, and what is known of the transactions in them. Counts are decayed ones. */
export interface BucketRange {
  /** Satoshi per 1,000 virtual bytes; −1 where there is no such range. */
  readonly start: number;
  readonly end: number;
  /** Mined within the target. */
  readonly withinTarget: number;
  /** Mined at all. */
  readonly totalConfirmed: number;
  /** Waiting for the target or longer. */
  readonly inMempool: number;
  /** Left the mempool unmined after the target. */
  readonly leftMempool: number;
}

export interface Estimation {
  /** Satoshi per 1,000 virtual bytes: the mean of the bucket with the median transaction; −1 for none. */
  readonly perKvb: number;
  /** The lowest range at which enough were mined in time. */
  readonly pass: BucketRange;
  /** The highest range below it at which too few were. */
  readonly fail: BucketRange;
}

const NO_RANGE: BucketRange = {
  start: -1,
  end: -1,
  withinTarget: 0,
  totalConfirmed: 0,
  inMempool: 0,
  leftMempool: 0,
};

export class ConfirmationStats {
  readonly horizon: Horizon;
  /** By bucket: transactions mined, and the sum of their fee rates. */
  readonly #count = new Float64Array(BUCKETS);
  readonly #rates = new Float64Array(BUCKETS);
  /** By period and bucket: mined within so many periods, and gone unmined after them. */
  readonly #confirmed: Float64Array;
  readonly #failed: Float64Array;
  /** By height modulo {@link maxTarget} and bucket: in the mempool since that height. */
  readonly #waiting: Int32Array;
  /** In the mempool for longer. */
  readonly #waitingLong = new Int32Array(BUCKETS);
  #isEmpty = true;

  constructor(horizon: Horizon) {
    this.horizon = horizon;
    this.#confirmed = new Float64Array(horizon.periods * BUCKETS);
    this.#failed = new Float64Array(horizon.periods * BUCKETS);
    this.#waiting = new Int32Array(this.maxTarget * BUCKETS);
  }

  /** The most blocks that are told apart. */
  get maxTarget(): number {
    return this.horizon.periods * this.horizon.scale;
  }

  /** What is kept between runs, to be written or filled in. */
  get kept(): readonly Float64Array[] {
    return [this.#rates, this.#count, this.#confirmed, this.#failed];
  }

  /** {@link kept} was filled in. */
  filled(): void {
    this.#isEmpty = false;
  }

  /** A transaction came into the mempool. */
  entered(height: number, bucket: number): void {
    this.#waiting[this.#row(height) + bucket]!++;
  }

  /** A transaction left the mempool. One that nobody mined while it had the time counts as a failure. */
  left(entered: number, best: number, bucket: number, isMined: boolean): void {
    const { scale, periods } = this.horizon;
    // Before the first block nothing is known of heights.
    const age = best === 0 ? 0 : best - entered;
    const row = age >= this.maxTarget ? this.#waitingLong : this.#waiting;
    const at = age >= this.maxTarget ? bucket : this.#row(entered) + bucket;
    row[at] = Math.max(0, row[at]! - 1);
    if (isMined || age < scale) return;
    this.#isEmpty = false;
    const whole = Math.min(periods, Math.floor(age / scale));
    for (let period = 0; period < whole; period++) this.#failed[period * BUCKETS + bucket]!++;
  }

  /** A block came: what was there before counts for less. */
  blockBegan(height: number): void {
    const row = this.#row(height);
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      this.#waitingLong[bucket]! += this.#waiting[row + bucket]!;
      this.#waiting[row + bucket] = 0;
    }
    if (this.#isEmpty) return;
    const { decay } = this.horizon;
    for (const counts of this.kept) for (let i = 0; i < counts.length; i++) counts[i]! *= decay;
  }

  /** A transaction was mined in the `blocks`-th block since it came, 1 for the first. */
  mined(blocks: number, perKvb: number, bucket: number): void {
    const { scale, periods } = this.horizon;
    this.#isEmpty = false;
    for (let period = Math.ceil(blocks / scale); period <= periods; period++) {
      this.#confirmed[(period - 1) * BUCKETS + bucket]!++;
    }
    this.#count[bucket]!++;
    this.#rates[bucket]! += perKvb;
  }

  /**
   * The lowest range of buckets whose transactions are mined within `target` blocks with a probability of `success`.
   * @param sufficient transactions a block that a range must have had on average
   * @param best height of the last block
   */
  estimate(target: number, sufficient: number, success: number, best: number): Estimation {
    const needed = sufficient / (1 - this.horizon.decay);
    let sum = new RangeSum();
    let [pass, fail] = [NO_RANGE, NO_RANGE];
    let passing = true;
    /** Counted since the last range was full: every target is asked of the same ranges. */
    let partial = 0;
    let [passLow, passHigh] = [-1, -1];
    for (let bucket = BUCKETS - 1; bucket >= 0; bucket--) {
      sum.add(bucket, this.#countsOf(bucket, target, best));
      partial += this.#count[bucket]!;
      if (partial < needed) continue;
      partial = 0;
      if (sum.share < success) {
        if (passing) fail = sum.range();
        passing = false;
        continue;
      }
      [pass, fail] = [sum.range(), NO_RANGE];
      [passLow, passHigh] = [sum.low, sum.high];
      passing = true;
      sum = new RangeSum();
    }
    // What was left at the end was too little to pass.
    if (passing && sum.low >= 0) fail = sum.range();
    const perKvb = passLow < 0 ? -1 : this.#median(passLow, passHigh);
    return { perKvb, pass: perKvb < 0 ? { ...pass, start: -1, end: -1 } : pass, fail };
  }

  /** The mean rate of the bucket that holds the median transaction of a range. */
  #median(low: number, high: number): number {
    let half = 0;
    for (let bucket = low; bucket <= high; bucket++) half += this.#count[bucket]!;
    if (half === 0) return -1;
    half /= 2;
    for (let bucket = low; bucket <= high; bucket++) {
      const count = this.#count[bucket]!;
      if (count >= half) return this.#rates[bucket]! / count;
      half -= count;
    }
    return -1;
  }

  #countsOf(bucket: number, target: number, best: number): Counts {
    const period = (Math.ceil(target / this.horizon.scale) - 1) * BUCKETS;
    let inMempool = this.#waitingLong[bucket]!;
    for (let age = target; age < this.maxTarget && age <= best; age++) {
      inMempool += this.#waiting[this.#row(best - age) + bucket]!;
    }
    return {
      withinTarget: this.#confirmed[period + bucket]!,
      totalConfirmed: this.#count[bucket]!,
      inMempool,
      leftMempool: this.#failed[period + bucket]!,
    };
  }

  #row(height: number): number {
    return (height % this.maxTarget) * BUCKETS;
  }
}

type Counts = Omit<BucketRange, "start" | "end">;

/** Buckets that are taken together, from the highest down. */
class RangeSum {
  low = -1;
  high = -1;
  #withinTarget = 0;
  #totalConfirmed = 0;
  #inMempool = 0;
  #leftMempool = 0;

  add(bucket: number, { withinTarget, totalConfirmed, inMempool, leftMempool }: Counts): void {
    if (this.high < 0) this.high = bucket;
    this.low = bucket;
    this.#withinTarget += withinTarget;
    this.#totalConfirmed += totalConfirmed;
    this.#inMempool += inMempool;
    this.#leftMempool += leftMempool;
  }

  /** Of all that came, those that were mined in time. */
  get share(): number {
    return this.#withinTarget / (this.#totalConfirmed + this.#leftMempool + this.#inMempool);
  }

  range(): BucketRange {
    return {
      start: this.low === 0 ? 0 : FEE_BUCKETS[this.low - 1]!,
      end: FEE_BUCKETS[this.high]!,
      withinTarget: this.#withinTarget,
      totalConfirmed: this.#totalConfirmed,
      inMempool: this.#inMempool,
      leftMempool: this.#leftMempool,
    };
  }
}
