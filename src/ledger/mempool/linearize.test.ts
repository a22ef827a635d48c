import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "#base/lib/random.ts";
import { compareDiagrams } from "#protocol/policy/fee-diagram.ts";
import { compareFeeRates, type FeeRate } from "#protocol/policy/fee-rate.ts";
import { componentsOf, type Linearization, type LinearizeInput, linearize } from "./linearize.ts";

function randomInput(random: SeededRandom, count: number, density: number, maxFee: number): LinearizeInput {
  const fees: number[] = [];
  const sizes: number[] = [];
  const parents: number[][] = [];
  for (let tx = 0; tx < count; tx++) {
    fees.push(random.below(maxFee) - Math.floor(maxFee / 8));
    sizes.push(1 + random.below(4));
    const mine: number[] = [];
    for (let other = 0; other < tx; other++) if (random.below(100) < density) mine.push(other);
    parents.push(mine);
  }
  return { fees, sizes, parents, order: fees.map((_, tx) => tx) };
}

function chunkRates(input: LinearizeInput, { order, chunks }: Linearization): FeeRate[] {
  let at = 0;
  return chunks.map((count) => {
    const members = order.slice(at, at + count);
    at += count;
    return sumOf(input, members);
  });
}

function sumOf(input: LinearizeInput, members: readonly number[]): FeeRate {
  return {
    fee: members.reduce((sum, tx) => sum + input.fees[tx]!, 0),
    size: members.reduce((sum, tx) => sum + input.sizes[tx]!, 0),
  };
}

/** Subsets of `members` that hold every parent of theirs which is among `members`, the empty one left out. */
function* closedSubsets(input: LinearizeInput, members: readonly number[]): Generator<number[]> {
  for (let mask = 1; mask < 1 << members.length; mask++) {
    const chosen = members.filter((_, i) => (mask & (1 << i)) !== 0);
    const closed = chosen.every((tx) =>
      input.parents[tx]!.every((parent) => !members.includes(parent) || chosen.includes(parent)),
    );
    if (closed) yield chosen;
  }
}

/** The optimal diagram by trying every set: again and again the closed set with the best rate. */
function bruteForce(input: LinearizeInput): FeeRate[] {
  let left = [...input.order];
  const rates: FeeRate[] = [];
  while (left.length > 0) {
    let best: number[] | undefined;
    for (const candidate of closedSubsets(input, left)) {
      if (best === undefined || compareFeeRates(sumOf(input, candidate), sumOf(input, best)) > 0)
        best = candidate;
    }
    const chosen = best!;
    rates.push(sumOf(input, chosen));
    left = left.filter((tx) => !chosen.includes(tx));
  }
  return rates;
}

function checkValid(input: LinearizeInput, { order, chunks }: Linearization): void {
  assert.deepEqual(
    [...order].sort((a, b) => a - b),
    input.order.slice().sort((a, b) => a - b),
  );
  const place = new Map(order.map((tx, i) => [tx, i]));
  input.parents.forEach((parents, tx) => {
    for (const parent of parents) assert.ok(place.get(parent)! < place.get(tx)!, `${parent} before ${tx}`);
  });
  assert.equal(
    chunks.reduce((sum, count) => sum + count, 0),
    order.length,
  );
}

test("linearize: 3,000 random graphs have the diagram that trying every set finds", () => {
  const random = new SeededRandom(1);
  for (let round = 0; round < 3000; round++) {
    const input = randomInput(random, 1 + random.below(8), [10, 25, 50, 80][round % 4]!, round % 3 ? 40 : 6);
    const found = linearize(input, random);
    checkValid(input, found);
    assert.ok(found.optimal);
    const rates = chunkRates(input, found);
    assert.equal(compareDiagrams(rates, bruteForce(input)), 0, `round ${round}`);
    for (let i = 1; i < rates.length; i++) assert.ok(compareFeeRates(rates[i - 1]!, rates[i]!) >= 0);
  }
});

test("linearize: no chunk holds a smaller set that could go first at the same rate", () => {
  const random = new SeededRandom(2);
  let joined = 0;
  for (let round = 0; round < 3000; round++) {
    // Few different fees, so that equal rates are common.
    const input = randomInput(random, 2 + random.below(7), [15, 30, 60][round % 3]!, 4);
    const found = linearize(input, random);
    let at = 0;
    for (const count of found.chunks) {
      const members = found.order.slice(at, at + count);
      at += count;
      if (count > 1) joined++;
      for (const subset of closedSubsets(input, members)) {
        if (subset.length === count) continue;
        assert.ok(compareFeeRates(sumOf(input, subset), sumOf(input, members)) < 0, `round ${round}`);
      }
    }
  }
  assert.ok(joined > 500, `only ${joined} chunks of more than one`);
});

test("linearize: clusters of 64 end optimal, whatever order they start from", () => {
  const random = new SeededRandom(3);
  for (let round = 0; round < 60; round++) {
    const input = randomInput(random, 64, [2, 4, 8, 30][round % 4]!, 100_000);
    const first = linearize(input, random);
    assert.ok(first.optimal, `round ${round}`);
    checkValid(input, first);
    const again = linearize({ ...input, order: first.order }, random);
    assert.equal(compareDiagrams(chunkRates(input, first), chunkRates(input, again)), 0, `round ${round}`);
  }
});

test("linearize: amounts whose products pass 2^53 are compared exactly", () => {
  const fee = 2_000_000_000_000_001;
  // The child pays one satoshi less or more than its parent's rate: below, apart; above, together.
  for (const [difference, chunks] of [
    [-1, [1, 1]],
    [0, [1, 1]],
    [1, [2]],
  ] as const) {
    const input = {
      fees: [fee, fee + difference],
      sizes: [399_999, 399_999],
      parents: [[], [0]],
      order: [0, 1],
    };
    assert.deepEqual(linearize(input, new SeededRandom(1)).chunks, chunks);
  }
});

test("componentsOf gives each component after those it needs", () => {
  const edges = new Map([
    [1, [2]],
    [2, [3]],
    [3, [2, 4]],
    [4, []],
    [5, [1, 4]],
  ]);
  assert.deepEqual(
    componentsOf(edges).map((component) => component.sort()),
    [[4], [2, 3], [1], [5]],
  );
});
