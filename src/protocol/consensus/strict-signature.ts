import { copyInteger } from "#base/crypto/lax-der.ts";
import { isStrictDerAt } from "#protocol/bitcoin/signature-encoding.ts";

/**
 * Reads a BIP66 signature (strict DER with the hash type as its last byte) where it stands.
 * @param out64 receives r and s, 32 bytes each.
 * @returns false when the encoding is not strict, or r or s has more than 32 bytes.
 */
export function readStrictSignature(
  bytes: Uint8Array,
  at: number,
  length: number,
  out64: Uint8Array,
): boolean {
  if (!isStrictDerAt(bytes, at, length)) return false;
  const lengthR = bytes[at + 3]!;
  const lengthS = bytes[at + 5 + lengthR]!;
  return (
    copyInteger(bytes, at + 4, lengthR, out64, 0) && copyInteger(bytes, at + 6 + lengthR, lengthS, out64, 32)
  );
}
