import type { Txid, Wtxid } from "#protocol/bitcoin/hashes.ts";
import { TxTable } from "#protocol/bitcoin/tx-table.ts";
import type { SequenceLocks } from "#protocol/consensus/tx-inputs.ts";

/** A transaction in the mempool and what is known about it. */
export interface MempoolEntry extends EntryFields {
  /** Its number in the mempool's graph, reused after it left. */
  readonly slot: number;
  /** What prioritisetransaction added to the fee, in satoshi. */
  readonly feeDelta: number;
  /** Bytes of memory that it is taken to use. */
  readonly usage: number;
}

/** What is known of a transaction when it comes in. */
export interface EntryFields {
  /** The transaction alone, at index 0. */
  readonly table: TxTable;
  readonly txid: Txid;
  readonly wtxid: Wtxid;
  /** Satoshi that it pays. */
  readonly fee: number;
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
}

/** BIP68's locks, and the block that they were counted from. */
export interface LockPoints {
  readonly locks: SequenceLocks;
  /** Hash of the block at `locks.maxInputHeight`: they hold while it is in the chain. Undefined for height 0. */
  readonly blockHash: Uint8Array | undefined;
}

/** Why a transaction left (Core's MemPoolRemovalReason). */
export type RemovalReason = "expiry" | "sizelimit" | "reorg" | "block" | "conflict" | "replaced";

/** What getmempoolentry tells, as numbers: amounts in satoshi, sizes in virtual bytes unless named weight. */
export interface EntryInfo {
  readonly vsize: number;
  readonly weight: number;
  readonly time: number;
  readonly height: number;
  /** With itself, as all of these. */
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
  /** In the order of their display hex. */
  readonly depends: readonly Txid[];
  readonly spentBy: readonly Txid[];
  readonly unbroadcast: boolean;
}

/** Satoshi that a transaction counts for. */
export function modifiedFee(entry: MempoolEntry): number {
  return entry.fee + entry.feeDelta;
}

/** What one entry costs beyond its bytes and tables: its objects, its places in the indexes and the graph. */
const ENTRY_OVERHEAD = 1_100;
/** One input in the index of spent outpoints. */
const INPUT_OVERHEAD = 16;

/** Bytes of memory that a transaction is taken to use, measured on Node 24. */
export function entryUsage(table: TxTable): number {
  const tables = 4 * (table.txs.length + table.inputs.length + table.outputs.length);
  return ENTRY_OVERHEAD + table.bytes.length + tables + INPUT_OVERHEAD * table.inputCount(0);
}

/**
 * The transaction at `tx` of a table in bytes of its own, so that it does not keep a message or a block alive.
 */
export function standalone(table: TxTable): TxTable {
  const { bytes } = table;
  if (bytes.byteOffset === 0 && bytes.buffer.byteLength === bytes.length) return table;
  return new TxTable(bytes.slice(), table.txs, table.inputs, table.outputs);
}
