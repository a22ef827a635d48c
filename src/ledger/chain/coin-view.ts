import { concatBytes } from "#base/lib/bytes.ts";
import type { Coin, CoinCache } from "./coins.ts";

export type { Coin };

/**
 * The coins of the active chain as they are with the tip. What is asked for is fetched first, then read at once.
 * Who needs both to stand still holds the chain-state lock from the one to the other.
 */
export interface CoinView {
  /** Brings the coins of these outpoints (36 bytes: txid and u32 index) into memory, where they exist. */
  prefetch(outpoints: readonly Uint8Array[]): Promise<void>;
  /** A coin that is in memory; `undefined` when it is spent, never was, or was not fetched. */
  get(outpoint: Uint8Array): Coin | undefined;
}

/** The view that readers outside this folder get. */
export function viewOf(coins: CoinCache): CoinView {
  return {
    prefetch: (outpoints) => coins.fetch(concatBytes(...outpoints)),
    get: (outpoint) => coins.get(outpoint),
  };
}
