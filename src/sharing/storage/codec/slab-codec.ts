/**
 * Slabs to shards and back, on worker threads or on the calling one: ChaCha20-Poly1305 under a fresh key, Reed–Solomon
 * over the ciphertext, a Merkle tree a shard. It works stripe by stripe, so that a slab never stands whole in memory
 * unless its user wants it to.
 */
import { merkleRoot } from "#base/crypto/merkle-tree.ts";
import type { Random } from "#base/lib/random.ts";
import { WorkerPool } from "#base/workers/worker-pool.ts";
import { type CodecJob, type CodecResult, runCodecJob } from "./codec-job.ts";
import { newRowProduct, type RowProduct } from "./row-product.ts";
import { type Scheme, SlabGeometry, type StripeSpan } from "./scheme.ts";
import type { StripeKey } from "./stripe-work.ts";

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

/** A cell that was made anew, with its leaf hashes: over all stripes their Merkle root is the shard's. */
export interface RemadeCell {
  readonly cell: Uint8Array;
  readonly leafHashes: readonly Uint8Array[];
}

export interface SlabCodecOptions {
  readonly random: Random;
  /** Threads; 0 works on the calling thread. */
  readonly workers: number;
}

/** Stripes made ahead of the one that is handed over, a worker. */
const AHEAD = 2;

export class SlabCodec {
  readonly #random: Random;
  readonly #pool: WorkerPool<CodecJob, CodecResult> | undefined;
  #product: RowProduct | undefined;

  constructor(options: SlabCodecOptions) {
    this.#random = options.random;
    if (options.workers > 0) {
      this.#pool = new WorkerPool({
        file: new URL("./codec-worker.ts", import.meta.url),
        size: options.workers,
        name: "codec",
      });
    }
  }

  /**
   * Encodes a slab, handing over its stripes in order; the next are made meanwhile, a few ahead at most.
   * @param plaintext chunks of any sizes, together 1 to `slabCapacity` bytes. The list is emptied as it is read, so
   * that a slab does not stand in memory both plain and as shards; the chunks themselves are not changed.
   * @throws whatever `take` throws; RangeError for a scheme or a length that no slab has.
   */
  async encode(
    scheme: Scheme,
    plaintext: Uint8Array[],
    take: (stripe: EncodedStripe) => void | Promise<void>,
  ): Promise<EncodedSlab> {
    const length = plaintext.reduce((sum, chunk) => sum + chunk.length, 0);
    const geometry = new SlabGeometry(scheme, length);
    const key = this.#random.fill(new Uint8Array(32));
    const reader = new ChunkReader(plaintext);
    const leaves = Array.from({ length: scheme.total }, (): Uint8Array[] => []);
    const ahead = this.#pool === undefined ? 1 : AHEAD * this.#pool.size;
    const making: Promise<CodecResult>[] = [];
    try {
      for (let stripe = 0, next = 0; stripe < geometry.stripes; stripe++) {
        for (; next < geometry.stripes && making.length < ahead; next++) {
          const bytes = reader.take(geometry.stripeLength(next));
          const job: CodecJob = { do: "encode", ...stripeKey(geometry, key, next), plaintext: bytes };
          const made = this.#run(job, [bytes.buffer]);
          // A thread that dies fails all that are ahead at once; the first of them is told of, in its turn.
          made.catch(() => {});
          making.push(made);
        }
        await take({ stripe, cells: cellsOf(await making.shift()!, geometry, stripe, leaves) });
      }
    } finally {
      // Where something failed, what is still being made has no taker.
      await Promise.allSettled(making);
    }
    return { scheme, length, key, roots: leaves.map(merkleRoot), shardLength: geometry.shardLength };
  }

  /** As {@link encode}, each shard whole: `total` × up to 4 MiB. */
  async encodeWhole(
    scheme: Scheme,
    plaintext: Uint8Array[],
  ): Promise<{ readonly slab: EncodedSlab; readonly shards: readonly Uint8Array[] }> {
    const length = plaintext.reduce((sum, chunk) => sum + chunk.length, 0);
    const { shardLength } = new SlabGeometry(scheme, length);
    const shards = Array.from({ length: scheme.total }, () => new Uint8Array(shardLength));
    let at = 0;
    const slab = await this.encode(scheme, plaintext, ({ cells }) => {
      for (const [i, cell] of cells.entries()) shards[i]!.set(cell, at);
      at += cells[0]!.length;
    });
    return { slab, shards };
  }

  /**
   * The plaintext of part of a stripe, as `SlabGeometry.spans` gives it. `cells` are verified cells of that stripe by
   * shard number: the data cells from `firstCell` to `lastCell`, or else any `needed`.
   * @returns undefined when a cell is not what this key made (its proof held, so the slab's record is false).
   * @throws RangeError when there are too few cells, or one of another length.
   */
  async decode(
    slab: SlabKey,
    span: StripeSpan,
    cells: ReadonlyMap<number, Uint8Array>,
  ): Promise<Uint8Array | undefined> {
    const geometry = new SlabGeometry(slab.scheme, slab.length);
    const { firstCell, lastCell } = span;
    let shards: number[] = [];
    for (let cell = firstCell; cell <= lastCell; cell++) shards.push(cell);
    if (!shards.every((shard) => cells.has(shard))) shards = enough(slab.scheme, cells);
    const key = stripeKey(geometry, slab.key, span.stripe);
    const packed = pack(cells, shards, key.cellLength);
    const job: CodecJob = { do: "decode", ...key, firstCell, lastCell, shards, cells: packed };
    const result = await this.#run(job, [packed.buffer]);
    const plaintext = "plaintext" in result ? result.plaintext : undefined;
    return plaintext?.subarray(span.skip, span.skip + span.length);
  }

  /**
   * Makes cells of lost shards anew from any `needed` cells of the same stripe; no key is needed.
   * @throws RangeError when there are too few cells, or they differ in length.
   */
  async remake(
    scheme: Scheme,
    cells: ReadonlyMap<number, Uint8Array>,
    wanted: readonly number[],
  ): Promise<readonly RemadeCell[]> {
    const shards = enough(scheme, cells);
    const cellLength = cells.get(shards[0]!)!.length;
    const packed = pack(cells, shards, cellLength);
    const job: CodecJob = { do: "remake", scheme, shards, wanted, cells: packed, cellLength };
    const result = await this.#run(job, [packed.buffer]);
    if (!("remade" in result)) throw new Error("another result than was asked for");
    const { remade } = result;
    const hashBytes = remade.hashes.length / wanted.length;
    return wanted.map((_, i) => ({
      cell: remade.cells.subarray(i * cellLength, (i + 1) * cellLength),
      leafHashes: hashesOf(remade.hashes, i * hashBytes, (i + 1) * hashBytes),
    }));
  }

  /** Stops the threads; what was not done is rejected. */
  async close(): Promise<void> {
    await this.#pool?.close();
  }

  async #run(job: CodecJob, transfer: ArrayBuffer[]): Promise<CodecResult> {
    if (this.#pool !== undefined) return this.#pool.run(job, transfer);
    this.#product ??= newRowProduct();
    return runCodecJob(job, this.#product);
  }
}

