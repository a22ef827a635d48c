import { compactSizeLength } from "#base/lib/byte-writer.ts";
import { writeU16, writeU32 } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { type Prevouts, PrevoutsBuilder } from "#protocol/bitcoin/prevouts.ts";
import { readCompactSize, type TxTable } from "#protocol/bitcoin/tx-table.ts";
import { COIN_OVERHEAD, CoinReader, writeAmount, writeScript, writeVarint } from "./coin-compression.ts";

/** Bytes that a coin takes at least: height, amount, script size and a 20-byte hash or nothing. */
const LEAST_COIN = 3;

/**
 * Writes a block's undo data while its coins are spent (Core's CBlockUndo): for each transaction but the coinbase a
 * list of the coins that its inputs spent.
 */
export class UndoBuilder {
  #bytes = new Uint8Array(16_384);
  #length = 0;

  /** @param txCount transactions of the block without the coinbase. */
  constructor(txCount: number) {
    this.#compactSize(txCount);
  }

  /** Starts the next transaction, which spends `inputCount` coins. */
  transaction(inputCount: number): void {
    this.#compactSize(inputCount);
  }

  /** The next spent coin; the script stands in `source` from `start` to `end`. */
  coin(
    height: number,
    coinbase: boolean,
    amount: number,
    source: Uint8Array,
    start: number,
    end: number,
  ): void {
    this.#reserve(COIN_OVERHEAD + 1 + end - start);
    const bytes = this.#bytes;
    let at = writeVarint(bytes, this.#length, height * 2 + (coinbase ? 1 : 0));
    // Where a version stood once (undo.h, TxInUndoFormatter).
    if (height > 0) bytes[at++] = 0;
    at = writeAmount(bytes, at, amount);
    this.#length = writeScript(bytes, at, source, start, end);
  }

  /** A copy of the serialised undo data. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #reserve(length: number): void {
    if (this.#length + length <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#length + length, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }

  #compactSize(count: number): void {
    this.#reserve(5);
    const bytes = this.#bytes;
    const at = this.#length;
    const width = compactSizeLength(count);
    if (width === 1) bytes[at] = count;
    else if (width === 3) {
      bytes[at] = 0xfd;
      writeU16(bytes, at + 1, count);
    } else {
      bytes[at] = 0xfe;
      writeU32(bytes, at + 1, count);
    }
    this.#length = at + width;
  }
}

/** A block's undo data decoded into columns. Transaction 0 is the first after the coinbase. */
export class BlockUndo {
  readonly txCount: number;
  readonly coinTotal: number;
  /** First coin of each transaction; one more entry than transactions. */
  readonly firstCoin: Int32Array;
  readonly heights: Int32Array;
  /** 1 for a coin that a coinbase made. */
  readonly coinbases: Uint8Array;
  /** Satoshi. */
  readonly amounts: Float64Array;
  /** Where each script starts in {@link scripts}; one more entry than coins. */
  readonly scriptOffsets: Int32Array;
  readonly scripts: Uint8Array;

  constructor(
    firstCoin: Int32Array,
    coins: { heights: Int32Array; coinbases: Uint8Array; amounts: Float64Array; scriptOffsets: Int32Array },
    scripts: Uint8Array,
  ) {
    this.txCount = firstCoin.length - 1;
    this.coinTotal = coins.heights.length;
    this.firstCoin = firstCoin;
    this.heights = coins.heights;
    this.coinbases = coins.coinbases;
    this.amounts = coins.amounts;
    this.scriptOffsets = coins.scriptOffsets;
    this.scripts = scripts;
  }
}

/** Decodes a block's undo data that fills `bytes`. @throws DecodeError */
export function decodeUndo(bytes: Uint8Array): BlockUndo {
  return new UndoDecoder(bytes).block();
}

class UndoDecoder {
  readonly #bytes: Uint8Array;
  readonly #cursor = { at: 0 };
  readonly #reader = new CoinReader();
  readonly #heights: Int32Array;
  readonly #coinbases: Uint8Array;
  readonly #amounts: Float64Array;
  readonly #scriptOffsets: Int32Array;
  #scripts: Uint8Array;
  #count = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    const most = Math.floor(bytes.length / LEAST_COIN) + 1;
    this.#heights = new Int32Array(most);
    this.#coinbases = new Uint8Array(most);
    this.#amounts = new Float64Array(most);
    this.#scriptOffsets = new Int32Array(most + 1);
    this.#scripts = new Uint8Array(bytes.length * 2);
  }

  block(): BlockUndo {
    const txCount = this.#countOf(1);
    const firstCoin = new Int32Array(txCount + 1);
    for (let tx = 0; tx < txCount; tx++) {
      const inputs = this.#countOf(LEAST_COIN);
      this.#reader.load(this.#bytes, this.#cursor.at);
      for (let i = 0; i < inputs; i++) this.#coin();
      this.#cursor.at = this.#reader.at;
      firstCoin[tx + 1] = this.#count;
    }
    if (this.#cursor.at !== this.#bytes.length) throw new DecodeError("undo data: bytes left over");
    const count = this.#count;
    const coins = {
      heights: this.#heights.slice(0, count),
      coinbases: this.#coinbases.slice(0, count),
      amounts: this.#amounts.slice(0, count),
      scriptOffsets: this.#scriptOffsets.slice(0, count + 1),
    };
    return new BlockUndo(firstCoin, coins, this.#scripts.slice(0, coins.scriptOffsets[count]));
  }

  /** A count of things that take at least `least` bytes each, so that a false one costs nothing. */
  #countOf(least: number): number {
    const count = readCompactSize(this.#bytes, this.#cursor);
    if (count * least > this.#bytes.length - this.#cursor.at) throw new DecodeError("end of data");
    return count;
  }

  #coin(): void {
    const reader = this.#reader;
    const i = this.#count;
    const code = reader.varint();
    const height = code >>> 1;
    if (height > 0) reader.varint();
    this.#heights[i] = height;
    this.#coinbases[i] = code & 1;
    this.#amounts[i] = reader.amount();
    reader.scriptHeader();
    const at = this.#scriptOffsets[i]!;
    const end = at + reader.scriptLength;
    this.#reserve(end);
    reader.script(this.#scripts, at);
    this.#scriptOffsets[i + 1] = end;
    this.#count = i + 1;
  }

  #reserve(length: number): void {
    if (length <= this.#scripts.length) return;
    const grown = new Uint8Array(Math.max(length, this.#scripts.length * 2));
    grown.set(this.#scripts);
    this.#scripts = grown;
  }
}

/**
 * The prevouts of a block's inputs, the coinbase's slot empty, from its undo data.
 * @throws DecodeError when the two do not fit.
 */
export function undoPrevouts(table: TxTable, undo: BlockUndo): Prevouts {
  if (undo.txCount + 1 !== table.txCount) throw new DecodeError("undo data of another block");
  const builder = new PrevoutsBuilder(table.inputTotal);
  for (let i = 0; i < table.inputCount(0); i++) builder.skip();
  for (let tx = 1; tx < table.txCount; tx++) {
    const first = undo.firstCoin[tx - 1]!;
    const end = undo.firstCoin[tx]!;
    if (end - first !== table.inputCount(tx)) throw new DecodeError("undo data of another block");
    for (let coin = first; coin < end; coin++) {
      builder.add(
        undo.amounts[coin]!,
        undo.scripts,
        undo.scriptOffsets[coin]!,
        undo.scriptOffsets[coin + 1]!,
      );
    }
  }
  return builder.finish();
}
