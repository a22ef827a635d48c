/** Contents as bytes: inline, or from slabs, wherever their bytes lie by now. */
import { type Body, FileError } from "../file-store.ts";
import { SlabUnreadableError } from "../renter/read-slab.ts";
import type { Renter } from "../renter/renter.ts";
import type { FileIndex } from "./file-index.ts";
import type { Content, Extent } from "./log-entry.ts";
import type { Namespace } from "./namespace.ts";

export class ContentReader {
  readonly #index: FileIndex;
  readonly #renter: Renter;

  constructor(index: FileIndex, renter: Renter) {
    this.#index = index;
    this.#renter = renter;
  }

  /** Fetched as they are read. @throws FileError `ServiceUnavailable` */
  async *read(content: Content, offset: number, length: number): Body {
    if (length <= 0) return;
    if (content.extents === undefined) {
      yield content.inline.subarray(offset, offset + length);
      return;
    }
    for (const piece of cut(content.extents, offset, length)) {
      for await (const extent of this.resolve(this.#index.view(), piece)) yield* this.#readExtent(extent);
    }
  }

  async *#readExtent({ slab: id, offset, length }: Extent): Body {
    const slab = await this.#index.get(id);
    if (slab === undefined) throw new FileError("ServiceUnavailable", `slab ${id} is gone`);
    try {
      yield* this.#renter.read(slab, offset, length);
    } catch (error) {
      if (error instanceof SlabUnreadableError) throw new FileError("ServiceUnavailable", error.message);
      throw error;
    }
  }

  /** Where an extent lies now: slabs that were packed together point on. */
  async *resolve(view: Namespace, extent: Extent): AsyncGenerator<Extent> {
    const remap = await view.remap(extent.slab);
    if (remap === undefined) {
      yield extent;
      return;
    }
    const end = extent.offset + extent.length;
    let at = extent.offset;
    for (const { from, extent: target } of [...remap.pieces].sort((a, b) => a.from - b.from)) {
      const start = Math.max(at, from);
      const stop = Math.min(end, from + target.length);
      if (start >= stop) continue;
      // What nothing referred to was left behind: whoever still reads it finds it there for a while.
      if (start > at) yield { slab: extent.slab, offset: at, length: start - at };
      const inner = { slab: target.slab, offset: target.offset + start - from, length: stop - start };
      yield* this.resolve(view, inner);
      at = stop;
    }
    if (at < end) yield { slab: extent.slab, offset: at, length: end - at };
  }
}

/** What a range of a content has of each extent. */
function* cut(extents: readonly Extent[], offset: number, length: number): Generator<Extent> {
  let at = 0;
  const end = offset + length;
  for (const extent of extents) {
    const start = Math.max(offset, at);
    const stop = Math.min(end, at + extent.length);
    if (start < stop) yield { slab: extent.slab, offset: extent.offset + start - at, length: stop - start };
    at += extent.length;
    if (at >= end) return;
  }
}
