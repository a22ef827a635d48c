import type { AddressKind } from "#protocol/wire/net-address.ts";
import { BUCKET_SIZE, type KnownAddress } from "./known-address.ts";

/** Where an address stands, for getrawaddrman. */
export interface BookPlace {
  readonly bucket: number;
  readonly position: number;
  readonly known: KnownAddress;
}

/** Buckets of places. Empty buckets are passed over fast: most are, most of the time. */
export class BucketTable {
  readonly buckets: number;
  readonly #places: (KnownAddress | undefined)[];
  readonly #taken: Uint8Array;

  constructor(buckets: number) {
    this.buckets = buckets;
    this.#places = new Array<KnownAddress | undefined>(buckets * BUCKET_SIZE).fill(undefined);
    this.#taken = new Uint8Array(buckets);
  }

  get(place: number): KnownAddress | undefined {
    return this.#places[place];
  }

  set(place: number, known: KnownAddress | undefined): void {
    const bucket = Math.floor(place / BUCKET_SIZE);
    this.#taken[bucket]! += Number(known !== undefined) - Number(this.#places[place] !== undefined);
    this.#places[place] = known;
  }

  /** The first of a bucket from a position on, around its end, that is of one of `kinds` (of any where empty). */
  firstIn(bucket: number, from: number, kinds: ReadonlySet<AddressKind>): KnownAddress | undefined {
    if (this.#taken[bucket] === 0) return undefined;
    for (let i = 0; i < BUCKET_SIZE; i++) {
      const known = this.#places[bucket * BUCKET_SIZE + ((from + i) % BUCKET_SIZE)];
      if (known !== undefined && (kinds.size === 0 || kinds.has(known.endpoint.address.kind))) return known;
    }
    return undefined;
  }

  *[Symbol.iterator](): IterableIterator<BookPlace> {
    for (let place = 0; place < this.#places.length; place++) {
      const known = this.#places[place];
      if (known === undefined) continue;
      yield { bucket: Math.floor(place / BUCKET_SIZE), position: place % BUCKET_SIZE, known };
    }
  }
}
