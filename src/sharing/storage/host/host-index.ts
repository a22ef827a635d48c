/**
 * What a host has, by account: shards, unfinished uploads, head records. Every change that is acknowledged is synced
 * first; changes that come together share one sync.
 */
import { z } from "zod";
import { concatBytes, toHex } from "#base/lib/bytes.ts";
import type { BatchOperation, KeyRange, KeyValueStore } from "#base/store/key-value-store.ts";
import { decodeCbor, encodeCbor } from "#sharing/mesh/cbor.ts";
import { bytesOf, bytesUpTo, integer } from "#sharing/mesh/schema.ts";
import { MAX_SHARD_BYTES } from "../codec/scheme.ts";
import { MAX_HEAD_BYTES } from "../messages.ts";
import { GroupCommit } from "./group-commit.ts";

/** A shard that an account stored here. */
export interface ShardEntry {
  /** Number of its file; the file of a lost shard is gone. */
  readonly file: number;
  readonly length: number;
  /** Seconds since 1970. */
  readonly stored: number;
  readonly lost: boolean;
}

export interface UploadEntry {
  readonly file: number;
  readonly length: number;
  /** Milliseconds since 1970. */
  readonly begun: number;
}

export interface HeadEntry {
  /** Who put it: 32 bytes. */
  readonly account: Uint8Array;
  readonly device: Uint8Array;
  readonly sequence: number;
  /** Milliseconds since 1970. */
  readonly put: number;
  readonly record: Uint8Array;
}

const SHARD: z.ZodType<ShardEntry> = z.strictObject({
  file: integer(0),
  length: integer(1, MAX_SHARD_BYTES),
  stored: integer(0),
  lost: z.boolean(),
});
const UPLOAD: z.ZodType<UploadEntry> = z.strictObject({
  file: integer(0),
  length: integer(1, MAX_SHARD_BYTES),
  begun: integer(0),
});
const HEAD: z.ZodType<HeadEntry> = z.strictObject({
  account: bytesOf(32),
  device: bytesOf(16),
  sequence: integer(0),
  put: integer(0),
  record: bytesUpTo(MAX_HEAD_BYTES, 1),
});

const SHARDS = 0x73;
const UPLOADS = 0x75;
const HEADS = 0x68;
const WITHOUT_TERMS = 0x74;
const FILE_MARK = Uint8Array.of(0x6e);

function keyOf(family: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return concatBytes(Uint8Array.of(family), ...parts);
}

function familyRange(family: number): { readonly gte: Uint8Array; readonly lt: Uint8Array } {
  return { gte: Uint8Array.of(family), lt: Uint8Array.of(family + 1) };
}

/** All keys that begin with `prefix`, which does not end in 255s alone. */
function prefixRange(prefix: Uint8Array): { readonly gte: Uint8Array; readonly lt: Uint8Array } {
  const lt = prefix.slice();
  let at = lt.length - 1;
  while (lt[at] === 255) at--;
  lt[at]!++;
  return { gte: prefix, lt: lt.subarray(0, at + 1) };
}

/** A write to the index failed before: nothing is written to it until it is opened anew. */
export class IndexFailedError extends Error {
  override readonly name = "IndexFailedError";
}

export class HostIndex {
  readonly #store: KeyValueStore;
  readonly #commits: GroupCommit<BatchOperation>;
  #failure: unknown;

  constructor(store: KeyValueStore) {
    this.#store = store;
    this.#commits = new GroupCommit((operations) => this.#write(operations, true));
  }

  /** Whether a write failed, so that it must be opened anew. */
  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /**
   * A batch of which LevelDB could write a part leaves its log in such a state that those after it can not be read
   * again, whatever was synced. So the first failure is the last write.
   */
  async #write(operations: readonly BatchOperation[], sync: boolean): Promise<void> {
    if (this.#failure !== undefined) throw new IndexFailedError("the index failed", { cause: this.#failure });
    try {
      await this.#store.batch(operations, { sync });
    } catch (error) {
      this.#failure = error;
      throw error;
    }
  }

  /** Makes changes durable, all or none of one call's. */
  commit(...operations: readonly BatchOperation[]): Promise<void> {
    return this.#commits.add(...operations);
  }

  /** Writes what may be lost in a power cut. */
  note(...operations: readonly BatchOperation[]): Promise<void> {
    return this.#write(operations, false);
  }

  async shard(account: Uint8Array, root: Uint8Array): Promise<ShardEntry | undefined> {
    const value = await this.#store.get(keyOf(SHARDS, account, root));
    return value && SHARD.parse(decodeCbor(value));
  }

