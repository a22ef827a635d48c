import type { Random } from "#base/lib/random.ts";
import { compareProducts, type FeeRate } from "#protocol/policy/fee-rate.ts";
import {
  BestChunks,
  Cluster,
  type GraphChunk,
  linearizeNodes,
  type ReadyCluster,
  WorstClusters,
} from "./cluster.ts";
import { excessOf, type TxGraphLimits } from "./excess.ts";
import {
  type GraphAddition,
  type GraphInternals,
  GraphProposal,
  type ReadyChange,
} from "./graph-proposal.ts";
import { Heap } from "./heap.ts";

const NONE: readonly number[] = [];

/**
 * The mempool's transactions as a graph of fees, sizes and dependencies: clusters, each in its best mining order
 * (Core: txgraph.h). A transaction is a slot number, which is given again after it left.
 */
export class TxGraph {
  readonly limits: TxGraphLimits;
  readonly #random: Random;
  #fees = new Float64Array(64);
  #sizes = new Int32Array(64);
  #parents: (readonly number[])[] = [];
  #children: (readonly number[])[] = [];
  #ages = new Float64Array(64);
  #clusters: (Cluster | undefined)[] = [];
  /** Slot → its place in the cluster's order, where its chunk starts there, and the chunk's fee and size. */
  #places = new Int32Array(64);
  #chunkStarts = new Int32Array(64);
  #chunkFees = new Float64Array(64);
  #chunkSizes = new Float64Array(64);
  #free: number[] = [];
  #count = 0;
  #added = 0;
  #clusterCount = 0;
  #notOptimal = 0;
  #dirty = new Set<Cluster>();
  /** Clusters by the rate of their last chunk, made when the worst is first asked for. */
  #worst: WorstClusters | undefined;

  constructor(limits: TxGraphLimits, random: Random) {
    this.limits = limits;
    this.#random = random;
  }

  get count(): number {
    return this.#count;
  }

  /** Whether every cluster is in the best order there is. */
  get optimal(): boolean {
    this.#settle();
    return this.#notOptimal === 0;
  }

  get clusterCount(): number {
    this.#settle();
    return this.#clusterCount;
  }

  has(slot: number): boolean {
    return this.#clusters[slot] !== undefined;
  }

  fee(slot: number): number {
    return this.#fees[slot]!;
  }

  size(slot: number): number {
    return this.#sizes[slot]!;
  }

  parents(slot: number): readonly number[] {
    return this.#parents[slot]!;
  }

  children(slot: number): readonly number[] {
    return this.#children[slot]!;
  }

