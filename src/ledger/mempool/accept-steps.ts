/**
 * The steps of taking a transaction into the mempool, in the order and with the reject strings of Core v31's
 * MemPoolAccept (validation.cpp). Each gives the reason to refuse, or nothing.
 */

import { toHexReversed, writeU32 } from "#base/lib/bytes.ts";
import { checkTransaction } from "#protocol/consensus/check-transaction.ts";
import { scriptFlagsFor } from "#protocol/consensus/deployments.ts";
import type { HeaderContext } from "#protocol/consensus/header-context.ts";
import { type Rejection, reject } from "#protocol/consensus/rejection.ts";
import { type ScriptError, scriptErrorText } from "#protocol/consensus/script-error.ts";
import { txSigOpCost } from "#protocol/consensus/sigops.ts";
import { checkTxInputs, isFinalTx, sequenceLocks, sequenceLocksHold } from "#protocol/consensus/tx-inputs.ts";
import { verifyTransaction } from "#protocol/consensus/verify-inputs.ts";
import { checkEphemeralFee, checkEphemeralSpends } from "#protocol/policy/ephemeral.ts";
import { feeFor, sigopsAdjustedWeight, virtualSize } from "#protocol/policy/fee-rate.ts";
import { MAX_STANDARD_TX_SIGOPS_COST, MIN_STANDARD_TX_NONWITNESS_SIZE } from "#protocol/policy/limits.ts";
import { STANDARD_SCRIPT_VERIFY_FLAGS } from "#protocol/policy/policy-flags.ts";
import { whyNoImprovement, whyNotPaid, whyTooManyClusters } from "#protocol/policy/rbf.ts";
import { whyNotStandard } from "#protocol/policy/standard.ts";
import {
  checkInputsStandard,
  isWitnessStandard,
  spendsNonAnchorWitnessProgram,
} from "#protocol/policy/standard-inputs.ts";
import { checkTruc, type TrucParent } from "#protocol/policy/truc.ts";
import type { GraphProposal } from "./graph-proposal.ts";
import type { Mempool } from "./mempool.ts";
import type { MempoolChain } from "./mempool-chain.ts";
import type { LockPoints, MempoolEntry } from "./mempool-entry.ts";
import { modifiedFee } from "./mempool-entry.ts";
import { findInputs, outpointOf, type PackageLookup, type Workspace } from "./workspace.ts";

/** What the steps look at, and how strictly. */
export interface AcceptContext {
  readonly mempool: Mempool;
  readonly chain: MempoolChain;
  /** The block that the transactions are to follow. */
  readonly tip: HeaderContext;
  /** Seconds since 1970 that entries are marked with. */
  readonly time: number;
  readonly bypassLimits: boolean;
  readonly allowReplacement: boolean;
  readonly allowSiblingEviction: boolean;
}

/** PreChecks up to the coins: what can be said without the chain. */
export function checkAlone(workspace: Workspace, context: AcceptContext): Rejection | undefined {
  const { table } = workspace;
  const { options } = context.mempool;
  const refused = checkTransaction(table, 0);
  if (refused !== undefined) return refused;
  if (table.isCoinbase(0)) return reject("consensus", "coinbase");
  const reason = options.requireStandard ? whyNotStandard(table, options) : undefined;
  if (reason !== undefined) return reject("not-standard", reason);
  if (table.strippedSize(0) < MIN_STANDARD_TX_NONWITNESS_SIZE) return reject("not-standard", "tx-size-small");
  if (!isFinalAfter(context.tip, workspace)) return reject("premature-spend", "non-final");
  return checkKnown(workspace, context.mempool) ?? findConflicts(workspace, context);
}

/** Whether the lock time allows it in the block after `tip`. */
export function isFinalAfter(tip: HeaderContext, { table }: Pick<Workspace, "table">): boolean {
  return isFinalTx(table, 0, tip.height + 1, tip.medianTimePast());
}

