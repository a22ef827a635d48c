import type { Logger } from "#base/lib/logger.ts";
import type { Random } from "#base/lib/random.ts";
import { type FeeRate, feeRatePerKvb } from "#protocol/policy/fee-rate.ts";

/** Clusters larger than this cost too much to put in order (Core: MAX_CLUSTER_COUNT_LIMIT). */
const MAX_CLUSTER_COUNT_LIMIT = 64;

/** The mempool's limits and the node's relay policy, with Core v31's defaults. */
export interface MempoolOptions {
  /** -maxmempool in bytes of memory. */
  readonly maxSize: number;
  /** -mempoolexpiry in seconds. */
  readonly expiry: number;
  /** -incrementalrelayfee: what a replacement pays beyond what it replaces, and the step of the rolling minimum. */
  readonly incrementalRelayFee: FeeRate;
  /** -minrelaytxfee. */
  readonly minRelayFee: FeeRate;
  /** -dustrelayfee. */
  readonly dustRelayFee: FeeRate;
  /** -datacarriersize, undefined with -datacarrier=0. */
  readonly maxDataCarrierBytes: number | undefined;
  readonly permitBareMultisig: boolean;
  /** False with -acceptnonstdtxn. */
  readonly requireStandard: boolean;
  /** -bytespersigop. */
  readonly bytesPerSigop: number;
  /** -limitclustercount, at most {@link MAX_CLUSTER_COUNT_LIMIT}. */
  readonly maxClusterCount: number;
  /** -limitclustersize in virtual bytes. */
  readonly maxClusterSize: number;
}

export const DEFAULT_MEMPOOL_OPTIONS: MempoolOptions = {
  maxSize: 300_000_000,
  expiry: 336 * 3600,
  incrementalRelayFee: feeRatePerKvb(100),
  minRelayFee: feeRatePerKvb(100),
  dustRelayFee: feeRatePerKvb(3000),
  maxDataCarrierBytes: 100_000,
  permitBareMultisig: true,
  requireStandard: true,
  bytesPerSigop: 20,
  maxClusterCount: MAX_CLUSTER_COUNT_LIMIT,
  maxClusterSize: 101_000,
};

export interface MempoolDependencies {
  readonly log: Logger;
  /** Salts the indexes and drives the search for the best orders. */
  readonly random: Random;
  /** Seconds since 1970, mocked time included. */
  now(): number;
}

/** Core's words for options that cannot be, `undefined` when they can. */
export function whyImpossible(options: MempoolOptions): string | undefined {
  if (options.maxClusterCount > MAX_CLUSTER_COUNT_LIMIT) {
    return `limitclustercount must be less than or equal to ${MAX_CLUSTER_COUNT_LIMIT}`;
  }
  const least = options.maxClusterSize * 40;
  if (options.maxSize >= least) return undefined;
  return `-maxmempool must be at least ${Math.ceil(least / 1_000_000)} MB`;
}
