/**
 * What a transaction may spend, and when: Core's consensus/tx_verify.cpp.
 *
 * The coins that a table's inputs spend come as {@link Prevouts} and, beside them, one *origin* for each input
 * of the table: twice the height of the block that made the coin, plus one when its coinbase did (the code that
 * Core's database keeps), or {@link MISSING_COIN}.
 */
import { isMoney } from "#protocol/bitcoin/amount.ts";
import type { Prevouts } from "#protocol/bitcoin/prevouts.ts";
import { LOCKTIME_THRESHOLD } from "#protocol/bitcoin/script.ts";
import {
  SEQUENCE_FINAL,
  SEQUENCE_LOCKTIME_DISABLE_FLAG,
  SEQUENCE_LOCKTIME_GRANULARITY,
  SEQUENCE_LOCKTIME_MASK,
  SEQUENCE_LOCKTIME_TYPE_FLAG,
} from "#protocol/bitcoin/transaction.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";
import type { HeaderContext } from "./header-context.ts";
import { COINBASE_MATURITY } from "./limits.ts";
import { type Rejection, reject } from "./rejection.ts";

/** Origin of an input whose coin does not exist or is spent. */
export const MISSING_COIN = -1;

/** Origin of a coin made at `height`. */
export function coinOrigin(height: number, coinbase: boolean): number {
  return height * 2 + (coinbase ? 1 : 0);
}

/**
 * Whether the inputs exist, are mature, and cover the outputs (Core: `CheckTxInputs`). The transaction has
 * passed `checkTransaction` and is no coinbase.
 * @param origins of all inputs of the table.
 * @param spendHeight height of the block that it is in, or would be.
 * @returns the fee in satoshi, or why not.
 */
export function checkTxInputs(
  table: TxTable,
  tx: number,
  prevouts: Prevouts,
  origins: Int32Array,
  spendHeight: number,
): number | Rejection {
  const first = table.firstInput(tx);
  const end = first + table.inputCount(tx);
  for (let input = first; input < end; input++) {
    if (origins[input] === MISSING_COIN) {
      const debug = "CheckTxInputs: inputs missing/spent";
      return reject("missing-inputs", "bad-txns-inputs-missingorspent", debug);
    }
  }
  let valueIn = 0;
  for (let input = first; input < end; input++) {
    const origin = origins[input]!;
    const depth = spendHeight - (origin >>> 1);
    if ((origin & 1) !== 0 && depth < COINBASE_MATURITY) {
      const debug = `tried to spend coinbase at depth ${depth}`;
      return reject("premature-spend", "bad-txns-premature-spend-of-coinbase", debug);
    }
    const amount = prevouts.amount(input);
    valueIn += amount;
    if (!isMoney(amount) || !isMoney(valueIn)) return reject("consensus", "bad-txns-inputvalues-outofrange");
  }
  const valueOut = outputTotal(table, tx);
  if (valueIn < valueOut) {
    const debug = `value in (${formatMoney(valueIn)}) < value out (${formatMoney(valueOut)})`;
    return reject("consensus", "bad-txns-in-belowout", debug);
  }
  const fee = valueIn - valueOut;
  return isMoney(fee) ? fee : reject("consensus", "bad-txns-fee-outofrange");
}

/** Sum of a transaction's outputs in satoshi. */
export function outputTotal(table: TxTable, tx: number): number {
  const first = table.firstOutput(tx);
  const end = first + table.outputCount(tx);
  let total = 0;
  for (let output = first; output < end; output++) total += table.value(output);
  return total;
}

/** Bitcoin with at least two decimals and no further trailing zeros (Core: `FormatMoney`). */
export function formatMoney(satoshi: number): string {
  const digits = String(Math.abs(satoshi)).padStart(9, "0");
  const fraction = digits.slice(-8).replace(/0{1,6}$/, "");
  return `${satoshi < 0 ? "-" : ""}${digits.slice(0, -8)}.${fraction}`;
}

/**
 * Whether the lock time allows a transaction in a block.
 * @param time what BIP113 compares with: the median time past before it, or the block's own time before CSV.
 */
export function isFinalTx(table: TxTable, tx: number, height: number, time: number): boolean {
  const lockTime = table.lockTime(tx);
  if (lockTime === 0) return true;
  if (lockTime < (lockTime < LOCKTIME_THRESHOLD ? height : time)) return true;
  const first = table.firstInput(tx);
  const end = first + table.inputCount(tx);
  for (let input = first; input < end; input++) if (table.sequence(input) !== SEQUENCE_FINAL) return false;
  return true;
}

/** BIP68 locks as the last height and the last median time at which the transaction may not be; −1 for none. */
export interface SequenceLocks {
  readonly height: number;
  readonly time: number;
  /** Greatest height of a block in the chain whose coin is locked: the locks hold while it stays. 0 for none. */
  readonly maxInputHeight: number;
}

const NO_LOCKS: SequenceLocks = { height: -1, time: -1, maxInputHeight: 0 };

/**
 * BIP68's locks of a transaction in the block after `prev` (Core: `CalculateSequenceLocks`, where the caller
 * has found that CSV is active). A coin of the same block, or of the mempool, has the height after `prev`.
 * @param origins of all inputs of the table.
 */
export function sequenceLocks(
  table: TxTable,
  tx: number,
  origins: Int32Array,
  prev: HeaderContext,
): SequenceLocks {
  if (table.version(tx) < 2) return NO_LOCKS;
  const first = table.firstInput(tx);
  const end = first + table.inputCount(tx);
  let height = -1;
  let time = -1;
  let maxInputHeight = 0;
  for (let input = first; input < end; input++) {
    const sequence = table.sequence(input);
    if (sequence >= SEQUENCE_LOCKTIME_DISABLE_FLAG) continue;
    const coinHeight = origins[input]! >>> 1;
    if (coinHeight > maxInputHeight && coinHeight <= prev.height) maxInputHeight = coinHeight;
    const span = sequence & SEQUENCE_LOCKTIME_MASK;
    if ((sequence & SEQUENCE_LOCKTIME_TYPE_FLAG) !== 0) {
      // Counted from the median time past before the block that made the coin.
      const start = prev.ancestor(Math.max(coinHeight - 1, 0))!.medianTimePast();
      time = Math.max(time, start + span * 2 ** SEQUENCE_LOCKTIME_GRANULARITY - 1);
    } else {
      height = Math.max(height, coinHeight + span - 1);
    }
  }
  return height === -1 && time === -1 ? NO_LOCKS : { height, time, maxInputHeight };
}

/** Whether a block at `height` whose parent is `prev` satisfies the locks (Core: `EvaluateSequenceLocks`). */
export function sequenceLocksHold(locks: SequenceLocks, prev: HeaderContext): boolean {
  if (locks === NO_LOCKS) return true;
  return locks.height < prev.height + 1 && (locks.time === -1 || locks.time < prev.medianTimePast());
}
