import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { tweakSecret, xOnlyPublicKeyOf } from "#base/crypto/keys.ts";
import { hex, toHex } from "#base/lib/bytes.ts";
import { NO_SHARED, sharedVector } from "../../../test/vectors/vectors.ts";
import { encodeAddress } from "./address.ts";
import { main } from "./networks.ts";
import { type TaprootLeaf, taprootOutput, tapTweak } from "./taproot.ts";

type Tree = null | { id: number; script: string; leafVersion: number } | [Tree, Tree];

interface Vectors {
  scriptPubKey: {
    given: { internalPubkey: string; scriptTree: Tree };
    intermediary: { leafHashes?: string[]; merkleRoot: string | null; tweak: string; tweakedPubkey: string };
    expected: { scriptPubKey: string; bip350Address: string; scriptPathControlBlocks?: string[] };
  }[];
  keyPathSpending: {
    inputSpending: {
      given: { internalPrivkey: string; merkleRoot: string | null };
      intermediary: { internalPubkey: string; tweak: string; tweakedPrivkey: string };
    }[];
  }[];
}

const path = sharedVector("core/bip341_wallet_vectors.json");

/** Leaves of a tree from left to right, with the number that the vectors give each. */
function leavesOf(tree: Tree, depth = 0): (TaprootLeaf & { id: number })[] {
  if (tree === null) return [];
  if (Array.isArray(tree)) return tree.flatMap((branch) => leavesOf(branch, depth + 1));
  return [{ id: tree.id, script: hex(tree.script), leafVersion: tree.leafVersion, depth }];
}

test("bip341_wallet_vectors.json: outputs and control blocks", {
  skip: path === undefined && NO_SHARED,
}, (t) => {
  const vectors = JSON.parse(readFileSync(path!, "utf8")) as Vectors;
  for (const { given, intermediary, expected } of vectors.scriptPubKey) {
    const internalKey = hex(given.internalPubkey);
    const leaves = leavesOf(given.scriptTree);
    const output = taprootOutput(internalKey, leaves)!;
    assert.equal(output.merkleRoot === undefined ? null : toHex(output.merkleRoot), intermediary.merkleRoot);
    assert.equal(toHex(tapTweak(internalKey, output.merkleRoot)), intermediary.tweak);
    assert.equal(toHex(output.outputKey), intermediary.tweakedPubkey);
    assert.equal(toHex(output.script), expected.scriptPubKey);
    assert.equal(encodeAddress(output.script, main), expected.bip350Address);
    for (const [i, leaf] of output.leaves.entries()) {
      const { id } = leaves[i]!;
      assert.equal(toHex(leaf.hash), intermediary.leafHashes![id]);
      assert.equal(toHex(leaf.controlBlock), expected.scriptPathControlBlocks![id]);
    }
  }
  t.diagnostic(`${vectors.scriptPubKey.length} rows`);
});

test("bip341_wallet_vectors.json: keys of key path spends", {
  skip: path === undefined && NO_SHARED,
}, (t) => {
  const vectors = JSON.parse(readFileSync(path!, "utf8")) as Vectors;
  let count = 0;
  for (const { inputSpending } of vectors.keyPathSpending) {
    for (const { given, intermediary } of inputSpending) {
      const secret = hex(given.internalPrivkey);
      const internalKey = xOnlyPublicKeyOf(secret);
      const tweak = tapTweak(internalKey, given.merkleRoot === null ? undefined : hex(given.merkleRoot));
      const tweaked = tweakSecret(secret, tweak)!;
      assert.equal(toHex(internalKey), intermediary.internalPubkey);
      assert.equal(toHex(tweak), intermediary.tweak);
      assert.equal(toHex(tweaked), intermediary.tweakedPrivkey);
      count++;
    }
  }
  t.diagnostic(`${count} rows`);
  assert.equal(count, 7);
});

const KEY = hex("d6889cb081036e0faefa3a35157ad71086b123b2b144b649798b494c300a961d");

function leavesAt(...depths: number[]): TaprootLeaf[] {
  return depths.map((depth) => ({ script: Uint8Array.of(0x51), leafVersion: 0xc0, depth }));
}

test("depths that make out no tree are refused", () => {
  for (const depths of [[1], [0, 0], [1, 1, 1], [2, 1], [1, 2], [2, 2], [129, 129]]) {
    assert.equal(taprootOutput(KEY, leavesAt(...depths)), undefined, String(depths));
  }
  for (const depths of [[0], [1, 1], [2, 2, 1], [1, 2, 2], [2, 2, 2, 2]]) {
    assert.notEqual(taprootOutput(KEY, leavesAt(...depths)), undefined, String(depths));
  }
});

test("a tree of 128 levels has control blocks of 128 hashes", () => {
  const depths = [...Array.from({ length: 128 }, (_, i) => i + 1), 128];
  const output = taprootOutput(KEY, leavesAt(...depths))!;
  assert.equal(output.leaves.at(-1)!.controlBlock.length, 33 + 32 * 128);
});

test("an internal key that is on no curve has no output", () => {
  assert.equal(taprootOutput(new Uint8Array(32).fill(0xff)), undefined);
});
