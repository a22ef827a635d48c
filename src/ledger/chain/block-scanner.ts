/** Blocks of a blk file one after another, as Core's LoadExternalBlockFile finds them. */

import { equalBytes, readU32 } from "#base/lib/bytes.ts";
import type { FileSystem, OpenFile } from "#base/store/file-system.ts";
import { HEADER_LENGTH } from "#protocol/bitcoin/block-table.ts";
import { MAX_BLOCK_SERIALIZED_SIZE } from "#protocol/consensus/limits.ts";
import { applyXor } from "./xor-key.ts";

/** Bytes of magic and length in front of each block. */
export const FRAME_HEADER = 8;
/** Bytes read at once. */
const CHUNK = 1024 * 1024;

/**
 * Where a block or its undo data stands: file number, and offset of its first byte (after magic and length), as
 * Core counts.
 */
export interface FilePosition {
  readonly file: number;
  readonly offset: number;
}

/** A frame found by {@link BlockScanner}. */
export interface ScannedBlock {
  readonly position: FilePosition;
  /** Its own copy of the block's bytes. */
  readonly bytes: Uint8Array;
}

export interface ScanOptions {
  readonly path: string;
  readonly magic: Uint8Array;
  /** Eight bytes; none means plain. */
  readonly xorKey?: Uint8Array;
  /** Number that positions carry. */
  readonly file?: number;
  /** Offset to begin at. */
  readonly from?: number;
}

/** Goes through a file and resynchronises on the magic after whatever is no frame. Holds one block and one buffer. */
export class BlockScanner implements AsyncIterable<ScannedBlock> {
  readonly #options: ScanOptions;
  readonly #files: FileSystem;
  #handle: OpenFile | undefined;
  #size = 0;
  #at: number;
  /** Decoded bytes of the file from {@link #start} on. */
  #window = new Uint8Array(0);
  #start = 0;

  constructor(options: ScanOptions, files: FileSystem) {
    this.#options = options;
    this.#files = files;
    this.#at = options.from ?? 0;
  }

  /** The next frame, undefined at the end. */
  async next(): Promise<ScannedBlock | undefined> {
    if (this.#handle === undefined) {
      this.#handle = await this.#files.open(this.#options.path, "read");
      this.#size = await this.#handle.size();
    }
    for (;;) {
      const frame = await this.#findMagic();
      if (frame === undefined) return undefined;
      const block = await this.#readFrame(frame);
      if (block !== undefined) return block;
      this.#at = frame + 1;
    }
  }

  /** Goes on from the byte after the start of the frame's magic: its content was no block. */
  reject(block: ScannedBlock): void {
    this.#at = block.position.offset - FRAME_HEADER + 1;
  }

  async close(): Promise<void> {
    await this.#handle?.close();
    this.#handle = undefined;
  }

  async *[Symbol.asyncIterator](): AsyncIterator<ScannedBlock> {
    try {
      for (let block = await this.next(); block !== undefined; block = await this.next()) yield block;
    } finally {
      await this.close();
    }
  }

  /** Offset of the next magic, undefined when there is none. */
  async #findMagic(): Promise<number | undefined> {
    const { magic } = this.#options;
    while (this.#size - this.#at >= FRAME_HEADER) {
      await this.#load(this.#at, FRAME_HEADER);
      const from = this.#at - this.#start;
      const found = this.#window.indexOf(magic[0]!, from);
      if (found < 0) {
        this.#at = this.#start + this.#window.length;
        continue;
      }
      this.#at = this.#start + found;
      if (this.#size - this.#at < FRAME_HEADER) return undefined;
      await this.#load(this.#at, FRAME_HEADER);
      const at = this.#at - this.#start;
      if (equalBytes(this.#window.subarray(at, at + 4), magic)) return this.#at;
      this.#at++;
    }
    return undefined;
  }

  /** The block of the frame at an offset; undefined when its length cannot be, or the file ends before it. */
  async #readFrame(frame: number): Promise<ScannedBlock | undefined> {
    const length = readU32(this.#window, frame - this.#start + 4);
    if (length < HEADER_LENGTH || length > MAX_BLOCK_SERIALIZED_SIZE) return undefined;
    const offset = frame + FRAME_HEADER;
    if (offset + length > this.#size) return undefined;
    await this.#load(offset, length);
    const at = offset - this.#start;
    this.#at = offset + length;
    return {
      position: { file: this.#options.file ?? 0, offset },
      bytes: this.#window.slice(at, at + length),
    };
  }

  /** Makes the window hold `length` bytes from `offset`. */
  async #load(offset: number, length: number): Promise<void> {
    const have = this.#start + this.#window.length;
    if (offset >= this.#start && offset + length <= have) return;
    const kept = offset >= this.#start && offset < have ? this.#window.subarray(offset - this.#start) : EMPTY;
    const wanted = Math.min(this.#size - offset, Math.max(length, CHUNK));
    const window = new Uint8Array(wanted);
    window.set(kept);
    const fresh = window.subarray(kept.length);
    const read = await this.#handle!.read(fresh, offset + kept.length);
    if (this.#options.xorKey !== undefined) applyXor(fresh, this.#options.xorKey, offset + kept.length);
    this.#window = window.subarray(0, kept.length + read);
    this.#start = offset;
  }
}

const EMPTY = new Uint8Array(0);

/** Scans a file outside (`-loadblock`, import of a Core `blocks/` folder); `file` in positions is 0. */
export function scanBlockFile(
  options: { path: string; magic: Uint8Array; xorKey?: Uint8Array },
  dependencies: { files: FileSystem },
): BlockScanner {
  return new BlockScanner(options, dependencies.files);
}
