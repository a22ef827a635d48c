import type { Random } from "#base/lib/random.ts";
import { compareProducts } from "#protocol/policy/fee-rate.ts";

/** A set of transactions that depend on each other, by index. Every size is above zero. */
export interface LinearizeInput {
  /** Satoshi, with what prioritisetransaction added; may be negative. */
  readonly fees: readonly number[];
  readonly sizes: readonly number[];
  /** Indices of each transaction's direct parents, without repetition. */
  readonly parents: readonly (readonly number[])[];
  /** An order with parents before children to start from; a good one makes it faster. */
  readonly order: readonly number[];
}

/** An order to mine them in. */
export interface Linearization {
  /** Indices, parents before children, chunk after chunk. */
  readonly order: readonly number[];
  /** Number of transactions in each chunk, best rate first. */
  readonly chunks: readonly number[];
  /** Whether no better order exists. False only when the steps ran out. */
  readonly optimal: boolean;
}

/** Steps after which the search for improvement stops. Clusters of 64 were never seen to need 200. */
const MAX_STEPS = 2_000;

/**
 * The order with the best feerate diagram, in chunks of falling feerate, each as small as can be.
 *
 * Core's spanning-forest linearisation (cluster_linearize.h): dependencies are switched on or off; those that
 * are on form a forest, whose trees are the chunks. A dependency is switched on where a child's chunk would come
 * before its parent's, off where the part above it has a better rate than the part below. When neither is left,
 * the chunks sorted by rate are an optimal linearisation.
 */
export function linearize(input: LinearizeInput, random: Random): Linearization {
  const forest = new SpanningForest(input, random);
  const optimal = forest.improve(MAX_STEPS);
  return { ...forest.sorted(optimal), optimal };
}

class SpanningForest {
  readonly #count: number;
  readonly #fees: readonly number[];
  readonly #sizes: readonly number[];
  readonly #random: Random;
  /** Dependency → the parent's and the child's index, and whether it is on. */
  readonly #parentOf: number[] = [];
  readonly #childOf: number[] = [];
  readonly #on: boolean[] = [];
  /** Transaction → its dependencies, as child and as parent. */
  readonly #up: number[][] = [];
  readonly #down: number[][] = [];
  /** Transaction → the chunk it is in; a chunk is named by one of its transactions. */
  readonly #chunkOf: number[] = [];
  readonly #members: number[][] = [];
  readonly #chunkFee: number[] = [];
  readonly #chunkSize: number[] = [];
  /** Work space of one walk over a tree: the part below each transaction, as seen from the walk's start. */
  readonly #belowFee: number[];
  readonly #belowSize: number[];

  constructor(input: LinearizeInput, random: Random) {
    this.#count = input.fees.length;
    this.#fees = input.fees;
    this.#sizes = input.sizes;
    this.#random = random;
    this.#belowFee = new Array<number>(this.#count).fill(0);
    this.#belowSize = new Array<number>(this.#count).fill(0);
    for (let tx = 0; tx < this.#count; tx++) {
      this.#up.push([]);
      this.#down.push([]);
      this.#chunkOf.push(tx);
      this.#members.push([tx]);
      this.#chunkFee.push(input.fees[tx]!);
      this.#chunkSize.push(input.sizes[tx]!);
    }
    for (const tx of input.order) {
      for (const parent of input.parents[tx]!) this.#addDependency(parent, tx);
      this.#mergeUpwards(tx);
    }
  }

