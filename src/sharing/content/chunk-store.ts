import { join } from "node:path";
import { equalBytes, toHex } from "#base/lib/bytes.ts";
import { Mutex } from "#base/lib/mutex.ts";
import { secureRandom } from "#base/lib/random.ts";
import type { FileSystem, OpenFile } from "#base/store/file-system.ts";
import {
  CHUNK_BYTES,
  type ChunkList,
  chunkCount,
  chunksOf,
  contentIdOf,
  HASH_BYTES,
  leafOf,
} from "./chunk-list.ts";
import type { ContentId, ContentStore } from "./content.ts";

/** A whole content: its bytes, then the leaves, so that it is described without being read. */
interface Held {
  readonly length: number;
  readonly leaves: Uint8Array;
}

/** There is no room, even with everything gone that may go. The text is for the user. */
export class ContentStoreFull extends Error {
  override readonly name = "ContentStoreFull";
}

const WHOLE = /^[0-9a-f]{64}$/;
const PART = /\.part$/;
/** Bytes after the chunks: the length, so that a file says itself where its leaves begin. */
const TRAILER = 8;

/**
 * Contents on disk, one file each, in a folder of its own, bounded. What was not used for longest goes first; what is
 * pinned stays. A file bears its name only when it is whole and synced, so a cut or a kill leaves nothing false; what
 * the disk changed since is found when it is read, and dropped.
 */
export class ChunkStore implements ContentStore {
  readonly limitBytes: number;
  readonly #files: FileSystem;
  readonly #folder: string;
  /** In the order of last use. */
  readonly #held = new Map<ContentId, Held>();
  readonly #pins = new Map<ContentId, number>();
  #used = 0;
  /** Bytes of contents that are being written. */
  #reserved = 0;
  /**
   * Held by whoever gives a file its name, takes it away, or opens it: a content on its way out may be on its way in
   * again, or be asked for, at the same time.
   */
  readonly #naming = new Mutex();

  private constructor(files: FileSystem, folder: string, limitBytes: number) {
    this.#files = files;
    this.#folder = folder;
    this.limitBytes = limitBytes;
  }

  /** Opens the store in a folder, making it where it is missing; what was never finished is removed. */
  static async open(files: FileSystem, folder: string, limitBytes: number): Promise<ChunkStore> {
    await files.makeDirectory(folder);
    const store = new ChunkStore(files, folder, limitBytes);
    for (const name of await files.readDirectory(folder)) {
      if (PART.test(name)) await files.remove(join(folder, name));
      else if (WHOLE.test(name)) await store.#load(name);
    }
    return store;
  }

  get usedBytes(): number {
    return this.#used;
  }

  async add(
    bytes: Uint8Array | AsyncIterable<Uint8Array>,
  ): Promise<{ readonly id: ContentId; readonly length: number }> {
    const part = await this.begin();
    try {
      let index = 0;
      for await (const chunk of chunksOf(bytes)) await part.write(index++, chunk);
      const id = await part.finish(true);
      return { id, length: part.length };
    } catch (error) {
      await part.abandon();
      throw error;
    }
  }

  async has(id: ContentId): Promise<boolean> {
    return this.#held.has(id);
  }

  async read(id: ContentId, maxLength: number = this.limitBytes): Promise<Uint8Array> {
    const opened = await this.#open(id);
    if (opened === undefined) throw new Error(`content ${id} is not here`);
    const { length } = opened.held;
    if (length > maxLength) {
      await opened.file.close();
      throw new Error(`content ${id} is ${length} bytes long, more than ${maxLength}`);
    }
    const bytes = await this.#readChunks(id, opened, 0, chunkCount(length));
    if (bytes === undefined) throw new Error(`content ${id} was damaged on disk`);
    return bytes;
  }

  /** Length and leaves; undefined when it is not here. */
  describe(id: ContentId): ChunkList | undefined {
    return this.#held.get(id);
  }

