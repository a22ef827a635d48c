import { readFileSync } from "node:fs";
import { ByteReader } from "#base/lib/byte-reader.ts";
import { type Prevouts, PrevoutsBuilder } from "#protocol/bitcoin/prevouts.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";

/**
 * What a block's inputs spend, as the vectors' `blockN-undo.raw` list it: value (u64), then script with its length,
 * of each input in order, none for the coinbase.
 */
export function readUndoFile(path: string, table: TxTable): Prevouts {
  const reader = new ByteReader(new Uint8Array(readFileSync(path)));
  const builder = new PrevoutsBuilder(table.inputTotal);
  builder.skip();
  for (let input = 1; input < table.inputTotal; input++) builder.add(reader.i64(), reader.varBytes());
  reader.end();
  return builder.finish();
}
