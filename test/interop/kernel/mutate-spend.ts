/** Grows spends from others: bytes, opcodes and items changed, and what commits to them made to fit again. */

import { hash160, sha256 } from "#base/crypto/sha256.ts";
import { concatBytes } from "#base/lib/bytes.ts";
import type { SeededRandom } from "#base/lib/random.ts";
import * as op from "#protocol/bitcoin/opcodes.ts";
import {
  ANNEX_TAG,
  buildScript,
  encodeScriptNumber,
  isPayToScriptHash,
  isPayToTaproot,
  isPayToWitnessPubkeyHash,
  isPayToWitnessScriptHash,
  pushData,
  ScriptReader,
  witnessVersion,
} from "#protocol/bitcoin/script.ts";
import { tapLeafHash } from "#protocol/bitcoin/taproot.ts";
import { taprootMerkleRoot } from "#protocol/consensus/taproot.ts";
import { tweakOutputKey } from "./forge-keys.ts";
import type { MutableSpend } from "./script-seeds.ts";

export const SEQUENCES = [
  0, 1, 2, 0xffff, 0x1_0000, 0x40_0000, 0x40_0001, 0x8000_0000, 0xffff_fffe, 0xffff_ffff,
];
export const LOCK_TIMES = [
  0, 1, 100, 499_999_999, 500_000_000, 500_000_001, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff,
];
export const VERSIONS = [0, 1, 2, 3, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
export const AMOUNTS = [0, 1, 546, 100_000, 2_100_000_000_000_000, 2_100_000_000_000_001, 2 ** 52];
const NUMBERS = [
  -1,
  0,
  1,
  2,
  3,
  16,
  17,
  20,
  21,
  127,
  128,
  255,
  256,
  520,
  521,
  32_767,
  32_768,
  65_535,
  499_999_999,
  500_000_000,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 31 + 1,
  -(2 ** 31),
  2 ** 32 - 1,
  2 ** 32,
  2 ** 39 - 1,
  2 ** 39,
  2 ** 22,
  2 ** 22 + 1,
];

export function pick<T>(random: SeededRandom, from: readonly T[]): T {
  return from[random.below(from.length)]!;
}

/** Changes a spend in place. @param others where scripts and items may be taken from. */
export function mutateSpend(
  spend: MutableSpend,
  random: SeededRandom,
  rounds: number,
  others: readonly MutableSpend[],
): void {
  for (let i = 0; i < rounds; i++) mutateOnce(spend, random, pick(random, others));
}

function mutateOnce(spend: MutableSpend, random: SeededRandom, other: MutableSpend): void {
  const { tx, prevouts } = spend;
  const input = random.below(tx.inputs.length);
  const from = random.below(other.tx.inputs.length);
  const spent = prevouts[input]!;
  switch (random.below(16)) {
    case 0:
      tx.inputs[input]!.sequence = pick(random, SEQUENCES);
      return;
    case 1:
      tx.lockTime = pick(random, LOCK_TIMES);
      return;
    case 2:
      tx.version = pick(random, VERSIONS);
      return;
    case 3:
      spent.amount = pick(random, AMOUNTS);
      return;
    case 4:
      mutateShape(spend, random, other);
      return;
    case 5:
    case 6:
      spent.script = mutateScript(spent.script, random, other.prevouts[from]!.script);
      return;
    case 7:
      tx.inputs[input]!.script = mutateScript(
        tx.inputs[input]!.script,
        random,
        other.tx.inputs[from]!.script,
      );
      return;
    case 8:
    case 9:
      mutateWitness(tx.inputs[input]!.witness, random, other.tx.inputs[from]!.witness);
      return;
    case 10:
      wrap(spend, input, random);
      return;
    default:
      mutateInnerScript(spend, input, random, other.prevouts[from]!.script);
  }
}

/** Inputs and outputs come and go. */
function mutateShape({ tx, prevouts }: MutableSpend, random: SeededRandom, other: MutableSpend): void {
  switch (random.below(4)) {
    case 0:
      tx.outputs.pop();
      return;
    case 1:
      tx.outputs.push({ value: pick(random, AMOUNTS), script: pick(random, other.prevouts).script });
      return;
    case 2: {
      if (tx.inputs.length >= 4) return;
      const from = random.below(other.tx.inputs.length);
      const at = random.below(tx.inputs.length + 1);
      tx.inputs.splice(at, 0, { ...other.tx.inputs[from]!, witness: [...other.tx.inputs[from]!.witness] });
      prevouts.splice(at, 0, { ...other.prevouts[from]! });
      return;
    }
    default:
      if (tx.inputs.length === 1) return;
      tx.inputs.pop();
      prevouts.pop();
  }
}

/** A script changed at an opcode, or at any byte. */
export function mutateScript(script: Uint8Array, random: SeededRandom, other: Uint8Array): Uint8Array {
  const starts = opcodeStarts(script);
  const index = random.below(starts.length);
  const at = starts[index]!;
  const next = starts[index + 1] ?? script.length;
  const before = script.subarray(0, at);
  const after = script.subarray(next);
  const rest = script.subarray(at);
  switch (random.below(11)) {
    case 0:
      return flipBit(script, random);
    case 1:
      return concatBytes(before, Uint8Array.of(random.below(256)), after);
    case 2:
      return concatBytes(before, Uint8Array.of(op.OP_NOP + random.below(0x5a)), rest);
    case 3:
      return concatBytes(before, after);
    case 4:
      return concatBytes(before, script.subarray(at, next), rest);
    case 5:
      return concatBytes(before, pushData(encodeScriptNumber(pick(random, NUMBERS))), rest);
    case 6:
      return concatBytes(before, pushData(encodeScriptNumber(pick(random, NUMBERS))), after);
    case 7:
      return script.slice(0, random.below(script.length + 1));
    case 8:
      return concatBytes(before, other, rest);
    case 9:
      return concatBytes(before, other.subarray(pick(random, opcodeStarts(other))));
    default:
      return concatBytes(before, bulk(random), rest);
  }
}

/** Offset of each opcode, and the end. */
function opcodeStarts(script: Uint8Array): number[] {
  const reader = new ScriptReader(script);
  const starts = [0];
  while (reader.next()) starts.push(reader.at);
  return starts;
}

/** What brings a script to one of the limits: of elements, opcodes, stack and size. */
function bulk(random: SeededRandom): Uint8Array {
  switch (random.below(5)) {
    case 0:
      return pushData(new Uint8Array(519 + random.below(3)).fill(random.below(256)));
    case 1:
      return new Uint8Array(195 + random.below(10)).fill(
        pick(random, [op.OP_NOP, op.OP_DUP, op.OP_CODESEPARATOR]),
      );
    case 2:
      return new Uint8Array(995 + random.below(10)).fill(op.OP_1);
    case 3:
      return concatBytes(...Array.from({ length: 18 + random.below(3) }, () => BIG_PUSH_AND_DROP));
    default:
      return buildScript(op.OP_0, op.OP_IF, random.fill(new Uint8Array(random.below(80))), op.OP_ENDIF);
  }
}

const BIG_PUSH_AND_DROP = concatBytes(pushData(new Uint8Array(520)), Uint8Array.of(op.OP_DROP));

function flipBit(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  const flipped = bytes.slice();
  if (flipped.length > 0) flipped[random.below(flipped.length)]! ^= 1 << random.below(8);
  return flipped;
}

export function mutateWitness(
  witness: Uint8Array[],
  random: SeededRandom,
  other: readonly Uint8Array[],
): void {
  const at = random.below(witness.length + 1);
  const item = witness[at] ?? new Uint8Array(0);
  switch (random.below(9)) {
    case 0:
      witness.splice(at, 1);
      return;
    case 1:
      witness.splice(at, 0, item);
      return;
    case 2:
      witness.splice(at, 0, random.fill(new Uint8Array(random.below(70))));
      return;
    case 3:
      witness.push(concatBytes(Uint8Array.of(ANNEX_TAG), random.fill(new Uint8Array(random.below(30)))));
      return;
    case 4:
      if (other.length > 0) witness.splice(at, 1, pick(random, other));
      return;
    case 5:
      witness.splice(at, 1, new Uint8Array(0));
      return;
    case 6:
      witness.splice(at, 0, new Uint8Array(519 + random.below(3)));
      return;
    case 7:
      if (at < witness.length) witness[at] = item.slice(0, random.below(item.length + 1));
      return;
    default:
      if (at < witness.length) witness[at] = flipBit(item, random);
  }
}

/** Puts what a plain input unlocks behind a hash: P2SH, P2WSH or both. */
function wrap({ tx, prevouts }: MutableSpend, index: number, random: SeededRandom): void {
  const input = tx.inputs[index]!;
  const spent = prevouts[index]!;
  if (isPayToScriptHash(spent.script) || witnessVersion(spent.script) >= 0) return;
  const inner = spent.script;
  if (random.below(2) === 0) {
    input.script = concatBytes(input.script, pushData(inner));
    spent.script = payToScriptHash(inner);
    return;
  }
  const items: Uint8Array[] = [];
  const reader = new ScriptReader(input.script);
  while (reader.next())
    items.push(reader.opcode <= op.OP_PUSHDATA4 ? reader.data() : numberOf(reader.opcode));
  input.script = new Uint8Array(0);
  input.witness = [...items, inner];
  spent.script = buildScript(op.OP_0, sha256(inner));
  if (random.below(2) === 0) return;
  input.script = pushData(spent.script);
  spent.script = payToScriptHash(spent.script);
}

/** What OP_1NEGATE and OP_1 … OP_16 push; others are taken as nothing. */
function numberOf(opcode: number): Uint8Array {
  return opcode <= op.OP_16 ? encodeScriptNumber(opcode - op.OP_RESERVED) : new Uint8Array(0);
}

function payToScriptHash(script: Uint8Array): Uint8Array {
  return buildScript(op.OP_HASH160, hash160(script), op.OP_EQUAL);
}

/** Changes the script behind a hash (or the plain one) and makes the output commit to the new one. */
function mutateInnerScript(
  { tx, prevouts }: MutableSpend,
  index: number,
  random: SeededRandom,
  other: Uint8Array,
): void {
  const input = tx.inputs[index]!;
  const spent = prevouts[index]!;
  const { witness } = input;
  const change = (script: Uint8Array) => mutateScript(script, random, other);
  if (isPayToScriptHash(spent.script)) {
    const pushes = pushesOf(input.script);
    const redeem = pushes.pop();
    if (redeem === undefined) return;
    let script = change(redeem);
    if (isPayToWitnessScriptHash(redeem) && witness.length > 0) {
      witness[witness.length - 1] = change(witness.at(-1)!);
      script = buildScript(op.OP_0, sha256(witness.at(-1)!));
    }
    input.script = concatBytes(...pushes.map(pushData), pushData(script));
    spent.script = payToScriptHash(script);
  } else if (isPayToWitnessScriptHash(spent.script) && witness.length > 0) {
    witness[witness.length - 1] = change(witness.at(-1)!);
    spent.script = buildScript(op.OP_0, sha256(witness.at(-1)!));
  } else if (isPayToWitnessPubkeyHash(spent.script) && witness.length > 1) {
    mutateWitness(witness, random, []);
    spent.script = buildScript(op.OP_0, hash160(witness[1] ?? new Uint8Array(0)));
  } else if (isPayToTaproot(spent.script)) {
    mutateTapscript(witness, random, change, spent);
  } else {
    spent.script = change(spent.script);
  }
}

function pushesOf(script: Uint8Array): Uint8Array[] {
  const pushes: Uint8Array[] = [];
  const reader = new ScriptReader(script);
  while (reader.next()) if (reader.opcode <= op.OP_PUSHDATA4) pushes.push(reader.data());
  return pushes;
}

function mutateTapscript(
  witness: Uint8Array[],
  random: SeededRandom,
  change: (script: Uint8Array) => Uint8Array,
  spent: { script: Uint8Array },
): void {
  const annexed = witness.length >= 2 && witness.at(-1)![0] === ANNEX_TAG;
  const at = witness.length - (annexed ? 2 : 1);
  const control = witness[at];
  const script = witness[at - 1];
  if (control === undefined || script === undefined || control.length < 33) return;
  witness[at - 1] = change(script);
  const changed = control.slice();
  if (random.below(8) === 0) changed[0]! ^= 1 << random.below(8);
  const leaf = tapLeafHash(witness[at - 1]!, changed[0]! & 0xfe);
  const key = tweakOutputKey(changed.subarray(1, 33), taprootMerkleRoot(changed, leaf));
  if (key === undefined) return;
  changed[0] = (changed[0]! & 0xfe) | key.parity;
  witness[at] = changed;
  spent.script = buildScript(op.OP_1, key.outputKey);
}
