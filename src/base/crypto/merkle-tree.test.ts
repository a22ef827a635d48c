import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { concatBytes, hex, toHex } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import {
  leafHash,
  leafHashes,
  MerkleTree,
  merkleRoot,
  proofLength,
  verifyMultiProof,
} from "./merkle-tree.ts";

/** Inputs and roots of the test suite of certificate-transparency (merkle_tree_test.cc), which RFC 9162 keeps. */
const INPUTS = [
  "",
  "00",
  "10",
  "2021",
  "3031",
  "40414243",
  "5051525354555657",
  "606162636465666768696a6b6c6d6e6f",
].map(hex);
const ROOTS = [
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

/** The tree by its recursive definition (RFC 9162, 2.1.1), to hold the rows against. */
function definedRoot(leaves: readonly Uint8Array[]): Uint8Array {
  const digest = (...parts: Uint8Array[]) =>
    new Uint8Array(
      createHash("sha256")
        .update(concatBytes(...parts))
        .digest(),
    );
  if (leaves.length === 0) return digest();
  if (leaves.length === 1) return digest(Uint8Array.of(0), leaves[0]!);
  let split = 1;
  while (2 * split < leaves.length) split *= 2;
  return digest(Uint8Array.of(1), definedRoot(leaves.slice(0, split)), definedRoot(leaves.slice(split)));
}

test("roots of the known vectors", () => {
  assert.equal(toHex(merkleRoot([])), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  for (let count = 1; count <= INPUTS.length; count++) {
    assert.equal(toHex(merkleRoot(INPUTS.slice(0, count).map(leafHash))), ROOTS[count - 1]);
  }
});

test("roots are those of the recursive definition, whatever the count", () => {
  const random = new SeededRandom(1);
  for (let count = 0; count < 70; count++) {
    const leaves = Array.from({ length: count }, () => random.fill(new Uint8Array(random.below(40))));
    assert.deepEqual(merkleRoot(leaves.map(leafHash)), definedRoot(leaves));
  }
});

test("a leaf longer than the scratch buffer, and the cutting into leaves", () => {
  const bytes = new SeededRandom(2).fill(new Uint8Array(150_001));
  assert.deepEqual(leafHash(bytes), definedRoot([bytes]));
  const parts = [bytes.slice(0, 70_000), bytes.slice(70_000, 140_000), bytes.slice(140_000)];
  assert.deepEqual(leafHashes(bytes, 70_000), parts.map(leafHash));
  assert.deepEqual(leafHashes(new Uint8Array(0), 16), []);
});

test("a proof of each leaf of each tree holds, and of no other leaf, place or size", () => {
  const random = new SeededRandom(3);
  for (let count = 1; count <= 33; count++) {
    const hashes = Array.from({ length: count }, () => random.fill(new Uint8Array(32)));
    const tree = new MerkleTree(hashes);
    for (let index = 0; index < count; index++) {
      const proof = tree.multiProof([index]);
      assert.equal(proof.length, 32 * proofLength(count, [index]));
      assert.ok(verifyMultiProof(tree.root, count, [index], [hashes[index]!], proof));
      for (let other = 0; other < count; other++) {
        if (other !== index) assert.ok(!verifyMultiProof(tree.root, count, [other], [hashes[index]!], proof));
      }
      assert.ok(!verifyMultiProof(tree.root, count, [index], [random.fill(new Uint8Array(32))], proof));
      assert.ok(
        !verifyMultiProof(tree.root, count, [index], [hashes[index]!], concatBytes(proof, proof, hashes[0]!)),
      );
      if (proof.length > 0) {
        const bent = proof.slice();
        bent[random.below(bent.length)]! ^= 1 << random.below(8);
        assert.ok(!verifyMultiProof(tree.root, count, [index], [hashes[index]!], bent));
        assert.ok(!verifyMultiProof(tree.root, count, [index], [hashes[index]!], proof.subarray(32)));
      }
    }
  }
});

test("proofs of many leaves at once", () => {
  const random = new SeededRandom(4);
  for (let trial = 0; trial < 400; trial++) {
    const count = 1 + random.below(70);
    const hashes = Array.from({ length: count }, () => random.fill(new Uint8Array(32)));
    const tree = new MerkleTree(hashes);
    const chance = 1 + random.below(9);
    const indices = [...hashes.keys()].filter((i) => i === trial % count || random.below(10) < chance);
    const leaves = indices.map((i) => hashes[i]!);
    const proof = tree.multiProof(indices);
    assert.ok(verifyMultiProof(tree.root, count, indices, leaves, proof));
    const bad = leaves.slice();
    const at = random.below(bad.length);
    bad[at] = random.fill(new Uint8Array(32));
    assert.ok(!verifyMultiProof(tree.root, count, indices, bad, proof));
    assert.ok(!verifyMultiProof(tree.root, count, indices, leaves.slice(1), proof));
    assert.ok(!verifyMultiProof(tree.root, count, indices, leaves, concatBytes(proof, hashes[0]!)));
  }
});

test("malformed proofs are false, not errors", () => {
  const hashes = INPUTS.map(leafHash);
  const tree = new MerkleTree(hashes);
  const proof = tree.multiProof([1, 5]);
  const leaves = [hashes[1]!, hashes[5]!];
  assert.ok(verifyMultiProof(tree.root, 8, [1, 5], leaves, proof));
  assert.ok(!verifyMultiProof(tree.root, 8, [5, 1], leaves, proof));
  assert.ok(!verifyMultiProof(tree.root, 8, [1, 1], leaves, proof));
  assert.ok(!verifyMultiProof(tree.root, 8, [], [], new Uint8Array(0)));
  assert.ok(!verifyMultiProof(tree.root, 8, [1, 8], leaves, proof));
  assert.ok(!verifyMultiProof(tree.root, 8, [-1, 5], leaves, proof));
  assert.ok(!verifyMultiProof(tree.root, 8, [1, 5.5], leaves, proof));
  assert.ok(!verifyMultiProof(tree.root, 8, [1, Number.NaN], leaves, proof));
  assert.ok(!verifyMultiProof(tree.root, 0, [0], [hashes[0]!], new Uint8Array(0)));
  assert.ok(!verifyMultiProof(tree.root, 2 ** 40, [0], [hashes[0]!], new Uint8Array(32 * 40)));
  assert.ok(!verifyMultiProof(tree.root, 8, [1, 5], [hashes[1]!.subarray(1), hashes[5]!], proof));
  assert.throws(() => tree.multiProof([2, 1]), RangeError);
  assert.throws(() => tree.multiProof([8]), RangeError);
  assert.throws(() => tree.leaf(8), RangeError);
});