  /** One chunk; undefined when there is none such here, or the disk lost it. */
  async chunk(id: ContentId, index: number): Promise<Uint8Array | undefined> {
    const length = this.#held.get(id)?.length ?? 0;
    if (index * CHUNK_BYTES >= length) return undefined;
    const opened = await this.#open(id);
    return opened === undefined ? undefined : await this.#readChunks(id, opened, index, index + 1);
  }

  async #open(id: ContentId): Promise<Opened | undefined> {
    return await this.#naming.run(async () => {
      const held = this.#use(id);
      if (held === undefined) return undefined;
      return { held, file: await this.#files.open(join(this.#folder, id), "read") };
    });
  }

  /** Chunks from `from` to before `to`, as they were written; where the disk changed them the content is dropped. */
  async #readChunks(
    id: ContentId,
    { held, file }: Opened,
    from: number,
    to: number,
  ): Promise<Uint8Array | undefined> {
    const start = from * CHUNK_BYTES;
    const bytes = new Uint8Array(Math.min(held.length, to * CHUNK_BYTES) - start);
    let read: number;
    try {
      read = await file.read(bytes, start);
    } finally {
      await file.close();
    }
    if (read === bytes.length && hashesTo(bytes, held.leaves.subarray(HASH_BYTES * from))) return bytes;
    await this.#naming.run(async () => {
      // It may have gone, and come back whole, in the meantime.
      if (this.#held.get(id) === held) await this.#remove(id, held);
    });
    return undefined;
  }

  pin(id: ContentId): void {
    this.#pins.set(id, (this.#pins.get(id) ?? 0) + 1);
  }

  unpin(id: ContentId): void {
    const left = (this.#pins.get(id) ?? 0) - 1;
    if (left > 0) this.#pins.set(id, left);
    else this.#pins.delete(id);
  }

  /** A content to be written chunk by chunk, in any order. */
  async begin(): Promise<PartialContent> {
    const name = `${toHex(secureRandom.fill(new Uint8Array(16)))}.part`;
    const path = join(this.#folder, name);
    const file = await this.#files.open(path, "create");
    return new PartialContent(file, {
      reserve: (bytes) => this.#reserve(bytes),
      release: (bytes) => {
        this.#reserved -= bytes;
      },
      keep: (id, held, options) => this.#keep(id, held, { ...options, path }),
      remove: () => this.#files.remove(path),
    });
  }

  async #load(id: ContentId): Promise<void> {
    const path = join(this.#folder, id);
    const file = await this.#files.open(path, "read");
    try {
      const size = await file.size();
      const trailer = new Uint8Array(TRAILER);
      await file.read(trailer, Math.max(0, size - TRAILER));
      const length = Number(new DataView(trailer.buffer).getBigUint64(0, true));
      const leaves = new Uint8Array(Math.max(0, size - TRAILER - length));
      await file.read(leaves, length);
      // A file that somebody else changed is none of ours.
      if (contentIdOf({ length, leaves }) !== id) return await this.#files.remove(path);
      this.#held.set(id, { length, leaves });
      this.#used += size;
    } finally {
      await file.close();
    }
  }

  #use(id: ContentId): Held | undefined {
    const held = this.#held.get(id);
    if (held === undefined) return undefined;
    this.#held.delete(id);
    this.#held.set(id, held);
    return held;
  }

  /** Makes room. @throws ContentStoreFull */
  async #reserve(bytes: number): Promise<void> {
    await this.#naming.run(async () => {
      for (const [id, held] of this.#held) {
        if (this.#fits(bytes)) break;
        if (!this.#pins.has(id)) await this.#remove(id, held);
      }
      if (!this.#fits(bytes)) {
        throw new ContentStoreFull(
          `the ${this.limitBytes} bytes for contents are in use: ${this.#used} by contents that jobs hold`,
        );
      }
      this.#reserved += bytes;
    });
  }

  #fits(bytes: number): boolean {
    return this.#used + this.#reserved + bytes <= this.limitBytes;
  }

  /** Takes a content away; while its file goes nobody sees it as held. */
  async #remove(id: ContentId, held: Held): Promise<void> {
    this.#held.delete(id);
    try {
      await this.#files.remove(join(this.#folder, id));
      this.#used -= sizeOf(held);
    } catch (error) {
      this.#held.set(id, held);
      throw error;
    }
  }

  /** Gives a written file its name; what was reserved for it is in use from then on. */
  async #keep(
    id: ContentId,
    held: Held,
    { path, reserved, isPinned }: KeepOptions & { readonly path: string },
  ): Promise<void> {
    await this.#naming.run(async () => {
      try {
        if (this.#held.has(id)) await this.#files.remove(path);
        else {
          await this.#files.rename(path, join(this.#folder, id));
          await this.#files.syncDirectory(this.#folder);
          this.#held.set(id, held);
          this.#used += sizeOf(held);
        }
        if (isPinned) this.pin(id);
      } finally {
        this.#reserved -= reserved;
      }
    });
  }
}

