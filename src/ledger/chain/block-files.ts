/**
 * The `blkNNNNN.dat` and `revNNNNN.dat` files, framed as Core frames them: magic, length, data; undo data with a
 * checksum after it. Which bytes of a file count is known to the block index; what lies beyond is a torn tail, and
 * the next append takes its place.
 */
import { join } from "node:path";
import { sha256d } from "#base/crypto/sha256.ts";
import { concatBytes, equalBytes, readU32, writeU32 } from "#base/lib/bytes.ts";
import { type Random, secureRandom } from "#base/lib/random.ts";
import type { FileSystem, OpenFile } from "#base/store/file-system.ts";
import { removeIfThere, writeAtomically } from "#base/store/write-atomically.ts";
import { BlockScanner, type FilePosition, FRAME_HEADER } from "./block-scanner.ts";
import { applyXor, readXorKey, XOR_FILE, XOR_KEY_LENGTH } from "./xor-key.ts";

export { BlockScanner, type FilePosition, type ScannedBlock, scanBlockFile } from "./block-scanner.ts";
export { readXorKey } from "./xor-key.ts";

/** A block file that does not hold what it should: damaged, or of another network. */
export class BlockFileError extends Error {
  override readonly name = "BlockFileError";
}

/** What one pair of blk and rev files holds (Core's CBlockFileInfo). */
export interface BlockFileInfo {
  blocks: number;
  /** Used bytes of the blk file. */
  size: number;
  undoSize: number;
  heightFirst: number;
  heightLast: number;
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

const MAX_FILE_SIZE = 128 * 1024 * 1024;
const FAST_PRUNE_FILE_SIZE = 64 * 1024;
/** No block and no undo data that we wrote is longer (Core: MAX_SIZE). */
const MAX_DATA = 0x0200_0000;
const CHECKSUM = 32;
/** Files held open for reading and writing. */
const MAX_OPEN = 16;

type Kind = "blk" | "rev";

/** Callers append one at a time. */
export class BlockFiles {
  readonly xorKey: Uint8Array;
  readonly #options: BlockFilesOptions;
  readonly #files: FileSystem;
  readonly #infos: BlockFileInfo[];
  readonly #changed = new Set<number>();
  /** In the order of their last use. */
  readonly #open = new Map<string, Promise<OpenFile>>();
  readonly #dirty = new Map<string, Promise<OpenFile>>();
  /** A file was made whose name is not yet on disk for sure. */
  #madeFile = false;

  private constructor(
    options: BlockFilesOptions,
    files: FileSystem,
    xorKey: Uint8Array,
    known: readonly BlockFileInfo[],
  ) {
    this.#options = options;
    this.#files = files;
    this.xorKey = xorKey;
    this.#infos = known.map((info) => ({ ...info }));
  }

  /**
   * @param known what the block index recorded of each file, by number. Bytes beyond are a torn tail: the next
   * append reuses them unless {@link scanTail} and {@link noteBlock} take them in.
   */
  static async open(
    options: BlockFilesOptions,
    dependencies: { files: FileSystem; random?: Random },
    known: readonly BlockFileInfo[] = [],
  ): Promise<BlockFiles> {
    const { files, random = secureRandom } = dependencies;
    await files.makeDirectory(options.path);
    return new BlockFiles(options, files, await chooseXorKey(options, files, random), known);
  }

  /** By file number; files that were pruned have all fields 0. */
  get infos(): readonly Readonly<BlockFileInfo>[] {
    return this.#infos;
  }

