/** Bytes in and out over all connections, and the daily limit on what we send (-maxuploadtarget). */
import type { NetTotals } from "./peer-info.ts";

/** Seconds of one cycle of the limit. */
const TIMEFRAME = 24 * 60 * 60;
/** Bytes that a block may take: what is kept free so that each new block can be relayed once. */
const MAX_BLOCK_SIZE = 4_000_000;
const BLOCK_INTERVAL = 10 * 60;

export class Traffic {
  readonly #target: number;
  /** Milliseconds since 1970. */
  readonly #now: () => number;
  #received = 0;
  #sent = 0;
  /** Seconds since 1970; 0 before the first byte. */
  #cycleStart = 0;
  #sentInCycle = 0;

  /** @param target bytes a day, 0 for no limit. */
  constructor(target: number, now: () => number) {
    this.#target = target;
    this.#now = now;
  }

  received(bytes: number): void {
    this.#received += bytes;
  }

  sent(bytes: number): void {
    this.#sent += bytes;
    const now = this.#seconds();
    if (this.#cycleStart + TIMEFRAME < now) {
      this.#cycleStart = now;
      this.#sentInCycle = 0;
    }
    this.#sentInCycle += bytes;
  }

  /** Whether the day's bytes are used up; for `historical` blocks earlier, so that new ones can still be relayed. */
  targetReached(historical: boolean): boolean {
    if (this.#target === 0) return false;
    if (!historical) return this.#sentInCycle >= this.#target;
    const buffer = Math.floor(this.#timeLeft() / BLOCK_INTERVAL) * MAX_BLOCK_SIZE;
    return buffer >= this.#target || this.#sentInCycle >= this.#target - buffer;
  }

  totals(): NetTotals {
    return {
      totalBytesRecv: this.#received,
      totalBytesSent: this.#sent,
      timeMillis: this.#now(),
      uploadTarget: {
        timeframe: TIMEFRAME,
        target: this.#target,
        targetReached: this.targetReached(false),
        serveHistoricalBlocks: !this.targetReached(true),
        bytesLeftInCycle: this.#target === 0 ? 0 : Math.max(0, this.#target - this.#sentInCycle),
        timeLeftInCycle: this.#timeLeft(),
      },
    };
  }

  #seconds(): number {
    return Math.floor(this.#now() / 1000);
  }

  #timeLeft(): number {
    if (this.#target === 0) return 0;
    if (this.#cycleStart === 0) return TIMEFRAME;
    return Math.max(0, this.#cycleStart + TIMEFRAME - this.#seconds());
  }
}
