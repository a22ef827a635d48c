import { createRequire } from "node:module";
import { passesSelfTest } from "./backend-self-test.ts";
import type { SignatureBackend } from "./signature-backend.ts";
import { ROW_ECDSA, ROW_SCHNORR, ROW_STRIDE, ROW_TWEAK, writeRow } from "./signature-batch.ts";

/** What native/secp256k1.c exports. */
interface Addon {
  verifyRows(rows: Uint8Array, count: number): number;
}

/** A back end over the add-on. Single checks are batches of one: the cost of the call is little beside theirs. */
function overAddon(addon: Addon): SignatureBackend {
  const row = new Uint8Array(ROW_STRIDE);
  return {
    name: "native",
    ecdsa(signature, publicKey, digest) {
      const length = publicKey.length;
      if (length !== 33 && length !== 65) return false;
      writeRow(row, 0, ROW_ECDSA, length, publicKey, signature, digest);
      return addon.verifyRows(row, 1) === -1;
    },
    schnorr(signature, publicKey, digest) {
      writeRow(row, 0, ROW_SCHNORR, 32, publicKey, signature, digest);
      return addon.verifyRows(row, 1) === -1;
    },
    tweakAddCheck(outputKey, parity, internalKey, tweak) {
      writeRow(row, 0, ROW_TWEAK, parity, internalKey, outputKey, tweak);
      return addon.verifyRows(row, 1) === -1;
    },
    verifyRows: (rows, count) => addon.verifyRows(rows, count),
  };
}

/**
 * libsecp256k1 in our own add-on, the fastest. `undefined` where it was not built (tools/build-native.ts), does
 * not load here, or gives one wrong answer: built without the right defines it would load and know no Schnorr.
 */
export function loadNativeBackend(): SignatureBackend | undefined {
  try {
    const addon = createRequire(import.meta.url)("./native/secp256k1.node") as Addon;
    const backend = overAddon(addon);
    return passesSelfTest(backend) ? backend : undefined;
  } catch {
    return undefined;
  }
}
