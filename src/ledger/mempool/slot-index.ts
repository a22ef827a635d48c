import { readI32 } from "#base/lib/bytes.ts";
import type { Random } from "#base/lib/random.ts";

/**
 * Finds numbers by a key that lies elsewhere: an open-addressing table that keeps only the number and a salted
 * hash for each. Whoever keeps the numbers compares the keys.
 */
export class SlotIndex {
  readonly #words: number;
  readonly #multipliers: Int32Array;
  /** Whether the key of a number equals the bytes at a place. */
  readonly #matches: (value: number, bytes: Uint8Array, at: number) => boolean;
  /** Number + 1, 0 where nothing is. */
  #values = new Int32Array(16);
  #hashes = new Int32Array(16);
  #count = 0;

  /** @param keyLength bytes of a key, a multiple of four. */
  constructor(
    keyLength: number,
    random: Random,
    matches: (value: number, bytes: Uint8Array, at: number) => boolean,
  ) {
    this.#words = keyLength / 4;
    // One secret odd multiplier a word, so that nobody can choose keys that collide.
    const bytes = random.fill(new Uint8Array(keyLength));
    this.#multipliers = Int32Array.from({ length: this.#words }, (_, i) => readI32(bytes, 4 * i) | 1);
    this.#matches = matches;
  }

  get count(): number {
    return this.#count;
  }

  /** The number whose key stands at `at`, −1 when there is none. */
  get(bytes: Uint8Array, at = 0): number {
    const hash = this.#hash(bytes, at);
    const mask = this.#values.length - 1;
    for (let place = hash & mask; ; place = (place + 1) & mask) {
      const value = this.#values[place]!;
      if (value === 0) return -1;
      if (this.#hashes[place] === hash && this.#matches(value - 1, bytes, at)) return value - 1;
    }
  }

  /** Adds a number whose key is not in the table. */
  add(value: number, bytes: Uint8Array, at = 0): void {
    if (this.#count * 4 >= this.#values.length * 3) this.#grow();
    this.#place(value + 1, this.#hash(bytes, at));
    this.#count++;
  }

  /** Takes the number out whose key stands at `at`. False when there is none. */
  delete(bytes: Uint8Array, at = 0): boolean {
    const hash = this.#hash(bytes, at);
    const mask = this.#values.length - 1;
    for (let place = hash & mask; ; place = (place + 1) & mask) {
      const value = this.#values[place]!;
      if (value === 0) return false;
      if (this.#hashes[place] !== hash || !this.#matches(value - 1, bytes, at)) continue;
      this.#close(place, mask);
      this.#count--;
      return true;
    }
  }

  /** Moves up what a gap would cut off from its place. */
  #close(gap: number, mask: number): void {
    let free = gap;
    for (let place = (gap + 1) & mask; this.#values[place] !== 0; place = (place + 1) & mask) {
      const home = this.#hashes[place]! & mask;
      if (((place - home) & mask) < ((place - free) & mask)) continue;
      this.#values[free] = this.#values[place]!;
      this.#hashes[free] = this.#hashes[place]!;
      free = place;
    }
    this.#values[free] = 0;
  }

  #place(stored: number, hash: number): void {
    const mask = this.#values.length - 1;
    let place = hash & mask;
    while (this.#values[place] !== 0) place = (place + 1) & mask;
    this.#values[place] = stored;
    this.#hashes[place] = hash;
  }

  #grow(): void {
    const values = this.#values;
    const hashes = this.#hashes;
    this.#values = new Int32Array(values.length * 2);
    this.#hashes = new Int32Array(values.length * 2);
    for (let i = 0; i < values.length; i++) if (values[i] !== 0) this.#place(values[i]!, hashes[i]!);
  }

  #hash(bytes: Uint8Array, at: number): number {
    let hash = 0;
    for (let i = 0; i < this.#words; i++) {
      const mixed = Math.imul(readI32(bytes, at + 4 * i) ^ hash, this.#multipliers[i]!);
      hash = mixed ^ (mixed >>> 15);
    }
    return hash;
  }
}
