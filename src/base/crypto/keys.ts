/**
 * Keys of secp256k1, signatures as Core makes them, and tweaks: through noble, but for points that are only
 * tested or unpacked, which getblock and old coins ask for by the thousand. Those go through libsecp256k1 in
 * WebAssembly, by calls that never throw in it (see tiny-backend.ts). Checking for consensus is in secp256k1.ts.
 * Secrets are 32 bytes big-endian in 1 … n − 1.
 */
import { schnorr, secp256k1 } from "@noble/curves/secp256k1.js";
import { bytesToNumberBE } from "@noble/curves/utils.js";
import { isPoint, isXOnlyPoint, pointCompress } from "tiny-secp256k1";
import { encodeDer } from "./lax-der.ts";
import { plainPublicKey } from "./public-key-form.ts";

const { Point } = secp256k1;
const ORDER = Point.Fn.ORDER;
/** Length of a signature that its key can be recovered from: a header byte, r and s. */
const COMPACT_LENGTH = 65;

/** Whether a secret is in 1 … n − 1. */
export function isValidSecret(secret: Uint8Array): boolean {
  return secp256k1.utils.isValidSecretKey(secret);
}

/** Public key of a secret, 33 bytes or 65 uncompressed. @throws Error where the secret is not valid. */
export function publicKeyOf(secret: Uint8Array, compressed = true): Uint8Array {
  return secp256k1.getPublicKey(secret, compressed);
}

/** The x of a secret's public key, 32 bytes (BIP340). @throws Error where the secret is not valid. */
export function xOnlyPublicKeyOf(secret: Uint8Array): Uint8Array {
  return schnorr.getPublicKey(secret);
}

/** Whether it is a point in a form that consensus takes, hybrid ones too: Core's `CPubKey::IsFullyValid`. */
export function isValidPublicKey(bytes: Uint8Array): boolean {
  return validPlainKey(bytes) !== undefined;
}

/** Whether 32 bytes are the x of a point: Core's `XOnlyPubKey::IsFullyValid`. */
export function isValidXOnlyKey(bytes: Uint8Array): boolean {
  return isXOnlyPoint(bytes);
}

/** The same key in 65 bytes; `undefined` where it is not valid. Core's `CPubKey::Decompress`. */
export function uncompressedPublicKey(bytes: Uint8Array): Uint8Array | undefined {
  const plain = validPlainKey(bytes);
  return plain === undefined ? undefined : pointCompress(plain, false);
}

function validPlainKey(bytes: Uint8Array): Uint8Array | undefined {
  const plain = plainPublicKey(bytes);
  return plain !== undefined && isPoint(plain) ? plain : undefined;
}

function liftX(bytes: Uint8Array): InstanceType<typeof Point> | undefined {
  try {
    return schnorr.utils.lift_x(bytesToNumberBE(bytes));
  } catch {
    return undefined;
  }
}

/**
 * ECDSA signature as Core's `CKey::Sign` makes it: RFC 6979, low S, and R ground below 2^255 by a counter in the
 * extra entropy, so that the DER form has at most 70 bytes.
 * @returns DER without a hash type byte.
 */
export function signEcdsaLowR(secret: Uint8Array, digest: Uint8Array): Uint8Array {
  let compact = signRfc6979(secret, digest, "compact");
  const entropy = new Uint8Array(32);
  for (let counter = 1; compact[0]! >= 0x80; counter++) {
    for (let i = 0; i < 4; i++) entropy[i] = counter >>> (8 * i);
    compact = signRfc6979(secret, digest, "compact", entropy);
  }
  return encodeDer(compact);
}

function signRfc6979(
  secret: Uint8Array,
  digest: Uint8Array,
  format: "compact" | "recovered",
  extraEntropy: Uint8Array | false = false,
): Uint8Array {
  return secp256k1.sign(digest, secret, { prehash: false, lowS: true, format, extraEntropy });
}

/** BIP340 signature, 64 bytes. @param message of any length. @param aux 32 random bytes, or zeros. */
export function signSchnorr(secret: Uint8Array, message: Uint8Array, aux: Uint8Array): Uint8Array {
  return schnorr.sign(message, secret, aux);
}

/**
 * Signature that the key can be recovered from, as Core's `CKey::SignCompact` (signmessage): 27 + recovery id,
 * + 4 for a compressed key; then r and s. R is not ground.
 */
export function signCompact(secret: Uint8Array, digest: Uint8Array, compressed: boolean): Uint8Array {
  const signature = signRfc6979(secret, digest, "recovered");
  signature[0] = 27 + signature[0]! + (compressed ? 4 : 0);
  return signature;
}

/**
 * The public key that made a compact signature, in the form its header tells; `undefined` where there is none.
 * Core's `CPubKey::RecoverCompact`.
 */
export function recoverCompact(signature: Uint8Array, digest: Uint8Array): Uint8Array | undefined {
  if (signature.length !== COMPACT_LENGTH) return undefined;
  const header = (signature[0]! - 27) & 7;
  const r = bytesToNumberBE(signature.subarray(1, 33));
  const s = bytesToNumberBE(signature.subarray(33, 65));
  try {
    const recoverable = new secp256k1.Signature(r, s, header & 3);
    return recoverable.recoverPublicKey(digest).toBytes((header & 4) !== 0);
  } catch {
    return undefined;
  }
}

/** An x-only key and the parity of y of the point it came from. */
export interface TweakedKey {
  /** 32 bytes. */
  readonly key: Uint8Array;
  /** 1 where y is odd. */
  readonly parity: number;
}

/** Internal key + tweak·G (BIP341); `undefined` where the key, the tweak or the sum is not valid. */
export function tweakXOnly(internalKey: Uint8Array, tweak: Uint8Array): TweakedKey | undefined {
  const scalar = bytesToNumberBE(tweak);
  const internal = liftX(internalKey);
  if (internal === undefined || scalar >= ORDER) return undefined;
  const sum = scalar === 0n ? internal : internal.add(Point.BASE.multiply(scalar));
  if (sum.is0()) return undefined;
  const bytes = sum.toBytes(true);
  return { key: bytes.subarray(1), parity: bytes[0]! & 1 };
}

/**
 * The secret of {@link tweakXOnly}'s key: the secret, negated where its point has an odd y, plus the tweak.
 * `undefined` where the tweak or the sum is not valid. @throws Error where the secret is not valid.
 */
export function tweakSecret(secret: Uint8Array, tweak: Uint8Array): Uint8Array | undefined {
  const odd = (publicKeyOf(secret)[0]! & 1) === 1;
  const scalar = bytesToNumberBE(tweak);
  if (scalar >= ORDER) return undefined;
  const own = bytesToNumberBE(secret);
  const sum = ((odd ? ORDER - own : own) + scalar) % ORDER;
  return sum === 0n ? undefined : Point.Fn.toBytes(sum);
}
