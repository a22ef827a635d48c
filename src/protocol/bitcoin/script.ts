/**
 * Scripts as byte strings: reading them opcode by opcode, numbers, building, and the few shapes that consensus
 * itself knows (Core: script/script.h, script/script.cpp).
 */

import { concatBytes, equalBytes } from "#base/lib/bytes.ts";
import {
  OP_0,
  OP_1,
  OP_1NEGATE,
  OP_16,
  OP_CHECKSIG,
  OP_DUP,
  OP_EQUAL,
  OP_EQUALVERIFY,
  OP_HASH160,
  OP_INVALIDOPCODE,
  OP_PUSHDATA1,
  OP_PUSHDATA2,
  OP_PUSHDATA4,
  OP_RESERVED,
  OP_RETURN,
} from "./opcodes.ts";

/** Bytes that a script may have before it fails by its size alone. */
export const MAX_SCRIPT_SIZE = 10_000;
/** Bytes of one stack element. */
export const MAX_SCRIPT_ELEMENT_SIZE = 520;
/** Opcodes above OP_16 that one legacy or v0 script may run. */
export const MAX_OPS_PER_SCRIPT = 201;
export const MAX_PUBKEYS_PER_MULTISIG = 20;
/** Elements on stack and alt stack together. */
export const MAX_STACK_SIZE = 1_000;
/** Lock times below it are block heights, others seconds since 1970. */
export const LOCKTIME_THRESHOLD = 500_000_000;
/** First byte of a BIP341 annex. */
export const ANNEX_TAG = 0x50;

/**
 * Reads a script opcode by opcode, without an object per step: after {@link next} the fields tell the opcode
 * and where its pushed data lies in `bytes`.
 */
export class ScriptReader {
  readonly bytes: Uint8Array;
  /** Offset after the opcode read last. */
  at: number;
  /** Offset at which reading ends. */
  readonly end: number;
  /** The opcode read last; OP_INVALIDOPCODE when its push runs past the end. */
  opcode = OP_INVALIDOPCODE;
  /** Where the pushed data starts; after a push that runs past the end, the offset after its length bytes. */
  dataStart = 0;
  /** Bytes that the opcode pushes; 0 for those that push nothing or a number. */
  dataLength = 0;

  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  /** Whether bytes are left. After a failed {@link next}, true means that a push ran past the end. */
  get more(): boolean {
    return this.at < this.end;
  }

  /** Reads one opcode. False at the end, and where a push runs past it (as Core's `GetScriptOp`). */
  next(): boolean {
    const { bytes, end } = this;
    const at = this.at;
    this.opcode = OP_INVALIDOPCODE;
    this.dataLength = 0;
    if (at >= end) return false;
    const opcode = bytes[at]!;
    if (opcode > OP_PUSHDATA4) {
      this.opcode = opcode;
      this.at = at + 1;
      return true;
    }
    return this.#push(opcode, at + 1);
  }

  #push(opcode: number, lengthAt: number): boolean {
    const { bytes, end } = this;
    let length = opcode;
    let start = lengthAt;
    this.dataStart = start;
    if (opcode >= OP_PUSHDATA1) {
      const width = 1 << (opcode - OP_PUSHDATA1);
      if (end - start < width) return false;
      length = bytes[start]!;
      if (width > 1) length += bytes[start + 1]! * 0x100;
      if (width > 2) length += bytes[start + 2]! * 0x1_0000 + bytes[start + 3]! * 0x100_0000;
      start += width;
      this.dataStart = start;
    }
    if (length > end - start) return false;
    this.opcode = opcode;
    this.dataLength = length;
    this.at = start + length;
    return true;
  }

  /** The data pushed by the opcode read last, a view. */
  data(): Uint8Array {
    return this.bytes.subarray(this.dataStart, this.dataStart + this.dataLength);
  }
}

