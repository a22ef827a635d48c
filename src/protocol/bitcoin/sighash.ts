/**
 * What a signature commits to: the legacy hash, BIP143 for witness version 0, BIP341 for taproot and tapscript
 * (Core: SignatureHash and SignatureHashSchnorr, script/interpreter.cpp). Inputs are named by their index over
 * the whole table.
 */

import { sha256, sha256d, taggedHash } from "#base/crypto/sha256.ts";
import { ByteWriter, compactSizeLength } from "#base/lib/byte-writer.ts";
import { writeU32 } from "#base/lib/bytes.ts";
import { OP_CODESEPARATOR } from "./opcodes.ts";
import type { Prevouts } from "./prevouts.ts";
import { ScriptReader } from "./script.ts";
import type { TxTable } from "./tx-table.ts";

/** Taproot's default: the same as SIGHASH_ALL, without a byte in the signature. */
export const SIGHASH_DEFAULT = 0x00;
export const SIGHASH_ALL = 0x01;
export const SIGHASH_NONE = 0x02;
export const SIGHASH_SINGLE = 0x03;
export const SIGHASH_ANYONECANPAY = 0x80;
/** The bits of a pre-taproot hash type that choose the outputs. */
const OUTPUT_MASK = 0x1f;

const ZERO_HASH = new Uint8Array(32);

/** The part of signature hashes that all inputs of one transaction share, each computed when first asked for. */
export class SighashMidstates {
  readonly table: TxTable;
  readonly tx: number;
  readonly #prevouts: Prevouts | undefined;
  #shaPrevouts: Uint8Array | undefined;
  #shaSequences: Uint8Array | undefined;
  #shaOutputs: Uint8Array | undefined;
  #shaAmounts: Uint8Array | undefined;
  #shaScripts: Uint8Array | undefined;
  #hashPrevouts: Uint8Array | undefined;
  #hashSequence: Uint8Array | undefined;
  #hashOutputs: Uint8Array | undefined;
  #blanked: Uint8Array | undefined;

  /** @param prevouts needed for BIP341 alone. */
  constructor(table: TxTable, tx: number, prevouts?: Prevouts) {
    this.table = table;
    this.tx = tx;
    this.#prevouts = prevouts;
  }

  /** The spent outputs, one slot for each input of the table. Throws when none were given. */
  get prevouts(): Prevouts {
    if (this.#prevouts === undefined) throw new Error("taproot signature hashing needs the spent outputs");
    return this.#prevouts;
  }

  /** BIP341: SHA-256 of all outpoints. */
  get shaPrevouts(): Uint8Array {
    this.#shaPrevouts ??= sha256(this.#eachInput(36, (input) => this.table.outpoint(input)));
    return this.#shaPrevouts;
  }

  /** BIP341: SHA-256 of all sequences. */
  get shaSequences(): Uint8Array {
    this.#shaSequences ??= sha256(this.#eachInput(4, (input) => sequenceAt(this.table, input)));
    return this.#shaSequences;
  }

  /** BIP341: SHA-256 of all outputs. */
  get shaOutputs(): Uint8Array {
    const { table, tx } = this;
    this.#shaOutputs ??= sha256(table.bytes.subarray(outputsStart(table, tx), table.bodyEnd(tx)));
    return this.#shaOutputs;
  }

  /** BIP341: SHA-256 of all spent amounts. */
  get shaAmounts(): Uint8Array {
    if (this.#shaAmounts === undefined) {
      const { first, end } = this.#inputs();
      const writer = new ByteWriter(8 * (end - first));
      for (let input = first; input < end; input++) writer.i64(this.prevouts.amount(input));
      this.#shaAmounts = sha256(writer.finish());
    }
    return this.#shaAmounts;
  }

  /** BIP341: SHA-256 of all spent scripts, each with its length in front. */
  get shaScripts(): Uint8Array {
    if (this.#shaScripts === undefined) {
      const { first, end } = this.#inputs();
      const writer = new ByteWriter(36 * (end - first));
      for (let input = first; input < end; input++) writer.varBytes(this.prevouts.script(input));
      this.#shaScripts = sha256(writer.finish());
    }
    return this.#shaScripts;
  }

  /** BIP143: double SHA-256 of all outpoints. */
  get hashPrevouts(): Uint8Array {
    this.#hashPrevouts ??= sha256(this.shaPrevouts);
    return this.#hashPrevouts;
  }

  /** BIP143: double SHA-256 of all sequences. */
  get hashSequence(): Uint8Array {
    this.#hashSequence ??= sha256(this.shaSequences);
    return this.#hashSequence;
  }

  /** BIP143: double SHA-256 of all outputs. */
  get hashOutputs(): Uint8Array {
    this.#hashOutputs ??= sha256(this.shaOutputs);
    return this.#hashOutputs;
  }

  /** Legacy: the stripped transaction with every input script empty. */
  get blanked(): Uint8Array {
    this.#blanked ??= blankedTransaction(this.table, this.tx);
    return this.#blanked;
  }

  #inputs(): { first: number; end: number } {
    const first = this.table.firstInput(this.tx);
    return { first, end: first + this.table.inputCount(this.tx) };
  }

