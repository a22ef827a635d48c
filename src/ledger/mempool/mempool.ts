import { compareBytes, fromHex, reversed, toHex, toHexReversed, writeU32 } from "#base/lib/bytes.ts";
import { Signal } from "#base/lib/events.ts";
import type { Txid } from "#protocol/bitcoin/hashes.ts";
import { dustOutputs } from "#protocol/policy/dust.ts";
import {
  compareFeeRates,
  type FeeRate,
  feePerKvb,
  NO_FEE_RATE,
  perVirtualSize,
} from "#protocol/policy/fee-rate.ts";
import { formatFeeRate } from "#protocol/policy/fee-text.ts";
import type { GraphChunk } from "./cluster.ts";
import { EntryIndex } from "./entry-index.ts";
import { EntryTimes } from "./entry-times.ts";
import { clamp, FeeDeltas } from "./fee-deltas.ts";
import type { GraphAddition, GraphProposal } from "./graph-proposal.ts";
import {
  type EntryFields,
  type EntryInfo,
  type LockPoints,
  MempoolEntry,
  modifiedFee,
  type RemovalReason,
} from "./mempool-entry.ts";
import type { MempoolDependencies, MempoolOptions } from "./mempool-options.ts";
import { RollingFee } from "./rolling-fee.ts";
import { TxGraph } from "./tx-graph.ts";

/** A chunk of a cluster: transactions that are mined together, with their modified fee and adjusted weight. */
export interface MempoolChunk {
  readonly fee: number;
  readonly weight: number;
  readonly entries: readonly MempoolEntry[];
}

/** What getmempoolinfo tells beyond the options. Amounts in satoshi, rates in satoshi per kvB. */
export interface MempoolInfo {
  readonly loaded: boolean;
  readonly size: number;
  /** Sum of virtual sizes. */
  readonly bytes: number;
  readonly usage: number;
  readonly totalFee: number;
  /** The rolling minimum or the relay minimum, whichever is more. */
  readonly mempoolMinFee: number;
  readonly unbroadcastCount: number;
  readonly optimal: boolean;
}

export interface AddedEvent {
  readonly entry: MempoolEntry;
  readonly sequence: number;
}

export interface RemovedEvent extends AddedEvent {
  readonly reason: RemovalReason;
}

/** A block joined the chain. */
export interface BlockEvent {
  readonly height: number;
  /** What it held of the mempool, which has left by now. */
  readonly mined: readonly MempoolEntry[];
}

export interface PrioritisedInfo {
  readonly txid: Txid;
  readonly feeDelta: number;
  /** Fee and delta when it is in the mempool. */
  readonly modifiedFee: number | undefined;
}

/** Fees stay within this in the graph, so that 64 of them still add up exactly. */
const MAX_GRAPH_FEE = 2 ** 47;

/** Bytes that a delta of a transaction which is not here is taken to use. */
const DELTA_USAGE = 150;

/**
 * Transactions that wait for a block (Core: CTxMemPool). Reads are synchronous and see whole changes only. What
 * changes the content is called by the acceptor, under the chain-state lock.
 */
export class Mempool {
  readonly options: MempoolOptions;
  /** After a transaction came in, under the chain-state lock. */
  readonly added = new Signal<AddedEvent>();
  /** After a transaction left, under the chain-state lock, for `block` too. */
  readonly removed = new Signal<RemovedEvent>();
  /** After each block that was connected, and the removals for it, under the chain-state lock. */
  readonly connected = new Signal<BlockEvent>();
  /** Whether mempool.dat has been read, or is not to be: getmempoolinfo.loaded. */
  loaded = false;
  readonly #dependencies: MempoolDependencies;
  readonly #graph: TxGraph;
  readonly #index: EntryIndex;
  readonly #rollingFee: RollingFee;
  readonly #deltas = new FeeDeltas();
  /** By hex of the txid. */
  readonly #unbroadcast = new Set<string>();
  readonly #times = new EntryTimes();
  #events: (() => Promise<void>)[] = [];
  #sequence = 1;
  #transactionsUpdated = 0;
  #bytes = 0;
  #totalFee = 0;
  #usage = 0;

