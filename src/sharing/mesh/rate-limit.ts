import type { Clock } from "#base/lib/clock.ts";

/** A token bucket: so many events a second on average, and as many again at once. */
export class RateLimit {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #clock: Clock;
  #tokens: number;
  #at: number;

  constructor(
    options: { readonly perSecond: number; readonly burst: number },
    dependencies: { readonly clock: Clock },
  ) {
    this.#perSecond = options.perSecond;
    this.#burst = options.burst;
    this.#clock = dependencies.clock;
    this.#tokens = options.burst;
    this.#at = dependencies.clock.monotonic();
  }

  /** Counts one event; false when it is one too many. */
  take(): boolean {
    this.#refill();
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  /** Counts one event, whatever the rate: {@link wait} says when the next may be taken. */
  spend(): void {
    this.#refill();
    this.#tokens--;
  }

  /** Milliseconds until an event may come; 0 when one may now. */
  wait(): number {
    this.#refill();
    return this.#tokens >= 1 ? 0 : Math.ceil(((1 - this.#tokens) * 1000) / this.#perSecond);
  }

  #refill(): void {
    const now = this.#clock.monotonic();
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#at) * this.#perSecond) / 1000);
    this.#at = now;
  }
}
