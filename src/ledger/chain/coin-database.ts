import { join } from "node:path";
import { equalBytes } from "#base/lib/bytes.ts";
import { Slices } from "#base/lib/slices.ts";
import type { Disk } from "#base/store/disk.ts";
import type { FileSystem } from "#base/store/file-system.ts";
import type { KeyValueReader, KeyValueStore, Snapshot, WriteBatch } from "#base/store/key-value-store.ts";
import { writeAtomically } from "#base/store/write-atomically.ts";
import type { BlockHash } from "#protocol/bitcoin/hashes.ts";
import { CoinReader, writeVarint } from "./coin-compression.ts";

/** Name of the file inside `chainstate/` that marks the data directory as ours. */
export const MARKER = "FREEHOLD";
const MARKER_TEXT = "This directory was written by Freehold. Bitcoin Core must not use it.\n";

/** A `chainstate/` directory that another program wrote. */
export class ForeignChainstateError extends Error {
  override readonly name = "ForeignChainstateError";
}

/**
 * Whether a `chainstate/` directory may be used: `"fresh"` (absent or empty), `"ours"` (marker there), or
 * `"foreign"` (another program's, such as Bitcoin Core's: leave it untouched).
 */
export async function ownerOfChainstate(
  files: FileSystem,
  path: string,
): Promise<"fresh" | "ours" | "foreign"> {
  const found = await files.stat(path);
  if (found === undefined) return "fresh";
  if (!found.isDirectory) return "foreign";
  const names = await files.readDirectory(path);
  if (names.includes(MARKER)) return "ours";
  // What a power cut left of writing the marker.
  return names.every((name) => name === `${MARKER}.new`) ? "fresh" : "foreign";
}

/** Makes the directory and puts the marker in it, durably, before anything else is written there. */
export async function markChainstate(files: FileSystem, path: string): Promise<void> {
  await files.makeDirectory(path);
  await writeAtomically(files, join(path, MARKER), new TextEncoder().encode(MARKER_TEXT));
}

/** Keys of Core's txdb.cpp. */
const COIN = 0x43;
const BEST_BLOCK: Uint8Array = Uint8Array.of(0x42);
const HEAD_BLOCKS: Uint8Array = Uint8Array.of(0x48);
const COINS = { gte: Uint8Array.of(COIN), lt: Uint8Array.of(COIN + 1) };
/** Bytes of writes that LevelDB gathers unless told: two batches of a flush. */
const WRITE_BUFFER_BYTES = 8 * 1024 * 1024;
/** Bytes of a coin's key at most: its mark, txid, index. */
export const MAX_KEY_LENGTH = 1 + 32 + 5;

/** An unspent output. */
export interface StoredCoin {
  /** Satoshi. */
  readonly amount: number;
  readonly script: Uint8Array;
  readonly height: number;
  readonly coinbase: boolean;
}

/** A flush that did not end: the set is somewhere between `old` (undefined: empty) and `new`. */
export interface CoinHeads {
  readonly new: BlockHash;
  readonly old: BlockHash | undefined;
}

export interface CoinDatabaseOptions {
  /** The `chainstate/` directory. */
  readonly path: string;
  /** Bytes of read blocks that LevelDB keeps. */
  readonly cacheBytes?: number;
  /** Bytes of writes that LevelDB gathers before it sorts them into a file. */
  readonly writeBufferBytes?: number;
}

/**
 * Writes the key of a coin at `out[to]`: its mark, txid, and index as a VARINT (txdb.cpp, CoinEntry).
 * @returns the offset after it.
 */
export function writeCoinKey(
  out: Uint8Array,
  to: number,
  txid: Uint8Array,
  at: number,
  index: number,
): number {
  out[to] = COIN;
  for (let i = 0; i < 32; i++) out[to + 1 + i] = txid[at + i]!;
  return writeVarint(out, to + 33, index);
}

/** A failed disk, as opposed to bad input from outside: what is thrown for an entry that does not decode. */
export function damagedCoins(cause: unknown): Error {
  const detail = cause instanceof Error ? cause.message : String(cause);
  return new Error(`the coin database is damaged: ${detail}`, { cause });
}

/** The UTXO set on disk, in Core's chainstate format without obfuscation. */
export class CoinDatabase {
  readonly #store: KeyValueStore;
  #best: BlockHash | undefined;
  #heads: CoinHeads | undefined;

  private constructor(
    store: KeyValueStore,
    state: { best: BlockHash | undefined; heads: CoinHeads | undefined },
  ) {
    this.#store = store;
    this.#best = state.best;
    this.#heads = state.heads;
  }

