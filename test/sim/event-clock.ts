import { ActionHeap, type TimedAction } from "#base/lib/action-heap.ts";
import type { Clock } from "#base/lib/clock.ts";

/**
 * A clock for simulations of many: time stands while anything can still go on, then jumps to what is due next. A heap
 * holds what waits, so that a thousand peers cost it little.
 */
export class EventClock implements Clock {
  #now: number;
  readonly #start: number;
  readonly #heap = new ActionHeap();
  #order = 0;

  constructor(start: number) {
    this.#now = start;
    this.#start = start;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now - this.#start;
  }

  after(delay: number, action: () => void): () => void {
    const due: TimedAction = { at: this.#now + Math.max(0, Math.ceil(delay)), order: this.#order++, action };
    this.#heap.push(due);
    return () => {
      due.action = undefined;
    };
  }

  /** Lets time pass, everything that it sets off included. @param turns of the event loop between two jumps. */
  async pass(ms: number, turns = 4): Promise<void> {
    const end = this.#now + ms;
    await idle(turns);
    for (let due = this.#next(end); due !== undefined; due = this.#next(end)) {
      this.#now = Math.max(this.#now, due.at);
      due.action!();
      await idle(turns);
    }
    this.#now = end;
  }

  /** Lets time pass until `promise` settles. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const mark = () => {
      settled = true;
    };
    promise.then(mark, mark);
    for (let quiet = 0; !settled; ) {
      await idle(1);
      // Work that runs on the machine's own time (compression, ciphers) is waited for before time moves.
      if (++quiet < 20) continue;
      const due = this.#next();
      if (due === undefined) continue;
      quiet = 0;
      this.#now = Math.max(this.#now, due.at);
      due.action!();
    }
    return await promise;
  }

  /** Takes out what is due next and was not taken back, if it is due by `end`. */
  #next(end = Number.POSITIVE_INFINITY): TimedAction | undefined {
    for (let due = this.#heap.first; due !== undefined && due.at <= end; due = this.#heap.first) {
      this.#heap.pop();
      if (due.action !== undefined) return due;
    }
    return undefined;
  }
}

async function idle(turns: number): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
}
