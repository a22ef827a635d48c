/**
 * Who takes how much of the space that the host gives away. Room is taken before anything is written and given back
 * when its file is gone, so the limit holds at every instant; after a crash it is counted anew from the index.
 */
import { toHex } from "#base/lib/bytes.ts";
import { MAX_HEAD_BYTES } from "../messages.ts";
import { shardFileLength } from "./shard-files.ts";

/** Bytes that an entry of the index is counted as; LevelDB takes about half of it. */
const ENTRY_BYTES = 256;
/** Bytes that a head record is counted as. */
export const HEAD_CHARGE = MAX_HEAD_BYTES + ENTRY_BYTES;

/** Bytes that a shard of this length is counted as: its file, leaf hashes included, and its entry. */
export function shardCharge(length: number): number {
  return shardFileLength(length) + ENTRY_BYTES;
}

/** What one account has here. */
export interface Holding {
  /** Bytes, unfinished uploads included. */
  bytes: number;
  shards: number;
  lost: number;
  uploads: number;
  heads: number;
}

export class Space {
  limit: number;
  /** Most bytes of one account. */
  limitPerAccount: number;
  #used = 0;
  #shards = 0;
  #lost = 0;
  readonly #holdings = new Map<string, Holding>();

  constructor(limit: number, limitPerAccount: number) {
    this.limit = limit;
    this.limitPerAccount = limitPerAccount;
  }

  get used(): number {
    return this.#used;
  }

  /** Shards of all accounts, lost ones left out. */
  get shards(): number {
    return this.#shards;
  }

  /** Shards of all accounts that are declared lost. */
  get lost(): number {
    return this.#lost;
  }

  /** What an account has; zeros for who has nothing. */
  of(account: Uint8Array): Readonly<Holding> {
    return this.#holdings.get(toHex(account)) ?? { bytes: 0, shards: 0, lost: 0, uploads: 0, heads: 0 };
  }

  /** Accounts that have shards here, lost ones too; hex. */
  accountsWithShards(): string[] {
    return [...this.#holdings].flatMap(([account, { shards, lost }]) => (shards + lost > 0 ? [account] : []));
  }

  /** Bytes that an account may still take. */
  freeFor(account: Uint8Array): number {
    return Math.max(0, Math.min(this.limit - this.#used, this.limitPerAccount - this.of(account).bytes));
  }

  /** Takes room for `bytes`; false, and nothing taken, when there is too little. */
  take(account: Uint8Array, bytes: number): boolean {
    if (bytes > this.freeFor(account)) return false;
    this.count(account, { bytes });
    return true;
  }

  /**
   * Takes room for a head record, whatever the account's own limit: whoever has filled that must still be able to say
   * what it drops. The number of an account's heads is bounded elsewhere.
   */
  takeHead(account: Uint8Array): boolean {
    if (HEAD_CHARGE > this.limit - this.#used) return false;
    this.count(account, { bytes: HEAD_CHARGE, heads: 1 });
    return true;
  }

  /** Why `bytes` more have no room, and what can be done about it. */
  whyFull(account: Uint8Array, bytes: number): string {
    const { bytes: held } = this.of(account);
    if (bytes > this.limit - this.#used) {
      return `no room for ${bytes} bytes, ${Math.max(0, this.limit - this.#used)} are free here`;
    }
    return (
      `your account may fill ${this.limitPerAccount} bytes here and fills ${held}: drop what you no longer need, ` +
      "or ask who runs this host for a larger --limit-per-account"
    );
  }

  /** Adds to what an account has, or takes away, whatever the limit. */
  count(account: Uint8Array, change: Partial<Holding>): void {
    const key = toHex(account);
    const holding = this.#holdings.get(key) ?? { bytes: 0, shards: 0, lost: 0, uploads: 0, heads: 0 };
    for (const name of ["bytes", "shards", "lost", "uploads", "heads"] as const) {
      holding[name] += change[name] ?? 0;
    }
    this.#used += change.bytes ?? 0;
    this.#shards += change.shards ?? 0;
    this.#lost += change.lost ?? 0;
    const isEmpty = Object.values(holding).every((value) => value === 0);
    if (isEmpty) this.#holdings.delete(key);
    else this.#holdings.set(key, holding);
  }
}
