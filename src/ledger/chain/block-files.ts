import { join } from "node:path";
import { sha256d } from "#base/crypto/sha256.ts";
import { concatBytes, equalBytes, readU32, writeU32 } from "#base/lib/bytes.ts";
import { type Random, secureRandom } from "#base/lib/random.ts";
import { errorCode } from "#base/store/disk-error.ts";
import type { FileSystem } from "#base/store/file-system.ts";
import { MAX_BLOCK_SERIALIZED_SIZE } from "#protocol/consensus/limits.ts";
import { applyXor, obtainXorKey } from "./block-obfuscation.ts";
import { BlockScanner, FRAME_LENGTH } from "./block-scanner.ts";
import { OpenFiles } from "./open-files.ts";

export { readXorKey } from "./block-obfuscation.ts";
export { BlockScanner } from "./block-scanner.ts";

/** Where a block or its undo data stands: file number, and offset of its first byte (after magic and length), as Core counts. */
export interface FilePosition {
  readonly file: number;
  readonly offset: number;
}

/** What one pair of blk and rev files holds (Core's CBlockFileInfo). */
export interface BlockFileInfo {
  blocks: number;
  /** Used bytes of the blk file. */
  size: number;
  /** Used bytes of the rev file. */
  undoSize: number;
  heightFirst: number;
  heightLast: number;
  /** Times of blocks, seconds since 1970. */
  timeFirst: number;
  timeLast: number;
}

export interface BlockFilesOptions {
  /** The `blocks/` directory. */
  readonly path: string;
  readonly magic: Uint8Array;
  /** `-blocksxor`: a new folder gets a random key (true unless told). */
  readonly xor?: boolean;
  /** `-fastprune`: files of 64 KiB. */
  readonly fastPrune?: boolean;
}

/** A frame found by {@link BlockScanner}. */
export interface ScannedBlock {
  readonly position: FilePosition;
  /** Its own copy of the block's bytes. */
  readonly bytes: Uint8Array;
}

/** What a block or undo file holds is not what it should, or is not there. */
export class BlockFileError extends Error {
  override readonly name = "BlockFileError";
}

/** Most bytes of a blk file (Core: blockstorage.h). */
const MAX_FILE_BYTES = 128 * 1024 * 1024;
const FAST_PRUNE_FILE_BYTES = 64 * 1024;
/** Behind the undo data: its double SHA-256, with the hash of the block before in front. */
const CHECKSUM_LENGTH = 32;

/**
 * The `blkNNNNN.dat` and `revNNNNN.dat` files of a `blocks/` directory, framed, numbered and obfuscated as Core's.
 * Appending and syncing is for one caller at a time; reading may go on beside it.
 */
export class BlockFiles {
  /** All-zero when the folder is plain. */
  readonly xorKey: Uint8Array;
  readonly #options: BlockFilesOptions;
  readonly #files: FileSystem;
  readonly #open: OpenFiles;
  readonly #infos: BlockFileInfo[];
  #lastFile: number;
  readonly #changed = new Set<number>();
  /** Files with bytes that were not synced. */
  readonly #unsyncedBlocks = new Set<number>();
  readonly #unsyncedUndo = new Set<number>();
  /** Whether a file was made or removed since the directory was synced. */
  #entriesChanged = false;

  private constructor(
    options: BlockFilesOptions,
    files: FileSystem,
    xorKey: Uint8Array,
    known: readonly BlockFileInfo[],
  ) {
    this.#options = options;
    this.#files = files;
    this.#open = new OpenFiles(files);
    this.xorKey = xorKey;
    this.#infos = known.map((info) => ({ ...info }));
    if (this.#infos.length === 0) {
      this.#infos.push(emptyInfo());
      this.#changed.add(0);
    }
    this.#lastFile = this.#infos.length - 1;
  }

  /**
   * @param known what the block index recorded of each file, by number. Bytes beyond are a torn tail: the next append
   * writes over them, unless {@link scanTail} and {@link noteBlock} take them in.
   * @throws BlockFileError when a file that should hold blocks is missing or too short.
   */
  static async open(
    options: BlockFilesOptions,
    dependencies: { files: FileSystem; random?: Random },
    known: readonly BlockFileInfo[] = [],
  ): Promise<BlockFiles> {
    const { files, random = secureRandom } = dependencies;
    await files.makeDirectory(options.path);
    const key = await obtainXorKey(files, options.path, options.xor ?? true, random);
    const made = new BlockFiles(options, files, key, known);
    for (let file = 0; file < known.length; file++) await made.#requireFile(file);
    return made;
  }