  #addDependency(parent: number, child: number): void {
    const dependency = this.#on.length;
    this.#parentOf.push(parent);
    this.#childOf.push(child);
    this.#on.push(false);
    this.#up[child]!.push(dependency);
    this.#down[parent]!.push(dependency);
  }

  /** Splits chunks until no split improves. @returns false when the steps ran out first. */
  improve(maxSteps: number): boolean {
    const open = [...new Set(this.#chunkOf)];
    let steps = 0;
    while (open.length > 0) {
      const chunk = open.pop()!;
      // The name may have become another chunk's since; each split adds what it touched.
      if (this.#chunkOf[chunk] !== chunk) continue;
      const dependency = this.#improvable(chunk);
      if (dependency === -1) continue;
      if (++steps > maxSteps) return false;
      const parent = this.#parentOf[dependency]!;
      const child = this.#childOf[dependency]!;
      this.#split(dependency);
      this.#mergeUpwards(this.#chunkOf[parent]!);
      this.#mergeDownwards(this.#chunkOf[child]!);
      open.push(this.#chunkOf[parent]!);
      if (this.#chunkOf[child] !== this.#chunkOf[parent]) open.push(this.#chunkOf[child]!);
    }
    return true;
  }

  /** A dependency of the chunk whose upper part has the better rate, any of them at random; −1 when there is none. */
  #improvable(chunk: number): number {
    if (this.#members[chunk]!.length === 1) return -1;
    let found = -1;
    let seen = 0;
    this.#walk(chunk, -1, (dependency, above) => {
      if (above <= 0) return;
      seen++;
      if (seen === 1 || this.#random.below(seen) === 0) found = dependency;
    });
    return found;
  }

  /**
   * Visits the dependencies that hold a chunk together, with the sign of the upper part's rate over the chunk's.
   */
  #walk(chunk: number, from: number, visit: (dependency: number, above: number) => void): void {
    const totalFee = this.#chunkFee[chunk]!;
    const totalSize = this.#chunkSize[chunk]!;
    const sum = (tx: number, via: number): void => {
      let fee = this.#fees[tx]!;
      let size = this.#sizes[tx]!;
      for (const dependency of this.#up[tx]!) {
        if (!this.#on[dependency] || dependency === via) continue;
        const other = this.#parentOf[dependency]!;
        sum(other, dependency);
        fee += this.#belowFee[other]!;
        size += this.#belowSize[other]!;
        visit(
          dependency,
          compareProducts(this.#belowFee[other]!, totalSize, totalFee, this.#belowSize[other]!),
        );
      }
      for (const dependency of this.#down[tx]!) {
        if (!this.#on[dependency] || dependency === via) continue;
        const other = this.#childOf[dependency]!;
        sum(other, dependency);
        fee += this.#belowFee[other]!;
        size += this.#belowSize[other]!;
        // The part above is the rest: its rate is above the chunk's where this part's is below.
        visit(
          dependency,
          compareProducts(totalFee, this.#belowSize[other]!, this.#belowFee[other]!, totalSize),
        );
      }
      this.#belowFee[tx] = fee;
      this.#belowSize[tx] = size;
    };
    sum(from === -1 ? chunk : from, -1);
  }

  /** Switches a dependency off: the part on its child's side becomes a chunk of its own. */
  #split(dependency: number): void {
    this.#on[dependency] = false;
    const parent = this.#parentOf[dependency]!;
    const child = this.#childOf[dependency]!;
    this.#rename(this.#tree(parent), parent);
    this.#rename(this.#tree(child), child);
  }

  /** Transactions joined with one by dependencies that are on. */
  #tree(start: number): number[] {
    const members = [start];
    const from = [-1];
    for (let i = 0; i < members.length; i++) {
      const tx = members[i]!;
      for (const dependency of this.#up[tx]!) {
        if (!this.#on[dependency] || dependency === from[i]) continue;
        members.push(this.#parentOf[dependency]!);
        from.push(dependency);
      }
      for (const dependency of this.#down[tx]!) {
        if (!this.#on[dependency] || dependency === from[i]) continue;
        members.push(this.#childOf[dependency]!);
        from.push(dependency);
      }
    }
    return members;
  }

  #rename(members: number[], name: number): void {
    let fee = 0;
    let size = 0;
    for (const tx of members) {
      this.#chunkOf[tx] = name;
      fee += this.#fees[tx]!;
      size += this.#sizes[tx]!;
    }
    this.#members[name] = members;
    this.#chunkFee[name] = fee;
    this.#chunkSize[name] = size;
  }

  /** Sign of one chunk's rate over another's. */
  #compare(a: number, b: number): number {
    return compareProducts(this.#chunkFee[a]!, this.#chunkSize[b]!, this.#chunkFee[b]!, this.#chunkSize[a]!);
  }

  /** Joins a chunk with those it depends on that do not have a better rate, the worst first. */
  #mergeUpwards(start: number): void {
    for (let chunk = start; ; ) {
      let best = -1;
      let chosen = -1;
      let seen = 0;
      for (const tx of this.#members[chunk]!) {
        for (const dependency of this.#up[tx]!) {
          const other = this.#chunkOf[this.#parentOf[dependency]!]!;
          if (other === chunk || this.#compare(other, chunk) > 0) continue;
          const order = best === -1 || best === other ? 0 : this.#compare(other, best);
          if (order > 0) continue;
          if (order < 0 || best === -1) seen = 0;
          seen++;
          if (seen === 1 || this.#random.below(seen) === 0) {
            best = other;
            chosen = dependency;
          }
        }
      }
      if (chosen === -1) return;
      chunk = this.#merge(chosen);
    }
  }

  /** Joins a chunk with those that depend on it and do not have a worse rate, the best first. */
  #mergeDownwards(start: number): void {
    for (let chunk = start; ; ) {
      let best = -1;
      let chosen = -1;
      let seen = 0;
      for (const tx of this.#members[chunk]!) {
        for (const dependency of this.#down[tx]!) {
          const other = this.#chunkOf[this.#childOf[dependency]!]!;
          if (other === chunk || this.#compare(other, chunk) < 0) continue;
          const order = best === -1 || best === other ? 0 : this.#compare(other, best);
          if (order < 0) continue;
          if (order > 0 || best === -1) seen = 0;
          seen++;
          if (seen === 1 || this.#random.below(seen) === 0) {
            best = other;
            chosen = dependency;
          }
        }
      }
      if (chosen === -1) return;
      chunk = this.#merge(chosen);
    }
  }

  /** Switches a dependency between two chunks on. @returns the chunk that they become. */
  #merge(dependency: number): number {
    this.#on[dependency] = true;
    const a = this.#chunkOf[this.#parentOf[dependency]!]!;
    const b = this.#chunkOf[this.#childOf[dependency]!]!;
    const [kept, gone] = this.#members[a]!.length >= this.#members[b]!.length ? [a, b] : [b, a];
    for (const tx of this.#members[gone]!) {
      this.#chunkOf[tx] = kept;
      this.#members[kept]!.push(tx);
    }
    this.#chunkFee[kept]! += this.#chunkFee[gone]!;
    this.#chunkSize[kept]! += this.#chunkSize[gone]!;
    return kept;
  }

  /** The chunks by falling rate, each split as far as its rate allows and in the order to mine it. */
  sorted(optimal: boolean): { order: number[]; chunks: number[] } {
    const names = [...new Set(this.#chunkOf)].sort((a, b) => this.#compare(b, a));
    const order: number[] = [];
    const chunks: number[] = [];
    for (const name of names) {
      const parts = optimal ? this.#smallestParts(name) : [this.#members[name]!];
      for (const part of parts) {
        order.push(...this.#topological(part));
        chunks.push(part.length);
      }
    }
    return { order, chunks };
  }

  /**
   * Splits an optimal chunk into the smallest sets that can be mined one after the other at the same rate.
   *
   * A dependency that is on and whose upper part is strictly worse than the chunk carries fees upwards: no set
   * at the chunk's rate has its parent without its child. Every dependency forbids the child without its parent.
   * What is left is one set for each strongly connected component of these two demands.
   */
  #smallestParts(chunk: number): number[][] {
    const members = this.#members[chunk]!;
    if (members.length === 1) return [members];
    const needs = new Map<number, number[]>();
    for (const tx of members) {
      const parents = this.#up[tx]!.map((dependency) => this.#parentOf[dependency]!);
      needs.set(
        tx,
        parents.filter((parent) => this.#chunkOf[parent] === chunk),
      );
    }
    this.#walk(chunk, members[0]!, (dependency, above) => {
      if (above < 0) needs.get(this.#parentOf[dependency]!)!.push(this.#childOf[dependency]!);
    });
    return componentsOf(needs);
  }

  /** Parents before children, and otherwise the better rate first. */
  #topological(members: readonly number[]): number[] {
    if (members.length === 1) return [...members];
    const waiting = new Map<number, number>();
    for (const tx of members) waiting.set(tx, 0);
    for (const tx of members) {
      for (const dependency of this.#down[tx]!) {
        const child = this.#childOf[dependency]!;
        if (waiting.has(child)) waiting.set(child, waiting.get(child)! + 1);
      }
    }
    const ready = members.filter((tx) => waiting.get(tx) === 0);
    const order: number[] = [];
    while (ready.length > 0) {
      let best = 0;
      for (let i = 1; i < ready.length; i++) if (this.#before(ready[i]!, ready[best]!)) best = i;
      const tx = ready[best]!;
      ready[best] = ready[ready.length - 1]!;
      ready.pop();
      order.push(tx);
      for (const dependency of this.#down[tx]!) {
        const child = this.#childOf[dependency]!;
        if (!waiting.has(child)) continue;
        const left = waiting.get(child)! - 1;
        waiting.set(child, left);
        if (left === 0) ready.push(child);
      }
    }
    return order;
  }

  #before(a: number, b: number): boolean {
    const order = compareProducts(this.#fees[a]!, this.#sizes[b]!, this.#fees[b]!, this.#sizes[a]!);
    return order !== 0 ? order > 0 : a < b;
  }
}

/**
 * Strongly connected components of a graph (Tarjan), each after those it points to.
 */
export function componentsOf(edges: ReadonlyMap<number, readonly number[]>): number[][] {
  const index = new Map<number, number>();
  const low = new Map<number, number>();
  const open: number[] = [];
  const isOpen = new Set<number>();
  const components: number[][] = [];
  const visit = (node: number): void => {
    const mine = index.size;
    index.set(node, mine);
    low.set(node, mine);
    open.push(node);
    isOpen.add(node);
    for (const next of edges.get(node)!) {
      if (!index.has(next)) {
        visit(next);
        low.set(node, Math.min(low.get(node)!, low.get(next)!));
      } else if (isOpen.has(next)) {
        low.set(node, Math.min(low.get(node)!, index.get(next)!));
      }
    }
    if (low.get(node) !== mine) return;
    const component = open.splice(open.indexOf(node));
    for (const member of component) isOpen.delete(member);
    components.push(component);
  };
  for (const node of edges.keys()) if (!index.has(node)) visit(node);
  return components;
}
