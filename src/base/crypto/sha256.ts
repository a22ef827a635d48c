/**
 * Hashes of single messages. Up to two blocks go through the WebAssembly kernel, more through Node's OpenSSL;
 * for many messages at once see sha256-batch.ts.
 */

import { nodeDigestInto } from "./node-digest.ts";
import { ripemd160 } from "./ripemd160.ts";
import { newSha256Kernel } from "./sha256-kernel.ts";

export { Sha256Stream } from "./node-digest.ts";
export { ripemd160 } from "./ripemd160.ts";

const kernel = newSha256Kernel();
/** The kernel's buffer for one small message; its memory never grows. */
const small = new Uint8Array(kernel.memory.buffer, kernel.smallBuffer(), 1024);
/** Longest message for which the kernel is faster than OpenSSL: what fits two blocks. */
const SMALL_LIMIT = 119;

function hashInto(bytes: Uint8Array, rounds: 1 | 2, out: Uint8Array): Uint8Array {
  const length = bytes.length;
  if (length <= SMALL_LIMIT) {
    for (let i = 0; i < length; i++) small[i] = bytes[i]!;
    kernel.hashSmall(length, rounds);
  } else if (rounds === 1) {
    nodeDigestInto("sha256", bytes, out, 0);
    return out;
  } else {
    nodeDigestInto("sha256", bytes, small, 0);
    kernel.hashSmall(32, 1);
  }
  for (let i = 0; i < 32; i++) out[i] = small[i]!;
  return out;
}

/** SHA-256. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return hashInto(bytes, 1, new Uint8Array(32));
}

/** SHA-256 of SHA-256: Bitcoin's hash of transactions and headers. */
export function sha256d(bytes: Uint8Array): Uint8Array {
  return hashInto(bytes, 2, new Uint8Array(32));
}

/** RIPEMD-160 of SHA-256: Bitcoin's hash of keys and scripts. */
export function hash160(bytes: Uint8Array): Uint8Array {
  return ripemd160(sha256(bytes));
}

/** SHA-1, for OP_SHA1. */
export function sha1(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(20);
  nodeDigestInto("sha1", bytes, out, 0);
  return out;
}

/** SHA-256 of each tag, twice: the start of its messages. Tags are few and fixed. */
const tagPrefixes = new Map<string, Uint8Array>();

function tagPrefix(tag: string): Uint8Array {
  let prefix = tagPrefixes.get(tag);
  if (prefix === undefined) {
    const hash = sha256(new TextEncoder().encode(tag));
    prefix = joined(hash, [hash]);
    tagPrefixes.set(tag, prefix);
  }
  return prefix;
}

/** BIP340's tagged hash of the parts, end to end. @param tag one of a few fixed names: its hash is kept. */
export function taggedHash(tag: string, ...parts: readonly Uint8Array[]): Uint8Array {
  return sha256(joined(tagPrefix(tag), parts));
}

function joined(first: Uint8Array, parts: readonly Uint8Array[]): Uint8Array {
  let length = first.length;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  whole.set(first);
  let at = first.length;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
