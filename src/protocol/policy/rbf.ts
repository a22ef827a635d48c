/** Which transaction may take the place of others: BIP125 as Core v31 has it (policy/rbf.cpp). */

import { toHexReversed } from "#base/lib/bytes.ts";
import type { Txid } from "#protocol/bitcoin/hashes.ts";
import { formatMoney } from "#protocol/consensus/tx-inputs.ts";
import { compareDiagrams } from "./fee-diagram.ts";
import { type FeeRate, feeFor } from "./fee-rate.ts";
import { MAX_REPLACEMENT_CANDIDATES } from "./limits.ts";

/** Rule 5: a replacement takes from at most 100 clusters. Gives Core's words where it would take from more. */
export function whyTooManyClusters(txid: Txid, clusterCount: number): string | undefined {
  if (clusterCount <= MAX_REPLACEMENT_CANDIDATES) return undefined;
  const counts = `(${clusterCount} > ${MAX_REPLACEMENT_CANDIDATES})`;
  return `rejecting replacement ${toHexReversed(txid)}; too many conflicting clusters ${counts}`;
}

/** Rules 3 and 4: a replacement pays what it replaces, and its own relay beside. Fees in satoshi. */
export function whyNotPaid(
  txid: Txid,
  originalFees: number,
  replacementFees: number,
  replacementVsize: number,
  incrementalRelayFee: FeeRate,
): string | undefined {
  const rejecting = `rejecting replacement ${toHexReversed(txid)}`;
  if (replacementFees < originalFees) {
    const fees = `${formatMoney(replacementFees)} < ${formatMoney(originalFees)}`;
    return `${rejecting}, less fees than conflicting txs; ${fees}`;
  }
  const additional = replacementFees - originalFees;
  const relay = feeFor(incrementalRelayFee, replacementVsize);
  if (additional >= relay) return undefined;
  const fees = `${formatMoney(additional)} < ${formatMoney(relay)}`;
  return `${rejecting}, not enough additional fees to relay; ${fees}`;
}

/** The clusters it changes must be worth strictly more to miners, at every size and somewhere truly so. */
export function whyNoImprovement(before: readonly FeeRate[], after: readonly FeeRate[]): string | undefined {
  const better = compareDiagrams(after, before) === 1;
  return better ? undefined : "insufficient feerate: does not improve feerate diagram";
}
