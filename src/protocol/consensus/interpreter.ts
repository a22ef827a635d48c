import { equalBytes } from "#base/lib/bytes.ts";
import {
  isPayToScriptHash,
  isPushOnly,
  pushData,
  witnessProgram,
  witnessVersion,
} from "#protocol/bitcoin/script.ts";
import { evaluateScript } from "./evaluate-script.ts";
import type { ScriptError } from "./script-error.ts";
import {
  SCRIPT_VERIFY_CLEANSTACK,
  SCRIPT_VERIFY_P2SH,
  SCRIPT_VERIFY_SIGPUSHONLY,
  SCRIPT_VERIFY_WITNESS,
} from "./script-flags.ts";
import { castToBool, ScriptMachine } from "./script-machine.ts";
import type { SignatureChecker } from "./signature-checker.ts";
import { emptyExecution, verifyWitnessProgram } from "./witness-program.ts";

/**
 * Verifies one spend (Core: `VerifyScript`, script/interpreter.cpp).
 * @param scriptSig the spending input's script.
 * @param scriptPubKey the script of the output that it spends.
 * @param flags SCRIPT_VERIFY_*; CLEANSTACK needs P2SH and WITNESS, WITNESS needs P2SH.
 * @returns why it fails, `undefined` when it holds.
 */
export function verifyScript(
  scriptSig: Uint8Array,
  scriptPubKey: Uint8Array,
  witness: readonly Uint8Array[],
  flags: number,
  checker: SignatureChecker,
): ScriptError | undefined {
  if ((flags & SCRIPT_VERIFY_SIGPUSHONLY) !== 0 && !isPushOnly(scriptSig)) return "SIG_PUSHONLY";
  const stack: Uint8Array[] = [];
  let error = runLegacy(stack, scriptSig, flags, checker);
  if (error !== undefined) return error;
  const nested = (flags & SCRIPT_VERIFY_P2SH) !== 0 && isPayToScriptHash(scriptPubKey);
  const redeemStack = nested ? stack.slice() : [];
  error = runLegacy(stack, scriptPubKey, flags, checker) ?? checkTop(stack);
  if (error !== undefined) return error;

  // A witness program leaves its own stack clean, so the rest takes part in no more checks.
  let cleanSize = stack.length;
  let hadWitness = false;
  const version = (flags & SCRIPT_VERIFY_WITNESS) !== 0 ? witnessVersion(scriptPubKey) : -1;
  if (version >= 0) {
    hadWitness = true;
    if (scriptSig.length !== 0) return "WITNESS_MALLEATED";
    error = verifyWitnessProgram(witness, version, witnessProgram(scriptPubKey), flags, checker, false);
    if (error !== undefined) return error;
    cleanSize = 1;
  }
  if (nested) {
    const result = verifyRedeemScript(redeemStack, scriptSig, witness, flags, checker);
    if (typeof result === "string") return result;
    hadWitness = result;
    cleanSize = hadWitness ? 1 : redeemStack.length;
  }
  if ((flags & SCRIPT_VERIFY_CLEANSTACK) !== 0 && cleanSize !== 1) return "CLEANSTACK";
  const unexpected = (flags & SCRIPT_VERIFY_WITNESS) !== 0 && !hadWitness && witness.length > 0;
  return unexpected ? "WITNESS_UNEXPECTED" : undefined;
}

/**
 * BIP16: the last push of the scriptSig is a script that runs on what lies below it.
 * @returns whether it was a witness program, or the error.
 */
function verifyRedeemScript(
  stack: Uint8Array[],
  scriptSig: Uint8Array,
  witness: readonly Uint8Array[],
  flags: number,
  checker: SignatureChecker,
): boolean | ScriptError {
  if (!isPushOnly(scriptSig)) return "SIG_PUSHONLY";
  // Not empty: the hash of its top has just been compared.
  const redeemScript = stack.pop()!;
  const error = runLegacy(stack, redeemScript, flags, checker) ?? checkTop(stack);
  if (error !== undefined) return error;
  const version = (flags & SCRIPT_VERIFY_WITNESS) !== 0 ? witnessVersion(redeemScript) : -1;
  if (version < 0) return false;
  if (!equalBytes(scriptSig, pushData(redeemScript))) return "WITNESS_MALLEATED_P2SH";
  return verifyWitnessProgram(witness, version, witnessProgram(redeemScript), flags, checker, true) ?? true;
}

function runLegacy(
  stack: Uint8Array[],
  script: Uint8Array,
  flags: number,
  checker: SignatureChecker,
): ScriptError | undefined {
  return evaluateScript(new ScriptMachine(stack, script, flags, checker, "base", emptyExecution()));
}

function checkTop(stack: readonly Uint8Array[]): ScriptError | undefined {
  const top = stack[stack.length - 1];
  return top !== undefined && castToBool(top) ? undefined : "EVAL_FALSE";
}
