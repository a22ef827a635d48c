import { MAX_MONEY } from "#protocol/bitcoin/amount.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";
import { MAX_BLOCK_WEIGHT, WITNESS_SCALE_FACTOR } from "./limits.ts";
import { type Rejection, reject } from "./rejection.ts";

/**
 * What must hold for a transaction whatever the chain is (Core: consensus/tx_check.cpp). The order of the
 * checks decides the reason given.
 */
export function checkTransaction(table: TxTable, tx: number): Rejection | undefined {
  if (table.inputCount(tx) === 0) return reject("consensus", "bad-txns-vin-empty");
  if (table.outputCount(tx) === 0) return reject("consensus", "bad-txns-vout-empty");
  // Without the witness, which has not been checked for malleation yet.
  if (table.strippedSize(tx) * WITNESS_SCALE_FACTOR > MAX_BLOCK_WEIGHT) {
    return reject("consensus", "bad-txns-oversize");
  }
  return checkOutputValues(table, tx) ?? checkPrevouts(table, tx);
}

/** CVE-2010-5139: no value and no sum of values may be out of range. */
function checkOutputValues(table: TxTable, tx: number): Rejection | undefined {
  const first = table.firstOutput(tx);
  const end = first + table.outputCount(tx);
  let total = 0;
  for (let output = first; output < end; output++) {
    const value = table.value(output);
    if (value < 0) return reject("consensus", "bad-txns-vout-negative");
    if (value > MAX_MONEY) return reject("consensus", "bad-txns-vout-toolarge");
    total += value;
    if (total > MAX_MONEY) return reject("consensus", "bad-txns-txouttotal-toolarge");
  }
  return undefined;
}

/** CVE-2018-17144: no outpoint twice; the null outpoint in a coinbase alone, whose script has 2 to 100 bytes. */
function checkPrevouts(table: TxTable, tx: number): Rejection | undefined {
  const first = table.firstInput(tx);
  const count = table.inputCount(tx);
  if (count === 1) {
    if (!table.isNullOutpoint(first)) return undefined;
    const length = table.inputScriptLength(first);
    return length < 2 || length > 100 ? reject("consensus", "bad-cb-length") : undefined;
  }
  if (hasDuplicateOutpoint(table, first, count)) return reject("consensus", "bad-txns-inputs-duplicate");
  for (let input = first; input < first + count; input++) {
    if (table.isNullOutpoint(input)) return reject("consensus", "bad-txns-prevout-null");
  }
  return undefined;
}

/** Up to this many inputs, comparing all pairs is cheaper than sorting. */
const PAIRWISE = 8;

function hasDuplicateOutpoint(table: TxTable, first: number, count: number): boolean {
  if (count > PAIRWISE) return hasDuplicateBySorting(table, first, count);
  for (let i = first + 1; i < first + count; i++) {
    for (let j = first; j < i; j++) if (compareOutpoints(table, i, j) === 0) return true;
  }
  return false;
}

/** Sorted and not hashed: a stranger chooses these bytes, and could make them all collide. */
function hasDuplicateBySorting(table: TxTable, first: number, count: number): boolean {
  const order = new Int32Array(count);
  for (let i = 0; i < count; i++) order[i] = first + i;
  order.sort((a, b) => compareOutpoints(table, a, b));
  for (let i = 1; i < count; i++) {
    if (compareOutpoints(table, order[i - 1]!, order[i]!) === 0) return true;
  }
  return false;
}

/** Some total order of outpoints; from the index down, as txids are equal where one transaction is spent. */
function compareOutpoints(table: TxTable, a: number, b: number): number {
  const { bytes } = table;
  const atA = table.outpoint(a);
  const atB = table.outpoint(b);
  for (let i = 35; i >= 0; i--) {
    const difference = bytes[atA + i]! - bytes[atB + i]!;
    if (difference !== 0) return difference;
  }
  return 0;
}
