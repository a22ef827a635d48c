/**
 * The one encoding of our own messages: CBOR in its core deterministic form (RFC 8949 §4.2.1), so that equal values
 * have equal bytes and can be hashed and signed. Decoding refuses any other form, and bounds depth and items first.
 */
import { isUtf8 } from "node:buffer";
import { decode, encode, rfc8949EncodeOptions } from "cborg";
import { DecodeError } from "#base/lib/decode-error.ts";

/** Deepest nesting of arrays and maps. */
export const MAX_DEPTH = 16;
/** Most items (values and keys) of one message; a decoded item costs far more memory than its bytes. */
export const MAX_ITEMS = 65_536;

const ENCODE = { ...rfc8949EncodeOptions, ignoreUndefinedProperties: true };
const DECODE = {
  strict: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowInfinity: false,
  allowNaN: false,
  allowBigInt: false,
  rejectDuplicateMapKeys: true,
};

/** Canonical CBOR of plain values: maps with text keys, arrays, text, byte strings, numbers, booleans, null. */
export function encodeCbor(value: unknown): Uint8Array {
  return encode(value, ENCODE);
}

/** The value of canonical CBOR; byte strings are copies. @throws DecodeError on any other bytes. */
export function decodeCbor(bytes: Uint8Array, maxItems = MAX_ITEMS): unknown {
  scan(bytes, maxItems);
  try {
    return decode(bytes, DECODE);
  } catch (error) {
    throw new DecodeError(error instanceof Error ? error.message : "not CBOR");
  }
}

interface Level {
  /** Items still to come, keys and values of a map each counted. */
  left: number;
  readonly isMap: boolean;
  /** Where the last key of a map stands. */
  keyStart: number;
  keyEnd: number;
}

/** Walks the items without building them: depth, count, definite lengths, keys in order, nothing after the end. */
function scan(bytes: Uint8Array, maxItems: number): void {
  const levels: Level[] = [];
  let at = 0;
  let items = 0;
  do {
    while (levels.length > 0 && levels[levels.length - 1]!.left === 0) levels.pop();
    const level = levels[levels.length - 1];
    if (level === undefined && items > 0) break;
    if (++items > maxItems) throw new DecodeError(`CBOR of more than ${maxItems} items`);
    const start = at;
    const head = readHead(bytes, at);
    at = head.end;
    const isKey = level?.isMap === true && level.left % 2 === 0;
    if (level !== undefined) level.left--;
    if (isKey && head.major !== 3) throw new DecodeError("CBOR map key that is not text");
    if (head.major === 2 || head.major === 3) {
      at += head.value;
      if (at > bytes.length) throw new DecodeError("CBOR string beyond the end");
      if (head.major === 3 && !isUtf8(bytes.subarray(head.end, at)))
        throw new DecodeError("CBOR text that is not UTF-8");
    } else if (head.major === 7 && at > start + 1) {
      checkFloat(bytes.subarray(start, at));
    } else if (head.major === 4 || head.major === 5) {
      if (levels.length >= MAX_DEPTH) throw new DecodeError(`CBOR deeper than ${MAX_DEPTH}`);
      const left = head.major === 5 ? 2 * head.value : head.value;
      if (left > bytes.length - at) throw new DecodeError("CBOR items beyond the end");
      levels.push({ left, isMap: head.major === 5, keyStart: 0, keyEnd: 0 });
    }
    if (isKey) checkKey(bytes, level!, start, at);
  } while (levels.length > 0);
  if (at !== bytes.length) throw new DecodeError("bytes after the CBOR value");
}

/** A float is in its shortest form, and no whole number, which has a form of its own. */
function checkFloat(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length === 2) throw new DecodeError("CBOR simple value");
  const value =
    bytes.length === 9 ? view.getFloat64(1) : bytes.length === 5 ? view.getFloat32(1) : view.getFloat16(1);
  const again = Number.isFinite(value) ? encodeCbor(value) : undefined;
  if (again === undefined || again.length !== bytes.length || again.some((byte, i) => byte !== bytes[i])) {
    throw new DecodeError("CBOR float that is not in its shortest form");
  }
}

/** Keys ascend by their encoded bytes; `__proto__` is no key of ours and a trap for objects. */
function checkKey(bytes: Uint8Array, level: Level, start: number, end: number): void {
  if (level.keyEnd > 0 && compareRanges(bytes, level.keyStart, level.keyEnd, start, end) >= 0) {
    throw new DecodeError("CBOR map keys out of order");
  }
  level.keyStart = start;
  level.keyEnd = end;
  if (end - start === PROTO.length && PROTO.every((byte, i) => bytes[start + i] === byte)) {
    throw new DecodeError("CBOR map key __proto__");
  }
}

const PROTO = encodeCbor("__proto__");

function compareRanges(bytes: Uint8Array, a: number, aEnd: number, b: number, bEnd: number): number {
  const length = Math.min(aEnd - a, bEnd - b);
  for (let i = 0; i < length; i++) {
    const difference = bytes[a + i]! - bytes[b + i]!;
    if (difference !== 0) return difference;
  }
  return aEnd - a - (bEnd - b);
}

/** Major type, argument, and where the head ends. Shortest forms are checked by the decoder. */
function readHead(bytes: Uint8Array, at: number): { major: number; value: number; end: number } {
  const first = bytes[at];
  if (first === undefined) throw new DecodeError("CBOR ends too early");
  const major = first >> 5;
  const short = first & 31;
  if (major === 6) throw new DecodeError("CBOR tag");
  if (short < 24) return { major, value: short, end: at + 1 };
  if (short > 27) throw new DecodeError("CBOR of indefinite length");
  const size = 1 << (short - 24);
  if (at + 1 + size > bytes.length) throw new DecodeError("CBOR ends too early");
  let value = 0;
  for (let i = 1; i <= size; i++) value = value * 256 + bytes[at + i]!;
  return { major, value, end: at + 1 + size };
}
