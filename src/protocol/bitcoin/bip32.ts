/** Extended keys (BIP32), with the strictness of Core's decoding (key_io.cpp, key.cpp, pubkey.cpp). */

import { HDKey } from "@scure/bip32";
import { isValidPublicKey, isValidSecret, publicKeyOf } from "#base/crypto/keys.ts";
import { hash160 } from "#base/crypto/sha256.ts";
import { ByteWriter } from "#base/lib/byte-writer.ts";
import { decodeBase58Check, encodeBase58Check } from "./base58.ts";
import type { AddressPrefixes, Network } from "./network.ts";

interface ExtendedFields {
  /** Steps from the master key, 0 … 255. */
  readonly depth: number;
  /** First four bytes of the parent's HASH160; zero for a master key. */
  readonly parentFingerprint: Uint8Array;
  /** The step from the parent, hardened from 2^31 on. */
  readonly index: number;
  readonly chainCode: Uint8Array;
}

export interface ExtendedPublicKey extends ExtendedFields {
  /** 33 bytes. */
  readonly publicKey: Uint8Array;
}

export interface ExtendedPrivateKey extends ExtendedFields {
  /** 32 bytes. */
  readonly secretKey: Uint8Array;
}

const EXTENDED_LENGTH = 78;
const MAX_DEPTH = 255;

/** The master key of a seed (16 to 64 bytes). */
export function masterKey(seed: Uint8Array): ExtendedPrivateKey {
  return privateFields(HDKey.fromMasterSeed(seed));
}

/** First four bytes of the public key's HASH160, by which children name their parent. */
export function fingerprintOf(key: ExtendedPublicKey): Uint8Array {
  return hash160(key.publicKey).slice(0, 4);
}

/** The public half of an extended private key. */
export function neuter(key: ExtendedPrivateKey): ExtendedPublicKey {
  const { depth, parentFingerprint, index, chainCode } = key;
  return { depth, parentFingerprint, index, chainCode, publicKey: publicKeyOf(key.secretKey, true) };
}

/** The child at an index, hardened from 2^31 on; `undefined` below the deepest level. */
export function derivePrivate(key: ExtendedPrivateKey, index: number): ExtendedPrivateKey | undefined {
  if (key.depth === MAX_DEPTH) return undefined;
  const parent = new HDKey({ depth: key.depth, chainCode: key.chainCode, privateKey: key.secretKey });
  return privateFields(parent.deriveChild(index));
}

/** The child at an index below 2^31; `undefined` for a hardened one, and below the deepest level. */
export function derivePublic(key: ExtendedPublicKey, index: number): ExtendedPublicKey | undefined {
  if (key.depth === MAX_DEPTH || index >= 0x8000_0000) return undefined;
  const parent = new HDKey({ depth: key.depth, chainCode: key.chainCode, publicKey: key.publicKey });
  const child = parent.deriveChild(index);
  return { ...childFields(child), publicKey: child.publicKey! };
}

function privateFields(key: HDKey): ExtendedPrivateKey {
  return { ...childFields(key), secretKey: key.privateKey! };
}

function childFields(key: HDKey): ExtendedFields {
  const parent = new DataView(new ArrayBuffer(4));
  parent.setUint32(0, key.parentFingerprint);
  return {
    depth: key.depth,
    parentFingerprint: new Uint8Array(parent.buffer),
    index: key.index,
    chainCode: key.chainCode!,
  };
}

/** `xpub…` (the network's prefix). */
export function encodeExtendedPublic(key: ExtendedPublicKey, network: Network): string {
  return encode(key, network.addresses.extendedPublic, key.publicKey);
}

/** `xprv…` (the network's prefix). */
export function encodeExtendedPrivate(key: ExtendedPrivateKey, network: Network): string {
  const padded = new Uint8Array(33);
  padded.set(key.secretKey, 1);
  return encode(key, network.addresses.extendedPrivate, padded);
}

function encode(key: ExtendedFields, version: number, material: Uint8Array): string {
  const writer = new ByteWriter(EXTENDED_LENGTH);
  u32be(writer, version).u8(key.depth).bytes(key.parentFingerprint);
  return encodeBase58Check(u32be(writer, key.index).bytes(key.chainCode).bytes(material).finish());
}

function u32be(writer: ByteWriter, value: number): ByteWriter {
  return writer.u16be(value >>> 16).u16be(value);
}

/** `undefined` unless it is an extended public key of the network, its point on the curve. */
export function decodeExtendedPublic(text: string, network: Network): ExtendedPublicKey | undefined {
  const decoded = decode(text, network.addresses, "extendedPublic");
  if (decoded === undefined || !isValidPublicKey(decoded.material)) return undefined;
  const { material, ...fields } = decoded;
  return { ...fields, publicKey: material };
}

/** `undefined` unless it is an extended private key of the network within the group's order. */
export function decodeExtendedPrivate(text: string, network: Network): ExtendedPrivateKey | undefined {
  const decoded = decode(text, network.addresses, "extendedPrivate");
  if (decoded === undefined || decoded.material[0] !== 0) return undefined;
  const { material, ...fields } = decoded;
  const secretKey = material.slice(1);
  return isValidSecret(secretKey) ? { ...fields, secretKey } : undefined;
}

function decode(
  text: string,
  prefixes: AddressPrefixes,
  prefix: "extendedPublic" | "extendedPrivate",
): (ExtendedFields & { material: Uint8Array }) | undefined {
  const data = decodeBase58Check(text, EXTENDED_LENGTH);
  if (data?.length !== EXTENDED_LENGTH) return undefined;
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  if (view.getUint32(0) !== prefixes[prefix]) return undefined;
  const fields = {
    depth: data[4]!,
    parentFingerprint: data.slice(5, 9),
    index: view.getUint32(9),
    chainCode: data.slice(13, 45),
    material: data.slice(45),
  };
  // A master key has no parent.
  const isMaster = fields.depth === 0;
  const hasParent = fields.index !== 0 || fields.parentFingerprint.some((byte) => byte !== 0);
  return isMaster && hasParent ? undefined : fields;
}
