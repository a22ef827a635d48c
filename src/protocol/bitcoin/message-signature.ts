/** Messages signed with the key of an address: `signmessage` and `verifymessage` (Core: common/signmessage.cpp). */

import { base64 } from "@scure/base";
import { recoverCompact, signCompact } from "#base/crypto/keys.ts";
import { hash160, sha256d } from "#base/crypto/sha256.ts";
import { ByteWriter } from "#base/lib/byte-writer.ts";
import { equalBytes } from "#base/lib/bytes.ts";
import { decodeAddress, isAddressError } from "./address.ts";
import type { Network } from "./network.ts";
import { classifyOutput } from "./output-type.ts";
import type { PrivateKey } from "./wif.ts";

const MAGIC = new TextEncoder().encode("Bitcoin Signed Message:\n");

/** Outcome of a check (Core: `MessageVerificationResult`). */
export type MessageVerification =
  | "ok"
  | "invalid-address"
  /** The address is not that of a public key's hash. */
  | "address-without-key"
  /** Not base64. */
  | "malformed-signature"
  | "pubkey-not-recovered"
  /** Signed by another key. */
  | "not-signed";

/** The digest that is signed. */
function messageHash(message: string): Uint8Array {
  const writer = new ByteWriter().varBytes(MAGIC).varBytes(new TextEncoder().encode(message));
  return sha256d(writer.finish());
}

/** The compact signature with recovery byte, in base64. */
export function signMessage(message: string, key: PrivateKey): string {
  return base64.encode(signCompact(key.secret, messageHash(message), key.compressed));
}

/** Whether the owner of a pay-to-pubkey-hash address signed a message. */
export function verifyMessage(
  address: string,
  signature: string,
  message: string,
  network: Network,
): MessageVerification {
  const decoded = decodeAddress(address, network);
  if (isAddressError(decoded)) return "invalid-address";
  const { type, solutions } = classifyOutput(decoded.script);
  if (type !== "pubkeyhash") return "address-without-key";
  const bytes = decodeBase64(signature);
  if (bytes === undefined) return "malformed-signature";
  const key = bytes.length === 65 ? recoverCompact(bytes, messageHash(message)) : undefined;
  if (key === undefined) return "pubkey-not-recovered";
  return equalBytes(hash160(key), solutions[0]!) ? "ok" : "not-signed";
}

/** Strict base64: padded, no spaces, no bits left over (Core: `DecodeBase64`). */
function decodeBase64(text: string): Uint8Array | undefined {
  try {
    return base64.decode(text);
  } catch {
    return undefined;
  }
}
