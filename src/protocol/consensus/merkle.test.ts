import assert from "node:assert/strict";
import { test } from "node:test";
import { sha256d } from "#base/crypto/sha256.ts";
import { concatBytes } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { merkleRoot } from "./merkle.ts";

/** The tree by its definition. */
function rootOf(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return new Uint8Array(32);
  let row = [...leaves];
  while (row.length > 1) {
    if (row.length % 2 === 1) row.push(row.at(-1)!);
    row = Array.from({ length: row.length / 2 }, (_, i) =>
      sha256d(concatBytes(row[2 * i]!, row[2 * i + 1]!)),
    );
  }
  return row[0]!;
}

const random = new SeededRandom(1);
const leaves = Array.from({ length: 70 }, () => random.fill(new Uint8Array(32)));

test("roots of any number of leaves", () => {
  for (let count = 0; count <= leaves.length; count++) {
    const some = leaves.slice(0, count);
    const { root, mutated } = merkleRoot(concatBytes(...some), count);
    assert.deepEqual(root, rootOf(some), `${count} leaves`);
    assert.equal(mutated, false, `${count} leaves`);
  }
});

test("the leaves are left as they were, and more than `count` are not looked at", () => {
  const hashes = concatBytes(...leaves);
  const before = hashes.slice();
  assert.deepEqual(merkleRoot(hashes, 5).root, rootOf(leaves.slice(0, 5)));
  assert.deepEqual(hashes, before);
  const single = merkleRoot(hashes, 1).root;
  single[0]! ^= 1;
  assert.deepEqual(hashes, before, "the root of one leaf is a copy");
});

test("CVE-2012-2459: a repeated tail gives the same root, and is told", () => {
  for (let count = 1; count <= 33; count++) {
    for (let tail = 1; tail <= count; tail++) {
      const some = leaves.slice(0, count);
      const repeated = [...some, ...some.slice(count - tail)];
      const { root, mutated } = merkleRoot(concatBytes(...repeated), repeated.length);
      const same = Buffer.compare(root, rootOf(some)) === 0;
      if (same) assert.equal(mutated, true, `${count} leaves, ${tail} of them again`);
    }
  }
  const [a, b, c] = leaves as [Uint8Array, Uint8Array, Uint8Array];
  assert.equal(merkleRoot(concatBytes(a, b, c, c), 4).mutated, true);
  assert.equal(merkleRoot(concatBytes(a, b, c, a), 4).mutated, false);
  // Equal leaves that are not paired are no mutation; a pair anywhere is one.
  assert.equal(merkleRoot(concatBytes(a, b, b, c), 4).mutated, false);
  assert.equal(merkleRoot(concatBytes(a, a, b, c), 4).mutated, true);
  assert.equal(merkleRoot(concatBytes(a, b, c, c, b), 5).mutated, true);
});
