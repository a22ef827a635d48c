import type { Logger } from "#base/lib/logger.ts";
import { type FeeRate, feeRatePerKvb } from "#protocol/policy/fee-rate.ts";

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
  /** -limitclustercount, at most 64. */
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
  maxClusterCount: 64,
  maxClusterSize: 101_000,
};

export interface MempoolDependencies {
  readonly log: Logger;
}
