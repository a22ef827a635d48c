/** Conditionals, verification, lock times and no-operations. */

import {
  OP_CHECKLOCKTIMEVERIFY,
  OP_CHECKSEQUENCEVERIFY,
  OP_ELSE,
  OP_ENDIF,
  OP_IF,
  OP_NOP,
  OP_NOP1,
  OP_NOP4,
  OP_NOP10,
  OP_NOTIF,
  OP_RETURN,
  OP_VERIFY,
} from "#protocol/bitcoin/opcodes.ts";
import { SEQUENCE_LOCKTIME_DISABLE_FLAG } from "#protocol/bitcoin/transaction.ts";
import type { ScriptError } from "./script-error.ts";
import {
  SCRIPT_VERIFY_CHECKLOCKTIMEVERIFY,
  SCRIPT_VERIFY_CHECKSEQUENCEVERIFY,
  SCRIPT_VERIFY_DISCOURAGE_UPGRADABLE_NOPS,
  SCRIPT_VERIFY_MINIMALIF,
} from "./script-flags.ts";
import { castToBool, type OpcodeHandler, type ScriptMachine } from "./script-machine.ts";

/** ( condition -- ), whether it is executing or not. */
function openConditional(machine: ScriptMachine, opcode: number): ScriptError | undefined {
  let value = false;
  if (machine.executing) {
    if (machine.stack.length < 1) return "INVALID_STACK_OPERATION";
    const condition = machine.top();
    const error = checkMinimalCondition(machine, condition);
    if (error !== undefined) return error;
    value = castToBool(condition) === (opcode === OP_IF);
    machine.drop(1);
  }
  machine.openConditional(value);
  return undefined;
}

/** The condition must be empty or 01: by consensus in tapscript, by policy in version 0. */
function checkMinimalCondition(machine: ScriptMachine, condition: Uint8Array): ScriptError | undefined {
  const { version } = machine;
  if (version === "base") return undefined;
  const minimal = condition.length === 0 || (condition.length === 1 && condition[0] === 1);
  if (minimal) return undefined;
  if (version === "tapscript") return "TAPSCRIPT_MINIMALIF";
  return (machine.flags & SCRIPT_VERIFY_MINIMALIF) !== 0 ? "MINIMALIF" : undefined;
}

function toggleConditional(machine: ScriptMachine): ScriptError | undefined {
  if (machine.conditionalDepth === 0) return "UNBALANCED_CONDITIONAL";
  machine.toggleConditional();
  return undefined;
}

function closeConditional(machine: ScriptMachine): ScriptError | undefined {
  if (machine.conditionalDepth === 0) return "UNBALANCED_CONDITIONAL";
  machine.closeConditional();
  return undefined;
}

/** ( true -- ) */
function verify(machine: ScriptMachine): ScriptError | undefined {
  if (machine.stack.length < 1) return "INVALID_STACK_OPERATION";
  if (!castToBool(machine.top())) return "VERIFY";
  machine.drop(1);
  return undefined;
}

function upgradableNop(machine: ScriptMachine): ScriptError | undefined {
  return (machine.flags & SCRIPT_VERIFY_DISCOURAGE_UPGRADABLE_NOPS) !== 0
    ? "DISCOURAGE_UPGRADABLE_NOPS"
    : undefined;
}

/** ( lockTime -- lockTime ), BIP65. Its operand has up to five bytes, to reach past the year 2038. */
function checkLockTime(machine: ScriptMachine): ScriptError | undefined {
  if ((machine.flags & SCRIPT_VERIFY_CHECKLOCKTIMEVERIFY) === 0) return undefined;
  if (machine.stack.length < 1) return "INVALID_STACK_OPERATION";
  const lockTime = machine.number(1, 5);
  if (lockTime === undefined) return "SCRIPTNUM";
  if (lockTime < 0) return "NEGATIVE_LOCKTIME";
  return machine.checker.checkLockTime(lockTime) ? undefined : "UNSATISFIED_LOCKTIME";
}

/** ( sequence -- sequence ), BIP112. */
function checkSequence(machine: ScriptMachine): ScriptError | undefined {
  if ((machine.flags & SCRIPT_VERIFY_CHECKSEQUENCEVERIFY) === 0) return undefined;
  if (machine.stack.length < 1) return "INVALID_STACK_OPERATION";
  const sequence = machine.number(1, 5);
  if (sequence === undefined) return "SCRIPTNUM";
  if (sequence < 0) return "NEGATIVE_LOCKTIME";
  // With the disable bit the opcode does nothing, for later soft forks.
  if ((sequence & SEQUENCE_LOCKTIME_DISABLE_FLAG) !== 0) return undefined;
  return machine.checker.checkSequence(sequence) ? undefined : "UNSATISFIED_LOCKTIME";
}

export const CONTROL_OPCODES: readonly (readonly [number, OpcodeHandler])[] = [
  [OP_NOP, () => undefined],
  [OP_IF, openConditional],
  [OP_NOTIF, openConditional],
  [OP_ELSE, toggleConditional],
  [OP_ENDIF, closeConditional],
  [OP_VERIFY, verify],
  [OP_RETURN, () => "OP_RETURN"],
  [OP_CHECKLOCKTIMEVERIFY, checkLockTime],
  [OP_CHECKSEQUENCEVERIFY, checkSequence],
  [OP_NOP1, upgradableNop],
  ...Array.from({ length: OP_NOP10 - OP_NOP4 + 1 }, (_, i) => [OP_NOP4 + i, upgradableNop] as const),
];
