/**
 * Shards on their way in. An upload has its file and its room from the first message on; cells may come in any order,
 * again, and after a break, also one of this host. It ends as a shard, or is collected when nothing more comes.
 */
import { merkleRoot } from "#base/crypto/merkle-tree.ts";
import { equalBytes, toHex } from "#base/lib/bytes.ts";
import { type Clock, unixTime } from "#base/lib/clock.ts";
import { Mutex } from "#base/lib/mutex.ts";
import type { OpenFile } from "#base/store/file-system.ts";
import { accept, type Outcome, refuse } from "#sharing/mesh/protocol.ts";
import { CELL_BYTES, cellCountOf, LEAVES_PER_CELL, leafCountOf } from "../codec/scheme.ts";
import { cellsLength } from "../codec/shard-proof.ts";
import type { HostIndex, UploadEntry } from "./host-index.ts";
import type { KeyedMutex } from "./keyed-mutex.ts";
import type { ShardFiles } from "./shard-files.ts";
import { type Space, shardCharge } from "./space.ts";

export interface UploadLimits {
  /** Unfinished uploads of one account. */
  readonly uploadsPerAccount: number;
  /** Unfinished uploads of all: each keeps a file open. */
  readonly uploads: number;
  /** An upload to which nothing came for this long is collected. */
  readonly idleMs: number;
  /** An upload is collected after this long however busy it is, so that room can not be held by a trickle. */
  readonly totalMs: number;
}

export const DEFAULT_UPLOAD_LIMITS: UploadLimits = {
  uploadsPerAccount: 128,
  uploads: 512,
  idleMs: 30 * 60_000,
  totalMs: 12 * 3_600_000,
};

interface Upload {
  readonly account: Uint8Array;
  readonly id: Uint8Array;
  /** Undefined until the file is about to be made. */
  file: number | undefined;
  readonly length: number;
  readonly begun: number;
  touched: number;
  /** Hash of each leaf whose cell is here; undefined as a whole until the file was looked at after a start. */
  hashes: (Uint8Array | undefined)[] | undefined;
  handle: OpenFile | undefined;
  /** Set once it ended, was given up or failed: nobody may write to it any more. */
  gone: boolean;
  /** Its removal has begun, and failed where it stays so: it is gone on with when uploads are collected. */
  leaving: boolean;
  readonly lock: Mutex;
}

export interface UploadsDependencies {
  readonly files: ShardFiles;
  readonly index: HostIndex;
  readonly space: Space;
  readonly clock: Clock;
  /** Held while a shard's entry changes, by {@link shardKey}. */
  readonly shardLocks: KeyedMutex;
  readonly limits: UploadLimits;
  /** A number for a new file, never used before. */
  readonly newFile: () => Promise<number>;
}

/** Name of a shard's lock. */
export function shardKey(account: Uint8Array, root: Uint8Array): string {
  return toHex(account) + toHex(root);
}

export class Uploads {
  readonly #d: UploadsDependencies;
  readonly #uploads = new Map<string, Upload>();

  constructor(dependencies: UploadsDependencies) {
    this.#d = dependencies;
  }

  get count(): number {
    return this.#uploads.size;
  }

