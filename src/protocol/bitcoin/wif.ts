/** Private keys as text, the wallet import format (Core: key_io.cpp `DecodeSecret`). */

import { isValidSecret } from "#base/crypto/keys.ts";
import { concatBytes } from "#base/lib/bytes.ts";
import { decodeBase58Check, encodeBase58Check } from "./base58.ts";
import type { Network } from "./network.ts";

export interface PrivateKey {
  /** 32 bytes, in 1 … n − 1. */
  readonly secret: Uint8Array;
  /** Whether its public key is written in 33 bytes. */
  readonly compressed: boolean;
}

export function encodeWif(key: PrivateKey, network: Network): string {
  const suffix = key.compressed ? Uint8Array.of(1) : new Uint8Array(0);
  return encodeBase58Check(concatBytes(Uint8Array.of(network.addresses.secretKey), key.secret, suffix));
}

/** The key of a text, `undefined` unless it is a valid one of the network. */
export function decodeWif(text: string, network: Network): PrivateKey | undefined {
  const data = decodeBase58Check(text, 34);
  if (data === undefined || data[0] !== network.addresses.secretKey) return undefined;
  const compressed = data.length === 34 && data[33] === 1;
  if (data.length !== 33 && !compressed) return undefined;
  const secret = data.slice(1, 33);
  return isValidSecret(secret) ? { secret, compressed } : undefined;
}
