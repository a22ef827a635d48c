import { isValidPublicKey, uncompressedPublicKey } from "#base/crypto/keys.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { MAX_MONEY } from "#protocol/bitcoin/amount.ts";

/**
 * How Core packs a coin, in its coin database and in undo data: base-128 integers (serialize.h, VARINT), amounts
 * without their trailing zeros and the six common scripts as a type and a hash or key (compressor.cpp).
 */

/** Longest script that can be spent (script.h). */
export const MAX_SCRIPT_SIZE = 10_000;
/** Most that a coin's packed form takes beyond its script: two integers of 5 bytes, one of 9. */
export const COIN_OVERHEAD = 19;

/** Sizes below this name a special script; others are the script's length plus this. */
const SPECIAL_SCRIPTS = 6;
const OP_RETURN = 0x6a;
const OP_DUP = 0x76;
const OP_HASH160 = 0xa9;
const OP_EQUAL = 0x87;
const OP_EQUALVERIFY = 0x88;
const OP_CHECKSIG = 0xac;

/** Bytes of a VARINT. @param value a safe integer, not negative. */
export function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest > 0x7f; length++) rest = Math.floor(rest / 128) - 1;
  return length;
}

/** Writes a VARINT: most significant first, each digit but the last with its high bit set. @returns the offset after it. */
export function writeVarint(out: Uint8Array, at: number, value: number): number {
  if (value <= 0x7f) {
    out[at] = value;
    return at + 1;
  }
  const end = at + varintLength(value);
  let rest = value;
  out[end - 1] = rest % 128;
  for (let i = end - 2; i >= at; i--) {
    rest = Math.floor(rest / 128) - 1;
    out[i] = (rest % 128) | 0x80;
  }
  return end;
}

/**
 * Writes an amount as Core's CompressAmount does, as a VARINT. The packed number may exceed 2^53 though the amount
 * does not, so its last digit is split off before it is made.
 * @returns the offset after it.
 */
export function writeAmount(out: Uint8Array, at: number, amount: number): number {
  if (amount === 0) return writeVarint(out, at, 0);
  let rest = amount;
  let exponent = 0;
  while (exponent < 9 && rest % 10 === 0) {
    rest /= 10;
    exponent++;
  }
  // Packed: 1 + 10·x + exponent, where x holds the remaining digits.
  let x = rest - 1;
  if (exponent < 9) {
    const digit = rest % 10;
    x = ((rest - digit) / 10) * 9 + digit - 1;
  }
  const low = (x % 64) * 10 + exponent + 1;
  const high = Math.floor(x / 64) * 5 + Math.floor(low / 128);
  if (high === 0) return writeVarint(out, at, low);
  const end = writeVarint(out, at, high - 1);
  // All digits but the last carry the mark.
  out[end - 1] = out[end - 1]! | 0x80;
  out[end] = low % 128;
  return end + 1;
}

/** Writes the script that stands in `source` from `start` to `end`, packed. @returns the offset after it. */
export function writeScript(
  out: Uint8Array,
  at: number,
  source: Uint8Array,
  start: number,
  end: number,
): number {
  const length = end - start;
  const first = source[start];
  if (length === 25 && first === OP_DUP && isPubkeyHash(source, start)) {
    out[at] = 0;
    return copy(out, at + 1, source, start + 3, start + 23);
  }
  if (length === 23 && first === OP_HASH160 && source[start + 1] === 20 && source[start + 22] === OP_EQUAL) {
    out[at] = 1;
    return copy(out, at + 1, source, start + 2, start + 22);
  }
  if (length === 35 && first === 33 && source[start + 34] === OP_CHECKSIG && source[start + 1]! >> 1 === 1) {
    return copy(out, at, source, start + 1, start + 34);
  }
  if (
    length === 67 &&
    first === 65 &&
    source[start + 1] === 4 &&
    source[start + 66] === OP_CHECKSIG &&
    isValidPublicKey(source.slice(start + 1, start + 66))
  ) {
    out[at] = 4 | (source[start + 65]! & 1);
    return copy(out, at + 1, source, start + 2, start + 34);
  }
  return copy(out, writeVarint(out, at, length + SPECIAL_SCRIPTS), source, start, end);
}

function isPubkeyHash(source: Uint8Array, start: number): boolean {
  return (
    source[start + 1] === OP_HASH160 &&
    source[start + 2] === 20 &&
    source[start + 23] === OP_EQUALVERIFY &&
    source[start + 24] === OP_CHECKSIG
  );
}

function copy(out: Uint8Array, at: number, source: Uint8Array, start: number, end: number): number {
  let to = at;
  for (let i = start; i < end; i++, to++) out[to] = source[i]!;
  return to;
}

/**
 * Reads packed coins from a byte string, one field after another, into itself: no object is made. Every method
 * throws DecodeError at the end of the data.
 */
