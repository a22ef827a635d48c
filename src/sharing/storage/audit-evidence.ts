/** What hosts proved, as their receipts call it: a hash over question and answer. */
import { leafHash } from "#base/crypto/merkle-tree.ts";
import { sha256 } from "#base/crypto/sha256.ts";
import { concatBytes, writeU32 } from "#base/lib/bytes.ts";

const EVIDENCE_TAG = new TextEncoder().encode("freehold/audited/1");
const READ_TAG = new TextEncoder().encode("freehold/read/1");

/**
 * SHA-256("freehold/audited/1" ‖ root ‖ challenge ‖ SHA-256(0x00 ‖ leaf) of each leaf in the answer ‖ proof), 32 bytes.
 * The challenge is fresh, so no two audits have the same, not even of a shard that is one leaf with an empty proof.
 */
export function auditEvidence(
  root: Uint8Array,
  challenge: Uint8Array,
  answer: { readonly leaves: readonly Uint8Array[]; readonly proof: Uint8Array },
): Uint8Array {
  return sha256(concatBytes(EVIDENCE_TAG, root, challenge, ...answer.leaves.map(leafHash), answer.proof));
}

/** SHA-256("freehold/read/1" ‖ root ‖ first cell ‖ cells, as 32 bits, little-endian ‖ proof), 32 bytes. */
export function readEvidence(root: Uint8Array, first: number, count: number, proof: Uint8Array): Uint8Array {
  const range = new Uint8Array(8);
  writeU32(range, 0, first);
  writeU32(range, 4, count);
  return sha256(concatBytes(READ_TAG, root, range, proof));
}
