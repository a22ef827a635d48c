/**
 * Puts small contents together into slabs: while one pack is on its way, those that come meanwhile wait for the next.
 * One writer alone pays no delay; many share one slab, and its shards stay large enough to be worth a host's while.
 */
import type { Renter } from "../renter/renter.ts";
import type { SlabRecord } from "../renter/slab.ts";
import type { Extent } from "./log-entry.ts";

interface Waiting {
  readonly chunks: readonly Uint8Array[];
  readonly length: number;
  resolve(packed: Packed): void;
  reject(error: unknown): void;
}

/** Where a content went. Its slab is held for the writer until it calls `renter.pending.release`. */
export interface Packed {
  readonly extent: Extent;
  readonly record: SlabRecord;
}

/** Contents of at most this length are packed. */
export const PACK_LIMIT = 1 << 20;
/** A pack is closed at this length. */
export const PACK_BYTES = 4 << 20;

export class PackWriter {
  readonly #renter: Renter;
  #waiting: Waiting[] = [];
  #busy = false;

  constructor(renter: Renter) {
    this.#renter = renter;
  }

  /** @throws FileError `ServiceUnavailable` */
  add(chunks: readonly Uint8Array[], length: number): Promise<Packed> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ chunks, length, resolve, reject });
      if (!this.#busy) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#busy = true;
    while (this.#waiting.length > 0) await this.#pack(this.#next());
    this.#busy = false;
  }

  #next(): Waiting[] {
    const limit = Math.min(PACK_BYTES, this.#renter.slabBytes());
    let length = 0;
    let count = 0;
    for (const waiting of this.#waiting) {
      if (count > 0 && length + waiting.length > limit) break;
      length += waiting.length;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  async #pack(group: readonly Waiting[]): Promise<void> {
    try {
      const record = await this.#renter.store(group.flatMap(({ chunks }) => chunks));
      // The store itself holds the slab for one writer.
      for (let i = 1; i < group.length; i++) this.#renter.pending.hold(record.id);
      let offset = 0;
      for (const { length, resolve } of group) {
        resolve({ record, extent: { slab: record.id, offset, length } });
        offset += length;
      }
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
  }
}