  /** `length` bytes from where `at` says, of each input. */
  #eachInput(length: number, at: (input: number) => number): Uint8Array {
    const { first, end } = this.#inputs();
    const joined = new Uint8Array(length * (end - first));
    for (let input = first, to = 0; input < end; input++, to += length) {
      const from = at(input);
      joined.set(this.table.bytes.subarray(from, from + length), to);
    }
    return joined;
  }
}

/** Offset of an input's sequence. */
function sequenceAt(table: TxTable, input: number): number {
  return table.inputScriptStart(input) + table.inputScriptLength(input);
}

/** Offset of a transaction's first output, after the count. */
export function outputsStart(table: TxTable, tx: number): number {
  return table.outputCount(tx) === 0 ? table.bodyEnd(tx) : table.outputStart(table.firstOutput(tx));
}

/** Offset after an output's script. */
function outputEnd(table: TxTable, output: number): number {
  return table.outputScriptStart(output) + table.outputScriptLength(output);
}

/** Table index of the output at an input's own position in its transaction, −1 where there is none. */
function outputBeside(table: TxTable, tx: number, input: number): number {
  const position = input - table.firstInput(tx);
  return position < table.outputCount(tx) ? table.firstOutput(tx) + position : -1;
}

function blankedTransaction(table: TxTable, tx: number): Uint8Array {
  const { bytes } = table;
  const first = table.firstInput(tx);
  const count = table.inputCount(tx);
  const outputsLength = table.bodyEnd(tx) - outputsStart(table, tx);
  const writer = new ByteWriter(20 + 41 * count + outputsLength);
  writer.u32(table.version(tx)).compactSize(count);
  for (let input = first; input < first + count; input++) {
    const outpoint = table.outpoint(input);
    const sequence = sequenceAt(table, input);
    writer.bytes(bytes.subarray(outpoint, outpoint + 36)).u8(0);
    writer.bytes(bytes.subarray(sequence, sequence + 4));
  }
  writer.compactSize(table.outputCount(tx)).bytes(bytes.subarray(outputsStart(table, tx), table.bodyEnd(tx)));
  return writer.u32(table.lockTime(tx)).finish();
}

/**
 * The hash that a pre-witness signature signs.
 * @param input index over the whole table, an input of transaction `tx`.
 * @param scriptCode the script from the last executed OP_CODESEPARATOR on, the signature already deleted.
 * @param hashType all 32 bits are hashed; the low byte chooses what is committed to.
 * @param midstates of the same transaction, to share its serialisation among inputs.
 */
export function legacySighash(
  table: TxTable,
  tx: number,
  input: number,
  scriptCode: Uint8Array,
  hashType: number,
  midstates?: SighashMidstates,
): Uint8Array {
  const output = hashType & OUTPUT_MASK;
  if (output === SIGHASH_SINGLE && outputBeside(table, tx, input) < 0) {
    // Satoshi's client hashed the number one where there is no output to sign.
    const one = new Uint8Array(32);
    one[0] = 1;
    return one;
  }
  const partial =
    (hashType & SIGHASH_ANYONECANPAY) !== 0 || output === SIGHASH_SINGLE || output === SIGHASH_NONE;
  if (partial) return sha256d(partialLegacyMessage(table, tx, input, scriptCode, hashType));
  const blanked = midstates?.blanked ?? blankedTransaction(table, tx);
  return sha256d(wholeLegacyMessage(table, tx, input, scriptCode, hashType, blanked));
}

