/**
 * Proof in a hello that the caller holds an invitation of who answers, so that it finds a place while strangers hold
 * theirs. It tells nobody the secret, and is good between these two devices alone.
 */
import { z } from "zod";
import { sha256 } from "#base/crypto/sha256.ts";
import { concatBytes } from "#base/lib/bytes.ts";
import { bytesOf } from "./schema.ts";

export const invitationProofSchema = z.strictObject({
  founder: bytesOf(32),
  nonce: bytesOf(16),
  proof: bytesOf(32),
});
export type InvitationProof = z.infer<typeof invitationProofSchema>;

/** Whose hello it is, and who answers: public keys of devices, 32 bytes each. */
export interface ProofParties {
  readonly caller: Uint8Array;
  readonly answerer: Uint8Array;
}

const DOMAIN = new TextEncoder().encode("freehold/invited/1\0");

/** @param secretHash SHA-256 of the invitation's secret. @returns 32 bytes */
export function invitationProof(secretHash: Uint8Array, { caller, answerer }: ProofParties): Uint8Array {
  return sha256(concatBytes(DOMAIN, secretHash, caller, answerer));
}
