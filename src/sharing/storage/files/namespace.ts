/**
 * The index: what the log says, laid out for look-ups. Every entry of the log sets one register here if its stamp is
 * later than the register's, so that any order of arrival ends in the same state. A cache: it can be made anew from
 * the log alone.
 */
import { decodeCbor, encodeCbor } from "#sharing/mesh/cbor.ts";
import type { SlabId, SlabRecord } from "../renter/slab.ts";
import { allRows, partRow, row, rowsOf, slabRow, versionRow } from "./index-keys.ts";
import {
  type BucketEntry,
  type Content,
  compareStamps,
  type DropEntry,
  type Extent,
  type LogEntry,
  type ObjectEntry,
  type PartEntry,
  type RemapEntry,
  type RemoveEntry,
  type SlabEntry,
  type Stamp,
  type UploadEntry,
} from "./log-entry.ts";
import type { StagedStore } from "./staged-store.ts";

/** A register of the index: what was last said, and when. */
export interface Row<E> {
  readonly stamp: Stamp;
  readonly entry: E;
}

/** What all objects take together. */
export interface Totals {
  readonly objects: number;
  readonly bytes: number;
  readonly slabs: number;
}

/** Items of one row at most: an object of 5 TiB has 400,000 extents, of four items each and more. */
const MAX_ROW_ITEMS = 1 << 23;

/** The row in these bytes of our own index. */
export function decodeRow<E>(bytes: Uint8Array): Row<E> {
  return decodeCbor(bytes, MAX_ROW_ITEMS) as Row<E>;
}

export function encodeRow<E>(value: Row<E>): Uint8Array {
  return encodeCbor(value);
}

/** Reads and changes of the index, through changes that are not written yet. */
export class Namespace {
  readonly #store: StagedStore;
  /** Milliseconds since 1970, for the age of garbage. */
  readonly #now: number;

  constructor(store: StagedStore, now: number) {
    this.#store = store;
    this.#now = now;
  }

  async bucket(name: string): Promise<BucketEntry | undefined> {
    const found = await this.#get<BucketEntry>(row("bucket", name));
    return found?.entry.gone === true ? undefined : found?.entry;
  }

  /** A version by its name; undefined when there is none, or no more. */
  async version(bucket: string, key: string, version: string): Promise<Row<ObjectEntry> | undefined> {
    const register = await this.#get<RemoveEntry | ObjectEntry>(row("register", bucket, key, version));
    if (register === undefined || register.entry.type === "remove") return undefined;
    return await this.#get<ObjectEntry>(versionRow(bucket, key, register.stamp));
  }

  /** The newest version, a delete marker too. */
  async newest(bucket: string, key: string): Promise<Row<ObjectEntry> | undefined> {
    for await (const [, value] of this.#store.iterate({ ...rowsOf("version", bucket, key), limit: 1 })) {
      return decodeRow<ObjectEntry>(value);
    }
    return undefined;
  }

  async upload(id: string): Promise<UploadEntry | undefined> {
    const found = await this.#get<UploadEntry>(row("uploadOf", id));
    return found?.entry.gone === true ? undefined : found?.entry;
  }

