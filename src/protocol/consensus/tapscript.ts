/** BIP342: what differs from version 0 in scripts of leaf version 0xc0. */

import type { ScriptError } from "./script-error.ts";
import { SCRIPT_VERIFY_DISCOURAGE_UPGRADABLE_PUBKEYTYPE } from "./script-flags.ts";
import type { ScriptMachine } from "./script-machine.ts";

/** What each check of a signature that is not empty takes from the budget. */
const VALIDATION_WEIGHT_PER_SIGOP = 50;
/** The budget beyond the bytes of the witness. */
export const VALIDATION_WEIGHT_OFFSET = 50;

/**
 * One signature against one key (Core: EvalChecksigTapscript). An empty signature is false; any other that does
 * not hold ends the script. The order of the tests is consensus.
 */
export function checkTapscriptSignature(
  machine: ScriptMachine,
  signature: Uint8Array,
  pubkey: Uint8Array,
): boolean | ScriptError {
  const { execution } = machine;
  const present = signature.length > 0;
  if (present) {
    execution.validationWeightLeft -= VALIDATION_WEIGHT_PER_SIGOP;
    if (execution.validationWeightLeft < 0) return "TAPSCRIPT_VALIDATION_WEIGHT";
  }
  if (pubkey.length === 0) return "TAPSCRIPT_EMPTY_PUBKEY";
  if (pubkey.length === 32) {
    const error = present
      ? machine.checker.checkSchnorr(signature, pubkey, "tapscript", execution)
      : undefined;
    return error ?? present;
  }
  // A key of another length is of a version to come: every signature holds.
  if ((machine.flags & SCRIPT_VERIFY_DISCOURAGE_UPGRADABLE_PUBKEYTYPE) !== 0) {
    return "DISCOURAGE_UPGRADABLE_PUBKEYTYPE";
  }
  return present;
}
