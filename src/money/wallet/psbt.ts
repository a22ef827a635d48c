/**
 * Payments as PSBTs (BIP174, BIP371 for taproot): made with all that a signer needs, read back strictly. Nothing in the
 * wallet is signed in another form, so that an offline signer can take its place.
 */
import { Transaction as PsbtTransaction } from "@scure/btc-signer/transaction.js";
import { toHexReversed } from "#base/lib/bytes.ts";
import { decodeTransaction, type Transaction } from "#protocol/bitcoin/transaction.ts";
import type { OwnScript } from "./keychains.ts";

/** Largest PSBT that is read. */
const MAX_PSBT = 16 * 1024 * 1024;

export interface PsbtInput {
  readonly txid: string;
  readonly index: number;
  readonly sequence: number;
  /** Satoshi. */
  readonly amount: number;
  readonly own: OwnScript;
  /** The transaction whose output it is. */
  readonly parent: Uint8Array;
}

export interface PsbtOutput {
  readonly script: Uint8Array;
  readonly amount: number;
  /** Set for change, so that a signer can tell that it is ours. */
  readonly own: OwnScript | undefined;
}

export interface PsbtPlan {
  readonly inputs: readonly PsbtInput[];
  readonly outputs: readonly PsbtOutput[];
  readonly lockTime: number;
  /** Of the master key. */
  readonly fingerprint: Uint8Array;
}

/** A PSBT (version 0) of a plan, without signatures. */
export function encodePsbt({ inputs, outputs, lockTime, fingerprint }: PsbtPlan): Uint8Array {
  const tx = new PsbtTransaction({ version: 2, lockTime, allowUnknownOutputs: true });
  for (const { txid, index, sequence, amount, own, parent } of inputs) {
    tx.addInput({
      txid,
      index,
      sequence,
      witnessUtxo: { script: own.script, amount: BigInt(amount) },
      // What taproot signs covers the amounts; before it, only the parent itself proves them (BIP174).
      ...(own.chain.type === "bech32" && { nonWitnessUtxo: parent }),
      ...originOf(own, fingerprint),
    });
  }
  for (const { script, amount, own } of outputs) {
    tx.addOutput({
      script,
      amount: BigInt(amount),
      ...(own !== undefined && originOf(own, fingerprint)),
    });
  }
  return tx.toPSBT(0);
}

function originOf(own: OwnScript, fingerprint: Uint8Array) {
  const view = new DataView(fingerprint.buffer, fingerprint.byteOffset, 4);
  const origin = { fingerprint: view.getUint32(0), path: [...own.chain.path, own.index] };
  if (own.chain.type === "bech32") {
    return { bip32Derivation: [[own.publicKey, origin]] as [Uint8Array, typeof origin][] };
  }
  const key = own.publicKey.slice(1);
  return {
    tapInternalKey: key,
    tapBip32Derivation: [[key, { hashes: [] as Uint8Array[], der: origin }]] as [
      Uint8Array,
      { hashes: Uint8Array[]; der: typeof origin },
    ][],
  };
}

/** What a PSBT says, none of it believed yet. */
export interface ReadPsbt {
  /** Without signatures. */
  readonly unsigned: Transaction;
  /** By input; undefined where it names none. */
  readonly spent: readonly ({ readonly amount: number; readonly script: Uint8Array } | undefined)[];
}

/** @returns why it is no PSBT that we could sign */
export function readPsbt(bytes: Uint8Array): ReadPsbt | { readonly problem: string } {
  if (bytes.length > MAX_PSBT) return { problem: "the PSBT is too large" };
  try {
    const tx = PsbtTransaction.fromPSBT(bytes, { allowUnknownOutputs: true });
    const unsigned = decodeTransaction(new Uint8Array(tx.unsignedTx), false);
    const spent = unsigned.inputs.map((_, i) => {
      const { witnessUtxo } = tx.getInput(i);
      return witnessUtxo === undefined
        ? undefined
        : { amount: Number(witnessUtxo.amount), script: new Uint8Array(witnessUtxo.script) };
    });
    return { unsigned, spent };
  } catch (error) {
    // The library throws for whatever is wrong with the bytes.
    return { problem: `not a PSBT: ${(error as Error).message}` };
  }
}

/** The outpoint of an input as `txid:index`. */
export function outpointText(input: { readonly txid: Uint8Array; readonly index: number }): string {
  return `${toHexReversed(input.txid)}:${input.index}`;
}
