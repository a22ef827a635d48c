import type { Random } from "#base/lib/random.ts";
import { compareFeeRates, type FeeRate } from "#protocol/policy/fee-rate.ts";
import { Heap } from "./heap.ts";
import { linearize } from "./linearize.ts";

/** Transactions that are mined together: what they pay and weigh, parents before children. */
export interface GraphChunk extends FeeRate {
  readonly slots: readonly number[];
}

/** A connected component. Its order is up to date unless it is in the graph's list of dirty ones. */
export class Cluster {
  /** Slots in mining order. */
  order: number[];
  size: number;
  /** Age of its oldest transaction: breaks ties between clusters, the same way each time. */
  rank: number;
  dirty = false;
  optimal = true;

  constructor(order: number[], size: number, rank: number) {
    this.order = order;
    this.size = size;
    this.rank = rank;
  }
}

/** A cluster's order and its chunks by number of transactions, before it is in the graph. */
export interface ReadyCluster {
  readonly order: number[];
  readonly chunks: readonly number[];
  readonly optimal: boolean;
}

/** Linearises nodes that are given with parents before children. Parents outside are passed over. */
export function linearizeNodes(
  nodes: readonly number[],
  feeOf: (node: number) => number,
  sizeOf: (node: number) => number,
  parentsOf: (node: number) => readonly number[],
  random: Random,
): ReadyCluster {
  if (nodes.length === 1) return { order: [...nodes], chunks: [1], optimal: true };
  const indices = new Map(nodes.map((node, i) => [node, i]));
  const { order, chunks, optimal } = linearize(
    {
      fees: nodes.map(feeOf),
      sizes: nodes.map(sizeOf),
      parents: nodes.map((node) =>
        parentsOf(node)
          .map((parent) => indices.get(parent))
          .filter((index) => index !== undefined),
      ),
      order: nodes.map((_, i) => i),
    },
    random,
  );
  return { order: order.map((i) => nodes[i]!), chunks, optimal };
}

/** A chunk by where it starts in its cluster's order. */
interface ChunkPlace extends FeeRate {
  readonly cluster: Cluster;
  readonly start: number;
}

/** What a walk over chunks needs of the graph. */
export interface ChunkSource {
  /** Fee and size of the chunk that a slot is in. */
  rate(slot: number): FeeRate;
  /** The slots of the chunk that starts at a place of a cluster's order. */
  slots(cluster: Cluster, start: number): readonly number[];
}

/** Chunks of all clusters, best rate first; a skipped chunk takes the rest of its cluster with it. */
export class BestChunks {
  readonly #heap: Heap<ChunkPlace>;
  readonly #source: ChunkSource;
  #top: GraphChunk | undefined;

  constructor(clusters: readonly Cluster[], source: ChunkSource) {
    this.#source = source;
    this.#heap = new Heap(
      (a, b) => compareFeeRates(b, a) || a.cluster.rank - b.cluster.rank,
      clusters.map((cluster) => this.#place(cluster, 0)),
    );
  }

  #place(cluster: Cluster, start: number): ChunkPlace {
    const { fee, size } = this.#source.rate(cluster.order[start]!);
    return { cluster, start, fee, size };
  }

  /** The best chunk that was neither included nor skipped. */
  peek(): GraphChunk | undefined {
    const place = this.#heap.peek();
    if (place === undefined) return undefined;
    this.#top ??= {
      fee: place.fee,
      size: place.size,
      slots: this.#source.slots(place.cluster, place.start),
    };
    return this.#top;
  }

  /** Takes the best chunk: the next one of its cluster may follow. */
  include(): void {
    const taken = this.peek()!.slots.length;
    const { cluster, start } = this.#heap.pop()!;
    this.#top = undefined;
    if (start + taken < cluster.order.length) this.#heap.push(this.#place(cluster, start + taken));
  }

  /** Leaves the best chunk out, and what follows in its cluster. */
  skip(): void {
    this.#heap.pop();
    this.#top = undefined;
  }
}

/** Clusters by the rate of their last chunk, lowest first. Those that were dropped are passed over. */
export class WorstClusters {
  readonly #rateOf: (cluster: Cluster) => FeeRate;
  readonly #gone = new WeakSet<Cluster>();
  readonly #heap: Heap<{ cluster: Cluster; rate: FeeRate }>;

  constructor(rateOf: (cluster: Cluster) => FeeRate, clusters: readonly Cluster[]) {
    this.#rateOf = rateOf;
    this.#heap = new Heap(
      (a, b) => compareFeeRates(a.rate, b.rate) || b.cluster.rank - a.cluster.rank,
      clusters.map((cluster) => ({ cluster, rate: rateOf(cluster) })),
    );
  }

  /** With those that were dropped and did not come up yet. */
  get length(): number {
    return this.#heap.length;
  }

  add(cluster: Cluster): void {
    this.#heap.push({ cluster, rate: this.#rateOf(cluster) });
  }

  drop(cluster: Cluster): void {
    this.#gone.add(cluster);
  }

  peek(): Cluster | undefined {
    for (let top = this.#heap.peek(); top !== undefined; top = this.#heap.peek()) {
      if (!this.#gone.has(top.cluster)) return top.cluster;
      this.#heap.pop();
    }
    return undefined;
  }
}
