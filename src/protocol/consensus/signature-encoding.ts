/** The forms that signatures and public keys must have in legacy and version 0 scripts (Core: script/interpreter.cpp). */

import { isLowS } from "#base/crypto/lax-der.ts";
import { hasDefinedHashType, isStrictDerSignature } from "#protocol/bitcoin/signature-encoding.ts";
import type { ScriptError } from "./script-error.ts";
import {
  SCRIPT_VERIFY_DERSIG,
  SCRIPT_VERIFY_LOW_S,
  SCRIPT_VERIFY_STRICTENC,
  SCRIPT_VERIFY_WITNESS_PUBKEYTYPE,
} from "./script-flags.ts";
import type { SigVersion } from "./signature-checker.ts";

/** An empty signature passes: it is the compact way to give an invalid one. */
export function checkSignatureEncoding(signature: Uint8Array, flags: number): ScriptError | undefined {
  if (signature.length === 0) return undefined;
  const strict = SCRIPT_VERIFY_DERSIG | SCRIPT_VERIFY_LOW_S | SCRIPT_VERIFY_STRICTENC;
  if ((flags & strict) !== 0 && !isStrictDerSignature(signature)) return "SIG_DER";
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
