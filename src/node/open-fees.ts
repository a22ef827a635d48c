/** The fee estimator of the node: what it learnt is read at the start, and written each hour and at the end. */
import type { Clock } from "#base/lib/clock.ts";
import { unixTime } from "#base/lib/clock.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { FileSystem } from "#base/store/file-system.ts";
import type { ChainState } from "#ledger/chain/chain-state.ts";
import { loadEstimates, saveEstimates } from "#ledger/mempool/fee-estimates-file.ts";
import type { FeeEstimator } from "#ledger/mempool/fee-estimator.ts";
import type { Mempool } from "#ledger/mempool/mempool.ts";
import type { MempoolEntry } from "#ledger/mempool/mempool-entry.ts";

/** Milliseconds between two writes (Core: FEE_FLUSH_INTERVAL). */
const SAVE_EVERY = 3_600_000;
/** A tip that is older, seconds, is none by which to count blocks (Core: MAX_FEE_ESTIMATION_TIP_AGE). */
const OLDEST_TIP = 3 * 3600;

export interface FeesDependencies {
  readonly files: FileSystem;
  readonly clock: Clock;
  readonly log: Logger;
  readonly stack: AsyncDisposableStack;
}

/** @param path of the file; it need not be there */
export async function openFees(
  path: string,
  { files, clock, log, stack }: FeesDependencies,
): Promise<FeeEstimator> {
  const parts = { files, log, now: () => unixTime(clock) };
  const estimator = await loadEstimates(path, parts);
  let saving = Promise.resolve();
  let isOpen = true;
  let cancel = () => {};
  const save = () => {
    saving = saving.then(() => saveEstimates(estimator, path, parts));
    return saving;
  };
  const wait = () => {
    if (isOpen) cancel = clock.after(SAVE_EVERY, () => void save().then(wait));
  };
  wait();
  stack.defer(async () => {
    isOpen = false;
    cancel();
    estimator.giveUpWaiting();
    await save();
  });
  return estimator;
}

/**
 * Whether a transaction that came into the mempool tells what fees do: it came by itself and at the usual limits, it
 * hangs on no other that waits, and we see every block as it comes.
 */
export function tellsOfFees(
  entry: MempoolEntry,
  chain: Pick<ChainState, "isInitialBlockDownload" | "tip" | "headers">,
  mempool: Pick<Mempool, "parents">,
  now: number,
): boolean {
  const isReturned = entry.sequence === 0;
  const { tip, headers } = chain;
  const isCurrent =
    !chain.isInitialBlockDownload() && tip.time >= now - OLDEST_TIP && tip.height >= headers.best.height - 1;
  return !isReturned && isCurrent && mempool.parents(entry).length === 0;
}
