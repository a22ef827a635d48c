import type { CoinSnapshot } from "./coin-database.ts";

export type UtxoHashType = "hash_serialized_3" | "muhash" | "none";

/** What gettxoutsetinfo tells of the UTXO set (Core's CCoinsStats). */
export interface UtxoStats {
  readonly txouts: number;
  readonly transactions: number;
  /** Core's database-independent measure of size. */
  readonly bogosize: number;
  /** Satoshi. */
  readonly totalAmount: number;
  /** In hashed order; undefined for "none". */
  readonly hash: Uint8Array | undefined;
}

/** Walks the whole set in slices of at most 20 ms. @throws the signal's reason when aborted. */
export declare function utxoStats(
  snapshot: CoinSnapshot,
  hashType: UtxoHashType,
  options?: { signal?: AbortSignal },
): Promise<UtxoStats>;
