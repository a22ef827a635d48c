import type { Random } from "#base/lib/random.ts";
import { murmurHash3 } from "./murmur-hash.ts";

/**
 * Remembers roughly the last `capacity` items put in (up to half as many again), with a bounded rate of false
 * positives and no false negatives among the last `capacity` (Core's CRollingBloomFilter). Each position holds the
 * generation (1–3, two bits) that set it; a new generation wipes the oldest.
 */
export class RollingFilter {
  readonly #perGeneration: number;
  readonly #functions: number;
  readonly #positions: number;
  readonly #random: Random;
  /** Two bits a position, 16 positions a word. Made when first needed: most peers never fill one. */
  #words: Uint32Array | undefined;
  #generation = 1;
  #inGeneration = 0;
  #tweak = 0;

  constructor(capacity: number, falsePositiveRate: number, random: Random) {
    this.#random = random;
    this.#functions = Math.max(1, Math.min(50, Math.round(Math.log(falsePositiveRate) / Math.log(0.5))));
    this.#perGeneration = (capacity + 1) >> 1;
    const most = this.#perGeneration * 3;
    const bits =
      (-this.#functions * most) / Math.log(1 - Math.exp(Math.log(falsePositiveRate) / this.#functions));
    this.#positions = Math.ceil(bits / 16) * 16;
    this.reset();
  }

  /** Forgets everything, and what an attacker may have learned of the hash. */
  reset(): void {
    this.#words = undefined;
    this.#generation = 1;
    this.#inGeneration = 0;
    this.#tweak = this.#random.below(0x1_0000_0000);
  }

  insert(item: Uint8Array): void {
    this.#words ??= new Uint32Array(this.#positions / 16);
    if (this.#inGeneration === this.#perGeneration) this.#nextGeneration(this.#words);
    this.#inGeneration++;
    let position = murmurHash3(this.#tweak, item);
    const step = murmurHash3(this.#tweak ^ 0x5bd1_e995, item) | 1;
    for (let i = 0; i < this.#functions; i++) {
      const at = position % this.#positions;
      const shift = (at & 15) << 1;
      const word = this.#words[at >>> 4]!;
      this.#words[at >>> 4] = (word & ~(3 << shift)) | (this.#generation << shift);
      position = (position + step) >>> 0;
    }
  }

  has(item: Uint8Array): boolean {
    const words = this.#words;
    if (words === undefined) return false;
    let position = murmurHash3(this.#tweak, item);
    const step = murmurHash3(this.#tweak ^ 0x5bd1_e995, item) | 1;
    for (let i = 0; i < this.#functions; i++) {
      const at = position % this.#positions;
      if (((words[at >>> 4]! >>> ((at & 15) << 1)) & 3) === 0) return false;
      position = (position + step) >>> 0;
    }
    return true;
  }

  #nextGeneration(words: Uint32Array): void {
    this.#inGeneration = 0;
    this.#generation = this.#generation === 3 ? 1 : this.#generation + 1;
    // Clear the positions of the generation whose number is used again: both bits equal to it.
    const low = this.#generation & 1 ? 0 : 0x5555_5555;
    const high = this.#generation & 2 ? 0 : 0x5555_5555;
    for (let i = 0; i < words.length; i++) {
      const word = words[i]!;
      const same = (word ^ low) & ((word >>> 1) ^ high) & 0x5555_5555;
      words[i] = word & ~(same | (same << 1));
    }
  }
}
