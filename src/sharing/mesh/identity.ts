/**
 * Ed25519 keys (RFC 8032) of devices and accounts. A device's key is its libp2p peer id: the base58 text of the
 * identity multihash of its public key (libp2p specs, "peer-ids").
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { base58 } from "@scure/base";
import { concatBytes, hex, toHex } from "#base/lib/bytes.ts";
import type { AccountId, PeerId } from "./mesh.ts";

/** A secret that signs. The seed itself stays inside. */
export interface SigningKey {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** 64 bytes. */
  sign(message: Uint8Array): Uint8Array;
}

/** ASN.1 around 32 bytes of an Ed25519 seed (PKCS #8) and public key (SPKI), RFC 8410. */
const PKCS8 = hex("302e020100300506032b657004220420");
const SPKI = hex("302a300506032b6570032100");
/** Multihash identity, 36 bytes; protobuf: key type Ed25519, 32 bytes of key. */
const PEER_PREFIX = hex("002408011220");

/** The key of a 32-byte seed. */
export function signingKeyFrom(seed: Uint8Array): SigningKey {
  const secret = createPrivateKey({
    key: Buffer.from(concatBytes(PKCS8, seed)),
    format: "der",
    type: "pkcs8",
  });
  const spki = createPublicKey(secret).export({ format: "der", type: "spki" });
  return {
    publicKey: new Uint8Array(spki.subarray(SPKI.length)),
    sign: (message) => new Uint8Array(sign(null, message, secret)),
  };
}

/** Whether `signature` is that of `publicKey` over `message`; false for a key that is none. */
export function verifySignature(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const key = publicKeyObject(publicKey);
  return key !== undefined && signature.length === 64 && verify(null, message, key, signature);
}

/** Whether `signature` is that of the device which a peer id names. */
export function verifyByPeer(peer: PeerId, message: Uint8Array, signature: Uint8Array): boolean {
  const key = publicKeyOfPeer(peer);
  return key !== undefined && verifySignature(key, message, signature);
}

function publicKeyObject(publicKey: Uint8Array): KeyObject | undefined {
  if (publicKey.length !== 32) return undefined;
  try {
    return createPublicKey({ key: Buffer.from(concatBytes(SPKI, publicKey)), format: "der", type: "spki" });
  } catch {
    return undefined;
  }
}

/** The peer id of a device's public key. */
export function peerIdOf(publicKey: Uint8Array): PeerId {
  return base58.encode(concatBytes(PEER_PREFIX, publicKey));
}

/** The device's public key in a peer id; `undefined` when it is not the id of an Ed25519 key. */
export function publicKeyOfPeer(peer: PeerId): Uint8Array | undefined {
  if (peer.length < 40 || peer.length > 64) return undefined;
  let bytes: Uint8Array;
  try {
    bytes = base58.decode(peer);
  } catch {
    return undefined;
  }
  const isEd25519 = bytes.length === 38 && PEER_PREFIX.every((byte, i) => bytes[i] === byte);
  return isEd25519 ? bytes.slice(PEER_PREFIX.length) : undefined;
}

export function accountIdOf(publicKey: Uint8Array): AccountId {
  return toHex(publicKey);
}
