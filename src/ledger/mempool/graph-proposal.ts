import type { Random } from "#base/lib/random.ts";
import { sortChunks } from "#protocol/policy/fee-diagram.ts";
import type { FeeRate } from "#protocol/policy/fee-rate.ts";
import { type Cluster, type GraphChunk, linearizeNodes, type ReadyCluster } from "./cluster.ts";
import type { TxGraph } from "./tx-graph.ts";

/** A transaction to be added. Parents are slots of the graph, or −1 − i for the i-th addition before it. */
export interface GraphAddition {
  readonly fee: number;
  readonly size: number;
  readonly parents: readonly number[];
}

/** A change worked out. */
export interface ReadyChange {
  readonly removed: ReadonlySet<number>;
  readonly additions: readonly GraphAddition[];
  readonly touched: ReadonlySet<Cluster>;
  readonly made: readonly ReadyCluster[];
}

/** What a proposal needs of its graph. */
export interface GraphInternals {
  cluster(slot: number): Cluster;
  chunks(cluster: Cluster): GraphChunk[];
  components(slots: readonly number[]): number[][];
  apply(change: ReadyChange): number[];
  readonly random: Random;
}

/** A change of the graph that is looked at before it is made. Only one can be applied, and nothing in between. */
export class GraphProposal {
  readonly #graph: TxGraph;
  readonly #internals: GraphInternals;
  readonly #removed: ReadonlySet<number>;
  readonly #additions: readonly GraphAddition[];
  readonly #touched = new Set<Cluster>();
  readonly #components: number[][];
  #made: ReadyCluster[] | undefined;

  constructor(
    graph: TxGraph,
    change: { remove: Iterable<number>; add: readonly GraphAddition[] },
    internals: GraphInternals,
  ) {
    this.#graph = graph;
    this.#internals = internals;
    this.#removed = new Set(change.remove);
    this.#additions = change.add;
    for (const slot of this.#removed) this.#touched.add(internals.cluster(slot));
    for (const { parents } of change.add) {
      for (const parent of parents) if (parent >= 0) this.#touched.add(internals.cluster(parent));
    }
    this.#components = this.#partition();
  }

  /** Whether a cluster would break the limits. */
  get oversized(): boolean {
    const { maxCount, maxSize } = this.#graph.limits;
    return this.#components.some((members) => {
      let size = 0;
      for (const node of members) size += this.#size(node);
      return members.length > maxCount || size > maxSize;
    });
  }

  /** The chunks of the clusters it touches as they are and as they would be, each best first. Not when oversized. */
  diagrams(): { before: FeeRate[]; after: FeeRate[] } {
    const before: FeeRate[] = [];
    for (const cluster of this.#touched) {
      for (const { fee, size } of this.#internals.chunks(cluster)) before.push({ fee, size });
    }
    const after: FeeRate[] = [];
    for (const { order, chunks } of this.#linearized()) {
      let at = 0;
      for (const count of chunks) {
        after.push(this.#rate(order.slice(at, at + count)));
        at += count;
      }
    }
    return { before: sortChunks(before), after: sortChunks(after) };
  }

  /** Makes the change. @returns the slots of the additions, in their order. */
  apply(): number[] {
    return this.#internals.apply({
      removed: this.#removed,
      additions: this.#additions,
      touched: this.#touched,
      made: this.#linearized(),
    });
  }

  #linearized(): ReadyCluster[] {
    this.#made ??= this.#components.map((members) =>
      linearizeNodes(
        members,
        (node) => this.#fee(node),
        (node) => this.#size(node),
        (node) => this.#parents(node),
        this.#internals.random,
      ),
    );
    return this.#made;
  }

  /** The clusters as they would be; each has parents before children. Negative nodes are additions. */
  #partition(): number[][] {
    const nodes: number[] = [];
    for (const cluster of this.#touched) {
      for (const slot of cluster.order) if (!this.#removed.has(slot)) nodes.push(slot);
    }
    for (let i = 0; i < this.#additions.length; i++) nodes.push(-1 - i);
    const into = new Map<number, number>();
    const find = (node: number): number => {
      let root = node;
      while (into.get(root)! !== root) root = into.get(root)!;
      into.set(node, root);
      return root;
    };
    for (const node of nodes) {
      into.set(node, node);
      for (const parent of this.#parents(node)) into.set(find(parent), node);
    }
    const components = new Map<number, number[]>();
    for (const node of nodes) {
      const root = find(node);
      const members = components.get(root);
      if (members === undefined) components.set(root, [node]);
      else members.push(node);
    }
    return [...components.values()];
  }

  #fee(node: number): number {
    return node < 0 ? this.#additions[-1 - node]!.fee : this.#graph.fee(node);
  }

  #size(node: number): number {
    return node < 0 ? this.#additions[-1 - node]!.size : this.#graph.size(node);
  }

  #parents(node: number): readonly number[] {
    const parents = node < 0 ? this.#additions[-1 - node]!.parents : this.#graph.parents(node);
    return this.#removed.size === 0 ? parents : parents.filter((parent) => !this.#removed.has(parent));
  }

  #rate(nodes: readonly number[]): FeeRate {
    let fee = 0;
    let size = 0;
    for (const node of nodes) {
      fee += this.#fee(node);
      size += this.#size(node);
    }
    return { fee, size };
  }
}
