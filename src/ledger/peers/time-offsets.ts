/** How far the clocks of the peers that we chose are from ours (Core: node/timeoffsets.cpp). */
const MAX_SAMPLES = 50;
const MIN_SAMPLES = 5;
/** Seconds beyond which something is wrong with our clock. */
const WARN_THRESHOLD = 10 * 60;

export class TimeOffsets {
  readonly #samples: number[] = [];

  /** Seconds that a peer's clock is ahead of ours. */
  add(offset: number): void {
    if (this.#samples.length === MAX_SAMPLES) this.#samples.shift();
    this.#samples.push(offset);
  }

  /** The median in seconds, 0 while there are too few to say. */
  get median(): number {
    if (this.#samples.length < MIN_SAMPLES) return 0;
    const sorted = [...this.#samples].sort((a, b) => a - b);
    return sorted[sorted.length >> 1]!;
  }

  /** Core's warning to the user, undefined while all is well. */
  get warning(): string | undefined {
    if (Math.abs(this.median) <= WARN_THRESHOLD) return undefined;
    return (
      `Your computer's date and time appear to be more than ${WARN_THRESHOLD / 60} minutes out of sync with the ` +
      "network, this may lead to consensus failure. After you've confirmed your computer's clock, this message " +
      "should no longer appear when you restart your node. Without a restart, it should stop showing " +
      "automatically after you've connected to a sufficient number of new outbound peers, which may take some " +
      "time. You can inspect the `timeoffset` field of the `getpeerinfo` and `getnetworkinfo` RPC methods to get " +
      "more info."
    );
  }
}
