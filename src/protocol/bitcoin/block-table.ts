import { readI32, readU32 } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { parseTxs, readCompactSize, type TxTable } from "./tx-table.ts";

export const HEADER_LENGTH = 80;

/** The fields of an 80-byte block header, read where they stand. */
export interface HeaderFields {
  readonly version: number;
  /** View of the previous block's hash. */
  readonly prevHash: Uint8Array;
  readonly merkleRoot: Uint8Array;
  /** Seconds since 1970. */
  readonly time: number;
  /** Target in compact form. */
  readonly bits: number;
  readonly nonce: number;
}

/** Reads the header at `at`. @throws DecodeError when fewer than 80 bytes are left. */
export function parseHeader(bytes: Uint8Array, at = 0): HeaderFields {
  if (bytes.length - at < HEADER_LENGTH) throw new DecodeError("end of data");
  return {
    version: readI32(bytes, at),
    prevHash: bytes.subarray(at + 4, at + 36),
    merkleRoot: bytes.subarray(at + 36, at + 68),
    time: readU32(bytes, at + 68),
    bits: readU32(bytes, at + 72),
    nonce: readU32(bytes, at + 76),
  };
}

/** A block: its header and the table of its transactions, over its own bytes. */
export interface BlockTable {
  readonly bytes: Uint8Array;
  readonly header: HeaderFields;
  readonly txs: TxTable;
}

/** Parses a serialised block that fills `bytes`. @throws DecodeError */
export function parseBlock(bytes: Uint8Array): BlockTable {
  const header = parseHeader(bytes);
  const cursor = { at: HEADER_LENGTH };
  const count = readCompactSize(bytes, cursor);
  const { table, end } = parseTxs(bytes, cursor.at, count);
  if (end !== bytes.length) throw new DecodeError("Block decode failed: bytes left over");
  return { bytes, header, txs: table };
}

/** Bytes of the block without witnesses: header, count, and each transaction's stripped size. */
export function strippedBlockSize(block: BlockTable): number {
  const { txs } = block;
  let size = txs.txCount === 0 ? block.bytes.length : txs.start(0);
  for (let i = 0; i < txs.txCount; i++) size += txs.strippedSize(i);
  return size;
}

/** BIP141 weight of the block. */
export function blockWeight(block: BlockTable): number {
  return 3 * strippedBlockSize(block) + block.bytes.length;
}