/** Everything is signed: the blanked transaction with the script code put in at `input`. */
function wholeLegacyMessage(
  table: TxTable,
  tx: number,
  input: number,
  scriptCode: Uint8Array,
  hashType: number,
  blanked: Uint8Array,
): Uint8Array {
  const script = serializedScriptCode(scriptCode);
  const position = input - table.firstInput(tx);
  const at = 4 + compactSizeLength(table.inputCount(tx)) + 41 * position + 36;
  const message = new Uint8Array(blanked.length - 1 + script.length + 4);
  message.set(blanked.subarray(0, at));
  message.set(script, at);
  message.set(blanked.subarray(at + 1), at + script.length);
  writeU32(message, message.length - 4, hashType);
  return message;
}

function partialLegacyMessage(
  table: TxTable,
  tx: number,
  input: number,
  scriptCode: Uint8Array,
  hashType: number,
): Uint8Array {
  const output = hashType & OUTPUT_MASK;
  const writer = new ByteWriter(512);
  writer.u32(table.version(tx));
  const script = serializedScriptCode(scriptCode);
  if ((hashType & SIGHASH_ANYONECANPAY) !== 0) {
    writer.u8(1);
    writeLegacyInput(writer, table, input, script, false);
  } else {
    const first = table.firstInput(tx);
    const end = first + table.inputCount(tx);
    const blankOthers = output === SIGHASH_SINGLE || output === SIGHASH_NONE;
    writer.compactSize(end - first);
    for (let i = first; i < end; i++) {
      if (i === input) writeLegacyInput(writer, table, i, script, false);
      else writeLegacyInput(writer, table, i, EMPTY_SCRIPT, blankOthers);
    }
  }
  writeLegacyOutputs(writer, table, tx, input, output);
  return writer.u32(table.lockTime(tx)).u32(hashType).finish();
}

const EMPTY_SCRIPT = new Uint8Array(1);

function writeLegacyInput(
  writer: ByteWriter,
  table: TxTable,
  input: number,
  script: Uint8Array,
  zeroSequence: boolean,
): void {
  const outpoint = table.outpoint(input);
  writer.bytes(table.bytes.subarray(outpoint, outpoint + 36)).bytes(script);
  writer.u32(zeroSequence ? 0 : table.sequence(input));
}

function writeLegacyOutputs(
  writer: ByteWriter,
  table: TxTable,
  tx: number,
  input: number,
  output: number,
): void {
  const { bytes } = table;
  if (output === SIGHASH_NONE) {
    writer.u8(0);
  } else if (output === SIGHASH_SINGLE) {
    const position = input - table.firstInput(tx);
    writer.compactSize(position + 1);
    // The outputs before it count, each as −1 satoshi with an empty script.
    for (let i = 0; i < position; i++) writer.u32(0xffff_ffff).u32(0xffff_ffff).u8(0);
    const beside = outputBeside(table, tx, input);
    writer.bytes(bytes.subarray(table.outputStart(beside), outputEnd(table, beside)));
  } else {
    writer.compactSize(table.outputCount(tx));
    writer.bytes(bytes.subarray(outputsStart(table, tx), table.bodyEnd(tx)));
  }
}

/** The script code with its length in front, without its OP_CODESEPARATORs. */
function serializedScriptCode(script: Uint8Array): Uint8Array {
  const reader = new ScriptReader(script);
  const cuts: number[] = [];
  while (reader.next()) if (reader.opcode === OP_CODESEPARATOR) cuts.push(reader.at);
  // Core writes no further than it could read, while the length counts the rest too.
  const end = reader.more ? reader.dataStart : script.length;
  const writer = new ByteWriter(9 + script.length).compactSize(script.length - cuts.length);
  let from = 0;
  for (const cut of cuts) {
    writer.bytes(script.subarray(from, cut - 1));
    from = cut;
  }
  return writer.bytes(script.subarray(from, end)).finish();
}

/**
 * The hash that a witness version 0 signature signs (BIP143).
 * @param input index over the whole table.
 * @param amount satoshi of the spent output.
 */