export class CoinReader {
  #bytes: Uint8Array = new Uint8Array(0);
  at = 0;
  /** Of the script that {@link scriptHeader} read last: its type or length plus six. */
  #size = 0;
  /** Length of that script. */
  scriptLength = 0;
  /** The key of that script, where it is one that was packed to its x. */
  #key: Uint8Array | undefined;

  /** Starts at the front of `bytes`. */
  load(bytes: Uint8Array, at = 0): void {
    this.#bytes = bytes;
    this.at = at;
  }

  get remaining(): number {
    return this.#bytes.length - this.at;
  }

  /** @throws DecodeError unless all was read. */
  end(): void {
    if (this.remaining !== 0) throw new DecodeError("bytes left over");
  }

  u8(): number {
    if (this.at >= this.#bytes.length) throw new DecodeError("end of data");
    return this.#bytes[this.at++]!;
  }

  /** A VARINT of 32 bits, unsigned. */
  varint(): number {
    let value = 0;
    for (;;) {
      const digit = this.u8();
      if (value > 0x1ff_ffff) throw new DecodeError("ReadVarInt(): size too large");
      value = value * 128 + (digit & 0x7f);
      if (digit < 0x80) return value;
      if (value === 0xffff_ffff) throw new DecodeError("ReadVarInt(): size too large");
      value++;
    }
  }

  /** Satoshi. Amounts that can not exist are refused. */
  amount(): number {
    // All digits but the last, and the last: together they may exceed 2^53.
    let high = 0;
    let digit = this.u8();
    while (digit >= 0x80) {
      high = high * 128 + (digit & 0x7f) + 1;
      if (high > MAX_MONEY) throw new DecodeError("amount out of range");
      digit = this.u8();
    }
    if (high === 0 && digit === 0) return 0;
    const fives = Math.floor(high / 5);
    const low = (high - 5 * fives) * 128 + digit - 1;
    const tens = Math.floor(low / 10);
    const exponent = low - 10 * tens;
    const x = 64 * fives + tens;
    let amount = x + 1;
    if (exponent < 9) {
      const lastDigit = x % 9;
      amount = ((x - lastDigit) / 9) * 10 + lastDigit + 1;
    }
    for (let i = 0; i < exponent; i++) amount *= 10;
    if (amount > MAX_MONEY) throw new DecodeError("amount out of range");
    return amount;
  }

  /** Reads what stands before a script and sets {@link scriptLength}; {@link script} must follow. */
  scriptHeader(): void {
    const size = this.varint();
    this.#size = size;
    if (size >= SPECIAL_SCRIPTS) {
      const length = size - SPECIAL_SCRIPTS;
      if (length > this.remaining) throw new DecodeError("end of data");
      // As Core does: one that nobody can spend in place of one too long.
      this.scriptLength = length > MAX_SCRIPT_SIZE ? 1 : length;
      return;
    }
    const hashLength = size < 2 ? 20 : 32;
    if (hashLength > this.remaining) throw new DecodeError("end of data");
    if (size === 0) this.scriptLength = 25;
    else if (size === 1) this.scriptLength = 23;
    else if (size < 4) this.scriptLength = 35;
    else {
      const packed = this.#bytes.slice(this.at - 1, this.at + 32);
      packed[0] = size - 2;
      this.#key = uncompressedPublicKey(packed);
      // A key that is not on the curve gives an empty script.
      this.scriptLength = this.#key === undefined ? 0 : 67;
    }
  }

  /** Writes the script, {@link scriptLength} bytes, to `out` at `to`, and moves on. */
  script(out: Uint8Array, to: number): void {
    const bytes = this.#bytes;
    const at = this.at;
    const size = this.#size;
    if (size >= SPECIAL_SCRIPTS) {
      this.at = at + size - SPECIAL_SCRIPTS;
      if (size - SPECIAL_SCRIPTS > MAX_SCRIPT_SIZE) out[to] = OP_RETURN;
      else copy(out, to, bytes, at, this.at);
      return;
    }
    this.at = at + (size < 2 ? 20 : 32);
    if (size === 0) {
      out[to] = OP_DUP;
      out[to + 1] = OP_HASH160;
      out[to + 2] = 20;
      copy(out, to + 3, bytes, at, at + 20);
      out[to + 23] = OP_EQUALVERIFY;
      out[to + 24] = OP_CHECKSIG;
    } else if (size === 1) {
      out[to] = OP_HASH160;
      out[to + 1] = 20;
      copy(out, to + 2, bytes, at, at + 20);
      out[to + 22] = OP_EQUAL;
    } else if (size < 4) {
      out[to] = 33;
      out[to + 1] = size;
      copy(out, to + 2, bytes, at, at + 32);
      out[to + 34] = OP_CHECKSIG;
    } else if (this.#key !== undefined) {
      out[to] = 65;
      copy(out, to + 1, this.#key, 0, 65);
      out[to + 66] = OP_CHECKSIG;
    }
  }
}