  /** Opens the directory, marking it first where it is fresh. @throws ForeignChainstateError */
  static async open(options: CoinDatabaseOptions, dependencies: { disk: Disk }): Promise<CoinDatabase> {
    const { disk } = dependencies;
    const { path, ...storeOptions } = options;
    const owner = await ownerOfChainstate(disk.files, path);
    if (owner === "foreign") throw new ForeignChainstateError(`${path} was written by another program`);
    if (owner === "fresh") await markChainstate(disk.files, path);
    const store = await disk.openStore(path, { writeBufferBytes: WRITE_BUFFER_BYTES, ...storeOptions });
    try {
      return new CoinDatabase(store, { best: await readBestBlock(store), heads: await readHeads(store) });
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  /** The block whose UTXO set this is; undefined when empty or when a flush was cut ({@link heads}). */
  bestBlock(): BlockHash | undefined {
    return this.#best;
  }

  /** A flush that did not end: the set is somewhere between the two. */
  heads(): CoinHeads | undefined {
    return this.#heads;
  }

  /** @throws when the entry is damaged. */
  async get(txid: Uint8Array, index: number): Promise<StoredCoin | undefined> {
    const key = new Uint8Array(MAX_KEY_LENGTH);
    const value = await this.#store.get(key.subarray(0, writeCoinKey(key, 0, txid, 0, index)));
    if (value === undefined) return undefined;
    const reader = new CoinReader();
    reader.load(value);
    return readCoin(reader);
  }

  /** The packed coins under keys made by {@link writeCoinKey}. */
  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return this.#store.getMany(keys);
  }

  newBatch(): WriteBatch {
    return this.#store.newBatch();
  }

  /**
   * The first batch of a flush.
   * @throws when a cut flush on the way to another block was not made good.
   */
  beginFlush(best: BlockHash): WriteBatch {
    if (this.#heads !== undefined && !equalBytes(this.#heads.new, best)) {
      throw new Error("the coin database is in the middle of a flush to another block");
    }
    return this.newBatch();
  }

  /** Notes in the first of several batches that the set is on its way to `best`. */
  noteTransition(batch: WriteBatch, best: BlockHash): void {
    const value = new Uint8Array(65);
    value[0] = 2;
    value.set(best, 1);
    const old = this.#heads === undefined ? this.#best : this.#heads.old;
    if (old !== undefined) value.set(old, 33);
    batch.del(BEST_BLOCK);
    batch.put(HEAD_BLOCKS, value);
  }

  /** Writes the last batch of a flush, with the note that the set is that of `best`. Durable when it resolves. */
  async endFlush(batch: WriteBatch, best: BlockHash): Promise<void> {
    batch.del(HEAD_BLOCKS);
    batch.put(BEST_BLOCK, best);
    await batch.write({ sync: true });
    this.#best = best;
    this.#heads = undefined;
  }

  /** The set at this instant, without what a cache has not flushed; close it when done. */
  async snapshot(): Promise<CoinSnapshot> {
    const snapshot = this.#store.snapshot();
    return new CoinSnapshot(snapshot, await readBestBlock(snapshot));
  }

  /** Bytes on disk, estimated (gettxoutsetinfo's `disk_size`). */
  estimateSize(): Promise<number> {
    return this.#store.approximateSize(COINS.gte, COINS.lt);
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}

async function readBestBlock(from: KeyValueReader): Promise<BlockHash | undefined> {
  const value = await from.get(BEST_BLOCK);
  if (value !== undefined && value.length !== 32) throw damagedCoins("bad best block");
  return value as BlockHash | undefined;
}

/** Core's vector of two hashes: new, old (zero for none). */
async function readHeads(from: KeyValueReader): Promise<CoinHeads | undefined> {
  const value = await from.get(HEAD_BLOCKS);
  if (value === undefined) return undefined;
  if (value.length !== 65 || value[0] !== 2) throw damagedCoins("bad heads record");
  const old = value.slice(33);
  return {
    new: value.slice(1, 33) as BlockHash,
    old: old.every((byte) => byte === 0) ? undefined : (old as BlockHash),
  };
}

function readCoin(reader: CoinReader): StoredCoin {
  try {
    const origin = reader.varint();
    const amount = reader.amount();
    reader.scriptHeader();
    const script = new Uint8Array(reader.scriptLength);
    reader.script(script, 0);
    reader.end();
    return { amount, script, height: origin >>> 1, coinbase: (origin & 1) === 1 };
  } catch (error) {
    throw damagedCoins(error);
  }
}

/** One coin of a snapshot. */
export interface SnapshotCoin extends StoredCoin {
  readonly txid: Uint8Array;
  readonly index: number;
}

/** The UTXO set at one instant. */
export class CoinSnapshot {
  readonly bestBlock: BlockHash | undefined;
  readonly #snapshot: Snapshot;

  constructor(snapshot: Snapshot, bestBlock: BlockHash | undefined) {
    this.#snapshot = snapshot;
    this.bestBlock = bestBlock;
  }

  /**
   * Shows `visit` every coin, those of a transaction one after another (their indices in the order of the keys'
   * bytes, which is not that of the numbers from 16,512 on). Works in slices of at most 20 ms.
   * @throws when the database is damaged; the signal's reason when it is aborted.
   */
  async forEach(visit: (coin: SnapshotCoin) => void, options: { signal?: AbortSignal } = {}): Promise<void> {
    const slices = new Slices();
    const reader = new CoinReader();
    for await (const entries of this.#snapshot.chunks(COINS)) {
      options.signal?.throwIfAborted();
      for (const [key, value] of entries) {
        reader.load(key, 33);
        const index = reader.varint();
        reader.load(value);
        visit({ txid: key.subarray(1, 33), index, ...readCoin(reader) });
      }
      if (slices.due) await slices.pause();
    }
  }

  close(): Promise<void> {
    return this.#snapshot.close();
  }
}
