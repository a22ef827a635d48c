import type { OutpointKey } from "./outpoint-key.ts";

/** The cached coin differs from the database's. */
export const DIRTY: number = 1 << 16;
/** The database does not have the coin. */
export const FRESH: number = 1 << 17;
/** The coin is spent; what is left of it deletes it from the database. */
export const SPENT: number = 1 << 18;
/** No coin: the space waits for another of its size. */
export const FREE: number = 1 << 19;
const LENGTH_MASK = 0x3fff;

/** Words of a record before its script: outpoint, amount (low, high), height and coinbase, script length and flags. */
const AMOUNT = 9;
const ORIGIN = 11;
const META = 12;
export const HEAD_WORDS = 13;
/** The first record; no slot is 0. */
export const FIRST_SLOT = 1;

/** Script sizes in words up to which freed records are kept for reuse by size. */
const SIZES = 64;
const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
const MAX_WORDS = 2 ** 31 - 1;

/**
 * Coins end to end in one buffer, 52 bytes and the script (in whole words) each. A slot is the index of a coin's first
 * word. Freed records are reused by size; the rest is squeezed out when the cache is compacted.
 */
export class CoinArena {
  words: Int32Array;
  /** The same memory. */
  bytes: Uint8Array;
  /** One after the last word in use. */
  high: number = FIRST_SLOT;
  /** First free record by script size in words; a free record's first word names the next. */
  readonly #free = new Int32Array(SIZES);

  /** @param capacity words; memory is taken from the system only when it is first written. */
  constructor(capacity: number) {
    this.words = new Int32Array(Math.min(MAX_WORDS, Math.max(1024, capacity)));
    this.bytes = new Uint8Array(this.words.buffer);
  }

  /** Ends the arena at `high`; no free record is left before it. */
  reset(high: number): void {
    this.high = high;
    this.#free.fill(0);
  }

  /** Room for a coin. Its length is noted, the rest is undefined. */
  allocate(scriptLength: number): number {
    const size = (scriptLength + 3) >> 2;
    let slot = size < SIZES ? this.#free[size]! : 0;
    if (slot !== 0) {
      this.#free[size] = this.words[slot]!;
    } else {
      slot = this.high;
      this.high = slot + HEAD_WORDS + size;
      if (this.high > this.words.length) this.#grow();
    }
    this.words[slot + META] = scriptLength;
    return slot;
  }

  /** Gives a record's room back. */
  release(slot: number): void {
    const words = this.words;
    const length = words[slot + META]! & LENGTH_MASK;
    words[slot + META] = length | FREE;
    const size = (length + 3) >> 2;
    if (size >= SIZES) return;
    words[slot] = this.#free[size]!;
    this.#free[size] = slot;
  }

  #grow(): void {
    if (this.high > MAX_WORDS) throw new RangeError("the coin cache can not hold more than 8 GiB");
    const words = new Int32Array(Math.min(MAX_WORDS, Math.ceil(this.high * 1.25)));
    words.set(this.words);
    this.words = words;
    this.bytes = new Uint8Array(words.buffer);
  }

  /** Words of a record. */
  size(slot: number): number {
    return HEAD_WORDS + (((this.words[slot + META]! & LENGTH_MASK) + 3) >> 2);
  }

  flags(slot: number): number {
    return this.words[slot + META]! & ~LENGTH_MASK;
  }

  setFlags(slot: number, flags: number): void {
    const words = this.words;
    words[slot + META] = (words[slot + META]! & LENGTH_MASK) | flags;
  }

  /** Height times two, plus one for a coinbase's coin. */
  origin(slot: number): number {
    return this.words[slot + ORIGIN]! >>> 0;
  }

  amount(slot: number): number {
    const words = this.words;
    return words[slot + AMOUNT + 1]! * 0x1_0000_0000 + (words[slot + AMOUNT]! >>> 0);
  }

  scriptLength(slot: number): number {
    return this.words[slot + META]! & LENGTH_MASK;
  }

  /** Offset of a coin's script in {@link bytes}. */
  scriptStart(slot: number): number {
    return 4 * (slot + HEAD_WORDS);
  }

  /** Writes a new record's outpoint, amount (low and high word) and origin. */
  setHead(slot: number, key: OutpointKey, low: number, high: number, origin: number): void {
    const words = this.words;
    const from = key.words;
    for (let i = 0; i < AMOUNT; i++) words[slot + i] = from[i]!;
    words[slot + AMOUNT] = low;
    words[slot + AMOUNT + 1] = high;
    words[slot + ORIGIN] = origin;
  }

  /** Copies a new record's script from `view`. */
  setScript(slot: number, view: DataView, start: number): void {
    const { words, bytes } = this;
    const length = words[slot + META]! & LENGTH_MASK;
    const whole = length & ~3;
    const to = slot + HEAD_WORDS;
    for (let i = 0; i < whole; i += 4) words[to + (i >> 2)] = view.getInt32(start + i, LITTLE_ENDIAN);
    for (let i = whole; i < length; i++) bytes[4 * to + i] = view.getUint8(start + i);
  }

  /** Whether a record's outpoint is the key's. */
  matches(slot: number, key: OutpointKey): boolean {
    const words = this.words;
    const from = key.words;
    for (let i = 0; i < AMOUNT; i++) if (words[slot + i] !== from[i]) return false;
    return true;
  }
}
