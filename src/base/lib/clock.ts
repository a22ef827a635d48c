/** Time is handed in, so that a test can own it. */
export interface Clock {
  /** Milliseconds since 1970, as people's clocks show it; a test or `setmocktime` may set it. */
  now(): number;
  /** Milliseconds from an arbitrary start that never go back: for time-outs and measuring. */
  monotonic(): number;
  /**
   * Runs `action` once after `delay` ms, below zero as after none; the result takes it back. Never keeps the process
   * alive by itself.
   */
  after(delay: number, action: () => void): () => void;
}

/** Whole seconds since 1970, as blocks and messages carry it. */
export function unixTime(clock: Clock): number {
  return Math.floor(clock.now() / 1000);
}

/** Longest that a timer can wait, in ms: 24.8 days. */
const LONGEST_TIMER = 0x7fff_ffff;

/** The machine's clock. What is due after more than a timer can wait for waits in turns. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delay, action) {
    const due = performance.now() + delay;
    let timer: ReturnType<typeof setTimeout>;
    const wait = (left: number) => {
      const turn = () => (left > LONGEST_TIMER ? wait(due - performance.now()) : action());
      timer = setTimeout(turn, Math.min(Math.max(0, left), LONGEST_TIMER));
      (timer as { unref?(): void }).unref?.();
    };
    wait(delay);
    return () => clearTimeout(timer);
  },
};

/** A clock that moves only when told to. Actions run in the order of their time, then of their request. */
export class ManualClock implements Clock {
  #now: number;
  readonly #start: number;
  #waiting: { at: number; action: () => void }[] = [];

  constructor(start = 0) {
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
    const entry = { at: this.#now + Math.max(0, delay), action };
    this.#waiting.push(entry);
    return () => {
      this.#waiting = this.#waiting.filter((other) => other !== entry);
    };
  }

  /** Time of the next waiting action, `undefined` when there is none. */
  get next(): number | undefined {
    let next: number | undefined;
    for (const { at } of this.#waiting) if (next === undefined || at < next) next = at;
    return next;
  }

  /** Moves on by `delay` ms and runs what falls due, each at its own time. */
  advance(delay: number): void {
    const end = this.#now + delay;
    for (;;) {
      const next = this.next;
      if (next === undefined || next > end) break;
      const due = this.#waiting.find((entry) => entry.at === next)!;
      this.#waiting = this.#waiting.filter((entry) => entry !== due);
      this.#now = Math.max(this.#now, due.at);
      due.action();
    }
    this.#now = end;
  }
}