interface Opened {
  readonly held: Held;
  readonly file: OpenFile;
}

/** Whether each chunk in `bytes` has the next of `leaves`. */
function hashesTo(bytes: Uint8Array, leaves: Uint8Array): boolean {
  for (let i = 0; i * CHUNK_BYTES < bytes.length; i++) {
    const leaf = leafOf(bytes.subarray(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES));
    if (!equalBytes(leaf, leaves.subarray(HASH_BYTES * i, HASH_BYTES * (i + 1)))) return false;
  }
  return true;
}

function sizeOf({ length, leaves }: Held): number {
  return length + leaves.length + TRAILER;
}

interface KeepOptions {
  /** Bytes that were reserved for it. */
  readonly reserved: number;
  /** Whether it is pinned from the moment it is held. */
  readonly isPinned: boolean;
}

interface PartStore {
  reserve(bytes: number): Promise<void>;
  release(bytes: number): void;
  keep(id: ContentId, held: Held, options: KeepOptions): Promise<void>;
  remove(): Promise<void>;
}

/** A content on its way in. */
export class PartialContent {
  readonly #file: OpenFile;
  readonly #store: PartStore;
  readonly #leaves: (Uint8Array | undefined)[] = [];
  #reserved = 0;
  #length = 0;
  #ended = false;

  constructor(file: OpenFile, store: PartStore) {
    this.#file = file;
    this.#store = store;
  }

  get length(): number {
    return this.#length;
  }

  /** @throws ContentStoreFull */
  async write(index: number, chunk: Uint8Array): Promise<void> {
    await this.#reserve(chunk.length + HASH_BYTES);
    this.#leaves[index] = leafOf(chunk);
    await this.#file.write(chunk, index * CHUNK_BYTES);
    this.#length = Math.max(this.#length, index * CHUNK_BYTES + chunk.length);
  }

  async #reserve(bytes: number): Promise<void> {
    await this.#store.reserve(bytes);
    if (this.#ended) this.#store.release(bytes);
    else this.#reserved += bytes;
  }

  /** Makes it whole and durable, and pins it where asked to. @returns its id @throws ContentStoreFull */
  async finish(isPinned = false): Promise<ContentId> {
    const leaves = new Uint8Array(HASH_BYTES * this.#leaves.length);
    for (const [i, leaf] of this.#leaves.entries()) {
      if (leaf === undefined) throw new Error(`chunk ${i} is missing`);
      leaves.set(leaf, HASH_BYTES * i);
    }
    const trailer = new Uint8Array(TRAILER);
    new DataView(trailer.buffer).setBigUint64(0, BigInt(this.#length), true);
    await this.#reserve(TRAILER);
    await this.#file.write(leaves, this.#length);
    await this.#file.write(trailer, this.#length + leaves.length);
    await this.#file.sync();
    await this.#file.close();
    this.#ended = true;
    const held = { length: this.#length, leaves };
    const id = contentIdOf(held);
    await this.#store.keep(id, held, { reserved: this.#reserved, isPinned });
    return id;
  }

  /** Takes it away again. */
  async abandon(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.#store.release(this.#reserved);
    await this.#file.close();
    await this.#store.remove();
  }
}
