import type { Clock } from "#base/lib/clock.ts";

interface Waiting {
  /** Monotonic ms at which it runs. */
  due: number;
  readonly action: () => void;
  timer: NodeJS.Timeout;
}

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
    const entry: Waiting = {
      due: performance.now() + delay,
      action,
      timer: this.#start(delay, () => this.#run(entry)),
    };
    this.#waiting.add(entry);
    return () => {
      clearTimeout(entry.timer);
      this.#waiting.delete(entry);
    };
  }

  setMockTime(seconds: number): void {
    this.#mock = seconds;
  }

  advanceScheduler(seconds: number): void {
    const now = performance.now();
    for (const entry of [...this.#waiting].sort((a, b) => a.due - b.due)) {
      clearTimeout(entry.timer);
      entry.due -= seconds * 1000;
      entry.timer = this.#start(Math.max(0, entry.due - now), () => this.#run(entry));
    }
  }

  #run(entry: Waiting): void {
    this.#waiting.delete(entry);
    entry.action();
  }

  #start(delay: number, action: () => void): NodeJS.Timeout {
    // Timers alone do not keep the process alive: its sockets and doors do.
    return setTimeout(action, delay).unref();
  }
}
