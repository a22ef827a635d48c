/** Standardness of what a transaction spends. All look at the first transaction of the table. */

import { classifyOutput } from "#protocol/bitcoin/output-type.ts";
import type { Prevouts } from "#protocol/bitcoin/prevouts.ts";
import {
  ANNEX_TAG,
  isPayToAnchor,
  isPayToScriptHash,
  isPushOnly,
  ScriptReader,
  witnessProgram,
  witnessVersion,
} from "#protocol/bitcoin/script.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";
import { type Rejection, reject } from "#protocol/consensus/rejection.ts";
import { scriptErrorText } from "#protocol/consensus/script-error.ts";
import { scriptSigOps } from "#protocol/consensus/sigops.ts";
import {
  MAX_P2SH_SIGOPS,
  MAX_STANDARD_P2WSH_SCRIPT_SIZE,
  MAX_STANDARD_P2WSH_STACK_ITEM_SIZE,
  MAX_STANDARD_P2WSH_STACK_ITEMS,
  MAX_STANDARD_TAPSCRIPT_STACK_ITEM_SIZE,
  MAX_TX_LEGACY_SIGOPS,
} from "./limits.ts";
import { redeemScriptOf } from "./redeem-script.ts";

/**
 * Whether the outputs that a transaction spends are of known types and their scripts cheap enough (Core:
 * ValidateInputsStandardness). Witnesses are looked at by {@link isWitnessStandard}.
 */
export function checkInputsStandard(table: TxTable, prevouts: Prevouts): Rejection | undefined {
  if (!keepsLegacySigopLimit(table, prevouts)) return nonstandard("non-witness sigops exceed bip54 limit");
  for (let input = 0; input < table.inputCount(0); input++) {
    const { type } = classifyOutput(prevouts.script(input));
    if (type === "nonstandard") return nonstandard(`input ${input} script unknown`);
    if (type === "witness_unknown") return nonstandard(`input ${input} witness program is undefined`);
    if (type !== "scripthash") continue;
    const refused = checkRedeemScript(table, input);
    if (refused !== undefined) return refused;
  }
  return undefined;
}

function nonstandard(debug: string): Rejection {
  return reject("inputs-not-standard", "bad-txns-nonstandard-inputs", debug);
}

function checkRedeemScript(table: TxTable, input: number): Rejection | undefined {
  const script = redeemScriptOf(table.inputScript(input));
  if (script === undefined) return nonstandard(`input ${input} P2SH redeemscript missing`);
  if (typeof script === "string") {
    return nonstandard(`p2sh scriptsig malformed (input ${input}: ${scriptErrorText(script)})`);
  }
  const sigops = scriptSigOps(script, 0, script.length, true);
  if (sigops <= MAX_P2SH_SIGOPS) return undefined;
  return nonstandard(
    `p2sh redeemscript sigops exceed limit (input ${input}: ${sigops} > ${MAX_P2SH_SIGOPS})`,
  );
}

/** BIP54: counts the signature operations that may run, so those of the spent scripts and not of new outputs. */
function keepsLegacySigopLimit(table: TxTable, prevouts: Prevouts): boolean {
  let sigops = 0;
  for (let input = 0; input < table.inputCount(0); input++) {
    const own = table.inputScript(input);
    sigops += scriptSigOps(own, 0, own.length, true) + spentSigops(prevouts.script(input), own);
    if (sigops > MAX_TX_LEGACY_SIGOPS) return false;
  }
  return true;
}

/** Operations of a spent script: its own, or those of the redeem script (Core: GetSigOpCount(scriptSig)). */
function spentSigops(spent: Uint8Array, scriptSig: Uint8Array): number {
  if (!isPayToScriptHash(spent)) return scriptSigOps(spent, 0, spent.length, true);
  if (!isPushOnly(scriptSig)) return 0;
  const reader = new ScriptReader(scriptSig);
  let start = 0;
  let length = 0;
  while (reader.next()) {
    start = reader.dataStart;
    length = reader.dataLength;
  }
  return scriptSigOps(scriptSig, start, start + length, true);
}

/** Whether no input has a witness where it needs none, or one larger than known ways of spending need. */
export function isWitnessStandard(table: TxTable, prevouts: Prevouts): boolean {
  for (let input = 0; input < table.inputCount(0); input++) {
    const witness = table.witness(input);
    if (witness.length > 0 && !isInputWitnessStandard(table, input, prevouts.script(input), witness))
      return false;
  }
  return true;
}

function isInputWitnessStandard(
  table: TxTable,
  input: number,
  spent: Uint8Array,
  witness: readonly Uint8Array[],
): boolean {
  if (isPayToAnchor(spent)) return false;
  const nested = isPayToScriptHash(spent);
  const script = nested ? redeemScriptOf(table.inputScript(input)) : spent;
  if (script === undefined || typeof script === "string") return false;
  const version = witnessVersion(script);
  if (version < 0) return false;
  const length = witnessProgram(script).length;
  if (version === 0 && length === 32) return isScriptHashWitnessStandard(witness);
  if (version === 1 && length === 32 && !nested) return isTaprootWitnessStandard(witness);
  return true;
}

function isScriptHashWitnessStandard(witness: readonly Uint8Array[]): boolean {
  const script = witness[witness.length - 1]!;
  if (script.length > MAX_STANDARD_P2WSH_SCRIPT_SIZE) return false;
  const items = witness.slice(0, -1);
  if (items.length > MAX_STANDARD_P2WSH_STACK_ITEMS) return false;
  return items.every((item) => item.length <= MAX_STANDARD_P2WSH_STACK_ITEM_SIZE);
}

/** BIP342 leaf version, in the first byte of a control block with the parity bit. */
const LEAF_MASK = 0xfe;
const LEAF_TAPSCRIPT = 0xc0;

function isTaprootWitnessStandard(witness: readonly Uint8Array[]): boolean {
  const last = witness[witness.length - 1]!;
  if (witness.length < 2) return true;
  // Annexes have no meaning yet.
  if (last[0] === ANNEX_TAG) return false;
  if (last.length === 0) return false;
  if ((last[0]! & LEAF_MASK) !== LEAF_TAPSCRIPT) return true;
  return witness.slice(0, -2).every((item) => item.length <= MAX_STANDARD_TAPSCRIPT_STACK_ITEM_SIZE);
}

/**
 * Whether a transaction spends a witness program other than an anchor, one not defined yet included: without a
 * witness it may then be a stripped copy of a valid one (Core: SpendsNonAnchorWitnessProg).
 */
export function spendsNonAnchorWitnessProgram(table: TxTable, prevouts: Prevouts): boolean {
  for (let input = 0; input < table.inputCount(0); input++) {
    const spent = prevouts.script(input);
    if (witnessVersion(spent) >= 0 && !isPayToAnchor(spent)) return true;
    if (!isPayToScriptHash(spent)) continue;
    const script = redeemScriptOf(table.inputScript(input));
    if (script !== undefined && typeof script !== "string" && witnessVersion(script) >= 0) return true;
  }
  return false;
}
