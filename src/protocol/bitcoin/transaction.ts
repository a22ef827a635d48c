import { ByteWriter } from "#base/lib/byte-writer.ts";
import { parseTx, type TxTable } from "./tx-table.ts";

/** A transaction as objects, for building and changing one. What only reads takes a {@link TxTable}. */
export interface Transaction {
  /** Unsigned 32 bits (Core v28 and later). */
  version: number;
  inputs: TransactionInput[];
  outputs: TransactionOutput[];
  lockTime: number;
}

export interface TransactionInput {
  /** Transaction of the output that is spent, in hashed order. */
  txid: Uint8Array;
  index: number;
  script: Uint8Array;
  sequence: number;
  witness: Uint8Array[];
}

export interface TransactionOutput {
  /** Satoshi. */
  value: number;
  script: Uint8Array;
}

/** Sequence number that switches off lock time and relative lock time. */
export const SEQUENCE_FINAL = 0xffff_ffff;
/** BIP68: an input whose sequence has this bit has no relative lock time. */
export const SEQUENCE_LOCKTIME_DISABLE_FLAG = 0x8000_0000;
/** BIP68: the relative lock time counts units of 512 seconds, not blocks. */
export const SEQUENCE_LOCKTIME_TYPE_FLAG = 1 << 22;
/** BIP68: the bits that hold the relative lock time. */
export const SEQUENCE_LOCKTIME_MASK = 0xffff;
/** BIP68: the power of two of those 512 seconds. */
export const SEQUENCE_LOCKTIME_GRANULARITY = 9;

export function hasWitness(tx: Transaction): boolean {
  return tx.inputs.some((input) => input.witness.length > 0);
}

/**
 * Serialises a transaction (BIP144), with its witness where it has one.
 * @param options `witness: false` leaves the witness out, as the txid is made.
 */
export function encodeTransaction(tx: Transaction, options: { witness?: boolean } = {}): Uint8Array {
  const withWitness = (options.witness ?? true) && hasWitness(tx);
  const writer = new ByteWriter();
  writer.u32(tx.version);
  if (withWitness) writer.u8(0).u8(1);
  writer.compactSize(tx.inputs.length);
  for (const input of tx.inputs) {
    writer.bytes(input.txid).u32(input.index).varBytes(input.script).u32(input.sequence);
  }
  writer.compactSize(tx.outputs.length);
  for (const output of tx.outputs) writer.i64(output.value).varBytes(output.script);
  if (withWitness) for (const input of tx.inputs) encodeWitness(writer, input.witness);
  return writer.u32(tx.lockTime).finish();
}

function encodeWitness(writer: ByteWriter, witness: readonly Uint8Array[]): void {
  writer.compactSize(witness.length);
  for (const item of witness) writer.varBytes(item);
}

/**
 * Reads a serialised transaction into objects; byte strings are copied.
 * @param allowWitness false reads it as before BIP144, so that one without inputs is not mistaken for one with a witness.
 * @throws DecodeError
 */
export function decodeTransaction(bytes: Uint8Array, allowWitness = true): Transaction {
  return transactionAt(parseTx(bytes, allowWitness), 0);
}

/** A table's transaction as objects; byte strings are copied. */
export function transactionAt(table: TxTable, tx: number): Transaction {
  const inputs: TransactionInput[] = [];
  const firstInput = table.firstInput(tx);
  for (let i = firstInput; i < firstInput + table.inputCount(tx); i++) {
    inputs.push({
      txid: table.prevTxid(i).slice(),
      index: table.prevIndex(i),
      script: table.inputScript(i).slice(),
      sequence: table.sequence(i),
      witness: table.witness(i).map((item) => item.slice()),
    });
  }
  const outputs: TransactionOutput[] = [];
  const firstOutput = table.firstOutput(tx);
  for (let i = firstOutput; i < firstOutput + table.outputCount(tx); i++) {
    outputs.push({ value: table.value(i), script: table.outputScript(i).slice() });
  }
  return { version: table.version(tx), inputs, outputs, lockTime: table.lockTime(tx) };
}

/** The table of a transaction made of objects. */
export function tableOf(tx: Transaction): TxTable {
  return parseTx(encodeTransaction(tx), tx.inputs.length > 0);
}
