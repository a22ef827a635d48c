/**
 * What money needs of a chain, and no more. Asynchronous and serialisable, so that it holds across processes; one
 * suite runs over every implementation (own node, later light and bitcoind), directly and across the link.
 */
import type { Signal } from "#base/lib/events.ts";

/** A block's place. Hash as people read it (reversed hex). */
export interface BlockPlace {
  readonly height: number;
  readonly hash: string;
  /** Seconds since 1970, the header's. */
  readonly time: number;
}

/** A transaction of ours as the chain holds it. */
export interface ChainTx {
  readonly raw: Uint8Array;
  /** Reversed hex. */
  readonly txid: string;
  /** Undefined while it is in the mempool. */
  readonly block?: BlockPlace;
  /** Position within the block. */
  readonly position?: number;
  /** Values of the outputs it spends, satoshi, where known; for fees of what others paid us. */
  readonly fee?: number;
}

/** What happened since the wallet looked last, in order. A reorg is one update: nobody sees a tip in between. */
export interface ChainChange {
  readonly disconnected: readonly BlockPlace[];
  readonly connected: readonly { readonly block: BlockPlace; readonly txs: readonly ChainTx[] }[];
  readonly mempoolAdded: readonly ChainTx[];
  /** Txids that left the mempool other than into a block of this change; reversed hex. */
  readonly mempoolRemoved: readonly string[];
  readonly tip: BlockPlace;
}

export interface ChainSource {
  /** Set where the node keeps no chain: what a wallet knows of one stays as it is. */
  readonly isAbsent?: true;
  tip(): Promise<BlockPlace>;
  /** The block of the best chain at a height. */
  blockAt(height: number): Promise<BlockPlace | undefined>;
  /**
   * Follows output scripts: every later change carries the transactions that pay to them or spend from them. Adding is
   * idempotent. The set belongs to the follower's name, not to one connection.
   */
  watch(follower: string, scripts: readonly Uint8Array[]): Promise<void>;
  /** Ends a follower: nothing more is told to it, and its scripts are let go. */
  forget?(follower: string): Promise<void>;
  /**
   * Transactions touching the follower's scripts in blocks `from` … tip, block by block, then the mempool's: for
   * restoring and for catching up after a restart. Yields between blocks.
   */
  scan(follower: string, from: number): AsyncIterable<ChainChange>;
  /** Changes touching the follower's scripts, and every new tip. */
  readonly changed: Signal<{ readonly follower: string; readonly change: ChainChange }>;
  /** Hands a transaction to the mempool and to peers; a verdict is a value (Core's reject string). */
  broadcast(
    raw: Uint8Array,
  ): Promise<{ readonly ok: true; readonly txid: string } | { readonly ok: false; readonly reason: string }>;
  /** Satoshi per 1000 virtual bytes for confirmation within `blocks`, when enough is known to say so. */
  feeRate(blocks: number): Promise<number | undefined>;
  /** The least that the mempool takes at present, satoshi per 1000 virtual bytes. */
  minimumFeeRate(): Promise<number>;
}
