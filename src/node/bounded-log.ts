import type { Clock } from "#base/lib/clock.ts";
import type { Logger } from "#base/lib/logger.ts";

export interface LogBounds {
  /** Lines that may come at once. */
  readonly burst: number;
  /** Lines a minute beyond those, in the long run. */
  readonly aMinute: number;
  /** Longest line, in characters; the rest is cut off. */
  readonly characters: number;
}

/** What another process may bring about in a log: some 30 MB a day at the worst, and a whole story of a crash. */
const CHILD: LogBounds = { burst: 200, aMinute: 10, characters: 2000 };
const MINUTE = 60_000;

/**
 * A log for what another process brings about: by no number of lines, no length and no line breaks can it fill the
 * log or forge what stands there. The first line after some that were left out tells how many.
 */
export class BoundedLog {
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #bounds: LogBounds;
  #allowed: number;
  #countedAt: number;
  #leftOut = 0;

  constructor(log: Logger, clock: Clock, bounds: LogBounds = CHILD) {
    this.#log = log;
    this.#clock = clock;
    this.#bounds = bounds;
    this.#allowed = bounds.burst;
    this.#countedAt = clock.monotonic();
  }

  info(text: string): void {
    if (this.#take()) this.#log.info(this.#cut(text));
  }

  warn(text: string): void {
    if (this.#take()) this.#log.warn(this.#cut(text));
  }

  error(text: string): void {
    if (this.#take()) this.#log.error(this.#cut(text));
  }

  debug(): void {}

  #take(): boolean {
    const { burst, aMinute } = this.#bounds;
    const now = this.#clock.monotonic();
    this.#allowed = Math.min(burst, this.#allowed + ((now - this.#countedAt) / MINUTE) * aMinute);
    this.#countedAt = now;
    if (this.#allowed < 1) {
      this.#leftOut++;
      return false;
    }
    this.#allowed--;
    if (this.#leftOut > 0) this.#log.warn(`${this.#leftOut} lines of the sharing process were left out`);
    this.#leftOut = 0;
    return true;
  }

  #cut(text: string): string {
    return onOneLine(text, this.#bounds.characters);
  }
}

/** Text of another process as one line of visible ASCII, of so many characters at most. */
export function onOneLine(text: string, characters: number): string {
  return text
    .slice(0, characters)
    .replace(/\s*\n\s*/g, " | ")
    .replace(/[^\x20-\x7e]/g, "?");
}
