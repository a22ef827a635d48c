import { toHex, toHexReversed } from "#base/lib/bytes.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { Wtxid } from "#protocol/bitcoin/hashes.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";
import type { HeaderContext } from "#protocol/consensus/header-context.ts";
import { type Rejection, reject, rejectionText } from "#protocol/consensus/rejection.ts";
import { type FeeRate, NO_FEE_RATE } from "#protocol/policy/fee-rate.ts";
import { whyMalformed } from "#protocol/policy/packages.ts";
import { checkPackageTruc } from "#protocol/policy/truc.ts";
import {
  type AcceptContext,
  checkAlone,
  checkDustSpent,
  checkReplacement,
  checkScriptsByConsensus,
  checkScriptsByPolicy,
  checkSpendsNoConflict,
  checkWithCoins,
  propose,
  trucParent,
} from "./accept-steps.ts";
import type { GraphProposal } from "./graph-proposal.ts";
import type { Mempool } from "./mempool.ts";
import type { ChainMove, MempoolChain } from "./mempool-chain.ts";
import type { MempoolEntry } from "./mempool-entry.ts";
import { ReorgUpdate } from "./reorg-update.ts";
import { chainOutpoints, newWorkspace, type PackageLookup, type Workspace } from "./workspace.ts";

/** A transaction that was taken, or would be. */
export interface Accepted {
  readonly accepted: true;
  readonly wtxid: Wtxid;
  readonly vsize: number;
  /** Satoshi. */
  readonly baseFee: number;
  /** Modified fee over virtual size. */
  readonly effectiveFeeRate: FeeRate;
  readonly effectiveIncludes: readonly Wtxid[];
  /** What it replaced. */
  readonly replaced: readonly MempoolEntry[];
}

/** A transaction that was refused. */
export interface Refused {
  readonly accepted: false;
  readonly wtxid: Wtxid;
  readonly rejection: Rejection;
  /** Set when the fee was the reason and a package could mend it. */
  readonly effectiveFeeRate?: FeeRate;
  readonly effectiveIncludes?: readonly Wtxid[];
}

export type AcceptResult = Accepted | Refused;

/** What became of several transactions looked at together. */
export interface PackageResult {
  /**
   * Why it fails as a whole (Core's PCKG_POLICY, testmempoolaccept's package-error). Undefined too when one of its
   * transactions fails.
   */
  readonly rejection: Rejection | undefined;
  /** By position of the transaction; undefined where its checks were not finished. */
  readonly results: readonly (AcceptResult | undefined)[];
}

export interface AcceptOptions {
  /** Checks everything and adds nothing (testmempoolaccept). */
  readonly testAccept?: boolean;
  /** Skips the fee and size limits, as for transactions of disconnected blocks. */
  readonly bypassLimits?: boolean;
  /** Seconds since 1970 to mark it with, the present when left out. */
  readonly time?: number;
}

export interface AcceptorDependencies {
  readonly mempool: Mempool;
  readonly chain: MempoolChain;
  readonly log: Logger;
  /** Seconds since 1970, mocked time included. */
  now(): number;
}

const NOT_IN_PACKAGE: PackageLookup = () => undefined;

/**
 * Takes transactions into the mempool and keeps it true to the chain (Core: MemPoolAccept and what ActivateBestChain
 * does to the mempool). Every change of the mempool's content goes through it, under the chain-state lock.
 */
export class MempoolAcceptor {
  readonly mempool: Mempool;
  readonly #chain: MempoolChain;
  readonly #log: Logger;
  readonly #now: () => number;

  constructor({ mempool, chain, log, now }: AcceptorDependencies) {
    this.mempool = mempool;
    this.#chain = chain;
    this.#log = log;
    this.#now = now;
  }

  /** Takes a transaction in, or says why not. Waits for the chain-state lock. The table holds nothing else. */
  accept(table: TxTable, options: AcceptOptions = {}): Promise<AcceptResult> {
    return this.#chain.lock.run(() => this.acceptLocked(table, options));
  }

  /** As {@link accept}, for a caller that holds the lock. */
  async acceptLocked(table: TxTable, options: AcceptOptions = {}): Promise<AcceptResult> {
    const context = this.#context(options, this.#chain.tip);
    const workspace = newWorkspace(table);
    const refused = checkAlone(workspace, context);
    if (refused !== undefined) return this.#refused(workspace, refused);
    const fetched = await this.#prefetch([workspace]);
    const result = this.#acceptFetched(workspace, context, options.testAccept ?? false);
    if (!result.accepted || options.testAccept) {
      this.#chain.coins.release?.(fetched);
      return result;
    }
    if (!context.bypassLimits) this.#limitSize();
    const entry = this.mempool.get(workspace.txid);
    if (entry !== undefined) this.mempool.announce(entry);
    await this.mempool.publish();
    return entry === undefined ? this.#refused(workspace, reject("reconsiderable", "mempool full")) : result;
  }

