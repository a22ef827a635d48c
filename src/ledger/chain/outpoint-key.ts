import type { Random } from "#base/lib/random.ts";

/** 32-bit words of an outpoint: eight of the txid, one of the index. */
export const OUTPOINT_WORDS = 9;

/**
 * One outpoint under the hand, as words, with its hash. Kept for reuse: loading another makes no object.
 *
 * The hash must not be foreseeable, or whoever makes transactions could make their coins collide. So it is the sum of
 * the outpoint's 16-bit halves, each times a secret, over the field of 2^31 − 1 (two outpoints collide with a
 * probability of 2^−31, whatever they are), and then mixed. Every product and the sum stay below 2^53, so doubles are
 * exact: 25 ns where SipHash on 32-bit words takes 120.
 */
export class OutpointKey {
  readonly words: Int32Array = new Int32Array(OUTPOINT_WORDS);
  hash = 0;
  /** Secret factors of the halves, below 2^31, and the constant of the sum. */
  readonly #factors: Float64Array;
  /** The txid's share of the sum. */
  #txidSum = 0;

  constructor(random: Random) {
    this.#factors = new Float64Array(2 * OUTPOINT_WORDS + 1);
    for (let i = 0; i < this.#factors.length; i++) this.#factors[i] = 1 + random.below(0x7fff_fffe);
  }

  /** The 36 bytes at `at`. */
  load(view: DataView, at: number): void {
    this.loadTxid(view, at);
    this.setIndex(view.getInt32(at + 32, true));
  }

  /** The txid at `at`; an index must follow. */
  loadTxid(view: DataView, at: number): void {
    const words = this.words;
    const factors = this.#factors;
    let sum = factors[18]!;
    for (let i = 0; i < 8; i++) {
      const word = view.getInt32(at + 4 * i, true);
      words[i] = word;
      sum += factors[2 * i]! * (word & 0xffff) + factors[2 * i + 1]! * (word >>> 16);
    }
    this.#txidSum = sum;
  }

  /** The index (any 32 bits) beside the txid that was loaded. */
  setIndex(index: number): void {
    this.words[8] = index;
    const factors = this.#factors;
    const sum = this.#txidSum + factors[16]! * (index & 0xffff) + factors[17]! * (index >>> 16);
    const high = Math.floor(sum * 2 ** -31);
    // The remainder, or that plus the prime: both stand for it, and any one outpoint always gives the same.
    let hash = (sum - high * 2 ** 31 + high) | 0;
    hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
    this.hash = hash ^ (hash >>> 16);
  }

  /** The outpoint whose words stand in `from` at `at`. */
  loadWords(from: Int32Array, at: number): void {
    const words = this.words;
    const factors = this.#factors;
    let sum = factors[18]!;
    for (let i = 0; i < 8; i++) {
      const word = from[at + i]!;
      words[i] = word;
      sum += factors[2 * i]! * (word & 0xffff) + factors[2 * i + 1]! * (word >>> 16);
    }
    this.#txidSum = sum;
    this.setIndex(from[at + 8]!);
  }
}
