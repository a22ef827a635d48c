import type { CoinArena } from "./coin-arena.ts";
import type { OutpointKey } from "./outpoint-key.ts";

/** The highest bits of a hash choose one of the parts. */
const PART_BITS = 4;
const PARTS: number = 1 << PART_BITS;
/** Places of a part at least and at most. */
const LEAST_PLACES = 64;
const MOST_PLACES: number = 2 ** 26;
const MOST_FILLED = 0.65;
const PLACE_BITS = 26;
const PLACE_MASK: number = MOST_PLACES - 1;

/**
 * From outpoints to slots of a {@link CoinArena}: open addressing, probed one by one, an entry being a hash and a slot
 * side by side. The place of an entry follows from the high bits of its hash, so that doubling reads and writes memory
 * in order; and there are sixteen parts that double one by one, so that none of it takes long.
 */
export class CoinTable {
  /** Hash and slot of each place of each part; slot 0 is an empty place. */
  readonly #parts: Int32Array[] = Array.from({ length: PARTS }, () => new Int32Array(2 * LEAST_PLACES));
  readonly #counts = new Int32Array(PARTS);
  count = 0;
  byteLength: number = 8 * LEAST_PLACES * PARTS;

  /** Place of the key's entry, −1 when there is none. It holds until an entry is added or removed. */
  find(key: OutpointKey, arena: CoinArena): number {
    const hash = key.hash;
    const part = hash >>> (32 - PART_BITS);
    const entries = this.#parts[part]!;
    const mask = (entries.length >> 1) - 1;
    for (let place = homeOf(hash, mask); ; place = (place + 1) & mask) {
      const slot = entries[2 * place + 1]!;
      if (slot === 0) return -1;
      if (entries[2 * place] === hash && arena.matches(slot, key)) return (part << PLACE_BITS) | place;
    }
  }

  /** Place of the entry with this hash and slot, which is there. */
  placeOf(hash: number, slot: number): number {
    const part = hash >>> (32 - PART_BITS);
    const entries = this.#parts[part]!;
    const mask = (entries.length >> 1) - 1;
    let place = homeOf(hash, mask);
    while (entries[2 * place + 1] !== slot) {
      if (entries[2 * place + 1] === 0) throw new Error("a coin is not in its table");
      place = (place + 1) & mask;
    }
    return (part << PLACE_BITS) | place;
  }

  slotAt(place: number): number {
    return this.#parts[place >>> PLACE_BITS]![2 * (place & PLACE_MASK) + 1]!;
  }

  setSlot(place: number, slot: number): void {
    this.#parts[place >>> PLACE_BITS]![2 * (place & PLACE_MASK) + 1] = slot;
  }

  /** Adds an entry for a key that has none. */
  insert(hash: number, slot: number): void {
    const part = hash >>> (32 - PART_BITS);
    const places = this.#parts[part]!.length >> 1;
    if (this.#counts[part]! >= MOST_FILLED * places) this.#rebuild(part, 2 * places);
    const entries = this.#parts[part]!;
    const mask = (entries.length >> 1) - 1;
    let place = homeOf(hash, mask);
    while (entries[2 * place + 1] !== 0) place = (place + 1) & mask;
    entries[2 * place] = hash;
    entries[2 * place + 1] = slot;
    this.#counts[part]!++;
    this.count++;
  }

  #rebuild(part: number, places: number): void {
    if (places > MOST_PLACES) throw new RangeError("the coin cache holds too many coins");
    const before = this.#parts[part]!;
    const entries = new Int32Array(2 * places);
    const mask = places - 1;
    for (let i = 0; i < before.length; i += 2) {
      const slot = before[i + 1]!;
      if (slot === 0) continue;
      const hash = before[i]!;
      let place = homeOf(hash, mask);
      while (entries[2 * place + 1] !== 0) place = (place + 1) & mask;
      entries[2 * place] = hash;
      entries[2 * place + 1] = slot;
    }
    this.#parts[part] = entries;
    this.byteLength += entries.byteLength - before.byteLength;
  }

  /** Empties a place, and moves up the entries that had to go around it. */
  remove(at: number): void {
    const part = at >>> PLACE_BITS;
    const entries = this.#parts[part]!;
    const mask = (entries.length >> 1) - 1;
    let hole = at & PLACE_MASK;
    for (let next = (hole + 1) & mask; ; next = (next + 1) & mask) {
      const slot = entries[2 * next + 1]!;
      if (slot === 0) break;
      const hash = entries[2 * next]!;
      if (((next - homeOf(hash, mask)) & mask) >= ((next - hole) & mask)) {
        entries[2 * hole] = hash;
        entries[2 * hole + 1] = slot;
        hole = next;
      }
    }
    entries[2 * hole + 1] = 0;
    this.#counts[part]!--;
    this.count--;
  }

  /** Gives memory back when few entries are left. */
  shrink(): void {
    for (let part = 0; part < PARTS; part++) {
      const before = this.#parts[part]!.length >> 1;
      let places = before;
      while (places > LEAST_PLACES && this.#counts[part]! < 0.2 * places) places /= 2;
      if (places < before) this.#rebuild(part, places);
    }
  }
}

/** The place where an entry belongs: the bits of its hash after those of the part. @param mask one less than a power of 2. */
function homeOf(hash: number, mask: number): number {
  return (hash << PART_BITS) >>> Math.clz32(mask);
}
