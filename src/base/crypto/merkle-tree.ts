/**
 * Merkle trees over SHA-256 as RFC 9162 (2.1) defines them: a leaf is hashed after the byte 0x00, a pair of nodes after
 * 0x01, and the odd node of a row is promoted unchanged. The one form of tree for all that Freehold commits to:
 * shards, contents, results. (Bitcoin's own trees, which double the odd node, are in sha256-batch.ts.)
 */
import { equalBytes } from "#base/lib/bytes.ts";
import { nodeDigestInto } from "./node-digest.ts";
import { sha256 } from "./sha256.ts";

/** Bytes of a hash. */
const HASH = 32;
/** Longest leaf that is hashed by way of the scratch buffer; longer ones get a buffer of their own. */
const SCRATCH_LEAF = 65_536;

const leafScratch = new Uint8Array(1 + SCRATCH_LEAF);
const pairScratch = new Uint8Array(1 + 2 * HASH);
pairScratch[0] = 1;

/** The hash of a leaf: SHA-256(0x00 ‖ bytes). */
export function leafHash(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(HASH);
  leafHashInto(bytes, out, 0);
  return out;
}

/** As {@link leafHash}, into `out` at `at`. */
export function leafHashInto(bytes: Uint8Array, out: Uint8Array, at: number): void {
  const buffer = bytes.length <= SCRATCH_LEAF ? leafScratch : new Uint8Array(1 + bytes.length);
  buffer[0] = 0;
  buffer.set(bytes, 1);
  nodeDigestInto("sha256", buffer.subarray(0, 1 + bytes.length), out, at);
}

/** The hash over two nodes: SHA-256(0x01 ‖ left ‖ right). */
function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  pairScratch.set(left, 1);
  pairScratch.set(right, 1 + HASH);
  return sha256(pairScratch);
}

/** The hashes of the leaves of `bytes`, `leafSize` bytes each, the last one shorter where it does not come out even. */
export function leafHashes(bytes: Uint8Array, leafSize: number): Uint8Array[] {
  const hashes: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += leafSize) {
    hashes.push(leafHash(bytes.subarray(at, Math.min(bytes.length, at + leafSize))));
  }
  return hashes;
}

/** The root over leaf hashes; SHA-256 of nothing when there are none. */
export function merkleRoot(hashes: readonly Uint8Array[]): Uint8Array {
  return new MerkleTree(hashes).root;
}

/** All rows of a tree, for proofs. */
export class MerkleTree {
  /** Row 0 holds the leaf hashes, the last row the root alone. */
  readonly #rows: (readonly Uint8Array[])[];
  readonly root: Uint8Array;

  /** @param hashes leaf hashes ({@link leafHash}), in order. */
  constructor(hashes: readonly Uint8Array[]) {
    this.#rows = [hashes];
    let row = hashes;
    while (row.length > 1) {
      row = parentsOf(row);
      this.#rows.push(row);
    }
    this.root = row[0] ?? sha256(new Uint8Array(0));
  }

  get leafCount(): number {
    return this.#rows[0]!.length;
  }

  /** The hash of a leaf. */
  leaf(index: number): Uint8Array {
    this.#checkIndex(index);
    return this.#rows[0]![index]!;
  }

  /**
   * The proof of several leaves at once, each sibling once: row by row from the leaves up, left to right, the nodes
   * that can not be computed from those below.
   * @param indices ascending, none twice, at least one.
   */
  multiProof(indices: readonly number[]): Uint8Array {
    if (!isAscending(indices, this.leafCount)) throw new RangeError("leaf indices must ascend");
    const siblings: Uint8Array[] = [];
    let known = indices;
    for (const row of this.#rows) {
      if (row.length === 1) break;
      known = stepUp(known, row.length, (sibling) => siblings.push(row[sibling]!));
    }
    return joined(siblings);
  }

  #checkIndex(index: number): void {
    if (!Number.isInteger(index) || index < 0 || index >= this.leafCount) {
      throw new RangeError(`no leaf ${index} of ${this.leafCount}`);
    }
  }
}

/**
 * Whether `proof` ({@link MerkleTree.multiProof}) shows that the leaves at `indices` have these hashes under `root`.
 * False for whatever is malformed: indices that do not ascend or do not exist, a proof too short or too long.
 */
export function verifyMultiProof(
  root: Uint8Array,
  leafCount: number,
  indices: readonly number[],
  hashes: readonly Uint8Array[],
  proof: Uint8Array,
): boolean {
  if (!Number.isSafeInteger(leafCount) || !isAscending(indices, leafCount)) return false;
  if (indices.length !== hashes.length || hashes.some((hash) => hash.length !== HASH)) return false;
  if (proof.length !== HASH * proofLength(leafCount, indices)) return false;
  let known = indices;
  let nodes = hashes;
  let at = 0;
  for (let width = leafCount; width > 1; width = (width + 1) >>> 1) {
    // A sibling that is missing comes from the proof; where it stands among the known tells the pairs.
    const given = new Map<number, Uint8Array>();
    const parents = stepUp(known, width, (sibling) => {
      given.set(sibling, proof.subarray(at, at + HASH));
      at += HASH;
    });
    const held = new Map(known.map((index, i) => [index, nodes[i]!]));
    const node = (index: number): Uint8Array | undefined => held.get(index) ?? given.get(index);
    nodes = parents.map((parent) => {
      const right = node(2 * parent + 1);
      return right === undefined ? node(2 * parent)! : nodeHash(node(2 * parent)!, right);
    });
    known = parents;
  }
  return equalBytes(nodes[0]!, root);
}

/** Hashes in the proof of `indices` (ascending) among `leafCount` leaves. */
export function proofLength(leafCount: number, indices: readonly number[]): number {
  let count = 0;
  let known = indices;
  for (let width = leafCount; width > 1; width = (width + 1) >>> 1) {
    known = stepUp(known, width, () => {
      count++;
    });
  }
  return count;
}

/** The parents of the nodes at `known` in a row of `width`; tells each sibling that is not known itself. */
function stepUp(known: readonly number[], width: number, missing: (sibling: number) => void): number[] {
  const parents: number[] = [];
  for (let i = 0; i < known.length; i++) {
    const index = known[i]!;
    const sibling = index ^ 1;
    if (known[i + 1] === sibling) i++;
    else if (sibling < width) missing(sibling);
    parents.push(index >>> 1);
  }
  return parents;
}

function parentsOf(row: readonly Uint8Array[]): Uint8Array[] {
  const parents: Uint8Array[] = [];
  for (let i = 0; i + 1 < row.length; i += 2) parents.push(nodeHash(row[i]!, row[i + 1]!));
  if (row.length % 2 === 1) parents.push(row.at(-1)!);
  return parents;
}

function isAscending(indices: readonly number[], limit: number): boolean {
  let before = -1;
  for (const index of indices) {
    if (!Number.isInteger(index) || index <= before || index >= limit) return false;
    before = index;
  }
  // An index is taken apart by 32-bit operations.
  return indices.length > 0 && limit <= 0x8000_0000;
}

function joined(hashes: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(HASH * hashes.length);
  for (const [i, hash] of hashes.entries()) whole.set(hash, HASH * i);
  return whole;
}
