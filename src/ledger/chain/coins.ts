import { type Random, secureRandom } from "#base/lib/random.ts";
import { Slices } from "#base/lib/slices.ts";
import type { BlockHash } from "#protocol/bitcoin/hashes.ts";
import type { PrevoutsBuilder } from "#protocol/bitcoin/prevouts.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";
import { CoinArena, DIRTY, FRESH, SPENT } from "./coin-arena.ts";
import { ADDED, ChangeLog, MARKED, REPLACED, UNLINKED } from "./coin-changes.ts";
import { MAX_SCRIPT_SIZE } from "./coin-compression.ts";
import type { CoinDatabase, StoredCoin } from "./coin-database.ts";
import { CoinFlush } from "./coin-flush.ts";
import { CoinLoader, CoinRequest } from "./coin-loader.ts";
import { CoinTable } from "./coin-table.ts";
import { OutpointKey } from "./outpoint-key.ts";
import { TxidSet } from "./txid-set.ts";
import type { BlockUndo, UndoBuilder } from "./undo.ts";

/** An unspent output, as RPC and tests see it. */
export type Coin = StoredCoin;

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
  /** Bytes of one batch of a flush (`-dbbatchsize`; 4 MiB unless told). */
  readonly batchBytes?: number;
}

/** {@link CoinCache.find} of a coin that is spent, absent, or not fetched. */
export const NO_COIN = -1;

const OP_RETURN = 0x6a;
/** Core takes 16 MiB; smaller batches are no slower, and take less memory. */
const BATCH_BYTES = 4 * 1024 * 1024;
/** Room beyond `maxBytes` for what one block adds before a flush can be made. */
const SPARE_BYTES = 8 * 1024 * 1024;

/**
 * The UTXO set, cached over a {@link CoinDatabase} (Core's CCoinsViewCache). All is synchronous but `fetch*`, `read`
 * and `flush`: fetch what a block needs, then `find`. A slot names a coin until the next flush. Changes are made
 * between `begin` and `commit` or `rollback`.
 *
 * A coin is `dirty` when the database does not have it as it is here, and `fresh` when the database does not have it
 * at all: then spending it leaves nothing to be written.
 */
export class CoinCache implements CoinView {
  /** Bytes the cache may take. */
  maxBytes: number;
  readonly #batchBytes: number;
  readonly #database: CoinDatabase;
  readonly #arena: CoinArena;
  readonly #table = new CoinTable();
  readonly #key: OutpointKey;
  readonly #changes = new ChangeLog();
  readonly #loader: CoinLoader;
  #best: BlockHash | undefined;
  #dirty = 0;
  #changing = false;
  /** `#dirty` when the change began. */
  #dirtyBefore = 0;
  #flushing: Promise<void> | undefined;
  /** Counts flushes: what was read from the database before one may be out of date after it. */
  #generation = 0;
  /** The bytes that were looked at last, and those before them, with a view of each: a block and its txids. */
  #source = new Uint8Array(0);
  #view = new DataView(this.#source.buffer);
  #otherSource = this.#source;
  #otherView = this.#view;
  readonly #txidFactor: number;

  constructor(options: CoinCacheOptions, dependencies: { database: CoinDatabase; random?: Random }) {
    this.maxBytes = options.maxBytes;
    this.#batchBytes = options.batchBytes ?? BATCH_BYTES;
    this.#database = dependencies.database;
    this.#best = dependencies.database.bestBlock();
    this.#arena = new CoinArena(Math.ceil((options.maxBytes + SPARE_BYTES) / 4));
    const random = dependencies.random ?? secureRandom;
    this.#key = new OutpointKey(random);
    this.#txidFactor = random.below(2 ** 31) * 2 + 1;
    this.#loader = new CoinLoader(this.#arena, this.#table, this.#key);
  }

  /** The block whose UTXO set this is; undefined when the set is empty. */
  get bestBlock(): BlockHash | undefined {
    return this.#best;
  }

