import { readU32, writeU32 } from "#base/lib/bytes.ts";
import type { BlockHash } from "#protocol/bitcoin/hashes.ts";
import { type HeaderContext, medianTimePastOf } from "#protocol/consensus/header-context.ts";

/** What is known of a block, as bits of {@link HeaderNode.status} (Core's BlockStatus in chain.h). */
export const BlockStatus = {
  /** The header is well-formed and its parents are known. */
  VALID_TREE: 2,
  /** Its transactions are there and were checked by themselves; `txCount` is set. */
  VALID_TRANSACTIONS: 3,
  /** Spends, amounts and scripts checked as far as Core's ConnectBlock; all parents are at least as valid. */
  VALID_CHAIN: 4,
  VALID_SCRIPTS: 5,
  VALID_MASK: 7,
  /** The block is in a blk file. */
  HAVE_DATA: 8,
  /** Its undo data is in a rev file. */
  HAVE_UNDO: 16,
  /** The block, or one before it, is invalid. */
  FAILED_VALID: 32,
  /** Its data was received with witnesses. */
  OPT_WITNESS: 128,
} as const;

/** {@link HeaderNode.sequenceId} of the best chain that was loaded from disk. */
export const SEQUENCE_BEST_CHAIN_FROM_DISK = 0;
/** {@link HeaderNode.sequenceId} of everything else that was loaded from disk, or not received yet. */
export const SEQUENCE_FROM_DISK = 1;

/** Headers in one {@link HeaderRows}. */
export const ROWS = 4096;

/** 32-bit words of chain work. */
const WORK_WORDS = 4;

/** Columns of {@link ROWS} headers: about 150 bytes a header, where an object with these fields takes 400. */
export class HeaderRows {
  readonly hash: Uint8Array = new Uint8Array(32 * ROWS);
  readonly merkleRoot: Uint8Array = new Uint8Array(32 * ROWS);
  readonly height: Int32Array = new Int32Array(ROWS);
  readonly version: Int32Array = new Int32Array(ROWS);
  readonly time: Uint32Array = new Uint32Array(ROWS);
  readonly timeMax: Uint32Array = new Uint32Array(ROWS);
  readonly bits: Uint32Array = new Uint32Array(ROWS);
  readonly nonce: Uint32Array = new Uint32Array(ROWS);
  readonly status: Uint8Array = new Uint8Array(ROWS);
  readonly txCount: Uint32Array = new Uint32Array(ROWS);
  readonly chainTxCount: Float64Array = new Float64Array(ROWS);
  readonly file: Int32Array = new Int32Array(ROWS);
  readonly dataPos: Uint32Array = new Uint32Array(ROWS);
  readonly undoPos: Uint32Array = new Uint32Array(ROWS);
  readonly sequenceId: Int32Array = new Int32Array(ROWS);
  /** Low word first. Work under 2^128 is all that 10^20 hashes a second could do in 10^10 years. */
  readonly work: Uint32Array = new Uint32Array(WORK_WORDS * ROWS);
}

/**
 * One header in the tree of all known headers (Core's CBlockIndex). There is one node for each header, so nodes
 * are compared with `===`. The fields live in columns; only the links are the node's own.
 */
export class HeaderNode implements HeaderContext {
  readonly prev: HeaderNode | null;
  /** An ancestor further back: following it makes {@link ancestor} logarithmic. */
  readonly skip: HeaderNode | null;
  /** Position in the order in which headers became known; genesis is 0. */
  readonly index: number;
  readonly #rows: HeaderRows;
  readonly #row: number;

