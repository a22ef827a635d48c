import { equalBytes, writeU32 } from "#base/lib/bytes.ts";
import { Slices } from "#base/lib/slices.ts";
import type { WriteBatch } from "#base/store/key-value-store.ts";
import type { BlockHash } from "#protocol/bitcoin/hashes.ts";
import { type CoinArena, DIRTY, FIRST_SLOT, FREE, SPENT } from "./coin-arena.ts";
import { COIN_OVERHEAD, MAX_SCRIPT_SIZE, writeAmount, writeScript, writeVarint } from "./coin-compression.ts";
import { type CoinDatabase, MAX_KEY_LENGTH, writeCoinKey } from "./coin-database.ts";
import type { CoinTable } from "./coin-table.ts";
import type { OutpointKey } from "./outpoint-key.ts";

/** Coins between two looks at the clock. */
const STEP = 256;
/** The first bits of a txid by which coins are sorted into heaps. */
const HEAP_BITS = 12;
const HEAPS: number = 1 << HEAP_BITS;
/** About what the table takes for one coin. */
const TABLE_BYTES_PER_COIN = 20;
/** Values up to this length get a view that is kept. */
const KEPT_VIEWS = 256;

/** The cache's parts that a flush works on. Nothing else changes them while it runs. */
interface FlushedParts {
  readonly arena: CoinArena;
  readonly table: CoinTable;
  readonly key: OutpointKey;
  readonly database: CoinDatabase;
}

export interface CoinFlushOptions {
  /** The block whose coins these are. */
  readonly best: BlockHash;
  /** Bytes that the cache may take afterwards. */
  readonly keepBytes: number;
  /** Bytes of keys and values after which a batch is written. */
  readonly batchBytes: number;
}

/**
 * One flush: writes dirty coins to the database, then frees what need not stay in memory. All is done in slices, and
 * between any two of them the cache can be read.
 *
 * Coins go out in the order of their keys: LevelDB takes them in at half the cost, and its files overlap less.
 */
export class CoinFlush {
  readonly #arena: CoinArena;
  readonly #table: CoinTable;
  readonly #key: OutpointKey;
  readonly #database: CoinDatabase;
  readonly #options: CoinFlushOptions;
  readonly #slices = new Slices();
  readonly #txid = new Uint8Array(32);
  readonly #keyViews = new ViewsByLength(MAX_KEY_LENGTH);
  readonly #valueViews = new ViewsByLength(COIN_OVERHEAD + MAX_SCRIPT_SIZE);

  constructor(parts: FlushedParts, options: CoinFlushOptions) {
    this.#arena = parts.arena;
    this.#table = parts.table;
    this.#key = parts.key;
    this.#database = parts.database;
    this.#options = options;
  }

