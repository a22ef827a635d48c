import type { CoinArena } from "./coin-arena.ts";
import type { OutpointKey } from "./outpoint-key.ts";

const LEAST_BITS = 10;

/**
 * From outpoints to slots of a {@link CoinArena}: open addressing, probed one by one, an entry being a hash and a slot
 * side by side. The place of an entry follows from the high bits of its hash, so that doubling the table reads and
 * writes memory in order.
 */
export class CoinTable {
  /** Hash and slot of each place; slot 0 is an empty place. */
  #entries: Int32Array;
  #shift: number;
  #mask: number;
  count = 0;

  constructor() {
    this.#entries = new Int32Array(2 << LEAST_BITS);
    this.#shift = 32 - LEAST_BITS;
    this.#mask = (1 << LEAST_BITS) - 1;
  }

  get byteLength(): number {
    return this.#entries.byteLength;
  }

  /** Gives memory back when few entries are left. */
  shrink(): void {
    let bits = 32 - this.#shift;
    while (bits > LEAST_BITS && this.count < 0.2 * 2 ** bits) bits--;
    if (bits < 32 - this.#shift) this.#rebuild(bits);
  }

  #resize(bits: number): void {
    this.#entries = new Int32Array(2 * 2 ** bits);
    this.#shift = 32 - bits;
    this.#mask = 2 ** bits - 1;
  }

  /** Place of the key's entry, −1 when there is none. */
  find(key: OutpointKey, arena: CoinArena): number {
    const entries = this.#entries;
    const mask = this.#mask;
    const hash = key.hash;
    for (let place = hash >>> this.#shift; ; place = (place + 1) & mask) {
      const slot = entries[2 * place + 1]!;
      if (slot === 0) return -1;
      if (entries[2 * place] === hash && arena.matches(slot, key)) return place;
    }
  }

  /** Place of the entry with this hash and slot, which is there. */
  placeOf(hash: number, slot: number): number {
    const entries = this.#entries;
    let place = hash >>> this.#shift;
    while (entries[2 * place + 1] !== slot) {
      if (entries[2 * place + 1] === 0) throw new Error("a coin is not in its table");
      place = (place + 1) & this.#mask;
    }
    return place;
  }

  slotAt(place: number): number {
    return this.#entries[2 * place + 1]!;
  }

  setSlot(place: number, slot: number): void {
    this.#entries[2 * place + 1] = slot;
  }

  /** Adds an entry for a key that has none. */
  insert(hash: number, slot: number): void {
    if (this.count >= 0.65 * (this.#mask + 1)) this.#rebuild(33 - this.#shift);
    this.#put(hash, slot);
    this.count++;
  }

  #put(hash: number, slot: number): void {
    const entries = this.#entries;
    let place = hash >>> this.#shift;
    while (entries[2 * place + 1] !== 0) place = (place + 1) & this.#mask;
    entries[2 * place] = hash;
    entries[2 * place + 1] = slot;
  }

  #rebuild(bits: number): void {
    const before = this.#entries;
    this.#resize(bits);
    for (let i = 0; i < before.length; i += 2) {
      const slot = before[i + 1]!;
      if (slot !== 0) this.#put(before[i]!, slot);
    }
  }

  /** Empties a place, and moves up the entries that had to go around it. */
  remove(place: number): void {
    const entries = this.#entries;
    const mask = this.#mask;
    let hole = place;
    for (let next = (hole + 1) & mask; ; next = (next + 1) & mask) {
      const slot = entries[2 * next + 1]!;
      if (slot === 0) break;
      const hash = entries[2 * next]!;
      if (((next - (hash >>> this.#shift)) & mask) >= ((next - hole) & mask)) {
        entries[2 * hole] = hash;
        entries[2 * hole + 1] = slot;
        hole = next;
      }
    }
    entries[2 * hole + 1] = 0;
    this.count--;
  }
}
