import { fromHex } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { OP_NOP10 } from "#protocol/bitcoin/opcodes.ts";
import { MAX_SCRIPT_ELEMENT_SIZE, MAX_SCRIPT_SIZE, ScriptReader } from "#protocol/bitcoin/script.ts";
import { parseTx, type TxTable } from "#protocol/bitcoin/tx-table.ts";

/**
 * A transaction from hex, with or without witnesses: where both readings are possible the one whose scripts make
 * sense (Core's DecodeHexTx). `undefined` when it is none.
 */
export function decodeHexTx(text: string, tryLegacy = false, tryWitness = true): TxTable | undefined {
  const bytes = fromHex(text);
  if (bytes === undefined) return undefined;
  const extended = tryWitness ? tryParse(bytes, true) : undefined;
  if (extended !== undefined && hasSaneScripts(extended)) return extended;
  const legacy = tryLegacy ? tryParse(bytes, false) : undefined;
  if (legacy !== undefined && hasSaneScripts(legacy)) return legacy;
  return extended ?? legacy;
}

function tryParse(bytes: Uint8Array, allowWitness: boolean): TxTable | undefined {
  try {
    return parseTx(bytes, allowWitness);
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

function hasSaneScripts(table: TxTable): boolean {
  if (!table.isCoinbase(0)) {
    for (let i = 0; i < table.inputTotal; i++) if (!hasValidOps(table.inputScript(i))) return false;
  }
  for (let i = 0; i < table.outputTotal; i++) if (!hasValidOps(table.outputScript(i))) return false;
  return true;
}

/** Whether every opcode is known and every push whole and in bounds (Core's CScript::HasValidOps), and the script not too long. */
export function hasValidOps(script: Uint8Array): boolean {
  if (script.length > MAX_SCRIPT_SIZE) return false;
  const reader = new ScriptReader(script);
  while (reader.at < script.length) {
    if (!reader.next()) return false;
    if (reader.opcode > OP_NOP10 || reader.data().length > MAX_SCRIPT_ELEMENT_SIZE) return false;
  }
  return true;
}