function stripeKey(geometry: SlabGeometry, key: Uint8Array, stripe: number): StripeKey {
  const isLast = stripe === geometry.stripes - 1;
  return {
    scheme: geometry.scheme,
    key,
    stripe,
    slabLength: isLast ? geometry.length : undefined,
    cellLength: geometry.cellLength(stripe),
  };
}

/** The cells of an encoded stripe; their leaf hashes go to `leaves`. */
function cellsOf(
  result: CodecResult,
  geometry: SlabGeometry,
  stripe: number,
  leaves: readonly Uint8Array[][],
): Uint8Array[] {
  if (!("encoded" in result)) throw new Error("another result than was asked for");
  const { data, parity, hashes } = result.encoded;
  const { needed, total } = geometry.scheme;
  const length = geometry.cellLength(stripe);
  const hashBytes = hashes.length / total;
  const cells: Uint8Array[] = [];
  for (let i = 0; i < total; i++) {
    const from = i < needed ? data : parity;
    const at = (i < needed ? i : i - needed) * length;
    cells.push(from.subarray(at, at + length));
    leaves[i]!.push(...hashesOf(hashes, i * hashBytes, (i + 1) * hashBytes));
  }
  return cells;
}

function hashesOf(hashes: Uint8Array, from: number, to: number): Uint8Array[] {
  const list: Uint8Array[] = [];
  for (let at = from; at < to; at += 32) list.push(hashes.subarray(at, at + 32));
  return list;
}

/** `needed` of the cells that are there, data first: the fewer are missing, the less is computed. */
function enough(scheme: Scheme, cells: ReadonlyMap<number, Uint8Array>): number[] {
  const shards = [...cells.keys()].sort((a, b) => a - b).slice(0, scheme.needed);
  const isSound = shards.every((shard) => Number.isInteger(shard) && shard >= 0 && shard < scheme.total);
  if (shards.length < scheme.needed || !isSound) {
    throw new RangeError(`${shards.length} cells, ${scheme.needed} are needed`);
  }
  return shards;
}

function pack(
  cells: ReadonlyMap<number, Uint8Array>,
  shards: readonly number[],
  cellLength: number,
): Uint8Array<ArrayBuffer> {
  const packed = new Uint8Array(shards.length * cellLength);
  for (const [i, shard] of shards.entries()) {
    const cell = cells.get(shard)!;
    if (cell.length !== cellLength) throw new RangeError(`a cell of ${cell.length} bytes, not ${cellLength}`);
    packed.set(cell, i * cellLength);
  }
  return packed;
}

/** Reads chunks as one string of bytes, and lets go of each that it has read. */
class ChunkReader {
  readonly #chunks: Uint8Array[];
  #at = 0;

  constructor(chunks: Uint8Array[]) {
    // Taken from the end, which costs nothing however many there are.
    this.#chunks = chunks.reverse();
  }

  /** A copy of the next `length` bytes. */
  take(length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      const chunk = this.#chunks.at(-1)!;
      const part = chunk.subarray(this.#at, this.#at + length - filled);
      bytes.set(part, filled);
      filled += part.length;
      this.#at += part.length;
      if (this.#at === chunk.length) {
        this.#chunks.pop();
        this.#at = 0;
      }
    }
    return bytes;
  }
}
