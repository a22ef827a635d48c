/** Base58 and its form with a checksum, with the strictness of Core (base58.cpp). */

import { sha256d } from "#base/crypto/sha256.ts";
import { concatBytes, equalBytes } from "#base/lib/bytes.ts";

const ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const DIGITS = new Uint8Array(128).fill(255);
for (let i = 0; i < 58; i++) DIGITS[ALPHABET.charCodeAt(i)] = i;

const CHECKSUM_LENGTH = 4;

export function encodeBase58(bytes: Uint8Array): string {
  let zeroes = 0;
  while (zeroes < bytes.length && bytes[zeroes] === 0) zeroes++;
  // Base-58 digits, the least first; log(256) / log(58) < 1.38.
  const digits = new Uint8Array(Math.ceil((bytes.length - zeroes) * 1.38) + 1);
  let length = 0;
  for (let i = zeroes; i < bytes.length; i++) {
    let carry = bytes[i]!;
    let at = 0;
    for (; carry !== 0 || at < length; at++) {
      carry += 256 * digits[at]!;
      digits[at] = carry % 58;
      carry = Math.floor(carry / 58);
    }
    length = at;
  }
  let text = "1".repeat(zeroes);
  for (let i = length - 1; i >= 0; i--) text += ALPHABET[digits[i]!];
  return text;
}

/**
 * Bytes of a Base58 text; spaces around it are ignored, as Core does.
 * @returns `undefined` when it is not Base58 or holds more than `maxLength` bytes.
 */
export function decodeBase58(text: string, maxLength: number): Uint8Array | undefined {
  const trimmed = trimSpaces(text);
  let zeroes = 0;
  while (zeroes < trimmed.length && trimmed[zeroes] === "1") zeroes++;
  if (zeroes > maxLength) return undefined;
  // Base-256 digits, the least first. The bound is checked after each step, so a long text costs little.
  const reversed = new Uint8Array(maxLength + 1);
  let length = 0;
  for (let i = zeroes; i < trimmed.length; i++) {
    let carry = DIGITS[trimmed.charCodeAt(i)] ?? 255;
    if (carry === 255) return undefined;
    let at = 0;
    for (; carry !== 0 || at < length; at++) {
      carry += 58 * reversed[at]!;
      reversed[at] = carry & 0xff;
      carry >>>= 8;
    }
    length = at;
    if (length + zeroes > maxLength) return undefined;
  }
  const bytes = new Uint8Array(zeroes + length);
  for (let i = 0; i < length; i++) bytes[zeroes + i] = reversed[length - 1 - i]!;
  return bytes;
}

/** Takes ASCII spaces off both ends (Core: `IsSpace`). */
function trimSpaces(text: string): string {
  const isSpace = (at: number): boolean => " \f\n\r\t\v".includes(text[at]!);
  let start = 0;
  let end = text.length;
  while (start < end && isSpace(start)) start++;
  while (end > start && isSpace(end - 1)) end--;
  return text.slice(start, end);
}

/** Base58 of the bytes and the first four of their double SHA-256. */
export function encodeBase58Check(bytes: Uint8Array): string {
  return encodeBase58(concatBytes(bytes, sha256d(bytes).subarray(0, CHECKSUM_LENGTH)));
}

/** Bytes of a Base58 text without their checksum; `undefined` when it is wrong or there are more than `maxLength`. */
export function decodeBase58Check(text: string, maxLength: number): Uint8Array | undefined {
  const bytes = decodeBase58(text, maxLength + CHECKSUM_LENGTH);
  if (bytes === undefined || bytes.length < CHECKSUM_LENGTH) return undefined;
  const payload = bytes.subarray(0, bytes.length - CHECKSUM_LENGTH);
  const checksum = bytes.subarray(bytes.length - CHECKSUM_LENGTH);
  return equalBytes(sha256d(payload).subarray(0, CHECKSUM_LENGTH), checksum) ? payload : undefined;
}
