/** A 32-byte hash as a map key: one character a byte, so that it takes 32 bytes and compares fast. */
export type HashKey = string & { readonly hashKey: unique symbol };

export function hashKey(hash: Uint8Array): HashKey {
  return String.fromCharCode.apply(null, hash as unknown as number[]) as HashKey;
}

/** The hash behind a key, a copy. */
export function hashOfKey(key: HashKey): Uint8Array {
  const hash = new Uint8Array(key.length);
  for (let i = 0; i < hash.length; i++) hash[i] = key.charCodeAt(i);
  return hash;
}
