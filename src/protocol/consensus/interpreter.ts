import type { ScriptError } from "./script-error.ts";
import type { SignatureChecker } from "./signature-checker.ts";

/**
 * Verifies one spend: Core's `VerifyScript` (script/interpreter.cpp).
 * @returns why it fails, `undefined` when it holds.
 */
export declare function verifyScript(
  scriptSig: Uint8Array,
  scriptPubKey: Uint8Array,
  witness: readonly Uint8Array[],
  flags: number,
  checker: SignatureChecker,
): ScriptError | undefined;
