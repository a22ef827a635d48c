/**
 * The format of mempool.dat, as Core writes it (node/mempool_persist.cpp): version, key (version 2), number of
 * transactions, each with time and fee delta, then the deltas of others, and the txids still to be broadcast. From
 * the number on, version 2 is XORed with the key by place in the file.
 */

import { ByteReader } from "#base/lib/byte-reader.ts";
import { ByteWriter } from "#base/lib/byte-writer.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import type { Txid } from "#protocol/bitcoin/hashes.ts";
import { parseTxs, TxTable } from "#protocol/bitcoin/tx-table.ts";
import { MAX_BLOCK_SERIALIZED_SIZE } from "#protocol/consensus/limits.ts";

const VERSION_WITHOUT_KEY = 1n;
const VERSION = 2n;
export const KEY_LENGTH = 8;

/** A transaction of the file. */
export interface SavedTransaction {
  /** The transaction alone, at index 0. */
  readonly table: TxTable;
  /** Seconds since 1970. */
  readonly time: number;
  /** Satoshi. */
  readonly feeDelta: number;
}

/** A transaction for the file. */
export interface WrittenTransaction extends Pick<SavedTransaction, "time" | "feeDelta"> {
  /** The serialised transaction. */
  readonly raw: Uint8Array;
}

/** Satoshi that prioritisetransaction added for a transaction that is not in the file. */
export interface SavedDelta {
  readonly txid: Txid;
  readonly feeDelta: number;
}

/** Where the bytes come from: an open file. */
export interface ByteSource {
  /** Fills `into` from `position`; the number of bytes read, less than asked only at the end. */
  read(into: Uint8Array, position: number): Promise<number>;
}

/** Bytes that are read at once. */
const READ_LENGTH = 1 << 18;
/** Bytes in which a transaction is looked for first. */
const FIRST_WINDOW = 1 << 10;

/** Reads mempool.dat piece by piece, in its order. Every method throws DecodeError where the file breaks the format. */
export class MempoolFileReader {
  readonly #source: ByteSource;
  #key: Uint8Array | undefined;
  /** Bytes read and not used yet, between `at` and the end. */
  #buffer = new Uint8Array(0);
  #at = 0;
  /** Place in the file after the buffer. */
  #position = 0;
  #transactionsLeft = 0;

  /** Use {@link MempoolFileReader.open}. */
  private constructor(source: ByteSource) {
    this.#source = source;
  }

  /** Reads what stands before the transactions. */
  static async open(source: ByteSource): Promise<MempoolFileReader> {
    const reader = new MempoolFileReader(source);
    const version = await reader.#read(8, (bytes) => bytes.bigU64());
    if (version !== VERSION && version !== VERSION_WITHOUT_KEY) {
      throw new DecodeError(`mempool file version ${version} is unknown`);
    }
    if (version === VERSION) await reader.#readKey();
    const count = await reader.#read(8, (bytes) => bytes.bigU64());
    reader.#transactionsLeft = Number(count);
    return reader;
  }

  /** Transactions that {@link nextTransaction} has still to give. */
  get transactionsLeft(): number {
    return this.#transactionsLeft;
  }

