/**
 * BIP431, "topologically restricted until confirmation": an unconfirmed transaction of version 3 has at most one
 * unconfirmed parent or child, of version 3 too, and is small (Core: policy/truc_policy.cpp).
 */

import { equalBytes, toHexReversed } from "#base/lib/bytes.ts";
import type { Txid, Wtxid } from "#protocol/bitcoin/hashes.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";

const TRUC_VERSION = 3;
/** Transactions on the way from an unconfirmed ancestor down, the first and the last included. */
const TRUC_ANCESTOR_LIMIT = 2;
const TRUC_DESCENDANT_LIMIT = 2;
/** Virtual bytes. */
const TRUC_MAX_VSIZE = 10_000;
const TRUC_CHILD_MAX_VSIZE = 1_000;

/** A transaction by what these rules ask of it. */
export interface TrucTransaction {
  /** The transaction at index 0. */
  readonly table: TxTable;
  readonly txid: Txid;
  readonly wtxid: Wtxid;
  readonly vsize: number;
}

/** A parent in the mempool. */
export interface TrucParent {
  readonly version: number;
  readonly txid: Txid;
  readonly wtxid: Wtxid;
  /** With itself. */
  readonly ancestorCount: number;
  /** Without itself; their ancestors counted with themselves. */
  readonly descendants: readonly { readonly txid: Txid; readonly ancestorCount: number }[];
}

export interface TrucViolation {
  /** Core's words. */
  readonly debug: string;
  /** The only other child of the parent, where putting this transaction in its place would mend it. */
  readonly sibling?: Txid;
}

/**
 * Checks one transaction against the mempool (Core: SingleTRUCChecks).
 * @param replaces whether a mempool transaction is one that this one conflicts with.
 */
export function checkTruc(
  tx: TrucTransaction,
  parents: readonly TrucParent[],
  replaces: (txid: Txid) => boolean,
): TrucViolation | undefined {
  const isTruc = tx.table.version(0) === TRUC_VERSION;
  for (const parent of parents) {
    const debug = inheritanceViolation(tx, isTruc, parent);
    if (debug !== undefined) return { debug };
  }
  if (!isTruc) return undefined;
  if (tx.vsize > TRUC_MAX_VSIZE) return { debug: tooBig("tx", tx, TRUC_MAX_VSIZE) };
  if (parents.length + 1 > TRUC_ANCESTOR_LIMIT) return { debug: tooManyAncestors(tx) };
  const parent = parents[0];
  if (parent === undefined) return undefined;
  if (parent.ancestorCount + 1 > TRUC_ANCESTOR_LIMIT) return { debug: tooManyAncestors(tx) };
  if (tx.vsize > TRUC_CHILD_MAX_VSIZE) return { debug: tooBig("child tx", tx, TRUC_CHILD_MAX_VSIZE) };
  return checkSiblings(parent, replaces);
}

/** More than one sibling, or one with descendants, can only come from a reorganisation. */
function checkSiblings(parent: TrucParent, replaces: (txid: Txid) => boolean): TrucViolation | undefined {
  const { descendants } = parent;
  if (descendants.length + 2 <= TRUC_DESCENDANT_LIMIT) return undefined;
  if (descendants.some(({ txid }) => replaces(txid))) return undefined;
  const debug = tooManyDescendants(parent);
  const only = descendants.length === 1 ? descendants[0]! : undefined;
  return only !== undefined && only.ancestorCount === 2 ? { debug, sibling: only.txid } : { debug };
}

/**
 * Checks a transaction of a package, parents first in it, against the package and the mempool (Core:
 * PackageTRUCChecks).
 * @returns Core's words for what is wrong.
 */
export function checkPackageTruc(
  tx: TrucTransaction,
  group: readonly TrucTransaction[],
  parents: readonly TrucParent[],
): string | undefined {
  const isTruc = tx.table.version(0) === TRUC_VERSION;
  const groupParents = parentsInPackage(tx, group);
  if (!isTruc) {
    for (const parent of [...parents, ...groupParents]) {
      const debug = inheritanceViolation(tx, isTruc, parent);
      if (debug !== undefined) return debug;
    }
    return undefined;
  }
  if (tx.vsize > TRUC_MAX_VSIZE) return tooBig("tx", tx, TRUC_MAX_VSIZE);
  if (parents.length + groupParents.length + 1 > TRUC_ANCESTOR_LIMIT) return tooManyAncestors(tx);
  const inMempool = parents[0];
  if (inMempool !== undefined && inMempool.ancestorCount + groupParents.length + 1 > TRUC_ANCESTOR_LIMIT) {
    return tooManyAncestors(tx);
  }
  const parent = inMempool ?? groupParents[0];
  if (parent === undefined) return undefined;
  if (tx.vsize > TRUC_CHILD_MAX_VSIZE) return tooBig("child tx", tx, TRUC_CHILD_MAX_VSIZE);
  return inheritanceViolation(tx, isTruc, parent) ?? checkFamily(tx, group, parent);
}

function parentsInPackage(tx: TrucTransaction, group: readonly TrucTransaction[]): TrucParent[] {
  const earlier = group.slice(0, group.indexOf(tx));
  return earlier
    .filter((other) => spends(tx.table, other.txid))
    .map(({ table, txid, wtxid }) => ({
      version: table.version(0),
      txid,
      wtxid,
      ancestorCount: 1,
      descendants: [],
    }));
}

/** The parent may have no other child, in the package or the mempool, and the transaction none at all. */
function checkFamily(
  tx: TrucTransaction,
  group: readonly TrucTransaction[],
  parent: TrucParent,
): string | undefined {
  for (const other of group) {
    if (other === tx) continue;
    for (let input = 0; input < other.table.inputCount(0); input++) {
      const spent = other.table.prevTxid(input);
      if (equalBytes(spent, parent.txid)) return tooManyDescendants(parent);
      if (equalBytes(spent, tx.txid)) return tooManyAncestors(other);
    }
  }
  return parent.descendants.length > 0 ? tooManyDescendants(parent) : undefined;
}

function spends(table: TxTable, txid: Txid): boolean {
  for (let input = 0; input < table.inputCount(0); input++) {
    if (equalBytes(table.prevTxid(input), txid)) return true;
  }
  return false;
}

type Named = Pick<TrucTransaction, "txid" | "wtxid">;

function nameOf({ txid, wtxid }: Named): string {
  return `tx ${toHexReversed(txid)} (wtxid=${toHexReversed(wtxid)})`;
}

function inheritanceViolation(tx: Named, isTruc: boolean, parent: TrucParent): string | undefined {
  if (isTruc === (parent.version === TRUC_VERSION)) return undefined;
  return isTruc
    ? `version=3 ${nameOf(tx)} cannot spend from non-version=3 ${nameOf(parent)}`
    : `non-version=3 ${nameOf(tx)} cannot spend from version=3 ${nameOf(parent)}`;
}

function tooBig(what: "tx" | "child tx", tx: TrucTransaction, limit: number): string {
  const name = what === "tx" ? nameOf(tx) : `child ${nameOf(tx)}`;
  return `version=3 ${name} is too big: ${tx.vsize} > ${limit} virtual bytes`;
}

function tooManyAncestors(tx: Named): string {
  return `${nameOf(tx)} would have too many ancestors`;
}

function tooManyDescendants(parent: Named): string {
  return `${nameOf(parent)} would exceed descendant count limit`;
}
