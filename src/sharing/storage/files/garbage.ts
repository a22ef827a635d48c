/**
 * Drops slabs that are no longer needed: those that nothing refers to, those that were packed into others, and the log
 * of machines that are gone. The log says so before any host is asked to forget a shard.
 */
import type { Clock } from "#base/lib/clock.ts";
import type { RenterPolicy } from "../renter/policy.ts";
import type { SlabId } from "../renter/slab.ts";
import type { FileIndex } from "./file-index.ts";
import { isCovered, liveExtents } from "./live-extents.ts";
import type { LogEntry } from "./log-entry.ts";
import type { MetadataLog } from "./metadata-log.ts";

export interface GarbageDependencies {
  readonly index: FileIndex;
  readonly log: MetadataLog;
  readonly clock: Clock;
  readonly policy: RenterPolicy;
}

/** Slabs dropped by one write. */
const DROPS_TOGETHER = 256;

export class Garbage {
  readonly #d: GarbageDependencies;

  constructor(dependencies: GarbageDependencies) {
    this.#d = dependencies;
  }

  /** Drops what nothing referred to, or what lay packed elsewhere, for long enough. */
  async drop(): Promise<void> {
    const { index, clock, policy } = this.#d;
    const before = clock.now() - 1000 * policy.garbageSeconds;
    const ids: SlabId[] = [];
    for await (const { id } of index.view().garbage(before)) ids.push(id);
    const { merges } = index;
    const packed = await this.#wholelyPacked(ids);
    for (let at = 0; at < ids.length; at += DROPS_TOGETHER) {
      const some = ids.slice(at, at + DROPS_TOGETHER);
      await index.commit(async (view) => {
        const entries: LogEntry[] = [];
        for (const slab of some) {
          // A copy may have come meanwhile; one of another machine also to bytes that were not packed.
          const isPacked =
            packed.has(slab) && index.merges === merges && (await view.remap(slab)) !== undefined;
          if (isPacked || (await view.references(slab)) === 0) entries.push({ type: "drop", slab });
        }
        return { entries, result: undefined };
      });
    }
  }

  /** Of these slabs, those all of whose live bytes lie elsewhere, too. */
  async #wholelyPacked(ids: readonly SlabId[]): Promise<Set<SlabId>> {
    const view = this.#d.index.view();
    const packed = new Set<SlabId>();
    for (const id of ids) if ((await view.remap(id)) !== undefined) packed.add(id);
    if (packed.size === 0) return packed;
    const rows = this.#d.index.rows.snapshot();
    try {
      for (const [id, ranges] of await liveExtents(rows, packed)) {
        const remap = await view.remap(id);
        if (remap === undefined || !ranges.every((range) => isCovered(remap, range))) packed.delete(id);
      }
    } finally {
      await rows.close();
    }
    return packed;
  }

  /** Drops the logs of machines that wrote nothing for long, once a snapshot of this one's chain holds what they say. */
  async dropRetired(snapshot: () => Promise<void>): Promise<void> {
    const { index, log } = this.#d;
    const retired = await this.#retiredSlabs();
    if (retired.size === 0) return;
    const isHeld = (chain: string): boolean =>
      (log.state.head?.seen[chain] ?? -1) >= (log.state.merged[chain] ?? Number.POSITIVE_INFINITY);
    if (![...retired.keys()].every(isHeld)) await snapshot();
    const slabs = [...retired].flatMap(([chain, ids]) => (isHeld(chain) ? ids : []));
    for (let at = 0; at < slabs.length; at += DROPS_TOGETHER) {
      const some = slabs.slice(at, at + DROPS_TOGETHER);
      await index.commit(async (view) => {
        const entries: LogEntry[] = [];
        for (const slab of some)
          if ((await view.slab(slab)) !== undefined) entries.push({ type: "drop", slab });
        return { entries, result: undefined };
      });
    }
  }

  /** Slabs of the logs of machines that are gone, by chain. */
  async #retiredSlabs(): Promise<Map<string, SlabId[]>> {
    const { index, log, clock, policy } = this.#d;
    const before = clock.now() - 1000 * policy.retiredSeconds;
    const { chain, merged } = log.state;
    const found = new Map<string, SlabId[]>();
    for await (const entry of index.slabEntries()) {
      if (entry.log === undefined || entry.log === chain) continue;
      // A sequence is the time of its segment, or later where clocks differ.
      if ((merged[entry.log] ?? Number.POSITIVE_INFINITY) > before) continue;
      const ids = found.get(entry.log);
      if (ids === undefined) found.set(entry.log, [entry.record.id]);
      else ids.push(entry.record.id);
    }
    return found;
  }
}
