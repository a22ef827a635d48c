/**
 * Branches of the seed for everything that is not coins: the account's identity, channels, files and swaps each get
 * 32 bytes of their own, from which neither the seed nor a sibling can be told (BIP85's derivation).
 */
import { createHmac } from "node:crypto";
import { derivePrivate, type ExtendedPrivateKey, masterKey } from "#protocol/bitcoin/bip32.ts";
import { HARDENED } from "#protocol/bitcoin/key-path.ts";

/** BIP85's purpose, the first step of every path. */
const BIP85 = 83_696_968;
/** Freehold's application number within BIP85, "CHC" in ASCII codes. */
const FREEHOLD = 67_797_668;
/** The key under which BIP85 hashes a private key. */
const HMAC_KEY = "bip-entropy-from-k";

/** What a branch is for; the third step of its path. */
export const BRANCH = {
  /** Ed25519 secret of the account. */
  identity: 0,
  /** Payment channels. */
  channels: 1,
  /** Root key of the encryption of all files and of the announcements of their heads. */
  files: 2,
  /** Secrets of atomic swaps. */
  swaps: 3,
} as const;

export type BranchPurpose = (typeof BRANCH)[keyof typeof BRANCH];

/**
 * The 32 bytes of a branch: `m/83696968'/67797668'/purpose'/index'`, then the first half of BIP85's HMAC.
 * @param seed BIP39 seed, 64 bytes
 * @param index below 2^31
 */
export function deriveBranch(seed: Uint8Array, purpose: BranchPurpose, index: number): Uint8Array {
  return bip85Entropy(masterKey(seed), [BIP85, FREEHOLD, purpose, index]).slice(0, 32);
}

/** BIP85's 64 bytes of entropy at a path of hardened steps. */
export function bip85Entropy(master: ExtendedPrivateKey, path: readonly number[]): Uint8Array {
  let key = master;
  for (const step of path) {
    if (!Number.isSafeInteger(step) || step < 0 || step >= HARDENED)
      throw new Error(`no such branch: ${step}`);
    key = derivePrivate(key, step + HARDENED)!;
  }
  return new Uint8Array(createHmac("sha512", HMAC_KEY).update(key.secretKey).digest());
}
