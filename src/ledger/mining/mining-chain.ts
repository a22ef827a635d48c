import type { Mutex } from "#base/lib/mutex.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import type { HeaderContext } from "#protocol/consensus/header-context.ts";
import type { Rejection } from "#protocol/consensus/rejection.ts";

/** What mining needs of the chain; node/ hands it over. */
export interface MiningChain {
  readonly network: Network;
  readonly lock: Mutex;
  readonly tip: HeaderContext;
  /** Seconds since 1970, mocked time included. */
  now(): number;
  /** Whether a block on the tip would connect (Core's TestBlockValidity). The caller holds the lock. */
  testBlock(raw: Uint8Array, checks: { pow: boolean; merkle: boolean }): Promise<Rejection | undefined>;
}

/** Where a found block goes: the chain as for a block from the user (Core's ProcessNewBlock, force_processing). */
export interface BlockSubmitter {
  /** `rejection` when its checks failed; `isNew` false when it was known. */
  submitBlock(raw: Uint8Array): Promise<{ isNew: boolean; rejection?: Rejection }>;
}
