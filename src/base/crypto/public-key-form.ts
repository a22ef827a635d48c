/**
 * A public key in a form that every library takes: the hybrid keys 06 and 07, which consensus allows, become 04
 * when their prefix tells the parity of y. `undefined` where the length, prefix or parity is wrong; whether the
 * point is on the curve is left to the library.
 */
export function plainPublicKey(key: Uint8Array): Uint8Array | undefined {
  const prefix = key[0]!;
  if (key.length === 33) return prefix === 2 || prefix === 3 ? key : undefined;
  if (key.length !== 65) return undefined;
  if (prefix === 4) return key;
  if (prefix !== 6 && prefix !== 7) return undefined;
  if ((key[64]! & 1) !== (prefix & 1)) return undefined;
  const plain = key.slice();
  plain[0] = 4;
  return plain;
}
