/** An unspent output of the active chain. */
export interface Coin {
  /** Satoshi. */
  readonly amount: number;
  readonly script: Uint8Array;
  /** Of the block that made it. */
  readonly height: number;
  readonly coinbase: boolean;
}

/**
 * The coins of the active chain as they are with the tip. What is asked for is fetched first, then read at once.
 * Who needs both to stand still holds the chain-state lock.
 */
export interface CoinView {
  /** Brings the coins of these outpoints (36 bytes: txid and u32 index) into memory, where they exist. */
  prefetch(outpoints: readonly Uint8Array[]): Promise<void>;
  /** A coin that is in memory; `undefined` when it is spent, never was, or was not fetched. */
  get(outpoint: Uint8Array): Coin | undefined;
}
