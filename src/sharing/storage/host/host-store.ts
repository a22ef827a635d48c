/**
 * All that a host keeps on its disk, open: shards, uploads, head records, and the room they take. Knows nothing of
 * peers and terms.
 */
import { dirname, join } from "node:path";
import { toHex } from "#base/lib/bytes.ts";
import type { Clock } from "#base/lib/clock.ts";
import type { Logger } from "#base/lib/logger.ts";
import { Mutex } from "#base/lib/mutex.ts";
import type { Disk } from "#base/store/disk.ts";
import { accept, type Outcome, refuse } from "#sharing/mesh/protocol.ts";
import { cellCountOf, leavesOfCells } from "../codec/scheme.ts";
import { auditLeaves, proveCells } from "../codec/shard-proof.ts";
import type { ListedShard } from "../messages.ts";
import { Heads } from "./heads.ts";
import { HostIndex, type ShardEntry } from "./host-index.ts";
import { KeyedMutex } from "./keyed-mutex.ts";
import { RotError, ShardFiles } from "./shard-files.ts";
import { HEAD_CHARGE, Space, shardCharge } from "./space.ts";
import { shardKey, type UploadLimits, Uploads } from "./uploads.ts";

/** As many as share a folder. */
const FILES_A_BLOCK = 1_024;

export interface HostStoreOptions {
  readonly disk: Disk;
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limitBytes: number;
  readonly limitBytesPerAccount: number;
  readonly uploadLimits: UploadLimits;
}

export class HostStore {
  readonly files: ShardFiles;
  readonly index: HostIndex;
  readonly space: Space;
  readonly uploads: Uploads;
  readonly heads: Heads;
  readonly #log: Logger;
  readonly #shardLocks = new KeyedMutex();
  readonly #numbering = new Mutex();
  #nextFile = 0;
  /** Numbers from here on are not taken yet. */
  #fileMark = 0;

  private constructor(options: HostStoreOptions, index: HostIndex) {
    const { clock, disk, folder } = options;
    this.#log = options.log;
    this.files = new ShardFiles(disk, folder);
    this.index = index;
    this.space = new Space(options.limitBytes, options.limitBytesPerAccount);
    this.uploads = new Uploads({
      files: this.files,
      index,
      space: this.space,
      clock,
      shardLocks: this.#shardLocks,
      limits: options.uploadLimits,
      newFile: () => this.#newFile(),
    });
    this.heads = new Heads({ index, space: this.space, clock, locks: new KeyedMutex() });
  }

  /** Opens what is in the folder and sets right what a crash left: files of nobody, and shards without a file. */
  static async open(options: HostStoreOptions): Promise<HostStore> {
    const { disk, folder } = options;
    await disk.files.makeDirectory(folder);
    await disk.files.syncDirectory(dirname(folder));
    const store = await disk.openStore(join(folder, "index"));
    const opened = new HostStore(options, new HostIndex(store));
    try {
      await opened.#recover();
    } catch (error) {
      await store.close();
      throw error;
    }
    return opened;
  }