function checkKnown({ txid, wtxid }: Workspace, mempool: Mempool): Rejection | undefined {
  if (mempool.hasWtxid(wtxid)) return reject("conflict", "txn-already-in-mempool");
  return mempool.has(txid) ? reject("conflict", "txn-same-nonwitness-data-in-mempool") : undefined;
}

function findConflicts({ table, conflicts }: Workspace, context: AcceptContext): Rejection | undefined {
  for (let input = 0; input < table.inputCount(0); input++) {
    const other = context.mempool.spender(table.bytes, table.outpoint(input));
    if (other === undefined) continue;
    if (!context.allowReplacement) return reject("mempool-policy", "bip125-replacement-disallowed");
    conflicts.add(other.slot);
  }
  return undefined;
}

/** The rest of PreChecks. The coins of the chain were fetched before. */
export function checkWithCoins(
  workspace: Workspace,
  context: AcceptContext,
  packaged: PackageLookup,
): Rejection | undefined {
  const { mempool, tip } = context;
  const height = tip.height + 1;
  const coins = context.chain.coins;
  if (!findInputs(workspace, { mempool, coins, height }, packaged)) return missingInputs(workspace, context);
  const { table } = workspace;
  const prevouts = workspace.prevouts!;
  const origins = workspace.origins!;
  const lockPoints = lockPointsOf(workspace, tip);
  if (!sequenceLocksHold(lockPoints.locks, tip)) return reject("premature-spend", "non-BIP68-final");
  const fee = checkTxInputs(table, 0, prevouts, origins, height);
  if (typeof fee !== "number") return fee;
  if (mempool.options.requireStandard) {
    const refused = checkInputsStandard(table, prevouts);
    if (refused !== undefined) return refused;
    if (table.hasWitness(0) && !isWitnessStandard(table, prevouts)) {
      return reject("witness-mutated", "bad-witness-nonstandard");
    }
  }
  fillFields(workspace, context, fee, lockPoints);
  return checkFees(workspace, context) ?? checkTopology(workspace, context);
}

function missingInputs({ table, txid }: Workspace, context: AcceptContext): Rejection {
  // Outputs of its own among the coins in memory mean that it was mined.
  const outpoint = new Uint8Array(36);
  outpoint.set(txid);
  for (let output = 0; output < table.outputCount(0); output++) {
    writeU32(outpoint, 32, output);
    if (context.chain.coins.get(outpoint) !== undefined) return reject("conflict", "txn-already-known");
  }
  return reject("missing-inputs", "bad-txns-inputs-missingorspent");
}

/** BIP68's locks for the block after `tip`. The inputs have been found. */
export function lockPointsOf(
  { table, origins }: Pick<Workspace, "table" | "origins">,
  tip: HeaderContext,
): LockPoints {
  const locks = sequenceLocks(table, 0, origins!, tip);
  const { maxInputHeight } = locks;
  return { locks, blockHash: maxInputHeight > 0 ? tip.ancestor(maxInputHeight)!.hash : undefined };
}

function fillFields(workspace: Workspace, context: AcceptContext, fee: number, lockPoints: LockPoints): void {
  const { table, txid, wtxid } = workspace;
  const { mempool } = context;
  const weight = table.weight(0);
  const sigopCost = txSigOpCost(table, 0, workspace.prevouts!, STANDARD_SCRIPT_VERIFY_FLAGS);
  const adjustedWeight = sigopsAdjustedWeight(weight, sigopCost, mempool.options.bytesPerSigop);
  workspace.modifiedFee = fee + mempool.feeDelta(txid);
  workspace.fields = {
    table,
    txid,
    wtxid,
    fee,
    weight,
    adjustedWeight,
    vsize: virtualSize(adjustedWeight),
    sigopCost,
    time: context.time,
    height: context.tip.height,
    // So that it counts as older than the children it may have here.
    sequence: context.bypassLimits ? 0 : mempool.sequence,
    spendsCoinbase: workspace.origins!.some((origin) => (origin & 1) !== 0),
    lockPoints,
  };
}

