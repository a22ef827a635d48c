/**
 * The work on one stripe: encrypting and encoding it, opening part of it, making lost cells anew. Plain functions of
 * bytes, run by the codec's workers or on the calling thread; each thread has one matrix product of its own.
 */
import { sealInto, unseal } from "#base/crypto/aead.ts";
import { leafHashInto } from "#base/crypto/merkle-tree.ts";
import { conversionRows, parityRows } from "./erasure-matrix.ts";
import type { Matrix } from "./gf256.ts";
import type { RowProduct } from "./row-product.ts";
import { CELL_PLAINTEXT, LEAF_BYTES, type Scheme, TAG_BYTES } from "./scheme.ts";

/** What sealing and opening the cells of a stripe takes. */
export interface StripeKey {
  readonly scheme: Scheme;
  readonly key: Uint8Array;
  readonly stripe: number;
  /** For the last stripe the plaintext length of the slab, which its last cell authenticates. */
  readonly slabLength: number | undefined;
  /** Bytes of each cell, tag included. */
  readonly cellLength: number;
}

export interface EncodeJob extends StripeKey {
  readonly do: "encode";
  /** The stripe's plaintext; zeros are added up to `needed` cells. */
  readonly plaintext: Uint8Array<ArrayBuffer>;
}

export interface EncodedCells {
  /** `needed` cells, end to end. */
  readonly data: Uint8Array<ArrayBuffer>;
  /** `total − needed` cells, end to end. */
  readonly parity: Uint8Array<ArrayBuffer>;
  /** Leaf hashes of each cell in turn, 32 bytes each. */
  readonly hashes: Uint8Array<ArrayBuffer>;
}

export interface DecodeJob extends StripeKey {
  readonly do: "decode";
  readonly firstCell: number;
  readonly lastCell: number;
  /** Shard numbers of the cells given. */
  readonly shards: readonly number[];
  /** These cells, end to end. */
  readonly cells: Uint8Array<ArrayBuffer>;
}

export interface RemakeJob {
  readonly do: "remake";
  readonly scheme: Scheme;
  readonly shards: readonly number[];
  readonly wanted: readonly number[];
  readonly cells: Uint8Array<ArrayBuffer>;
  readonly cellLength: number;
}

export interface RemadeCells {
  /** The wanted cells, end to end. */
  readonly cells: Uint8Array<ArrayBuffer>;
  readonly hashes: Uint8Array<ArrayBuffer>;
}

const PADDING = new Uint8Array(CELL_PLAINTEXT);

/**
 * The nonce of STREAM (Hoang, Reyhanitabar, Rogaway, Vizár, 2015): seven zeros, as no other slab has the key; the
 * cell's number in the slab, big-endian; 1 for the slab's last cell, else 0.
 */
function cellNonce(key: StripeKey, cell: number): Uint8Array {
  const { scheme, stripe, slabLength } = key;
  const number = stripe * scheme.needed + cell;
  const isLast = slabLength !== undefined && cell === scheme.needed - 1;
  const nonce = new Uint8Array(12);
  new DataView(nonce.buffer).setUint32(7, number);
  nonce[11] = isLast ? 1 : 0;
  return nonce;
}

/** What the slab's last cell authenticates beside itself: the length of the plaintext, 64-bit big-endian. */
function associatedOf(key: StripeKey, cell: number): Uint8Array | undefined {
  if (key.slabLength === undefined || cell !== key.scheme.needed - 1) return undefined;
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(key.slabLength));
  return bytes;
}

let lastParity: { readonly needed: number; readonly total: number; readonly matrix: Matrix } | undefined;

/** The parity rows, kept from stripe to stripe. */
function parityOf(scheme: Scheme): Matrix {
  const { needed, total } = scheme;
  if (lastParity?.needed !== needed || lastParity.total !== total) {
    lastParity = { needed, total, matrix: parityRows(scheme) };
  }
  return lastParity.matrix;
}

