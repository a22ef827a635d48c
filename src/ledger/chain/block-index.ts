import { equalBytes, readI32, readU32, writeU32 } from "#base/lib/bytes.ts";
import { Slices } from "#base/lib/slices.ts";
import type { Disk } from "#base/store/disk.ts";
import type { BatchOperation, KeyValueStore } from "#base/store/key-value-store.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import { blockHash } from "#protocol/bitcoin/txid.ts";
import { checkProofOfWork } from "#protocol/consensus/pow.ts";
import type { BlockFileInfo } from "./block-files.ts";
import { ChainError } from "./chain-error.ts";
import { BlockStatus, type HeaderNode } from "./header-node.ts";
import type { HeaderTree } from "./header-tree.ts";

/** Version of the layout below, kept under the key `V`. */
const LAYOUT = 1;

/**
 * Keys: `b` height (u32, big-endian) hash → a block; `f` file number (u32, big-endian) → what the file holds; `R` →
 * a reindex is under way; `V` → layout. The height stands first so that loading meets parents before children and
 * needs no sorting.
 */
const BLOCK = 0x62;
const FILE = 0x66;
const REINDEXING: Uint8Array = Uint8Array.of(0x52);
const VERSION: Uint8Array = Uint8Array.of(0x56);

/** Status (u8), transactions, file, data and undo position (u32 each), header. */
const RECORD_LENGTH = 17 + 80;
const FILE_FIELDS = 7;

/** Operations of one batch; a longer one would hold up the event loop. */
const BATCH_OPERATIONS = 4000;

/** The header tree and the contents of the block files on disk: the database in `blocks/index`. */
export class BlockIndex {
  readonly #store: KeyValueStore;

  private constructor(store: KeyValueStore) {
    this.#store = store;
  }

  /** Opens the index in `path`, empty when `wipe` is set. @throws ChainError when it is of another layout. */
  static async open(
    options: { path: string; cacheBytes: number; wipe: boolean },
    dependencies: { disk: Disk },
  ): Promise<BlockIndex> {
    const { disk } = dependencies;
    if (options.wipe) await disk.destroyStore(options.path);
    const store = await disk.openStore(options.path, { cacheBytes: options.cacheBytes });
    const version = await store.get(VERSION);
    if (version === undefined) {
      await store.batch([{ type: "put", key: VERSION, value: Uint8Array.of(LAYOUT) }], { sync: true });
    } else if (version[0] !== LAYOUT) {
      await store.close();
      throw new ChainError(`the block index in ${options.path} was written by another version of Freehold`);
    }
    return new BlockIndex(store);
  }

  /** Puts all saved blocks in the empty tree. @throws ChainError when the index is damaged. */
  async load(headers: HeaderTree, network: Network): Promise<void> {
    const slices = new Slices();
    const range = { gte: Uint8Array.of(BLOCK), lt: Uint8Array.of(BLOCK + 1) };
    for await (const entries of this.#store.chunks(range)) {
      for (const [key, value] of entries) loadBlock(headers, network, key, value);
      if (slices.due) await slices.pause();
    }
    headers.recalculateBest();
    headers.markSaved();
  }

  /** What each pair of block files holds, by number. */
  async fileInfos(): Promise<BlockFileInfo[]> {
    const infos: BlockFileInfo[] = [];
    const range = { gte: Uint8Array.of(FILE), lt: Uint8Array.of(FILE + 1) };
    for await (const [key, value] of this.#store.iterate(range)) {
      if (numberOf(key) !== infos.length || value.length !== 4 * FILE_FIELDS) {
        throw new ChainError("the block index does not know all block files");
      }
      infos.push(decodeFileInfo(value));
    }
    return infos;
  }

