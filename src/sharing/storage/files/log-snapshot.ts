/**
 * A snapshot of the whole state, in slabs of the log: from then on a restore reads it and the few segments after it,
 * and the segments before it are dropped.
 */
import type { Entry, KeyValueReader } from "#base/store/key-value-store.ts";
import type { Renter } from "../renter/renter.ts";
import type { SlabRecord } from "../renter/slab.ts";
import type { FileIndex } from "./file-index.ts";
import { allRows } from "./index-keys.ts";
import type { LogEntry, SlabEntry, Stamp } from "./log-entry.ts";
import type { SegmentRef } from "./log-head.ts";
import { packPiece } from "./log-segment.ts";
import type { LogState } from "./metadata-log.ts";
import { decodeRow } from "./namespace.ts";

/** Bytes of rows that go into one slab of a snapshot, before compression. */
const PIECE_BYTES = 4 << 20;
/** That something was removed is remembered so long, for machines that come back, milliseconds. */
const REMEMBER_MS = 30 * 86_400_000;

type Stamped = { readonly stamp: Stamp; readonly entry: LogEntry };

/** Writes a snapshot and makes it the base of the chain. Writes go on meanwhile. @throws FileError */
export async function takeSnapshot(
  index: FileIndex,
  renter: Renter,
  stateNow: () => LogState,
  now: number,
): Promise<void> {
  const stored: SegmentRef[] = [];
  try {
    // What is in the store at this instant is what the state says: both change in one batch.
    const { rows, state } = await index.alone(async () => ({
      rows: index.rows.snapshot(),
      state: stateNow(),
    }));
    const covered: SlabRecord[] = [];
    try {
      for await (const piece of pieces(rows, now)) {
        const { bytes, hash } = packPiece({ entries: piece });
        stored.push({ record: await renter.store([bytes], { log: true }), hash });
      }
      for await (const [, value] of rows.iterate(allRows("slab"))) {
        const { entry } = decodeRow<SlabEntry>(value);
        if (entry.type === "slab" && entry.log === state.chain) covered.push(entry.record);
      }
    } finally {
      await rows.close();
    }
    const own = state.head === undefined ? {} : { [state.chain]: state.head.sequence };
    await index.rebase({ slabs: stored, seen: { ...state.merged, ...own } }, covered);
  } finally {
    renter.committed(stored.map(({ record }) => record.id));
  }
}

/** Everything worth keeping, in pieces. Slabs of the log itself are known from the chain. */
async function* pieces(rows: KeyValueReader, now: number): AsyncGenerator<Stamped[]> {
  let piece: Stamped[] = [];
  let bytes = 0;
  for (const kind of ["bucket", "slab", "remap", "version", "register", "uploadOf", "part"] as const) {
    for await (const [key, value] of rows.iterate(allRows(kind))) {
      const stamped = worthKeeping(kind, [key, value], now);
      if (stamped === undefined) continue;
      piece.push(stamped);
      bytes += value.length;
      if (bytes < PIECE_BYTES) continue;
      yield piece;
      piece = [];
      bytes = 0;
    }
  }
  if (piece.length > 0) yield piece;
}

function worthKeeping(kind: string, [, value]: Entry, now: number): Stamped | undefined {
  const { stamp, entry } = decodeRow<LogEntry>(value);
  const isOld = stamp.counter < now - REMEMBER_MS;
  if (kind === "register") return entry.type === "remove" && !isOld ? { stamp, entry } : undefined;
  if (entry.type === "slab") return entry.log === undefined ? { stamp, entry } : undefined;
  const isGone = entry.type === "drop" || ("gone" in entry && entry.gone === true);
  return isGone && isOld ? undefined : { stamp, entry };
}