  /** Number of the file that the next block goes to. */
  get lastFile(): number {
    return Math.max(0, this.#infos.length - 1);
  }

  /** Bytes of all files. */
  get sizeOnDisk(): number {
    return this.#infos.reduce((sum, info) => sum + info.size + info.undoSize, 0);
  }

  /** Files whose info changed since the last call. */
  takeChanged(): number[] {
    const changed = [...this.#changed];
    this.#changed.clear();
    return changed;
  }

  /** Writes a block. Durable after {@link syncBlocks}. */
  async appendBlock(block: Uint8Array, height: number, time: number): Promise<FilePosition> {
    const length = FRAME_HEADER + block.length;
    let file = this.lastFile;
    const used = this.#infos[file]?.size ?? 0;
    const limit = this.#options.fastPrune === true ? FAST_PRUNE_FILE_SIZE : MAX_FILE_SIZE;
    if (used > 0 && used + length > limit) file++;
    const start = this.#infos[file]?.size ?? 0;
    await this.#write("blk", file, start, this.#frame(block));
    const position = { file, offset: start + FRAME_HEADER };
    this.noteBlock(position, block.length, height, time);
    return position;
  }

  /** A block that already stands there (reindex, tail) counts from now on. */
  noteBlock(position: FilePosition, length: number, height: number, time: number): void {
    while (this.#infos.length <= position.file) {
      this.#changed.add(this.#infos.length);
      this.#infos.push(emptyInfo());
    }
    const info = this.#infos[position.file]!;
    const first = info.blocks === 0;
    info.blocks++;
    info.size = Math.max(info.size, position.offset + length);
    info.heightFirst = first ? height : Math.min(info.heightFirst, height);
    info.heightLast = first ? height : Math.max(info.heightLast, height);
    info.timeFirst = first ? time : Math.min(info.timeFirst, time);
    info.timeLast = first ? time : Math.max(info.timeLast, time);
    this.#changed.add(position.file);
  }

  /** Writes undo data in the rev file beside the block's blk file; offset as in {@link FilePosition}. */
  async appendUndo(file: number, undo: Uint8Array, prevHash: Uint8Array): Promise<number> {
    const info = this.#infos[file];
    if (info === undefined) throw new Error(`no block file ${file} for undo data`);
    const start = info.undoSize;
    const checksum = sha256d(concatBytes(prevHash, undo));
    await this.#write("rev", file, start, concatBytes(this.#frame(undo), checksum));
    info.undoSize = start + FRAME_HEADER + undo.length + CHECKSUM;
    this.#changed.add(file);
    return start + FRAME_HEADER;
  }

  /** @throws BlockFileError when magic, length or bytes are not there. */
  async readBlock(position: FilePosition): Promise<Uint8Array> {
    return this.#read("blk", position, 0, await this.#lengthAt("blk", position));
  }

  /** `length` bytes from `start` within the block. @throws BlockFileError */
  async readBlockPart(position: FilePosition, start: number, length: number): Promise<Uint8Array> {
    if (start + length > (await this.#lengthAt("blk", position))) {
      throw this.#damaged("blk", position, "it is shorter than what was asked for");
    }
    return this.#read("blk", position, start, length);
  }

  /** Checks the checksum over `prevHash` and the data. @throws BlockFileError */
  async readUndo(position: FilePosition, prevHash: Uint8Array): Promise<Uint8Array> {
    const length = await this.#lengthAt("rev", position);
    const bytes = await this.#read("rev", position, 0, length + CHECKSUM);
    const undo = bytes.subarray(0, length);
    if (!equalBytes(sha256d(concatBytes(prevHash, undo)), bytes.subarray(length))) {
      throw this.#damaged("rev", position, "checksum mismatch");
    }
    return undo;
  }

  /** Forces all blocks written so far to disk. */
  async syncBlocks(): Promise<void> {
    await this.#sync("blk");
  }

  /** Forces all undo data written so far to disk. */
  async syncUndo(): Promise<void> {
    await this.#sync("rev");
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
    return new BlockScanner(
      { path: this.#path("blk", file), magic, xorKey: this.xorKey, file, from },
      this.#files,
    );
  }

  /** Scans what stands beyond the recorded end of the last file. */
  scanTail(): BlockScanner {
    return this.scan(this.lastFile, this.#infos[this.lastFile]?.size ?? 0);
  }

  /** Forgets all infos and the write position (start of -reindex); blocks count again by {@link noteBlock}. */
  reset(): void {
    for (let file = 0; file < this.#infos.length; file++) this.#changed.add(file);
    this.#infos.length = 0;
  }

  /** Deletes a pair of files (prune). */
  async removeFile(file: number): Promise<void> {
    for (const kind of ["blk", "rev"] as const) {
      const path = this.#path(kind, file);
      await (await this.#open.get(path))?.close();
      this.#open.delete(path);
      this.#dirty.delete(path);
      await removeIfThere(this.#files, path);
    }
    this.#infos[file] = emptyInfo();
    this.#changed.add(file);
  }

  async close(): Promise<void> {
    const handles = await Promise.all(this.#open.values());
    this.#open.clear();
    this.#dirty.clear();
    await Promise.all(handles.map((handle) => handle.close()));
  }

  #path(kind: Kind, file: number): string {
    return join(this.#options.path, `${kind}${String(file).padStart(5, "0")}.dat`);
  }

  #frame(data: Uint8Array): Uint8Array {
    const frame = new Uint8Array(FRAME_HEADER + data.length);
    frame.set(this.#options.magic);
    writeU32(frame, 4, data.length);
    frame.set(data, FRAME_HEADER);
    return frame;
  }

  async #write(kind: Kind, file: number, at: number, bytes: Uint8Array): Promise<void> {
    applyXor(bytes, this.xorKey, at);
    const path = this.#path(kind, file);
    if (at === 0) this.#madeFile = true;
    // It stays among the dirty ones until it was synced, even when it is no longer held open for reading.
    const handle = this.#handle(path, "create");
    this.#dirty.set(path, handle);
    await (await handle).write(bytes, at);
  }

  async #sync(kind: Kind): Promise<void> {
    for (const [path, handle] of [...this.#dirty]) {
      if (!path.endsWith(".dat") || !path.slice(-12).startsWith(kind)) continue;
      await (await handle).sync();
      this.#dirty.delete(path);
    }
    if (!this.#madeFile) return;
    await this.#files.syncDirectory(this.#options.path);
    this.#madeFile = this.#dirty.size > 0;
  }

  /** The open file at a path. What was used longest ago is closed where too many are open, unless it is dirty. */
  #handle(path: string, mode: "read" | "create"): Promise<OpenFile> {
    const known = this.#open.get(path);
    if (known !== undefined) {
      this.#open.delete(path);
      this.#open.set(path, known);
      return known;
    }
    const opened = mode === "create" ? this.#files.open(path, "create") : this.#openExisting(path);
    this.#open.set(path, opened);
    opened.catch(() => this.#open.delete(path));
    for (const [other, handle] of this.#open) {
      if (this.#open.size <= MAX_OPEN) break;
      if (other === path || this.#dirty.has(other) || this.#reading.has(other)) continue;
      this.#open.delete(other);
      void handle.then((file) => file.close());
    }
    return opened;
  }

  /** Paths that are being read now, by how many. */
  readonly #reading = new Map<string, number>();

  /** Opened so that it can be written to later as well. */
  #openExisting(path: string): Promise<OpenFile> {
    return this.#files.open(path, "write");
  }

  async #lengthAt(kind: Kind, position: FilePosition): Promise<number> {
    if (position.offset < FRAME_HEADER) throw this.#damaged(kind, position, "there is no frame before it");
    const frame = await this.#read(kind, position, -FRAME_HEADER, FRAME_HEADER);
    if (!equalBytes(frame.subarray(0, 4), this.#options.magic)) {
      throw this.#damaged(kind, position, "the network's magic is not in front of it");
    }
    const length = readU32(frame, 4);
    if (length > MAX_DATA) throw this.#damaged(kind, position, `its length is said to be ${length} bytes`);
    return length;
  }

  async #read(kind: Kind, position: FilePosition, start: number, length: number): Promise<Uint8Array> {
    const at = position.offset + start;
    const bytes = new Uint8Array(length);
    const path = this.#path(kind, position.file);
    this.#reading.set(path, (this.#reading.get(path) ?? 0) + 1);
    try {
      const handle = await this.#handle(path, "read");
      if ((await handle.read(bytes, at)) !== length)
        throw this.#damaged(kind, position, "the file ends in it");
    } finally {
      const readers = this.#reading.get(path)! - 1;
      if (readers === 0) this.#reading.delete(path);
      else this.#reading.set(path, readers);
    }
    applyXor(bytes, this.xorKey, at);
    return bytes;
  }

  #damaged(kind: Kind, { file, offset }: FilePosition, what: string): BlockFileError {
    return new BlockFileError(
      `${this.#path(kind, file)} at offset ${offset} is damaged: ${what}. Start with -reindex to build the block index anew.`,
    );
  }
}

function emptyInfo(): BlockFileInfo {
  return { blocks: 0, size: 0, undoSize: 0, heightFirst: 0, heightLast: 0, timeFirst: 0, timeLast: 0 };
}

/** The folder's key: the one in xor.dat; else a random one for a fresh folder, none for one that has plain files. */
async function chooseXorKey(
  { path, xor = true }: BlockFilesOptions,
  files: FileSystem,
  random: Random,
): Promise<Uint8Array> {
  const keyPath = join(path, XOR_FILE);
  if ((await files.stat(keyPath)) !== undefined) {
    const key = await readXorKey(files, path);
    if (!xor && key.some((byte) => byte !== 0)) {
      throw new BlockFileError(
        `The blocksdir XOR-key can not be disabled when a random key was already stored! Stored key: '${Buffer.from(key).toString("hex")}', stored path: '${keyPath}'.`,
      );
    }
    return key;
  }
  const isFresh = (await files.stat(join(path, "blk00000.dat"))) === undefined;
  const key = new Uint8Array(XOR_KEY_LENGTH);
  if (xor && isFresh) random.fill(key);
  await writeAtomically(files, keyPath, key);
  return key;
}
