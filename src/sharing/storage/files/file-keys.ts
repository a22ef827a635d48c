/** The keys that follow from the root key of files (branch 2 of the seed). Slabs have random keys of their own. */
import { hkdfSync } from "node:crypto";
import { type SigningKey, signingKeyFrom } from "#sharing/mesh/identity.ts";

export interface FileKeys {
  /** Signs head records; its public key is the name under which hosts keep them. Ed25519. */
  readonly head: SigningKey;
  /** Encrypts what head records say. ChaCha20-Poly1305. */
  readonly headBody: Uint8Array;
}

/** @param filesKey 32 bytes, of the seed alone. */
export function deriveFileKeys(filesKey: Uint8Array): FileKeys {
  if (filesKey.length !== 32) throw new RangeError("the files key has 32 bytes");
  const derive = (purpose: string): Uint8Array =>
    new Uint8Array(hkdfSync("sha256", filesKey, new Uint8Array(0), `freehold/files/${purpose}`, 32));
  return { head: signingKeyFrom(derive("head")), headBody: derive("head-body") };
}
