/**
 * How a slab lies on hosts (docs/protocols/storage.md, "Slabs"). The plaintext is cut into stripes of `needed` cells;
 * each cell is encrypted by itself, each stripe gets `total − needed` cells of parity, and cell j of every stripe,
 * end to end, is shard j. All cells of a stripe are equally long: 64 KiB in a full stripe, less in the last one where
 * the plaintext does not fill it. Everything follows from the scheme and the length of the plaintext.
 */

/** Any `needed` of `total` shards give the slab back: Reed–Solomon (k, n). */
export interface Scheme {
  /** k, at least 1. */
  readonly needed: number;
  /** n, at most 255. */
  readonly total: number;
}

/** Bytes of a full cell, tag included. */
export const CELL_BYTES = 65_536;
/** Bytes that authentication adds to each cell. */
export const TAG_BYTES = 16;
/** Bytes of plaintext in a full cell. */
export const CELL_PLAINTEXT = CELL_BYTES - TAG_BYTES;
/** Bytes of a leaf of a shard's Merkle tree; the last one may be shorter. */
export const LEAF_BYTES = 16_384;
/** Leaves of a full cell. */
export const LEAVES_PER_CELL = CELL_BYTES / LEAF_BYTES;
/** Most stripes of a slab, so most cells of a shard. */
export const MAX_STRIPES = 64;
/** Bytes of the longest shard: 4 MiB. */
export const MAX_SHARD_BYTES = MAX_STRIPES * CELL_BYTES;

/** Whether a scheme can be used. */
export function isScheme(scheme: Scheme): boolean {
  const { needed, total } = scheme;
  return (
    Number.isInteger(needed) && Number.isInteger(total) && needed >= 1 && needed <= total && total <= 255
  );
}

/** Bytes of plaintext that the largest slab of a scheme holds: about 40 MiB at 10 of 30, 16 MiB at 4 of 12. */
export function slabCapacity(scheme: Scheme): number {
  return scheme.needed * MAX_STRIPES * CELL_PLAINTEXT;
}

/** Cells of a shard of this length. */
export function cellCountOf(shardLength: number): number {
  return Math.ceil(shardLength / CELL_BYTES);
}

/** Leaves of the Merkle tree of a shard of this length. */
export function leafCountOf(shardLength: number): number {
  return Math.ceil(shardLength / LEAF_BYTES);
}

/** Leaves that cells `first` to `first + count − 1` of a shard are made of. */
export function leavesOfCells(
  shardLength: number,
  first: number,
  count: number,
): { readonly first: number; readonly count: number } {
  const from = first * LEAVES_PER_CELL;
  const to = Math.min(leafCountOf(shardLength), (first + count) * LEAVES_PER_CELL);
  return { first: from, count: to - from };
}

/** What one stripe must give for a range of the plaintext. */
export interface StripeSpan {
  readonly stripe: number;
  /** The data shards whose cells hold the range: these alone are enough; else any `needed` cells of the stripe. */
  readonly firstCell: number;
  readonly lastCell: number;
  /** Where the range begins in the plaintext of `firstCell`, and how many bytes this stripe has of it. */
  readonly skip: number;
  readonly length: number;
}

/** Where everything of a slab lies. */
export class SlabGeometry {
  readonly scheme: Scheme;
  /** Bytes of plaintext. */
  readonly length: number;
  readonly stripes: number;
  /** Bytes of each of the `total` shards. */
  readonly shardLength: number;
  /** Plaintext bytes of a cell of the last stripe. */
  readonly #lastCellPlaintext: number;

  /** @throws RangeError for a scheme or length that no slab has; check outside values before. */
  constructor(scheme: Scheme, length: number) {
    if (!isScheme(scheme)) throw new RangeError(`no scheme: ${scheme.needed} of ${scheme.total}`);
    if (!Number.isInteger(length) || length < 1 || length > slabCapacity(scheme)) {
      throw new RangeError(`a slab of ${scheme.needed} of ${scheme.total} can not hold ${length} bytes`);
    }
    this.scheme = scheme;
    this.length = length;
    const stripePlaintext = scheme.needed * CELL_PLAINTEXT;
    this.stripes = Math.ceil(length / stripePlaintext);
    const rest = length - (this.stripes - 1) * stripePlaintext;
    this.#lastCellPlaintext = Math.ceil(rest / scheme.needed);
    this.shardLength = (this.stripes - 1) * CELL_BYTES + this.#lastCellPlaintext + TAG_BYTES;
  }

  get leafCount(): number {
    return leafCountOf(this.shardLength);
  }

  /** Bytes of each cell of a stripe. */
  cellLength(stripe: number): number {
    return this.cellPlaintext(stripe) + TAG_BYTES;
  }

  /** Plaintext bytes (padding included) in each cell of a stripe. */
  cellPlaintext(stripe: number): number {
    return stripe === this.stripes - 1 ? this.#lastCellPlaintext : CELL_PLAINTEXT;
  }

  /** Where the plaintext of a stripe begins in the slab's. */
  stripeStart(stripe: number): number {
    return stripe * this.scheme.needed * CELL_PLAINTEXT;
  }

  /** Plaintext bytes of a stripe, padding left out. */
  stripeLength(stripe: number): number {
    return Math.min(this.length - this.stripeStart(stripe), this.scheme.needed * CELL_PLAINTEXT);
  }

  /** The stripes and cells that hold `length` bytes of plaintext from `offset`. @throws RangeError beyond the slab. */
  spans(offset: number, length: number): StripeSpan[] {
    if (!(offset >= 0 && length >= 0 && offset + length <= this.length)) {
      throw new RangeError(`no bytes ${offset}…${offset + length} in a slab of ${this.length}`);
    }
    const spans: StripeSpan[] = [];
    const end = offset + length;
    let stripe = Math.floor(offset / (this.scheme.needed * CELL_PLAINTEXT));
    for (let at = offset; at < end; stripe++) {
      const start = this.stripeStart(stripe);
      const upTo = Math.min(end, start + this.stripeLength(stripe));
      const cell = this.cellPlaintext(stripe);
      const firstCell = Math.floor((at - start) / cell);
      spans.push({
        stripe,
        firstCell,
        lastCell: Math.floor((upTo - 1 - start) / cell),
        skip: at - start - firstCell * cell,
        length: upTo - at,
      });
      at = upTo;
    }
    return spans;
  }
}