function checkFees(workspace: Workspace, context: AcceptContext): Rejection | undefined {
  const { options } = context.mempool;
  const { fee, sigopCost, vsize } = workspace.fields!;
  if (options.requireStandard) {
    const refused = checkEphemeralFee(workspace.table, options.dustRelayFee, fee, workspace.modifiedFee);
    if (refused !== undefined) return refused;
  }
  if (sigopCost > MAX_STANDARD_TX_SIGOPS_COST) {
    return reject("not-standard", "bad-txns-too-many-sigops", String(sigopCost));
  }
  return context.bypassLimits ? undefined : checkFeeRate(context.mempool, workspace.modifiedFee, vsize);
}

/** Whether a fee in satoshi meets the mempool's minimum and the relay minimum. */
function checkFeeRate(mempool: Mempool, fee: number, vsize: number): Rejection | undefined {
  const least = feeFor(mempool.minFee(), vsize);
  if (least > 0 && fee < least)
    return reject("reconsiderable", "mempool min fee not met", `${fee} < ${least}`);
  const relay = feeFor(mempool.options.minRelayFee, vsize);
  return fee < relay ? reject("reconsiderable", "min relay fee not met", `${fee} < ${relay}`) : undefined;
}

/** Finds the parents, and holds TRUC's rules: a sibling that stands in the way may become a conflict. */
function checkTopology(workspace: Workspace, context: AcceptContext): Rejection | undefined {
  const { mempool } = context;
  const { table, txid, wtxid, conflicts } = workspace;
  const parents = mempoolParents(workspace, mempool);
  workspace.parents = parents.map(({ slot }) => slot);
  if (context.bypassLimits) return undefined;
  const replaced = [...conflicts].map((slot) => mempool.at(slot).txid);
  const violation = checkTruc(
    { table, txid, wtxid, vsize: workspace.fields!.vsize },
    parents.map((parent) => trucParent(mempool, parent)),
    (other) => replaced.includes(other),
  );
  if (violation === undefined) return undefined;
  if (!context.allowSiblingEviction || violation.sibling === undefined) {
    return reject("mempool-policy", "TRUC-violation", violation.debug);
  }
  conflicts.add(mempool.get(violation.sibling)!.slot);
  workspace.siblingEviction = true;
  return undefined;
}

function mempoolParents({ table }: Workspace, mempool: Mempool): MempoolEntry[] {
  const parents = new Set<MempoolEntry>();
  for (let input = 0; input < table.inputCount(0); input++) {
    const parent = mempool.get(table.prevTxid(input));
    if (parent !== undefined) parents.add(parent);
  }
  return [...parents];
}

/** A mempool transaction as TRUC's rules ask for it. */
export function trucParent(mempool: Mempool, parent: MempoolEntry): TrucParent {
  return {
    version: parent.table.version(0),
    txid: parent.txid,
    wtxid: parent.wtxid,
    ancestorCount: mempool.ancestors(parent).length + 1,
    descendants: mempool.descendants(parent).map((entry) => ({
      txid: entry.txid,
      ancestorCount: mempool.ancestors(entry).length + 1,
    })),
  };
}

/** What a transaction would take out, and what it would do to the clusters. */
export interface Replacement {
  readonly removed: ReadonlySet<number>;
  readonly proposal: GraphProposal;
}

/** ReplacementChecks: the rules of replacement, for a transaction with conflicts. */
export function checkReplacement(workspace: Workspace, context: AcceptContext): Replacement | Rejection {
  const { mempool } = context;
  const { txid, conflicts, modifiedFee: fee, fields } = workspace;
  const sibling = workspace.siblingEviction ? " (including sibling eviction)" : "";
  const tooMany = whyTooManyClusters(txid, mempool.countClusters(conflicts));
  if (tooMany !== undefined) {
    return reject("mempool-policy", `too many potential replacements${sibling}`, tooMany);
  }
  const removed = mempool.descendantSlots(conflicts);
  let fees = 0;
  for (const slot of removed) fees += modifiedFee(mempool.at(slot));
  const unpaid = whyNotPaid(txid, fees, fee, fields!.vsize, mempool.options.incrementalRelayFee);
  if (unpaid !== undefined) return reject("reconsiderable", `insufficient fee${sibling}`, unpaid);
  const proposal = propose(workspace, mempool, removed);
  if (proposal.oversized) return reject("mempool-policy", "too-large-cluster");
  const { before, after } = proposal.diagrams();
  const worse = whyNoImprovement(before, after);
  if (worse !== undefined) return reject("reconsiderable", "replacement-failed", worse);
  return { removed, proposal };
}

