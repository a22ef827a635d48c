import { decodeScriptNumber, ScriptReader } from "#protocol/bitcoin/script.ts";
import type { ScriptError } from "./script-error.ts";
import { SCRIPT_VERIFY_MINIMALDATA } from "./script-flags.ts";
import type { ExecutionData, SignatureChecker, SigVersion } from "./signature-checker.ts";

/** Carries out one opcode. */
export type OpcodeHandler = (machine: ScriptMachine, opcode: number) => ScriptError | undefined;

/** What an opcode leaves for true and false. Stack elements are never written to, so they can be shared. */
export const TRUE = Uint8Array.of(1);
export const FALSE = new Uint8Array(0);

/** The state of one script while it runs. */
export class ScriptMachine {
  /** Top last. */
  readonly stack: Uint8Array[];
  readonly altStack: Uint8Array[] = [];
  readonly script: Uint8Array;
  readonly reader: ScriptReader;
  readonly flags: number;
  readonly checker: SignatureChecker;
  readonly version: SigVersion;
  readonly execution: ExecutionData;
  readonly requireMinimal: boolean;
  /** Opcodes above OP_16 and keys of OP_CHECKMULTISIG so far. */
  opCount = 0;
  /** Index of the opcode that runs. */
  opcodePosition = 0;
  /** Where the script code of signatures starts: after the last executed OP_CODESEPARATOR. */
  codeStart = 0;
  // Open conditionals: how many, and the index of the first that is false (−1: none). Core's ConditionStack.
  #depth = 0;
  #firstFalse = -1;

  constructor(
    stack: Uint8Array[],
    script: Uint8Array,
    flags: number,
    checker: SignatureChecker,
    version: SigVersion,
    execution: ExecutionData,
  ) {
    this.stack = stack;
    this.script = script;
    this.reader = new ScriptReader(script);
    this.flags = flags;
    this.checker = checker;
    this.version = version;
    this.execution = execution;
    this.requireMinimal = (flags & SCRIPT_VERIFY_MINIMALDATA) !== 0;
  }

  /** Whether no open conditional is false. */
  get executing(): boolean {
    return this.#firstFalse < 0;
  }

  get conditionalDepth(): number {
    return this.#depth;
  }

  openConditional(value: boolean): void {
    if (!value && this.#firstFalse < 0) this.#firstFalse = this.#depth;
    this.#depth++;
  }

  /** Flips the innermost conditional; there must be one. */
  toggleConditional(): void {
    if (this.#firstFalse < 0) this.#firstFalse = this.#depth - 1;
    else if (this.#firstFalse === this.#depth - 1) this.#firstFalse = -1;
    // Else an outer one is false, and flipping this one changes nothing.
  }

  /** Ends the innermost conditional; there must be one. */
  closeConditional(): void {
    this.#depth--;
    if (this.#firstFalse === this.#depth) this.#firstFalse = -1;
  }

  /** The element `depth` below the top, which is 1; it must exist. */
  top(depth = 1): Uint8Array {
    return this.stack[this.stack.length - depth]!;
  }

  /** The number `depth` below the top; `undefined` (Core's scriptnum_error) when it is none. */
  number(depth = 1, maxLength = 4): number | undefined {
    return decodeScriptNumber(this.top(depth), this.requireMinimal, maxLength);
  }

  push(element: Uint8Array): void {
    this.stack.push(element);
  }

  pushBool(value: boolean): void {
    this.stack.push(value ? TRUE : FALSE);
  }

  /** Takes `count` elements off the top. */
  drop(count: number): void {
    for (let i = 0; i < count; i++) this.stack.pop();
  }

  /** The script from the last executed OP_CODESEPARATOR on. */
  scriptCode(): Uint8Array {
    return this.codeStart === 0 ? this.script : this.script.subarray(this.codeStart);
  }
}

/** Whether an element is true: any byte set, but for a negative zero. */
export function castToBool(element: Uint8Array): boolean {
  const last = element.length - 1;
  for (let i = 0; i < last; i++) if (element[i] !== 0) return true;
  return last >= 0 && element[last] !== 0 && element[last] !== 0x80;
}
