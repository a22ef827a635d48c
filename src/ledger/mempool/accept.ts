import type { Wtxid } from "#protocol/bitcoin/hashes.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";
import type { Rejection } from "#protocol/consensus/rejection.ts";
import type { FeeRate } from "#protocol/policy/fee-rate.ts";
import type { Mempool } from "./mempool.ts";
import type { ChainMove, MempoolChain } from "./mempool-chain.ts";
import type { MempoolEntry } from "./mempool-entry.ts";
import type { MempoolDependencies, MempoolOptions } from "./mempool-options.ts";

/** A transaction that was taken, or would be. */
export interface Accepted {
  readonly accepted: true;
  readonly wtxid: Wtxid;
  readonly vsize: number;
  /** Satoshi. */
  readonly baseFee: number;
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

export interface PackageResult {
  /** Why the package as a whole failed, as Core's PackageValidationState; undefined when it did not. */
  readonly rejection: Rejection | undefined;
  /** By index of the transaction, undefined where its checks were not finished. */
  readonly results: readonly (AcceptResult | undefined)[];
}

export interface AcceptOptions {
  /** Checks everything and adds nothing (testmempoolaccept). */
  readonly testAccept?: boolean;
  /** Skips the fee and size limits, as for transactions of disconnected blocks. */
  readonly bypassLimits?: boolean;
  /** Seconds since 1970, `chain.now()` when left out. */
  readonly time?: number;
}

const unbuilt = (): never => {
  throw new Error("not built yet");
};

/** Takes transactions into the mempool and keeps it true to the chain: every change of the mempool goes through it. */
export class MempoolAcceptor {
  readonly mempool: Mempool;
  constructor(
    _options: MempoolOptions,
    dependencies: MempoolDependencies & { chain: MempoolChain; mempool: Mempool },
  ) {
    this.mempool = dependencies.mempool;
  }
  /** Takes the chain-state lock. The table holds one transaction. */
  accept(_table: TxTable, _options: AcceptOptions = {}): Promise<AcceptResult> {
    return unbuilt();
  }
  /** As {@link accept}, for a caller that holds the lock. */
  acceptLocked(_table: TxTable, _options: AcceptOptions = {}): Promise<AcceptResult> {
    return unbuilt();
  }
  /** testmempoolaccept of several: as a package without replacement and without package fee rates. */
  testPackage(_tables: readonly TxTable[]): Promise<PackageResult> {
    return unbuilt();
  }
  /** After the tip moved, under the lock: what was mined or conflicts leaves, what was disconnected is tried again. */
  chainMoved(_move: ChainMove): Promise<void> {
    return unbuilt();
  }
  /** Removes what is older than -mempoolexpiry and evicts down to -maxmempool. Caller holds the lock. */
  limitSize(): Promise<void> {
    return unbuilt();
  }
}
