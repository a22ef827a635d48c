import type { Prevouts } from "#protocol/bitcoin/prevouts.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";
import type { ScriptError } from "./script-error.ts";

/** The first input, in the table's order, whose script fails. */
export interface ScriptFailure {
  readonly tx: number;
  /** Index over the whole table. */
  readonly input: number;
  readonly error: ScriptError;
}

/** A range of transactions and what they spend. */
export interface VerifyInputsJob {
  readonly table: TxTable;
  /** One slot for each input of the table. */
  readonly prevouts: Prevouts;
  /** SCRIPT_VERIFY_* for every transaction of the range. */
  readonly flags: number;
  readonly fromTx: number;
  /** One after the last transaction. */
  readonly toTx: number;
}

/** Verifies every input of a range of transactions (coinbases are passed over). */
export declare function verifyInputs(job: VerifyInputsJob): ScriptFailure | undefined;

/** Verifies every input of a table with one transaction, as the mempool does. `input` counts within it. */
export declare function verifyTransaction(
  table: TxTable,
  prevouts: Prevouts,
  flags: number,
): { readonly input: number; readonly error: ScriptError } | undefined;