/** Encrypts a stripe, adds the parity, and hashes the leaves of every cell. */
export function encodeStripe(job: EncodeJob, product: RowProduct): EncodedCells {
  const { scheme, cellLength, plaintext } = job;
  const { needed, total } = scheme;
  const rows = product.begin(parityOf(scheme), cellLength);
  const cellPlaintext = cellLength - TAG_BYTES;
  for (let cell = 0; cell < needed; cell++) {
    const from = plaintext.subarray(cell * cellPlaintext, (cell + 1) * cellPlaintext);
    const padded = from.length === cellPlaintext ? from : padTo(from, cellPlaintext);
    sealInto(job.key, cellNonce(job, cell), padded, rows[cell]!, 0, associatedOf(job, cell));
  }
  product.multiply();
  return {
    data: joinRows(rows, 0, needed, cellLength),
    parity: joinRows(rows, needed, total, cellLength),
    hashes: hashRows(rows, 0, total, cellLength),
  };
}

function padTo(bytes: Uint8Array, length: number): Uint8Array {
  const padded = PADDING.slice(0, length);
  padded.set(bytes);
  return padded;
}

function joinRows(
  rows: readonly Uint8Array[],
  from: number,
  to: number,
  length: number,
): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array((to - from) * length);
  for (let i = from; i < to; i++) joined.set(rows[i]!, (i - from) * length);
  return joined;
}

function hashRows(
  rows: readonly Uint8Array[],
  from: number,
  to: number,
  length: number,
): Uint8Array<ArrayBuffer> {
  const leaves = Math.ceil(length / LEAF_BYTES);
  const hashes = new Uint8Array((to - from) * leaves * 32);
  let at = 0;
  for (let i = from; i < to; i++) {
    for (let leaf = 0; leaf < length; leaf += LEAF_BYTES, at += 32) {
      leafHashInto(rows[i]!.subarray(leaf, Math.min(length, leaf + LEAF_BYTES)), hashes, at);
    }
  }
  return hashes;
}

/**
 * The plaintext (padding included) of data cells `firstCell` to `lastCell`, from these themselves or any `needed`
 * cells; undefined when one of them is not what the key made.
 */
export function decodeStripe(job: DecodeJob, product: RowProduct): Uint8Array<ArrayBuffer> | undefined {
  const { firstCell, lastCell, cellLength } = job;
  const sealed = dataCells(job, product);
  const cellPlaintext = cellLength - TAG_BYTES;
  const plaintext = new Uint8Array((lastCell - firstCell + 1) * cellPlaintext);
  for (const [i, bytes] of sealed.entries()) {
    const cell = firstCell + i;
    const opened = unseal(job.key, cellNonce(job, cell), bytes, associatedOf(job, cell));
    if (opened === undefined) return undefined;
    plaintext.set(opened, i * cellPlaintext);
  }
  return plaintext;
}

/** The data cells that the job asks for; only those that were not given are computed. */
function dataCells(job: DecodeJob, product: RowProduct): readonly Uint8Array[] {
  const { firstCell, lastCell, shards, cells, cellLength } = job;
  const given = new Map<number, Uint8Array>();
  for (const [i, shard] of shards.entries()) {
    given.set(shard, cells.subarray(i * cellLength, (i + 1) * cellLength));
  }
  const wanted = Array.from({ length: lastCell - firstCell + 1 }, (_, i) => firstCell + i);
  const lost = wanted.filter((cell) => !given.has(cell));
  if (lost.length > 0) {
    const made = convert({ ...job, wanted: lost }, product);
    for (const [i, cell] of lost.entries()) given.set(cell, made[i]!);
  }
  return wanted.map((cell) => given.get(cell)!);
}

/** Cells of the wanted shards from the first `needed` that are given; views of the product's memory. */
function convert(job: Omit<RemakeJob, "do">, product: RowProduct): readonly Uint8Array[] {
  const { scheme, shards, wanted, cells, cellLength } = job;
  const { needed } = scheme;
  const rows = product.begin(conversionRows(scheme, shards.slice(0, needed), wanted), cellLength);
  for (let i = 0; i < needed; i++) rows[i]!.set(cells.subarray(i * cellLength, (i + 1) * cellLength));
  product.multiply();
  return rows.slice(needed);
}

/** Makes cells anew, with their leaf hashes. */
export function remakeCells(job: RemakeJob, product: RowProduct): RemadeCells {
  const made = convert(job, product);
  return {
    cells: joinRows(made, 0, made.length, job.cellLength),
    hashes: hashRows(made, 0, made.length, job.cellLength),
  };
}
