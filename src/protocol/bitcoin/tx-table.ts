/**
 * Transactions as offsets into their own serialised bytes: one Int32Array each for transactions, inputs and
 * outputs, nothing copied. The same table serves a whole block and a single transaction; consensus, sighash
 * and the mempool read transactions in no other form.
 */

import { MAX_SIZE } from "#base/lib/byte-reader.ts";
import { readI32, readI64, readU32 } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";

/** Fields of one transaction in {@link TxTable.txs}. */
const TX_STRIDE = 8;
/** Offset of the version, the first byte. */
const START = 0;
/** Offset after the lock time. */
const END = 1;
/** Offset of the input count (after marker and flag where there are any). */
const BODY = 2;
/** Offset after the last output: the witness when there is one, else the lock time. */
const BODY_END = 3;
const FIRST_INPUT = 4;
const INPUT_COUNT = 5;
const FIRST_OUTPUT = 6;
const OUTPUT_COUNT = 7;

/** Fields of one input: offset of the outpoint, offset and length of the script, offset of the witness count (−1: none). */
const INPUT_STRIDE = 4;
/** Fields of one output: offset of the value, offset and length of the script. */
const OUTPUT_STRIDE = 3;

/** A transaction's inputs and outputs are named by their index over the whole table. */
export class TxTable {
  /** What the offsets point into: a block, or one transaction. */
  readonly bytes: Uint8Array;
  readonly txs: Int32Array;
  readonly inputs: Int32Array;
  readonly outputs: Int32Array;
  readonly txCount: number;
  readonly inputTotal: number;
  readonly outputTotal: number;

  constructor(bytes: Uint8Array, txs: Int32Array, inputs: Int32Array, outputs: Int32Array) {
    this.bytes = bytes;
    this.txs = txs;
    this.inputs = inputs;
    this.outputs = outputs;
    this.txCount = txs.length / TX_STRIDE;
    this.inputTotal = inputs.length / INPUT_STRIDE;
    this.outputTotal = outputs.length / OUTPUT_STRIDE;
  }

  start(tx: number): number {
    return this.txs[tx * TX_STRIDE + START]!;
  }

  end(tx: number): number {
    return this.txs[tx * TX_STRIDE + END]!;
  }

  /** Offset of the input count; the txid covers version, body (to {@link bodyEnd}) and lock time. */
  body(tx: number): number {
    return this.txs[tx * TX_STRIDE + BODY]!;
  }

  bodyEnd(tx: number): number {
    return this.txs[tx * TX_STRIDE + BODY_END]!;
  }

  firstInput(tx: number): number {
    return this.txs[tx * TX_STRIDE + FIRST_INPUT]!;
  }

  inputCount(tx: number): number {
    return this.txs[tx * TX_STRIDE + INPUT_COUNT]!;
  }

  firstOutput(tx: number): number {
    return this.txs[tx * TX_STRIDE + FIRST_OUTPUT]!;
  }

  outputCount(tx: number): number {
    return this.txs[tx * TX_STRIDE + OUTPUT_COUNT]!;
  }

  version(tx: number): number {
    return readU32(this.bytes, this.start(tx));
  }

  lockTime(tx: number): number {
    return readU32(this.bytes, this.end(tx) - 4);
  }

  /** Whether it is serialised with marker, flag and witness (BIP144). */
  hasWitness(tx: number): boolean {
    return this.body(tx) !== this.start(tx) + 4;
  }

  /** Bytes with the witness. */
  size(tx: number): number {
    return this.end(tx) - this.start(tx);
  }

  /** Bytes without the witness. */
  strippedSize(tx: number): number {
    return 8 + this.bodyEnd(tx) - this.body(tx);
  }

  /** BIP141 weight: three times the stripped size plus the size. */
  weight(tx: number): number {
    return 3 * this.strippedSize(tx) + this.size(tx);
  }

  /** The serialised transaction, a view. */
  raw(tx: number): Uint8Array {
    return this.bytes.subarray(this.start(tx), this.end(tx));
  }

  /** Offset of the 36-byte outpoint (txid, u32 index) that an input spends. */
  outpoint(input: number): number {
    return this.inputs[input * INPUT_STRIDE]!;
  }

  /** Txid part of an input's outpoint, a view. */
  prevTxid(input: number): Uint8Array {
    const at = this.outpoint(input);
    return this.bytes.subarray(at, at + 32);
  }

  /** Index part of an input's outpoint. */
  prevIndex(input: number): number {
    return readU32(this.bytes, this.outpoint(input) + 32);
  }

  /** Whether an input spends nothing (all-zero txid, index 2^32 − 1), as a coinbase's does. */
  isNullOutpoint(input: number): boolean {
    const at = this.outpoint(input);
    if (readI32(this.bytes, at + 32) !== -1) return false;
    for (let i = at; i < at + 32; i++) if (this.bytes[i] !== 0) return false;
    return true;
  }

