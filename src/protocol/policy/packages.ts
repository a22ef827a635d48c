/** What a list of transactions has to be before any of them is looked at (Core: policy/packages.cpp). */

import { toHex } from "#base/lib/bytes.ts";
import type { Txid } from "#protocol/bitcoin/hashes.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";
import { MAX_PACKAGE_COUNT, MAX_PACKAGE_WEIGHT } from "./limits.ts";

export interface PackageTransaction {
  /** The transaction at index 0. */
  readonly table: TxTable;
  readonly txid: Txid;
}

/** Core's word for what is wrong with a package as a list, `undefined` when nothing is (IsWellFormedPackage). */
export function whyMalformed(txs: readonly PackageTransaction[]): string | undefined {
  if (txs.length > MAX_PACKAGE_COUNT) return "package-too-many-transactions";
  const weight = txs.reduce((sum, { table }) => sum + table.weight(0), 0);
  // A single one is told better by its own weight.
  if (txs.length > 1 && weight > MAX_PACKAGE_WEIGHT) return "package-too-large";
  if (new Set(txs.map(({ txid }) => toHex(txid))).size !== txs.length) return "package-contains-duplicates";
  if (!isTopologicallySorted(txs)) return "package-not-sorted";
  return isConsistent(txs) ? undefined : "conflict-in-package";
}

/** Whether parents stand before their children. */
function isTopologicallySorted(txs: readonly PackageTransaction[]): boolean {
  const later = new Set(txs.map(({ txid }) => toHex(txid)));
  for (const { table, txid } of txs) {
    for (let input = 0; input < table.inputCount(0); input++) {
      if (later.has(toHex(table.prevTxid(input)))) return false;
    }
    later.delete(toHex(txid));
  }
  return true;
}

/** Whether no two transactions spend the same output. A transaction that does so by itself is told by consensus. */
function isConsistent(txs: readonly PackageTransaction[]): boolean {
  const spent = new Set<string>();
  for (const { table } of txs) {
    if (table.inputCount(0) === 0) return false;
    const own: string[] = [];
    for (let input = 0; input < table.inputCount(0); input++) {
      const at = table.outpoint(input);
      const outpoint = toHex(table.bytes.subarray(at, at + 36));
      if (spent.has(outpoint)) return false;
      own.push(outpoint);
    }
    for (const outpoint of own) spent.add(outpoint);
  }
  return true;
}
