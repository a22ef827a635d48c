import type { Network } from "#protocol/bitcoin/network.ts";
import type { HeaderContext } from "#protocol/consensus/header-context.ts";
import { blockWork, retargetInterval } from "#protocol/consensus/pow.ts";
import { type MiningRefusal, refuse } from "./mining-refusal.ts";

/**
 * Hashes per second of the whole network, guessed from the work of some blocks and the time that they took
 * (getnetworkhashps).
 * @param lookup number of blocks, −1 for those since the last retarget.
 * @param height of the last block looked at, −1 for the tip.
 */
export function networkHashRate(
  tip: HeaderContext,
  network: Network,
  lookup: number,
  height: number,
): number | MiningRefusal {
  if (lookup < -1 || lookup === 0) {
    return refuse("invalid-parameter", "Invalid nblocks. Must be a positive number or -1.");
  }
  if (height < -1 || height > tip.height) {
    return refuse("invalid-parameter", "Block does not exist at specified height");
  }
  const last = height >= 0 ? tip.ancestor(height)! : tip;
  if (last.height === 0) return 0;
  const sinceRetarget = (last.height % retargetInterval(network.consensus)) + 1;
  const count = Math.min(lookup === -1 ? sinceRetarget : lookup, last.height);
  let first: HeaderContext = last;
  let least = last.time;
  let most = last.time;
  let work = 0n;
  for (let i = 0; i < count; i++) {
    work += blockWork(first.bits);
    first = first.prev!;
    least = Math.min(least, first.time);
    most = Math.max(most, first.time);
  }
  return least === most ? 0 : Number(work) / (most - least);
}