  putShard(account: Uint8Array, root: Uint8Array, entry: ShardEntry): BatchOperation {
    return { type: "put", key: keyOf(SHARDS, account, root), value: encodeCbor({ ...entry }) };
  }

  dropShard(account: Uint8Array, root: Uint8Array): BatchOperation {
    return { type: "del", key: keyOf(SHARDS, account, root) };
  }

  putUpload(account: Uint8Array, upload: Uint8Array, entry: UploadEntry): BatchOperation {
    return { type: "put", key: keyOf(UPLOADS, account, upload), value: encodeCbor({ ...entry }) };
  }

  dropUpload(account: Uint8Array, upload: Uint8Array): BatchOperation {
    return { type: "del", key: keyOf(UPLOADS, account, upload) };
  }

  putHead(headKey: Uint8Array, entry: HeadEntry): BatchOperation {
    return { type: "put", key: keyOf(HEADS, headKey, entry.device), value: encodeCbor({ ...entry }) };
  }

  dropHead(headKey: Uint8Array, device: Uint8Array): BatchOperation {
    return { type: "del", key: keyOf(HEADS, headKey, device) };
  }

  /** The first number that no file ever had. */
  async fileMark(): Promise<number> {
    const value = await this.#store.get(FILE_MARK);
    return value === undefined ? 0 : integer(0).parse(decodeCbor(value));
  }

  putFileMark(mark: number): BatchOperation {
    return { type: "put", key: FILE_MARK, value: encodeCbor(mark) };
  }

  /** How long each account, hex, has been without terms, milliseconds; those alone that have been. */
  async withoutTerms(): Promise<Map<string, number>> {
    const found = new Map<string, number>();
    for await (const [key, value] of this.#store.iterate(familyRange(WITHOUT_TERMS))) {
      found.set(toHex(key.slice(1)), integer(0).parse(decodeCbor(value)));
    }
    return found;
  }

  putWithoutTerms(account: Uint8Array, milliseconds: number): BatchOperation {
    const value = encodeCbor(Math.round(milliseconds));
    return { type: "put", key: keyOf(WITHOUT_TERMS, account), value };
  }

  forgetWithoutTerms(account: Uint8Array): BatchOperation {
    return { type: "del", key: keyOf(WITHOUT_TERMS, account) };
  }

  /** Head records under a key, by device. */
  async heads(headKey: Uint8Array): Promise<HeadEntry[]> {
    const entries: HeadEntry[] = [];
    for await (const [, value] of this.#store.iterate(prefixRange(keyOf(HEADS, headKey)))) {
      entries.push(HEAD.parse(decodeCbor(value)));
    }
    return entries;
  }

  /** Shards of an account after a root, by ascending root. */
  async *shardsOf(
    account: Uint8Array,
    after?: Uint8Array,
  ): AsyncIterable<{ readonly root: Uint8Array; readonly entry: ShardEntry }> {
    const range = prefixRange(keyOf(SHARDS, account));
    // The least key above a given one is that with a zero added.
    const gte = after === undefined ? range.gte : keyOf(SHARDS, account, after, Uint8Array.of(0));
    yield* this.#shards({ gte, lt: range.lt });
  }

  /** Shards of all accounts, from a position of account and root on. */
  allShards(from: Uint8Array = new Uint8Array(0)): AsyncIterable<{
    readonly account: Uint8Array;
    readonly root: Uint8Array;
    readonly entry: ShardEntry;
  }> {
    return this.#shards({ gte: keyOf(SHARDS, from), lt: familyRange(SHARDS).lt });
  }

  async *#shards(range: KeyRange): AsyncIterable<{
    readonly account: Uint8Array;
    readonly root: Uint8Array;
    readonly entry: ShardEntry;
  }> {
    for await (const [key, value] of this.#store.iterate(range)) {
      yield { account: key.slice(1, 33), root: key.slice(33), entry: SHARD.parse(decodeCbor(value)) };
    }
  }

  async *allUploads(): AsyncIterable<{
    readonly account: Uint8Array;
    readonly upload: Uint8Array;
    readonly entry: UploadEntry;
  }> {
    for await (const [key, value] of this.#store.iterate(familyRange(UPLOADS))) {
      yield { account: key.slice(1, 33), upload: key.slice(33), entry: UPLOAD.parse(decodeCbor(value)) };
    }
  }

  async *allHeads(): AsyncIterable<{ readonly headKey: Uint8Array; readonly entry: HeadEntry }> {
    for await (const [key, value] of this.#store.iterate(familyRange(HEADS))) {
      yield { headKey: key.slice(1, 33), entry: HEAD.parse(decodeCbor(value)) };
    }
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}