  /** @param dirty how many coins are dirty. */
  async run(dirty: number): Promise<void> {
    const slots = await this.#collect(dirty);
    const before = this.#database.bestBlock();
    const isSame = before !== undefined && equalBytes(before, this.#options.best);
    if (dirty > 0 || !isSame) await this.#write(slots);
    const taken = 4 * this.#arena.high + this.#table.byteLength;
    if (taken <= this.#options.keepBytes) await this.#clean(slots);
    else await this.#compact(await this.#oldestToKeep());
  }

  /** Slots of all dirty coins by the first bits of their txid. */
  async #collect(dirty: number): Promise<Int32Array> {
    if (dirty === 0) return new Int32Array(0);
    const { words } = this.#arena;
    const ends = new Int32Array(HEAPS + 1);
    await this.#forEachSlot((slot, flags) => {
      if ((flags & DIRTY) !== 0) ends[1 + heapOf(words[slot]!)]!++;
    });
    for (let heap = 0; heap < HEAPS; heap++) ends[heap + 1]! += ends[heap]!;
    if (ends[HEAPS] !== dirty) throw new Error("the cache miscounted its dirty coins");
    const slots = new Int32Array(dirty);
    await this.#forEachSlot((slot, flags) => {
      if ((flags & DIRTY) !== 0) slots[ends[heapOf(words[slot]!)]!++] = slot;
    });
    await this.#sortHeaps(slots, ends);
    return slots;
  }

  /** Sorts each heap by the next bits. `ends` holds where each of them ends. */
  async #sortHeaps(slots: Int32Array, ends: Int32Array): Promise<void> {
    const { words } = this.#arena;
    for (let heap = 0; heap < HEAPS; heap++) {
      const start = heap === 0 ? 0 : ends[heap - 1]!;
      const end = ends[heap]!;
      if (end - start < 2) continue;
      // A number that sorts by those bits and holds the slot: native sorting needs no comparing function.
      const ranks = new Float64Array(end - start);
      for (let i = start; i < end; i++) ranks[i - start] = rankOf(words[slots[i]!]!) * 2 ** 31 + slots[i]!;
      ranks.sort();
      for (let i = start; i < end; i++) slots[i] = ranks[i - start]! % 2 ** 31;
      if (this.#slices.due) await this.#slices.pause();
    }
  }

  /** Walks all records but free ones. */
  async #forEachSlot(visit: (slot: number, flags: number) => void): Promise<void> {
    const arena = this.#arena;
    let steps = 0;
    for (let slot = FIRST_SLOT; slot < arena.high; slot += arena.size(slot)) {
      const flags = arena.flags(slot);
      if ((flags & FREE) === 0) visit(slot, flags);
      if (++steps % STEP === 0 && this.#slices.due) await this.#slices.pause();
    }
  }

  /**
   * Writes the coins in batches. The first says what block the set is on its way to, the last that it is there; when
   * there is only one it needs no such notes. Each is synced before the next: LevelDB keeps no order between batches
   * in different logs.
   */
  async #write(slots: Int32Array): Promise<void> {
    const database = this.#database;
    let batch = database.beginFlush(this.#options.best);
    let writing: Promise<void> | undefined;
    for (let i = 0; i < slots.length; i++) {
      this.#put(batch, slots[i]!);
      if (batch.byteLength >= this.#options.batchBytes) {
        // The next batch is filled while this one is being written.
        await writing;
        if (writing === undefined) database.noteTransition(batch, this.#options.best);
        writing = batch.write({ sync: true });
        writing.catch(() => {});
        batch = database.newBatch();
      }
      if (i % STEP === 0 && this.#slices.due) await this.#slices.pause();
    }
    await writing;
    await database.endFlush(batch, this.#options.best);
  }

  #put(batch: WriteBatch, slot: number): void {
    const arena = this.#arena;
    const { words } = arena;
    for (let i = 0; i < 8; i++) writeU32(this.#txid, 4 * i, words[slot + i]!);
    const keyEnd = writeCoinKey(this.#keyViews.bytes, 0, this.#txid, 0, words[slot + 8]! >>> 0);
    const key = this.#keyViews.first(keyEnd);
    if ((arena.flags(slot) & SPENT) !== 0) {
      batch.del(key);
      return;
    }
    const value = this.#valueViews.bytes;
    const start = arena.scriptStart(slot);
    let end = writeVarint(value, 0, arena.origin(slot));
    end = writeAmount(value, end, arena.amount(slot));
    end = writeScript(value, end, arena.bytes, start, start + arena.scriptLength(slot));
    batch.put(key, this.#valueViews.first(end));
  }

  /** Everything stays: written coins are clean now, deleted ones go. */
  async #clean(slots: Int32Array): Promise<void> {
    const arena = this.#arena;
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i]!;
      if ((arena.flags(slot) & SPENT) === 0) {
        arena.setFlags(slot, 0);
      } else {
        this.#unlink(slot);
        arena.release(slot);
      }
      if (i % STEP === 0 && this.#slices.due) await this.#slices.pause();
    }
  }

  #unlink(slot: number): void {
    this.#key.loadWords(this.#arena.words, slot);
    this.#table.remove(this.#table.placeOf(this.#key.hash, slot));
  }

  /** The height from which on the coins fit into what may be kept; young coins are likely to be spent soon. */
  async #oldestToKeep(): Promise<number> {
    const arena = this.#arena;
    let bytesAt = new Float64Array(4096);
    await this.#forEachSlot((slot, flags) => {
      if ((flags & SPENT) !== 0) return;
      const height = arena.origin(slot) >>> 1;
      if (height >= bytesAt.length) {
        const grown = new Float64Array(Math.max(height + 1, bytesAt.length * 2));
        grown.set(bytesAt);
        bytesAt = grown;
      }
      bytesAt[height]! += 4 * arena.size(slot) + TABLE_BYTES_PER_COIN;
    });
    let left = this.#options.keepBytes;
    for (let height = bytesAt.length - 1; height >= 0; height--) {
      left -= bytesAt[height]!;
      if (left < 0) return height + 1;
    }
    return 0;
  }

  /** Drops deleted coins and those of lower heights, and moves the others together. */
  async #compact(fromHeight: number): Promise<void> {
    const arena = this.#arena;
    const { words } = arena;
    const end = arena.high;
    let to = FIRST_SLOT;
    let steps = 0;
    for (let from = FIRST_SLOT; from < end; ) {
      const size = arena.size(from);
      const flags = arena.flags(from);
      if ((flags & FREE) === 0) {
        if ((flags & SPENT) !== 0 || arena.origin(from) >>> 1 < fromHeight) {
          this.#unlink(from);
        } else {
          arena.setFlags(from, 0);
          if (to < from) this.#move(words, from, to, size);
          to += size;
        }
      }
      from += size;
      if (++steps % STEP === 0 && this.#slices.due) await this.#slices.pause();
    }
    arena.reset(to);
    this.#table.shrink();
  }

  #move(words: Int32Array, from: number, to: number, size: number): void {
    this.#key.loadWords(words, from);
    this.#table.setSlot(this.#table.placeOf(this.#key.hash, from), to);
    for (let i = 0; i < size; i++) words[to + i] = words[from + i]!;
  }
}

/** The first bits of a txid from its first word, in which its first byte is the lowest. */
function heapOf(word: number): number {
  return ((word & 0xff) << 4) | ((word >>> 12) & 0xf);
}

/** The bits after those. */
function rankOf(word: number): number {
  return ((word & 0xf00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
}

/** One buffer and views of its front, so that handing over a key or a value makes no object. */
class ViewsByLength {
  readonly bytes: Uint8Array;
  readonly #views: (Uint8Array | undefined)[] = [];

  constructor(length: number) {
    this.bytes = new Uint8Array(length);
  }

  first(length: number): Uint8Array {
    if (length > KEPT_VIEWS) return this.bytes.subarray(0, length);
    this.#views[length] ??= this.bytes.subarray(0, length);
    return this.#views[length]!;
  }
}
