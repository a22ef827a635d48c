/** Scripts as text: Core's `ScriptToAsmStr` for people, and its `ParseScript` for tests. */

import { concatBytes, fromHex, toHex } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { OP_NOP, OP_NOP10, OP_PUSHDATA4, OP_RESERVED, opcodeName } from "./opcodes.ts";
import { decodeScriptNumber, isUnspendable, pushData, pushNumber, ScriptReader } from "./script.ts";
import { hasDefinedHashType, isStrictDerSignature } from "./signature-encoding.ts";

/** Names of hash types, as Core prints them after a signature. */
const SIGHASH_NAMES: Readonly<Record<number, string>> = {
  1: "ALL",
  129: "ALL|ANYONECANPAY",
  2: "NONE",
  130: "NONE|ANYONECANPAY",
  3: "SINGLE",
  131: "SINGLE|ANYONECANPAY",
};

/**
 * A script as opcodes' names, numbers (pushes of up to four bytes) and hex. What cannot be read ends in `[error]`.
 * @param sighashDecode shows a signature's hash type in brackets; for input scripts.
 */
export function toAsm(script: Uint8Array, sighashDecode = false): string {
  // Data after OP_RETURN may look like a signature and is none.
  const decode = sighashDecode && !isUnspendable(script);
  const reader = new ScriptReader(script);
  const words: string[] = [];
  while (reader.more) {
    if (!reader.next()) {
      words.push("[error]");
      break;
    }
    if (reader.opcode > OP_PUSHDATA4) words.push(opcodeName(reader.opcode));
    else words.push(pushText(reader.data(), decode));
  }
  return words.join(" ");
}

function pushText(data: Uint8Array, sighashDecode: boolean): string {
  if (data.length <= 4) return String(decodeScriptNumber(data, false));
  if (sighashDecode && isStrictDerSignature(data) && hasDefinedHashType(data)) {
    const name = SIGHASH_NAMES[data[data.length - 1]!]!;
    return `${toHex(data.subarray(0, -1))}[${name}]`;
  }
  return toHex(data);
}

let opcodes: Map<string, number> | undefined;

/** Opcodes that text may name, with and without OP_; those that push numbers are written as numbers. */
function opcodeNamed(name: string): number | undefined {
  if (opcodes === undefined) {
    opcodes = new Map();
    for (const opcode of [
      OP_RESERVED,
      ...Array.from({ length: OP_NOP10 - OP_NOP + 1 }, (_, i) => OP_NOP + i),
    ]) {
      const full = opcodeName(opcode);
      opcodes.set(full, opcode);
      opcodes.set(full.slice("OP_".length), opcode);
    }
  }
  return opcodes.get(name);
}

const NUMBER = /^-?[0-9]+$/;
const RAW = /^0x([0-9a-fA-F]+)$/;

/**
 * The script of a text as Core's test vectors write it: numbers, `0x…` bytes inserted as they are, `'…'` text
 * pushed as data, opcodes with or without `OP_`.
 * @throws DecodeError with Core's text.
 */
export function fromAsm(text: string): Uint8Array {
  return concatBytes(
    ...text
      .split(/[ \t\n]/)
      .filter((word) => word !== "")
      .map(wordBytes),
  );
}

function wordBytes(word: string): Uint8Array {
  if (NUMBER.test(word)) {
    const value = Number(word);
    if (Math.abs(value) > 0xffff_ffff) {
      throw new DecodeError(
        "script parse error: decimal numeric value only allowed in the range -0xFFFFFFFF...0xFFFFFFFF",
      );
    }
    return pushNumber(value);
  }
  const raw = RAW.exec(word);
  const bytes = raw === null ? undefined : fromHex(raw[1]!);
  if (bytes !== undefined) return bytes;
  if (word.length >= 2 && word.startsWith("'") && word.endsWith("'")) {
    return pushData(new TextEncoder().encode(word.slice(1, -1)));
  }
  const opcode = opcodeNamed(word);
  if (opcode === undefined) throw new DecodeError("script parse error: unknown opcode");
  return Uint8Array.of(opcode);
}
