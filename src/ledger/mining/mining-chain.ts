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
  /** What is known of a block: its scripts hold, it or an ancestor is invalid, or neither is sure; undefined: nothing. */
  knowledgeOf(hash: Uint8Array): "valid" | "invalid" | "inconclusive" | undefined;
  /** A header by its hash, on whatever branch. */
  header(hash: Uint8Array): HeaderContext | undefined;
}

/** Where a found block goes: the chain, as for a block from the user. A `ChainState` is one. */
export interface BlockSubmitter {
  /** Core's ProcessNewBlock: `isNew` is false when we had it or refuse it. */
  acceptBlock(
    raw: Uint8Array,
    options: { requested: boolean; minPowChecked: boolean },
  ): Promise<{ readonly isNew: boolean; readonly rejection?: Rejection }>;
  /** Tells the verdict on each block that was checked to its end. */
  readonly blockChecked: {
    on(
      listener: (verdict: { readonly hash: Uint8Array; readonly rejection?: Rejection }) => void,
    ): () => void;
  };
}
