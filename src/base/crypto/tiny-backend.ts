import * as tiny from "tiny-secp256k1";
import { equalBytes } from "#base/lib/bytes.ts";
import { plainPublicKey } from "./public-key-form.ts";
import type { SignatureBackend } from "./signature-backend.ts";
import { verifyRowsSingly } from "./signature-batch.ts";

/**
 * Runs a check that throws where an argument is out of range, which is an answer. A trap of WebAssembly is none:
 * it goes on, lest a broken instance refuse good signatures.
 */
function orFalse(check: () => boolean): boolean {
  try {
    return check();
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) throw error;
    return false;
  }
}

/**
 * libsecp256k1 compiled to WebAssembly: runs everywhere, a fifth of native speed.
 *
 * On a bad point it throws through its own WebAssembly frames, and each time loses a piece of its stack: after
 * some 3,400 it fails for good. So every point is tried with `isPoint` first, which does not throw, and a tweak
 * is added and compared here, as its own check throws on an output key that is not on the curve.
 *
 * It also refuses a Schnorr r in n … p − 1. To find a valid signature with one takes 2^128 work, as the share of
 * such r is that small and r is hashed into the challenge.
 */
export const tinyBackend: SignatureBackend = {
  name: "tiny",
  ecdsa(signature, publicKey, digest) {
    const key = plainPublicKey(publicKey);
    if (key === undefined || !tiny.isPoint(key)) return false;
    return orFalse(() => tiny.verify(digest, key, signature, true));
  },
  schnorr(signature, publicKey, digest) {
    if (!tiny.isXOnlyPoint(publicKey)) return false;
    return orFalse(() => tiny.verifySchnorr(digest, publicKey, signature));
  },
  tweakAddCheck(outputKey, parity, internalKey, tweak) {
    if (!tiny.isXOnlyPoint(internalKey)) return false;
    return orFalse(() => {
      const sum = tiny.xOnlyPointAddTweak(internalKey, tweak);
      return sum !== null && sum.parity === parity && equalBytes(sum.xOnlyPubkey, outputKey);
    });
  },
  verifyRows(rows, count) {
    return verifyRowsSingly(tinyBackend, rows, count);
  },
};
