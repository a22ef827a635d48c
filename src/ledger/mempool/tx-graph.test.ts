import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "#base/lib/random.ts";
import { compareDiagrams } from "#protocol/policy/fee-diagram.ts";
import { compareFeeRates, type FeeRate } from "#protocol/policy/fee-rate.ts";
import { linearize } from "./linearize.ts";
import { TxGraph } from "./tx-graph.ts";

/** The graph as plain maps, answered by searching through all of it. */
class Model {
  readonly txs = new Map<number, { fee: number; size: number; parents: Set<number> }>();

  children(slot: number): number[] {
    return [...this.txs].filter(([, tx]) => tx.parents.has(slot)).map(([other]) => other);
  }

  reach(slot: number, next: (slot: number) => Iterable<number>): Set<number> {
    const seen = new Set([slot]);
    for (const each of seen) for (const other of next(each)) seen.add(other);
    return seen;
  }

  ancestors(slot: number): Set<number> {
    return this.reach(slot, (each) => this.txs.get(each)!.parents);
  }

  descendants(slot: number): Set<number> {
    return this.reach(slot, (each) => this.children(each));
  }

  cluster(slot: number): Set<number> {
    return this.reach(slot, (each) => [...this.txs.get(each)!.parents, ...this.children(each)]);
  }

  remove(slots: Iterable<number>): void {
    for (const slot of slots) this.txs.delete(slot);
    for (const tx of this.txs.values()) for (const slot of slots) tx.parents.delete(slot);
  }

  /** The best diagram of all transactions, from one linearisation of everything. */
  diagram(random: SeededRandom): FeeRate[] {
    const slots = [...this.txs.keys()];
    const order = this.#topological(slots);
    const index = new Map(order.map((slot, i) => [slot, i]));
    const result = linearize(
      {
        fees: order.map((slot) => this.txs.get(slot)!.fee),
        sizes: order.map((slot) => this.txs.get(slot)!.size),
        parents: order.map((slot) => [...this.txs.get(slot)!.parents].map((parent) => index.get(parent)!)),
        order: order.map((_, i) => i),
      },
      random,
    );
    let at = 0;
    return result.chunks.map((count) => {
      const members = result.order.slice(at, at + count).map((i) => this.txs.get(order[i]!)!);
      at += count;
      return {
        fee: members.reduce((sum, tx) => sum + tx.fee, 0),
        size: members.reduce((sum, tx) => sum + tx.size, 0),
      };
    });
  }

  #topological(slots: number[]): number[] {
    const placed = new Set<number>();
    while (placed.size < slots.length) {
      for (const slot of slots) {
        if ([...this.txs.get(slot)!.parents].every((parent) => placed.has(parent))) placed.add(slot);
      }
    }
    return [...placed];
  }
}

function sorted(slots: Iterable<number>): number[] {
  return [...slots].sort((a, b) => a - b);
}

function checkAgainst(graph: TxGraph, model: Model, random: SeededRandom): void {
  assert.equal(graph.count, model.txs.size);
  for (const [slot, tx] of model.txs) {
    assert.deepEqual(sorted(graph.parents(slot)), sorted(tx.parents));
    assert.deepEqual(sorted(graph.children(slot)), sorted(model.children(slot)));
    assert.deepEqual(sorted(graph.ancestors([slot])), sorted(model.ancestors(slot)));
    assert.deepEqual(sorted(graph.descendants([slot])), sorted(model.descendants(slot)));
    assert.deepEqual(sorted(graph.cluster(slot)), sorted(model.cluster(slot)));
    const chunk = graph.chunks(slot).find(({ slots }) => slots.includes(slot))!;
    assert.deepEqual(graph.chunkRate(slot), { fee: chunk.fee, size: chunk.size });
  }
  const clusters = new Set([...model.txs.keys()].map((slot) => Math.min(...model.cluster(slot))));
  assert.equal(graph.clusterCount, clusters.size);
  assert.equal(graph.countClusters(model.txs.keys()), clusters.size);

  const walked: FeeRate[] = [];
  const mined = new Set<number>();
  const best = graph.bestChunks();
  for (let chunk = best.peek(); chunk !== undefined; chunk = best.peek()) {
    walked.push({ fee: chunk.fee, size: chunk.size });
    for (const slot of chunk.slots) {
      for (const parent of model.txs.get(slot)!.parents) assert.ok(mined.has(parent), "parents first");
      mined.add(slot);
    }
    best.include();
  }
  assert.equal(mined.size, model.txs.size);
  assert.equal(compareDiagrams(walked, model.diagram(random)), 0);

  const order = [...model.txs.keys()].sort((a, b) => graph.compare(a, b));
  assert.deepEqual(order, [...mined]);
  const worst = graph.worstChunk();
  if (walked.length === 0) assert.equal(worst, undefined);
  else assert.equal(compareFeeRates(worst!, walked[walked.length - 1]!), 0);
}

