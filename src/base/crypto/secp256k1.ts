/**
 * Signature checks for consensus: the best back end that this machine has, behind one interface. A thread has
 * its own; the choice falls when this module loads.
 */
import { loadNativeBackend } from "./native-backend.ts";
import { nobleBackend } from "./noble-backend.ts";
import { loadPackageBackend } from "./package-backend.ts";
import type { BackendName, SignatureBackend } from "./signature-backend.ts";
import { SignatureBatch } from "./signature-batch.ts";
import { tinyBackend } from "./tiny-backend.ts";

export type { BackendName, SignatureBackend } from "./signature-backend.ts";
export { SignatureBatch } from "./signature-batch.ts";

/** What signature checks are asked of. See {@link SignatureBackend} for the arguments. */
export interface Verifier extends SignatureBackend {
  /** A new empty batch over this back end. */
  batch(): SignatureBatch;
}

const BACKENDS: Readonly<Record<BackendName, () => SignatureBackend | undefined>> = {
  native: loadNativeBackend,
  secp256k1: loadPackageBackend,
  tiny: () => tinyBackend,
  noble: () => nobleBackend,
};

/** The back end of that name, `undefined` where this machine does not have it. */
export function loadVerifier(name: BackendName): Verifier | undefined {
  const backend = BACKENDS[name]();
  if (backend === undefined) return undefined;
  return { ...backend, batch: () => new SignatureBatch(backend) };
}

function chooseVerifier(): Verifier {
  const forced = globalThis.process?.env["FREEHOLD_SECP256K1"];
  if (forced !== undefined && forced !== "") {
    if (!Object.hasOwn(BACKENDS, forced)) {
      throw new Error(`FREEHOLD_SECP256K1=${forced}: known are ${Object.keys(BACKENDS).join(", ")}`);
    }
    const verifier = loadVerifier(forced as BackendName);
    if (verifier === undefined) throw new Error(`FREEHOLD_SECP256K1=${forced}: not available here`);
    return verifier;
  }
  return loadVerifier("native") ?? loadVerifier("secp256k1") ?? loadVerifier("tiny")!;
}

/** The best back end here, or the one that FREEHOLD_SECP256K1 (native, secp256k1, tiny, noble) names. */
export const verifier: Verifier = chooseVerifier();
