import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "#base/lib/random.ts";
import { compareDiagrams, sortChunks } from "./fee-diagram.ts";
import {
  compareFeeRates,
  compareProducts,
  feeFor,
  feePerKvb,
  feeRatePerKvb,
  perVirtualSize,
  sigopsAdjustedWeight,
} from "./fee-rate.ts";
import { formatFeeRate } from "./fee-text.ts";

test("feeFor rounds up, and a negative rate costs at least one satoshi", () => {
  // Values of Core's amount_tests.cpp, GetFeeTest.
  const cases: [number, [number, number][]][] = [
    [
      0,
      [
        [0, 0],
        [100_000, 0],
      ],
    ],
    [
      1000,
      [
        [0, 0],
        [1, 1],
        [121, 121],
        [999, 999],
        [1000, 1000],
        [9000, 9000],
      ],
    ],
    [
      -1000,
      [
        [0, 0],
        [1, -1],
        [121, -121],
        [999, -999],
        [1000, -1000],
        [9000, -9000],
      ],
    ],
    [
      123,
      [
        [0, 0],
        [8, 1],
        [9, 2],
        [121, 15],
        [122, 16],
        [999, 123],
        [1000, 123],
        [9000, 1107],
      ],
    ],
    [
      -123,
      [
        [0, 0],
        [8, -1],
        [9, -1],
      ],
    ],
  ];
  for (const [rate, fees] of cases) {
    for (const [size, fee] of fees)
      assert.equal(feeFor(feeRatePerKvb(rate), size), fee, `${rate} at ${size}`);
  }
  assert.equal(feeFor({ fee: 5, size: 0 }, 100), 0);
});

test("feePerKvb rounds down", () => {
  assert.equal(feePerKvb({ fee: 1, size: 3 }), 333);
  assert.equal(feePerKvb({ fee: -1, size: 3 }), -334);
  assert.equal(feePerKvb({ fee: 0, size: 0 }), 0);
  assert.ok(Object.is(feePerKvb({ fee: 0, size: 7 }), 0));
});

test("rates whose products pass 2^53 are exact", () => {
  const random = new SeededRandom(1);
  const big = () => random.below(2 ** 32) * 2 ** 20 + random.below(2 ** 20);
  for (let i = 0; i < 20_000; i++) {
    const [a, b, c] = [big(), random.below(2 ** 25) + 1, big()];
    // Often equal or off by one, where doubles fail.
    const d = i % 3 === 0 ? b : random.below(2 ** 25) + 1;
    const e = i % 3 === 0 ? a + random.below(3) - 1 : c;
    const exact = BigInt(a) * BigInt(b) - BigInt(e) * BigInt(d);
    assert.equal(Math.sign(compareProducts(a, b, e, d)), exact > 0n ? 1 : exact < 0n ? -1 : 0);
    const ceiling = (BigInt(a) * BigInt(b) + BigInt(d) - 1n) / BigInt(d);
    if (ceiling < 2n ** 53n) assert.equal(feeFor({ fee: a, size: d }, b), Number(ceiling));
  }
});

test("compareFeeRates, perVirtualSize, sigopsAdjustedWeight, formatFeeRate", () => {
  assert.ok(compareFeeRates({ fee: 2, size: 3 }, { fee: 1, size: 2 }) > 0);
  assert.equal(compareFeeRates({ fee: 2, size: 4 }, { fee: 1, size: 2 }), 0);
  assert.ok(compareFeeRates({ fee: 0, size: 0 }, { fee: 1, size: 2 }) < 0);
  assert.deepEqual(perVirtualSize({ fee: 9, size: 5 }), { fee: 9, size: 2 });
  assert.equal(sigopsAdjustedWeight(400, 21, 20), 420);
  assert.equal(sigopsAdjustedWeight(500, 21, 20), 500);
  assert.equal(formatFeeRate(feeRatePerKvb(1234)), "0.00001234 BTC/kvB");
  assert.equal(formatFeeRate({ fee: 100_000_000, size: 1000 }), "1.00000000 BTC/kvB");
});

test("compareDiagrams: the examples of Core's rbf_tests.cpp", () => {
  const rates = (...pairs: [number, number][]) => pairs.map(([fee, size]) => ({ fee, size }));
  // Same diagram.
  assert.equal(compareDiagrams(rates([950, 300], [100, 100]), rates([950, 300], [100, 100])), 0);
  // Same size, one better.
  assert.equal(compareDiagrams(rates([950, 300], [100, 100]), rates([1000, 300], [50, 100])), -1);
  assert.equal(compareDiagrams(rates([1000, 300], [50, 100]), rates([950, 300], [100, 100])), 1);
  // Each better somewhere.
  assert.equal(compareDiagrams(rates([950, 300], [100, 100]), rates([1000, 300], [0, 100])), undefined);
  // One shorter: level after its end.
  assert.equal(compareDiagrams(rates([950, 300], [100, 100]), rates([950, 300], [100, 100], [1, 50])), -1);
  assert.equal(compareDiagrams(rates([950, 300], [100, 100]), rates([950, 300])), 1);
  // A corner on the other's line.
  assert.equal(compareDiagrams(rates([100, 100], [100, 100]), rates([200, 200])), 0);
  assert.equal(compareDiagrams([], []), 0);
  assert.equal(compareDiagrams(rates([1, 1]), []), 1);
  assert.equal(compareDiagrams(rates([-1, 1]), []), -1);
});

test("compareDiagrams agrees with the lines sampled at every size", () => {
  const random = new SeededRandom(3);
  const diagram = () =>
    sortChunks(
      Array.from({ length: random.below(5) }, () => ({ fee: random.below(12), size: 1 + random.below(6) })),
    );
  const heightAt = (chunks: readonly { fee: number; size: number }[], size: number): number => {
    let left = size;
    let fee = 0;
    for (const chunk of chunks) {
      const part = Math.min(left, chunk.size);
      fee += (chunk.fee * part) / chunk.size;
      left -= part;
    }
    return fee;
  };
  const seen = new Set<number | undefined>();
  for (let i = 0; i < 5000; i++) {
    const [a, b] = [diagram(), diagram()];
    let above = false;
    let below = false;
    for (let size = 0; size <= 40; size++) {
      const difference = heightAt(a, size) - heightAt(b, size);
      if (difference > 1e-9) above = true;
      if (difference < -1e-9) below = true;
    }
    const expected = above && below ? undefined : above ? 1 : below ? -1 : 0;
    assert.equal(compareDiagrams(a, b), expected, JSON.stringify([a, b]));
    seen.add(expected);
  }
  assert.equal(seen.size, 4);
});
