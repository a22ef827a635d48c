/**
 * Time of a network in memory: a heap of what is to come, of which the clock holds one entry at a time, so that a
 * thousand peers cost a clock no more than one.
 */
import { ActionHeap, type TimedAction } from "#base/lib/action-heap.ts";
import type { Clock, ManualClock } from "#base/lib/clock.ts";

export class MemoryTime {
  readonly #clock: Clock;
  readonly #heap = new ActionHeap();
  #order = 0;
  #cancelled = 0;
  #armedAt = Number.POSITIVE_INFINITY;
  #disarm: () => void = () => {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Runs `action` after `delay` ms, in the order of time, then of the asking; the result takes it back. */
  after(delay: number, action: () => void): () => void {
    const event: TimedAction = { at: this.#clock.monotonic() + delay, order: this.#order++, action };
    this.#heap.push(event);
    this.#arm();
    return () => {
      if (event.action === undefined) return;
      event.action = undefined;
      this.#cancelled++;
      if (this.#cancelled > 64 && this.#cancelled * 2 > this.#heap.length) this.#sweep();
    };
  }

  #arm(): void {
    const first = this.#heap.first;
    if (first === undefined || first.at >= this.#armedAt) return;
    this.#disarm();
    this.#armedAt = first.at;
    this.#disarm = this.#clock.after(first.at - this.#clock.monotonic(), () => this.#run());
  }

  #run(): void {
    this.#armedAt = Number.POSITIVE_INFINITY;
    const now = this.#clock.monotonic();
    for (let first = this.#heap.first; first !== undefined && first.at <= now; first = this.#heap.first) {
      this.#heap.pop();
      const { action } = first;
      first.action = undefined;
      if (action === undefined) this.#cancelled--;
      else action();
    }
    this.#arm();
  }

  /** Leaves out what was taken back; calls that were answered leave a time-out each. */
  #sweep(): void {
    this.#heap.sweep();
    this.#cancelled = 0;
  }
}

/**
 * Moves a manual clock from one due action to the next until `promise` settles, and returns its result: how a
 * simulation lets a story play. @throws Error when nothing is due and the promise still waits after `patience` turns.
 */
export async function playUntil<T>(clock: ManualClock, promise: Promise<T>, patience = 10_000): Promise<T> {
  let settled = false;
  const watched = promise.finally(() => {
    settled = true;
  });
  watched.catch(() => {});
  for (let idle = 0; !settled; ) {
    await new Promise((resolve) => setImmediate(resolve));
    if (settled) break;
    const next = clock.next;
    if (next !== undefined) {
      idle = 0;
      clock.advance(Math.max(0, next - clock.now()));
    } else if (++idle > patience) {
      throw new Error("the story waits for something that no clock brings");
    }
  }
  return watched;
}
