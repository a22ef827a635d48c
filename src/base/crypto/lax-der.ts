/**
 * ECDSA signatures between DER and the 64 bytes (r, s big-endian) that every back end takes. The lax parser is
 * consensus before BIP66 and stays so after it, behind the strict check of the encoding: Core's
 * `ecdsa_signature_parse_der_lax` (pubkey.cpp) with `secp256k1_ecdsa_signature_normalize` after it.
 */

/** Order of the group, big-endian. */
const ORDER = Uint8Array.from(
  "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141".match(/../g)!,
  (byte) => Number.parseInt(byte, 16),
);
/** (n − 1) / 2: the largest low S. */
const HALF_ORDER = Uint8Array.from(
  "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0".match(/../g)!,
  (byte) => Number.parseInt(byte, 16),
);

/** Whether the 32 bytes at `at` are greater than `bound`. */
function exceeds(bytes: Uint8Array, at: number, bound: Uint8Array): boolean {
  for (let i = 0; i < 32; i++) {
    const difference = bytes[at + i]! - bound[i]!;
    if (difference !== 0) return difference > 0;
  }
  return false;
}

function isBelowOrder(bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < 32; i++) {
    const difference = bytes[at + i]! - ORDER[i]!;
    if (difference !== 0) return difference < 0;
  }
  return false;
}

/** Whether S of a compact signature is above half the order. */
export function hasHighS(compact: Uint8Array): boolean {
  return exceeds(compact, 32, HALF_ORDER);
}

/** Replaces a high S by n − S, in place: the signature stays valid for the same key and digest. */
export function normalizeS(compact: Uint8Array): void {
  if (!hasHighS(compact)) return;
  let borrow = 0;
  for (let i = 31; i >= 0; i--) {
    const difference = ORDER[i]! - compact[32 + i]! - borrow;
    compact[32 + i] = difference;
    borrow = difference < 0 ? 1 : 0;
  }
}

// Where the last integer stands in its signature: module state, so that parsing allocates nothing.
let integerAt = 0;
let integerLength = 0;

/** Reads an INTEGER header at `pos` with BER's lengths; false where Core's parser gives up. */
function readInteger(sig: Uint8Array, start: number): boolean {
  const end = sig.length;
  let pos = start;
  if (pos === end || sig[pos] !== 0x02) return false;
  pos++;
  if (pos === end) return false;
  let length = sig[pos++]!;
  if (length >= 0x80) {
    let count = length - 0x80;
    if (count > end - pos) return false;
    while (count > 0 && sig[pos] === 0) {
      pos++;
      count--;
    }
    if (count >= 4) return false;
    length = 0;
    for (; count > 0; count--) length = (length << 8) | sig[pos++]!;
  }
  if (length > end - pos) return false;
  integerAt = pos;
  integerLength = length;
  return true;
}

/** Copies a big-endian integer without its leading zeros into the 32 bytes at `at`; false when it is longer. */
export function copyInteger(
  sig: Uint8Array,
  start: number,
  length: number,
  out: Uint8Array,
  at: number,
): boolean {
  let from = start;
  const end = start + length;
  while (from < end && sig[from] === 0) from++;
  const pad = 32 - (end - from);
  if (pad < 0) return false;
  for (let i = 0; i < pad; i++) out[at + i] = 0;
  for (let i = pad; i < 32; i++) out[at + i] = sig[from++]!;
  return true;
}

/** Parses without normalising S. */
function parse(sig: Uint8Array, out64: Uint8Array): boolean {
  const end = sig.length;
  let pos = 0;
  if (pos === end || sig[pos] !== 0x30) return false;
  pos++;
  if (pos === end) return false;
  const sequence = sig[pos++]!;
  if (sequence >= 0x80) {
    if (sequence - 0x80 > end - pos) return false;
    pos += sequence - 0x80;
  }
  if (!readInteger(sig, pos)) return false;
  const rAt = integerAt;
  const rLength = integerLength;
  if (!readInteger(sig, rAt + rLength)) return false;
  const fits =
    copyInteger(sig, rAt, rLength, out64, 0) &&
    copyInteger(sig, integerAt, integerLength, out64, 32) &&
    isBelowOrder(out64, 0) &&
    isBelowOrder(out64, 32);
  if (!fits) out64.fill(0, 0, 64);
  return true;
}

/**
 * Parses a signature (without its hash type byte) as Core's lax parser does and normalises S.
 * @param out64 receives r and s; both zero, which no back end accepts, where one is n or more.
 * @returns false when the bytes are no signature at all; then `out64` is not to be used.
 */
export function parseLaxDer(sig: Uint8Array, out64: Uint8Array): boolean {
  if (!parse(sig, out64)) return false;
  normalizeS(out64);
  return true;
}

const lowSScratch = new Uint8Array(64);

/** Core's `CPubKey::CheckLowS`: it parses and its S is at most half the order. */
export function isLowS(sig: Uint8Array): boolean {
  return parse(sig, lowSScratch) && !hasHighS(lowSScratch);
}

/** Strict DER of a compact signature, without a hash type byte. */
export function encodeDer(compact: Uint8Array): Uint8Array {
  const r = derInteger(compact, 0);
  const s = derInteger(compact, 32);
  return Uint8Array.of(0x30, r.length + s.length, ...r, ...s);
}

function derInteger(compact: Uint8Array, at: number): number[] {
  let from = at;
  while (from < at + 31 && compact[from] === 0) from++;
  const digits = Array.from(compact.subarray(from, at + 32));
  if (digits[0]! >= 0x80) digits.unshift(0);
  return [0x02, digits.length, ...digits];
}
