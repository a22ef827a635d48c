/** What an answered audit is called in its receipt: one hash over question and answer, the same on both sides. */
import { leafHash } from "#base/crypto/merkle-tree.ts";
import { sha256 } from "#base/crypto/sha256.ts";
import { concatBytes } from "#base/lib/bytes.ts";

const EVIDENCE_TAG = new TextEncoder().encode("freehold/audited/1");

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