  /** Takes up an upload that the index holds at the start; its room is counted again. */
  restore(account: Uint8Array, id: Uint8Array, entry: UploadEntry): void {
    const touched = this.#d.clock.now();
    const { file, length, begun } = entry;
    const lock = new Mutex();
    this.#uploads.set(uploadKey(account, id), {
      ...{ account, id, file, length, begun, touched, lock },
      hashes: undefined,
      handle: undefined,
      gone: false,
      leaving: false,
    });
    this.#d.space.count(account, { bytes: shardCharge(length), uploads: 1 });
  }

  /** @returns a bit for each cell that is here. */
  async begin(account: Uint8Array, id: Uint8Array, length: number): Promise<Outcome<{ have: Uint8Array }>> {
    const known = this.#uploads.get(uploadKey(account, id));
    const upload = known ?? this.#reserve(account, id, length);
    if (!("file" in upload)) return upload;
    return upload.lock.run(async () => {
      if (upload.gone) return refuse("conflict", "the upload has ended");
      if (upload.length !== length)
        return refuse("conflict", `the upload was begun with ${upload.length} bytes`);
      upload.touched = this.#d.clock.now();
      if (known === undefined) await this.#create(upload);
      const hashes = await this.#hashesOf(upload);
      return accept({ have: cellBits(hashes, length) });
    });
  }

  /** Takes the room of a new upload, all at once: nothing is awaited. */
  #reserve(account: Uint8Array, id: Uint8Array, length: number): Upload | ReturnType<typeof refuse> {
    const { space, clock, limits } = this.#d;
    if (this.#uploads.size >= limits.uploads) return refuse("limit", "too many uploads under way here");
    if (space.of(account).uploads >= limits.uploadsPerAccount) {
      return refuse("limit", `${limits.uploadsPerAccount} of your uploads are under way here`);
    }
    const charge = shardCharge(length);
    if (!space.take(account, charge)) return refuse("full", space.whyFull(account, charge));
    space.count(account, { uploads: 1 });
    const now = clock.now();
    const upload: Upload = {
      ...{ account, id, length, file: undefined, begun: now, touched: now, lock: new Mutex() },
      hashes: Array.from({ length: leafCountOf(length) }, () => undefined),
      handle: undefined,
      gone: false,
      leaving: false,
    };
    this.#uploads.set(uploadKey(account, id), upload);
    return upload;
  }

  async #create(upload: Upload): Promise<void> {
    const { length, begun } = upload;
    try {
      const file = await this.#d.newFile();
      upload.file = file;
      upload.handle = await this.#d.files.open(file);
      await this.#d.index.note(this.#d.index.putUpload(upload.account, upload.id, { file, length, begun }));
    } catch (error) {
      await this.#discard(upload).catch(() => {});
      throw error;
    }
  }

  async #hashesOf(upload: Upload): Promise<(Uint8Array | undefined)[]> {
    upload.hashes ??= await this.#d.files.checkUpload({ file: fileOf(upload), length: upload.length });
    return upload.hashes;
  }

  async put(
    account: Uint8Array,
    id: Uint8Array,
    first: number,
    bytes: Uint8Array,
  ): Promise<Outcome<Record<string, never>>> {
    const upload = this.#uploads.get(uploadKey(account, id));
    if (upload === undefined) return refuse("not-found", "no such upload");
    const count = Math.ceil(bytes.length / CELL_BYTES);
    const { length } = upload;
    if (first + count > cellCountOf(length) || bytes.length !== cellsLength(length, first, count)) {
      return refuse("bad-request", `not whole cells of a shard of ${length} bytes`);
    }
    return upload.lock.run(async () => {
      if (upload.gone) return refuse("not-found", "no such upload");
      const held = await this.#hashesOf(upload);
      upload.touched = this.#d.clock.now();
      upload.handle ??= await this.#d.files.open(fileOf(upload));
      const from = first * LEAVES_PER_CELL;
      // Until it is written whole the cell is not here, whatever was before.
      const end = Math.min(held.length, from + count * LEAVES_PER_CELL);
      held.fill(undefined, from, end);
      const hashes = await this.#d.files.writeCells(upload.handle, length, first, bytes);
      for (const [i, hash] of hashes.entries()) held[from + i] = hash;
      return accept({});
    });
  }

  /** Makes an upload a shard. Resolves when that survives a power cut. */
  async finish(
    account: Uint8Array,
    id: Uint8Array,
    root: Uint8Array,
  ): Promise<Outcome<{ length: number; stored: number }>> {
    return this.#d.shardLocks.run(shardKey(account, root), async () => {
      const upload = this.#uploads.get(uploadKey(account, id));
      const present = await this.#d.index.shard(account, root);
      const standing = present !== undefined && !present.lost ? present : undefined;
      if (upload === undefined) {
        if (standing === undefined) return refuse("not-found", "no such upload");
        return accept({ length: standing.length, stored: standing.stored });
      }
      return upload.lock.run(async () => {
        if (upload.gone) return refuse("not-found", "no such upload");
        const wrong = await this.#checkRoot(upload, root);
        if (wrong !== undefined) return wrong;
        if (standing !== undefined) {
          await this.#discard(upload);
          return accept({ length: standing.length, stored: standing.stored });
        }
        return accept(await this.#keep(upload, root, present !== undefined));
      });
    });
  }

  async #checkRoot(upload: Upload, root: Uint8Array): Promise<ReturnType<typeof refuse> | undefined> {
    const hashes = await this.#hashesOf(upload);
    const held: Uint8Array[] = [];
    for (const hash of hashes) if (hash !== undefined) held.push(hash);
    if (held.length < hashes.length) return refuse("conflict", "cells are missing");
    const made = merkleRoot(held);
    return equalBytes(made, root) ? undefined : refuse("conflict", `the cells have the root ${toHex(made)}`);
  }

  /** File, folder, index: each is on disk before the next, and all before the answer. */
  async #keep(
    upload: Upload,
    root: Uint8Array,
    wasLost: boolean,
  ): Promise<{ length: number; stored: number }> {
    const { files, index, space, clock } = this.#d;
    const { account, id, length } = upload;
    const file = fileOf(upload);
    upload.handle ??= await files.open(file);
    const stored = unixTime(clock);
    try {
      await files.sync(file, upload.handle);
    } catch (error) {
      // Nobody knows what the disk holds now: a second sync could succeed and mean nothing.
      await this.#discard(upload).catch(() => {});
      throw error;
    }
    // Should the commit fail, it may still have reached the disk: file and room stay as they are until the next start.
    upload.gone = true;
    await index.commit(
      index.dropUpload(account, id),
      index.putShard(account, root, { file, length, stored, lost: false }),
    );
    this.#uploads.delete(uploadKey(account, id));
    space.count(account, { uploads: -1, shards: 1, lost: wasLost ? -1 : 0 });
    await upload.handle.close();
    return { length, stored };
  }

  async abandon(account: Uint8Array, id: Uint8Array): Promise<void> {
    const upload = this.#uploads.get(uploadKey(account, id));
    await upload?.lock.run(() => this.#discard(upload));
  }

  /** Removes an upload, and gives its room back once its file is gone. */
  async #discard(upload: Upload): Promise<void> {
    if (upload.gone && !upload.leaving) return;
    upload.gone = true;
    upload.leaving = true;
    const { account, id, file, length, handle } = upload;
    upload.handle = undefined;
    await handle?.close();
    if (file !== undefined) await this.#d.files.remove(file);
    upload.leaving = false;
    this.#uploads.delete(uploadKey(account, id));
    this.#d.space.count(account, { bytes: -shardCharge(length), uploads: -1 });
    await this.#d.index.note(this.#d.index.dropUpload(account, id));
  }

  /** Removes what is idle or too old, and what could not be removed before. @returns how many. */
  async collect(): Promise<number> {
    const now = this.#d.clock.now();
    const { idleMs, totalMs } = this.#d.limits;
    let collected = 0;
    for (const upload of [...this.#uploads.values()]) {
      // A clock that was set back must not keep an upload for ever.
      const isFresh = (since: number, most: number) => now - since < most && since - now < most;
      const isKept = isFresh(upload.touched, idleMs) && isFresh(upload.begun, totalMs);
      if (isKept && !upload.leaving) continue;
      await upload.lock.run(() => this.#discard(upload));
      collected++;
    }
    return collected;
  }

  async close(): Promise<void> {
    for (const upload of this.#uploads.values()) {
      await upload.lock.run(async () => {
        upload.gone = true;
        await upload.handle?.close();
      });
    }
    this.#uploads.clear();
  }
}

/** The number of the file of an upload that has begun. */
function fileOf(upload: Upload): number {
  if (upload.file === undefined) throw new Error("the upload has no file");
  return upload.file;
}

function uploadKey(account: Uint8Array, id: Uint8Array): string {
  return toHex(account) + toHex(id);
}

function cellBits(hashes: readonly (Uint8Array | undefined)[], length: number): Uint8Array {
  const bits = new Uint8Array(Math.ceil(cellCountOf(length) / 8));
  for (let cell = 0; cell < cellCountOf(length); cell++) {
    const leaves = hashes.slice(cell * LEAVES_PER_CELL, (cell + 1) * LEAVES_PER_CELL);
    if (leaves.every((hash) => hash !== undefined)) bits[cell >> 3]! |= 1 << (cell & 7);
  }
  return bits;
}