  /** The next transaction, `undefined` after the last. */
  async nextTransaction(): Promise<SavedTransaction | undefined> {
    if (this.#transactionsLeft === 0) return undefined;
    this.#transactionsLeft--;
    const table = await this.#readTransaction();
    return this.#read(16, (bytes) => ({ table, time: bytes.i64(), feeDelta: bytes.i64() }));
  }

  /** After the transactions: deltas of others. */
  async deltas(): Promise<SavedDelta[]> {
    const deltas: SavedDelta[] = [];
    for (let left = await this.#readCount(); left > 0; left--) {
      deltas.push(await this.#read(40, (bytes) => ({ txid: bytes.copy(32) as Txid, feeDelta: bytes.i64() })));
    }
    return deltas;
  }

  /** After the deltas: transactions of ours that no peer had asked for. */
  async unbroadcast(): Promise<Txid[]> {
    const txids: Txid[] = [];
    for (let left = await this.#readCount(); left > 0; left--) {
      txids.push(await this.#read(32, (bytes) => bytes.copy(32) as Txid));
    }
    return txids;
  }

  async #readKey(): Promise<void> {
    const length = await this.#readCount();
    if (length !== KEY_LENGTH) throw new DecodeError("Obfuscation key size should be exactly 8 bytes long");
    const key = await this.#read(KEY_LENGTH, (bytes) => bytes.copy(KEY_LENGTH));
    this.#key = key;
    // What was read ahead is covered by it already.
    const place = this.#position - (this.#buffer.length - this.#at);
    applyKey(this.#buffer.subarray(this.#at), key, place);
  }

  async #readCount(): Promise<number> {
    await this.#fill(9);
    const reader = new ByteReader(this.#buffer, this.#at);
    const count = reader.compactSize();
    this.#at = reader.at;
    return count;
  }

  /** Reads a value of fixed length. */
  async #read<T>(length: number, decode: (bytes: ByteReader) => T): Promise<T> {
    if (!(await this.#fill(length))) throw new DecodeError("end of data");
    const value = decode(new ByteReader(this.#buffer, this.#at));
    this.#at += length;
    return value;
  }

  /** Parses a transaction in ever larger windows, for nothing tells its length. */
  async #readTransaction(): Promise<TxTable> {
    for (let size = FIRST_WINDOW; ; size *= 4) {
      const more = await this.#fill(size);
      const window = this.#buffer.subarray(this.#at, this.#at + size);
      try {
        const { table, end } = parseTxs(window, 0, 1);
        this.#at += end;
        return new TxTable(window.slice(0, end), table.txs, table.inputs, table.outputs);
      } catch (error) {
        if (!(error instanceof DecodeError) || !more || size > MAX_BLOCK_SERIALIZED_SIZE) throw error;
      }
    }
  }

  /** Reads on until `length` bytes are at hand. False when the file ends before. */
  async #fill(length: number): Promise<boolean> {
    while (this.#buffer.length - this.#at < length) {
      const rest = this.#buffer.subarray(this.#at);
      const grown = new Uint8Array(rest.length + Math.max(READ_LENGTH, length));
      grown.set(rest);
      const count = await this.#source.read(grown.subarray(rest.length), this.#position);
      const fresh = grown.subarray(rest.length, rest.length + count);
      if (this.#key !== undefined) applyKey(fresh, this.#key, this.#position);
      this.#buffer = grown.subarray(0, rest.length + count);
      this.#at = 0;
      this.#position += count;
      if (count === 0) return false;
    }
    return true;
  }
}

/** Where the bytes go: an open file. */
export interface ByteSink {
  write(bytes: Uint8Array, position: number): Promise<void>;
}

/** Bytes that are collected before they are written. */
const WRITE_LENGTH = 1 << 20;

/** Writes mempool.dat in its order: open, transactions, deltas, txids to be broadcast, finish. */
export class MempoolFileWriter {
  readonly #sink: ByteSink;
  readonly #key: Uint8Array | undefined;
  #pending = new ByteWriter(WRITE_LENGTH);
  #position = 0;

  /** @param key 8 random bytes, undefined for version 1. */
  constructor(sink: ByteSink, key: Uint8Array | undefined) {
    this.#sink = sink;
    this.#key = key;
  }

  /** Writes what stands before the transactions. */
  async open(transactionCount: number): Promise<void> {
    const head = new ByteWriter(32).bigU64(this.#key === undefined ? VERSION_WITHOUT_KEY : VERSION);
    if (this.#key !== undefined) head.varBytes(this.#key);
    const bytes = head.finish();
    await this.#sink.write(bytes, 0);
    this.#position = bytes.length;
    this.#pending.bigU64(BigInt(transactionCount));
  }

  async transaction({ raw, time, feeDelta }: WrittenTransaction): Promise<void> {
    this.#pending.bytes(raw).i64(time).i64(feeDelta);
    if (this.#pending.length >= WRITE_LENGTH) await this.#flush();
  }

  async deltas(deltas: readonly SavedDelta[]): Promise<void> {
    this.#pending.compactSize(deltas.length);
    for (const { txid, feeDelta } of deltas) {
      this.#pending.bytes(txid).i64(feeDelta);
      if (this.#pending.length >= WRITE_LENGTH) await this.#flush();
    }
  }

  async unbroadcast(txids: readonly Txid[]): Promise<void> {
    this.#pending.compactSize(txids.length);
    for (const txid of txids) {
      this.#pending.bytes(txid);
      if (this.#pending.length >= WRITE_LENGTH) await this.#flush();
    }
  }

  /** Writes the rest. @returns the length of the file. */
  async finish(): Promise<number> {
    await this.#flush();
    return this.#position;
  }

  async #flush(): Promise<void> {
    const bytes = this.#pending.finish();
    this.#pending = new ByteWriter(WRITE_LENGTH);
    if (this.#key !== undefined) applyKey(bytes, this.#key, this.#position);
    await this.#sink.write(bytes, this.#position);
    this.#position += bytes.length;
  }
}

/** XORs bytes that stand at `place` of the file. */
function applyKey(bytes: Uint8Array, key: Uint8Array, place: number): void {
  for (let i = 0; i < bytes.length; i++) bytes[i]! ^= key[(place + i) % KEY_LENGTH]!;
}
