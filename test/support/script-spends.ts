/** Spends as Core's script tests make them, and its rules for which flags go together (test/util/transaction_utils.cpp, transaction_tests.cpp). */

import { sha256d } from "#base/crypto/sha256.ts";
import { type Prevouts, prevoutsOf } from "#protocol/bitcoin/prevouts.ts";
import { SighashMidstates } from "#protocol/bitcoin/sighash.ts";
import { encodeTransaction, SEQUENCE_FINAL, type Transaction } from "#protocol/bitcoin/transaction.ts";
import { parseTx, type TxTable } from "#protocol/bitcoin/tx-table.ts";
import { verifyScript } from "#protocol/consensus/interpreter.ts";
import type { ScriptError } from "#protocol/consensus/script-error.ts";
import {
  SCRIPT_FLAG_NAMES,
  SCRIPT_VERIFY_CLEANSTACK,
  SCRIPT_VERIFY_P2SH,
  SCRIPT_VERIFY_WITNESS,
} from "#protocol/consensus/script-flags.ts";
import { TxSignatureChecker } from "#protocol/consensus/signature-checker.ts";

/** A transaction with the outputs that its inputs spend. */
export interface Spend {
  readonly table: TxTable;
  readonly prevouts: Prevouts;
}

/** Flags of a comma-separated list of names; "NONE" and nothing are none. */
export function parseFlags(text: string): number {
  let flags = 0;
  for (const name of text.split(",")) {
    if (name === "" || name === "NONE") continue;
    const bit = (SCRIPT_FLAG_NAMES as readonly string[]).indexOf(name);
    if (bit < 0) throw new Error(`unknown script flag ${name}`);
    flags |= 1 << bit;
  }
  return flags;
}

/** Adds the flags that others need. */
export function fillFlags(flags: number): number {
  let filled = flags;
  if ((filled & SCRIPT_VERIFY_CLEANSTACK) !== 0) filled |= SCRIPT_VERIFY_WITNESS;
  if ((filled & SCRIPT_VERIFY_WITNESS) !== 0) filled |= SCRIPT_VERIFY_P2SH;
  return filled;
}

/** Takes out the flags that need others which are not set. */
export function trimFlags(flags: number): number {
  let trimmed = flags;
  if ((trimmed & SCRIPT_VERIFY_P2SH) === 0) trimmed &= ~SCRIPT_VERIFY_WITNESS;
  if ((trimmed & SCRIPT_VERIFY_WITNESS) === 0) trimmed &= ~SCRIPT_VERIFY_CLEANSTACK;
  return trimmed;
}

/** A transaction of one output with this script, and one that spends it. */
export function creditAndSpend(
  scriptPubKey: Uint8Array,
  scriptSig: Uint8Array,
  witness: readonly Uint8Array[],
  amount: number,
): Spend {
  const credit: Transaction = {
    version: 1,
    lockTime: 0,
    inputs: [
      {
        txid: new Uint8Array(32),
        index: 0xffff_ffff,
        script: Uint8Array.of(0, 0),
        sequence: SEQUENCE_FINAL,
        witness: [],
      },
    ],
    outputs: [{ value: amount, script: scriptPubKey }],
  };
  const spend: Transaction = {
    version: 1,
    lockTime: 0,
    inputs: [
      {
        txid: sha256d(encodeTransaction(credit)),
        index: 0,
        script: scriptSig,
        sequence: SEQUENCE_FINAL,
        witness: [...witness],
      },
    ],
    outputs: [{ value: amount, script: new Uint8Array(0) }],
  };
  return {
    table: parseTx(encodeTransaction(spend)),
    prevouts: prevoutsOf([{ amount, script: scriptPubKey }]),
  };
}

/** The interpreter's verdict on one input. */
export function interpret(
  { table, prevouts }: Spend,
  input: number,
  flags: number,
  midstates = new SighashMidstates(table, 0, prevouts),
): ScriptError | undefined {
  const checker = new TxSignatureChecker(midstates, input, prevouts.amount(input));
  return verifyScript(table.inputScript(input), prevouts.script(input), table.witness(input), flags, checker);
}

/** The interpreter's verdict on all inputs in turn: the first that fails. */
export function interpretAll(
  spend: Spend,
  flags: number,
): { readonly input: number; readonly error: ScriptError } | undefined {
  const midstates = new SighashMidstates(spend.table, 0, spend.prevouts);
  for (let input = 0; input < spend.table.inputTotal; input++) {
    const error = interpret(spend, input, flags, midstates);
    if (error !== undefined) return { input, error };
  }
  return undefined;
}
