/** Proofs that cells and leaves belong to a shard: what hosts make and renters check. */
import {
  leafHash,
  leafHashes,
  type MerkleTree,
  proofLength,
  verifyMultiProof,
} from "#base/crypto/merkle-tree.ts";
import { sha256 } from "#base/crypto/sha256.ts";
import { concatBytes, readU32, writeU32 } from "#base/lib/bytes.ts";
import { CELL_BYTES, cellCountOf, LEAF_BYTES, leafCountOf, leavesOfCells } from "./scheme.ts";

/** Bytes of cells `first` to `first + count − 1` of a shard. */
export function cellsLength(shardLength: number, first: number, count: number): number {
  return Math.min(shardLength, (first + count) * CELL_BYTES) - first * CELL_BYTES;
}

/** Bytes of leaf `index` of a shard. */
export function leafLength(shardLength: number, index: number): number {
  return Math.min(LEAF_BYTES, shardLength - index * LEAF_BYTES);
}

/** The proof of a run of cells, from the shard's tree. */
export function proveCells(tree: MerkleTree, shardLength: number, first: number, count: number): Uint8Array {
  const leaves = leavesOfCells(shardLength, first, count);
  return tree.multiProof(run(leaves.first, leaves.count));
}

/** Whether `bytes` are cells `first` to `first + count − 1` of the shard of this root and length. Any input is safe. */
export function verifyCells(
  shard: { readonly root: Uint8Array; readonly length: number },
  cells: { readonly first: number; readonly count: number },
  bytes: Uint8Array,
  proof: Uint8Array,
): boolean {
  const { first, count } = cells;
  if (!(first >= 0 && count >= 1 && first + count <= cellCountOf(shard.length))) return false;
  if (bytes.length !== cellsLength(shard.length, first, count)) return false;
  const leaves = leavesOfCells(shard.length, first, count);
  const indices = run(leaves.first, leaves.count);
  if (proof.length !== 32 * proofLength(leafCountOf(shard.length), indices)) return false;
  const hashes = leafHashes(bytes, LEAF_BYTES);
  return verifyMultiProof(shard.root, leafCountOf(shard.length), indices, hashes, proof);
}

const AUDIT_TAG = new TextEncoder().encode("freehold/audit/1");

/**
 * The leaves that an audit asks for: `count` different ones (all, where the shard has fewer), ascending. Drawn from
 * SHA-256("freehold/audit/1" ‖ challenge ‖ root ‖ counter, 32-bit little-endian), eight little-endian words a hash; a
 * word beyond the largest multiple of the leaf count is passed over, so that all leaves are equally likely.
 */
export function auditLeaves(
  challenge: Uint8Array,
  root: Uint8Array,
  shardLength: number,
  count: number,
): number[] {
  const leafCount = leafCountOf(shardLength);
  if (count >= leafCount) return run(0, leafCount);
  const bound = Math.floor(0x1_0000_0000 / leafCount) * leafCount;
  const drawn = new Set<number>();
  const counter = new Uint8Array(4);
  for (let round = 0; drawn.size < count; round++) {
    writeU32(counter, 0, round);
    const words = sha256(concatBytes(AUDIT_TAG, challenge, root, counter));
    for (let at = 0; at < 32 && drawn.size < count; at += 4) {
      const word = readU32(words, at);
      if (word < bound) drawn.add(word % leafCount);
    }
  }
  return [...drawn].sort((a, b) => a - b);
}

/** Whether an answer to an audit holds: the leaves that {@link auditLeaves} names, and their proof. Any input is safe. */
export function verifyAudit(
  shard: { readonly root: Uint8Array; readonly length: number },
  challenge: Uint8Array,
  count: number,
  answer: { readonly leaves: readonly Uint8Array[]; readonly proof: Uint8Array },
): boolean {
  const indices = auditLeaves(challenge, shard.root, shard.length, count);
  if (answer.leaves.length !== indices.length) return false;
  for (const [i, index] of indices.entries()) {
    if (answer.leaves[i]!.length !== leafLength(shard.length, index)) return false;
  }
  const hashes = answer.leaves.map(leafHash);
  return verifyMultiProof(shard.root, leafCountOf(shard.length), indices, hashes, answer.proof);
}

function run(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first + i);
}
