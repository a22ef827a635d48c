import { basename, dirname, join } from "node:path";
import { toHex, toHexReversed } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import type { FileSystem } from "#base/store/file-system.ts";
import { HEADER_LENGTH } from "#protocol/bitcoin/block-table.ts";
import { blockHash } from "#protocol/bitcoin/txid.ts";
import { rejectionText } from "#protocol/consensus/rejection.ts";
import { type AcceptedBlock, acceptBlock } from "./accept-block.ts";
import {
  type BlockScanner,
  type FilePosition,
  readXorKey,
  type ScannedBlock,
  scanBlockFile,
} from "./block-files.ts";
import { ChainError } from "./chain-error.ts";
import { MIB } from "./chain-options.ts";
import type { ChainParts } from "./chain-parts.ts";
import { type PreparedBlock, prepareBlock } from "./prepare-block.ts";

/** What an import needs of the chain around it. */
export interface ImportTarget {
  readonly parts: ChainParts;
  readonly files: FileSystem;
  /** Runs an action under the chain-state lock. */
  locked<T>(action: () => Promise<T>): Promise<T>;
  /** Activates the best chain; takes the lock itself. */
  activate(): Promise<void>;
  /** Whether the import is to end early. */
  stopped(): boolean;
}

/** Bytes of blocks that are stored before they are connected: enough to fetch ahead, and still in memory. */
const BATCH_BYTES = 8 * MIB;

/** A block that waits for its parent: where to read it again. */
type Reader = () => Promise<Uint8Array>;

/** Takes in blocks from blk files in any order, as Core's LoadExternalBlockFile. */
export class BlockImport {
  readonly #target: ImportTarget;
  /** Blocks whose parent was not known when they were met, by the parent's hash. */
  readonly #orphans = new Map<string, { read: Reader; position: FilePosition | undefined }[]>();
  #unconnected = 0;
  /** Blocks taken in. */
  loaded = 0;

  constructor(target: ImportTarget) {
    this.#target = target;
  }

  /**
   * All blocks of one of our own files, which stay where they are.
   * @param path of the file. It is synced first: a program that was killed may not have done so, and the index is
   * to rely on it.
   */
  async importOwn(scanner: BlockScanner, path: string): Promise<void> {
    const { files, parts } = this.#target;
    if ((await files.stat(path)) === undefined) return;
    const file = await files.open(path, "write");
    await file.sync();
    await file.close();
    await files.syncDirectory(dirname(path));
    await this.#scan(scanner, (found) => ({
      position: found.position,
      read: () => parts.files.readBlock(found.position),
    }));
  }

  /** All blocks of a file outside. */
  async importFile(path: string): Promise<void> {
    const { files, parts } = this.#target;
    const { magic } = parts.network;
    const xorKey = await this.#keyOf(path);
    const scanner = scanBlockFile({ path, magic, xorKey }, { files });
    await this.#scan(scanner, ({ position, bytes }) => ({
      position: undefined,
      read: () => readAt(files, path, position.offset, bytes.length, xorKey),
    }));
  }

  /** The key of the file's folder, where the file is written with it: one taken out of its folder may be plain. */
  async #keyOf(path: string): Promise<Uint8Array> {
    const { files, parts } = this.#target;
    const key = await readXorKey(files, dirname(path));
    const { magic } = parts.network;
    const start = await readAt(files, path, 0, magic.length, new Uint8Array(key.length));
    return toHex(start) === toHex(magic) ? new Uint8Array(key.length) : key;
  }

  async #scan(
    scanner: BlockScanner,
    locate: (found: ScannedBlock) => { read: Reader; position: FilePosition | undefined },
  ): Promise<void> {
    try {
      for (let found = await scanner.next(); found !== undefined; found = await scanner.next()) {
        if (this.#target.stopped()) return;
        const { read, position } = locate(found);
        if (!(await this.#take(found.bytes, position, read))) scanner.reject(found);
      }
    } finally {
      await scanner.close();
    }
    await this.#activate();
  }

  /** False when it is no block. */
  async #take(bytes: Uint8Array, position: FilePosition | undefined, read: Reader): Promise<boolean> {
    if (bytes.length < HEADER_LENGTH) return false;
    const { headers } = this.#target.parts;
    const hash = blockHash(bytes);
    const known = headers.lookup(hash);
    if (known?.hasData === true) return true;
    const prevHash = bytes.subarray(4, 36);
    if (known === undefined && headers.lookup(prevHash) === undefined) {
      const key = toHex(prevHash);
      const waiting = this.#orphans.get(key);
      if (waiting === undefined) this.#orphans.set(key, [{ read, position }]);
      else waiting.push({ read, position });
      return true;
    }
    if (!(await this.#accept(bytes, position))) return false;
    await this.#takeOrphans(hash);
    return true;
  }

  /** The blocks that waited for this one, and those that waited for them. */
  async #takeOrphans(hash: Uint8Array): Promise<void> {
    const parents = [hash];
    for (let parent = parents.pop(); parent !== undefined; parent = parents.pop()) {
      const key = toHex(parent);
      const waiting = this.#orphans.get(key) ?? [];
      this.#orphans.delete(key);
      for (const { read, position } of waiting) {
        const bytes = await read();
        await this.#accept(bytes, position);
        parents.push(blockHash(bytes));
      }
    }
  }

  /** False when it does not parse. A block that breaks a rule is passed over. */
  async #accept(bytes: Uint8Array, position: FilePosition | undefined): Promise<boolean> {
    const { parts } = this.#target;
    const prepared = await prepareBlock(bytes, parts.network).catch((error: unknown) => {
      if (error instanceof DecodeError) return undefined;
      throw error;
    });
    if (prepared === undefined) return false;
    const { isNew, rejection } = await this.#store(prepared, position);
    if (rejection !== undefined) {
      parts.log.warn(`${toHexReversed(blockHash(bytes))} was not imported: ${rejectionText(rejection)}`);
    }
    if (isNew) await this.#count(bytes.length);
    return true;
  }

  async #store(prepared: PreparedBlock, position: FilePosition | undefined): Promise<AcceptedBlock> {
    if (prepared.bad !== undefined) return { isNew: false, rejection: prepared.bad };
    const options = { requested: true, minPowChecked: true, ...(position && { position }) };
    return this.#target.locked(() => acceptBlock(this.#target.parts, prepared, options));
  }

  async #count(bytes: number): Promise<void> {
    this.loaded++;
    this.#unconnected += bytes;
    if (this.#unconnected >= BATCH_BYTES) await this.#activate();
  }

  async #activate(): Promise<void> {
    this.#unconnected = 0;
    await this.#target.activate();
  }
}

async function readAt(
  files: FileSystem,
  path: string,
  offset: number,
  length: number,
  xorKey: Uint8Array,
): Promise<Uint8Array> {
  const file = await files.open(path, "read");
  try {
    const bytes = new Uint8Array(length);
    const read = await file.read(bytes, offset);
    for (let i = 0; i < read; i++) bytes[i]! ^= xorKey[(offset + i) % xorKey.length]!;
    return bytes.subarray(0, read);
  } finally {
    await file.close();
  }
}

/** The blk files that a path names: the file itself, or all of a folder in their order. */
export async function blockFilesAt(files: FileSystem, path: string): Promise<string[]> {
  const stat = await files.stat(path);
  if (stat === undefined) throw new ChainError(`Could not open blocks file ${path}`);
  if (!stat.isDirectory) return [path];
  const names = (await files.readDirectory(path)).filter((name) => /^blk\d{5,}\.dat$/.test(basename(name)));
  names.sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
  return names.map((name) => join(path, name));
}
