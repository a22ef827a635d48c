import type { SignatureBackend } from "./signature-backend.ts";

/** Bytes of a packed row: kind, key length or parity, two of padding; then key, signature and digest. */
export const ROW_STRIDE = 168;
const ROW_KEY = 4;
const ROW_SIGNATURE = 72;
const ROW_DIGEST = 136;
export const ROW_ECDSA = 0;
export const ROW_SCHNORR = 1;
/** Key is the internal key, signature's first half the output key, digest the tweak. */
export const ROW_TWEAK = 2;

const NO_KEY = new Uint8Array(0);

/**
 * Checks gathered to be run in one call of a back end, in packed rows: no object per check. Inputs are copied
 * and must have the lengths that {@link SignatureBackend} states (a key of another length is kept, and fails).
 */
export class SignatureBatch {
  readonly #backend: SignatureBackend;
  #rows: Uint8Array;
  #length = 0;

  constructor(backend: SignatureBackend, capacity = 64) {
    this.#backend = backend;
    this.#rows = new Uint8Array(Math.max(1, capacity) * ROW_STRIDE);
  }

  get length(): number {
    return this.#length;
  }

  addEcdsa(signature: Uint8Array, publicKey: Uint8Array, digest: Uint8Array): void {
    const length = publicKey.length;
    if (length === 33 || length === 65) this.#add(ROW_ECDSA, length, publicKey, signature, digest);
    else this.#add(ROW_ECDSA, 0, NO_KEY, signature, digest);
  }

  addSchnorr(signature: Uint8Array, publicKey: Uint8Array, digest: Uint8Array): void {
    this.#add(ROW_SCHNORR, 32, publicKey, signature, digest);
  }

  addTweak(outputKey: Uint8Array, parity: number, internalKey: Uint8Array, tweak: Uint8Array): void {
    this.#add(ROW_TWEAK, parity, internalKey, outputKey, tweak);
  }

  /** Checks all; the index of the first that fails (in the order they were added), −1 when all hold. Keeps them. */
  run(): number {
    return this.#length === 0 ? -1 : this.#backend.verifyRows(this.#rows, this.#length);
  }

  reset(): void {
    this.#length = 0;
  }

  #add(kind: number, detail: number, key: Uint8Array, signature: Uint8Array, digest: Uint8Array): void {
    const at = this.#length * ROW_STRIDE;
    if (at === this.#rows.length) {
      const grown = new Uint8Array(this.#rows.length * 2);
      grown.set(this.#rows);
      this.#rows = grown;
    }
    writeRow(this.#rows, at, kind, detail, key, signature, digest);
    this.#length++;
  }
}

/** Writes a packed row at `at`. @param detail length of an ECDSA key, or parity of a tweak. */
export function writeRow(
  rows: Uint8Array,
  at: number,
  kind: number,
  detail: number,
  key: Uint8Array,
  signature: Uint8Array,
  digest: Uint8Array,
): void {
  rows[at] = kind;
  rows[at + 1] = detail;
  // Loops: a call of set() costs more for so few bytes.
  const keyAt = at + ROW_KEY;
  for (let i = 0; i < key.length; i++) rows[keyAt + i] = key[i]!;
  const signatureAt = at + ROW_SIGNATURE;
  for (let i = 0; i < signature.length; i++) rows[signatureAt + i] = signature[i]!;
  const digestAt = at + ROW_DIGEST;
  for (let i = 0; i < 32; i++) rows[digestAt + i] = digest[i]!;
}

/** `verifyRows` for a back end that has no batch of its own. */
export function verifyRowsSingly(backend: SignatureBackend, rows: Uint8Array, count: number): number {
  for (let i = 0; i < count; i++) if (!verifyRow(backend, rows, i * ROW_STRIDE)) return i;
  return -1;
}

function verifyRow(backend: SignatureBackend, rows: Uint8Array, at: number): boolean {
  const detail = rows[at + 1]!;
  const digest = rows.subarray(at + ROW_DIGEST, at + ROW_DIGEST + 32);
  const signature = rows.subarray(at + ROW_SIGNATURE, at + ROW_SIGNATURE + 64);
  switch (rows[at]) {
    case ROW_ECDSA:
      return backend.ecdsa(signature, rows.subarray(at + ROW_KEY, at + ROW_KEY + detail), digest);
    case ROW_SCHNORR:
      return backend.schnorr(signature, rows.subarray(at + ROW_KEY, at + ROW_KEY + 32), digest);
    default:
      return backend.tweakAddCheck(
        signature.subarray(0, 32),
        detail,
        rows.subarray(at + ROW_KEY, at + ROW_KEY + 32),
        digest,
      );
  }
}
