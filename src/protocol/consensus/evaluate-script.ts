import * as op from "#protocol/bitcoin/opcodes.ts";
import {
  isMinimalPush,
  MAX_OPS_PER_SCRIPT,
  MAX_SCRIPT_ELEMENT_SIZE,
  MAX_SCRIPT_SIZE,
  MAX_STACK_SIZE,
} from "#protocol/bitcoin/script.ts";
import { ARITHMETIC_OPCODES } from "./arithmetic-opcodes.ts";
import { CONTROL_OPCODES } from "./control-opcodes.ts";
import { CRYPTO_OPCODES } from "./crypto-opcodes.ts";
import type { ScriptError } from "./script-error.ts";
import { SCRIPT_VERIFY_CONST_SCRIPTCODE } from "./script-flags.ts";
import type { OpcodeHandler, ScriptMachine } from "./script-machine.ts";
import { STACK_OPCODES } from "./stack-opcodes.ts";

/** What each opcode above OP_PUSHDATA4 does; the others make the script fail when they are reached. */
const HANDLERS = new Array<OpcodeHandler | undefined>(256).fill(undefined);
for (const [opcode, handler] of [
  ...numberOpcodes(),
  ...CONTROL_OPCODES,
  ...STACK_OPCODES,
  ...ARITHMETIC_OPCODES,
  ...CRYPTO_OPCODES,
]) {
  HANDLERS[opcode] = handler;
}

/** OP_1NEGATE and OP_1 … OP_16 push their number. */
function numberOpcodes(): [number, OpcodeHandler][] {
  const handlers: [number, OpcodeHandler][] = [];
  for (let value = -1; value <= 16; value++) {
    if (value === 0) continue;
    const element = Uint8Array.of(value === -1 ? 0x81 : value);
    handlers.push([op.OP_RESERVED + value, (machine) => void machine.push(element)]);
  }
  return handlers;
}

/** Opcodes that make a script fail wherever they stand (CVE-2010-5137), 1 at each. */
const DISABLED = new Uint8Array(256);
for (const opcode of [
  op.OP_CAT,
  op.OP_SUBSTR,
  op.OP_LEFT,
  op.OP_RIGHT,
  op.OP_INVERT,
  op.OP_AND,
  op.OP_OR,
  op.OP_XOR,
  op.OP_2MUL,
  op.OP_2DIV,
  op.OP_MUL,
  op.OP_DIV,
  op.OP_MOD,
  op.OP_LSHIFT,
  op.OP_RSHIFT,
]) {
  DISABLED[opcode] = 1;
}

/**
 * Runs a script to its end or first error (Core: `EvalScript`). What it leaves is on the machine's stack.
 */
export function evaluateScript(machine: ScriptMachine): ScriptError | undefined {
  const { reader, stack, altStack } = machine;
  if (machine.version !== "tapscript" && machine.script.length > MAX_SCRIPT_SIZE) return "SCRIPT_SIZE";
  for (; reader.more; machine.opcodePosition++) {
    if (!reader.next()) return "BAD_OPCODE";
    const error = step(machine, reader.opcode);
    if (error !== undefined) return error;
    if (stack.length + altStack.length > MAX_STACK_SIZE) return "STACK_SIZE";
  }
  return machine.conditionalDepth > 0 ? "UNBALANCED_CONDITIONAL" : undefined;
}

function step(machine: ScriptMachine, opcode: number): ScriptError | undefined {
  if (opcode <= op.OP_PUSHDATA4) {
    if (machine.reader.dataLength > MAX_SCRIPT_ELEMENT_SIZE) return "PUSH_SIZE";
    if (!machine.executing) return undefined;
    const data = machine.reader.data();
    if (machine.requireMinimal && !isMinimalPush(data, opcode)) return "MINIMALDATA";
    machine.push(data);
    return undefined;
  }
  const limit = checkLimits(machine, opcode);
  if (limit !== undefined) return limit;
  if (!machine.executing && (opcode < op.OP_IF || opcode > op.OP_ENDIF)) return undefined;
  const handler = HANDLERS[opcode];
  return handler === undefined ? "BAD_OPCODE" : handler(machine, opcode);
}

/** The rules that hold even in a branch that is not executed. OP_RESERVED is not counted. */
function checkLimits(machine: ScriptMachine, opcode: number): ScriptError | undefined {
  if (opcode > op.OP_16 && machine.version !== "tapscript" && ++machine.opCount > MAX_OPS_PER_SCRIPT) {
    return "OP_COUNT";
  }
  if (DISABLED[opcode] === 1) return "DISABLED_OPCODE";
  const constant =
    opcode === op.OP_CODESEPARATOR &&
    machine.version === "base" &&
    (machine.flags & SCRIPT_VERIFY_CONST_SCRIPTCODE) !== 0;
  return constant ? "OP_CODESEPARATOR" : undefined;
}
