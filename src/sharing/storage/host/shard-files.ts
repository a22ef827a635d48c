/**
 * Shards as files: the shard's bytes, then the hashes of its leaves, so that a proof reads the hashes and the leaves
 * it is about. `shards/<group>/<number>`: 1,024 consecutive numbers share a folder, so that what is stored together
 * syncs one folder.
 */
import { dirname, join } from "node:path";
import { leafHashes, MerkleTree } from "#base/crypto/merkle-tree.ts";
import { equalBytes } from "#base/lib/bytes.ts";
import type { Disk } from "#base/store/disk.ts";
import { errorCode } from "#base/store/disk-error.ts";
import type { OpenFile } from "#base/store/file-system.ts";
import { removeIfThere } from "#base/store/write-atomically.ts";
import { CELL_BYTES, LEAF_BYTES, LEAVES_PER_CELL, leafCountOf } from "../codec/scheme.ts";
import { GroupCommit } from "./group-commit.ts";

const GROUP = 1_024;
/** Trees kept for further proofs; one takes about 30 KB. */
const CACHED_TREES = 64;

/** Bytes of the file of a shard. */
export function shardFileLength(length: number): number {
  return length + 32 * leafCountOf(length);
}

/** A shard's file: its number and the length of the shard in it. */
export interface ShardFile {
  readonly file: number;
  readonly length: number;
}

/** A file that can not be read, or holds something else than was written. */
export class RotError extends Error {
  override readonly name = "RotError";
}

export class ShardFiles {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #folders = new Set<string>();
  readonly #folderSync: GroupCommit<string>;
  readonly #trees = new Map<number, MerkleTree>();

