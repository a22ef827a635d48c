/**
 * The spends that need no interpreter: one signature of the common hash type, for a key whose hash or x is in
 * the output. Only the outer shape is read here; whatever is unusual in any way is none of these.
 */

import {
  OP_1,
  OP_CHECKSIG,
  OP_DUP,
  OP_EQUAL,
  OP_EQUALVERIFY,
  OP_HASH160,
} from "#protocol/bitcoin/opcodes.ts";
import type { Prevouts } from "#protocol/bitcoin/prevouts.ts";
import { SIGHASH_ALL, SIGHASH_DEFAULT } from "#protocol/bitcoin/sighash.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";
import { SCRIPT_VERIFY_P2SH, SCRIPT_VERIFY_TAPROOT, SCRIPT_VERIFY_WITNESS } from "./script-flags.ts";

export const NO_TEMPLATE = 0;
export const PUBKEY_HASH = 1;
export const WITNESS_PUBKEY_HASH = 2;
/** {@link WITNESS_PUBKEY_HASH} as a P2SH redeem script. */
export const NESTED_PUBKEY_HASH = 3;
export const TAPROOT_KEY = 4;

/** Fields of a row that describes such a spend; offsets are into the table's bytes. */
export const SPEND_STRIDE = 10;
export const SPEND_TX = 0;
export const SPEND_INPUT = 1;
export const SPEND_TEMPLATE = 2;
export const SPEND_SIGNATURE = 3;
/** With the hash type byte, where there is one. */
export const SPEND_SIGNATURE_LENGTH = 4;
export const SPEND_KEY = 5;
export const SPEND_KEY_LENGTH = 6;
/** For the one that verifies: what the transaction shares, and the digests. */
export const SPEND_SHARED = 7;
export const SPEND_KEY_DIGEST = 8;
export const SPEND_SIGHASH = 9;

const WITNESS_AND_P2SH = SCRIPT_VERIFY_P2SH | SCRIPT_VERIFY_WITNESS;
const WITNESS_AND_TAPROOT = SCRIPT_VERIFY_WITNESS | SCRIPT_VERIFY_TAPROOT;

/** A signature of this length, as a push, could be part of a key hash script (see FindAndDelete). */
const KEY_HASH_LENGTH = 20;

/**
 * Finds the template of an input, and writes its signature and key to the row at `row` of `rows`.
 * @returns {@link NO_TEMPLATE} for everything that the interpreter has to judge.
 */
export function matchTemplate(
  table: TxTable,
  prevouts: Prevouts,
  input: number,
  flags: number,
  rows: Int32Array,
  row: number,
): number {
  const at = prevouts.offsets[input]!;
  const length = prevouts.offsets[input + 1]! - at;
  const { scripts } = prevouts;
  // Witness signatures of such an amount do not hold, and there is none in a chain.
  if (prevouts.amounts[input]! < 0) return NO_TEMPLATE;
  if (length === 22) return matchWitnessPubkeyHash(table, scripts, at, input, flags, rows, row);
  if (length === 25) return matchPubkeyHash(table, scripts, at, input, rows, row);
  if (length === 34) return matchTaproot(table, scripts, at, input, flags, rows, row);
  if (length === 23) return matchNested(table, scripts, at, input, flags, rows, row);
  return NO_TEMPLATE;
}

function matchWitnessPubkeyHash(
  table: TxTable,
  scripts: Uint8Array,
  at: number,
  input: number,
  flags: number,
  rows: Int32Array,
  row: number,
): number {
  if (scripts[at] !== 0 || scripts[at + 1] !== KEY_HASH_LENGTH) return NO_TEMPLATE;
  if ((flags & SCRIPT_VERIFY_WITNESS) === 0 || table.inputScriptLength(input) !== 0) return NO_TEMPLATE;
  return matchKeyWitness(table, input, rows, row) ? WITNESS_PUBKEY_HASH : NO_TEMPLATE;
}

function matchNested(
  table: TxTable,
  scripts: Uint8Array,
  at: number,
  input: number,
  flags: number,
  rows: Int32Array,
  row: number,
): number {
  if (scripts[at] !== OP_HASH160 || scripts[at + 1] !== 20 || scripts[at + 22] !== OP_EQUAL) {
    return NO_TEMPLATE;
  }
  if ((flags & WITNESS_AND_P2SH) !== WITNESS_AND_P2SH || table.inputScriptLength(input) !== 23) {
    return NO_TEMPLATE;
  }
  const { bytes } = table;
  const script = table.inputScriptStart(input);
  if (bytes[script] !== 22 || bytes[script + 1] !== 0 || bytes[script + 2] !== KEY_HASH_LENGTH) {
    return NO_TEMPLATE;
  }
  return matchKeyWitness(table, input, rows, row) ? NESTED_PUBKEY_HASH : NO_TEMPLATE;
}

