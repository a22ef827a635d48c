/** Name of a back end, as FREEHOLD_SECP256K1 takes it. */
export type BackendName = "native" | "secp256k1" | "tiny" | "noble";

/**
 * One library that checks signatures. All back ends give the same answer on every input of the stated lengths,
 * false on bad points and scalars, and never throw: the differential test holds them to it.
 */
export interface SignatureBackend {
  readonly name: BackendName;
  /**
   * ECDSA over a 32-byte digest.
   * @param signature r and s, 64 bytes; S above half the order is refused (normalise it first, see lax-der.ts).
   * @param publicKey SEC1: 33 bytes (02, 03) or 65 (04, and the hybrid 06, 07 whose parity must be right).
   */
  ecdsa(signature: Uint8Array, publicKey: Uint8Array, digest: Uint8Array): boolean;
  /** BIP340 over a 32-byte message. @param publicKey x only, 32 bytes. */
  schnorr(signature: Uint8Array, publicKey: Uint8Array, digest: Uint8Array): boolean;
  /**
   * Whether internal key + tweak·G has this x and parity (BIP341).
   * @param parity 1 for an odd y, else 0.
   */
  tweakAddCheck(outputKey: Uint8Array, parity: number, internalKey: Uint8Array, tweak: Uint8Array): boolean;
  /**
   * Checks `count` packed rows (see signature-batch.ts).
   * @returns the index of the first that fails, −1 when all hold.
   */
  verifyRows(rows: Uint8Array, count: number): number;
}