  /**
   * Whether several transactions, parents first, would be taken one after the other (testmempoolaccept): none may
   * replace anything, and each has to pay for itself.
   */
  testPackage(tables: readonly TxTable[]): Promise<PackageResult> {
    return this.#chain.lock.run(async () => {
      const workspaces = tables.map((table) => newWorkspace(table));
      const malformed = whyMalformed(workspaces);
      if (malformed !== undefined) return packageFailure(malformed, workspaces);
      const fetched = await this.#prefetch(workspaces);
      const result = this.#testPackage(workspaces);
      this.#chain.coins.release?.(fetched);
      return result;
    });
  }

  /**
   * Follows a move of the tip; the caller holds the lock. What was mined leaves with all that conflicts with it;
   * what was disconnected comes back as far as it still may. Readers see all of it at once.
   */
  async chainMoved(move: ChainMove): Promise<void> {
    const update = new ReorgUpdate(this.mempool, this.#chain, move);
    await update.prepare();
    update.apply((workspace) => {
      const context = this.#context({ bypassLimits: true }, move.tip);
      const refused = checkAlone(workspace, context);
      const result =
        refused === undefined
          ? this.#acceptFetched(workspace, context, false)
          : this.#refused(workspace, refused);
      const entry = result.accepted ? this.mempool.get(workspace.txid) : undefined;
      if (entry !== undefined) this.mempool.announce(entry);
      return entry;
    });
    if (move.disconnected.length > 0) this.#limitSize();
    await this.mempool.publish();
  }

  /** Drops what is too old, and evicts down to -maxmempool. Waits for the lock. */
  limitSize(): Promise<void> {
    return this.#chain.lock.run(() => {
      this.#limitSize();
      return this.mempool.publish();
    });
  }

  #context(options: AcceptOptions, tip: HeaderContext): AcceptContext {
    return {
      mempool: this.mempool,
      chain: this.#chain,
      tip,
      time: options.time ?? this.#now(),
      bypassLimits: options.bypassLimits ?? false,
      allowReplacement: true,
      allowSiblingEviction: true,
    };
  }

  /** All steps from the coins on, which were fetched. */
  #acceptFetched(workspace: Workspace, context: AcceptContext, testAccept: boolean): AcceptResult {
    const refused = checkWithCoins(workspace, context, NOT_IN_PACKAGE);
    if (refused !== undefined) return this.#refused(workspace, refused);
    let removed: ReadonlySet<number> = new Set();
    let proposal: GraphProposal;
    if (workspace.conflicts.size > 0) {
      const replacement = checkReplacement(workspace, context);
      if ("reason" in replacement) return this.#refused(workspace, replacement);
      ({ removed, proposal } = replacement);
    } else {
      proposal = propose(workspace, this.mempool, removed);
      if (proposal.oversized) return this.#refused(workspace, reject("mempool-policy", "too-large-cluster"));
    }
    const failed =
      checkSpendsNoConflict(workspace, context) ??
      checkDustSpent(workspace, context, NOT_IN_PACKAGE) ??
      checkScriptsByPolicy(workspace) ??
      checkScriptsByConsensus(workspace, context);
    if (failed !== undefined) return this.#refused(workspace, failed);
    const replaced = [...removed].map((slot) => this.mempool.at(slot));
    if (!testAccept) this.#finalize(workspace, proposal, removed, replaced);
    return accepted(workspace, replaced);
  }

  #finalize(
    workspace: Workspace,
    proposal: GraphProposal,
    removed: ReadonlySet<number>,
    replaced: readonly MempoolEntry[],
  ): void {
    this.mempool.apply(proposal, removed, [workspace.fields!]);
    for (const entry of replaced) this.#logReplaced(entry, workspace);
  }

  #logReplaced(entry: MempoolEntry, { txid, wtxid, fields, modifiedFee }: Workspace): void {
    this.#log.debug("mempool", () => {
      const [old, oldWitness, own, ownWitness] = [entry.txid, entry.wtxid, txid, wtxid].map(toHexReversed);
      const was = `${old} (wtxid=${oldWitness}, fees=${entry.fee}, vsize=${entry.vsize})`;
      const is = `${own} (wtxid=${ownWitness}, fees=${modifiedFee}, vsize=${fields!.vsize})`;
      return `replacing mempool tx ${was}. New tx ${is}`;
    });
  }

  #limitSize(): void {
    const { maxSize, expiry } = this.mempool.options;
    const expired = this.mempool.expire(this.#now() - expiry);
    if (expired > 0) this.#log.debug("mempool", () => `Expired ${expired} transactions from the memory pool`);
    this.mempool.trimToSize(maxSize);
  }

  #refused(workspace: Workspace, rejection: Rejection): Refused {
    const { wtxid } = workspace;
    this.#log.debug(
      "mempoolrej",
      () => `${toHexReversed(workspace.txid)} was not accepted: ${rejectionText(rejection)}`,
    );
    if (rejection.result !== "reconsiderable") return { accepted: false, wtxid, rejection };
    return {
      accepted: false,
      wtxid,
      rejection,
      effectiveFeeRate: effectiveFeeRate(workspace),
      effectiveIncludes: [wtxid],
    };
  }

  /** Core: AcceptMultipleTransactions, as testmempoolaccept calls it. */
  #testPackage(workspaces: readonly Workspace[]): PackageResult {
    const context: AcceptContext = {
      ...this.#context({}, this.#chain.tip),
      allowReplacement: false,
      allowSiblingEviction: false,
    };
    const results: (AcceptResult | undefined)[] = workspaces.map(() => undefined);
    const fail = (i: number, rejection: Rejection): PackageResult => {
      results[i] = this.#refused(workspaces[i]!, rejection);
      return { rejection: undefined, results };
    };
    const tables = new Map<string, TxTable>();
    const packaged: PackageLookup = (txid) => tables.get(toHex(txid));
    for (const [i, workspace] of workspaces.entries()) {
      const refused = checkAlone(workspace, context) ?? checkWithCoins(workspace, context, packaged);
      if (refused !== undefined) return fail(i, refused);
      tables.set(toHex(workspace.txid), workspace.table);
    }
    const broken = this.#packageTruc(workspaces);
    if (broken !== undefined) return packageFailure("TRUC-violation", workspaces, broken);
    if (this.#proposeAll(workspaces).oversized) return packageFailure("too-large-cluster", workspaces);
    for (const [i, workspace] of workspaces.entries()) {
      const refused = checkDustSpent(workspace, context, packaged);
      if (refused !== undefined) return fail(i, refused);
    }
    for (const [i, workspace] of workspaces.entries()) {
      const refused = checkScriptsByPolicy(workspace);
      if (refused !== undefined) return fail(i, refused);
      results[i] = accepted(workspace, []);
    }
    return { rejection: undefined, results };
  }

  /** Brings the chain's coins into memory. @returns the outpoints of those that were not there before. */
  async #prefetch(workspaces: readonly Workspace[]): Promise<Uint8Array[]> {
    const { coins } = this.#chain;
    const outpoints = workspaces.flatMap(({ table }) => chainOutpoints(table, this.mempool));
    const missing = outpoints.filter((outpoint) => coins.get(outpoint) === undefined);
    if (missing.length > 0) await coins.prefetch(missing);
    return missing;
  }

  #packageTruc(workspaces: readonly Workspace[]): string | undefined {
    const group = workspaces.map(({ table, txid, wtxid, fields }) => ({
      table,
      txid,
      wtxid,
      vsize: fields!.vsize,
    }));
    for (const [i, { parents }] of workspaces.entries()) {
      const inMempool = parents.map((slot) => trucParent(this.mempool, this.mempool.at(slot)));
      const broken = checkPackageTruc(group[i]!, group, inMempool);
      if (broken !== undefined) return broken;
    }
    return undefined;
  }

  #proposeAll(workspaces: readonly Workspace[]): GraphProposal {
    const positions = new Map(workspaces.map(({ txid }, i) => [toHex(txid), i]));
    const add = workspaces.map(({ table, parents, modifiedFee, fields }) => {
      const own = new Set<number>();
      for (let input = 0; input < table.inputCount(0); input++) {
        const position = positions.get(toHex(table.prevTxid(input)));
        if (position !== undefined) own.add(-1 - position);
      }
      return { fee: modifiedFee, size: fields!.adjustedWeight, parents: [...parents, ...own] };
    });
    return this.mempool.propose({ remove: [], add });
  }
}

function effectiveFeeRate({ modifiedFee, fields }: Workspace): FeeRate {
  return fields === undefined ? NO_FEE_RATE : { fee: modifiedFee, size: fields.vsize };
}

function accepted(workspace: Workspace, replaced: readonly MempoolEntry[]): Accepted {
  const { wtxid, fields } = workspace;
  return {
    accepted: true,
    wtxid,
    vsize: fields!.vsize,
    baseFee: fields!.fee,
    effectiveFeeRate: effectiveFeeRate(workspace),
    effectiveIncludes: [wtxid],
    replaced,
  };
}

function packageFailure(reason: string, workspaces: readonly Workspace[], debug = ""): PackageResult {
  return { rejection: reject("mempool-policy", reason, debug), results: workspaces.map(() => undefined) };
}
