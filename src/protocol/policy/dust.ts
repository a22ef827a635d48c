import { compactSizeLength } from "#base/lib/byte-writer.ts";
import { isUnspendable, witnessVersion } from "#protocol/bitcoin/script.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";
import { type FeeRate, feeFor } from "./fee-rate.ts";

/** Size of an input that spends a witness program: outpoint, empty script, sequence, and a quarter of 107 bytes. */
const WITNESS_INPUT_SIZE = 32 + 4 + 1 + 26 + 4;
/** Size of an input with a signature and a key in its script. */
const LEGACY_INPUT_SIZE = 32 + 4 + 1 + 107 + 4;

/**
 * Satoshi below which an output is dust: what it costs at `rate` to make and to spend it. 0 for one that cannot be
 * spent (Core: GetDustThreshold).
 */
export function dustThreshold(script: Uint8Array, rate: FeeRate): number {
  if (isUnspendable(script)) return 0;
  const size = 8 + compactSizeLength(script.length) + script.length;
  return feeFor(rate, size + (witnessVersion(script) >= 0 ? WITNESS_INPUT_SIZE : LEGACY_INPUT_SIZE));
}

/** Whether an output of the table is dust. */
function isDust(table: TxTable, output: number, rate: FeeRate): boolean {
  return table.value(output) < dustThreshold(table.outputScript(output), rate);
}

/** Positions of the dust among the first transaction's outputs (Core: GetDust). */
export function dustOutputs(table: TxTable, rate: FeeRate): number[] {
  const found: number[] = [];
  for (let output = 0; output < table.outputCount(0); output++) {
    if (isDust(table, output, rate)) found.push(output);
  }
  return found;
}
