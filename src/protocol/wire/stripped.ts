/** Transactions and blocks without their witnesses, for peers that ask for them so (before BIP144). */
import { ByteWriter } from "#base/lib/byte-writer.ts";
import { type BlockTable, HEADER_LENGTH } from "#protocol/bitcoin/block-table.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";

/** A table's transaction without witness: the bytes that its txid is the hash of. */
export function strippedTx(txs: TxTable, tx: number): Uint8Array {
  if (!txs.hasWitness(tx)) return txs.raw(tx);
  const writer = new ByteWriter(txs.strippedSize(tx));
  writeStripped(writer, txs, tx);
  return writer.finish();
}

/** A block without witnesses. */
export function strippedBlock(block: BlockTable): Uint8Array {
  const { txs } = block;
  const writer = new ByteWriter(block.bytes.length);
  writer.bytes(block.bytes.subarray(0, HEADER_LENGTH)).compactSize(txs.txCount);
  for (let tx = 0; tx < txs.txCount; tx++) writeStripped(writer, txs, tx);
  return writer.finish();
}

function writeStripped(writer: ByteWriter, txs: TxTable, tx: number): void {
  const start = txs.start(tx);
  const end = txs.end(tx);
  writer.bytes(txs.bytes.subarray(start, start + 4));
  writer.bytes(txs.bytes.subarray(txs.body(tx), txs.bodyEnd(tx)));
  writer.bytes(txs.bytes.subarray(end - 4, end));
}
