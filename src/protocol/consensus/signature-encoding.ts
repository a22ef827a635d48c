/** The forms that signatures and public keys must have in legacy and version 0 scripts (Core: script/interpreter.cpp). */

import { isLowS } from "#base/crypto/lax-der.ts";
import { SIGHASH_ALL, SIGHASH_ANYONECANPAY, SIGHASH_SINGLE } from "#protocol/bitcoin/sighash.ts";
import type { ScriptError } from "./script-error.ts";
import {
  SCRIPT_VERIFY_DERSIG,
  SCRIPT_VERIFY_LOW_S,
  SCRIPT_VERIFY_STRICTENC,
  SCRIPT_VERIFY_WITNESS_PUBKEYTYPE,
} from "./script-flags.ts";
import type { SigVersion } from "./signature-checker.ts";

/**
 * BIP66 strict DER of `length` bytes at `start`, the hash type as the last of them:
 * 30 [total length] 02 [length of R] [R] 02 [length of S] [S] [hash type].
 */
export function isStrictDer(bytes: Uint8Array, start = 0, length = bytes.length): boolean {
  if (length < 9 || length > 73) return false;
  if (bytes[start] !== 0x30 || bytes[start + 1] !== length - 3) return false;
  const lengthR = bytes[start + 3]!;
  if (5 + lengthR >= length) return false;
  const lengthS = bytes[start + 5 + lengthR]!;
  if (lengthR + lengthS + 7 !== length) return false;
  return isStrictInteger(bytes, start + 2, lengthR) && isStrictInteger(bytes, start + 4 + lengthR, lengthS);
}

/** 02 [length] and a big-endian integer that is not negative and has no zero in front that it does not need. */
function isStrictInteger(bytes: Uint8Array, at: number, length: number): boolean {
  if (bytes[at] !== 0x02 || length === 0) return false;
  const first = bytes[at + 2]!;
  if ((first & 0x80) !== 0) return false;
  return !(length > 1 && first === 0 && (bytes[at + 3]! & 0x80) === 0);
}

function hasDefinedHashType(signature: Uint8Array): boolean {
  const hashType = signature[signature.length - 1]! & ~SIGHASH_ANYONECANPAY;
  return hashType >= SIGHASH_ALL && hashType <= SIGHASH_SINGLE;
}

/** An empty signature passes: it is the compact way to give an invalid one. */
export function checkSignatureEncoding(signature: Uint8Array, flags: number): ScriptError | undefined {
  if (signature.length === 0) return undefined;
  const strict = SCRIPT_VERIFY_DERSIG | SCRIPT_VERIFY_LOW_S | SCRIPT_VERIFY_STRICTENC;
  if ((flags & strict) !== 0 && !isStrictDer(signature)) return "SIG_DER";
  if ((flags & SCRIPT_VERIFY_LOW_S) !== 0 && !isLowS(signature.subarray(0, -1))) return "SIG_HIGH_S";
  if ((flags & SCRIPT_VERIFY_STRICTENC) !== 0 && !hasDefinedHashType(signature)) return "SIG_HASHTYPE";
  return undefined;
}

function isCompressed(pubkey: Uint8Array): boolean {
  return pubkey.length === 33 && (pubkey[0] === 2 || pubkey[0] === 3);
}

export function checkPubkeyEncoding(
  pubkey: Uint8Array,
  flags: number,
  version: SigVersion,
): ScriptError | undefined {
  const uncompressed = pubkey.length === 65 && pubkey[0] === 4;
  if ((flags & SCRIPT_VERIFY_STRICTENC) !== 0 && !isCompressed(pubkey) && !uncompressed) return "PUBKEYTYPE";
  const compressedOnly = (flags & SCRIPT_VERIFY_WITNESS_PUBKEYTYPE) !== 0 && version === "witness-v0";
  return compressedOnly && !isCompressed(pubkey) ? "WITNESS_PUBKEYTYPE" : undefined;
}
