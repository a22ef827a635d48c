import { schnorr, secp256k1 } from "@noble/curves/secp256k1.js";
import { bytesToNumberBE } from "@noble/curves/utils.js";
import { plainPublicKey } from "./public-key-form.ts";
import type { SignatureBackend } from "./signature-backend.ts";
import { verifyRowsSingly } from "./signature-batch.ts";

const { Point } = secp256k1;
const ORDER = Point.Fn.ORDER;

function tweakAddCheck(
  outputKey: Uint8Array,
  parity: number,
  internalKey: Uint8Array,
  tweak: Uint8Array,
): boolean {
  try {
    const scalar = bytesToNumberBE(tweak);
    if (scalar >= ORDER) return false;
    const internal = schnorr.utils.lift_x(bytesToNumberBE(internalKey));
    const output = scalar === 0n ? internal : internal.add(Point.BASE.multiplyUnsafe(scalar));
    if (output.is0()) return false;
    return output.x === bytesToNumberBE(outputKey) && (output.y & 1n) === BigInt(parity);
  } catch {
    return false;
  }
}

/** Plain JavaScript, some thirty times slower than native: the oracle of the differential test. */
export const nobleBackend: SignatureBackend = {
  name: "noble",
  ecdsa(signature, publicKey, digest) {
    const key = plainPublicKey(publicKey);
    if (key === undefined) return false;
    try {
      return secp256k1.verify(signature, digest, key, { lowS: true, prehash: false, format: "compact" });
    } catch {
      return false;
    }
  },
  schnorr(signature, publicKey, digest) {
    try {
      return schnorr.verify(signature, digest, publicKey);
    } catch {
      return false;
    }
  },
  tweakAddCheck,
  verifyRows(rows, count) {
    return verifyRowsSingly(nobleBackend, rows, count);
  },
};
