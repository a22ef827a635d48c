/**
 * Counting signature operations, in scripts as they lie in their block (Core: script.cpp `GetSigOpCount`,
 * interpreter.cpp `CountWitnessSigOps`, tx_verify.cpp).
 */
import {
  OP_1,
  OP_16,
  OP_CHECKMULTISIG,
  OP_CHECKMULTISIGVERIFY,
  OP_CHECKSIG,
  OP_CHECKSIGVERIFY,
  OP_EQUAL,
  OP_HASH160,
  OP_INVALIDOPCODE,
  OP_PUSHDATA1,
  OP_PUSHDATA4,
} from "#protocol/bitcoin/opcodes.ts";
import type { Prevouts } from "#protocol/bitcoin/prevouts.ts";
import { MAX_PUBKEYS_PER_MULTISIG } from "#protocol/bitcoin/script.ts";
import { readCompactSize, type TxTable } from "#protocol/bitcoin/tx-table.ts";
import { WITNESS_SCALE_FACTOR } from "./limits.ts";
import { SCRIPT_VERIFY_P2SH, SCRIPT_VERIFY_WITNESS } from "./script-flags.ts";

/** Where the opcode read last pushes from and how much; set by {@link skipOpcode}. */
let pushStart = 0;
let pushLength = 0;

/** Offset after the opcode at `at`, −1 when its push runs past `end`. */
function skipOpcode(bytes: Uint8Array, at: number, end: number): number {
  const opcode = bytes[at]!;
  let next = at + 1;
  pushLength = 0;
  if (opcode > OP_PUSHDATA4) return next;
  let length = opcode;
  if (opcode >= OP_PUSHDATA1) {
    const width = 1 << (opcode - OP_PUSHDATA1);
    if (end - next < width) return -1;
    length = bytes[next]!;
    if (width > 1) length += bytes[next + 1]! * 0x100;
    if (width > 2) length += bytes[next + 2]! * 0x1_0000 + bytes[next + 3]! * 0x100_0000;
    next += width;
  }
  if (length > end - next) return -1;
  pushStart = next;
  pushLength = length;
  return next + length;
}

/**
 * Signature operations of the script between `start` and `end`.
 * @param accurate counts a multisig by the number pushed before it, not always as 20.
 */
export function scriptSigOps(bytes: Uint8Array, start: number, end: number, accurate: boolean): number {
  let count = 0;
  let last = OP_INVALIDOPCODE;
  for (let at = start; at < end; ) {
    const opcode = bytes[at]!;
    at = skipOpcode(bytes, at, end);
    if (at < 0) break;
    if (opcode === OP_CHECKSIG || opcode === OP_CHECKSIGVERIFY) {
      count++;
    } else if (opcode === OP_CHECKMULTISIG || opcode === OP_CHECKMULTISIGVERIFY) {
      const known = accurate && last >= OP_1 && last <= OP_16;
      count += known ? last - OP_1 + 1 : MAX_PUBKEYS_PER_MULTISIG;
    }
    last = opcode;
  }
  return count;
}

/** Operations in a transaction's own scripts, input and output, not multiplied (Core: `GetLegacySigOpCount`). */
export function legacySigOps(table: TxTable, tx: number): number {
  const { bytes } = table;
  let count = 0;
  const firstInput = table.firstInput(tx);
  for (let input = firstInput; input < firstInput + table.inputCount(tx); input++) {
    const start = table.inputScriptStart(input);
    count += scriptSigOps(bytes, start, start + table.inputScriptLength(input), false);
  }
  const firstOutput = table.firstOutput(tx);
  for (let output = firstOutput; output < firstOutput + table.outputCount(tx); output++) {
    const start = table.outputScriptStart(output);
    count += scriptSigOps(bytes, start, start + table.outputScriptLength(output), false);
  }
  return count;
}

/**
 * Cost of a transaction's signature operations: legacy and P2SH ones count four times, witness ones once
 * (BIP141; Core: `GetTransactionSigOpCost`).
 * @param prevouts of all inputs of the table.
 */
export function txSigOpCost(table: TxTable, tx: number, prevouts: Prevouts, flags: number): number {
  let cost = legacySigOps(table, tx) * WITNESS_SCALE_FACTOR;
  if (table.isCoinbase(tx)) return cost;
  const first = table.firstInput(tx);
  const end = first + table.inputCount(tx);
  for (let input = first; input < end; input++) cost += inputSigOpCost(table, input, prevouts, flags);
  return cost;
}

/** Operations that an input brings in beyond the legacy count: its redeem script's and its witness's. */
function inputSigOpCost(table: TxTable, input: number, prevouts: Prevouts, flags: number): number {
  const scripts = prevouts.scripts;
  const start = prevouts.offsets[input]!;
  const end = prevouts.offsets[input + 1]!;
  const withWitness = (flags & SCRIPT_VERIFY_WITNESS) !== 0;
  if (!isScriptHash(scripts, start, end)) {
    return withWitness ? programSigOps(table, input, scripts, start, end) : 0;
  }
  // The last push must be found either way; it is the redeem script.
  if (!findLastPush(table, input)) return 0;
  const redeem = pushStart;
  const redeemEnd = pushStart + pushLength;
  let cost = 0;
  if ((flags & SCRIPT_VERIFY_P2SH) !== 0) {
    cost = scriptSigOps(table.bytes, redeem, redeemEnd, true) * WITNESS_SCALE_FACTOR;
  }
  return withWitness ? cost + programSigOps(table, input, table.bytes, redeem, redeemEnd) : cost;
}

function isScriptHash(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start !== 23) return false;
  return bytes[start] === OP_HASH160 && bytes[start + 1] === 20 && bytes[end - 1] === OP_EQUAL;
}

/** Finds what an input's script pushes last (nothing, for a number). False when it does more than push. */
function findLastPush(table: TxTable, input: number): boolean {
  const { bytes } = table;
  const start = table.inputScriptStart(input);
  const end = start + table.inputScriptLength(input);
  pushStart = start;
  pushLength = 0;
  for (let at = start; at < end; ) {
    if (bytes[at]! > OP_16) return false;
    at = skipOpcode(bytes, at, end);
    if (at < 0) return false;
  }
  return true;
}

/** Operations of the witness program between `start` and `end`; 0 when that is none or not of version 0. */
function programSigOps(table: TxTable, input: number, bytes: Uint8Array, start: number, end: number): number {
  if (bytes[start] !== 0) return 0;
  const length = end - start;
  if (length === 22 && bytes[start + 1] === 20) return 1;
  if (length === 34 && bytes[start + 1] === 32) return witnessScriptSigOps(table, input);
  return 0;
}

const cursor = { at: 0 };

/** Operations of the witness's last item read as a script; 0 when the stack is empty. */
function witnessScriptSigOps(table: TxTable, input: number): number {
  const { bytes } = table;
  cursor.at = table.witnessStart(input);
  if (cursor.at < 0) return 0;
  const count = readCompactSize(bytes, cursor);
  let length = 0;
  for (let i = 0; i < count; i++) {
    length = readCompactSize(bytes, cursor);
    cursor.at += length;
  }
  return count === 0 ? 0 : scriptSigOps(bytes, cursor.at - length, cursor.at, true);
}