  isCoinbase(tx: number): boolean {
    return this.inputCount(tx) === 1 && this.isNullOutpoint(this.firstInput(tx));
  }

  inputScriptStart(input: number): number {
    return this.inputs[input * INPUT_STRIDE + 1]!;
  }

  inputScriptLength(input: number): number {
    return this.inputs[input * INPUT_STRIDE + 2]!;
  }

  /** An input's script, a view. */
  inputScript(input: number): Uint8Array {
    const at = this.inputScriptStart(input);
    return this.bytes.subarray(at, at + this.inputScriptLength(input));
  }

  sequence(input: number): number {
    return readU32(this.bytes, this.inputScriptStart(input) + this.inputScriptLength(input));
  }

  /** Offset of an input's witness item count, −1 where its transaction has no witness. */
  witnessStart(input: number): number {
    return this.inputs[input * INPUT_STRIDE + 3]!;
  }

  /** Items of an input's witness stack, as views; empty where there is none. */
  witness(input: number): Uint8Array[] {
    const start = this.witnessStart(input);
    if (start < 0) return [];
    const cursor = { at: start };
    const count = readCompactSize(this.bytes, cursor);
    const items: Uint8Array[] = [];
    for (let i = 0; i < count; i++) {
      const length = readCompactSize(this.bytes, cursor);
      items.push(this.bytes.subarray(cursor.at, cursor.at + length));
      cursor.at += length;
    }
    return items;
  }

  /** Offset of an output's serialisation (value, script length, script). */
  outputStart(output: number): number {
    return this.outputs[output * OUTPUT_STRIDE]!;
  }

  /** Satoshi, signed; see `readI64` for values beyond 2^53. */
  value(output: number): number {
    return readI64(this.bytes, this.outputStart(output));
  }

  outputScriptStart(output: number): number {
    return this.outputs[output * OUTPUT_STRIDE + 1]!;
  }

  outputScriptLength(output: number): number {
    return this.outputs[output * OUTPUT_STRIDE + 2]!;
  }

  /** An output's script, a view. */
  outputScript(output: number): Uint8Array {
    const at = this.outputScriptStart(output);
    return this.bytes.subarray(at, at + this.outputScriptLength(output));
  }
}

/**
 * Parses one serialised transaction that fills `bytes`.
 * @param allowWitness false reads it as before BIP144 (no marker and flag), as some RPCs try.
 * @throws DecodeError with Core's text where Core has one.
 */
export function parseTx(bytes: Uint8Array, allowWitness = true): TxTable {
  const parser = new TxParser(bytes, 0, allowWitness);
  parser.transaction();
  if (parser.at !== bytes.length) throw new DecodeError("TX decode failed: bytes left over");
  return parser.finish();
}

/**
 * Parses `count` serialised transactions from `start`, as they stand in a block.
 * @returns the table, and the offset after the last.
 * @throws DecodeError
 */
export function parseTxs(bytes: Uint8Array, start: number, count: number): { table: TxTable; end: number } {
  const parser = new TxParser(bytes, start, true);
  // No transaction is shorter than ten bytes, so a huge count fails before it costs anything.
  if (count * 10 > bytes.length - start) throw new DecodeError("end of data");
  for (let i = 0; i < count; i++) parser.transaction();
  return { table: parser.finish(), end: parser.at };
}

/** A growing Int32Array. */
class Rows {
  data: Int32Array;
  length = 0;

  constructor(capacity: number) {
    this.data = new Int32Array(capacity);
  }

  reserve(fields: number): number {
    const at = this.length;
    this.length = at + fields;
    if (this.length > this.data.length) {
      const grown = new Int32Array(Math.max(this.length, this.data.length * 2));
      grown.set(this.data);
      this.data = grown;
    }
    return at;
  }

  finish(): Int32Array {
    return this.data.slice(0, this.length);
  }
}

class TxParser {
  readonly #bytes: Uint8Array;
  readonly #allowWitness: boolean;
  readonly #txs: Rows;
  readonly #inputs: Rows;
  readonly #outputs: Rows;
  at: number;

  constructor(bytes: Uint8Array, start: number, allowWitness: boolean) {
    this.#bytes = bytes;
    this.#allowWitness = allowWitness;
    this.at = start;
    // Typical shares of a block's bytes; the rows grow where that is too little.
    const size = bytes.length - start;
    this.#txs = new Rows(TX_STRIDE * (1 + (size >> 8)));
    this.#inputs = new Rows(INPUT_STRIDE * (2 + (size >> 7)));
    this.#outputs = new Rows(OUTPUT_STRIDE * (2 + (size >> 6)));
  }

