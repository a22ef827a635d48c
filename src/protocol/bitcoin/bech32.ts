/** Bech32 (BIP173) and Bech32m (BIP350), with Core's limits and its search for the wrong characters (bech32.cpp). */

export type Bech32Encoding = "bech32" | "bech32m";

export interface Bech32Text {
  readonly encoding: Bech32Encoding;
  /** Human-readable part, lower case. */
  readonly prefix: string;
  /** 5-bit values without the checksum. */
  readonly values: Uint8Array;
}

const CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const VALUES = new Uint8Array(128).fill(255);
for (let i = 0; i < 32; i++) {
  VALUES[CHARSET.charCodeAt(i)] = i;
  VALUES[CHARSET.toUpperCase().charCodeAt(i)] = i;
}

/** Longest text with a checksum that finds four errors. */
const MAX_LENGTH = 90;
const CHECKSUM_LENGTH = 6;
const CONSTANTS: Readonly<Record<Bech32Encoding, number>> = { bech32: 1, bech32m: 0x2bc8_30a3 };
const GENERATOR = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];

/** Remainder by the generator polynomial, six 5-bit coefficients in 30 bits. */
function polyMod(values: Uint8Array): number {
  let c = 1;
  for (const value of values) {
    const top = c >>> 25;
    c = ((c & 0x1ff_ffff) << 5) ^ value;
    for (let i = 0; i < 5; i++) if (((top >> i) & 1) !== 0) c ^= GENERATOR[i]!;
  }
  return c;
}

/** The prefix as values for the checksum, then `values`, then `zeroes` zeroes. */
function checksumInput(prefix: string, values: Uint8Array, zeroes = 0): Uint8Array {
  const { length } = prefix;
  const input = new Uint8Array(length * 2 + 1 + values.length + zeroes);
  for (let i = 0; i < length; i++) {
    const code = prefix.charCodeAt(i);
    input[i] = code >> 5;
    input[length + 1 + i] = code & 31;
  }
  input.set(values, length * 2 + 1);
  return input;
}

/** The text of 5-bit values under a lower-case prefix. */
export function encodeBech32(encoding: Bech32Encoding, prefix: string, values: Uint8Array): string {
  const checksum = polyMod(checksumInput(prefix, values, CHECKSUM_LENGTH)) ^ CONSTANTS[encoding];
  let text = `${prefix}1`;
  for (const value of values) text += CHARSET[value];
  for (let i = CHECKSUM_LENGTH - 1; i >= 0; i--) text += CHARSET[(checksum >>> (5 * i)) & 31];
  return text;
}

/** The values of a text, `undefined` when it is neither Bech32 nor Bech32m. */
export function decodeBech32(text: string): Bech32Text | undefined {
  if (text.length > MAX_LENGTH || misplacedCharacters(text).length > 0) return undefined;
  const separator = text.lastIndexOf("1");
  if (separator < 1 || separator + CHECKSUM_LENGTH + 1 > text.length) return undefined;
  const values = new Uint8Array(text.length - separator - 1);
  for (let i = 0; i < values.length; i++) {
    values[i] = VALUES[text.charCodeAt(separator + 1 + i)]!;
    if (values[i] === 255) return undefined;
  }
  const prefix = text.slice(0, separator).toLowerCase();
  const residue = polyMod(checksumInput(prefix, values));
  const encoding =
    residue === CONSTANTS.bech32 ? "bech32" : residue === CONSTANTS.bech32m ? "bech32m" : undefined;
  if (encoding === undefined) return undefined;
  return { encoding, prefix, values: values.subarray(0, values.length - CHECKSUM_LENGTH) };
}

/** Positions of characters outside 33 … 126, and of letters whose case is not that of the first. */
function misplacedCharacters(text: string): number[] {
  const found: number[] = [];
  let lower = false;
  let upper = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x61 && code <= 0x7a) {
      if (upper) found.push(i);
      else lower = true;
    } else if (code >= 0x41 && code <= 0x5a) {
      if (lower) found.push(i);
      else upper = true;
    } else if (code < 33 || code > 126) {
      found.push(i);
    }
  }
  return found;
}

/**
 * Regroups bits, such as 8 to 5 for encoding.
 * @param pad true fills the last group with zeroes; false refuses a remainder that is a whole group or not zero.
 */
export function convertBits(
  values: Uint8Array,
  from: number,
  to: number,
  pad: boolean,
): Uint8Array | undefined {
  const result = new Uint8Array(Math.ceil((values.length * from) / to));
  const mask = (1 << to) - 1;
  let accumulator = 0;
  let bits = 0;
  let length = 0;
  for (const value of values) {
    accumulator = ((accumulator << from) | value) & 0xffff;
    bits += from;
    while (bits >= to) {
      bits -= to;
      result[length++] = (accumulator >> bits) & mask;
    }
  }
  const rest = (accumulator << (to - bits)) & mask;
  if (pad) {
    if (bits > 0) result[length++] = rest;
  } else if (bits >= from || rest !== 0) {
    return undefined;
  }
  return result.subarray(0, length);
}

/** What is wrong with a text that is not Bech32, in Core's words, and where. */
export interface Bech32Errors {
  readonly error: string;
  /** Positions of the wrong characters, where the checksum tells them. */
  readonly positions: number[];
}

