/** Compact blocks (BIP152). Transactions stand in them as their own bytes. */
import type { ByteReader } from "#base/lib/byte-reader.ts";
import type { ByteWriter } from "#base/lib/byte-writer.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import type { BlockHash } from "#protocol/bitcoin/hashes.ts";
import { parseTxs } from "#protocol/bitcoin/tx-table.ts";
import { type Codec, fixed, list, readList, struct, u64 } from "../codec.ts";

const SHORT_ID_LENGTH = 6;
/** Core: indexes are 16 bits wide. */
const MAX_INDEX = 0xffff;

export interface PrefilledTransaction {
  /** Position in the block. */
  readonly index: number;
  readonly tx: Uint8Array;
}

export interface CompactBlock {
  readonly header: Uint8Array;
  readonly nonce: bigint;
  /** Six bytes each, in block order, for the transactions that are not prefilled. */
  readonly shortIds: readonly Uint8Array[];
  readonly prefilled: readonly PrefilledTransaction[];
}

const transaction: Codec<Uint8Array> = {
  read(reader) {
    const { end } = parseTxs(reader.bytes, reader.at, 1);
    return reader.view(end - reader.at);
  },
  write: (writer, value) => writer.bytes(value),
};

/** Positions in ascending order, each sent as the distance to the one before. */
class Positions {
  #next = 0;

  read(reader: ByteReader): number {
    const index = this.#next + reader.compactSize(false);
    if (index > MAX_INDEX) throw new DecodeError("differential value overflow");
    this.#next = index + 1;
    return index;
  }

  write(writer: ByteWriter, index: number): void {
    writer.compactSize(index - this.#next);
    this.#next = index + 1;
  }
}

const prefilledList: Codec<readonly PrefilledTransaction[]> = {
  read(reader) {
    const positions = new Positions();
    return readList(reader, MAX_INDEX + 1, 11, () => {
      const index = positions.read(reader);
      return { index, tx: transaction.read(reader) };
    });
  },
  write(writer, values) {
    const positions = new Positions();
    writer.compactSize(values.length);
    for (const { index, tx } of values) {
      positions.write(writer, index);
      transaction.write(writer, tx);
    }
  },
};

const compactBlock: Codec<CompactBlock> = struct<CompactBlock>({
  header: fixed(80),
  nonce: u64,
  shortIds: list(fixed(SHORT_ID_LENGTH), MAX_INDEX + 1, SHORT_ID_LENGTH),
  prefilled: prefilledList,
});

export const cmpctblock: Codec<CompactBlock> = {
  read(reader) {
    const block = compactBlock.read(reader);
    if (block.shortIds.length + block.prefilled.length > MAX_INDEX) {
      throw new DecodeError("indexes overflowed 16 bits");
    }
    return block;
  },
  write: (writer, value) => compactBlock.write(writer, value),
};

export interface BlockTransactionsRequest {
  readonly block: BlockHash;
  readonly indexes: readonly number[];
}

const indexList: Codec<readonly number[]> = {
  read(reader) {
    const positions = new Positions();
    return readList(reader, MAX_INDEX + 1, 1, () => positions.read(reader));
  },
  write(writer, values) {
    const positions = new Positions();
    writer.compactSize(values.length);
    for (const index of values) positions.write(writer, index);
  },
};

export const getblocktxn: Codec<BlockTransactionsRequest> = struct<BlockTransactionsRequest>({
  block: fixed<BlockHash>(32),
  indexes: indexList,
});

export interface BlockTransactions {
  readonly block: BlockHash;
  readonly txs: readonly Uint8Array[];
}

export const blocktxn: Codec<BlockTransactions> = struct<BlockTransactions>({
  block: fixed<BlockHash>(32),
  txs: list(transaction, MAX_INDEX + 1, 10),
});
