/**
 * What a PSBT does, worked out from its bytes and the wallet's own records alone: never from what whoever made it says
 * of it. Only what was reviewed, and comes out the same again, is signed.
 */

import { equalBytes, toHex } from "#base/lib/bytes.ts";
import { encodeAddress } from "#protocol/bitcoin/address.ts";
import { isMoney } from "#protocol/bitcoin/amount.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import { encodeTransaction } from "#protocol/bitcoin/transaction.ts";
import type { Keychains, OwnScript } from "./keychains.ts";
import { outpointText, type ReadPsbt, readPsbt } from "./psbt.ts";
import type { AddressType, SpendReview, WalletOutcome } from "./wallet-views.ts";

/** Weight of an input's witness with a signature of the longest form that we make (low R, low S). */
const WITNESS_WEIGHT: Readonly<Record<AddressType, number>> = {
  // Count, signature of 71 bytes with its hash type, key of 33, each with its length.
  bech32: 1 + 1 + 71 + 1 + 33,
  // Count, and one signature of 64 bytes.
  bech32m: 1 + 1 + 64,
};
/** Outpoint, empty script and sequence, four times over. */
const INPUT_BASE_WEIGHT = 41 * 4;
/** Highest sequence that signals replaceability (BIP125). */
export const REPLACEABLE_SEQUENCE = 0xffff_fffd;

/** Weight that an input of a type adds. */
export function inputWeight(type: AddressType): number {
  return INPUT_BASE_WEIGHT + WITNESS_WEIGHT[type];
}

/** Where the wallet says that an outpoint is its own, unspent coin. */
export type CoinLookup = (
  outpoint: string,
) => { readonly amount: number; readonly own: OwnScript } | undefined;

/** A PSBT that spends coins of ours alone. */
export interface OwnPsbt {
  readonly read: ReadPsbt;
  readonly inputs: readonly { readonly amount: number; readonly own: OwnScript }[];
  readonly review: SpendReview;
}

export function reviewPsbt(
  psbt: Uint8Array,
  { keychains, coin, network }: { keychains: Keychains; coin: CoinLookup; network: Network },
): WalletOutcome<{ readonly psbt: OwnPsbt }> {
  const read = readPsbt(psbt);
  if ("problem" in read) return refuse(read.problem);
  const { unsigned, spent } = read;
  const inputs: { amount: number; own: OwnScript }[] = [];
  const seen = new Set<string>();
  for (const [i, input] of unsigned.inputs.entries()) {
    const name = outpointText(input);
    const known = coin(name);
    if (known === undefined) return refuse(`input ${i} (${name}) is not an unspent coin of this wallet`);
    if (seen.has(name)) return refuse(`${name} is spent twice`);
    seen.add(name);
    const said = spent[i];
    if (said === undefined || said.amount !== known.amount || !equalBytes(said.script, known.own.script)) {
      return refuse(`input ${i} (${name}) is not what the PSBT says it is`);
    }
    inputs.push(known);
  }
  const recipients: { address: string; amount: number }[] = [];
  const change: { address: string; amount: number }[] = [];
  for (const { script, value } of unsigned.outputs) {
    if (!isMoney(value)) return refuse("an output of no possible amount");
    const own = keychains.find(script);
    const address = encodeAddress(script, network) ?? `script ${toHex(script)}`;
    (own?.chain.isChange === true ? change : recipients).push({ address, amount: value });
  }
  const total = sum(inputs);
  const fee = total - sum(recipients) - sum(change);
  if (inputs.length === 0 || fee < 0) return refuse("it pays out more than it spends");
  const vsize = Math.ceil(signedWeight(read, inputs) / 4);
  const review: SpendReview = {
    recipients,
    change,
    inputs: unsigned.inputs.map((input, i) => {
      const [txid, vout] = outpointText(input).split(":");
      return { txid: txid!, vout: Number(vout), amount: inputs[i]!.amount };
    }),
    fee,
    vsize,
    feeRate: Math.round((fee * 1000) / vsize) / 1000,
    lockTime: unsigned.lockTime,
    replaceable: unsigned.inputs.some(({ sequence }) => sequence <= REPLACEABLE_SEQUENCE),
  };
  return { ok: true, psbt: { read, inputs, review } };
}

function refuse(reason: string): { ok: false; refusal: "not-ours"; reason: string } {
  return { ok: false, refusal: "not-ours", reason };
}

function signedWeight({ unsigned }: ReadPsbt, inputs: readonly { readonly own: OwnScript }[]): number {
  const base = encodeTransaction(unsigned, { witness: false }).length * 4;
  // Marker and flag.
  return inputs.reduce((weight, { own }) => weight + WITNESS_WEIGHT[own.chain.type], base + 2);
}

function sum(parts: readonly { readonly amount: number }[]): number {
  return parts.reduce((total, { amount }) => total + amount, 0);
}

/** Whether two reviews say the same, so that what was shown is what is signed. */
export function isSameReview(a: SpendReview, b: SpendReview): boolean {
  const plain = ({ recipients, change, inputs, fee, lockTime, replaceable }: SpendReview) =>
    JSON.stringify([
      recipients.map(({ address, amount }) => [address, amount]),
      change.map(({ address, amount }) => [address, amount]),
      inputs.map(({ txid, vout, amount }) => [txid, vout, amount]),
      [fee, lockTime, replaceable],
    ]);
  return plain(a) === plain(b);
}