/** Whether `data` is pushed by `opcode` in the shortest way there is (Core: `CheckMinimalPush`). */
export function isMinimalPush(data: Uint8Array, opcode: number): boolean {
  const length = data.length;
  if (length === 0) return opcode === OP_0;
  if (length === 1 && data[0]! >= 1 && data[0]! <= 16) return false;
  if (length === 1 && data[0] === 0x81) return false;
  if (length <= 75) return opcode === length;
  if (length <= 255) return opcode === OP_PUSHDATA1;
  if (length <= 65_535) return opcode === OP_PUSHDATA2;
  return true;
}

/**
 * Value of a script number (little-endian, the top bit its sign).
 * @param maxLength more bytes than this are not a number; at most 6.
 * @returns `undefined` when too long, or with `minimal` when a shorter encoding exists (Core: scriptnum_error).
 */
export function decodeScriptNumber(bytes: Uint8Array, minimal: boolean, maxLength = 4): number | undefined {
  const length = bytes.length;
  if (length > maxLength) return undefined;
  if (length === 0) return 0;
  const top = bytes[length - 1]!;
  if (minimal && (top & 0x7f) === 0 && (length <= 1 || (bytes[length - 2]! & 0x80) === 0)) return undefined;
  let value = top & 0x7f;
  for (let i = length - 2; i >= 0; i--) value = value * 256 + bytes[i]!;
  // 0 − value, so that there is no negative zero.
  return (top & 0x80) !== 0 ? 0 - value : value;
}

/** Shortest encoding of an integer (Core: `CScriptNum::serialize`). */
export function encodeScriptNumber(value: number): Uint8Array {
  if (value === 0) return new Uint8Array(0);
  const bytes: number[] = [];
  let rest = Math.abs(value);
  while (rest > 0) {
    bytes.push(rest % 256);
    rest = Math.floor(rest / 256);
  }
  const top = bytes[bytes.length - 1]!;
  if ((top & 0x80) !== 0) bytes.push(value < 0 ? 0x80 : 0);
  else if (value < 0) bytes[bytes.length - 1] = top | 0x80;
  return Uint8Array.from(bytes);
}

/** The opcode that pushes 0 … 16. */
export function smallIntegerOpcode(value: number): number {
  return value === 0 ? OP_0 : OP_RESERVED + value;
}

/** 0 … 16 of OP_0, OP_1 … OP_16; `undefined` for any other opcode (Core: `DecodeOP_N`). */
export function smallIntegerOf(opcode: number): number | undefined {
  if (opcode === OP_0) return 0;
  return opcode >= OP_1 && opcode <= OP_16 ? opcode - OP_RESERVED : undefined;
}

/** A push of `data` with its length in front, never as OP_1 … OP_16 (Core: `CScript << vector`). */
export function pushData(data: Uint8Array): Uint8Array {
  const length = data.length;
  if (length < OP_PUSHDATA1) return concatBytes(Uint8Array.of(length), data);
  if (length <= 0xff) return concatBytes(Uint8Array.of(OP_PUSHDATA1, length), data);
  if (length <= 0xffff) return concatBytes(Uint8Array.of(OP_PUSHDATA2, length & 0xff, length >> 8), data);
  const prefix = Uint8Array.of(OP_PUSHDATA4, length, length >>> 8, length >>> 16, length >>> 24);
  return concatBytes(prefix, data);
}

/** A push of a number, by its opcode for −1 … 16 (Core: `CScript << int64_t`). */
export function pushNumber(value: number): Uint8Array {
  if (value === -1) return Uint8Array.of(OP_1NEGATE);
  if (value >= 0 && value <= 16) return Uint8Array.of(smallIntegerOpcode(value));
  return pushData(encodeScriptNumber(value));
}

/** A script of opcodes (numbers) and pushes (byte strings), such as `buildScript(OP_DUP, OP_HASH160, hash, …)`. */
export function buildScript(...parts: readonly (number | Uint8Array)[]): Uint8Array {
  return concatBytes(
    ...parts.map((part) => (typeof part === "number" ? Uint8Array.of(part) : pushData(part))),
  );
}

