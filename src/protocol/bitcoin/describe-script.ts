/** Scripts as RPCs show them: Core's `ScriptToUniv`, and the result of `decodescript`. */

import { hash160, sha256 } from "#base/crypto/sha256.ts";
import { equalBytes, toHex } from "#base/lib/bytes.ts";
import { encodeAddress, payToScriptHash, payToWitness } from "./address.ts";
import { toAsm } from "./asm.ts";
import { inferDescriptor, type ScriptKnowledge } from "./infer-descriptor.ts";
import type { Network } from "./network.ts";
import { isOpSuccess, OP_CHECKSIGADD, OP_NOP10 } from "./opcodes.ts";
import { classifyOutput, type OutputClass, type OutputType } from "./output-type.ts";
import { isUnspendable, MAX_SCRIPT_ELEMENT_SIZE, ScriptReader } from "./script.ts";

/** Members in Core's order; `hex` and `address` only where they apply. */
export interface OutputDescription {
  asm: string;
  desc: string;
  hex?: string;
  address?: string;
  type: OutputType;
}

/** An output's script as `scriptPubKey` members show it, hex included. */
export function describeOutput(
  script: Uint8Array,
  network: Network,
  knowledge: ScriptKnowledge = {},
): OutputDescription & { hex: string } {
  const { asm, desc, ...rest } = describeWithoutHex(script, network, knowledge);
  return { asm, desc, hex: toHex(script), ...rest };
}

function describeWithoutHex(
  script: Uint8Array,
  network: Network,
  knowledge: ScriptKnowledge,
): OutputDescription {
  const asm = toAsm(script);
  const desc = inferDescriptor(script, network, knowledge).toString();
  const { type } = classifyOutput(script);
  const address = encodeAddress(script, network);
  return address === undefined ? { asm, desc, type } : { asm, desc, address, type };
}

/** What `decodescript` returns. */
export interface ScriptDescription extends OutputDescription {
  /** Address of the script as a redeem script. */
  p2sh?: string;
  /** The script as a witness program, with the address of that inside P2SH. */
  segwit?: OutputDescription & { hex: string; "p2sh-segwit": string };
}

/** Describes a script, and its wraps in P2SH and P2WSH where it can be wrapped (Core: `decodescript`). */
export function describeScript(script: Uint8Array, network: Network): ScriptDescription {
  const description: ScriptDescription = describeWithoutHex(script, network, {});
  const output = classifyOutput(script);
  if (!canWrap(script, output.type)) return description;
  description.p2sh = encodeAddress(payToScriptHash(hash160(script)), network)!;
  if (!canWrapInWitness(output)) return description;
  const program = witnessProgramOf(script, output);
  const knowledge: ScriptKnowledge = {
    script: (hash) => (equalBytes(hash, hash160(script)) ? script : undefined),
  };
  description.segwit = {
    ...describeOutput(program, network, knowledge),
    "p2sh-segwit": encodeAddress(payToScriptHash(hash160(program)), network)!,
  };
  return description;
}

const WRAPPABLE: ReadonlySet<OutputType> = new Set([
  "multisig",
  "nonstandard",
  "pubkey",
  "pubkeyhash",
  "witness_v0_keyhash",
  "witness_v0_scripthash",
]);

/** Whether P2SH of the script makes sense: it is no program already, and its opcodes mean the same there. */
function canWrap(script: Uint8Array, type: OutputType): boolean {
  if (!WRAPPABLE.has(type) || isUnspendable(script)) return false;
  const reader = new ScriptReader(script);
  while (reader.more) {
    if (!reader.next()) return false;
    const { opcode } = reader;
    if (opcode > OP_NOP10 || reader.dataLength > MAX_SCRIPT_ELEMENT_SIZE) return false;
    if (opcode === OP_CHECKSIGADD || isOpSuccess(opcode)) return false;
  }
  return true;
}

/** Programs are not wrapped in P2WSH, and v0 takes compressed keys alone. */
function canWrapInWitness({ type, solutions }: OutputClass): boolean {
  if (type === "multisig" || type === "pubkey") {
    return solutions.every((solution) => solution.length === 1 || solution.length === 33);
  }
  return type === "nonstandard" || type === "pubkeyhash";
}

function witnessProgramOf(script: Uint8Array, { type, solutions }: OutputClass): Uint8Array {
  if (type === "pubkey") return payToWitness(0, hash160(solutions[0]!));
  if (type === "pubkeyhash") return payToWitness(0, solutions[0]!);
  return payToWitness(0, sha256(script));
}