/** Adds one transaction in place of some. */
export function propose(workspace: Workspace, mempool: Mempool, removed: ReadonlySet<number>): GraphProposal {
  const { parents, modifiedFee: fee, fields } = workspace;
  return mempool.propose({ remove: removed, add: [{ fee, size: fields!.adjustedWeight, parents }] });
}

/** A transaction must not depend on what it replaces. */
export function checkSpendsNoConflict(
  workspace: Workspace,
  { mempool }: AcceptContext,
): Rejection | undefined {
  if (workspace.conflicts.size === 0) return undefined;
  for (const slot of mempool.ancestorSlots(workspace.parents)) {
    if (!workspace.conflicts.has(slot)) continue;
    const names = [workspace.txid, mempool.at(slot).txid].map(toHexReversed);
    const debug = `${names[0]} spends conflicting transaction ${names[1]}`;
    return reject("consensus", "bad-txns-spends-conflicting-tx", debug);
  }
  return undefined;
}

/** Dust of unconfirmed parents must be spent. */
export function checkDustSpent(
  workspace: Workspace,
  { mempool }: AcceptContext,
  packaged: PackageLookup,
): Rejection | undefined {
  if (!mempool.options.requireStandard) return undefined;
  const parentOf: PackageLookup = (txid) => packaged(txid) ?? mempool.get(txid)?.table;
  return checkEphemeralSpends(workspace, parentOf, mempool.options.dustRelayFee);
}

/** PolicyScriptChecks: the scripts under the flags of standard transactions. */
export function checkScriptsByPolicy(workspace: Workspace): Rejection | undefined {
  if (workspace.scriptsVerified) return undefined;
  const { table } = workspace;
  const prevouts = workspace.prevouts!;
  const failure = verifyTransaction(table, prevouts, STANDARD_SCRIPT_VERIFY_FLAGS);
  if (failure === undefined) return undefined;
  const stripped = !table.hasWitness(0) && spendsNonAnchorWitnessProgram(table, prevouts);
  const reason = `mempool-script-verify-flag-failed (${scriptErrorText(failure.error)})`;
  return reject(stripped ? "witness-stripped" : "not-standard", reason, inputName(workspace, failure.input));
}

/** ConsensusScriptChecks: the scripts under the flags of the tip's block, should the others miss something. */
export function checkScriptsByConsensus(workspace: Workspace, context: AcceptContext): Rejection | undefined {
  const { tip, chain } = context;
  const flags = scriptFlagsFor(chain.network, tip.hash, tip.height);
  // Flags only ever forbid: what holds under more of them holds under these.
  if ((flags & ~STANDARD_SCRIPT_VERIFY_FLAGS) === 0) return undefined;
  const failure = verifyTransaction(workspace.table, workspace.prevouts!, flags);
  return failure && blockScriptFailure(workspace, failure);
}

function blockScriptFailure(workspace: Workspace, failure: { input: number; error: ScriptError }): Rejection {
  const reason = `block-script-verify-flag-failed (${scriptErrorText(failure.error)})`;
  return reject("consensus", reason, inputName(workspace, failure.input));
}

function inputName({ table, txid, wtxid }: Workspace, input: number): string {
  const outpoint = outpointOf(table, input);
  const spent = `${toHexReversed(outpoint.subarray(0, 32))}:${table.prevIndex(input)}`;
  return `input ${input} of ${toHexReversed(txid)} (wtxid ${toHexReversed(wtxid)}), spending ${spent}`;
}
