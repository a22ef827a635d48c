import type { Mutex } from "#base/lib/mutex.ts";
import type { BlockTable } from "#protocol/bitcoin/block-table.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import type { TxHashes } from "#protocol/bitcoin/txid.ts";
import type { HeaderContext } from "#protocol/consensus/header-context.ts";

/** An unspent output of the active chain. */
export interface ChainCoin {
  /** Satoshi. */
  readonly amount: number;
  readonly script: Uint8Array;
  readonly height: number;
  readonly coinbase: boolean;
}

/** The coins of the active chain: what is asked for is fetched first, then read at once. */
export interface ChainCoins {
  /** Brings the coins of these outpoints (36 bytes: txid and u32 index) into memory, where they exist. */
  prefetch(outpoints: readonly Uint8Array[]): Promise<void>;
  /** A coin that is in memory; `undefined` when it is spent, never was, or was not fetched. */
  get(outpoint: Uint8Array): ChainCoin | undefined;
  /**
   * Lets go of coins that were fetched for nothing and have not changed since, so that a flood of refused
   * transactions does not fill the cache (Core: CCoinsViewCache::Uncache).
   */
  release?(outpoints: readonly Uint8Array[]): void;
}

/** What the mempool needs of the chain; node/ hands it over. */
export interface MempoolChain {
  readonly network: Network;
  /** The one chain-state lock. */
  readonly lock: Mutex;
  readonly tip: HeaderContext;
  readonly coins: ChainCoins;
}

/** A block that left or joined the active chain. */
export interface MovedBlock {
  readonly node: HeaderContext;
  load(): Promise<{ readonly block: BlockTable; readonly hashes: TxHashes }>;
}

/** One move of the tip. */
export interface ChainMove {
  /** From the old tip down. */
  readonly disconnected: readonly MovedBlock[];
  /** Upwards to the new tip. */
  readonly connected: readonly MovedBlock[];
  readonly tip: HeaderContext;
}
