/**
 * Small slabs become large ones: what lives in many of them is copied to a pack, the log says where it lies from then
 * on, and only after that, and after a while for whoever still reads the old ones, are they dropped. Objects are not
 * touched: the log maps old slabs to new ones.
 *
 * Slabs of like size are packed together, eight at least, so that a byte is copied again only when its slab has become
 * eight times as large: a few times in all, however many files come.
 */
import type { Clock } from "#base/lib/clock.ts";
import type { Logger } from "#base/lib/logger.ts";
import { FileError } from "../file-store.ts";
import type { RenterPolicy } from "../renter/policy.ts";
import { SlabUnreadableError } from "../renter/read-slab.ts";
import type { Renter } from "../renter/renter.ts";
import type { SlabId, SlabRecord } from "../renter/slab.ts";
import type { FileIndex } from "./file-index.ts";
import { allRows } from "./index-keys.ts";
import { liveExtents, type Range } from "./live-extents.ts";
import type { DropEntry, LogEntry, RemapEntry, SlabEntry } from "./log-entry.ts";
import type { MetadataLog } from "./metadata-log.ts";
import { decodeRow } from "./namespace.ts";
import { PACK_BYTES } from "./pack-writer.ts";

export interface RepackDependencies {
  readonly index: FileIndex;
  readonly renter: Renter;
  readonly log: MetadataLog;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly policy: RenterPolicy;
}

/** Slabs of like size that make a pack, unless fewer fill one. */
const LIKE = 8;
/** The smallest size that is told apart. */
const LEAST_BYTES = 4096;
/** Packs made in one round. */
const PACKS_A_ROUND = 16;
/** Another machine's slabs are left to it for so long, milliseconds. */
const FOREIGN_MS = 24 * 3_600_000;

/** A slab with little in it. */
interface Small {
  readonly record: SlabRecord;
  readonly ranges: readonly Range[];
  /** That live. */
  readonly bytes: number;
}

export class Repack {
  readonly #d: RepackDependencies;
  /** Slabs that were found full enough, and how many extents lay in them then. */
  readonly #full = new Map<SlabId, number>();

  constructor(dependencies: RepackDependencies) {
    this.#d = dependencies;
  }

  /** Packs what is small now. @returns how many slabs were emptied. @throws FileError when too few hosts can be reached */
  async round(): Promise<number> {
    const target = Math.min(PACK_BYTES, this.#d.renter.slabBytes());
    const small = await this.#smallSlabs(target);
    let emptied = 0;
    let packs = 0;
    for (const group of groupsOf(small, target)) {
      if (packs++ >= PACKS_A_ROUND) break;
      emptied += await this.#pack(group);
    }
    return emptied;
  }

  async #smallSlabs(target: number): Promise<Small[]> {
    const { index } = this.#d;
    const candidates = await this.#candidates(target);
    if (candidates.size < LIKE) return [];
    const rows = index.rows.snapshot();
    try {
      const live = await liveExtents(rows, new Set(candidates.keys()));
      const small: Small[] = [];
      for (const [id, { record, references }] of candidates) {
        const ranges = live.get(id) ?? [];
        const bytes = ranges.reduce((sum, { from, to }) => sum + to - from, 0);
        if (bytes > target / 2) this.#full.set(id, references);
        else if (bytes > 0) small.push({ record, ranges, bytes });
      }
      return small;
    } finally {
      await rows.close();
    }
  }

  /** Slabs that may hold little: not large, old enough, in use, and not packed already. */
  async #candidates(
    target: number,
  ): Promise<Map<SlabId, { readonly record: SlabRecord; readonly references: number }>> {
    const { index, clock, policy, log } = this.#d;
    const now = clock.now();
    const view = index.view();
    const found = new Map<SlabId, { record: SlabRecord; references: number }>();
    for await (const [, value] of index.rows.iterate(allRows("slab"))) {
      const { stamp, entry } = decodeRow<SlabEntry | DropEntry>(value);
      if (entry.type !== "slab" || entry.log !== undefined || entry.record.length > target) continue;
      const age = stamp.chain === log.state.chain ? 1000 * policy.repackSeconds : FOREIGN_MS;
      if (stamp.counter > now - age) continue;
      const { id } = entry.record;
      const references = await view.references(id);
      if (references === 0 || this.#full.get(id) === references) continue;
      if ((await view.remap(id)) === undefined) found.set(id, { record: entry.record, references });
    }
    return found;
  }

  async #pack(group: readonly Small[]): Promise<number> {
    const { index, renter, logger } = this.#d;
    const { chunks, moved, bytes } = await this.#readAll(group);
    if (moved.length < 2) return 0;
    const record = await renter.store(chunks);
    try {
      const remaps = moved.map(({ slab, pieces }): RemapEntry => {
        const at = pieces.map(({ from, offset, length }) => {
          return { from, extent: { slab: record.id, offset, length } };
        });
        return { type: "remap", slab, pieces: at };
      });
      const emptied = await index.commit(async (view) => {
        const entries: LogEntry[] = [];
        for (const remap of remaps) {
          const isThere =
            (await view.slab(remap.slab)) !== undefined && (await view.references(remap.slab)) > 0;
          if (isThere && (await view.remap(remap.slab)) === undefined) entries.push(remap);
        }
        if (entries.length === 0) return { entries, result: 0 };
        return { entries: [{ type: "slab", record }, ...entries], result: entries.length };
      });
      logger.info(`storage: ${emptied} small slabs are packed into one of ${bytes} bytes`);
      return emptied;
    } finally {
      renter.committed([record.id]);
    }
  }

  /** The live bytes of a group, end to end. What can not be read now is left where it is. */
  async #readAll(group: readonly Small[]) {
    const chunks: Uint8Array[] = [];
    const moved: {
      readonly slab: SlabId;
      readonly pieces: { readonly from: number; readonly offset: number; readonly length: number }[];
    }[] = [];
    let at = 0;
    for (const { record, ranges } of group) {
      const pieces = [];
      const own: Uint8Array[] = [];
      let offset = at;
      try {
        for (const { from, to } of ranges) {
          for await (const chunk of this.#d.renter.read(record, from, to - from)) own.push(chunk);
          pieces.push({ from, offset, length: to - from });
          offset += to - from;
        }
      } catch (error) {
        if (error instanceof SlabUnreadableError || error instanceof FileError) continue;
        throw error;
      }
      chunks.push(...own);
      moved.push({ slab: record.id, pieces });
      at = offset;
    }
    return { chunks, moved, bytes: at };
  }
}

/** Slabs to be packed together: of like size, until a pack is full. */
function groupsOf(small: readonly Small[], target: number): Small[][] {
  const tiers = Map.groupBy(small, ({ bytes }) => {
    return Math.max(0, Math.floor(Math.log(bytes / LEAST_BYTES) / Math.log(LIKE)));
  });
  const groups: Small[][] = [];
  for (const tier of [...tiers.keys()].sort((a, b) => a - b)) {
    let group: Small[] = [];
    let bytes = 0;
    for (const one of tiers.get(tier)!) {
      if (bytes + one.bytes > target) {
        groups.push(group);
        group = [];
        bytes = 0;
      }
      group.push(one);
      bytes += one.bytes;
    }
    if (group.length >= LIKE) groups.push(group);
  }
  return groups;
}
