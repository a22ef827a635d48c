/** Opcodes that move elements about, compare them, or tell their size. */

import { equalBytes } from "#base/lib/bytes.ts";
import * as op from "#protocol/bitcoin/opcodes.ts";
import { encodeScriptNumber } from "#protocol/bitcoin/script.ts";
import type { ScriptError } from "./script-error.ts";
import { castToBool, type OpcodeHandler, type ScriptMachine } from "./script-machine.ts";

/** A handler for an opcode that needs `count` elements and cannot fail otherwise. */
function needs(count: number, run: (machine: ScriptMachine) => void): OpcodeHandler {
  return (machine) => {
    if (machine.stack.length < count) return "INVALID_STACK_OPERATION";
    run(machine);
    return undefined;
  };
}

/** Pushes copies of `count` elements, the lowest of them `depth` below the top. */
function copy(machine: ScriptMachine, depth: number, count: number): void {
  for (let i = 0; i < count; i++) machine.push(machine.top(depth));
}

/** Moves the `count` elements from `depth` below the top up to the top. */
function raise(machine: ScriptMachine, depth: number, count: number): void {
  machine.stack.push(...machine.stack.splice(machine.stack.length - depth, count));
}

function fromAltStack(machine: ScriptMachine): ScriptError | undefined {
  const element = machine.altStack.pop();
  if (element === undefined) return "INVALID_ALTSTACK_OPERATION";
  machine.push(element);
  return undefined;
}

/** ( xn … x0 n -- xn … x0 xn ) for OP_PICK, ( … -- … x0 xn ) for OP_ROLL. */
function pickOrRoll(machine: ScriptMachine, opcode: number): ScriptError | undefined {
  if (machine.stack.length < 2) return "INVALID_STACK_OPERATION";
  const depth = machine.number();
  if (depth === undefined) return "SCRIPTNUM";
  machine.drop(1);
  if (depth < 0 || depth >= machine.stack.length) return "INVALID_STACK_OPERATION";
  if (opcode === op.OP_PICK) machine.push(machine.top(depth + 1));
  else raise(machine, depth + 1, 1);
  return undefined;
}

function equal(machine: ScriptMachine, opcode: number): ScriptError | undefined {
  if (machine.stack.length < 2) return "INVALID_STACK_OPERATION";
  const same = equalBytes(machine.top(1), machine.top(2));
  machine.drop(2);
  if (opcode === op.OP_EQUAL) machine.pushBool(same);
  else if (!same) return "EQUALVERIFY";
  return undefined;
}

export const STACK_OPCODES: readonly (readonly [number, OpcodeHandler])[] = [
  [op.OP_TOALTSTACK, needs(1, (machine) => machine.altStack.push(machine.stack.pop()!))],
  [op.OP_FROMALTSTACK, fromAltStack],
  [op.OP_2DROP, needs(2, (machine) => machine.drop(2))],
  [op.OP_2DUP, needs(2, (machine) => copy(machine, 2, 2))],
  [op.OP_3DUP, needs(3, (machine) => copy(machine, 3, 3))],
  [op.OP_2OVER, needs(4, (machine) => copy(machine, 4, 2))],
  [op.OP_2ROT, needs(6, (machine) => raise(machine, 6, 2))],
  [op.OP_2SWAP, needs(4, (machine) => raise(machine, 4, 2))],
  [
    op.OP_IFDUP,
    needs(1, (machine) => {
      if (castToBool(machine.top())) machine.push(machine.top());
    }),
  ],
  [op.OP_DEPTH, needs(0, (machine) => machine.push(encodeScriptNumber(machine.stack.length)))],
  [op.OP_DROP, needs(1, (machine) => machine.drop(1))],
  [op.OP_DUP, needs(1, (machine) => machine.push(machine.top()))],
  [op.OP_NIP, needs(2, (machine) => machine.stack.splice(-2, 1))],
  [op.OP_OVER, needs(2, (machine) => machine.push(machine.top(2)))],
  [op.OP_PICK, pickOrRoll],
  [op.OP_ROLL, pickOrRoll],
  [op.OP_ROT, needs(3, (machine) => raise(machine, 3, 1))],
  [op.OP_SWAP, needs(2, (machine) => raise(machine, 2, 1))],
  [op.OP_TUCK, needs(2, (machine) => machine.stack.splice(-2, 0, machine.top()))],
  [op.OP_SIZE, needs(1, (machine) => machine.push(encodeScriptNumber(machine.top().length)))],
  [op.OP_EQUAL, equal],
  [op.OP_EQUALVERIFY, equal],
];
