import type { HashedBlock } from "./chain-update.ts";
import type { HeaderNode } from "./header-node.ts";

/**
 * Parsed blocks that were stored or connected lately: so that a block is connected, announced and served without
 * being read, parsed and hashed again. The oldest go first.
 */
export class RecentBlocks {
  readonly #blocks = new Map<HeaderNode, HashedBlock>();
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get(node: HeaderNode): HashedBlock | undefined {
    return this.#blocks.get(node);
  }

  add(node: HeaderNode, hashed: HashedBlock): void {
    this.delete(node);
    this.#blocks.set(node, hashed);
    this.#bytes += hashed.block.bytes.length;
    for (const oldest of this.#blocks.keys()) {
      if (this.#bytes <= this.#maxBytes) break;
      this.delete(oldest);
    }
  }

  delete(node: HeaderNode): void {
    const hashed = this.#blocks.get(node);
    if (hashed === undefined) return;
    this.#blocks.delete(node);
    this.#bytes -= hashed.block.bytes.length;
  }
}