  async #requireFile(file: number): Promise<void> {
    const { blocks, size } = this.#infos[file]!;
    if (blocks === 0) return;
    const found = await this.#files.stat(this.#path("blk", file));
    if (found === undefined) throw new BlockFileError(`${this.#path("blk", file)} is missing`);
    if (found.size < size) throw new BlockFileError(`${this.#path("blk", file)} is too short`);
  }

  #path(kind: "blk" | "rev", file: number): string {
    return join(this.#options.path, `${kind}${String(file).padStart(5, "0")}.dat`);
  }

  /** By file number; files that were pruned have all fields 0. */
  get infos(): readonly Readonly<BlockFileInfo>[] {
    return this.#infos;
  }

  /** Number of the file that the next block goes to, unless it is full. */
  get lastFile(): number {
    return this.#lastFile;
  }

  /** Bytes of all files (getblockchaininfo's size_on_disk). */
  get sizeOnDisk(): number {
    return this.#infos.reduce((sum, { size, undoSize }) => sum + size + undoSize, 0);
  }

  /** Files whose info changed since the last call. */
  takeChanged(): number[] {
    const changed = [...this.#changed].sort((a, b) => a - b);
    this.#changed.clear();
    return changed;
  }

  /** Writes a block. Durable after {@link syncBlocks}. @throws as the file system does; nothing is noted then. */
  async appendBlock(block: Uint8Array, height: number, time: number): Promise<FilePosition> {
    const file = this.#fileFor(block.length + FRAME_LENGTH);
    const start = this.#infos[file]?.size ?? 0;
    await this.#write("blk", file, start, [this.#frameHead(block.length), block]);
    this.#unsyncedBlocks.add(file);
    const position = { file, offset: start + FRAME_LENGTH };
    this.noteBlock(position, block.length, height, time);
    return position;
  }

  /** The file with room for so many bytes: the last one, or the next (Core's FindNextBlockPos). */
  #fileFor(length: number): number {
    const most =
      this.#options.fastPrune === true ? Math.max(FAST_PRUNE_FILE_BYTES, length + 1) : MAX_FILE_BYTES;
    let file = this.#lastFile;
    while ((this.#infos[file]?.size ?? 0) + length >= most) file++;
    return file;
  }

  /** A block that already stands there (reindex, tail) counts from now on. */
  noteBlock(position: FilePosition, length: number, height: number, time: number): void {
    const { file, offset } = position;
    // What was between may hold nothing sound; the index wants to know of it all the same.
    for (; this.#infos.length <= file; this.#infos.push(emptyInfo())) this.#changed.add(this.#infos.length);
    const info = this.#infos[file]!;
    const isFirst = info.blocks === 0;
    info.heightFirst = isFirst ? height : Math.min(info.heightFirst, height);
    info.heightLast = isFirst ? height : Math.max(info.heightLast, height);
    info.timeFirst = isFirst ? time : Math.min(info.timeFirst, time);
    info.timeLast = isFirst ? time : Math.max(info.timeLast, time);
    info.blocks++;
    info.size = Math.max(info.size, offset + length);
    this.#lastFile = Math.max(this.#lastFile, file);
    this.#changed.add(file);
  }

  /**
   * Writes undo data in the rev file beside the block's blk file. Durable after {@link syncUndo}.
   * @returns its offset, as in {@link FilePosition}.
   */
  async appendUndo(file: number, undo: Uint8Array, prevHash: Uint8Array): Promise<number> {
    const info = this.#infos[file];
    if (info === undefined) throw new Error(`there is no block file ${file}`);
    const start = info.undoSize;
    const parts = [this.#frameHead(undo.length), undo, undoChecksum(undo, prevHash)];
    await this.#write("rev", file, start, parts);
    this.#unsyncedUndo.add(file);
    info.undoSize = start + FRAME_LENGTH + undo.length + CHECKSUM_LENGTH;
    this.#changed.add(file);
    return start + FRAME_LENGTH;
  }

  #frameHead(length: number): Uint8Array {
    const head = new Uint8Array(FRAME_LENGTH);
    head.set(this.#options.magic);
    writeU32(head, 4, length);
    return head;
  }

  async #write(kind: "blk" | "rev", file: number, at: number, parts: Uint8Array[]): Promise<void> {
    const bytes = concatBytes(...parts);
    applyXor(bytes, at, this.xorKey);
    if (at === 0) this.#entriesChanged = true;
    await this.#open.use(this.#path(kind, file), true, (open) => open.write(bytes, at));
  }

  /** @throws BlockFileError when magic, length or bytes are not there. */
  async readBlock(position: FilePosition): Promise<Uint8Array> {
    return this.#readFrame("blk", position, MAX_BLOCK_SERIALIZED_SIZE, 0);
  }

  /** `length` bytes from `start` within the block. @throws BlockFileError */
  async readBlockPart(position: FilePosition, start: number, length: number): Promise<Uint8Array> {
    return this.#read("blk", position.file, position.offset + start, length);
  }

  /** Checks the checksum over `prevHash` and the data. @throws BlockFileError */
  async readUndo(position: FilePosition, prevHash: Uint8Array): Promise<Uint8Array> {
    const most = this.#infos[position.file]?.undoSize ?? 0;
    const bytes = await this.#readFrame("rev", position, most, CHECKSUM_LENGTH);
    const undo = bytes.subarray(0, bytes.length - CHECKSUM_LENGTH);
    const checksum = bytes.subarray(bytes.length - CHECKSUM_LENGTH);
    if (!equalBytes(undoChecksum(undo, prevHash), checksum)) {
      throw new BlockFileError(`${describe("rev", position)}: the checksum of the undo data is wrong`);
    }
    return undo;
  }

  /** The content of a frame, and `behind` bytes after it. */
  async #readFrame(
    kind: "blk" | "rev",
    position: FilePosition,
    most: number,
    behind: number,
  ): Promise<Uint8Array> {
    const { file, offset } = position;
    if (offset < FRAME_LENGTH) throw new BlockFileError(`${describe(kind, position)}: no such place`);
    const head = await this.#read(kind, file, offset - FRAME_LENGTH, FRAME_LENGTH);
    if (!equalBytes(head.subarray(0, 4), this.#options.magic)) {
      throw new BlockFileError(`${describe(kind, position)}: wrong magic`);
    }
    const length = readU32(head, 4);
    if (length > most) throw new BlockFileError(`${describe(kind, position)}: impossible length ${length}`);
    return this.#read(kind, file, offset, length + behind);
  }

  async #read(kind: "blk" | "rev", file: number, at: number, length: number): Promise<Uint8Array> {
    const path = this.#path(kind, file);
    const bytes = new Uint8Array(length);
    let read: number;
    try {
      read = await this.#open.use(path, false, (open) => open.read(bytes, at));
    } catch (error) {
      if (errorCode(error) === "ENOENT") throw new BlockFileError(`${path} is missing`);
      throw error;
    }
    if (read < length) throw new BlockFileError(`${path} ends before ${at + length}`);
    applyXor(bytes, at, this.xorKey);
    return bytes;
  }

  /** Forces all blocks that were appended to disk. */
  async syncBlocks(): Promise<void> {
    await this.#sync("blk", this.#unsyncedBlocks);
  }

  /** Forces all undo data that was appended to disk. */
  async syncUndo(): Promise<void> {
    await this.#sync("rev", this.#unsyncedUndo);
  }

  async #sync(kind: "blk" | "rev", unsynced: Set<number>): Promise<void> {
    for (const file of unsynced) {
      await this.#open.use(this.#path(kind, file), false, (open) => open.sync());
      unsynced.delete(file);
    }
    if (!this.#entriesChanged) return;
    await this.#files.syncDirectory(this.#options.path);
    this.#entriesChanged = false;
  }

  /** Numbers of the blk files in the directory, ascending from 0 without a gap (for -reindex). */
  async fileNumbers(): Promise<number[]> {
    const numbers: number[] = [];
    while ((await this.#files.stat(this.#path("blk", numbers.length))) !== undefined) {
      numbers.push(numbers.length);
    }
    return numbers;
  }

  /** Scans one of our blk files from `from`. */
  scan(file: number, from = 0): BlockScanner {
    const { magic } = this.#options;
    const path = this.#path("blk", file);
    return new BlockScanner({ path, file, magic, xorKey: this.xorKey, from }, { files: this.#files });
  }

  /** Scans what stands beyond the recorded end of the last file. */
  scanTail(): BlockScanner {
    return this.scan(this.#lastFile, this.#infos[this.#lastFile]!.size);
  }

  /** Forgets all infos and the write position (start of -reindex); blocks count again by {@link noteBlock}. */
  reset(): void {
    this.#infos.splice(0, this.#infos.length, emptyInfo());
    this.#changed.clear();
    this.#changed.add(0);
    this.#lastFile = 0;
  }

  /** Deletes a pair of files (prune). */
  async removeFile(file: number): Promise<void> {
    await this.#open.remove(this.#path("blk", file));
    await this.#open.remove(this.#path("rev", file));
    this.#unsyncedBlocks.delete(file);
    this.#unsyncedUndo.delete(file);
    this.#infos[file] = emptyInfo();
    this.#changed.add(file);
    this.#entriesChanged = true;
  }

  async close(): Promise<void> {
    await this.#open.close();
  }
}

/** Scans a file outside (`-loadblock`, import of a Core `blocks/` folder); `file` in positions is 0. */
export function scanBlockFile(
  options: { path: string; magic: Uint8Array; xorKey?: Uint8Array },
  dependencies: { files: FileSystem },
): BlockScanner {
  const { path, magic, xorKey = new Uint8Array(8) } = options;
  return new BlockScanner({ path, file: 0, magic, xorKey, from: 0 }, dependencies);
}

function emptyInfo(): BlockFileInfo {
  return { blocks: 0, size: 0, undoSize: 0, heightFirst: 0, heightLast: 0, timeFirst: 0, timeLast: 0 };
}

function undoChecksum(undo: Uint8Array, prevHash: Uint8Array): Uint8Array {
  return sha256d(concatBytes(prevHash, undo));
}

function describe(kind: string, { file, offset }: FilePosition): string {
  return `${kind} file ${file} at ${offset}`;
}