/** A witness of a signature and a compressed key. */
function matchKeyWitness(table: TxTable, input: number, rows: Int32Array, row: number): boolean {
  const { bytes } = table;
  const witness = table.witnessStart(input);
  if (witness < 0 || bytes[witness] !== 2) return false;
  const length = bytes[witness + 1]!;
  if (length < 9 || length > 73) return false;
  const signature = witness + 2;
  const key = signature + length + 1;
  if (bytes[key - 1] !== 33 || (bytes[key] !== 2 && bytes[key] !== 3)) return false;
  if (bytes[signature + length - 1] !== SIGHASH_ALL) return false;
  rows[row + SPEND_SIGNATURE] = signature;
  rows[row + SPEND_SIGNATURE_LENGTH] = length;
  rows[row + SPEND_KEY] = key;
  rows[row + SPEND_KEY_LENGTH] = 33;
  return true;
}

/** A script of the direct pushes of a signature and a key, and no witness. */
function matchPubkeyHash(
  table: TxTable,
  scripts: Uint8Array,
  at: number,
  input: number,
  rows: Int32Array,
  row: number,
): number {
  if (scripts[at] !== OP_DUP || scripts[at + 1] !== OP_HASH160 || scripts[at + 2] !== KEY_HASH_LENGTH) {
    return NO_TEMPLATE;
  }
  if (scripts[at + 23] !== OP_EQUALVERIFY || scripts[at + 24] !== OP_CHECKSIG) return NO_TEMPLATE;
  const { bytes } = table;
  const witness = table.witnessStart(input);
  if (witness >= 0 && bytes[witness] !== 0) return NO_TEMPLATE;
  const script = table.inputScriptStart(input);
  const scriptLength = table.inputScriptLength(input);
  const length = bytes[script]!;
  if (scriptLength < 43 || length < 9 || length > 73 || length === KEY_HASH_LENGTH) return NO_TEMPLATE;
  const signature = script + 1;
  const key = signature + length + 1;
  const keyLength = scriptLength - length - 2;
  if (bytes[key - 1] !== keyLength || bytes[signature + length - 1] !== SIGHASH_ALL) return NO_TEMPLATE;
  const compressed = keyLength === 33 && (bytes[key] === 2 || bytes[key] === 3);
  if (!compressed && (keyLength !== 65 || bytes[key] !== 4)) return NO_TEMPLATE;
  rows[row + SPEND_SIGNATURE] = signature;
  rows[row + SPEND_SIGNATURE_LENGTH] = length;
  rows[row + SPEND_KEY] = key;
  rows[row + SPEND_KEY_LENGTH] = keyLength;
  return PUBKEY_HASH;
}

/** A witness of one signature; the key is the witness program. */
function matchTaproot(
  table: TxTable,
  scripts: Uint8Array,
  at: number,
  input: number,
  flags: number,
  rows: Int32Array,
  row: number,
): number {
  if (scripts[at] !== OP_1 || scripts[at + 1] !== 32) return NO_TEMPLATE;
  if ((flags & WITNESS_AND_TAPROOT) !== WITNESS_AND_TAPROOT) return NO_TEMPLATE;
  const { bytes } = table;
  const witness = table.witnessStart(input);
  if (table.inputScriptLength(input) !== 0 || witness < 0 || bytes[witness] !== 1) return NO_TEMPLATE;
  const length = bytes[witness + 1]!;
  if (length !== 64 && (length !== 65 || bytes[witness + 2 + 64] !== SIGHASH_ALL)) return NO_TEMPLATE;
  rows[row + SPEND_SIGNATURE] = witness + 2;
  rows[row + SPEND_SIGNATURE_LENGTH] = length;
  return TAPROOT_KEY;
}

/** The hash type of a {@link TAPROOT_KEY} signature of that length. */
export function taprootHashType(signatureLength: number): number {
  return signatureLength === 64 ? SIGHASH_DEFAULT : SIGHASH_ALL;
}
