/**
 * Ephemeral dust: a transaction that pays no fee may have one dust output, provided that whatever spends from it
 * spends the dust too (Core: policy/ephemeral_policy.cpp).
 */

import { equalBytes, toHexReversed } from "#base/lib/bytes.ts";
import type { Txid, Wtxid } from "#protocol/bitcoin/hashes.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";
import { type Rejection, reject } from "#protocol/consensus/rejection.ts";
import { dustOutputs } from "./dust.ts";
import type { FeeRate } from "./fee-rate.ts";

/** A transaction with dust must not pay to be mined alone: fee and modified fee in satoshi. */
export function checkEphemeralFee(
  table: TxTable,
  dustRelayFee: FeeRate,
  fee: number,
  modifiedFee: number,
): Rejection | undefined {
  if (fee === 0 && modifiedFee === 0) return undefined;
  if (dustOutputs(table, dustRelayFee).length === 0) return undefined;
  return reject("not-standard", "dust", "tx with dust output must be 0-fee");
}

/**
 * Whether a transaction spends all dust of the unconfirmed transactions that it spends from.
 * @param parentOf the transaction of a txid in the package or the mempool.
 */
export function checkEphemeralSpends(
  { table, txid, wtxid }: { readonly table: TxTable; readonly txid: Txid; readonly wtxid: Wtxid },
  parentOf: (txid: Uint8Array) => TxTable | undefined,
  dustRelayFee: FeeRate,
): Rejection | undefined {
  const seen = new Set<TxTable>();
  for (let input = 0; input < table.inputCount(0); input++) {
    const parentTxid = table.prevTxid(input);
    const parent = parentOf(parentTxid);
    if (parent === undefined || seen.has(parent)) continue;
    seen.add(parent);
    for (const output of dustOutputs(parent, dustRelayFee)) {
      if (spends(table, parentTxid, output)) continue;
      const name = `tx ${toHexReversed(txid)} (wtxid=${toHexReversed(wtxid)})`;
      const debug = `${name} did not spend parent's ephemeral dust`;
      return reject("mempool-policy", "missing-ephemeral-spends", debug);
    }
  }
  return undefined;
}

function spends(table: TxTable, txid: Uint8Array, index: number): boolean {
  for (let input = 0; input < table.inputCount(0); input++) {
    if (table.prevIndex(input) === index && equalBytes(table.prevTxid(input), txid)) return true;
  }
  return false;
}
