/**
 * BIP66: whether a signature with its hash type byte is strict DER (Core: `IsValidSignatureEncoding`).
 * Form: 0x30 length 0x02 length-of-R R 0x02 length-of-S S hash-type.
 */
export function isStrictDerSignature(signature: Uint8Array): boolean {
  const { length } = signature;
  if (length < 9 || length > 73) return false;
  if (signature[0] !== 0x30 || signature[1] !== length - 3) return false;
  const lengthR = signature[3]!;
  if (5 + lengthR >= length) return false;
  const lengthS = signature[5 + lengthR]!;
  if (lengthR + lengthS + 7 !== length) return false;
  return isStrictInteger(signature, 2) && isStrictInteger(signature, 4 + lengthR);
}

/** A positive integer of at least one byte with no needless zero in front; its tag stands at `at`. */
function isStrictInteger(signature: Uint8Array, at: number): boolean {
  const length = signature[at + 1]!;
  if (signature[at] !== 0x02 || length === 0) return false;
  if ((signature[at + 2]! & 0x80) !== 0) return false;
  return !(length > 1 && signature[at + 2] === 0 && (signature[at + 3]! & 0x80) === 0);
}

/** Whether the last byte is ALL, NONE or SINGLE, with or without ANYONECANPAY (Core: `IsDefinedHashtypeSignature`). */
export function hasDefinedHashType(signature: Uint8Array): boolean {
  if (signature.length === 0) return false;
  const type = signature[signature.length - 1]! & ~0x80;
  return type >= 1 && type <= 3;
}
