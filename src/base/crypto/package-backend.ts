import { createRequire } from "node:module";
import { passesSelfTest } from "./backend-self-test.ts";
import { plainPublicKey } from "./public-key-form.ts";
import type { SignatureBackend } from "./signature-backend.ts";
import { verifyRowsSingly } from "./signature-batch.ts";
import { tinyBackend } from "./tiny-backend.ts";

/** The part of the package secp256k1 that is used here. */
interface Secp256k1Package {
  ecdsaVerify(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean;
  publicKeyTweakAdd(
    publicKey: Uint8Array,
    tweak: Uint8Array,
    compressed: boolean,
    output: Uint8Array,
  ): Uint8Array;
}

function overPackage(library: Secp256k1Package): SignatureBackend {
  const internal = new Uint8Array(33);
  const output = new Uint8Array(33);
  const backend: SignatureBackend = {
    name: "secp256k1",
    ecdsa(signature, publicKey, digest) {
      const key = plainPublicKey(publicKey);
      if (key === undefined) return false;
      try {
        return library.ecdsaVerify(signature, digest, key);
      } catch {
        return false;
      }
    },
    // The package has no Schnorr signatures.
    schnorr: tinyBackend.schnorr,
    tweakAddCheck(outputKey, parity, internalKey, tweak) {
      internal[0] = 2;
      internal.set(internalKey, 1);
      try {
        library.publicKeyTweakAdd(internal, tweak, true, output);
      } catch {
        return false;
      }
      if (output[0] !== 2 + parity) return false;
      for (let i = 0; i < 32; i++) if (output[1 + i] !== outputKey[i]) return false;
      return true;
    },
    verifyRows: (rows, count) => verifyRowsSingly(backend, rows, count),
  };
  return backend;
}

/**
 * libsecp256k1 as the optional package secp256k1 carries it prebuilt; Schnorr from tiny. `undefined` where no
 * build for this machine is in it: its fallback in plain JavaScript is not wanted.
 */
export function loadPackageBackend(): SignatureBackend | undefined {
  try {
    const library = createRequire(import.meta.url)("secp256k1/bindings.js") as Secp256k1Package;
    const backend = overPackage(library);
    return passesSelfTest(backend) ? backend : undefined;
  } catch {
    return undefined;
  }
}
