/** What of a slab anything still refers to: objects, parts of uploads, and slabs that were packed into it. */
import type { KeyValueReader } from "#base/store/key-value-store.ts";
import { decodeCbor } from "#sharing/mesh/cbor.ts";
import type { SlabId } from "../renter/slab.ts";
import { allRows, slabRow } from "./index-keys.ts";
import type { Extent, ObjectEntry, PartEntry, RemapEntry } from "./log-entry.ts";
import { decodeRow } from "./namespace.ts";

/** Bytes `from` up to `to`, the latter not included. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** The live stretches of each slab, ascending and apart; one pass over all objects. */
export async function liveExtents(
  rows: KeyValueReader,
  wanted: ReadonlySet<SlabId>,
): Promise<Map<SlabId, readonly Range[]>> {
  const found = new Map<SlabId, Range[]>();
  const take = (extents: readonly Extent[]): void => {
    for (const { slab, offset, length } of extents) {
      if (!wanted.has(slab)) continue;
      const ranges = found.get(slab) ?? [];
      ranges.push({ from: offset, to: offset + length });
      found.set(slab, ranges);
    }
  };
  for (const kind of ["version", "part"] as const) {
    for await (const [, value] of rows.iterate(allRows(kind))) {
      take(decodeRow<ObjectEntry | PartEntry>(value).entry.content.extents ?? []);
    }
  }
  for await (const [, value] of rows.iterate(allRows("remap"))) {
    const { slab, pieces } = decodeRow<RemapEntry>(value).entry;
    // What nothing reads any more points nowhere.
    if ((await referencesIn(rows, slab)) > 0) take(pieces.map(({ extent }) => extent));
  }
  return new Map([...found].map(([slab, ranges]) => [slab, joined(ranges)]));
}

async function referencesIn(rows: KeyValueReader, slab: SlabId): Promise<number> {
  const bytes = await rows.get(slabRow("references", slab));
  return bytes === undefined ? 0 : (decodeCbor(bytes) as number);
}

function joined(ranges: readonly Range[]): readonly Range[] {
  const sorted = [...ranges].sort((a, b) => a.from - b.from);
  const out: { from: number; to: number }[] = [];
  for (const { from, to } of sorted) {
    const last = out.at(-1);
    if (last !== undefined && from <= last.to) last.to = Math.max(last.to, to);
    else out.push({ from, to });
  }
  return out;
}

/** Whether the pieces of a remap hold all of a stretch. */
export function isCovered({ pieces }: RemapEntry, { from, to }: Range): boolean {
  let at = from;
  for (const piece of [...pieces].sort((a, b) => a.from - b.from)) {
    if (piece.from > at) break;
    at = Math.max(at, piece.from + piece.extent.length);
  }
  return at >= to;
}