  constructor(rows: HeaderRows, index: number, prev: HeaderNode | null) {
    this.#rows = rows;
    this.#row = index % ROWS;
    this.index = index;
    this.prev = prev;
    const height = prev === null ? 0 : prev.height + 1;
    this.skip = prev === null ? null : prev.ancestor(skipHeight(height));
    rows.height[this.#row] = height;
  }

  /** A view of the block hash; not to be changed. */
  get hash(): BlockHash {
    return this.#rows.hash.subarray(32 * this.#row, 32 * this.#row + 32) as BlockHash;
  }

  /** Whether this is the block of that hash; makes no view. */
  hasHash(hash: Uint8Array): boolean {
    const own = this.#rows.hash;
    const start = 32 * this.#row;
    for (let i = 0; i < 32; i++) if (own[start + i] !== hash[i]) return false;
    return true;
  }

  /** A view; not to be changed. */
  get merkleRoot(): Uint8Array {
    return this.#rows.merkleRoot.subarray(32 * this.#row, 32 * this.#row + 32);
  }

  get height(): number {
    return this.#rows.height[this.#row]!;
  }

  /** Signed. */
  get version(): number {
    return this.#rows.version[this.#row]!;
  }

  /** Seconds since 1970, from the header. */
  get time(): number {
    return this.#rows.time[this.#row]!;
  }

  /** The latest {@link time} of this header and all before it. */
  get timeMax(): number {
    return this.#rows.timeMax[this.#row]!;
  }

  get bits(): number {
    return this.#rows.bits[this.#row]!;
  }

  get nonce(): number {
    return this.#rows.nonce[this.#row]!;
  }

  /** Expected hashes that went into the chain up to here. */
  get chainWork(): bigint {
    const { work } = this.#rows;
    let value = 0n;
    for (let i = WORK_WORDS - 1; i >= 0; i--) {
      value = (value << 32n) | BigInt(work[WORK_WORDS * this.#row + i]!);
    }
    return value;
  }

  /** Bits of {@link BlockStatus}. Change it through {@link HeaderTree}, which remembers what is unsaved. */
  get status(): number {
    return this.#rows.status[this.#row]!;
  }

  /** Transactions in the block; 0 until it was received. */
  get txCount(): number {
    return this.#rows.txCount[this.#row]!;
  }

  /** Transactions in the chain up to here; 0 until this block and all before it were received. */
  get chainTxCount(): number {
    return this.#rows.chainTxCount[this.#row]!;
  }

  /** Number of the blk and rev file. */
  get file(): number {
    return this.#rows.file[this.#row]!;
  }

  /** Where the block starts in its blk file, after the frame. */
  get dataPos(): number {
    return this.#rows.dataPos[this.#row]!;
  }

  /** Where the undo data starts in its rev file, after the frame. */
  get undoPos(): number {
    return this.#rows.undoPos[this.#row]!;
  }

  /** Among blocks of equal work the lowest wins: the order in which whole blocks arrived. */
  get sequenceId(): number {
    return this.#rows.sequenceId[this.#row]!;
  }

  /** For the header tree alone: sets what a header carries. */
  setHeader(hash: Uint8Array, header: Uint8Array, at: number, work: bigint): void {
    const rows = this.#rows;
    const row = this.#row;
    rows.hash.set(hash, 32 * row);
    rows.version[row] = readU32(header, at);
    rows.merkleRoot.set(header.subarray(at + 36, at + 68), 32 * row);
    rows.time[row] = readU32(header, at + 68);
    rows.bits[row] = readU32(header, at + 72);
    rows.nonce[row] = readU32(header, at + 76);
    rows.timeMax[row] = Math.max(this.time, this.prev?.timeMax ?? 0);
    if (work >> 128n !== 0n) throw new Error("chain work beyond 2^128");
    for (let i = 0; i < WORK_WORDS; i++) {
      rows.work[WORK_WORDS * row + i] = Number((work >> BigInt(32 * i)) & 0xffff_ffffn);
    }
    rows.status[row] = BlockStatus.VALID_TREE;
    rows.sequenceId[row] = SEQUENCE_FROM_DISK;
  }

  /** For the header tree alone. */
  setStatus(status: number): void {
    this.#rows.status[this.#row] = status;
  }

  /** For the header tree alone. */
  setTxCounts(txCount: number, chainTxCount: number): void {
    this.#rows.txCount[this.#row] = txCount;
    this.#rows.chainTxCount[this.#row] = chainTxCount;
  }

  /** For the header tree alone. */
  setDataPosition(file: number, dataPos: number): void {
    this.#rows.file[this.#row] = file;
    this.#rows.dataPos[this.#row] = dataPos;
  }

  /** For the header tree alone. */
  setUndoPosition(undoPos: number): void {
    this.#rows.undoPos[this.#row] = undoPos;
  }

  /** For the header tree alone. */
  setSequenceId(id: number): void {
    this.#rows.sequenceId[this.#row] = id;
  }

  get hasData(): boolean {
    return (this.status & BlockStatus.HAVE_DATA) !== 0;
  }

  get hasUndo(): boolean {
    return (this.status & BlockStatus.HAVE_UNDO) !== 0;
  }

  /** Whether it, or a block before it, is known to be invalid. */
  get failed(): boolean {
    return (this.status & BlockStatus.FAILED_VALID) !== 0;
  }

  /** Whether it was found valid up to `level`, a VALID_… of {@link BlockStatus} (Core's CBlockIndex::IsValid). */
  isValid(level: number = BlockStatus.VALID_TRANSACTIONS): boolean {
    return !this.failed && (this.status & BlockStatus.VALID_MASK) >= level;
  }

  /** This block's work against another's: negative, zero or positive. */
  compareWork(other: HeaderNode): number {
    const at = WORK_WORDS * this.#row;
    const otherAt = WORK_WORDS * other.#row;
    for (let i = WORK_WORDS - 1; i >= 0; i--) {
      const difference = this.#rows.work[at + i]! - other.#rows.work[otherAt + i]!;
      if (difference !== 0) return difference;
    }
    return 0;
  }

  /** The block at `height` on the way from genesis to here; `null` when there is none. */
  ancestor(height: number): HeaderNode | null {
    if (height > this.height || height < 0) return null;
    let node: HeaderNode = this;
    let at = this.height;
    while (at > height) {
      const skipTo = skipHeight(at);
      const skipBefore = skipHeight(at - 1);
      // Follow the skip link unless the one of the block before leads closer (Core's GetAncestor).
      const useSkip =
        node.skip !== null &&
        (skipTo === height || (skipTo > height && !(skipBefore < skipTo - 2 && skipBefore >= height)));
      node = useSkip ? node.skip! : node.prev!;
      at = useSkip ? skipTo : at - 1;
    }
    return node;
  }

  /** Median of the times of this block and the ten before it, in seconds (BIP113). */
  medianTimePast(): number {
    return medianTimePastOf(this);
  }

  /** The 80 bytes of the header. */
  header(): Uint8Array {
    const header = new Uint8Array(80);
    writeU32(header, 0, this.version);
    if (this.prev !== null) header.set(this.prev.hash, 4);
    header.set(this.merkleRoot, 36);
    writeU32(header, 68, this.time);
    writeU32(header, 72, this.bits);
    writeU32(header, 76, this.nonce);
    return header;
  }
}

/** Clears the lowest bit that is set. */
function clearLowestOne(n: number): number {
  return n & (n - 1);
}

/** Height that a block's skip link leads to (Core's GetSkipHeight). */
function skipHeight(height: number): number {
  if (height < 2) return 0;
  return (height & 1) !== 0 ? clearLowestOne(clearLowestOne(height - 1)) + 1 : clearLowestOne(height);
}

/** The last block that two chains share. Both must descend from one genesis. */
export function lastCommonAncestor(a: HeaderNode, b: HeaderNode): HeaderNode {
  const height = Math.min(a.height, b.height);
  let left = a.ancestor(height)!;
  let right = b.ancestor(height)!;
  while (left !== right) {
    // Where the skip links differ the fork is further back than both (Core's LastCommonAncestor).
    const leap = left.skip !== null && left.skip !== right.skip;
    left = leap ? left.skip! : left.prev!;
    right = leap ? right.skip! : right.prev!;
  }
  return left;
}
