import { equalBytes, readU32 } from "#base/lib/bytes.ts";
import type { Txid, Wtxid } from "#protocol/bitcoin/hashes.ts";
import { parseTx, TxTable } from "#protocol/bitcoin/tx-table.ts";
import type { SequenceLocks } from "#protocol/consensus/tx-inputs.ts";
import { virtualSize } from "#protocol/policy/fee-rate.ts";

/**
 * A transaction in the mempool and what is known about it. It keeps the bytes and no table: a hundred thousand
 * tables would take as much memory again.
 */
export class MempoolEntry {
  /** The serialised transaction, in bytes of its own. */
  readonly raw: Uint8Array;
  readonly txid: Txid;
  /** The same array as the txid where there is no witness. */
  readonly wtxid: Wtxid;
  /** Satoshi that it pays. */
  readonly fee: number;
  /** What prioritisetransaction added to the fee, in satoshi. */
  readonly feeDelta: number;
  /** BIP141 weight. */
  readonly weight: number;
  /** Weight, or 20 times the sigop cost where that is more (-bytespersigop): what the graph counts. */
  readonly adjustedWeight: number;
  readonly sigopCost: number;
  /** Seconds since 1970 when it came in. */
  readonly time: number;
  /** Height of the tip when it came in. */
  readonly height: number;
  /** The mempool's sequence number when it came in; 0 for one that a reorganisation brought back. */
  readonly sequence: number;
  readonly spendsCoinbase: boolean;
  readonly lockPoints: LockPoints;
  /** Its number in the mempool's graph, given again after it left. */
  readonly slot: number;
  /** Bytes of memory that it is taken to use. */
  readonly usage: number;

  constructor(
    from: EntryFields | MempoolEntry,
    changing: Pick<MempoolEntry, "slot" | "feeDelta" | "lockPoints">,
  ) {
    this.raw = from instanceof MempoolEntry ? from.raw : from.table.bytes;
    this.txid = from.txid;
    this.wtxid = equalBytes(from.txid, from.wtxid) ? (from.txid as Uint8Array as Wtxid) : from.wtxid;
    this.fee = from.fee;
    this.feeDelta = changing.feeDelta;
    this.weight = from.weight;
    this.adjustedWeight = from.adjustedWeight;
    this.sigopCost = from.sigopCost;
    this.time = from.time;
    this.height = from.height;
    this.sequence = from.sequence;
    this.spendsCoinbase = from.spendsCoinbase;
    this.lockPoints = changing.lockPoints;
    this.slot = changing.slot;
    this.usage = from instanceof MempoolEntry ? from.usage : usageOf(from.table);
  }

  /** Virtual size from the adjusted weight. */
  get vsize(): number {
    return virtualSize(this.adjustedWeight);
  }

  /** The transaction alone, at index 0. Parsed anew unless it was asked for lately. */
  get table(): TxTable {
    return tableOf(this.raw);
  }

  get lockTime(): number {
    return readU32(this.raw, this.raw.length - 4);
  }
}

/** Tables by their bytes, the oldest first. */
const recentTables = new Map<Uint8Array, TxTable>();
const RECENT_TABLES = 64;

function tableOf(raw: Uint8Array): TxTable {
  let table = recentTables.get(raw);
  if (table !== undefined) return table;
  table = parseTx(raw);
  recentTables.set(raw, table);
  if (recentTables.size > RECENT_TABLES) recentTables.delete(recentTables.keys().next().value!);
  return table;
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

/** What one entry costs beyond its bytes: its objects, and its places in the indexes and the graph. */
const ENTRY_OVERHEAD = 1_300;
/** One input in the index of spent outpoints. */
const INPUT_OVERHEAD = 16;

/** Bytes of memory that a transaction is taken to use, by what Node 24 was measured to take. */
function usageOf(table: TxTable): number {
  return ENTRY_OVERHEAD + table.bytes.length + INPUT_OVERHEAD * table.inputCount(0);
}

/** A table of one transaction over bytes of its own, so that it does not keep a message or a block alive. */
export function standalone(table: TxTable): TxTable {
  const { bytes } = table;
  if (bytes.byteOffset === 0 && bytes.buffer.byteLength === bytes.length) return table;
  return new TxTable(bytes.slice(), table.txs, table.inputs, table.outputs);
}
