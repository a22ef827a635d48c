import type { BlockTable } from "#protocol/bitcoin/block-table.ts";
import type { TxHashes } from "#protocol/bitcoin/txid.ts";
import type { Rejection } from "#protocol/consensus/rejection.ts";
import type { HeaderNode } from "./header-node.ts";

/** A parsed block and the hashes of its transactions. */
export interface HashedBlock {
  readonly block: BlockTable;
  readonly hashes: TxHashes;
}

/** A block that joined or left the active chain. */
export interface BlockUpdate {
  readonly node: HeaderNode;
  /** The block: at hand as a rule, read from its file when a long update let it go. */
  load(): Promise<HashedBlock>;
}

/** One move of the tip, a reorg of any depth included. */
export interface ChainUpdate {
  /** Blocks that left, from the old tip down. */
  readonly disconnected: readonly BlockUpdate[];
  /** Blocks that joined, upwards to the new tip. */
  readonly connected: readonly BlockUpdate[];
  readonly tip: HeaderNode;
  readonly initialBlockDownload: boolean;
}

/** The verdict on a whole block (Core's BlockChecked): `rejection` is left out when it was connected. */
export interface BlockVerdict {
  readonly hash: Uint8Array;
  readonly node?: HeaderNode;
  readonly rejection?: Rejection;
}