  /** Whether a reindex was begun and did not end. */
  async isReindexing(): Promise<boolean> {
    return (await this.#store.get(REINDEXING)) !== undefined;
  }

  async setReindexing(reindexing: boolean): Promise<void> {
    const operation: BatchOperation = reindexing
      ? { type: "put", key: REINDEXING, value: Uint8Array.of(1) }
      : { type: "del", key: REINDEXING };
    await this.#store.batch([operation], { sync: true });
  }

  /**
   * Saves files and blocks, durably. The blocks' data must have been synced before. All is one step, unless there are
   * very many blocks. Then files go first: space that a file is said to use and no block claims is lost, but a block in
   * space that seems free would be overwritten.
   */
  async save(
    files: readonly (readonly [number: number, info: Readonly<BlockFileInfo>])[],
    nodes: readonly HeaderNode[],
  ): Promise<void> {
    let batch = this.#store.newBatch();
    for (const [number, info] of files) batch.put(fileKey(number), encodeFileInfo(info));
    for (const node of nodes) {
      if (batch.length >= BATCH_OPERATIONS) {
        await batch.write({ sync: true });
        batch = this.#store.newBatch();
      }
      batch.put(blockKey(node), encodeBlock(node));
    }
    await batch.write({ sync: true });
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}

function loadBlock(headers: HeaderTree, network: Network, key: Uint8Array, value: Uint8Array): void {
  if (key.length !== 37 || value.length !== RECORD_LENGTH) throw damaged("a record has the wrong length");
  const header = value.subarray(17);
  const hash = blockHash(header);
  const height = numberOf(key);
  if (headers.size === 0 && !equalBytes(hash, blockHash(network.genesis))) {
    throw new ChainError("Incorrect or no genesis block found. Wrong datadir for network?");
  }
  const prev = height === 0 ? null : headers.lookup(header.subarray(4, 36));
  if (prev === undefined) throw damaged("a block's parent is missing");
  if (!checkProofOfWork(hash, readU32(header, 72), network.consensus)) throw damaged("proof of work failed");
  const node = headers.add(hash, header, 0, prev);
  if (node.height !== height) throw damaged("a block stands at the wrong height");
  const status = value[0]!;
  if ((status & BlockStatus.HAVE_DATA) !== 0) {
    headers.setDataPosition(node, readI32(value, 5), readU32(value, 9));
  }
  if ((status & BlockStatus.HAVE_UNDO) !== 0) headers.setUndoPosition(node, readU32(value, 13));
  headers.restoreStatus(node, status, readU32(value, 1));
}

function damaged(what: string): ChainError {
  return new ChainError(`Error loading block database: ${what}`);
}

function blockKey(node: HeaderNode): Uint8Array {
  const key = numberKey(BLOCK, node.height, 37);
  key.set(node.hash, 5);
  return key;
}

function fileKey(number: number): Uint8Array {
  return numberKey(FILE, number, 5);
}

function numberKey(kind: number, number: number, length: number): Uint8Array {
  const key = new Uint8Array(length);
  key[0] = kind;
  key[1] = number >>> 24;
  key[2] = number >>> 16;
  key[3] = number >>> 8;
  key[4] = number;
  return key;
}

function numberOf(key: Uint8Array): number {
  return ((key[1]! << 24) | (key[2]! << 16) | (key[3]! << 8) | key[4]!) >>> 0;
}

function encodeBlock(node: HeaderNode): Uint8Array {
  const record = new Uint8Array(RECORD_LENGTH);
  record[0] = node.status;
  writeU32(record, 1, node.txCount);
  writeU32(record, 5, node.file);
  writeU32(record, 9, node.dataPos);
  writeU32(record, 13, node.undoPos);
  record.set(node.header(), 17);
  return record;
}

function encodeFileInfo(info: Readonly<BlockFileInfo>): Uint8Array {
  const record = new Uint8Array(4 * FILE_FIELDS);
  writeU32(record, 0, info.blocks);
  writeU32(record, 4, info.size);
  writeU32(record, 8, info.undoSize);
  writeU32(record, 12, info.heightFirst);
  writeU32(record, 16, info.heightLast);
  writeU32(record, 20, info.timeFirst);
  writeU32(record, 24, info.timeLast);
  return record;
}

function decodeFileInfo(record: Uint8Array): BlockFileInfo {
  return {
    blocks: readU32(record, 0),
    size: readU32(record, 4),
    undoSize: readU32(record, 8),
    heightFirst: readU32(record, 12),
    heightLast: readU32(record, 16),
    timeFirst: readU32(record, 20),
    timeLast: readU32(record, 24),
  };
}