  /**
   * The version that an upload became: whoever completes an upload writes it just before the upload's end. Undefined
   * where the upload goes on or was given up, and where the version is there no more.
   */
  async completed(id: string): Promise<ObjectEntry | undefined> {
    const ended = await this.#get<UploadEntry>(row("uploadOf", id));
    if (ended?.entry.gone !== true) return undefined;
    const { stamp, entry } = ended;
    const made = versionRow(entry.bucket, entry.key, { ...stamp, counter: stamp.counter - 1 });
    return (await this.#get<ObjectEntry>(made))?.entry;
  }

  async part(upload: string, part: number): Promise<PartEntry | undefined> {
    return (await this.#get<PartEntry>(partRow(upload, part)))?.entry;
  }

  async *parts(upload: string, after = 0): AsyncGenerator<PartEntry> {
    const { lt } = rowsOf("part", upload);
    for await (const [, value] of this.#store.iterate({ gte: partRow(upload, after + 1), lt })) {
      yield decodeRow<PartEntry>(value).entry;
    }
  }

  async slab(id: SlabId): Promise<SlabEntry | undefined> {
    const found = await this.#get<SlabEntry | DropEntry>(slabRow("slab", id));
    return found?.entry.type === "slab" ? found.entry : undefined;
  }

  async remap(id: SlabId): Promise<RemapEntry | undefined> {
    return (await this.#get<RemapEntry>(slabRow("remap", id)))?.entry;
  }

  /** Extents that lie in a slab, remaps of other slabs into it counted. */
  async references(id: SlabId): Promise<number> {
    const bytes = await this.#store.get(slabRow("references", id));
    return bytes === undefined ? 0 : (decodeCbor(bytes) as number);
  }

  /** What keeps a bucket from being removed: versions before uploads, undefined where there is neither. */
  async held(bucket: string): Promise<"version" | "upload" | undefined> {
    for (const kind of ["version", "upload"] as const) {
      for await (const _ of this.#store.iterate({ ...rowsOf(kind, bucket), limit: 1 })) return kind;
    }
    return undefined;
  }

  async totals(): Promise<Totals> {
    const bytes = await this.#store.get(row("state", "totals"));
    return bytes === undefined ? { objects: 0, bytes: 0, slabs: 0 } : (decodeCbor(bytes) as Totals);
  }

  /** The latest stamp that any entry had. */
  async counter(): Promise<number> {
    const bytes = await this.#store.get(row("state", "counter"));
    return bytes === undefined ? 0 : (decodeCbor(bytes) as number);
  }

  /** Takes one entry of the log in. */
  async apply(entry: LogEntry, stamp: Stamp): Promise<void> {
    if (stamp.counter > (await this.counter())) {
      this.#store.put(row("state", "counter"), encodeCbor(stamp.counter));
    }
    switch (entry.type) {
      case "bucket":
        return await this.#set(row("bucket", entry.name), entry, stamp);
      case "object":
      case "remove":
        return await this.#applyVersion(entry, stamp);
      case "upload":
        return await this.#applyUpload(entry, stamp);
      case "part":
        return await this.#applyPart(entry, stamp);
      case "slab":
        return await this.#applySlab(entry, stamp);
      case "drop":
        return await this.#applyDrop(entry, stamp);
      case "remap":
        return await this.#applyRemap(entry, stamp);
    }
  }

  async #applyVersion(entry: ObjectEntry | RemoveEntry, stamp: Stamp): Promise<void> {
    const { bucket, key, version } = entry;
    const registerRow = row("register", bucket, key, version);
    const register = await this.#get<ObjectEntry | RemoveEntry>(registerRow);
    if (register !== undefined && compareStamps(register.stamp, stamp) >= 0) return;
    if (register?.entry.type === "object") await this.#takeOut(bucket, key, register.stamp);
    // The register of a version that lives says no more than its stamp: the rest is in the version's row.
    const kept = entry.type === "remove" ? entry : { type: entry.type };
    this.#store.put(registerRow, encodeRow({ stamp, entry: kept }));
    if (entry.type === "remove") return;
    this.#store.put(versionRow(bucket, key, stamp), encodeRow({ stamp, entry }));
    await this.#refer(entry.content, 1);
    if (entry.marker !== true) await this.#count(1, entry.size, 0);
  }

  async #takeOut(bucket: string, key: string, stamp: Stamp): Promise<void> {
    const at = versionRow(bucket, key, stamp);
    const before = await this.#get<ObjectEntry>(at);
    if (before === undefined) return;
    this.#store.del(at);
    await this.#refer(before.entry.content, -1);
    if (before.entry.marker !== true) await this.#count(-1, -before.entry.size, 0);
  }

  async #applyUpload(entry: UploadEntry, stamp: Stamp): Promise<void> {
    const byId = row("uploadOf", entry.id);
    const before = await this.#get<UploadEntry>(byId);
    if (before !== undefined && compareStamps(before.stamp, stamp) >= 0) return;
    this.#store.put(byId, encodeRow({ stamp, entry }));
    const at = row("upload", entry.bucket, entry.key, entry.id);
    if (entry.gone !== true) {
      this.#store.put(at, encodeRow({ stamp, entry }));
      return;
    }
    this.#store.del(at);
    for await (const part of this.parts(entry.id)) {
      this.#store.del(partRow(entry.id, part.part));
      await this.#refer(part.content, -1);
    }
  }

  async #applyPart(entry: PartEntry, stamp: Stamp): Promise<void> {
    // A part of an upload that has ended meanwhile, on another machine.
    if ((await this.upload(entry.upload)) === undefined) return;
    const at = partRow(entry.upload, entry.part);
    const before = await this.#get<PartEntry>(at);
    if (before !== undefined && compareStamps(before.stamp, stamp) >= 0) return;
    if (before !== undefined) await this.#refer(before.entry.content, -1);
    this.#store.put(at, encodeRow({ stamp, entry }));
    await this.#refer(entry.content, 1);
  }

