import type { Txid, Wtxid } from "#protocol/bitcoin/hashes.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";

/** A transaction in the mempool and what is known about it. */
export interface MempoolEntry {
  /** Its number in the mempool's graph, reused after it left. */
  readonly slot: number;
  /** The transaction alone, at index 0. */
  readonly table: TxTable;
  readonly txid: Txid;
  readonly wtxid: Wtxid;
  /** Satoshi that it pays. */
  readonly fee: number;
  /** What prioritisetransaction added to the fee, in satoshi. */
  readonly feeDelta: number;
  /** BIP141 weight. */
  readonly weight: number;
  /** Weight, or 20 times the sigop cost where that is more (-bytespersigop): what the graph counts. */
  readonly adjustedWeight: number;
  /** Virtual size from the adjusted weight. */
  readonly vsize: number;
  readonly sigopCost: number;
  /** Seconds since 1970 when it came in. */
  readonly time: number;
  /** Height of the tip when it came in. */
  readonly height: number;
  /** The mempool's sequence number when it came in; 0 for one that a reorganisation brought back. */
  readonly sequence: number;
  readonly spendsCoinbase: boolean;
  readonly lockPoints: LockPoints;
  /** Bytes of memory that it is taken to use. */
  readonly usage: number;
}

/** From when BIP68 lets a transaction be mined: valid while `block` is in the active chain. */
export interface LockPoints {
  /** Last height at which it cannot be mined yet, −1 when none. */
  readonly height: number;
  /** Last median time past at which it cannot be mined yet, −1 when none. */
  readonly time: number;
  /** Hash and height of the highest block with an input that the locks count from; undefined when none do. */
  readonly block: { readonly hash: Uint8Array; readonly height: number } | undefined;
}

/** Why a transaction left (Core's MemPoolRemovalReason). */
export type RemovalReason = "expiry" | "sizelimit" | "reorg" | "block" | "conflict" | "replaced";

/** What getmempoolentry tells, as numbers: amounts in satoshi, sizes in virtual bytes unless named weight. */
export interface EntryInfo {
  readonly vsize: number;
  readonly weight: number;
  readonly time: number;
  readonly height: number;
  readonly descendantCount: number;
  readonly descendantSize: number;
  readonly ancestorCount: number;
  readonly ancestorSize: number;
  readonly chunkWeight: number;
  readonly wtxid: Wtxid;
  readonly fees: {
    readonly base: number;
    readonly modified: number;
    readonly ancestor: number;
    readonly descendant: number;
    readonly chunk: number;
  };
  readonly depends: readonly Txid[];
  readonly spentBy: readonly Txid[];
  readonly unbroadcast: boolean;
}
