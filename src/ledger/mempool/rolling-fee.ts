import {
  compareFeeRates,
  type FeeRate,
  feePerKvb,
  feeRatePerKvb,
  NO_FEE_RATE,
} from "#protocol/policy/fee-rate.ts";

/** Seconds in which the minimum falls to a half while the mempool is full. */
const HALF_LIFE = 12 * 60 * 60;

/**
 * The least fee rate that a full mempool takes: what was evicted last and a step more. It falls once a block has
 * come since, faster while there is room (Core: CTxMemPool::GetMinFee).
 */
export class RollingFee {
  readonly #step: FeeRate;
  /** Satoshi per kvB; not rounded between decays. */
  #rate = 0;
  #updated: number;
  #blockSinceBump = false;

  /** @param step -incrementalrelayfee. */
  constructor(step: FeeRate, now: number) {
    this.#step = step;
    this.#updated = now;
  }

  /** Takes note of a set that was evicted. @returns the rate from which transactions are taken now. */
  evicted(rate: FeeRate): FeeRate {
    const removed = feePerKvb(rate) + feePerKvb(this.#step);
    if (removed > this.#rate) {
      this.#rate = removed;
      this.#blockSinceBump = false;
    }
    return feeRatePerKvb(removed);
  }

  blockConnected(now: number): void {
    this.#updated = now;
    this.#blockSinceBump = true;
  }

  /** The minimum now, for a mempool that uses `usage` of `limit` bytes. */
  current(now: number, usage: number, limit: number): FeeRate {
    if (!this.#blockSinceBump || this.#rate === 0) return feeRatePerKvb(Math.round(this.#rate));
    if (now > this.#updated + 10) {
      const halfLife = usage < limit / 4 ? HALF_LIFE / 4 : usage < limit / 2 ? HALF_LIFE / 2 : HALF_LIFE;
      this.#rate /= 2 ** ((now - this.#updated) / halfLife);
      this.#updated = now;
      if (this.#rate < feePerKvb(this.#step) / 2) {
        this.#rate = 0;
        return NO_FEE_RATE;
      }
    }
    const rate = feeRatePerKvb(Math.round(this.#rate));
    return compareFeeRates(rate, this.#step) < 0 ? this.#step : rate;
  }
}