/** Finds up to two wrong characters (Core: `bech32::LocateErrors`). An empty error means that nothing is wrong. */
export function locateBech32Errors(text: string): Bech32Errors {
  if (text.length > MAX_LENGTH) {
    const positions = Array.from({ length: text.length - MAX_LENGTH }, (_, i) => MAX_LENGTH + i);
    return { error: "Bech32 string too long", positions };
  }
  const misplaced = misplacedCharacters(text);
  if (misplaced.length > 0) return { error: "Invalid character or mixed case", positions: misplaced };
  const separator = text.lastIndexOf("1");
  if (separator < 0) return { error: "Missing separator", positions: [] };
  if (separator === 0 || separator + CHECKSUM_LENGTH + 1 > text.length) {
    return { error: "Invalid separator position", positions: [separator] };
  }
  const values = new Uint8Array(text.length - separator - 1);
  for (let i = 0; i < values.length; i++) {
    values[i] = VALUES[text.charCodeAt(separator + 1 + i)]!;
    if (values[i] === 255) return { error: "Invalid Base 32 character", positions: [separator + 1 + i] };
  }
  return locateInValues(text, checksumInput(text.slice(0, separator).toLowerCase(), values), values.length);
}

/** Tries both encodings and keeps the one with the fewest errors, as the version itself may be wrong. */
function locateInValues(text: string, input: Uint8Array, length: number): Bech32Errors {
  let positions: number[] = [];
  let found: Bech32Encoding | undefined;
  for (const encoding of ["bech32", "bech32m"] as const) {
    const residue = polyMod(input) ^ CONSTANTS[encoding];
    if (residue === 0) return { error: "", positions: [] };
    const possible = errorPowers(residue, length).map((power) => text.length - power - 1);
    if (positions.length === 0 || (possible.length > 0 && possible.length < positions.length)) {
      positions = possible;
      if (positions.length > 0) found = encoding;
    }
  }
  if (found === "bech32m") return { error: "Invalid Bech32m checksum", positions };
  return { error: found === "bech32" ? "Invalid Bech32 checksum" : "Invalid checksum", positions };
}

/**
 * Powers of x (counted from the right of the text, the highest first) whose coefficients one or two errors changed.
 * The code is a BCH code over GF(32) with the roots e^997, e^998 and e^999 in GF(1024), so the residue at the
 * three roots gives s_j = Σ error · e^(j · power).
 */
function errorPowers(residue: number, length: number): number[] {
  const { log } = fields();
  const s0 = evaluate(residue, 997);
  const s1 = evaluate(residue, 998);
  const s2 = evaluate(residue, 999);
  const logS0 = log[s0]!;
  const logS1 = log[s1]!;
  const logS2 = log[s2]!;
  const isSingle =
    logS0 !== -1 && logS1 !== -1 && logS2 !== -1 && (2 * logS1 - logS2 - logS0 + 2046) % 1023 === 0;
  if (!isSingle) return twoErrors(s0, s1, s2, length);
  // One error: s1 / s0 = e^power, and its value s0 / e^(997 · power) must lie in GF(32): a power of e^33.
  const power = (logS1 - logS0 + 1023) % 1023;
  const logValue = logS0 + (1023 - 997) * power;
  return power < length && logValue % 33 === 0 ? [power] : [];
}

function twoErrors(s0: number, s1: number, s2: number, length: number): number[] {
  const { exp, log } = fields();
  /** a + b · e^power */
  const plusTimes = (a: number, b: number, power: number): number =>
    a ^ (b === 0 ? 0 : exp[(log[b]! + power) % 1023]!);
  for (let first = 0; first < length; first++) {
    const upper = plusTimes(s2, s1, first);
    const lower = plusTimes(s1, s0, first);
    if (upper === 0 || lower === 0) continue;
    // e^second = (s2 + s1 · e^first) / (s1 + s0 · e^first)
    const second = (log[upper]! - log[lower]! + 1023) % 1023;
    if (second >= length || second === first) continue;
    const other = plusTimes(s1, s0, second);
    if (other === 0) continue;
    const logInverse = 1023 - log[exp[first]! ^ exp[second]!]!;
    if ((log[lower]! + logInverse + (1023 - 997) * second) % 33 !== 0) continue;
    if ((log[other]! + logInverse + (1023 - 997) * first) % 33 !== 0) continue;
    return first > second ? [first, second] : [second, first];
  }
  return [];
}

/** The residue polynomial at e^root. */
function evaluate(residue: number, root: number): number {
  const { exp, log } = fields();
  let sum = residue & 31;
  for (let power = 1; power < 6; power++) {
    const coefficient = (residue >>> (5 * power)) & 31;
    if (coefficient !== 0) sum ^= exp[(root * power + log[coefficient]!) % 1023]!;
  }
  return sum;
}

interface Fields {
  /** Powers of e in GF(1024). */
  readonly exp: Int16Array;
  /** Logarithms to e; −1 for 0. */
  readonly log: Int16Array;
}

let tables: Fields | undefined;

/**
 * GF(1024) over GF(32) = GF(2)[x] / (x^5 + x^3 + 1), by x^2 + 9x + 23, as 10 bits: the coefficient of e above
 * that of 1. A root e of that polynomial generates it.
 */
function fields(): Fields {
  if (tables !== undefined) return tables;
  const exp = new Int16Array(1023);
  const log = new Int16Array(1024).fill(-1);
  let value = 1;
  for (let i = 0; i < 1023; i++) {
    exp[i] = value;
    log[value] = i;
    const low = value & 31;
    const high = value >> 5;
    value = ((multiply32(high, 9) ^ low) << 5) | multiply32(high, 23);
  }
  tables = { exp, log };
  return tables;
}

function multiply32(a: number, b: number): number {
  let product = 0;
  for (let bit = 4; bit >= 0; bit--) {
    product <<= 1;
    if ((product & 32) !== 0) product ^= 41;
    if (((b >> bit) & 1) !== 0) product ^= a;
  }
  return product;
}
