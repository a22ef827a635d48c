import type { Random } from "#base/lib/random.ts";

/** A wait drawn from the exponential distribution, so that the moments tell an observer nothing (Core's rand_exp_duration). */
export function exponentialDelay(average: number, random: Random): number {
  // 1 − u is never 0, so the wait is finite.
  return -Math.log(1 - random.below(0x1_0000_0000) / 0x1_0000_0000) * average;
}

/** Puts items in random order, in place. */
export function shuffle<T>(items: T[], random: Random): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    const item = items[i]!;
    items[i] = items[j]!;
    items[j] = item;
  }
  return items;
}

/** A random 64-bit number. */
export function randomU64(random: Random): bigint {
  const bytes = random.fill(new Uint8Array(8));
  return new DataView(bytes.buffer).getBigUint64(0, true);
}
