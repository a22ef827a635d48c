/** Taproot outputs from an internal key and a tree of scripts (BIP341; Core: `TaprootBuilder`). */

import { tweakXOnly } from "#base/crypto/keys.ts";
import { taggedHash } from "#base/crypto/sha256.ts";
import { ByteWriter } from "#base/lib/byte-writer.ts";
import { compareBytes, concatBytes } from "#base/lib/bytes.ts";
import { payToWitness } from "./address.ts";

/** Leaf version of BIP342's tapscript. */
export const TAPSCRIPT_LEAF = 0xc0;
/** Deepest level of a leaf. */
export const MAX_TAPROOT_DEPTH = 128;

/** A leaf and its distance from the root. The leaves of a tree in order and their depths make out the tree. */
export interface TaprootLeaf {
  readonly script: Uint8Array;
  readonly leafVersion: number;
  readonly depth: number;
}

export interface TaprootLeafSpend extends TaprootLeaf {
  readonly hash: Uint8Array;
  /** The last witness item when this leaf is spent. */
  readonly controlBlock: Uint8Array;
}

export interface TaprootOutput {
  readonly internalKey: Uint8Array;
  /** `undefined` where there are no scripts. */
  readonly merkleRoot: Uint8Array | undefined;
  readonly outputKey: Uint8Array;
  /** 1 where the output key's y is odd. */
  readonly parity: number;
  readonly script: Uint8Array;
  readonly leaves: readonly TaprootLeafSpend[];
}

export function tapLeafHash(script: Uint8Array, leafVersion: number = TAPSCRIPT_LEAF): Uint8Array {
  return taggedHash("TapLeaf", new ByteWriter().u8(leafVersion).varBytes(script).finish());
}

/** Hash of two nodes, the smaller first. */
export function tapBranchHash(a: Uint8Array, b: Uint8Array): Uint8Array {
  return compareBytes(a, b) < 0 ? taggedHash("TapBranch", a, b) : taggedHash("TapBranch", b, a);
}

/** What is added to an internal key; without a root nothing but the key is committed to. */
export function tapTweak(internalKey: Uint8Array, merkleRoot: Uint8Array | undefined): Uint8Array {
  return merkleRoot === undefined
    ? taggedHash("TapTweak", internalKey)
    : taggedHash("TapTweak", internalKey, merkleRoot);
}

interface Branch {
  readonly hash: Uint8Array;
  /** Index of each leaf below, and the hashes beside the way up to this node. */
  readonly paths: { leaf: number; hashes: Uint8Array[] }[];
}

/**
 * The output of an internal key (32 bytes, x alone) and leaves in the order of their tree.
 * @returns `undefined` when the depths make out no tree, or the key is not on the curve.
 */
export function taprootOutput(
  internalKey: Uint8Array,
  leaves: readonly TaprootLeaf[] = [],
): TaprootOutput | undefined {
  const hashes = leaves.map((leaf) => tapLeafHash(leaf.script, leaf.leafVersion));
  const root = leaves.length === 0 ? undefined : buildTree(leaves, hashes);
  if (leaves.length > 0 && root === undefined) return undefined;
  const tweaked = tweakXOnly(internalKey, tapTweak(internalKey, root?.hash));
  if (tweaked === undefined) return undefined;
  const paths = new Map(root?.paths.map(({ leaf, hashes: path }) => [leaf, path]));
  return {
    internalKey,
    merkleRoot: root?.hash,
    outputKey: tweaked.key,
    parity: tweaked.parity,
    script: payToWitness(1, tweaked.key),
    leaves: leaves.map((leaf, i) => ({
      ...leaf,
      hash: hashes[i]!,
      controlBlock: concatBytes(
        Uint8Array.of(leaf.leafVersion | tweaked.parity),
        internalKey,
        ...paths.get(i)!,
      ),
    })),
  };
}

/** Joins leaves from the left: two nodes of one depth that meet become their branch. */
function buildTree(leaves: readonly TaprootLeaf[], hashes: readonly Uint8Array[]): Branch | undefined {
  const open: { depth: number; branch: Branch }[] = [];
  for (const [leaf, { depth }] of leaves.entries()) {
    if (depth > MAX_TAPROOT_DEPTH) return undefined;
    let node = { depth, branch: { hash: hashes[leaf]!, paths: [{ leaf, hashes: [] as Uint8Array[] }] } };
    for (let left = open.at(-1); left !== undefined && left.depth === node.depth; left = open.at(-1)) {
      open.pop();
      node = { depth: node.depth - 1, branch: joinBranches(left.branch, node.branch) };
    }
    open.push(node);
  }
  const root = open[0];
  return open.length === 1 && root?.depth === 0 ? root.branch : undefined;
}

function joinBranches(left: Branch, right: Branch): Branch {
  for (const path of left.paths) path.hashes.push(right.hash);
  for (const path of right.paths) path.hashes.push(left.hash);
  return { hash: tapBranchHash(left.hash, right.hash), paths: [...left.paths, ...right.paths] };
}
