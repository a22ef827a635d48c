/**
 * ChaCha20-Poly1305 (RFC 8439) by Node's OpenSSL. A nonce is used once under a key; who keeps count is the caller. The
 * only file that needs `node:crypto` for encryption: a browser build replaces it.
 */
import { createCipheriv, createDecipheriv } from "node:crypto";

/** Bytes that sealing adds. */
const AEAD_TAG_BYTES = 16;

const NAME = "chacha20-poly1305";
const OPTIONS = { authTagLength: AEAD_TAG_BYTES };

/**
 * Encrypts into `out` at `at`: as many bytes as the plaintext has, then the tag.
 * @param associated bytes that are authenticated and not encrypted.
 */
export function sealInto(
  key: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  out: Uint8Array,
  at: number,
  associated?: Uint8Array,
): void {
  const cipher = createCipheriv(NAME, key, nonce, OPTIONS);
  if (associated !== undefined) cipher.setAAD(associated, { plaintextLength: plaintext.length });
  out.set(cipher.update(plaintext), at);
  cipher.final();
  out.set(cipher.getAuthTag(), at + plaintext.length);
}

/** Ciphertext and tag, end to end. */
export function seal(
  key: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  associated?: Uint8Array,
): Uint8Array {
  const out = new Uint8Array(plaintext.length + AEAD_TAG_BYTES);
  sealInto(key, nonce, plaintext, out, 0, associated);
  return out;
}

/** The plaintext of what {@link seal} made; `undefined` when anything of it, or the associated bytes, was changed. */
export function unseal(
  key: Uint8Array,
  nonce: Uint8Array,
  sealed: Uint8Array,
  associated?: Uint8Array,
): Uint8Array | undefined {
  const length = sealed.length - AEAD_TAG_BYTES;
  if (length < 0) return undefined;
  const decipher = createDecipheriv(NAME, key, nonce, OPTIONS);
  if (associated !== undefined) decipher.setAAD(associated, { plaintextLength: length });
  decipher.setAuthTag(sealed.subarray(length));
  const plaintext = decipher.update(sealed.subarray(0, length));
  try {
    decipher.final();
  } catch {
    return undefined;
  }
  return new Uint8Array(plaintext.buffer, plaintext.byteOffset, plaintext.length);
}
