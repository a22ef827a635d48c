/** BIP141 witness programs: version 0, taproot, anchors, and those that have no meaning yet. */

import { sha256 } from "#base/crypto/sha256.ts";
import { ByteWriter, compactSizeLength } from "#base/lib/byte-writer.ts";
import { equalBytes } from "#base/lib/bytes.ts";
import * as op from "#protocol/bitcoin/opcodes.ts";
import {
  ANNEX_TAG,
  buildScript,
  MAX_SCRIPT_ELEMENT_SIZE,
  MAX_STACK_SIZE,
  ScriptReader,
} from "#protocol/bitcoin/script.ts";
import { TAPSCRIPT_LEAF, tapLeafHash } from "#protocol/bitcoin/taproot.ts";
import { evaluateScript } from "./evaluate-script.ts";
import type { ScriptError } from "./script-error.ts";
import {
  SCRIPT_VERIFY_DISCOURAGE_OP_SUCCESS,
  SCRIPT_VERIFY_DISCOURAGE_UPGRADABLE_TAPROOT_VERSION,
  SCRIPT_VERIFY_DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM,
  SCRIPT_VERIFY_TAPROOT,
} from "./script-flags.ts";
import { castToBool, ScriptMachine } from "./script-machine.ts";
import type { ExecutionData, SignatureChecker, SigVersion } from "./signature-checker.ts";
import { isControlBlockSize, isTaprootCommitment, TAPROOT_LEAF_MASK } from "./taproot.ts";
import { VALIDATION_WEIGHT_OFFSET } from "./tapscript.ts";

/** What scripts outside taproot start from. */
export function emptyExecution(): ExecutionData {
  return {
    annexHash: undefined,
    tapleafHash: undefined,
    codeSeparatorPosition: 0xffff_ffff,
    validationWeightLeft: 0,
  };
}

/**
 * Verifies the witness of a program (Core: `VerifyWitnessProgram`).
 * @param nested whether the program stands in a P2SH redeem script.
 */
export function verifyWitnessProgram(
  witness: readonly Uint8Array[],
  version: number,
  program: Uint8Array,
  flags: number,
  checker: SignatureChecker,
  nested: boolean,
): ScriptError | undefined {
  if (version === 0) return verifyVersion0(witness, program, flags, checker);
  if (version === 1 && program.length === 32 && !nested) {
    return (flags & SCRIPT_VERIFY_TAPROOT) === 0
      ? undefined
      : verifyTaproot(witness, program, flags, checker);
  }
  if (!nested && version === 1 && program.length === 2 && program[0] === 0x4e && program[1] === 0x73) {
    return undefined;
  }
  return (flags & SCRIPT_VERIFY_DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM) !== 0
    ? "DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM"
    : undefined;
}

function verifyVersion0(
  witness: readonly Uint8Array[],
  program: Uint8Array,
  flags: number,
  checker: SignatureChecker,
): ScriptError | undefined {
  if (program.length === 32) {
    const script = witness[witness.length - 1];
    if (script === undefined) return "WITNESS_PROGRAM_WITNESS_EMPTY";
    if (!equalBytes(sha256(script), program)) return "WITNESS_PROGRAM_MISMATCH";
    return executeWitnessScript(witness.slice(0, -1), script, flags, "witness-v0", checker, emptyExecution());
  }
  if (program.length === 20) {
    if (witness.length !== 2) return "WITNESS_PROGRAM_MISMATCH";
    const script = buildScript(op.OP_DUP, op.OP_HASH160, program, op.OP_EQUALVERIFY, op.OP_CHECKSIG);
    return executeWitnessScript(witness.slice(), script, flags, "witness-v0", checker, emptyExecution());
  }
  return "WITNESS_PROGRAM_WRONG_LENGTH";
}

function verifyTaproot(
  witness: readonly Uint8Array[],
  outputKey: Uint8Array,
  flags: number,
  checker: SignatureChecker,
): ScriptError | undefined {
  if (witness.length === 0) return "WITNESS_PROGRAM_WITNESS_EMPTY";
  const stack = witness.slice();
  const execution = emptyExecution();
  const last = stack[stack.length - 1]!;
  if (stack.length >= 2 && last[0] === ANNEX_TAG) {
    execution.annexHash = sha256(new ByteWriter(9 + last.length).varBytes(last).finish());
    stack.pop();
  }
  if (stack.length === 1) return checker.checkSchnorr(stack[0]!, outputKey, "taproot", execution);

  const control = stack.pop()!;
  const script = stack.pop()!;
  if (!isControlBlockSize(control.length)) return "TAPROOT_WRONG_CONTROL_SIZE";
  const leafVersion = control[0]! & TAPROOT_LEAF_MASK;
  const leafHash = tapLeafHash(script, leafVersion);
  if (!isTaprootCommitment(control, outputKey, leafHash)) return "WITNESS_PROGRAM_MISMATCH";
  if (leafVersion === TAPSCRIPT_LEAF) {
    execution.tapleafHash = leafHash;
    execution.validationWeightLeft = serializedStackSize(witness) + VALIDATION_WEIGHT_OFFSET;
    return executeWitnessScript(stack, script, flags, "tapscript", checker, execution);
  }
  return (flags & SCRIPT_VERIFY_DISCOURAGE_UPGRADABLE_TAPROOT_VERSION) !== 0
    ? "DISCOURAGE_UPGRADABLE_TAPROOT_VERSION"
    : undefined;
}

/** Bytes of a witness as it is serialised. */
function serializedStackSize(witness: readonly Uint8Array[]): number {
  let size = compactSizeLength(witness.length);
  for (const item of witness) size += compactSizeLength(item.length) + item.length;
  return size;
}

/** Runs a script over a stack of its own, which must end with one true element. */
function executeWitnessScript(
  stack: Uint8Array[],
  script: Uint8Array,
  flags: number,
  version: SigVersion,
  checker: SignatureChecker,
  execution: ExecutionData,
): ScriptError | undefined {
  if (version === "tapscript") {
    const success = findOpSuccess(script);
    if (success === "BAD_OPCODE") return success;
    if (success) {
      return (flags & SCRIPT_VERIFY_DISCOURAGE_OP_SUCCESS) !== 0 ? "DISCOURAGE_OP_SUCCESS" : undefined;
    }
    if (stack.length > MAX_STACK_SIZE) return "STACK_SIZE";
  }
  for (const element of stack) if (element.length > MAX_SCRIPT_ELEMENT_SIZE) return "PUSH_SIZE";
  const error = evaluateScript(new ScriptMachine(stack, script, flags, checker, version, execution));
  if (error !== undefined) return error;
  if (stack.length !== 1) return "CLEANSTACK";
  return castToBool(stack[0]!) ? undefined : "EVAL_FALSE";
}

/** Whether a tapscript holds an OP_SUCCESSx; it is found before anything that would make reading fail. */
function findOpSuccess(script: Uint8Array): boolean | "BAD_OPCODE" {
  const reader = new ScriptReader(script);
  while (reader.more) {
    if (!reader.next()) return "BAD_OPCODE";
    if (op.isOpSuccess(reader.opcode)) return true;
  }
  return false;
}
