import type { Random } from "#base/lib/random.ts";

/** Rates above this are not told apart (Core: MAX_FILTER_FEERATE, satoshi per kvB). */
const MAX_RATE = 10_000_000;
/** Each step is a tenth above the one before. */
const SPACING = 1.1;

/**
 * Rounds the fee rate that we tell peers to one of few steps, mostly down, so that it does not tell which node we
 * are (Core: FeeFilterRounder).
 */
export class FeeFilterRounder {
  readonly #steps: number[] = [0];
  readonly #random: Random;

  /** @param minimum satoshi per kvB. */
  constructor(minimum: number, random: Random) {
    this.#random = random;
    for (let step = Math.max(1, Math.floor(minimum / 2)); step <= MAX_RATE; step *= SPACING)
      this.#steps.push(step);
  }

  /** Satoshi per kvB. */
  round(rate: number): number {
    let at = this.#steps.findIndex((step) => step >= rate);
    if (at < 0) at = this.#steps.length - 1;
    else if (at > 0 && this.#random.below(3) !== 0) at--;
    return Math.floor(this.#steps[at]!);
  }

  /** The highest step that can be told, by which a peer knows that we want nothing. */
  get highest(): number {
    return Math.floor(this.#steps.at(-1)!);
  }
}
