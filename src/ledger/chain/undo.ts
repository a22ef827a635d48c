import type { Prevouts } from "#protocol/bitcoin/prevouts.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";

/** Writes a block's undo data while its coins are spent (Core's CBlockUndo): a coin for each input but the coinbase's. */
export declare class UndoBuilder {
  /** @param txCount transactions of the block without the coinbase. */
  constructor(txCount: number);
  /** Starts the next transaction, which spends `inputCount` coins. */
  transaction(inputCount: number): void;
  /** The next spent coin; the script stands in `source` from `start` to `end`. */
  coin(
    height: number,
    coinbase: boolean,
    amount: number,
    source: Uint8Array,
    start: number,
    end: number,
  ): void;
  /** The serialised undo data. */
  finish(): Uint8Array;
}

/** A block's undo data decoded into columns. Transaction 0 is the first after the coinbase. */
export declare class BlockUndo {
  readonly txCount: number;
  readonly coinTotal: number;
  /** First coin of each transaction; one more entry than transactions. */
  readonly firstCoin: Int32Array;
  readonly heights: Int32Array;
  readonly coinbases: Uint8Array;
  readonly amounts: Float64Array;
  /** Where each script starts in {@link scripts}; one more entry than coins. */
  readonly scriptOffsets: Int32Array;
  readonly scripts: Uint8Array;
}

/** @throws DecodeError */
export declare function decodeUndo(bytes: Uint8Array): BlockUndo;

/** The prevouts of a block's inputs (the coinbase's slot empty), from its undo data. @throws DecodeError when they do not fit. */
export declare function undoPrevouts(table: TxTable, undo: BlockUndo): Prevouts;