  /** With the slot itself. */
  ancestors(slots: Iterable<number>): Set<number> {
    return reach(slots, (slot) => this.#parents[slot]!);
  }

  /** With the slot itself. */
  descendants(slots: Iterable<number>): Set<number> {
    return reach(slots, (slot) => this.#children[slot]!);
  }

  /** The slots of a cluster in mining order. */
  cluster(slot: number): readonly number[] {
    this.#settle();
    return this.#clusters[slot]!.order;
  }

  /** How many clusters some slots are in. */
  countClusters(slots: Iterable<number>): number {
    this.#settle();
    const clusters = new Set<Cluster>();
    for (const slot of slots) clusters.add(this.#clusters[slot]!);
    return clusters.size;
  }

  /** Fee and size of the chunk that a slot is in. */
  chunkRate(slot: number): FeeRate {
    this.#settle();
    return { fee: this.#chunkFees[slot]!, size: this.#chunkSizes[slot]! };
  }

  /** The chunks of a slot's cluster, best first. */
  chunks(slot: number): GraphChunk[] {
    this.#settle();
    return this.#chunksOf(this.#clusters[slot]!);
  }

  /** Order in which transactions would be mined: negative when `a` comes first. Parents come before children. */
  compare(a: number, b: number): number {
    this.#settle();
    if (a === b) return 0;
    const rate = compareProducts(
      this.#chunkFees[b]!,
      this.#chunkSizes[a]!,
      this.#chunkFees[a]!,
      this.#chunkSizes[b]!,
    );
    if (rate !== 0) return rate;
    const first = this.#clusters[a]!;
    const second = this.#clusters[b]!;
    return first === second ? this.#places[a]! - this.#places[b]! : first.rank - second.rank;
  }

  /** The chunk to evict first: the last of the cluster whose last chunk has the lowest rate. */
  worstChunk(): GraphChunk | undefined {
    this.#settle();
    this.#worst ??= new WorstClusters((cluster) => this.#lastRate(cluster), this.#allClusters());
    const cluster = this.#worst.peek();
    return cluster === undefined ? undefined : this.#chunkAt(cluster, this.#lastStart(cluster));
  }

  /** Walks the chunks of all clusters best first. The graph must not change on the way. */
  bestChunks(): BestChunks {
    this.#settle();
    return new BestChunks(this.#allClusters(), {
      rate: (slot) => ({ fee: this.#chunkFees[slot]!, size: this.#chunkSizes[slot]! }),
      slots: (cluster, start) => this.#chunkAt(cluster, start).slots,
    });
  }

  /** Adds a transaction, and takes its cluster over whatever its size. */
  add(addition: GraphAddition): number {
    return this.propose({ remove: [], add: [addition] }).apply()[0]!;
  }

  /** Works out a change without making it. */
  propose(change: { remove: Iterable<number>; add: readonly GraphAddition[] }): GraphProposal {
    this.#settle();
    return new GraphProposal(this, change, this.#internals());
  }

  /** Takes transactions out. Their children lose the dependency. */
  remove(slots: Iterable<number>): void {
    const gone = new Set(slots);
    for (const slot of gone) this.#markDirty(this.#clusters[slot]!);
    for (const slot of gone) this.#unlink(slot, gone);
    for (const slot of gone) {
      this.#clusters[slot] = undefined;
      this.#release(slot);
    }
  }

  /** Makes one transaction depend on another; nothing when it does already. */
  addDependency(parent: number, child: number): void {
    if (this.#parents[child]!.includes(parent)) return;
    this.#parents[child] = [...this.#parents[child]!, parent];
    this.#children[parent] = [...this.#children[parent]!, child];
    this.#markDirty(this.#clusters[parent]!);
    this.#markDirty(this.#clusters[child]!);
  }

  setFee(slot: number, fee: number): void {
    this.#fees[slot] = fee;
    this.#markDirty(this.#clusters[slot]!);
  }

  /**
   * After dependencies were added: the slots to remove so that every cluster keeps the limits (Core: Trim).
   * They are chosen from the worst rates, each with all that depends on it. Call before anything is asked.
   */
  trim(): number[] {
    const excess: number[] = [];
    for (const members of this.#dirtyComponents()) {
      let size = 0;
      for (const slot of members) size += this.#sizes[slot]!;
      if (members.length > this.limits.maxCount || size > this.limits.maxSize) {
        excess.push(...excessOf(this.#byOldOrder(members), this, this.limits));
      }
    }
    return excess;
  }

  /** Parents before children, and otherwise the better rate of the chunk it was in before. */
  #byOldOrder(members: readonly number[]): number[] {
    const inside = new Set(members);
    const waiting = new Map<number, number>();
    for (const slot of members) {
      waiting.set(slot, this.#parents[slot]!.filter((parent) => inside.has(parent)).length);
    }
    const ready = members.filter((slot) => waiting.get(slot) === 0);
    const heap = new Heap<number>((a, b) => this.#compareOldChunks(a, b), ready);
    const order: number[] = [];
    for (let slot = heap.pop(); slot !== undefined; slot = heap.pop()) {
      order.push(slot);
      for (const child of this.#children[slot]!) {
        const left = waiting.get(child)! - 1;
        waiting.set(child, left);
        if (left === 0) heap.push(child);
      }
    }
    return order;
  }

  #compareOldChunks(a: number, b: number): number {
    const rate = compareProducts(
      this.#chunkFees[b]!,
      this.#chunkSizes[a]!,
      this.#chunkFees[a]!,
      this.#chunkSizes[b]!,
    );
    return rate !== 0 ? rate : this.#ages[a]! - this.#ages[b]!;
  }

  #internals(): GraphInternals {
    return {
      cluster: (slot) => this.#clusters[slot]!,
      chunks: (cluster) => this.#chunksOf(cluster),
      components: (slots) => this.#componentsOf(slots),
      apply: (change) => this.#apply(change),
      random: this.#random,
    };
  }

  #apply({ removed, additions, touched, made }: ReadyChange): number[] {
    this.#settle();
    for (const cluster of touched) this.#dropCluster(cluster);
    for (const slot of removed) this.#unlink(slot, removed);
    for (const slot of removed) {
      this.#clusters[slot] = undefined;
      this.#release(slot);
    }
    const slots: number[] = [];
    for (const addition of additions) slots.push(this.#take(addition, slots));
    for (const { order, chunks, optimal } of made) {
      this.#install(
        order.map((node) => (node < 0 ? slots[-1 - node]! : node)),
        chunks,
        optimal,
      );
    }
    return slots;
  }

  #take(addition: GraphAddition, earlier: readonly number[]): number {
    const slot = this.#free.pop() ?? this.#parents.length;
    if (slot >= this.#fees.length) this.#grow();
    const parents = addition.parents.map((parent) => (parent < 0 ? earlier[-1 - parent]! : parent));
    this.#fees[slot] = addition.fee;
    this.#sizes[slot] = addition.size;
    this.#ages[slot] = this.#added++;
    this.#parents[slot] = parents.length === 0 ? NONE : parents;
    this.#children[slot] = NONE;
    for (const parent of parents) this.#children[parent] = [...this.#children[parent]!, slot];
    this.#count++;
    return slot;
  }

  #grow(): void {
    const length = this.#fees.length * 2;
    this.#fees = enlarged(this.#fees, new Float64Array(length));
    this.#ages = enlarged(this.#ages, new Float64Array(length));
    this.#sizes = enlarged(this.#sizes, new Int32Array(length));
    this.#places = enlarged(this.#places, new Int32Array(length));
    this.#chunkStarts = enlarged(this.#chunkStarts, new Int32Array(length));
    this.#chunkFees = enlarged(this.#chunkFees, new Float64Array(length));
    this.#chunkSizes = enlarged(this.#chunkSizes, new Float64Array(length));
  }

  #unlink(slot: number, gone: ReadonlySet<number>): void {
    for (const parent of this.#parents[slot]!) {
      if (!gone.has(parent)) this.#children[parent] = without(this.#children[parent]!, slot);
    }
    for (const child of this.#children[slot]!) {
      if (!gone.has(child)) this.#parents[child] = without(this.#parents[child]!, slot);
    }
  }

  #release(slot: number): void {
    this.#parents[slot] = NONE;
    this.#children[slot] = NONE;
    this.#free.push(slot);
    this.#count--;
  }

  #markDirty(cluster: Cluster): void {
    if (cluster.dirty) return;
    cluster.dirty = true;
    this.#dirty.add(cluster);
  }

  /** Puts the clusters that changed in order again. */
  #settle(): void {
    if (this.#dirty.size === 0) return;
    const components = this.#dirtyComponents();
    for (const cluster of this.#dirty) this.#dropCluster(cluster);
    this.#dirty.clear();
    for (const members of components) {
      const { order, chunks, optimal } = this.#linearized(members);
      this.#install(order, chunks, optimal);
    }
  }

  #dirtyComponents(): number[][] {
    const left: number[] = [];
    for (const cluster of this.#dirty) {
      for (const slot of cluster.order) if (this.#clusters[slot] === cluster) left.push(slot);
    }
    return this.#componentsOf(left);
  }

  /** The connected parts of some slots that have no links to others. */
  #componentsOf(slots: readonly number[]): number[][] {
    const seen = new Set<number>();
    const components: number[][] = [];
    for (const start of slots) {
      if (seen.has(start)) continue;
      seen.add(start);
      const members = [start];
      for (let i = 0; i < members.length; i++) {
        for (const next of [...this.#parents[members[i]!]!, ...this.#children[members[i]!]!]) {
          if (seen.has(next)) continue;
          seen.add(next);
          members.push(next);
        }
      }
      components.push(members);
    }
    return components;
  }

  #linearized(members: readonly number[]): ReadyCluster {
    return linearizeNodes(
      this.#byOldOrder(members),
      (slot) => this.#fees[slot]!,
      (slot) => this.#sizes[slot]!,
      (slot) => this.#parents[slot]!,
      this.#random,
    );
  }

  #install(order: number[], chunks: readonly number[], optimal: boolean): void {
    let size = 0;
    let rank = Number.POSITIVE_INFINITY;
    for (const slot of order) {
      size += this.#sizes[slot]!;
      rank = Math.min(rank, this.#ages[slot]!);
    }
    const cluster = new Cluster(order, size, rank);
    cluster.optimal = optimal;
    this.#clusterCount++;
    if (!optimal) this.#notOptimal++;
    let start = 0;
    for (const count of chunks) {
      this.#placeChunk(cluster, start, start + count);
      start += count;
    }
    this.#worst?.add(cluster);
    // It keeps what was dropped until it comes up; when that is most of it, start anew.
    if (this.#worst !== undefined && this.#worst.length > 2 * this.#clusterCount + 1000)
      this.#worst = undefined;
  }

  #placeChunk(cluster: Cluster, start: number, end: number): void {
    let fee = 0;
    let size = 0;
    for (let i = start; i < end; i++) {
      fee += this.#fees[cluster.order[i]!]!;
      size += this.#sizes[cluster.order[i]!]!;
    }
    for (let i = start; i < end; i++) {
      const slot = cluster.order[i]!;
      this.#clusters[slot] = cluster;
      this.#places[slot] = i;
      this.#chunkStarts[slot] = start;
      this.#chunkFees[slot] = fee;
      this.#chunkSizes[slot] = size;
    }
  }

  #dropCluster(cluster: Cluster): void {
    this.#clusterCount--;
    if (!cluster.optimal) this.#notOptimal--;
    this.#worst?.drop(cluster);
  }

  #lastStart(cluster: Cluster): number {
    return this.#chunkStarts[cluster.order[cluster.order.length - 1]!]!;
  }

  #lastRate(cluster: Cluster): FeeRate {
    const slot = cluster.order[cluster.order.length - 1]!;
    return { fee: this.#chunkFees[slot]!, size: this.#chunkSizes[slot]! };
  }

  #chunkAt(cluster: Cluster, start: number): GraphChunk {
    const { order } = cluster;
    const first = order[start]!;
    let end = start + 1;
    while (end < order.length && this.#chunkStarts[order[end]!] === start) end++;
    return { fee: this.#chunkFees[first]!, size: this.#chunkSizes[first]!, slots: order.slice(start, end) };
  }

  #chunksOf(cluster: Cluster): GraphChunk[] {
    const chunks: GraphChunk[] = [];
    for (let at = 0; at < cluster.order.length; at += chunks[chunks.length - 1]!.slots.length) {
      chunks.push(this.#chunkAt(cluster, at));
    }
    return chunks;
  }

  #allClusters(): Cluster[] {
    const clusters: Cluster[] = [];
    for (let slot = 0; slot < this.#clusters.length; slot++) {
      const cluster = this.#clusters[slot];
      if (cluster !== undefined && cluster.order[0] === slot) clusters.push(cluster);
    }
    return clusters;
  }
}

function reach(from: Iterable<number>, next: (slot: number) => readonly number[]): Set<number> {
  const seen = new Set(from);
  for (const slot of seen) for (const other of next(slot)) seen.add(other);
  return seen;
}

function without(list: readonly number[], item: number): readonly number[] {
  if (list.length === 1) return NONE;
  return list.filter((other) => other !== item);
}

function enlarged<T extends Float64Array | Int32Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