export function segwitV0Sighash(
  midstates: SighashMidstates,
  input: number,
  scriptCode: Uint8Array,
  amount: number,
  hashType: number,
): Uint8Array {
  const { table, tx } = midstates;
  const { bytes } = table;
  const output = hashType & OUTPUT_MASK;
  const anyoneCanPay = (hashType & SIGHASH_ANYONECANPAY) !== 0;
  const allOutputs = output !== SIGHASH_SINGLE && output !== SIGHASH_NONE;
  const outpoint = table.outpoint(input);
  const writer = new ByteWriter(165 + scriptCode.length);
  writer.u32(table.version(tx));
  writer.bytes(anyoneCanPay ? ZERO_HASH : midstates.hashPrevouts);
  writer.bytes(!anyoneCanPay && allOutputs ? midstates.hashSequence : ZERO_HASH);
  writer
    .bytes(bytes.subarray(outpoint, outpoint + 36))
    .varBytes(scriptCode)
    .i64(amount);
  writer.u32(table.sequence(input));
  writer.bytes(allOutputs ? midstates.hashOutputs : hashSingleOutput(table, tx, input, output));
  writer.u32(table.lockTime(tx)).u32(hashType);
  return sha256d(writer.finish());
}

function hashSingleOutput(table: TxTable, tx: number, input: number, output: number): Uint8Array {
  const beside = output === SIGHASH_SINGLE ? outputBeside(table, tx, input) : -1;
  if (beside < 0) return ZERO_HASH;
  return sha256d(table.bytes.subarray(table.outputStart(beside), outputEnd(table, beside)));
}

/** What a BIP342 signature commits to beyond BIP341. */
export interface TapscriptCommitment {
  readonly tapleafHash: Uint8Array;
  /** Opcode index of the last executed OP_CODESEPARATOR, 0xffffffff for none. */
  readonly codeSeparatorPosition: number;
}

/**
 * The hash that a taproot signature signs (BIP341; with `leaf` BIP342).
 * @param input index over the whole table.
 * @param annexHash SHA-256 of the annex with its length in front.
 * @returns `undefined` for a hash type that does not exist, and for SIGHASH_SINGLE without an output to sign.
 */
export function taprootSighash(
  midstates: SighashMidstates,
  input: number,
  hashType: number,
  annexHash?: Uint8Array,
  leaf?: TapscriptCommitment,
): Uint8Array | undefined {
  if (!(hashType <= SIGHASH_SINGLE || (hashType >= 0x81 && hashType <= 0x83))) return undefined;
  const { table, tx } = midstates;
  const output = hashType === SIGHASH_DEFAULT ? SIGHASH_ALL : hashType & 3;
  const anyoneCanPay = (hashType & SIGHASH_ANYONECANPAY) !== 0;
  const writer = new ByteWriter(280).u8(0).u8(hashType);
  writer.u32(table.version(tx)).u32(table.lockTime(tx));
  if (!anyoneCanPay) {
    writer.bytes(midstates.shaPrevouts).bytes(midstates.shaAmounts);
    writer.bytes(midstates.shaScripts).bytes(midstates.shaSequences);
  }
  if (output === SIGHASH_ALL) writer.bytes(midstates.shaOutputs);
  writer.u8((leaf === undefined ? 0 : 2) + (annexHash === undefined ? 0 : 1));
  if (anyoneCanPay) writeSpentInput(writer, midstates, input);
  else writer.u32(input - table.firstInput(tx));
  if (annexHash !== undefined) writer.bytes(annexHash);
  if (output === SIGHASH_SINGLE) {
    const beside = outputBeside(table, tx, input);
    if (beside < 0) return undefined;
    writer.bytes(sha256(table.bytes.subarray(table.outputStart(beside), outputEnd(table, beside))));
  }
  if (leaf !== undefined) writer.bytes(leaf.tapleafHash).u8(0).u32(leaf.codeSeparatorPosition);
  return taggedHash("TapSighash", writer.finish());
}

/** The outpoint, spent output and sequence of one input. */
function writeSpentInput(writer: ByteWriter, midstates: SighashMidstates, input: number): void {
  const { table, prevouts } = midstates;
  const outpoint = table.outpoint(input);
  writer.bytes(table.bytes.subarray(outpoint, outpoint + 36));
  writer.i64(prevouts.amount(input)).varBytes(prevouts.script(input)).u32(table.sequence(input));
}
