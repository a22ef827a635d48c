import type { Disk } from "#base/store/disk.ts";
import type { FileSystem } from "#base/store/file-system.ts";
import type { BlockHash } from "#protocol/bitcoin/hashes.ts";
import type { Coin } from "./coins.ts";

/** Name of the file inside `chainstate/` that marks the data directory as ours. */
export const MARKER = "FREEHOLD";

/**
 * Whether a `chainstate/` directory may be used: `"fresh"` (absent or empty), `"ours"` (marker there), or
 * `"foreign"` (another program's, such as Bitcoin Core's: leave it untouched).
 */
export declare function ownerOfChainstate(
  files: FileSystem,
  path: string,
): Promise<"fresh" | "ours" | "foreign">;

/** Makes the directory and puts the marker in it, durably, before anything else is written there. */
export declare function markChainstate(files: FileSystem, path: string): Promise<void>;

/** The UTXO set on disk, in Core's chainstate format without obfuscation. */
export declare class CoinDatabase {
  /** Opens (and marks) the directory. @throws ForeignChainstateError when it is another program's. */
  static open(
    options: { path: string; cacheBytes?: number; writeBufferBytes?: number },
    dependencies: { disk: Disk },
  ): Promise<CoinDatabase>;
  /** The block whose UTXO set this is; undefined when empty or when a flush was cut ({@link heads}). */
  bestBlock(): Promise<BlockHash | undefined>;
  /** A flush that did not end: the set is somewhere between `old` (undefined: empty) and `new`. */
  heads(): Promise<{ new: BlockHash; old: BlockHash | undefined } | undefined>;
  get(txid: Uint8Array, index: number): Promise<Coin | undefined>;
  snapshot(): Promise<CoinSnapshot>;
  /** Bytes on disk, estimated (`disk_size`). */
  estimateSize(): Promise<number>;
  close(): Promise<void>;
}

/** The UTXO set at one instant. */
export interface CoinSnapshot {
  readonly bestBlock: BlockHash | undefined;
  /**
   * Coins by txid and index in key order, decoded in slices of at most 20 ms; `visit` sees each. `from` starts at a
   * txid.
   */
  forEach(visit: (coin: SnapshotCoin) => void, options?: { signal?: AbortSignal }): Promise<void>;
  close(): Promise<void>;
}

/** One coin of a snapshot; the object is used again for the next, its views are valid during the visit. */
export interface SnapshotCoin {
  readonly txid: Uint8Array;
  readonly index: number;
  readonly amount: number;
  readonly script: Uint8Array;
  readonly height: number;
  readonly coinbase: boolean;
}
