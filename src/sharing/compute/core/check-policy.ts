/**
 * Which results of a kind that can not be checked in part are done twice: a provider's first ten, then a share that
 * falls from 50% to 5% and never to 0. One failure begins it anew. (research: incentives; docs/protocols/compute.md.)
 */
import type { Random } from "#base/lib/random.ts";

export const DOUBLED_FIRST = 10;
const FIRST_SHARE = 0.5;
const LAST_SHARE = 0.05;

/** The share of results to check, of a provider with so many passed checks since its last failure. */
export function checkShare(passed: number): number {
  if (passed < DOUBLED_FIRST) return 1;
  return Math.max(LAST_SHARE, (FIRST_SHARE * DOUBLED_FIRST) / passed);
}

/** Draws whether this result is checked; the provider can not tell. */
export function drawCheck(passed: number, random: Random): boolean {
  return random.below(1_000_000) < checkShare(passed) * 1_000_000;
}