test("TxGraph agrees with a plain model over 60 random histories", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = new SeededRandom(seed);
    const negative = seed % 2 === 0 ? 10 : 0;
    const graph = new TxGraph({ maxCount: 12, maxSize: 60 }, random);
    const model = new Model();
    for (let step = 0; step < 60; step++) {
      const slots = [...model.txs.keys()];
      const pick = () => slots[random.below(slots.length)]!;
      const kind = random.below(10);
      if (kind < 6 || slots.length === 0) {
        const parents = new Set<number>();
        for (let i = random.below(4); i > 0 && slots.length > 0; i--) parents.add(pick());
        const remove = kind === 5 && slots.length > 0 ? model.descendants(pick()) : new Set<number>();
        const addition = {
          fee: random.below(50) - negative,
          size: 1 + random.below(9),
          parents: [...parents].filter((parent) => !remove.has(parent)),
        };
        const before = model.diagram(random);
        const proposal = graph.propose({ remove, add: [addition] });
        const expected = new Set(addition.parents.flatMap((parent) => [...model.cluster(parent)]));
        if (remove.size === 0) {
          const size = [...expected].reduce((sum, slot) => sum + model.txs.get(slot)!.size, addition.size);
          assert.equal(proposal.oversized, expected.size + 1 > 12 || size > 60);
        }
        if (proposal.oversized) continue;
        const { before: was, after: willBe } = proposal.diagrams();
        const [slot] = proposal.apply();
        model.remove(remove);
        model.txs.set(slot!, { fee: addition.fee, size: addition.size, parents: new Set(addition.parents) });
        if (negative > 0) continue;
        // What the touched clusters gain is what the whole gains, as long as no chunk costs fees.
        const after = model.diagram(random);
        assert.equal(
          compareDiagrams(after, before),
          compareDiagrams(willBe, was),
          `seed ${seed} step ${step}`,
        );
      } else if (kind < 8) {
        const removed = new Set([pick(), pick()]);
        graph.remove(removed);
        model.remove(removed);
      } else {
        const slot = pick();
        const fee = random.below(80) - negative;
        graph.setFee(slot, fee);
        model.txs.get(slot)!.fee = fee;
      }
      if (step % 5 === 0) checkAgainst(graph, model, random);
    }
    checkAgainst(graph, model, random);
    assert.ok(graph.optimal);
  }
});

test("compareDiagrams of whole and part agree only where both are comparable", () => {
  // Guards the test above: an incomparable pair must stay so.
  const a = [
    { fee: 10, size: 1 },
    { fee: 0, size: 9 },
  ];
  const b = [{ fee: 12, size: 10 }];
  assert.equal(compareDiagrams(a, b), undefined);
});

test("several additions may depend on one another", () => {
  const graph = new TxGraph({ maxCount: 3, maxSize: 100 }, new SeededRandom(1));
  const base = graph.add({ fee: 1, size: 10, parents: [] });
  const proposal = graph.propose({
    remove: [],
    add: [
      { fee: 0, size: 10, parents: [base] },
      { fee: 90, size: 10, parents: [-1] },
    ],
  });
  assert.ok(!proposal.oversized);
  assert.deepEqual(proposal.diagrams(), {
    before: [{ fee: 1, size: 10 }],
    after: [{ fee: 91, size: 30 }],
  });
  const [parent, child] = proposal.apply();
  assert.deepEqual(graph.cluster(base), [base, parent, child]);
  assert.deepEqual(graph.parents(child!), [parent]);
  const more = graph.propose({ remove: [], add: [{ fee: 1, size: 1, parents: [child!] }] });
  assert.ok(more.oversized, "a fourth transaction");
});

test("trim chooses a set whose removal keeps the limits, and nothing from clusters that keep them", () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = new SeededRandom(seed);
    const graph = new TxGraph({ maxCount: 8, maxSize: 40 }, random);
    const model = new Model();
    for (let i = 0; i < 40; i++) {
      const fee = random.below(100);
      const size = 1 + random.below(6);
      const slot = graph.add({ fee, size, parents: [] });
      model.txs.set(slot, { fee, size, parents: new Set() });
    }
    for (let i = 0; i < 35; i++) {
      const [parent, child] = sorted([random.below(40), random.below(40)]) as [number, number];
      if (parent === child) continue;
      graph.addDependency(parent, child);
      model.txs.get(child)!.parents.add(parent);
    }
    const excess = graph.trim();
    for (const slot of excess) {
      const members = model.cluster(slot);
      const size = [...members].reduce((sum, each) => sum + model.txs.get(each)!.size, 0);
      assert.ok(members.size > 8 || size > 40, "it was in a cluster over the limits");
      for (const other of model.descendants(slot)) assert.ok(excess.includes(other), "with its descendants");
    }
    graph.remove(excess);
    model.remove(excess);
    checkAgainst(graph, model, random);
    for (const slot of model.txs.keys()) {
      const members = model.cluster(slot);
      assert.ok(members.size <= 8);
      assert.ok([...members].reduce((sum, each) => sum + model.txs.get(each)!.size, 0) <= 40);
    }
  }
});

test("a skipped chunk takes the rest of its cluster with it", () => {
  const graph = new TxGraph({ maxCount: 64, maxSize: 1000 }, new SeededRandom(1));
  const first = graph.add({ fee: 50, size: 10, parents: [] });
  graph.add({ fee: 40, size: 10, parents: [first] });
  const other = graph.add({ fee: 10, size: 10, parents: [] });
  const best = graph.bestChunks();
  assert.deepEqual(best.peek()!.slots, [first]);
  best.skip();
  assert.deepEqual(best.peek()!.slots, [other]);
  best.include();
  assert.equal(best.peek(), undefined);
});

test("the worst chunk stays right while thousands come and go", () => {
  const random = new SeededRandom(5);
  const graph = new TxGraph({ maxCount: 64, maxSize: 1000 }, random);
  const rates = new Map<number, number>();
  for (let i = 0; i < 6000; i++) {
    if (rates.size > 200 || (rates.size > 0 && random.below(3) === 0)) {
      const worst = graph.worstChunk()!;
      assert.equal(worst.fee, Math.min(...rates.values()), `step ${i}`);
      const slot = random.below(2) === 0 ? worst.slots[0]! : [...rates.keys()][random.below(rates.size)]!;
      graph.remove([slot]);
      rates.delete(slot);
    } else {
      const fee = random.below(1_000_000);
      rates.set(graph.add({ fee, size: 1, parents: [] }), fee);
    }
  }
});
