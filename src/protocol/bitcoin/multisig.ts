/** Multisig scripts, and what `createmultisig` makes of them (Core: rpc/output_script.cpp, rpc/util.cpp). */

import { hash160, sha256 } from "#base/crypto/sha256.ts";
import { compareBytes, concatBytes } from "#base/lib/bytes.ts";
import { payToScriptHash, payToWitness } from "./address.ts";
import { OP_CHECKMULTISIG } from "./opcodes.ts";
import { MAX_PUBKEYS_PER_MULTISIG, MAX_SCRIPT_ELEMENT_SIZE, pushData, pushNumber } from "./script.ts";

/** required <keys…> count OP_CHECKMULTISIG (Core: `GetScriptForMultisig`). */
export function multisigScript(required: number, keys: readonly Uint8Array[]): Uint8Array {
  return concatBytes(
    pushNumber(required),
    ...keys.map(pushData),
    pushNumber(keys.length),
    Uint8Array.of(OP_CHECKMULTISIG),
  );
}

/** Keys in the order of BIP67, lexicographic; a new array. */
export function sortKeys(keys: readonly Uint8Array[]): Uint8Array[] {
  return [...keys].sort(compareBytes);
}

/** How a script is wrapped into an output: -addresstype without `bech32m`, which needs keys and not a script. */
export type ScriptAddressType = "legacy" | "p2sh-segwit" | "bech32";

export interface MultisigOutput {
  readonly redeemScript: Uint8Array;
  /** The output's script: P2SH, P2WSH inside P2SH, or P2WSH. */
  readonly script: Uint8Array;
  /** The type made; `legacy` in place of another where a key is not compressed. */
  readonly type: ScriptAddressType;
}

/**
 * The output that pays to `required` of `keys` in their given order.
 * @returns Core's error text when there can be none (`AddAndGetMultisigDestination`).
 */
export function multisigOutput(
  required: number,
  keys: readonly Uint8Array[],
  type: ScriptAddressType,
): MultisigOutput | { error: string } {
  if (required < 1) return { error: "a multisignature address must require at least one key to redeem" };
  if (keys.length < required) {
    return {
      error: `not enough keys supplied (got ${keys.length} keys, but need at least ${required} to redeem)`,
    };
  }
  if (keys.length > MAX_PUBKEYS_PER_MULTISIG) {
    return {
      error: `Number of keys involved in the multisignature address creation > ${MAX_PUBKEYS_PER_MULTISIG}\nReduce the number`,
    };
  }
  const redeemScript = multisigScript(required, keys);
  // Segwit scripts may hold compressed keys alone.
  const made = keys.every((key) => key.length === 33) ? type : "legacy";
  if (made === "legacy" && redeemScript.length > MAX_SCRIPT_ELEMENT_SIZE) {
    return {
      error: `redeemScript exceeds size limit: ${redeemScript.length} > ${MAX_SCRIPT_ELEMENT_SIZE}`,
    };
  }
  return { redeemScript, script: wrapScript(redeemScript, made), type: made };
}

/** The output's script that commits to a redeem or witness script. */
export function wrapScript(script: Uint8Array, type: ScriptAddressType): Uint8Array {
  if (type === "legacy") return payToScriptHash(hash160(script));
  const program = payToWitness(0, sha256(script));
  return type === "bech32" ? program : payToScriptHash(hash160(program));
}