  constructor(disk: Disk, folder: string) {
    this.#disk = disk;
    this.#folder = join(folder, "shards");
    this.#folderSync = new GroupCommit(async (folders) => {
      for (const path of new Set(folders)) await disk.files.syncDirectory(path);
    });
  }

  #groupOf(file: number): string {
    return join(this.#folder, String(Math.floor(file / GROUP)));
  }

  #path(file: number): string {
    return join(this.#groupOf(file), String(file));
  }

  /** Makes the folder, and its entry durable: also one that a killed process has made and not synced. */
  async prepare(): Promise<void> {
    await this.#disk.files.makeDirectory(this.#folder);
    await this.#disk.files.syncDirectory(dirname(this.#folder));
  }

  /** Numbers of all files that are there. What is no shard's file is left alone. */
  async list(): Promise<number[]> {
    const numbers: number[] = [];
    for (const group of await this.#disk.files.readDirectory(this.#folder)) {
      if (!/^\d{1,12}$/.test(group)) continue;
      for (const name of await this.#disk.files.readDirectory(join(this.#folder, group))) {
        if (/^\d{1,15}$/.test(name) && this.#groupOf(Number(name)).endsWith(group))
          numbers.push(Number(name));
      }
    }
    return numbers;
  }

  /** Opens the file of an upload, making it where it is missing. */
  async open(file: number): Promise<OpenFile> {
    const group = this.#groupOf(file);
    if (!this.#folders.has(group)) {
      await this.#disk.files.makeDirectory(group);
      await this.#disk.files.syncDirectory(this.#folder);
      this.#folders.add(group);
    }
    return this.#disk.files.open(this.#path(file), "create");
  }

  /** Writes cells from number `first` on, and the hashes of their leaves. @returns these hashes. */
  async writeCells(
    file: OpenFile,
    length: number,
    first: number,
    bytes: Uint8Array,
  ): Promise<readonly Uint8Array[]> {
    const hashes = leafHashes(bytes, LEAF_BYTES);
    const table = new Uint8Array(32 * hashes.length);
    for (const [i, hash] of hashes.entries()) table.set(hash, 32 * i);
    await file.write(bytes, first * CELL_BYTES);
    await file.write(table, length + 32 * LEAVES_PER_CELL * first);
    return hashes;
  }

  /** Makes a file safe: content first, then its entry in the folder, shared with whoever waits for the same. */
  async sync(number: number, file: OpenFile): Promise<void> {
    await file.sync();
    await this.#folderSync.add(this.#groupOf(number));
  }

  /** The hashes of an upload's cells that are whole: those whose bytes match the table. Index: leaf. */
  async checkUpload({ file, length }: ShardFile): Promise<(Uint8Array | undefined)[]> {
    const leafCount = leafCountOf(length);
    const handle = await this.open(file);
    try {
      const table = await readUpTo(handle, length, 32 * leafCount);
      const cell = new Uint8Array(CELL_BYTES);
      const found: (Uint8Array | undefined)[] = [];
      for (let at = 0; at < length; at += CELL_BYTES) {
        const part = cell.subarray(0, Math.min(CELL_BYTES, length - at));
        const there = await handle.read(part, at);
        const hashes = leafHashes(part, LEAF_BYTES);
        const isWhole =
          there === part.length &&
          hashes.every((hash, i) =>
            equalBytes(hash, table.subarray(32 * (found.length + i)).subarray(0, 32)),
          );
        for (const hash of hashes) found.push(isWhole ? hash : undefined);
      }
      return found;
    } finally {
      await handle.close();
    }
  }

  /** The tree of a shard, from the hashes in its file. @throws RotError when they do not make its root. */
  async tree(shard: ShardFile, root: Uint8Array): Promise<MerkleTree> {
    const known = this.#trees.get(shard.file);
    if (known !== undefined) {
      this.#keepTree(shard.file, known);
      return known;
    }
    const table = await this.#read(shard.file, shard.length, 32 * leafCountOf(shard.length));
    const hashes: Uint8Array[] = [];
    for (let at = 0; at < table.length; at += 32) hashes.push(table.subarray(at, at + 32));
    const tree = new MerkleTree(hashes);
    if (!equalBytes(tree.root, root)) throw new RotError("the hashes in its file are not those of the shard");
    this.#keepTree(shard.file, tree);
    return tree;
  }

  #keepTree(file: number, tree: MerkleTree): void {
    this.#trees.delete(file);
    this.#trees.set(file, tree);
    for (const oldest of this.#trees.keys()) {
      if (this.#trees.size <= CACHED_TREES) break;
      this.#trees.delete(oldest);
    }
  }

  /** Bytes of leaves `first` to `first + count − 1`, checked. @throws RotError when they are not what was stored. */
  async readLeaves(shard: ShardFile, tree: MerkleTree, first: number, count: number): Promise<Uint8Array> {
    const from = first * LEAF_BYTES;
    const to = Math.min(shard.length, from + count * LEAF_BYTES);
    const bytes = await this.#read(shard.file, from, to - from);
    for (const [i, hash] of leafHashes(bytes, LEAF_BYTES).entries()) {
      if (!equalBytes(hash, tree.leaf(first + i)))
        throw new RotError(`leaf ${first + i} has changed on the disk`);
    }
    return bytes;
  }

  /** @throws RotError when the file is gone, too short, or the disk can not read it. */
  async #read(file: number, position: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    try {
      const handle = await this.#disk.files.open(this.#path(file), "read");
      try {
        const there = await handle.read(bytes, position);
        if (there < length) throw new RotError("its file is cut short");
      } finally {
        await handle.close();
      }
    } catch (error) {
      const code = errorCode(error);
      if (code === "ENOENT") throw new RotError("its file is gone");
      if (code === "EIO") throw new RotError("the disk can not read it");
      throw error;
    }
    return bytes;
  }

  /** Makes the next proof read the hashes from the disk. */
  forgetTree(file: number): void {
    this.#trees.delete(file);
  }

  async remove(file: number): Promise<void> {
    this.forgetTree(file);
    await removeIfThere(this.#disk.files, this.#path(file));
  }

  freeSpace(): Promise<number> {
    return this.#disk.files.freeSpace(this.#folder);
  }
}

/** What a file has of a stretch; zeros beyond its end. */
async function readUpTo(file: OpenFile, position: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  await file.read(bytes, position);
  return bytes;
}
