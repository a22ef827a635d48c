import { Heap } from "./heap.ts";

/** When an entry came in. Its stamp tells it from another that has the slot later. */
interface Arrival {
  readonly time: number;
  readonly slot: number;
  readonly stamp: number;
}

/** The mempool's slots by the time when they were filled, for expiry. What left is dropped when it comes up. */
export class EntryTimes {
  #arrivals = newHeap([]);
  /** Slot → stamp of the entry that has it, 0 for none. */
  readonly #stamps: number[] = [];
  #count = 0;
  #nextStamp = 1;

  add(slot: number, time: number): void {
    const stamp = this.#nextStamp++;
    this.#stamps[slot] = stamp;
    this.#count++;
    this.#arrivals.push({ time, slot, stamp });
    if (this.#arrivals.length > 2 * this.#count + 1_000) this.#rebuild();
  }

  remove(slot: number): void {
    this.#stamps[slot] = 0;
    this.#count--;
  }

  /** Slots filled before a time. They stay until they are removed. */
  before(time: number): number[] {
    const found: Arrival[] = [];
    for (let oldest = this.#arrivals.peek(); oldest !== undefined; oldest = this.#arrivals.peek()) {
      const current = this.#isCurrent(oldest);
      if (current && oldest.time >= time) break;
      this.#arrivals.pop();
      if (current) found.push(oldest);
    }
    for (const arrival of found) this.#arrivals.push(arrival);
    return found.map(({ slot }) => slot);
  }

  #isCurrent({ slot, stamp }: Arrival): boolean {
    return this.#stamps[slot] === stamp;
  }

  #rebuild(): void {
    const kept: Arrival[] = [];
    for (let next = this.#arrivals.pop(); next !== undefined; next = this.#arrivals.pop()) {
      if (this.#isCurrent(next)) kept.push(next);
    }
    this.#arrivals = newHeap(kept);
  }
}

/** The earliest on top. */
function newHeap(arrivals: readonly Arrival[]): Heap<Arrival> {
  return new Heap((a, b) => a.time - b.time, arrivals);
}
