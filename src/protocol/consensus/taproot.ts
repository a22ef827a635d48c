/** BIP341: how a script and its control block lead to the output key. */

import { verifier as defaultVerifier } from "#base/crypto/secp256k1.ts";
import { MAX_TAPROOT_DEPTH, tapBranchHash, tapTweak } from "#protocol/bitcoin/taproot.ts";

/** The leaf version's bits in a control block's first byte; the lowest is the parity of the output key. */
export const TAPROOT_LEAF_MASK = 0xfe;
const CONTROL_BASE_SIZE = 33;
const CONTROL_NODE_SIZE = 32;

/** Whether a control block has a length that BIP341 knows: 33 bytes and at most 128 hashes. */
export function isControlBlockSize(length: number): boolean {
  const path = length - CONTROL_BASE_SIZE;
  return path >= 0 && path % CONTROL_NODE_SIZE === 0 && path <= CONTROL_NODE_SIZE * MAX_TAPROOT_DEPTH;
}

/** Root of the script tree that a control block's path leads to from a leaf. */
export function taprootMerkleRoot(control: Uint8Array, leafHash: Uint8Array): Uint8Array {
  let hash = leafHash;
  for (let at = CONTROL_BASE_SIZE; at < control.length; at += CONTROL_NODE_SIZE) {
    hash = tapBranchHash(hash, control.subarray(at, at + CONTROL_NODE_SIZE));
  }
  return hash;
}

/**
 * Whether the output key commits to the leaf.
 * @param control of a length that {@link isControlBlockSize} accepts.
 * @param outputKey the witness program, 32 bytes.
 */
export function isTaprootCommitment(
  control: Uint8Array,
  outputKey: Uint8Array,
  leafHash: Uint8Array,
  verifier = defaultVerifier,
): boolean {
  const internalKey = control.subarray(1, CONTROL_BASE_SIZE);
  const tweak = tapTweak(internalKey, taprootMerkleRoot(control, leafHash));
  return verifier.tweakAddCheck(outputKey, control[0]! & 1, internalKey, tweak);
}
