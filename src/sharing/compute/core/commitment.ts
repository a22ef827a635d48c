/**
 * What a provider says of a result before it shows it: nobody can copy another's answer, and no answer can be fitted
 * to the challenge that is drawn afterwards.
 */

import { leafHashes, MerkleTree } from "#base/crypto/merkle-tree.ts";
import { sha256 } from "#base/crypto/sha256.ts";
import { concatBytes, hex, toHex } from "#base/lib/bytes.ts";
import type { PeerId } from "#sharing/mesh/mesh.ts";
import type { TaskId } from "./task.ts";

/** The parts of a commitment, as they are sent. */
export interface Commitment {
  /** SHA-256 of the output. */
  readonly outputHash: Uint8Array;
  readonly outputLength: number;
  /** Root over the trace's leaves; of a result without a trace, that of an empty tree. */
  readonly traceRoot: Uint8Array;
  readonly leafCount: number;
  readonly hash: Uint8Array;
}

const RESULT_DOMAIN = new TextEncoder().encode("freehold/result/1");

/** SHA-256("freehold/result/1" ‖ provider peer id ‖ task id ‖ SHA-256(output) ‖ trace root). */
export function commitmentHash(
  provider: PeerId,
  task: TaskId,
  outputHash: Uint8Array,
  traceRoot: Uint8Array,
): Uint8Array {
  const peer = new TextEncoder().encode(provider);
  return sha256(concatBytes(RESULT_DOMAIN, peer, hex(task), outputHash, traceRoot));
}

/** The tree over a trace. @param leafLength bytes a leaf; the trace's length is a multiple of it. */
export function traceTree(trace: Uint8Array, leafLength: number): MerkleTree {
  return new MerkleTree(trace.length === 0 ? [] : leafHashes(trace, leafLength));
}

/** Commits to a result, as its provider. */
export function commitTo(provider: PeerId, task: TaskId, output: Uint8Array, tree: MerkleTree): Commitment {
  const outputHash = sha256(output);
  return {
    outputHash,
    outputLength: output.length,
    traceRoot: tree.root,
    leafCount: tree.leafCount,
    hash: commitmentHash(provider, task, outputHash, tree.root),
  };
}

const RECEIPT_DOMAIN = new TextEncoder().encode("freehold/task-receipt/1");

/**
 * What a receipt for a verified task proves: this commitment, for this order (16 bytes, one a job). The same task of
 * another job is another step of the deal.
 */
export function receiptProof(commitment: Uint8Array, order: Uint8Array): Uint8Array {
  return sha256(concatBytes(RECEIPT_DOMAIN, commitment, order));
}

/** Whether a commitment is whole: its hash is over its own parts, this provider and this task. */
export function commitmentHolds(provider: PeerId, task: TaskId, commitment: Commitment): boolean {
  const hash = commitmentHash(provider, task, commitment.outputHash, commitment.traceRoot);
  return toHex(hash) === toHex(commitment.hash);
}