  constructor(options: MempoolOptions, dependencies: MempoolDependencies) {
    const { random } = dependencies;
    this.options = options;
    this.#dependencies = dependencies;
    this.#graph = new TxGraph(
      { maxCount: options.maxClusterCount, maxSize: options.maxClusterSize * 4 },
      random,
    );
    this.#index = new EntryIndex(random);
    this.#rollingFee = new RollingFee(options.incrementalRelayFee, dependencies.now());
  }

  get size(): number {
    return this.#graph.count;
  }

  /** Core's mempool sequence number: the one of the next addition or removal. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Counts every change of content or priority, for longpollid. */
  get transactionsUpdated(): number {
    return this.#transactionsUpdated;
  }

  /** Bytes of memory that it is taken to use. */
  get usage(): number {
    return this.#usage + DELTA_USAGE * this.#deltas.count;
  }

  has(txid: Uint8Array): boolean {
    return this.#index.slotOf(txid) !== -1;
  }

  hasWtxid(wtxid: Uint8Array): boolean {
    return this.#index.byWtxid(wtxid) !== undefined;
  }

  get(txid: Uint8Array): MempoolEntry | undefined {
    return this.#index.byTxid(txid);
  }

  getByWtxid(wtxid: Uint8Array): MempoolEntry | undefined {
    return this.#index.byWtxid(wtxid);
  }

  /** Who spends an outpoint (36 bytes at `at`). */
  spender(outpoint: Uint8Array, at = 0): MempoolEntry | undefined {
    return this.#index.spender(outpoint, at);
  }

  /** Who spends a transaction's outputs, which need not be here itself; each once. */
  spendersOf(txid: Uint8Array, outputCount: number): MempoolEntry[] {
    const spenders = new Set<MempoolEntry>();
    const outpoint = new Uint8Array(36);
    outpoint.set(txid);
    for (let index = 0; index < outputCount; index++) {
      writeU32(outpoint, 32, index);
      const spender = this.spender(outpoint);
      if (spender !== undefined) spenders.add(spender);
    }
    return [...spenders];
  }

  at(slot: number): MempoolEntry {
    return this.#index.at(slot);
  }

  entries(): IterableIterator<MempoolEntry> {
    return this.#index.all();
  }

  /** All entries in mining order, parents before children (getrawmempool, mempool.dat). */
  entriesByScore(): MempoolEntry[] {
    return [...this.entries()].sort((a, b) => this.compareScore(a, b));
  }

  /** Negative when `a` would be mined before `b`. Both are in the mempool. */
  compareScore(a: MempoolEntry, b: MempoolEntry): number {
    return this.#graph.compare(a.slot, b.slot);
  }

  parents(entry: MempoolEntry): MempoolEntry[] {
    return this.#entriesOf(this.#graph.parents(entry.slot));
  }

  children(entry: MempoolEntry): MempoolEntry[] {
    return this.#entriesOf(this.#graph.children(entry.slot));
  }

  /** Without the entry itself. */
  ancestors(entry: MempoolEntry): MempoolEntry[] {
    return this.#entriesOf(this.#graph.ancestors([entry.slot])).filter((other) => other !== entry);
  }

  /** Without the entry itself. */
  descendants(entry: MempoolEntry): MempoolEntry[] {
    return this.#entriesOf(this.#graph.descendants([entry.slot])).filter((other) => other !== entry);
  }

  /** The chunks of the entry's cluster, best first. */
  cluster(entry: MempoolEntry): MempoolChunk[] {
    return this.#graph.chunks(entry.slot).map((chunk) => this.#chunkOf(chunk));
  }

  /** The running sums of weight and fee over all chunks, best first, from zero (getmempoolfeeratediagram). */
  feerateDiagram(): { weight: number; fee: number }[] {
    const corners = [{ weight: 0, fee: 0 }];
    for (const { fee, weight } of this.bestChunks()) {
      const last = corners[corners.length - 1]!;
      corners.push({ weight: last.weight + weight, fee: last.fee + fee });
    }
    return corners;
  }

  /**
   * Chunks best first. `next(true)` leaves the chunk out that was given last, and what follows in its cluster.
   * The mempool must not change on the way.
   */
  *bestChunks(): Generator<MempoolChunk, void, boolean | undefined> {
    const best = this.#graph.bestChunks();
    for (let chunk = best.peek(); chunk !== undefined; chunk = best.peek()) {
      const skip = yield this.#chunkOf(chunk);
      if (skip === true) best.skip();
      else best.include();
    }
  }

  entryInfo(entry: MempoolEntry): EntryInfo {
    const ancestors = this.#entriesOf(this.#graph.ancestors([entry.slot]));
    const descendants = this.#entriesOf(this.#graph.descendants([entry.slot]));
    const chunk = this.#graph.chunkRate(entry.slot);
    return {
      vsize: entry.vsize,
      weight: entry.weight,
      time: entry.time,
      height: entry.height,
      descendantCount: descendants.length,
      descendantSize: sum(descendants, ({ vsize }) => vsize),
      ancestorCount: ancestors.length,
      ancestorSize: sum(ancestors, ({ vsize }) => vsize),
      chunkWeight: chunk.size,
      wtxid: entry.wtxid,
      fees: {
        base: entry.fee,
        modified: modifiedFee(entry),
        ancestor: sum(ancestors, modifiedFee),
        descendant: sum(descendants, modifiedFee),
        chunk: chunk.fee,
      },
      depends: sortedTxids(this.parents(entry)),
      spentBy: sortedTxids(this.children(entry)),
      unbroadcast: this.isUnbroadcast(entry.txid),
    };
  }

  info(): MempoolInfo {
    const minimum = this.minFee();
    const { minRelayFee } = this.options;
    return {
      loaded: this.loaded,
      size: this.size,
      bytes: this.#bytes,
      usage: this.usage,
      totalFee: this.#totalFee,
      mempoolMinFee: feePerKvb(compareFeeRates(minimum, minRelayFee) > 0 ? minimum : minRelayFee),
      unbroadcastCount: this.#unbroadcast.size,
      optimal: this.#graph.optimal,
    };
  }

  /** The rolling minimum after evictions, zero when there is none (Core's GetMinFee). */
  minFee(): FeeRate {
    return this.#rollingFee.current(this.#dependencies.now(), this.usage, this.options.maxSize);
  }

  /** Whether one of its outputs is dust, so that it must not pay a fee. */
  hasDust(entry: MempoolEntry): boolean {
    return dustOutputs(entry.table, this.options.dustRelayFee).length > 0;
  }

  /** Adds to the fee that a transaction counts for, in the mempool or not yet. */
  prioritise(txid: Txid, delta: number): void {
    const total = this.#deltas.add(txid, delta);
    const old = this.#index.byTxid(txid);
    if (old === undefined) return;
    const { slot, lockPoints } = old;
    const entry = new MempoolEntry(old, { slot, lockPoints, feeDelta: total });
    this.#index.replace(entry);
    this.#graph.setFee(slot, clamp(modifiedFee(entry), MAX_GRAPH_FEE));
    this.#transactionsUpdated++;
  }

  /** Satoshi that prioritisetransaction added for a transaction. */
  feeDelta(txid: Uint8Array): number {
    return this.#deltas.of(txid);
  }

  /** How many transactions have a delta. */
  get deltaCount(): number {
    return this.#deltas.count;
  }

  prioritised(): PrioritisedInfo[] {
    return this.#deltas.all().map(({ txid, feeDelta }) => {
      const entry = this.get(txid);
      return { txid, feeDelta, modifiedFee: entry && modifiedFee(entry) };
    });
  }

  /** Remembers a transaction of ours that no peer has asked for yet. */
  addUnbroadcast(txid: Txid): void {
    if (this.has(txid)) this.#unbroadcast.add(toHex(txid));
  }

  removeUnbroadcast(txid: Uint8Array): void {
    if (this.#unbroadcast.size > 0) this.#unbroadcast.delete(toHex(txid));
  }

  isUnbroadcast(txid: Uint8Array): boolean {
    return this.#unbroadcast.size > 0 && this.#unbroadcast.has(toHex(txid));
  }

  unbroadcast(): Txid[] {
    return [...this.#unbroadcast].map((key) => fromHex(key) as Txid);
  }

  // What follows changes the mempool, or serves that: the acceptor's side.

  /** Slots that descend from some, themselves included. */
  descendantSlots(slots: Iterable<number>): Set<number> {
    return this.#graph.descendants(slots);
  }

  ancestorSlots(slots: Iterable<number>): Set<number> {
    return this.#graph.ancestors(slots);
  }

  countClusters(slots: Iterable<number>): number {
    return this.#graph.countClusters(slots);
  }

  /** Works out what removing and adding would do to the clusters. */
  propose(change: { remove: Iterable<number>; add: readonly GraphAddition[] }): GraphProposal {
    return this.#graph.propose({
      remove: change.remove,
      add: change.add.map((addition) => ({ ...addition, fee: clamp(addition.fee, MAX_GRAPH_FEE) })),
    });
  }

  /** Makes a proposed change. @returns the new entries. */
  apply(proposal: GraphProposal, removed: Iterable<number>, added: readonly EntryFields[]): MempoolEntry[] {
    for (const slot of removed) this.#forget(slot, "replaced");
    return proposal.apply().map((slot, i) => this.#insert(slot, added[i]!));
  }

  /** Tells of an addition; before it, nobody hears that the entry is there. */
  announce(entry: MempoolEntry): void {
    const sequence = this.#sequence++;
    this.#events.push(() => this.added.emit({ entry, sequence }));
  }

  /** Takes entries out. Whoever depends on them is taken out by the caller. */
  remove(slots: Iterable<number>, reason: RemovalReason): void {
    const gone = [...slots];
    for (const slot of gone) this.#forget(slot, reason);
    this.#graph.remove(gone);
  }

  /**
   * Links entries to children of theirs that were here before them, and takes out what no longer fits into a
   * cluster.
   */
  linkChildren(entries: readonly MempoolEntry[]): void {
    for (const { slot, txid, table } of entries) {
      for (const child of this.spendersOf(txid, table.outputCount(0)))
        this.#graph.addDependency(slot, child.slot);
    }
    this.remove(this.#graph.trim(), "sizelimit");
  }

  setLockPoints(entry: MempoolEntry, lockPoints: LockPoints): void {
    const { slot, feeDelta } = entry;
    const changed = new MempoolEntry(entry, { slot, feeDelta, lockPoints });
    this.#index.replace(changed);
  }

  clearPrioritisation(txid: Uint8Array): void {
    this.#deltas.clear(txid);
  }

  /** Takes note of one step of the tip: the next template is another. */
  tipMoved(): void {
    this.#transactionsUpdated++;
  }

  blockConnected(): void {
    this.#rollingFee.blockConnected(this.#dependencies.now());
  }

  /** Tells of a block, once its transactions are out. */
  announceBlock(event: BlockEvent): void {
    this.#events.push(() => this.connected.emit(event));
  }

  /** Takes out what came in before a time, with what depends on it. @returns how many. */
  expire(before: number): number {
    const all = this.#graph.descendants(this.#times.before(before));
    this.remove(all, "expiry");
    return all.size;
  }

  /** Evicts the worst chunks until it uses no more than `limit` bytes. */
  trimToSize(limit: number): void {
    let count = 0;
    let highest: FeeRate = NO_FEE_RATE;
    while (this.size > 0 && this.usage > limit) {
      const chunk = this.#graph.worstChunk()!;
      const minimum = this.#rollingFee.evicted(perVirtualSize(chunk));
      if (compareFeeRates(minimum, highest) > 0) highest = minimum;
      count += chunk.slots.length;
      this.remove(chunk.slots, "sizelimit");
    }
    if (count === 0) return;
    this.#dependencies.log.debug(
      "mempool",
      () => `Removed ${count} txn, rolling minimum fee bumped to ${formatFeeRate(highest)}`,
    );
  }

  /** Emits what happened since, in order. */
  async publish(): Promise<void> {
    while (this.#events.length > 0) {
      const events = this.#events;
      this.#events = [];
      for (const emit of events) await emit();
    }
  }

  #insert(slot: number, fields: EntryFields): MempoolEntry {
    const { lockPoints } = fields;
    const entry = new MempoolEntry(fields, { slot, lockPoints, feeDelta: this.feeDelta(fields.txid) });
    this.#index.add(entry);
    this.#times.add(slot, entry.time);
    this.#bytes += entry.vsize;
    this.#totalFee += entry.fee;
    this.#usage += entry.usage;
    this.#transactionsUpdated++;
    return entry;
  }

  /** Takes an entry out of everything but the graph. */
  #forget(slot: number, reason: RemovalReason): void {
    const entry = this.#index.at(slot);
    const sequence = this.#sequence++;
    this.#events.push(() => this.removed.emit({ entry, reason, sequence }));
    this.#index.delete(entry);
    this.#times.remove(slot);
    this.#dropUnbroadcast(entry);
    this.#bytes -= entry.vsize;
    this.#totalFee -= entry.fee;
    this.#usage -= entry.usage;
    this.#transactionsUpdated++;
  }

  #dropUnbroadcast(entry: MempoolEntry): void {
    if (!this.isUnbroadcast(entry.txid)) return;
    this.removeUnbroadcast(entry.txid);
    this.#dependencies.log.debug(
      "mempool",
      () =>
        `Removed ${toHexReversed(entry.txid)} from set of unbroadcast txns before confirmation that txn was sent out`,
    );
  }

  #entriesOf(slots: Iterable<number>): MempoolEntry[] {
    return Array.from(slots, (slot) => this.#index.at(slot));
  }

  #chunkOf({ fee, size, slots }: GraphChunk): MempoolChunk {
    return { fee, weight: size, entries: this.#entriesOf(slots) };
  }
}

function sum(entries: readonly MempoolEntry[], of: (entry: MempoolEntry) => number): number {
  let total = 0;
  for (const entry of entries) total += of(entry);
  return total;
}

function sortedTxids(entries: readonly MempoolEntry[]): Txid[] {
  return entries.map((entry) => entry.txid).sort((a, b) => compareBytes(reversed(a), reversed(b)));
}
