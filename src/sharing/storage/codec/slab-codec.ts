/**
 * Slabs to shards and back, on worker threads or on the calling one: ChaCha20-Poly1305 under a fresh key, Reed–Solomon
 * over the ciphertext, a Merkle tree a shard. It works stripe by stripe, so that a slab never stands whole in memory
 * unless its user wants it to.
 */
import type { Random } from "#base/lib/random.ts";
import type { Scheme } from "./scheme.ts";

/** What reading a slab takes: kept in the files' metadata, never on a host. */
export interface SlabKey {
  readonly scheme: Scheme;
  /** Bytes of plaintext. */
  readonly length: number;
  /** 32 bytes, used for this slab alone. */
  readonly key: Uint8Array;
}

/** A slab as it was made: how to read it, and the root of each shard. */
export interface EncodedSlab extends SlabKey {
  /** Merkle root of each shard, in order; 32 bytes each. */
  readonly roots: readonly Uint8Array[];
  /** Bytes of each shard. */
  readonly shardLength: number;
}

/** One stripe: cell j belongs to shard j, at `stripe` × 64 KiB. */
export interface EncodedStripe {
  readonly stripe: number;
  /** All `total` cells. Data and parity stand in two buffers: keeping the data does not keep the parity. */
  readonly cells: readonly Uint8Array[];
}

export interface SlabCodecOptions {
  readonly random: Random;
  /** Threads; 0 works on the calling thread. */
  readonly workers: number;
}

/** The methods of `SlabCodec`. */
export interface SlabCodecFace {
  /**
   * Encodes a slab, handing over its stripes in order; the next are made meanwhile, a few ahead at most.
   * @param plaintext chunks of any sizes, together 1 to `slabCapacity` bytes; not changed, and not held after the end.
   */
  encode(
    scheme: Scheme,
    plaintext: readonly Uint8Array[],
    take: (stripe: EncodedStripe) => void | Promise<void>,
  ): Promise<EncodedSlab>;
  /** As {@link encode}, each shard whole: `total` × up to 4 MiB. */
  encodeWhole(
    scheme: Scheme,
    plaintext: readonly Uint8Array[],
  ): Promise<{ readonly slab: EncodedSlab; readonly shards: readonly Uint8Array[] }>;
  /**
   * The plaintext of part of a stripe (of `SlabGeometry.spans`). `cells` are verified cells of that stripe by shard
   * number: the data cells from `firstCell` to `lastCell`, or else any `needed`.
   * @returns undefined when a cell is not what this key made (the proof held, so the slab's record is false).
   * @throws RangeError when there are too few cells.
   */
  decode(
    slab: SlabKey,
    span: {
      readonly stripe: number;
      readonly firstCell: number;
      readonly lastCell: number;
      readonly skip: number;
      readonly length: number;
    },
    cells: ReadonlyMap<number, Uint8Array>,
  ): Promise<Uint8Array | undefined>;
  /**
   * Makes cells of lost shards anew from any `needed` cells of the same stripe; no key is needed. The leaf hashes of
   * each cell come along: over all stripes their Merkle root is the shard's.
   * @throws RangeError when there are too few cells, or they differ in length.
   */
  remake(
    scheme: Scheme,
    cells: ReadonlyMap<number, Uint8Array>,
    wanted: readonly number[],
  ): Promise<readonly { readonly cell: Uint8Array; readonly leafHashes: readonly Uint8Array[] }[]>;
  close(): Promise<void>;
}
