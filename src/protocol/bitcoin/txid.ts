import { sha256d } from "#base/crypto/sha256.ts";
import { Sha256Batch } from "#base/crypto/sha256-batch.ts";
import type { BlockHash, Txid, Wtxid } from "./hashes.ts";
import { HASH_LENGTH } from "./hashes.ts";
import type { TxTable } from "./tx-table.ts";

/** The hashes of a table's transactions, 32 bytes each, end to end in table order. */
export interface TxHashes {
  readonly txids: Uint8Array;
  /** Equal to the txid where a transaction has no witness. */
  readonly wtxids: Uint8Array;
}

let shared: Sha256Batch | undefined;

/**
 * All txids and wtxids of a table in one call of the hash kernel, read from the table's own bytes.
 * @param batch an empty batch to use in place of the shared one.
 */
export function hashTxs(table: TxTable, batch?: Sha256Batch): TxHashes {
  shared ??= new Sha256Batch();
  const kernel = batch ?? shared;
  const count = table.txCount;
  kernel.load(table.bytes);
  for (let tx = 0; tx < count; tx++) addStripped(kernel, table, tx);
  for (let tx = 0; tx < count; tx++) {
    if (!table.hasWitness(tx)) continue;
    kernel.piece(table.start(tx), table.size(tx));
    kernel.end();
  }
  const digests = kernel.digest(2);
  const txids = digests.subarray(0, count * HASH_LENGTH);
  const wtxids = txids.slice();
  let at = count * HASH_LENGTH;
  for (let tx = 0; tx < count; tx++) {
    if (!table.hasWitness(tx)) continue;
    wtxids.set(digests.subarray(at, at + HASH_LENGTH), tx * HASH_LENGTH);
    at += HASH_LENGTH;
  }
  return { txids, wtxids };
}

/** The message whose double hash is the txid: version, inputs and outputs, lock time. */
function addStripped(kernel: Sha256Batch, table: TxTable, tx: number): void {
  if (table.hasWitness(tx)) {
    const body = table.body(tx);
    kernel.piece(table.start(tx), 4);
    kernel.piece(body, table.bodyEnd(tx) - body);
    kernel.piece(table.end(tx) - 4, 4);
  } else {
    kernel.piece(table.start(tx), table.size(tx));
  }
  kernel.end();
}

/** The i-th of hashes that stand end to end, a view. */
export function hashAt(hashes: Uint8Array, index: number): Uint8Array {
  return hashes.subarray(index * HASH_LENGTH, (index + 1) * HASH_LENGTH);
}

/** Txid of a table's transaction, a view. */
export function txidAt(hashes: TxHashes, tx: number): Txid {
  return hashAt(hashes.txids, tx) as Txid;
}

/** Wtxid of a table's transaction, a view. */
export function wtxidAt(hashes: TxHashes, tx: number): Wtxid {
  return hashAt(hashes.wtxids, tx) as Wtxid;
}

/** Hash of a block by its 80-byte header. */
export function blockHash(header: Uint8Array): BlockHash {
  return sha256d(header.length === 80 ? header : header.subarray(0, 80)) as BlockHash;
}
