import assert from "node:assert/strict";
import { test } from "node:test";
import { repairThreshold, schemeFor, writeQuorum } from "./choose-scheme.ts";

test("the scheme follows the circle: 2 of 4, 4 of 12, 10 of 30", () => {
  const schemes = [0, 1, 2, 3, 4, 5, 8, 11, 12, 29, 30, 1000].map(schemeFor);
  assert.deepEqual(
    schemes.map((scheme) => scheme && [scheme.needed, scheme.total]),
    [
      undefined,
      [1, 1],
      [1, 2],
      [1, 3],
      [2, 4],
      [2, 5],
      [3, 8],
      [4, 11],
      [4, 12],
      [4, 12],
      [10, 30],
      [10, 30],
    ],
  );
});

test("a write needs k+⌈(n−k)/2⌉ receipts; repair begins at k+⌊(n−k)/2⌋", () => {
  for (const [needed, total, quorum, threshold] of [
    [10, 30, 20, 20],
    [4, 12, 8, 8],
    [2, 4, 3, 3],
    [2, 5, 4, 3],
    [1, 1, 1, 1],
  ] as const) {
    assert.equal(writeQuorum({ needed, total }), quorum);
    assert.equal(repairThreshold({ needed, total }), threshold);
  }
});