  finish(): TxTable {
    return new TxTable(this.#bytes, this.#txs.finish(), this.#inputs.finish(), this.#outputs.finish());
  }

  transaction(): void {
    const start = this.at;
    const row = this.#txs.reserve(TX_STRIDE);
    const firstInput = this.#inputs.length / INPUT_STRIDE;
    const firstOutput = this.#outputs.length / OUTPUT_STRIDE;
    this.#skip(4);
    let body = this.at;
    let inputCount = this.#readInputs();
    let outputCount = 0;
    let flags = 0;
    if (inputCount === 0 && this.#allowWitness) {
      // An empty input list may be BIP144's marker. A zero flag leaves the transaction without any output.
      flags = this.#u8();
      if (flags !== 0) {
        body = this.at;
        inputCount = this.#readInputs();
        outputCount = this.#readOutputs();
      }
    } else {
      outputCount = this.#readOutputs();
    }
    const bodyEnd = this.at;
    if ((flags & 1) !== 0) {
      flags ^= 1;
      this.#readWitness(firstInput, inputCount);
    }
    if (flags !== 0) throw new DecodeError("Unknown transaction optional data");
    this.#skip(4);
    const txs = this.#txs.data;
    txs[row + START] = start;
    txs[row + END] = this.at;
    txs[row + BODY] = body;
    txs[row + BODY_END] = bodyEnd;
    txs[row + FIRST_INPUT] = firstInput;
    txs[row + INPUT_COUNT] = inputCount;
    txs[row + FIRST_OUTPUT] = firstOutput;
    txs[row + OUTPUT_COUNT] = outputCount;
  }

  #readInputs(): number {
    const count = readCompactSize(this.#bytes, this);
    for (let i = 0; i < count; i++) {
      const outpoint = this.at;
      this.#skip(36);
      const length = readCompactSize(this.#bytes, this);
      const script = this.at;
      this.#skip(length + 4);
      const row = this.#inputs.reserve(INPUT_STRIDE);
      const inputs = this.#inputs.data;
      inputs[row] = outpoint;
      inputs[row + 1] = script;
      inputs[row + 2] = length;
      inputs[row + 3] = -1;
    }
    return count;
  }

  #readOutputs(): number {
    const count = readCompactSize(this.#bytes, this);
    for (let i = 0; i < count; i++) {
      const value = this.at;
      this.#skip(8);
      const length = readCompactSize(this.#bytes, this);
      const script = this.at;
      this.#skip(length);
      const row = this.#outputs.reserve(OUTPUT_STRIDE);
      const outputs = this.#outputs.data;
      outputs[row] = value;
      outputs[row + 1] = script;
      outputs[row + 2] = length;
    }
    return count;
  }

  #readWitness(firstInput: number, inputCount: number): void {
    let items = 0;
    for (let input = firstInput; input < firstInput + inputCount; input++) {
      this.#inputs.data[input * INPUT_STRIDE + 3] = this.at;
      const count = readCompactSize(this.#bytes, this);
      items += count;
      for (let i = 0; i < count; i++) this.#skip(readCompactSize(this.#bytes, this));
    }
    // It would be another serialisation of the same transaction.
    if (items === 0) throw new DecodeError("Superfluous witness record");
  }

  #u8(): number {
    const at = this.at;
    this.#skip(1);
    return this.#bytes[at]!;
  }

  #skip(length: number): void {
    if (length > this.#bytes.length - this.at) throw new DecodeError("end of data");
    this.at += length;
  }
}

/** Reads a CompactSize at `cursor.at` and moves it on: the same rules as `ByteReader.compactSize`, without an object. */
export function readCompactSize(bytes: Uint8Array, cursor: { at: number }): number {
  const at = cursor.at;
  if (at >= bytes.length) throw new DecodeError("end of data");
  const first = bytes[at]!;
  if (first < 0xfd) {
    cursor.at = at + 1;
    return first;
  }
  const width = first === 0xfd ? 2 : first === 0xfe ? 4 : 8;
  if (at + 1 + width > bytes.length) throw new DecodeError("end of data");
  cursor.at = at + 1 + width;
  const low = width === 2 ? bytes[at + 1]! | (bytes[at + 2]! << 8) : readU32(bytes, at + 1);
  const value = width === 8 ? readU32(bytes, at + 5) * 0x1_0000_0000 + low : low;
  const least = width === 2 ? 0xfd : width === 4 ? 0x1_0000 : 0x1_0000_0000;
  if (value < least) throw new DecodeError("non-canonical ReadCompactSize()");
  if (value > MAX_SIZE) throw new DecodeError("ReadCompactSize(): size too large");
  return value;
}
