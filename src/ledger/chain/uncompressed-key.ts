/**
 * Public keys between their 65-byte and 33-byte forms. Only coins of the first years hold such keys in the open, so
 * BigInt is fast enough: 3 µs to check one, 90 µs to find its y.
 */

/** The prime of secp256k1's field, and the exponent of its square root. */
const P = 2n ** 256n - 2n ** 32n - 977n;
const ROOT = (P + 1n) / 4n;

/** Whether the 65 bytes at `at` are the uncompressed form (04) of a point on the curve (CPubKey::IsFullyValid). */
export function isUncompressedKey(source: Uint8Array, at: number): boolean {
  if (source[at] !== 4) return false;
  const x = readField(source, at + 1);
  const y = readField(source, at + 33);
  return x < P && y < P && (y * y) % P === ySquared(x);
}

/**
 * Writes the 65-byte form of the key with the x at `source[at]` to `out`.
 * @param odd 1 when y is odd.
 * @returns false when no point has this x.
 */
export function decompressKeyInto(out: Uint8Array, odd: number, source: Uint8Array, at: number): boolean {
  const x = readField(source, at);
  if (x >= P) return false;
  const square = ySquared(x);
  const root = power(square, ROOT);
  if ((root * root) % P !== square) return false;
  const y = Number(root & 1n) === odd ? root : P - root;
  out[0] = 4;
  for (let i = 0; i < 32; i++) out[1 + i] = source[at + i]!;
  const text = y.toString(16).padStart(64, "0");
  for (let i = 0; i < 32; i++) out[33 + i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return true;
}

function ySquared(x: bigint): bigint {
  return (((x * x) % P) * x + 7n) % P;
}

function readField(source: Uint8Array, at: number): bigint {
  const view = new DataView(source.buffer, source.byteOffset + at, 32);
  let value = 0n;
  for (let i = 0; i < 32; i += 8) value = (value << 64n) | view.getBigUint64(i);
  return value;
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  let square = base;
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) result = (result * square) % P;
    square = (square * square) % P;
  }
  return result;
}
