/** What kind of output a script is, by its shape alone (Core: script/solver.cpp). */

import { OP_0, OP_1, OP_16, OP_CHECKMULTISIG, OP_CHECKSIG, OP_PUSHDATA4, OP_RETURN } from "./opcodes.ts";
import {
  decodeScriptNumber,
  isMinimalPush,
  isPayToAnchor,
  isPayToPubkeyHash,
  isPayToScriptHash,
  isPushOnly,
  MAX_PUBKEYS_PER_MULTISIG,
  ScriptReader,
  smallIntegerOf,
  witnessProgram,
  witnessVersion,
} from "./script.ts";

/** Core's names, as RPCs print them (`GetTxnOutputType`). */
export type OutputType =
  | "nonstandard"
  | "anchor"
  | "pubkey"
  | "pubkeyhash"
  | "scripthash"
  | "multisig"
  | "nulldata"
  | "witness_v0_keyhash"
  | "witness_v0_scripthash"
  | "witness_v1_taproot"
  | "witness_unknown";

/** A script's type and the data in it: Core's `Solver` and its solutions. */
export interface OutputClass {
  readonly type: OutputType;
  /**
   * Views into the script. `pubkey`: the key; hashes and programs: the hash; `multisig`: one byte for the
   * signatures needed, the keys, one byte for their number; `witness_unknown`: one byte for the version, the program.
   */
  readonly solutions: Uint8Array[];
}

/** Classifies an output's script (Core: `Solver`). */
export function classifyOutput(script: Uint8Array): OutputClass {
  if (isPayToScriptHash(script)) return { type: "scripthash", solutions: [script.subarray(2, 22)] };
  const version = witnessVersion(script);
  if (version >= 0) return classifyWitness(script, version);
  if (script[0] === OP_RETURN && isPushOnly(script, 1)) return { type: "nulldata", solutions: [] };
  const pubkey = payToPubkey(script);
  if (pubkey !== undefined) return { type: "pubkey", solutions: [pubkey] };
  if (isPayToPubkeyHash(script)) return { type: "pubkeyhash", solutions: [script.subarray(3, 23)] };
  const multisig = matchMultisig(script);
  if (multisig !== undefined) {
    const { required, keys } = multisig;
    return { type: "multisig", solutions: [Uint8Array.of(required), ...keys, Uint8Array.of(keys.length)] };
  }
  return { type: "nonstandard", solutions: [] };
}

function classifyWitness(script: Uint8Array, version: number): OutputClass {
  const program = witnessProgram(script);
  if (version === 0 && program.length === 20) return { type: "witness_v0_keyhash", solutions: [program] };
  if (version === 0 && program.length === 32) return { type: "witness_v0_scripthash", solutions: [program] };
  if (version === 1 && program.length === 32) return { type: "witness_v1_taproot", solutions: [program] };
  if (isPayToAnchor(script)) return { type: "anchor", solutions: [] };
  if (version !== 0) return { type: "witness_unknown", solutions: [Uint8Array.of(version), program] };
  return { type: "nonstandard", solutions: [] };
}

/** Whether the first byte of a key says that it is as long as it is (Core: `CPubKey::ValidSize`). */
export function isPubkeySize(key: Uint8Array): boolean {
  const first = key[0];
  if (first === 2 || first === 3) return key.length === 33;
  return (first === 4 || first === 6 || first === 7) && key.length === 65;
}

function payToPubkey(script: Uint8Array): Uint8Array | undefined {
  const { length } = script;
  if ((length !== 35 && length !== 67) || script[0] !== length - 2) return undefined;
  if (script[length - 1] !== OP_CHECKSIG) return undefined;
  const key = script.subarray(1, length - 1);
  return isPubkeySize(key) ? key : undefined;
}

/** A bare multisig script: how many signatures it needs and its keys, as views (Core: `MatchMultisig`). */
export function matchMultisig(script: Uint8Array): { required: number; keys: Uint8Array[] } | undefined {
  if (script.length < 1 || script[script.length - 1] !== OP_CHECKMULTISIG) return undefined;
  const reader = new ScriptReader(script);
  if (!reader.next()) return undefined;
  const required = numberIn(reader, 1);
  if (required === undefined) return undefined;
  const keys: Uint8Array[] = [];
  while (reader.next() && isPubkeySize(reader.data())) keys.push(reader.data());
  const count = numberIn(reader, required);
  if (count === undefined || keys.length !== count || reader.at + 1 !== script.length) return undefined;
  return { required, keys };
}

/** The number that the reader's last opcode pushes, `undefined` unless it lies in `least` … 20 (Core: `GetScriptNumber`). */
function numberIn(reader: ScriptReader, least: number): number | undefined {
  const { opcode } = reader;
  let count: number | undefined;
  if (opcode >= OP_1 && opcode <= OP_16) {
    count = smallIntegerOf(opcode);
  } else if (opcode > OP_0 && opcode <= OP_PUSHDATA4) {
    const data = reader.data();
    if (isMinimalPush(data, opcode)) count = decodeScriptNumber(data, true);
  }
  return count !== undefined && count >= least && count <= MAX_PUBKEYS_PER_MULTISIG ? count : undefined;
}
