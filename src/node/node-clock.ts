import type { Clock } from "#base/lib/clock.ts";

interface Waiting {
  /** Monotonic ms at which it runs. */
  due: number;
  readonly action: () => void;
  timer: NodeJS.Timeout | undefined;
}

/** Longest that a timer can wait, in ms; what is due later waits in turns. */
const MAX_TIMER = 0x7fff_ffff;

/** The machine's clock, unless `setmocktime` stopped it; timers can be brought forward (mockscheduler). */
export class NodeClock implements Clock {
  #mock = 0;
  readonly #waiting = new Set<Waiting>();

  now(): number {
    return this.#mock === 0 ? Date.now() : this.#mock * 1000;
  }

  monotonic(): number {
    return performance.now();
  }

  after(delay: number, action: () => void): () => void {
    const entry: Waiting = { due: performance.now() + delay, action, timer: undefined };
    this.#waiting.add(entry);
    this.#arm(entry);
    return () => {
      clearTimeout(entry.timer);
      this.#waiting.delete(entry);
    };
  }

  setMockTime(seconds: number): void {
    this.#mock = seconds;
  }

  advanceScheduler(seconds: number): void {
    for (const entry of [...this.#waiting].sort((a, b) => a.due - b.due)) {
      entry.due -= seconds * 1000;
      this.#arm(entry);
    }
  }

  #arm(entry: Waiting): void {
    clearTimeout(entry.timer);
    const left = Math.max(0, entry.due - performance.now());
    // Timers alone do not keep the process alive: its sockets and doors do.
    entry.timer = setTimeout(() => this.#run(entry), Math.min(left, MAX_TIMER)).unref();
  }

  #run(entry: Waiting): void {
    if (performance.now() + 1 < entry.due) {
      this.#arm(entry);
      return;
    }
    this.#waiting.delete(entry);
    entry.action();
  }
}
