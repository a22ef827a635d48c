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
  if (length < 9 || length > 73) return false;
  if (bytes[at] !== 0x30 || bytes[at + 1] !== length - 3) return false;
  const lengthR = bytes[at + 3]!;
  if (5 + lengthR >= length) return false;
  const lengthS = bytes[at + 5 + lengthR]!;
  if (lengthR + lengthS + 7 !== length) return false;
  return (
    readStrictInteger(bytes, at + 2, lengthR, out64, 0) &&
    readStrictInteger(bytes, at + 4 + lengthR, lengthS, out64, 32)
  );
}

/** 02, the length, and an integer that is not negative and has no zero in front that it does not need. */
function readStrictInteger(
  bytes: Uint8Array,
  at: number,
  length: number,
  out: Uint8Array,
  outAt: number,
): boolean {
  if (bytes[at] !== 0x02 || length === 0) return false;
  let from = at + 2;
  const end = from + length;
  const first = bytes[from]!;
  if (first >= 0x80) return false;
  if (first === 0 && length > 1) {
    if (bytes[from + 1]! < 0x80) return false;
    from++;
  }
  const pad = 32 - (end - from);
  if (pad < 0) return false;
  for (let i = 0; i < pad; i++) out[outAt + i] = 0;
  for (let i = pad; i < 32; i++) out[outAt + i] = bytes[from++]!;
  return true;
}