  /** Entries, spent ones that wait for the flush included. */
  get size(): number {
    return this.#table.count;
  }

  /** Entries that the next flush writes or deletes. */
  get dirty(): number {
    return this.#dirty;
  }

  /** Bytes in use. */
  get memoryUsage(): number {
    return 4 * this.#arena.high + this.#table.byteLength + this.#changes.byteLength;
  }

  /** Whether a flush is due: the cache takes more than `maxBytes`. */
  get full(): boolean {
    return this.memoryUsage > this.maxBytes;
  }

  // Loading

  fetch(outpoints: Uint8Array): Promise<void> {
    const request = new CoinRequest(this.#key);
    const view = this.#viewOf(outpoints);
    for (let at = 0; at + 36 <= outpoints.length; at += 36) {
      this.#key.load(view, at);
      if (!this.#isCached()) request.add();
    }
    return this.#load(request);
  }

  /**
   * Fetches what a table's inputs spend, except outputs of the table itself.
   * @param txids 32 bytes for each transaction, in table order.
   */
  fetchInputs(table: TxTable, txids: Uint8Array): Promise<void> {
    const request = new CoinRequest(this.#key);
    const view = this.#viewOf(table.bytes);
    const own = new TxidSet(txids, this.#txidFactor);
    for (let input = 0; input < table.inputTotal; input++) {
      const at = table.outpoint(input);
      this.#key.load(view, at);
      // No output has a coinbase's index.
      if (this.#key.words[8] !== -1 && !this.#isCached() && !own.has(view, at)) request.add();
    }
    return this.#load(request);
  }

  /** Fetches the outpoints of a table's own outputs, for BIP30 and for replaying. */
  fetchOutputs(table: TxTable, txids: Uint8Array): Promise<void> {
    const request = new CoinRequest(this.#key);
    const view = this.#viewOf(txids);
    for (let tx = 0; tx < table.txCount; tx++) {
      this.#key.loadTxid(view, 32 * tx);
      const first = table.firstOutput(tx);
      for (let index = 0; index < table.outputCount(tx); index++) {
        if (isUnspendable(table, first + index)) continue;
        this.#key.setIndex(index);
        if (!this.#isCached()) request.add();
      }
    }
    return this.#load(request);
  }

  #isCached(): boolean {
    return this.#table.find(this.#key, this.#arena) >= 0;
  }

  /** @throws when the database is damaged. */
  async #load(request: CoinRequest): Promise<void> {
    const slices = new Slices();
    while (request.count > 0) {
      while (this.#flushing !== undefined) await this.#flushing.catch(() => {});
      const generation = this.#generation;
      const values = await request.read(this.#database);
      let next = 0;
      // A flush moves the coins about; and what was read before it ended may have been spent and forgotten since.
      while (this.#flushing === undefined && this.#generation === generation) {
        next = this.#loader.insert(request, values, next, slices);
        if (next === request.count) return;
        await slices.pause();
      }
    }
  }

  // Reading

  /** Slot of the unspent coin whose 36-byte outpoint stands at `bytes[at]`, {@link NO_COIN} otherwise. */
  find(bytes: Uint8Array, at: number): number {
    this.#key.load(this.#viewOf(bytes), at);
    return this.#found();
  }

  /** Slot of output `index` of the txid at `bytes[at]`. */
  findOutput(bytes: Uint8Array, at: number, index: number): number {
    this.#key.loadTxid(this.#viewOf(bytes), at);
    this.#key.setIndex(index);
    return this.#found();
  }

  #found(): number {
    const place = this.#table.find(this.#key, this.#arena);
    if (place < 0) return NO_COIN;
    const slot = this.#table.slotAt(place);
    return (this.#arena.flags(slot) & SPENT) === 0 ? slot : NO_COIN;
  }

  #viewOf(bytes: Uint8Array): DataView {
    if (bytes === this.#source) return this.#view;
    const other = this.#otherSource;
    const otherView = this.#otherView;
    this.#otherSource = this.#source;
    this.#otherView = this.#view;
    this.#source = bytes as Uint8Array<ArrayBuffer>;
    this.#view =
      bytes === other
        ? otherView
        : new DataView(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength);
    return this.#view;
  }

  /** Satoshi. */
  amount(slot: number): number {
    return this.#arena.amount(slot);
  }

  height(slot: number): number {
    return this.#arena.origin(slot) >>> 1;
  }

  isCoinbase(slot: number): boolean {
    return (this.#arena.origin(slot) & 1) === 1;
  }

  scriptLength(slot: number): number {
    return this.#arena.scriptLength(slot);
  }

  /** A copy of the script. */
  script(slot: number): Uint8Array {
    const start = this.#arena.scriptStart(slot);
    return this.#arena.bytes.slice(start, start + this.#arena.scriptLength(slot));
  }

  /** Appends amount and script to `builder`. */
  addPrevout(slot: number, builder: PrevoutsBuilder): void {
    const arena = this.#arena;
    const start = arena.scriptStart(slot);
    builder.add(arena.amount(slot), arena.bytes, start, start + arena.scriptLength(slot));
  }

  get(outpoint: Uint8Array, at = 0): Coin | undefined {
    const slot = this.find(outpoint, at);
    return slot === NO_COIN ? undefined : this.#coinAt(slot);
  }

  #coinAt(slot: number): Coin {
    return {
      amount: this.amount(slot),
      script: this.script(slot),
      height: this.height(slot),
      coinbase: this.isCoinbase(slot),
    };
  }

  /** One coin from cache or database, without caching it; needs no lock. */
  async read(txid: Uint8Array, index: number): Promise<Coin | undefined> {
    this.#key.loadTxid(this.#viewOf(txid), 0);
    this.#key.setIndex(index);
    if (!this.#isCached()) return this.#database.get(txid, index);
    const slot = this.#found();
    return slot === NO_COIN ? undefined : this.#coinAt(slot);
  }

  // Changing

  /** Starts a change. Not nested. */
  begin(): void {
    if (this.#changing) throw new Error("a change of the coins has begun already");
    if (this.#flushing !== undefined) throw new Error("the coins are being flushed");
    this.#changing = true;
    this.#dirtyBefore = this.#dirty;
  }

  /** Keeps the change and makes `best` the best block. */
  commit(best: BlockHash): void {
    this.#checkChanging();
    this.#changing = false;
    this.#changes.forget(this.#arena);
    this.#best = best.slice() as BlockHash;
  }

  /** Takes back all since `begin`. */
  rollback(): void {
    this.#checkChanging();
    this.#changing = false;
    this.#changes.undo(this.#arena, this.#table, this.#key);
    this.#dirty = this.#dirtyBefore;
  }

  #checkChanging(): void {
    if (!this.#changing) throw new Error("no change of the coins has begun");
  }

  /** Spends a found coin; `undo` receives it. */
  spend(slot: number, undo?: UndoBuilder): void {
    this.#checkChanging();
    const arena = this.#arena;
    if (undo !== undefined) {
      const origin = arena.origin(slot);
      const start = arena.scriptStart(slot);
      const end = start + arena.scriptLength(slot);
      undo.coin(origin >>> 1, (origin & 1) === 1, arena.amount(slot), arena.bytes, start, end);
    }
    const flags = arena.flags(slot);
    if ((flags & FRESH) !== 0) {
      this.#key.loadWords(arena.words, slot);
      this.#table.remove(this.#table.placeOf(this.#key.hash, slot));
      this.#changes.note(UNLINKED, slot);
      this.#dirty--;
      return;
    }
    arena.setFlags(slot, SPENT | DIRTY);
    this.#changes.note(MARKED, slot, flags);
    if ((flags & DIRTY) === 0) this.#dirty++;
  }

  /**
   * Adds the outputs of transaction `tx` of a table, without those that nobody can spend (Core's AddCoins).
   * @param txids 32 bytes for each transaction, in table order.
   * @param checkOverwrite while replaying: outputs may be there already; fetch them first.
   * @throws when an unspent coin of a transaction other than a coinbase would be overwritten.
   */
  addOutputs(table: TxTable, tx: number, txids: Uint8Array, height: number, checkOverwrite = false): void {
    this.#checkChanging();
    const coinbase = table.isCoinbase(tx);
    const origin = height * 2 + (coinbase ? 1 : 0);
    const key = this.#key;
    key.loadTxid(this.#viewOf(txids), 32 * tx);
    const view = this.#viewOf(table.bytes);
    const first = table.firstOutput(tx);
    const count = table.outputCount(tx);
    for (let index = 0; index < count; index++) {
      const output = first + index;
      if (isUnspendable(table, output)) continue;
      key.setIndex(index);
      const value = table.outputStart(output);
      const slot = this.#put(table.outputScriptLength(output), checkOverwrite || coinbase, checkOverwrite);
      this.#arena.setHead(slot, key, view.getInt32(value, true), view.getInt32(value + 4, true), origin);
      this.#arena.setScript(slot, view, table.outputScriptStart(output));
    }
  }

  /**
   * Makes an unspent entry for the key and links it (Core's AddCoin). The caller fills it in.
   * @param mayOverwrite the coin may be there, here or in the database.
   * @param fetched whether an absent entry means that the database has none either.
   */
  #put(scriptLength: number, mayOverwrite: boolean, fetched: boolean): number {
    const arena = this.#arena;
    const table = this.#table;
    const place = table.find(this.#key, arena);
    const slot = arena.allocate(scriptLength);
    if (place < 0) {
      arena.setFlags(slot, !mayOverwrite || fetched ? DIRTY | FRESH : DIRTY);
      table.insert(this.#key.hash, slot);
      this.#changes.note(ADDED, slot);
      this.#dirty++;
      return slot;
    }
    const before = table.slotAt(place);
    const flags = arena.flags(before);
    if (!mayOverwrite && (flags & SPENT) === 0) {
      arena.release(slot);
      throw new Error("attempted to overwrite an unspent coin");
    }
    // One that was fresh still is; one that waits to be deleted is in the database.
    arena.setFlags(slot, DIRTY | (flags & FRESH));
    table.setSlot(place, slot);
    this.#changes.note(REPLACED, slot, before);
    if ((flags & DIRTY) === 0) this.#dirty++;
    return slot;
  }

  /**
   * Takes away what {@link addOutputs} added; what is absent or different is passed over.
   * @returns false when some were (Core's DISCONNECT_UNCLEAN).
   */
  removeOutputs(table: TxTable, tx: number, txids: Uint8Array, height: number): boolean {
    this.#checkChanging();
    const origin = height * 2 + (table.isCoinbase(tx) ? 1 : 0);
    const first = table.firstOutput(tx);
    let clean = true;
    for (let index = 0; index < table.outputCount(tx); index++) {
      const output = first + index;
      if (isUnspendable(table, output)) continue;
      const slot = this.findOutput(txids, 32 * tx, index);
      if (slot === NO_COIN || this.#arena.origin(slot) !== origin || !this.#isOutput(slot, table, output)) {
        clean = false;
      }
      if (slot !== NO_COIN) this.spend(slot);
    }
    return clean;
  }

  /** Whether a coin has an output's amount and script. */
  #isOutput(slot: number, table: TxTable, output: number): boolean {
    const arena = this.#arena;
    const length = table.outputScriptLength(output);
    if (arena.amount(slot) !== table.value(output) || arena.scriptLength(slot) !== length) return false;
    const { bytes } = arena;
    const from = arena.scriptStart(slot);
    const to = table.outputScriptStart(output);
    for (let i = 0; i < length; i++) if (bytes[from + i] !== table.bytes[to + i]) return false;
    return true;
  }

  /**
   * Puts back the coins that the inputs of transaction `tx` (not a coinbase) spent (Core's ApplyTxInUndo).
   * @returns "unclean" when an unspent coin was overwritten, "failed" when the undo data does not fit the block.
   */
  restoreInputs(table: TxTable, tx: number, undo: BlockUndo): "clean" | "unclean" | "failed" {
    this.#checkChanging();
    const first = undo.firstCoin[tx - 1];
    const end = undo.firstCoin[tx];
    const count = table.inputCount(tx);
    if (first === undefined || end === undefined || end - first !== count) return "failed";
    let clean = true;
    for (let i = count - 1; i >= 0; i--) {
      const coin = first + i;
      // Nodes before Core 0.15 kept the height with a transaction's last coin only; ours always have it, and no
      // coin of genesis is ever spent.
      if (undo.heights[coin] === 0) return "failed";
      const at = table.outpoint(table.firstInput(tx) + i);
      const there = this.find(table.bytes, at) !== NO_COIN;
      if (there) clean = false;
      const origin = undo.heights[coin]! * 2 + undo.coinbases[coin]!;
      this.#restore(undo, coin, origin, there);
    }
    return clean ? "clean" : "unclean";
  }

  /** Puts a coin of the undo data back under the key. */
  #restore(undo: BlockUndo, coin: number, origin: number, overwrite: boolean): void {
    const start = undo.scriptOffsets[coin]!;
    const amount = undo.amounts[coin]!;
    const slot = this.#put(undo.scriptOffsets[coin + 1]! - start, overwrite, false);
    this.#arena.setHead(slot, this.#key, amount | 0, Math.floor(amount / 0x1_0000_0000), origin);
    this.#arena.setScript(slot, this.#viewOf(undo.scripts), start);
  }

  /**
   * Adds one coin.
   * @param mayOverwrite the coin may be there, here or in the database.
   */
  add(outpoint: Uint8Array, coin: Coin, mayOverwrite = false): void {
    this.#checkChanging();
    const { amount, script } = coin;
    this.#key.load(this.#viewOf(outpoint), 0);
    const slot = this.#put(script.length, mayOverwrite, false);
    const origin = coin.height * 2 + (coin.coinbase ? 1 : 0);
    this.#arena.setHead(slot, this.#key, amount | 0, Math.floor(amount / 0x1_0000_0000), origin);
    this.#arena.setScript(slot, this.#viewOf(script), 0);
  }

  // Writing

  /**
   * Writes all changes and the best block to the database in synced batches, yielding to the event loop; no change
   * may be begun meanwhile, reads may go on. Coins stay cached as far as they take at most `keepBytes` (half of
   * `maxBytes` unless told), the youngest first. When it fails, the cache is as it was.
   */
  async flush(options: { keepBytes?: number } = {}): Promise<void> {
    if (this.#changing) throw new Error("a change of the coins has not ended");
    if (this.#flushing !== undefined) throw new Error("the coins are being flushed already");
    if (this.#best === undefined) return;
    const flush = new CoinFlush(
      { arena: this.#arena, table: this.#table, key: this.#key, database: this.#database },
      {
        best: this.#best,
        keepBytes: options.keepBytes ?? Math.floor(this.maxBytes / 2),
        batchBytes: this.#batchBytes,
      },
    );
    this.#flushing = flush.run(this.#dirty);
    try {
      await this.#flushing;
      this.#dirty = 0;
    } finally {
      this.#flushing = undefined;
      this.#generation++;
    }
  }
}

/** Whether nobody can ever spend an output (CScript::IsUnspendable). */
function isUnspendable(table: TxTable, output: number): boolean {
  const length = table.outputScriptLength(output);
  return (
    length > MAX_SCRIPT_SIZE || (length > 0 && table.bytes[table.outputScriptStart(output)] === OP_RETURN)
  );
}
