import { Signal } from "#base/lib/events.ts";
import type { Txid, Wtxid } from "#protocol/bitcoin/hashes.ts";
import type { FeeRate } from "#protocol/policy/fee-rate.ts";
import type { EntryInfo, MempoolEntry, RemovalReason } from "./mempool-entry.ts";
import type { MempoolOptions } from "./mempool-options.ts";

const unbuilt = (): never => {
  throw new Error("not built yet");
};

/** A chunk of a cluster: transactions that are mined together, with their fee (modified) and adjusted weight. */
export interface MempoolChunk {
  readonly fee: number;
  readonly weight: number;
  readonly entries: readonly MempoolEntry[];
}

export interface MempoolInfo {
  readonly loaded: boolean;
  readonly size: number;
  /** Sum of virtual sizes. */
  readonly bytes: number;
  readonly usage: number;
  /** Satoshi. */
  readonly totalFee: number;
  readonly unbroadcastCount: number;
  /** The rolling minimum or the relay minimum, whichever is more: satoshi per kvB. */
  readonly mempoolMinFee: number;
}

/**
 * Transactions that wait for a block. Reads are synchronous; whoever changes it holds the chain-state lock.
 */
export class Mempool {
  readonly options: MempoolOptions;
  /** After a transaction came in, under the chain-state lock. */
  readonly added = new Signal<{ entry: MempoolEntry; sequence: number }>();
  /** After a transaction left, under the chain-state lock; for `block` too (Core's ZMQ does not tell those). */
  readonly removed = new Signal<{ entry: MempoolEntry; reason: RemovalReason; sequence: number }>();
  /** Whether mempool.dat has been read, or is not to be: getmempoolinfo.loaded. */
  loaded = false;

  constructor(options: MempoolOptions) {
    this.options = options;
  }

  get size(): number {
    return unbuilt();
  }
  /** Core's mempool sequence number: the one of the next addition or removal. */
  get sequence(): number {
    return unbuilt();
  }
  /** Counts every change of content or priority, for longpollid. */
  get transactionsUpdated(): number {
    return unbuilt();
  }
  get(_txid: Uint8Array): MempoolEntry | undefined {
    return unbuilt();
  }
  getByWtxid(_wtxid: Uint8Array): MempoolEntry | undefined {
    return unbuilt();
  }
  /** Who spends an outpoint (36 bytes at `at`). */
  spender(_outpoint: Uint8Array, _at = 0): MempoolEntry | undefined {
    return unbuilt();
  }
  entries(): IterableIterator<MempoolEntry> {
    return unbuilt();
  }
  /** All entries, best mining score first, parents before children (getrawmempool, trickling, mempool.dat). */
  entriesByScore(): MempoolEntry[] {
    return unbuilt();
  }
  /** Negative when `a` would be mined first. */
  compareScore(_a: MempoolEntry, _b: MempoolEntry): number {
    return unbuilt();
  }
  parents(_entry: MempoolEntry): MempoolEntry[] {
    return unbuilt();
  }
  children(_entry: MempoolEntry): MempoolEntry[] {
    return unbuilt();
  }
  /** Without the entry itself. */
  ancestors(_entry: MempoolEntry): MempoolEntry[] {
    return unbuilt();
  }
  descendants(_entry: MempoolEntry): MempoolEntry[] {
    return unbuilt();
  }
  /** The chunks of the entry's cluster, best first. */
  cluster(_entry: MempoolEntry): MempoolChunk[] {
    return unbuilt();
  }
  entryInfo(_entry: MempoolEntry): EntryInfo {
    return unbuilt();
  }
  info(): MempoolInfo {
    return unbuilt();
  }
  /** The rolling minimum fee rate after evictions, zero when there is none (Core's GetMinFee). */
  minFee(_now: number): FeeRate {
    return unbuilt();
  }
  /** Adds to the fee that a transaction counts for, in the pool or not yet. */
  prioritise(_txid: Txid, _delta: number): void {
    unbuilt();
  }
  prioritised(): { txid: Txid; feeDelta: number; inMempool: boolean; modifiedFee: number | undefined }[] {
    return unbuilt();
  }
  /** Transactions of ours that no peer has asked for yet. */
  addUnbroadcast(_txid: Txid): void {
    unbuilt();
  }
  removeUnbroadcast(_txid: Txid): void {
    unbuilt();
  }
  unbroadcast(): Txid[] {
    return unbuilt();
  }
  isUnbroadcast(_txid: Txid): boolean {
    return unbuilt();
  }
  has(_txid: Uint8Array): boolean {
    return unbuilt();
  }
  hasWtxid(_wtxid: Wtxid | Uint8Array): boolean {
    return unbuilt();
  }
}
