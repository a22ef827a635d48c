import { readU32 } from "#base/lib/bytes.ts";
import type { FileSystem, OpenFile } from "#base/store/file-system.ts";
import { HEADER_LENGTH } from "#protocol/bitcoin/block-table.ts";
import { MAX_BLOCK_SERIALIZED_SIZE } from "#protocol/consensus/limits.ts";
import type { FilePosition, ScannedBlock } from "./block-files.ts";
import { applyXor } from "./block-obfuscation.ts";

/** Magic and length before each block. */
export const FRAME_LENGTH = 8;
const WINDOW_BYTES = 1024 * 1024;

export interface BlockScannerOptions {
  readonly path: string;
  /** Number given to the file in positions. */
  readonly file: number;
  readonly magic: Uint8Array;
  readonly xorKey: Uint8Array;
  /** Where to start. */
  readonly from: number;
}

/**
 * Blocks of a file one after another, as Core's LoadExternalBlockFile finds them: magic, length, that many bytes;
 * what is between is passed over. A frame that reaches beyond the end of the file is none, and the search goes on
 * within it. Holds one block and one read buffer at most. A missing file is an empty one.
 */
export class BlockScanner implements AsyncIterable<ScannedBlock> {
  readonly #options: BlockScannerOptions;
  readonly #files: FileSystem;
  #file: OpenFile | undefined;
  #size = 0;
  #at: number;
  /** What was read last, without the key, and where it stands. */
  #window = new Uint8Array(0);
  #windowStart = 0;

  constructor(options: BlockScannerOptions, dependencies: { files: FileSystem }) {
    this.#options = options;
    this.#files = dependencies.files;
    this.#at = options.from;
  }

  /** The next frame, undefined at the end. */
  async next(): Promise<ScannedBlock | undefined> {
    await this.#open();
    for (let at = await this.#findMagic(this.#at); at >= 0; at = await this.#findMagic(at + 1)) {
      const length = readU32(this.#window, at - this.#windowStart + 4);
      const offset = at + FRAME_LENGTH;
      if (length < HEADER_LENGTH || length > MAX_BLOCK_SERIALIZED_SIZE) continue;
      if (offset + length > this.#size) continue;
      this.#at = offset + length;
      const position: FilePosition = { file: this.#options.file, offset };
      return { position, bytes: await this.#read(offset, length) };
    }
    this.#at = this.#size;
    return undefined;
  }

  /** Goes on from the byte after the frame's magic: its content was no block. */
  reject(block: ScannedBlock): void {
    this.#at = block.position.offset - FRAME_LENGTH + 1;
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    this.#at = this.#size;
    await file?.close();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<ScannedBlock> {
    try {
      for (let block = await this.next(); block !== undefined; block = await this.next()) yield block;
    } finally {
      await this.close();
    }
  }

  async #open(): Promise<void> {
    if (this.#file !== undefined || this.#at < 0) return;
    if ((await this.#files.stat(this.#options.path)) === undefined) return;
    this.#file = await this.#files.open(this.#options.path, "read");
    this.#size = await this.#file.size();
  }

  /** Offset of the next frame's magic from `from` on, its length being in the window; −1 at the end. */
  async #findMagic(from: number): Promise<number> {
    const { magic } = this.#options;
    let at = from;
    while (at + FRAME_LENGTH <= this.#size) {
      if (!this.#inWindow(at, FRAME_LENGTH)) await this.#fill(at);
      // Where a whole magic and length could still begin within the window.
      const last = this.#window.length - FRAME_LENGTH;
      let i = at - this.#windowStart;
      while (i <= last) {
        i = this.#window.indexOf(magic[0]!, i);
        if (i < 0 || i > last) break;
        if (startsWith(this.#window, i, magic)) return this.#windowStart + i;
        i++;
      }
      at = this.#windowStart + last + 1;
    }
    return -1;
  }

  #inWindow(at: number, length: number): boolean {
    return at >= this.#windowStart && at + length <= this.#windowStart + this.#window.length;
  }

  async #fill(at: number): Promise<void> {
    this.#window = await this.#readFile(at, Math.min(WINDOW_BYTES, this.#size - at));
    this.#windowStart = at;
  }

  /** A copy of bytes, from the window as far as it has them. */
  async #read(at: number, length: number): Promise<Uint8Array> {
    if (this.#inWindow(at, length)) {
      return this.#window.slice(at - this.#windowStart, at - this.#windowStart + length);
    }
    return this.#readFile(at, length);
  }

  async #readFile(at: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(length);
    if ((await this.#file!.read(bytes, at)) < length) {
      throw new Error(`${this.#options.path} became shorter while it was read`);
    }
    applyXor(bytes, at, this.#options.xorKey);
    return bytes;
  }
}

function startsWith(bytes: Uint8Array, at: number, magic: Uint8Array): boolean {
  for (let i = 0; i < magic.length; i++) if (bytes[at + i] !== magic[i]) return false;
  return true;
}
