/**
 * BIP66: whether a signature with its hash type byte is strict DER (Core: `IsValidSignatureEncoding`).
 * Form: 0x30 length 0x02 length-of-R R 0x02 length-of-S S hash-type.
 */
export function isStrictDerSignature(signature: Uint8Array): boolean {
  return isStrictDerAt(signature, 0, signature.length);
}

/** {@link isStrictDerSignature} of the `length` bytes at `at`. */
export function isStrictDerAt(bytes: Uint8Array, at: number, length: number): boolean {
  if (length < 9 || length > 73) return false;
  if (bytes[at] !== 0x30 || bytes[at + 1] !== length - 3) return false;
  const lengthR = bytes[at + 3]!;
  if (5 + lengthR >= length) return false;
  const lengthS = bytes[at + 5 + lengthR]!;
  if (lengthR + lengthS + 7 !== length) return false;
  return isStrictInteger(bytes, at + 2) && isStrictInteger(bytes, at + 4 + lengthR);
}

/** A positive integer of at least one byte with no needless zero in front; its tag stands at `at`. */
function isStrictInteger(bytes: Uint8Array, at: number): boolean {
  const length = bytes[at + 1]!;
  if (bytes[at] !== 0x02 || length === 0) return false;
  if ((bytes[at + 2]! & 0x80) !== 0) return false;
  return !(length > 1 && bytes[at + 2] === 0 && (bytes[at + 3]! & 0x80) === 0);
}

/** Whether the last byte is ALL, NONE or SINGLE, with or without ANYONECANPAY (Core: `IsDefinedHashtypeSignature`). */
export function hasDefinedHashType(signature: Uint8Array): boolean {
  if (signature.length === 0) return false;
  const type = signature[signature.length - 1]! & ~0x80;
  return type >= 1 && type <= 3;
}
