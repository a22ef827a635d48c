import * as tiny from "tiny-secp256k1";
import { plainPublicKey } from "./public-key-form.ts";
import type { SignatureBackend } from "./signature-backend.ts";
import { verifyRowsSingly } from "./signature-batch.ts";

/** libsecp256k1 compiled to WebAssembly: runs everywhere, a fifth of native speed. It throws on bad input. */
export const tinyBackend: SignatureBackend = {
  name: "tiny",
  ecdsa(signature, publicKey, digest) {
    const key = plainPublicKey(publicKey);
    if (key === undefined || !tiny.isPoint(key)) return false;
    try {
      return tiny.verify(digest, key, signature, true);
    } catch {
      return false;
    }
  },
  schnorr(signature, publicKey, digest) {
    if (!tiny.isXOnlyPoint(publicKey)) return false;
    try {
      return tiny.verifySchnorr(digest, publicKey, signature);
    } catch {
      return false;
    }
  },
  tweakAddCheck(outputKey, parity, internalKey, tweak) {
    if (!tiny.isXOnlyPoint(internalKey)) return false;
    try {
      return tiny.xOnlyPointAddTweakCheck(internalKey, tweak, outputKey, parity === 0 ? 0 : 1);
    } catch {
      return false;
    }
  },
  verifyRows(rows, count) {
    return verifyRowsSingly(tinyBackend, rows, count);
  },
};