  async #recover(): Promise<void> {
    const { index, files, space, uploads } = this;
    await files.prepare();
    const orphans = new Set(await files.list());
    for await (const { account, root, entry } of index.allShards()) {
      if (entry.lost) space.count(account, { lost: 1 });
      else {
        space.count(account, { bytes: shardCharge(entry.length), shards: 1 });
        if (!orphans.delete(entry.file)) await this.declareLost(account, root, entry, "its file is gone");
      }
    }
    for await (const { account, upload, entry } of index.allUploads()) {
      if (orphans.delete(entry.file)) uploads.restore(account, upload, entry);
      else await index.note(index.dropUpload(account, upload));
    }
    for await (const { entry } of index.allHeads()) {
      space.count(entry.account, { bytes: HEAD_CHARGE, heads: 1 });
    }
    for (const file of orphans) await files.remove(file);
    this.#nextFile = await index.fileMark();
    this.#fileMark = this.#nextFile;
    if (orphans.size > 0) this.#log.info(`storage: removed ${orphans.size} files of unfinished work`);
  }

  /**
   * A number for a new file. None is used twice, not even after a crash: a removed file whose removal was not synced
   * may come back. So numbers are taken in blocks whose end is on disk first.
   */
  #newFile(): Promise<number> {
    return this.#numbering.run(async () => {
      if (this.#nextFile >= this.#fileMark) {
        const mark = this.#nextFile + FILES_A_BLOCK;
        await this.index.commit(this.index.putFileMark(mark));
        this.#fileMark = mark;
      }
      return this.#nextFile++;
    });
  }

  /** Does something with a shard of an account; rot that shows is declared, and refused. */
  async #withShard<T>(
    account: Uint8Array,
    root: Uint8Array,
    action: (entry: ShardEntry) => Promise<Outcome<T>>,
  ): Promise<Outcome<T>> {
    const entry = await this.index.shard(account, root);
    if (entry === undefined) return refuse("not-found", "no such shard of yours");
    if (entry.lost) return refuse("not-found", "the shard was lost here");
    try {
      return await action(entry);
    } catch (error) {
      if (!(error instanceof RotError)) throw error;
      await this.declareLost(account, root, entry, error.message);
      return refuse("not-found", "the shard was lost here");
    }
  }

  read(
    account: Uint8Array,
    root: Uint8Array,
    first: number,
    count: number,
  ): Promise<Outcome<{ bytes: Uint8Array; proof: Uint8Array }>> {
    return this.#withShard(account, root, async (entry) => {
      if (first + count > cellCountOf(entry.length)) {
        return refuse("bad-request", `the shard has ${cellCountOf(entry.length)} cells`);
      }
      const tree = await this.files.tree(entry, root);
      const leaves = leavesOfCells(entry.length, first, count);
      const bytes = await this.files.readLeaves(entry, tree, leaves.first, leaves.count);
      return accept({ bytes, proof: proveCells(tree, entry.length, first, count) });
    });
  }

  audit(
    account: Uint8Array,
    root: Uint8Array,
    challenge: Uint8Array,
    count: number,
  ): Promise<Outcome<{ leaves: Uint8Array[]; proof: Uint8Array }>> {
    return this.#withShard(account, root, async (entry) => {
      const tree = await this.files.tree(entry, root);
      const indices = auditLeaves(challenge, root, entry.length, count);
      const leaves = await Promise.all(indices.map((leaf) => this.files.readLeaves(entry, tree, leaf, 1)));
      return accept({ leaves, proof: tree.multiProof(indices) });
    });
  }

  /**
   * Forgets shards, durably, and removes their files.
   * @param isKept asked at the last moment: where it says so a shard stays.
   * @returns how many were forgotten.
   */
  async drop(
    account: Uint8Array,
    roots: readonly Uint8Array[],
    isKept: () => boolean = () => false,
  ): Promise<number> {
    const names = new Map(roots.map((root) => [toHex(root), root]));
    const dropped = await Promise.all(
      [...names.values()].map((root) => this.#dropOne(account, root, isKept)),
    );
    return dropped.filter((was) => was).length;
  }

  #dropOne(account: Uint8Array, root: Uint8Array, isKept: () => boolean): Promise<boolean> {
    return this.#shardLocks.run(shardKey(account, root), async () => {
      const entry = await this.index.shard(account, root);
      if (entry === undefined || isKept()) return false;
      await this.index.commit(this.index.dropShard(account, root));
      if (entry.lost) this.space.count(account, { lost: -1 });
      else {
        await this.files.remove(entry.file);
        this.space.count(account, { bytes: -shardCharge(entry.length), shards: -1 });
      }
      return true;
    });
  }

  /**
   * Notes that a shard can not be given back any more; it stays on the list until its owner drops it.
   * @param seen its entry when that was found: where the shard was dropped and put again meanwhile, it is in another
   * file, and sound.
   */
  async declareLost(account: Uint8Array, root: Uint8Array, seen: ShardEntry, reason: string): Promise<void> {
    await this.#shardLocks.run(shardKey(account, root), async () => {
      const entry = await this.index.shard(account, root);
      if (entry === undefined || entry.lost || entry.file !== seen.file) return;
      this.#log.warn(`storage: a shard of ${entry.length} bytes is lost, ${reason}`);
      await this.index.commit(this.index.putShard(account, root, { ...entry, lost: true }));
      await this.files.remove(entry.file);
      this.space.count(account, { bytes: -shardCharge(entry.length), shards: -1, lost: 1 });
    });
  }

  async list(
    account: Uint8Array,
    after: Uint8Array | undefined,
    limit: number,
    lostOnly: boolean,
  ): Promise<{ shards: ListedShard[]; more: boolean }> {
    const shards: ListedShard[] = [];
    // Asked often, and nearly always in vain: then nothing is read.
    if (lostOnly && this.space.of(account).lost === 0) return { shards, more: false };
    for await (const { root, entry } of this.index.shardsOf(account, after)) {
      if (lostOnly && !entry.lost) continue;
      if (shards.length === limit) return { shards, more: true };
      shards.push({ root, length: entry.length, state: entry.lost ? "lost" : "stored" });
    }
    return { shards, more: false };
  }

  async close(): Promise<void> {
    try {
      await this.uploads.close();
    } finally {
      // Left open it would be locked for whoever opens the folder next.
      await this.index.close();
    }
  }
}
