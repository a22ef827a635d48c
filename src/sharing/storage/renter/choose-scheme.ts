/**
 * How a slab is cut follows from the number of hosts that may each hold one shard; the thresholds are those of
 * DESIGN §6, the durability of each scheme stands in docs/protocols/files.md.
 */
import type { Scheme } from "../codec/scheme.ts";

/** The schemes whose durability is known, largest first. */
const LARGE: readonly Scheme[] = [
  { needed: 10, total: 30 },
  { needed: 4, total: 12 },
];

/**
 * The scheme for a circle in which `places` hosts may hold a shard each: 10 of 30, 4 of 12, and below that one shard
 * on every host, about a third of them needed (2 of 4 among four).
 * @returns undefined for no host at all.
 */
export function schemeFor(places: number): Scheme | undefined {
  const large = LARGE.find(({ total }) => places >= total);
  if (large !== undefined) return large;
  if (places < 1) return undefined;
  if (places === 4) return { needed: 2, total: 4 };
  return { needed: Math.max(1, Math.round(places / 3)), total: places };
}

/** Receipts after which a write is acknowledged: k+⌈(n−k)/2⌉. */
export function writeQuorum({ needed, total }: Scheme): number {
  return needed + Math.ceil((total - needed) / 2);
}

/** At so many sound shards or fewer, a slab is repaired: k+⌊(n−k)/2⌋. */
export function repairThreshold({ needed, total }: Scheme): number {
  return needed + Math.floor((total - needed) / 2);
}
