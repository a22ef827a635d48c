/** Derivation paths and key origins as descriptors and PSBTs write them (Core: util/bip32.cpp, script/keyorigin.h). */

import { toHex } from "#base/lib/bytes.ts";

/** Added to an index that is derived with the private key (BIP32). */
export const HARDENED = 0x8000_0000;

/** Where a key comes from: the master key's fingerprint and the path from it. */
export interface KeyOrigin {
  /** First four bytes of the master public key's HASH160. */
  readonly fingerprint: Uint8Array;
  /** Indices, {@link HARDENED} added where the step is hardened. */
  readonly path: readonly number[];
}

/** A path as `/0/1h/…`, empty for no steps. */
export function formatKeyPath(path: readonly number[], apostrophe = false): string {
  return path.map((step) => `/${formatStep(step, apostrophe)}`).join("");
}

function formatStep(step: number, apostrophe: boolean): string {
  return step >= HARDENED ? `${step - HARDENED}${apostrophe ? "'" : "h"}` : String(step);
}

/** An origin as it stands in brackets: `d34db33f/44h/0h`. */
export function formatOrigin(origin: KeyOrigin, apostrophe = false): string {
  return toHex(origin.fingerprint) + formatKeyPath(origin.path, apostrophe);
}
