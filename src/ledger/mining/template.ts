import type { Mempool } from "#ledger/mempool/mempool.ts";
import type { MempoolEntry } from "#ledger/mempool/mempool-entry.ts";
import type { BlockHash } from "#protocol/bitcoin/hashes.ts";
import type { FeeRate } from "#protocol/policy/fee-rate.ts";
import type { MiningChain } from "./mining-chain.ts";

/** Core's BlockAssembler options with their defaults. */
export interface TemplateOptions {
  /** -blockmaxweight. */
  readonly maxWeight: number;
  /** -blockreservedweight: kept for header, count and coinbase. */
  readonly reservedWeight: number;
  /** Sigop cost kept for the coinbase's outputs. */
  readonly reservedSigops: number;
  /** -blockmintxfee. */
  readonly minFeeRate: FeeRate;
  /** -blockversion, on chains that mine on demand. */
  readonly version: number | undefined;
}

/** A block without proof of work, and what its miner wants to know. */
export interface BlockTemplate {
  /** The whole block, with a zero nonce, a coinbase to `coinbaseScript` and its merkle root. */
  readonly block: Uint8Array;
  readonly height: number;
  readonly prevHash: BlockHash;
  readonly version: number;
  readonly time: number;
  readonly bits: number;
  /** Earliest time that the header may carry. */
  readonly minTime: number;
  readonly entries: readonly MempoolEntry[];
  /** Satoshi: subsidy and fees. */
  readonly coinbaseValue: number;
  /** Script of the witness commitment output. */
  readonly witnessCommitment: Uint8Array | undefined;
  readonly weight: number;
  readonly sigopCost: number;
}

/** Builds a block on the tip from the best chunks of the mempool. The caller holds the chain-state lock. */
export function createTemplate(
  _options: TemplateOptions & { coinbaseScript: Uint8Array; useMempool?: boolean },
  _dependencies: { chain: MiningChain; mempool: Mempool },
): Promise<BlockTemplate> {
  throw new Error("not built yet");
}
