import type { Mempool } from "#ledger/mempool/mempool.ts";
import type { MempoolEntry } from "#ledger/mempool/mempool-entry.ts";
import { MAX_BLOCK_SIGOPS_COST } from "#protocol/consensus/limits.ts";
import { isFinalTx } from "#protocol/consensus/tx-inputs.ts";
import { compareFeeRates, perVirtualSize } from "#protocol/policy/fee-rate.ts";
import type { TemplateOptions } from "./template-options.ts";

/** What goes into a block beside its coinbase. */
export interface Selection {
  /** In block order. */
  readonly entries: readonly MempoolEntry[];
  /** Satoshi. */
  readonly fees: number;
  /** With what is reserved for header, count and coinbase. */
  readonly weight: number;
  readonly sigopCost: number;
}

/** Chunks in a row that did not fit, after which a nearly full block is left as it is. */
const MAX_CONSECUTIVE_FAILURES = 1000;
/** Weight under the limit at which a block counts as nearly full. */
const FULL_ENOUGH = 4000;

/** A block without transactions of the mempool. */
export function selectNothing(options: TemplateOptions): Selection {
  return { entries: [], fees: 0, weight: options.reservedWeight, sigopCost: options.reservedSigops };
}

/**
 * Fills a block with the best chunks of the mempool (Core: BlockAssembler::addChunks).
 * @param height of the block; `lockTime` is the median time past before it.
 */
export function selectTransactions(
  mempool: Mempool,
  options: TemplateOptions,
  { height, lockTime }: { height: number; lockTime: number },
): Selection {
  const entries: MempoolEntry[] = [];
  let { fees, weight, sigopCost } = selectNothing(options);
  let failures = 0;
  const chunks = mempool.bestChunks();
  for (let next = chunks.next(); next.done !== true; ) {
    const chunk = next.value;
    const rate = perVirtualSize({ fee: chunk.fee, size: chunk.weight });
    // All that follow have a lower rate.
    if (compareFeeRates(rate, options.minFeeRate) < 0) break;
    const chunkSigops = chunk.entries.reduce((sum, entry) => sum + entry.sigopCost, 0);
    const fits = weight + chunk.weight < options.maxWeight && sigopCost + chunkSigops < MAX_BLOCK_SIGOPS_COST;
    const taken = fits && chunk.entries.every(({ table }) => isFinalTx(table, 0, height, lockTime));
    if (taken) {
      failures = 0;
      for (const entry of chunk.entries) {
        entries.push(entry);
        fees += entry.fee;
        weight += entry.weight;
        sigopCost += entry.sigopCost;
      }
    } else {
      failures++;
      if (failures > MAX_CONSECUTIVE_FAILURES && weight + FULL_ENOUGH > options.maxWeight) break;
    }
    next = chunks.next(!taken);
  }
  return { entries, fees, weight, sigopCost };
}
