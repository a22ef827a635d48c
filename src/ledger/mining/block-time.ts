import type { Network } from "#protocol/bitcoin/network.ts";
import type { HeaderContext } from "#protocol/consensus/header-context.ts";
import { MAX_TIMEWARP } from "#protocol/consensus/limits.ts";
import { retargetInterval } from "#protocol/consensus/pow.ts";

/**
 * The earliest time that the block after `prev` may carry. BIP94's bound on the first block of a period is kept on
 * every network, so that its activation anywhere finds no miner unprepared (Core: GetMinimumTime).
 */
export function minimumTime(prev: HeaderContext, network: Network): number {
  const afterMedian = prev.medianTimePast() + 1;
  if ((prev.height + 1) % retargetInterval(network.consensus) !== 0) return afterMedian;
  return Math.max(afterMedian, prev.time - MAX_TIMEWARP);
}

/** Time of a block after `prev` that is made now (Core: UpdateTime). */
export function blockTime(prev: HeaderContext, network: Network, now: number): number {
  return Math.max(minimumTime(prev, network), now);
}
