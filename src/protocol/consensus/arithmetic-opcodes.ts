/**
 * Opcodes on numbers. Operands have at most four bytes; results may have five, and are numbers no more when
 * they are used again.
 */

import * as op from "#protocol/bitcoin/opcodes.ts";
import { encodeScriptNumber } from "#protocol/bitcoin/script.ts";
import type { ScriptError } from "./script-error.ts";
import type { OpcodeHandler, ScriptMachine } from "./script-machine.ts";

/** ( a -- result ) */
function unary(compute: (a: number) => number): OpcodeHandler {
  return (machine) => {
    if (machine.stack.length < 1) return "INVALID_STACK_OPERATION";
    const a = machine.number();
    if (a === undefined) return "SCRIPTNUM";
    machine.drop(1);
    machine.push(encodeScriptNumber(compute(a)));
    return undefined;
  };
}

/** ( a b -- result ) */
function binary(compute: (a: number, b: number) => number): OpcodeHandler {
  return (machine) => {
    if (machine.stack.length < 2) return "INVALID_STACK_OPERATION";
    const a = machine.number(2);
    const b = machine.number(1);
    if (a === undefined || b === undefined) return "SCRIPTNUM";
    machine.drop(2);
    machine.push(encodeScriptNumber(compute(a, b)));
    return undefined;
  };
}

const numEqual = binary((a, b) => Number(a === b));

function numEqualVerify(machine: ScriptMachine, opcode: number): ScriptError | undefined {
  const error = numEqual(machine, opcode);
  if (error !== undefined) return error;
  if (machine.top().length === 0) return "NUMEQUALVERIFY";
  machine.drop(1);
  return undefined;
}

/** ( x min max -- min ≤ x < max ) */
function within(machine: ScriptMachine): ScriptError | undefined {
  if (machine.stack.length < 3) return "INVALID_STACK_OPERATION";
  const x = machine.number(3);
  const min = machine.number(2);
  const max = machine.number(1);
  if (x === undefined || min === undefined || max === undefined) return "SCRIPTNUM";
  machine.drop(3);
  machine.pushBool(min <= x && x < max);
  return undefined;
}

export const ARITHMETIC_OPCODES: readonly (readonly [number, OpcodeHandler])[] = [
  [op.OP_1ADD, unary((a) => a + 1)],
  [op.OP_1SUB, unary((a) => a - 1)],
  [op.OP_NEGATE, unary((a) => 0 - a)],
  [op.OP_ABS, unary(Math.abs)],
  [op.OP_NOT, unary((a) => Number(a === 0))],
  [op.OP_0NOTEQUAL, unary((a) => Number(a !== 0))],
  [op.OP_ADD, binary((a, b) => a + b)],
  [op.OP_SUB, binary((a, b) => a - b)],
  [op.OP_BOOLAND, binary((a, b) => Number(a !== 0 && b !== 0))],
  [op.OP_BOOLOR, binary((a, b) => Number(a !== 0 || b !== 0))],
  [op.OP_NUMEQUAL, numEqual],
  [op.OP_NUMEQUALVERIFY, numEqualVerify],
  [op.OP_NUMNOTEQUAL, binary((a, b) => Number(a !== b))],
  [op.OP_LESSTHAN, binary((a, b) => Number(a < b))],
  [op.OP_GREATERTHAN, binary((a, b) => Number(a > b))],
  [op.OP_LESSTHANOREQUAL, binary((a, b) => Number(a <= b))],
  [op.OP_GREATERTHANOREQUAL, binary((a, b) => Number(a >= b))],
  [op.OP_MIN, binary(Math.min)],
  [op.OP_MAX, binary(Math.max)],
  [op.OP_WITHIN, within],
];
