import { fromHexReversed } from "#base/lib/bytes.ts";
import { encodeTransaction } from "#protocol/bitcoin/transaction.ts";

export interface TestOutput {
  /** Satoshi. */
  readonly value: number;
  readonly script: Uint8Array;
}

/** A transaction that spends one output of a test chain's own; it signals replaceability. */
export function spendCoin(
  txid: string,
  index: number,
  outputs: readonly TestOutput[],
  witness: readonly Uint8Array[] = [],
): Uint8Array {
  const input = {
    txid: fromHexReversed(txid)!,
    index,
    script: new Uint8Array(0),
    sequence: 0xffff_fffd,
    witness: [...witness],
  };
  return encodeTransaction({ version: 2, inputs: [input], outputs: [...outputs], lockTime: 0 });
}

/** Spends a coin to a script, what is left beyond the fee to another; amounts in satoshi. */
export function payFrom(
  coin: { readonly txid: string; readonly index: number; readonly value: number },
  payment: { readonly script: Uint8Array; readonly amount: number; readonly fee: number },
  change: Uint8Array,
  witness: readonly Uint8Array[] = [],
): Uint8Array {
  const { script, amount, fee } = payment;
  const rest = { value: coin.value - amount - fee, script: change };
  return spendCoin(coin.txid, coin.index, [{ value: amount, script }, rest], witness);
}
