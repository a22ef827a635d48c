import type { HeaderNode } from "./header-node.ts";

/**
 * Blocks that the chain could end with: all before them were received, and they have at least as much work as the
 * tip (Core's setBlockIndexCandidates). Kept sorted, the best last.
 */
export class BlockCandidates {
  #nodes: HeaderNode[] = [];
  /** Nodes before it were dropped; an array is cut rarely. */
  #start = 0;

  get size(): number {
    return this.#nodes.length - this.#start;
  }

  /** The one to try first. */
  get best(): HeaderNode | undefined {
    return this.size === 0 ? undefined : this.#nodes.at(-1);
  }

  add(node: HeaderNode): void {
    const at = this.#position(node);
    if (this.#nodes[at] === node) return;
    // Blocks come in the order of their work, as a rule.
    if (at === this.#nodes.length) this.#nodes.push(node);
    else this.#nodes.splice(at, 0, node);
  }

  /** Must come before a change of what the order depends on: the sequence number. */
  delete(node: HeaderNode): void {
    const at = this.#position(node);
    if (this.#nodes[at] === node) this.#nodes.splice(at, 1);
  }

  has(node: HeaderNode): boolean {
    return this.#nodes[this.#position(node)] === node;
  }

  /** Forgets those that are worse than the tip. */
  prune(tip: HeaderNode): void {
    this.#start = this.#position(tip);
    if (this.#start > 64 && this.#start * 2 > this.#nodes.length) {
      this.#nodes = this.#nodes.slice(this.#start);
      this.#start = 0;
    }
  }

  clear(): void {
    this.#nodes = [];
    this.#start = 0;
  }

  /** Index of the first that is not worse than `node`. */
  #position(node: HeaderNode): number {
    let low = this.#start;
    let high = this.#nodes.length;
    if (high > low && compareCandidates(this.#nodes[high - 1]!, node) < 0) return high;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compareCandidates(this.#nodes[middle]!, node) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/**
 * Positive when `a` is the better end of a chain: more work, else received earlier, else known earlier (Core's
 * CBlockIndexWorkComparator, which compares addresses last).
 */
export function compareCandidates(a: HeaderNode, b: HeaderNode): number {
  return a.compareWork(b) || b.sequenceId - a.sequenceId || b.index - a.index;
}
