/**
 * Takes in what other machines wrote under the same words, and what an earlier directory of this one did: heads from
 * the hosts, segments behind them, entries into the index. On an empty machine that is the restore.
 */

import type { Logger } from "#base/lib/logger.ts";
import type { PeerId } from "#sharing/mesh/mesh.ts";
import type { Renter } from "../renter/renter.ts";
import type { SlabId, SlabRecord } from "../renter/slab.ts";
import type { FileIndex } from "./file-index.ts";
import type { LogHead } from "./log-head.ts";
import { type LogSegment, unpackPiece } from "./log-segment.ts";
import type { LogState, MetadataLog } from "./metadata-log.ts";

export interface SyncReport {
  /** Peers that answered. */
  readonly answers: number;
  /** Chains that some peer holds a head of. */
  readonly chains: number;
  /** Segments that were new here. */
  readonly segments: number;
  /** Chains that could not be read to their end now. */
  readonly unread: number;
}

export interface SyncDependencies {
  readonly index: FileIndex;
  readonly log: MetadataLog;
  readonly renter: Renter;
  readonly logger: Logger;
}

/** Entries applied in one batch. */
const BATCH = 2000;

/** Asks the peers (these alone, where told), and merges what is new. @throws when the disk fails. */
export async function syncLog(
  dependencies: SyncDependencies,
  peers?: ReadonlySet<PeerId>,
): Promise<SyncReport> {
  const { log, logger } = dependencies;
  const { heads, answers } = await log.collect(peers);
  let segments = 0;
  // Whatever a snapshot of another chain covers need not be there any more.
  const covered = coverOf(heads, log.state);
  // The newest first: its snapshot may hold what others can no longer be read for.
  let left = [...heads].sort((a, b) => b.sequence - a.sequence);
  for (let progress = true; progress; ) {
    progress = false;
    const failed: { head: LogHead; error: unknown }[] = [];
    for (const head of left) {
      const known = Math.max(covered[head.chain] ?? -1, log.state.merged[head.chain] ?? -1);
      if (head.sequence <= known) continue;
      try {
        segments += await mergeChain(head, dependencies);
        progress = true;
      } catch (error) {
        failed.push({ head, error });
      }
    }
    left = failed.map(({ head }) => head);
    if (progress && left.length > 0) continue;
    for (const { head, error } of failed) {
      // Its hosts are away, or a record is false: tried again when more hosts are here.
      logger.warn(`storage: log ${head.chain.slice(0, 8)} can not be read now: ${messageOf(error)}`);
    }
    progress = false;
  }
  return { answers, chains: heads.length, segments, unread: left.length };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What is known here of each chain, or will be by reading a later snapshot. */
function coverOf(heads: readonly LogHead[], state: LogState): Record<string, number> {
  const covered: Record<string, number> = { ...state.merged };
  if (state.head !== undefined) covered[state.chain] = state.head.sequence;
  const isNew = (head: LogHead): boolean => head.sequence > (covered[head.chain] ?? -1);
  for (const head of heads.filter(isNew)) {
    for (const [chain, sequence] of Object.entries(head.seen)) {
      if (chain !== head.chain) covered[chain] = Math.max(covered[chain] ?? -1, sequence);
    }
  }
  return covered;
}

async function mergeChain(head: LogHead, dependencies: SyncDependencies): Promise<number> {
  const { index, log, renter } = dependencies;
  const { state } = log;
  const known = head.chain === state.chain ? (state.head?.sequence ?? -1) : (state.merged[head.chain] ?? -1);
  const places = new Map<SlabId, SlabRecord>();
  for await (const entry of index.slabEntries()) {
    if (entry.log !== undefined) places.set(entry.record.id, entry.record);
  }
  const segments: LogSegment[] = [];
  const isKnown = (_: string, sequence: number): boolean => sequence <= known;
  for await (const segment of log.walk(head, isKnown, places)) segments.push(segment);
  segments.reverse();
  const seen: Record<string, number> = {};
  for (const segment of segments) {
    for (const { record, hash } of segment.base?.slabs ?? []) {
      const at = places.get(record.id) ?? record;
      const { entries } = unpackPiece(await renter.readWhole(at), hash);
      for (let from = 0; from < entries.length; from += BATCH) {
        await index.alone(() => index.merge(entries.slice(from, from + BATCH)));
      }
      places.set(record.id, at);
    }
    Object.assign(seen, segment.base?.seen);
    const stamped = segment.entries.map((entry, i) => ({
      stamp: { counter: segment.sequence + i, chain: segment.chain },
      entry,
    }));
    await index.alone(() => index.merge(stamped));
  }
  await keepWatch(head, segments, places, dependencies);
  await index.alone(() => adopt(head, seen, dependencies));
  return segments.length;
}

/** The log's own slabs are watched and repaired like all others. */
async function keepWatch(
  head: LogHead,
  segments: readonly LogSegment[],
  places: ReadonlyMap<SlabId, SlabRecord>,
  { index }: SyncDependencies,
): Promise<void> {
  const ids = new Set([head.segment.record.id]);
  for (const segment of segments) {
    if (segment.previous !== undefined) ids.add(segment.previous.record.id);
    for (const { record } of segment.base?.slabs ?? []) ids.add(record.id);
  }
  const entries = [...ids].flatMap((id) => {
    const record = places.get(id);
    if (record === undefined) return [];
    // An early stamp: any move that the log tells of is later.
    return [
      { stamp: { counter: 0, chain: head.chain }, entry: { type: "slab", record, log: head.chain } as const },
    ];
  });
  await index.alone(() => index.merge(entries, true));
}

/** Notes how far the chain is taken in. An own chain that others know further is left: this machine begins a new one. */
async function adopt(
  head: LogHead,
  seen: Readonly<Record<string, number>>,
  { index, log }: SyncDependencies,
): Promise<void> {
  const state = log.state;
  const merged: Record<string, number> = { ...state.merged };
  for (const [chain, sequence] of Object.entries({ ...seen, [head.chain]: head.sequence })) {
    if (chain !== state.chain) merged[chain] = Math.max(merged[chain] ?? -1, sequence);
  }
  const next: LogState =
    head.chain === state.chain
      ? { ...log.fresh(), merged: { ...merged, [head.chain]: head.sequence } }
      : { ...state, merged };
  await index.keepLogState(next);
  log.adopt(next);
}
