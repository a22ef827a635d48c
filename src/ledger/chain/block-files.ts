import type { Random } from "#base/lib/random.ts";
import type { FileSystem } from "#base/store/file-system.ts";

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

/** A frame found by {@link BlockScanner}. */
export interface ScannedBlock {
  readonly position: FilePosition;
  /** Its own copy of the block's bytes. */
  readonly bytes: Uint8Array;
}

/** The `blkNNNNN.dat` and `revNNNNN.dat` files of a `blocks/` directory. Callers append one at a time. */
export declare class BlockFiles {
  /**
   * @param known what the block index recorded of each file, by number. Bytes beyond are a torn tail: the next
   * append reuses them unless {@link scanTail} and {@link noteBlock} take them in.
   */
  static open(
    options: BlockFilesOptions,
    dependencies: { files: FileSystem; random?: Random },
    known?: readonly BlockFileInfo[],
  ): Promise<BlockFiles>;
  /** All-zero when the folder is plain. */
  readonly xorKey: Uint8Array;
  /** By file number; files that were pruned have all fields 0. */
  readonly infos: readonly Readonly<BlockFileInfo>[];
  /** Number of the file that the next block goes to. */
  readonly lastFile: number;
  /** Files whose info changed since the last call. */
  takeChanged(): number[];
  /** Writes a block. Durable after {@link syncBlocks}. */
  appendBlock(block: Uint8Array, height: number, time: number): Promise<FilePosition>;
  /** A block that already stands there (reindex, tail) counts from now on. */
  noteBlock(position: FilePosition, length: number, height: number, time: number): void;
  /** Writes undo data in the rev file beside the block's blk file; offset as in {@link FilePosition}. */
  appendUndo(file: number, undo: Uint8Array, prevHash: Uint8Array): Promise<number>;
  /** @throws BlockFileError when magic, length or bytes are not there. */
  readBlock(position: FilePosition): Promise<Uint8Array>;
  /** `length` bytes from `start` within the block. */
  readBlockPart(position: FilePosition, start: number, length: number): Promise<Uint8Array>;
  /** Checks the checksum over `prevHash` and the data. @throws BlockFileError */
  readUndo(position: FilePosition, prevHash: Uint8Array): Promise<Uint8Array>;
  syncBlocks(): Promise<void>;
  syncUndo(): Promise<void>;
  /** Bytes of all files (getblockchaininfo's size_on_disk). */
  readonly sizeOnDisk: number;
  /** Numbers of the blk files in the directory, ascending from 0 without a gap (for -reindex). */
  fileNumbers(): Promise<number[]>;
  /** Scans one of our blk files from `from`. */
  scan(file: number, from?: number): BlockScanner;
  /** Scans what stands beyond the recorded end of the last file. */
  scanTail(): BlockScanner;
  /** Forgets all infos and the write position (start of -reindex); blocks count again by {@link noteBlock}. */
  reset(): void;
  /** Deletes a pair of files (prune). */
  removeFile(file: number): Promise<void>;
  close(): Promise<void>;
}

/** Blocks of a file one after another, as Core's LoadExternalBlockFile finds them: resynchronises on the magic. */
export declare class BlockScanner implements AsyncIterable<ScannedBlock> {
  /** The next frame, undefined at the end. Holds at most one block and one read buffer. */
  next(): Promise<ScannedBlock | undefined>;
  /** Goes on from the byte after the frame's magic: its content was no block. */
  reject(block: ScannedBlock): void;
  close(): Promise<void>;
  [Symbol.asyncIterator](): AsyncIterator<ScannedBlock>;
}

/** Scans a file outside (`-loadblock`, import of a Core `blocks/` folder); `file` in positions is 0. */
export declare function scanBlockFile(
  options: { path: string; magic: Uint8Array; xorKey?: Uint8Array },
  dependencies: { files: FileSystem },
): BlockScanner;

/** The key in a folder's `xor.dat`, all-zero where there is none. */
export declare function readXorKey(files: FileSystem, folder: string): Promise<Uint8Array>;
