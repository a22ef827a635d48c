import type { Random } from "#base/lib/random.ts";
import type { BlockHash } from "#protocol/bitcoin/hashes.ts";
import type { PrevoutsBuilder } from "#protocol/bitcoin/prevouts.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";
import type { CoinDatabase } from "./coin-database.ts";
import type { BlockUndo, UndoBuilder } from "./undo.ts";

/** An unspent output, as RPC and tests see it. */
export interface Coin {
  /** Satoshi. */
  readonly amount: number;
  readonly script: Uint8Array;
  readonly height: number;
  readonly coinbase: boolean;
}

/** What readers of the UTXO set need. Hold the chain-state lock from `fetch` to the last `get`. */
export interface CoinView {
  /** Brings the coins of the 36-byte outpoints that lie end to end in `outpoints` into the cache. */
  fetch(outpoints: Uint8Array): Promise<void>;
  /** The coin of the outpoint at `at`, `undefined` when it is spent, never was, or was not fetched. */
  get(outpoint: Uint8Array, at?: number): Coin | undefined;
}

export interface CoinCacheOptions {
  /** Bytes the cache may take; {@link CoinCache.full} says when it does (`-dbcache`). */
  readonly maxBytes: number;
}

/** {@link CoinCache.find} of a coin that is spent, absent, or not fetched. */
export const NO_COIN = -1;

/**
 * The UTXO set, cached. All is synchronous but `fetch*`, `read` and `flush`: fetch what a block needs, then `find`.
 * A slot number names a coin until the next flush. Changes are made between `begin` and `commit` or `rollback`.
 */
export declare class CoinCache implements CoinView {
  constructor(options: CoinCacheOptions, dependencies: { database: CoinDatabase; random?: Random });

  /** The block whose UTXO set this is; undefined when the database is empty. */
  readonly bestBlock: BlockHash | undefined;
  /** Entries, spent ones that wait for the flush included. */
  readonly size: number;
  /** Entries that the next flush writes or deletes (upper bound). */
  readonly dirty: number;
  /** Bytes in use. */
  readonly memoryUsage: number;
  /** Whether a flush is due: the cache takes more than `maxBytes`. */
  readonly full: boolean;
  maxBytes: number;

  fetch(outpoints: Uint8Array): Promise<void>;
  /** Fetches what a table's inputs spend, except outputs of the table itself (txids: 32·n bytes) . */
  fetchInputs(table: TxTable, txids: Uint8Array): Promise<void>;
  /** Fetches the outpoints of a table's own outputs, for BIP30 and for replaying. */
  fetchOutputs(table: TxTable, txids: Uint8Array): Promise<void>;

  /** Slot of the unspent coin whose 36-byte outpoint stands at `bytes[at]`, {@link NO_COIN} otherwise. */
  find(bytes: Uint8Array, at: number): number;
  /** Slot of the output `index` of the txid at `bytes[at]`. */
  findOutput(bytes: Uint8Array, at: number, index: number): number;
  amount(slot: number): number;
  height(slot: number): number;
  isCoinbase(slot: number): boolean;
  scriptLength(slot: number): number;
  /** A copy of the script. */
  script(slot: number): Uint8Array;
  /** Appends amount and script to `builder`. */
  addPrevout(slot: number, builder: PrevoutsBuilder): void;
  get(outpoint: Uint8Array, at?: number): Coin | undefined;
  /** One coin from cache or database, without caching it; needs no lock. */
  read(txid: Uint8Array, index: number): Promise<Coin | undefined>;

  /** Starts a change. Not nested. */
  begin(): void;
  /** Keeps the change and makes `best` the best block. */
  commit(best: BlockHash): void;
  /** Takes back all since `begin`. */
  rollback(): void;

  /** Spends a found coin; `undo` receives it. */
  spend(slot: number, undo?: UndoBuilder): void;
  /**
   * Adds the outputs of transaction `tx` of a table, without those that nobody can spend (Core's AddCoins).
   * @param txids 32·n bytes, in table order.
   * @param checkOverwrite while replaying: outputs may be there already.
   * @throws when an unspent coin of a transaction other than a coinbase would be overwritten.
   */
  addOutputs(table: TxTable, tx: number, txids: Uint8Array, height: number, checkOverwrite?: boolean): void;
  /** Takes away what `addOutputs` added; false when some were absent or different (Core's DISCONNECT_UNCLEAN). */
  removeOutputs(table: TxTable, tx: number, txids: Uint8Array, height: number): boolean;
  /**
   * Puts back the coins that the inputs of transaction `tx` (not a coinbase) spent.
   * @returns "clean", "unclean" when an unspent coin was overwritten, "failed" when the undo data does not fit.
   */
  restoreInputs(table: TxTable, tx: number, undo: BlockUndo): "clean" | "unclean" | "failed";
  /** Adds one coin (tests, snapshots). */
  add(outpoint: Uint8Array, coin: Coin, possibleOverwrite?: boolean): void;

  /**
   * Writes all changes and the best block to the database in synced batches, yielding to the event loop; no change
   * may be begun meanwhile, reads may go on. Coins stay cached as far as they take at most `keepBytes` (half of
   * `maxBytes` unless told), the youngest first.
   */
  flush(options?: { keepBytes?: number }): Promise<void>;
}