  async #applySlab(entry: SlabEntry, stamp: Stamp): Promise<void> {
    const at = slabRow("slab", entry.record.id);
    const before = await this.#get<SlabEntry | DropEntry>(at);
    if (before !== undefined && compareStamps(before.stamp, stamp) >= 0) return;
    // Dropped for good: its shards may be gone whatever a later move says.
    if (before?.entry.type === "drop") return;
    this.#store.put(at, encodeRow({ stamp, entry }));
    if (before !== undefined) return;
    await this.#count(0, 0, 1);
    if (entry.log !== undefined || (await this.references(entry.record.id)) > 0) return;
    this.#store.put(slabRow("garbage", entry.record.id), encodeCbor(this.#now));
  }

  async #applyDrop(entry: DropEntry, stamp: Stamp): Promise<void> {
    const at = slabRow("slab", entry.slab);
    const before = await this.#get<SlabEntry | DropEntry>(at);
    if (before?.entry.type === "slab") await this.#count(0, 0, -1);
    this.#store.put(at, encodeRow({ stamp, entry }));
    this.#store.del(slabRow("garbage", entry.slab));
  }

  async #applyRemap(entry: RemapEntry, stamp: Stamp): Promise<void> {
    const at = slabRow("remap", entry.slab);
    const before = await this.#get<RemapEntry>(at);
    if (before !== undefined && compareStamps(before.stamp, stamp) >= 0) return;
    this.#store.put(at, encodeRow({ stamp, entry }));
    const held = before?.entry.pieces.map(({ extent }) => extent) ?? [];
    await this.#referAll(
      entry.pieces.map(({ extent }) => extent),
      1,
    );
    await this.#referAll(held, -1);
    // Its own shards are no longer read; they go when nobody can be at it any more.
    if ((await this.slab(entry.slab)) === undefined) return;
    this.#store.put(slabRow("garbage", entry.slab), encodeCbor(this.#now));
  }

  async #refer(content: Content, by: 1 | -1): Promise<void> {
    if (content.extents !== undefined) await this.#referAll(content.extents, by);
  }

  async #referAll(extents: readonly Extent[], by: 1 | -1): Promise<void> {
    for (const { slab } of extents) {
      const count = (await this.references(slab)) + by;
      if (count > 0) this.#store.put(slabRow("references", slab), encodeCbor(count));
      else this.#store.del(slabRow("references", slab));
      if (count === 1 && by === 1) this.#store.del(slabRow("garbage", slab));
      if (count > 0) continue;
      if ((await this.slab(slab)) !== undefined) {
        this.#store.put(slabRow("garbage", slab), encodeCbor(this.#now));
      }
      // Nothing reads the slab any more, so nothing needs what it was mapped to.
      const remap = await this.remap(slab);
      if (remap === undefined) continue;
      this.#store.del(slabRow("remap", slab));
      await this.#referAll(
        remap.pieces.map(({ extent }) => extent),
        -1,
      );
    }
  }

  async #count(objects: number, bytes: number, slabs: number): Promise<void> {
    const before = await this.totals();
    this.#store.put(
      row("state", "totals"),
      encodeCbor({
        objects: before.objects + objects,
        bytes: before.bytes + bytes,
        slabs: before.slabs + slabs,
      }),
    );
  }

  async #set<E>(at: Uint8Array, entry: E, stamp: Stamp): Promise<void> {
    const before = await this.#get<E>(at);
    if (before !== undefined && compareStamps(before.stamp, stamp) >= 0) return;
    this.#store.put(at, encodeRow({ stamp, entry }));
  }

  async #get<E>(at: Uint8Array): Promise<Row<E> | undefined> {
    const bytes = await this.#store.get(at);
    return bytes === undefined ? undefined : decodeRow<E>(bytes);
  }

  /** Slabs that nothing refers to, or that were packed into others, since before `time`. */
  async *garbage(time: number): AsyncGenerator<SlabRecord> {
    for await (const [key, value] of this.#store.iterate(allRows("garbage"))) {
      if ((decodeCbor(value) as number) > time) continue;
      const bytes = await this.#store.get(slabRowOfKey(key));
      if (bytes === undefined) continue;
      const { entry } = decodeRow<SlabEntry | DropEntry>(bytes);
      if (entry.type === "slab") yield entry.record;
    }
  }
}

/** The slab row of a garbage row: the same id under another letter. */
function slabRowOfKey(key: Uint8Array): Uint8Array {
  const at = slabRow("slab", "00".repeat(16));
  at.set(key.subarray(1), 1);
  return at;
}
