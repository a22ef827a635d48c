import { writeU32 } from "#base/lib/bytes.ts";
import type { Slices } from "#base/lib/slices.ts";
import type { CoinArena } from "./coin-arena.ts";
import { CoinReader } from "./coin-compression.ts";
import { type CoinDatabase, damagedCoins, MAX_KEY_LENGTH, writeCoinKey } from "./coin-database.ts";
import type { CoinTable } from "./coin-table.ts";
import { OUTPOINT_WORDS, type OutpointKey } from "./outpoint-key.ts";

/** Keys of one read of the database; several reads run side by side on the threads of libuv. */
const KEYS_PER_READ = 256;
/** Coins between two looks at the clock. */
const STEP = 64;

/** Outpoints whose coins are to be read from the database. */
export class CoinRequest {
  readonly #key: OutpointKey;
  #words = new Int32Array(OUTPOINT_WORDS * 64);
  count = 0;

  constructor(key: OutpointKey) {
    this.#key = key;
  }

  /** The outpoints' words, end to end. */
  get words(): Int32Array {
    return this.#words;
  }

  /** Adds the outpoint under the key. */
  add(): void {
    const at = OUTPOINT_WORDS * this.count++;
    if (at + OUTPOINT_WORDS > this.#words.length) {
      const grown = new Int32Array(this.#words.length * 2);
      grown.set(this.#words);
      this.#words = grown;
    }
    this.#words.set(this.#key.words, at);
  }

  /** What the database holds of each. */
  async read(database: CoinDatabase): Promise<(Uint8Array | undefined)[]> {
    const keys = this.#keys();
    if (keys.length <= KEYS_PER_READ) return database.getMany(keys);
    const reads: Promise<(Uint8Array | undefined)[]>[] = [];
    for (let at = 0; at < keys.length; at += KEYS_PER_READ) {
      reads.push(database.getMany(keys.slice(at, at + KEYS_PER_READ)));
    }
    return (await Promise.all(reads)).flat();
  }

  #keys(): Uint8Array[] {
    const space = new Uint8Array(MAX_KEY_LENGTH * this.count);
    const txid = new Uint8Array(32);
    const keys: Uint8Array[] = [];
    for (let i = 0, at = 0; i < this.count; i++, at += MAX_KEY_LENGTH) {
      const from = OUTPOINT_WORDS * i;
      for (let word = 0; word < 8; word++) writeU32(txid, 4 * word, this.#words[from + word]!);
      const end = writeCoinKey(space, at, txid, 0, this.#words[from + 8]! >>> 0);
      keys.push(space.subarray(at, end));
    }
    return keys;
  }
}

/** Puts coins from the database into the cache. */
export class CoinLoader {
  readonly #arena: CoinArena;
  readonly #table: CoinTable;
  readonly #key: OutpointKey;
  readonly #reader = new CoinReader();

  constructor(arena: CoinArena, table: CoinTable, key: OutpointKey) {
    this.#arena = arena;
    this.#table = table;
    this.#key = key;
  }

  /**
   * Puts in the coins from `from` on, until all are or the slice is over: an early key takes 0.1 ms to unpack. What
   * came into the cache meanwhile stays as it is.
   * @returns the number of the next.
   * @throws when an entry is damaged.
   */
  insert(
    request: CoinRequest,
    values: readonly (Uint8Array | undefined)[],
    from: number,
    slices: Slices,
  ): number {
    for (let i = from; i < request.count; i++) {
      if (i > from && i % STEP === 0 && slices.due) return i;
      const value = values[i];
      if (value === undefined) continue;
      this.#key.loadWords(request.words, OUTPOINT_WORDS * i);
      if (this.#table.find(this.#key, this.#arena) >= 0) continue;
      try {
        this.#decode(value);
      } catch (error) {
        throw damagedCoins(error);
      }
    }
    return request.count;
  }

  #decode(value: Uint8Array): void {
    const reader = this.#reader;
    const arena = this.#arena;
    reader.load(value);
    const origin = reader.varint();
    const amount = reader.amount();
    reader.scriptHeader();
    const slot = arena.allocate(reader.scriptLength);
    arena.setHead(slot, this.#key, amount | 0, Math.floor(amount / 0x1_0000_0000), origin);
    reader.script(arena.bytes, arena.scriptStart(slot));
    reader.end();
    this.#table.insert(this.#key.hash, slot);
  }
}
