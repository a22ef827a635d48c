import { readU32 } from "#base/lib/bytes.ts";
import { blockWork } from "#protocol/consensus/pow.ts";
import { BlockStatus, HeaderNode, HeaderRows, ROWS } from "./header-node.ts";

/**
 * All headers we know, as a tree from genesis (Core's block index in memory). Headers are never removed. Found by
 * hash through an open-addressing table of node numbers; no string keys, no object per hash.
 */
export class HeaderTree {
  readonly #rows: HeaderRows[] = [];
  readonly #nodes: HeaderNode[] = [];
  /** Node number + 1 by slot, 0 empty. The size is a power of two, at most half full. */
  #slots = new Int32Array(1024);
  /** Nodes whose saved form is out of date. */
  readonly #unsaved = new Set<HeaderNode>();
  #best: HeaderNode | undefined;

  /** Headers in the tree. */
  get size(): number {
    return this.#nodes.length;
  }

  /** Genesis. */
  get root(): HeaderNode {
    return this.#nodes[0]!;
  }

  /** The header of most work that is not known to be invalid (Core's m_best_header). */
  get best(): HeaderNode {
    return this.#best ?? this.root;
  }

  /** The header with this hash, in hashed order. */
  lookup(hash: Uint8Array): HeaderNode | undefined {
    const mask = this.#slots.length - 1;
    for (let slot = slotOf(hash, mask); ; slot = (slot + 1) & mask) {
      const number = this.#slots[slot]!;
      if (number === 0) return undefined;
      const node = this.#nodes[number - 1]!;
      if (node.hasHash(hash)) return node;
    }
  }

  /** All headers, parents before their children. */
  nodes(): Iterable<HeaderNode> {
    return this.#nodes;
  }

  /** The header with this {@link HeaderNode.index}. */
  node(index: number): HeaderNode | undefined {
    return this.#nodes[index];
  }

  /**
   * Adds the header that stands in `bytes` at `at`. Its hash must be new, and `prev` in the tree (`null` for
   * genesis, the first). Checks nothing else.
   */
  add(hash: Uint8Array, bytes: Uint8Array, at: number, prev: HeaderNode | null): HeaderNode {
    const index = this.#nodes.length;
    if (index % ROWS === 0) this.#rows.push(new HeaderRows());
    const node = new HeaderNode(this.#rows.at(-1)!, index, prev);
    const bits = readU32(bytes, at + 72);
    node.setHeader(hash, bytes, at, (prev?.chainWork ?? 0n) + blockWork(bits));
    this.#nodes.push(node);
    if (this.#nodes.length * 2 > this.#slots.length) this.#grow();
    else insert(this.#slots, hash, index + 1);
    this.#unsaved.add(node);
    if (this.#best === undefined || node.compareWork(this.#best) > 0) this.#best = node;
    return node;
  }

  /** Sets bits of {@link BlockStatus}. */
  addStatus(node: HeaderNode, bits: number): void {
    this.#setStatus(node, node.status | bits);
  }

  removeStatus(node: HeaderNode, bits: number): void {
    this.#setStatus(node, node.status & ~bits);
  }

  /** Raises how far the block is known to be valid; false where it was, or it has failed. */
  raiseValidity(node: HeaderNode, level: number): boolean {
    if (node.failed || (node.status & BlockStatus.VALID_MASK) >= level) return false;
    this.#setStatus(node, (node.status & ~BlockStatus.VALID_MASK) | level);
    return true;
  }

  #setStatus(node: HeaderNode, status: number): void {
    if (node.status === status) return;
    node.setStatus(status);
    this.#unsaved.add(node);
  }

  /** For loading: what was saved of a block. */
  restoreStatus(node: HeaderNode, status: number, txCount: number): void {
    node.setStatus(status);
    node.setTxCounts(txCount, 0);
  }

  setTxCount(node: HeaderNode, txCount: number): void {
    node.setTxCounts(txCount, node.chainTxCount);
    this.#unsaved.add(node);
  }

  /** Not saved: it follows from the counts of the blocks. */
  setChainTxCount(node: HeaderNode, chainTxCount: number): void {
    node.setTxCounts(node.txCount, chainTxCount);
  }

  setDataPosition(node: HeaderNode, file: number, position: number): void {
    node.setDataPosition(file, position);
    this.addStatus(node, BlockStatus.HAVE_DATA);
    this.#unsaved.add(node);
  }

  setUndoPosition(node: HeaderNode, position: number): void {
    node.setUndoPosition(position);
    this.addStatus(node, BlockStatus.HAVE_UNDO);
    this.#unsaved.add(node);
  }

  setSequenceId(node: HeaderNode, id: number): void {
    node.setSequenceId(id);
  }

  /** Names the best header anew, after blocks were found invalid or valid again (Core's RecalculateBestHeader). */
  recalculateBest(): void {
    let best = this.root;
    for (const node of this.#nodes) {
      if (!node.failed && node.compareWork(best) > 0) best = node;
    }
    this.#best = best;
  }

  /** Hands out the nodes that were changed since the last call. */
  takeUnsaved(): HeaderNode[] {
    const nodes = [...this.#unsaved];
    this.#unsaved.clear();
    return nodes;
  }

  /** After loading: what is in the tree is what was saved. */
  markSaved(): void {
    this.#unsaved.clear();
  }

  #grow(): void {
    const slots = new Int32Array(this.#slots.length * 2);
    for (const node of this.#nodes) insert(slots, node.hash, node.index + 1);
    this.#slots = slots;
  }
}

/** The low bytes of a block hash are as good as random; proof of work only shapes the high ones. */
function slotOf(hash: Uint8Array, mask: number): number {
  return Math.imul(readU32(hash, 0) ^ readU32(hash, 8), 0x9e37_79b1) & mask;
}

function insert(slots: Int32Array, hash: Uint8Array, number: number): void {
  const mask = slots.length - 1;
  let slot = slotOf(hash, mask);
  while (slots[slot] !== 0) slot = (slot + 1) & mask;
  slots[slot] = number;
}
