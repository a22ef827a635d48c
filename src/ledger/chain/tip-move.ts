import type { BlockUpdate, HashedBlock } from "./chain-update.ts";
import type { HeaderNode } from "./header-node.ts";

/** Bytes of blocks that one move keeps in memory; beyond them a listener has them read again. */
const MAX_HELD_BYTES = 64 * 1024 * 1024;

/**
 * Adds up how the tip moved, until it is told: a block that left and came back was never gone, so that a reorg that
 * fails in the middle tells nothing.
 */
export class TipMove {
  readonly disconnected: BlockUpdate[] = [];
  readonly connected: BlockUpdate[] = [];
  readonly #read: (node: HeaderNode) => Promise<HashedBlock>;
  #heldBytes = 0;

  /** @param read gives a block that was let go. */
  constructor(read: (node: HeaderNode) => Promise<HashedBlock>) {
    this.#read = read;
  }

  get isEmpty(): boolean {
    return this.disconnected.length === 0 && this.connected.length === 0;
  }

  connect(node: HeaderNode, hashed: HashedBlock): void {
    if (this.connected.length === 0 && this.disconnected.at(-1)?.node === node) this.disconnected.pop();
    else this.connected.push(this.#update(node, hashed));
  }

  disconnect(node: HeaderNode, hashed: HashedBlock): void {
    if (this.connected.length > 0) this.connected.pop();
    else this.disconnected.push(this.#update(node, hashed));
  }

  #update(node: HeaderNode, hashed: HashedBlock): BlockUpdate {
    this.#heldBytes += hashed.block.bytes.length;
    const read = this.#read;
    if (this.#heldBytes > MAX_HELD_BYTES) return { node, load: () => read(node) };
    return { node, load: () => Promise.resolve(hashed) };
  }
}
