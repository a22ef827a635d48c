import { evaluateScript } from "#protocol/consensus/evaluate-script.ts";
import type { ScriptError } from "#protocol/consensus/script-error.ts";
import { SCRIPT_VERIFY_NONE } from "#protocol/consensus/script-flags.ts";
import { ScriptMachine } from "#protocol/consensus/script-machine.ts";
import type { SignatureChecker } from "#protocol/consensus/signature-checker.ts";
import { emptyExecution } from "#protocol/consensus/witness-program.ts";

/** Knows of no transaction, so that nothing holds (Core: BaseSignatureChecker). */
const NO_TRANSACTION: SignatureChecker = {
  checkEcdsa: () => false,
  checkSchnorr: () => "SCHNORR_SIG",
  checkLockTime: () => false,
  checkSequence: () => false,
};

/**
 * The script that a P2SH input hands over: the top of the stack that its own script leaves.
 * @returns the script, `undefined` when the stack is empty, or why the script fails.
 */
export function redeemScriptOf(scriptSig: Uint8Array): Uint8Array | ScriptError | undefined {
  const stack: Uint8Array[] = [];
  const error = evaluateScript(
    new ScriptMachine(stack, scriptSig, SCRIPT_VERIFY_NONE, NO_TRANSACTION, "base", emptyExecution()),
  );
  return error ?? stack[stack.length - 1];
}