/** Whether from `at` on it can be read to its end and only pushes (OP_RESERVED counts as a push). */
export function isPushOnly(script: Uint8Array, at = 0): boolean {
  const reader = new ScriptReader(script, at);
  while (reader.more) {
    if (!reader.next() || reader.opcode > OP_16) return false;
  }
  return true;
}

/** BIP16: OP_HASH160 <20 bytes> OP_EQUAL, pushed by the one-byte opcode. */
export function isPayToScriptHash(script: Uint8Array): boolean {
  return script.length === 23 && script[0] === OP_HASH160 && script[1] === 20 && script[22] === OP_EQUAL;
}

export function isPayToPubkeyHash(script: Uint8Array): boolean {
  return (
    script.length === 25 &&
    script[0] === OP_DUP &&
    script[1] === OP_HASH160 &&
    script[2] === 20 &&
    script[23] === OP_EQUALVERIFY &&
    script[24] === OP_CHECKSIG
  );
}

/**
 * BIP141: version (OP_0 … OP_16) of a witness program, −1 when the script is none. The program is the script
 * from its third byte on.
 */
export function witnessVersion(script: Uint8Array): number {
  if (script.length < 4 || script.length > 42) return -1;
  const first = script[0]!;
  if (first !== OP_0 && (first < OP_1 || first > OP_16)) return -1;
  if (script[1]! + 2 !== script.length) return -1;
  return first === OP_0 ? 0 : first - OP_RESERVED;
}

/** Program of a script for which {@link witnessVersion} is not −1, a view. */
export function witnessProgram(script: Uint8Array): Uint8Array {
  return script.subarray(2);
}

export function isPayToWitnessPubkeyHash(script: Uint8Array): boolean {
  return script.length === 22 && script[0] === OP_0 && script[1] === 20;
}

export function isPayToWitnessScriptHash(script: Uint8Array): boolean {
  return script.length === 34 && script[0] === OP_0 && script[1] === 32;
}

export function isPayToTaproot(script: Uint8Array): boolean {
  return script.length === 34 && script[0] === OP_1 && script[1] === 32;
}

/** Pay to anchor: OP_1 <0x4e73>. */
export function isPayToAnchor(script: Uint8Array): boolean {
  return (
    script.length === 4 && script[0] === OP_1 && script[1] === 2 && script[2] === 0x4e && script[3] === 0x73
  );
}

/** Whether an output with this script can never be spent, so that it is not stored (Core: `IsUnspendable`). */
export function isUnspendable(script: Uint8Array): boolean {
  return (script.length > 0 && script[0] === OP_RETURN) || script.length > MAX_SCRIPT_SIZE;
}

/**
 * Removes each occurrence of `pattern` that starts at an opcode (Core: `FindAndDelete`), as legacy signature
 * hashing does with the signature's own push. Reading stops at a push that runs past the end.
 * @returns the script itself when nothing was found.
 */
export function findAndDelete(script: Uint8Array, pattern: Uint8Array): Uint8Array {
  if (pattern.length === 0 || pattern.length > script.length) return script;
  const kept: Uint8Array[] = [];
  const reader = new ScriptReader(script);
  let keptTo = 0;
  let found = false;
  do {
    if (reader.at > keptTo) kept.push(script.subarray(keptTo, reader.at));
    keptTo = reader.at;
    while (startsWith(script, reader.at, pattern)) {
      reader.at += pattern.length;
      keptTo = reader.at;
      found = true;
    }
  } while (reader.next());
  if (!found) return script;
  kept.push(script.subarray(keptTo));
  return concatBytes(...kept);
}

function startsWith(script: Uint8Array, at: number, pattern: Uint8Array): boolean {
  const end = at + pattern.length;
  return end <= script.length && equalBytes(script.subarray(at, end), pattern);
}
