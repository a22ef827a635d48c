import type { HeaderNode } from "./header-node.ts";

/** The chain from genesis to one tip, by height (Core's CChain). */
export class ActiveChain {
  readonly #nodes: HeaderNode[] = [];

  /** The last block; `undefined` while there is none. */
  get tip(): HeaderNode | undefined {
    return this.#nodes.at(-1);
  }

  /** Height of the tip, −1 while there is none. */
  get height(): number {
    return this.#nodes.length - 1;
  }

  at(height: number): HeaderNode | undefined {
    return this.#nodes[height];
  }

  contains(node: HeaderNode): boolean {
    return this.#nodes[node.height] === node;
  }

  /** The block after `node`, when both are in the chain. */
  next(node: HeaderNode): HeaderNode | undefined {
    return this.contains(node) ? this.#nodes[node.height + 1] : undefined;
  }

  /** Makes the chain end with `tip`; costs as many steps as blocks change. */
  setTip(tip: HeaderNode): void {
    const nodes = this.#nodes;
    if (nodes.length > tip.height + 1) nodes.length = tip.height + 1;
    // Nothing above the height of a tip that grows: fill downwards from it.
    const joining: HeaderNode[] = [];
    let node: HeaderNode | null = tip;
    while (node !== null && nodes[node.height] !== node) {
      joining.push(node);
      node = node.prev;
    }
    nodes.length = (node?.height ?? -1) + 1;
    for (let i = joining.length - 1; i >= 0; i--) nodes.push(joining[i]!);
  }

  /** The last block of the chain that `node` descends from, or is; `undefined` while the chain is empty. */
  fork(node: HeaderNode): HeaderNode | undefined {
    let at: HeaderNode | null = node.height > this.height ? node.ancestor(this.height) : node;
    while (at !== null && !this.contains(at)) at = at.prev;
    return at ?? undefined;
  }
}
