/** Objects of an account: versions under keys, written under their conditions, read, copied, deleted and listed. */
import { toHex } from "#base/lib/bytes.ts";
import type { Clock } from "#base/lib/clock.ts";
import { Signal } from "#base/lib/events.ts";
import type { Random } from "#base/lib/random.ts";
import {
  type Body,
  type ByteRange,
  FileError,
  type ListPage,
  type ListQuery,
  type ObjectInfo,
  type PutOptions,
  type WriteCondition,
} from "../file-store.ts";
import type { SlabRecord } from "../renter/slab.ts";
import { attributesOf, checkCondition, checkKey, headersOf, NULL_VERSION } from "./attributes.ts";
import { limited } from "./body-limit.ts";
import type { BodyWriter } from "./body-writer.ts";
import type { ContentReader } from "./content-reader.ts";
import type { FilesEvent } from "./file-events.ts";
import type { FileIndex } from "./file-index.ts";
import { listObjects, listVersions } from "./listing.ts";
import type { LogEntry, ObjectEntry } from "./log-entry.ts";
import type { Namespace } from "./namespace.ts";
import { PART_SIZES } from "./part-sizes.ts";
import { checkExtents, needBucket, newSlabs } from "./write-checks.ts";

export interface ObjectsDependencies {
  readonly index: FileIndex;
  readonly writer: BodyWriter;
  readonly reader: ContentReader;
  readonly clock: Clock;
  readonly random: Random;
}

/** A part of the write that makes a version, under the same lock. */
export interface AlsoWrite {
  readonly done?: (view: Namespace) => Promise<ObjectEntry | undefined>;
  /** Entries that follow the version's own. */
  readonly write?: (view: Namespace) => Promise<readonly LogEntry[]>;
}

export class Objects {
  readonly changed = new Signal<FilesEvent>();
  readonly #d: ObjectsDependencies;
  /** What an object info was made from: reading it gives these bytes, whatever is written meanwhile. */
  readonly #entries = new WeakMap<ObjectInfo, ObjectEntry>();

  constructor(dependencies: ObjectsDependencies) {
    this.#d = dependencies;
  }

  async put(bucket: string, key: string, body: Body, options: PutOptions = {}): Promise<ObjectInfo> {
    checkKey(key);
    const headers = headersOf(options);
    await needBucket(this.#d.index.view(), bucket);
    const { writer } = this.#d;
    const written = await writer.write(limited(body), { inline: true, check: options.check });
    try {
      return await this.putEntry(
        bucket,
        key,
        { ...headers, ...written, etag: written.md5 },
        written.slabs,
        options,
      );
    } finally {
      writer.release(written.slabs);
    }
  }

  /**
   * Makes a version of a key, if its condition holds when the write takes effect.
   * @param also what the same write does besides; what it finds `done` already stands for the whole.
   * @throws FileError
   */
  async putEntry(
    bucket: string,
    key: string,
    object: Pick<ObjectEntry, "size" | "etag" | "content" | "headers" | "metadata">,
    slabs: readonly SlabRecord[],
    condition: WriteCondition,
    also: AlsoWrite = {},
  ): Promise<ObjectInfo> {
    const { size, etag, content, headers, metadata } = object;
    const { entry, isNew } = await this.#d.index.commit(async (view) => {
      const { versioning } = await needBucket(view, bucket);
      const done = await also.done?.(view);
      if (done !== undefined) return { entries: [], result: { entry: done, isNew: false } };
      await checkCondition(view, bucket, key, condition);
      await checkExtents(view, content, slabs);
      const version = versioning === "enabled" ? this.#newVersion() : NULL_VERSION;
      const made: ObjectEntry = {
        ...{
          type: "object",
          bucket,
          key,
          version,
          size,
          etag,
          modified: this.#now,
          headers,
          metadata,
          content,
        },
      };
      const entries = [...(await newSlabs(view, slabs)), made, ...((await also.write?.(view)) ?? [])];
      return { entries, result: { entry: made, isNew: true } };
    });
    if (!isNew) return await this.infoOf(entry);
    await this.changed.emit({ type: "object", bucket, key, change: "put" });
    return this.#info(entry, true);
  }

  /** What callers see of a version that is there. */
  async infoOf(entry: ObjectEntry): Promise<ObjectInfo> {
    const newest = await this.#d.index.view().newest(entry.bucket, entry.key);
    return this.#info(entry, newest?.entry.version === entry.version);
  }

  async head(bucket: string, key: string, versionId?: string): Promise<ObjectInfo> {
    const view = this.#d.index.view();
    await needBucket(view, bucket);
    const newest = await view.newest(bucket, key);
    if (versionId === undefined) {
      if (newest === undefined || newest.entry.marker === true) {
        throw new FileError("NoSuchKey", `there is no ${key} in ${bucket}`);
      }
      return this.#info(newest.entry, true);
    }
    const found = await view.version(bucket, key, versionId);
    if (found === undefined)
      throw new FileError("NoSuchVersion", `there is no version ${versionId} of ${key}`);
    if (found.entry.marker === true)
      throw new FileError("MethodNotAllowed", `${versionId} is a delete marker`);
    return this.#info(found.entry, newest?.entry.version === versionId);
  }

  async *read(object: ObjectInfo, range?: ByteRange): AsyncGenerator<Uint8Array> {
    const entry = await this.entryOf(object);
    const first = range?.first ?? 0;
    const last = Math.min(range?.last ?? entry.size - 1, entry.size - 1);
    if (range !== undefined && (first < 0 || first > last)) {
      throw new FileError("InvalidRange", `no bytes ${first}–${range.last} of ${entry.size}`);
    }
    yield* this.#d.reader.read(entry.content, first, last + 1 - first);
  }

  async copy(from: ObjectInfo, bucket: string, key: string, options: PutOptions = {}): Promise<ObjectInfo> {
    checkKey(key);
    const source = await this.entryOf(from);
    const own = headersOf(options);
    // Who says nothing of attributes gets the source's; who says that there are none gets none.
    const kept = own.headers === undefined && options.metadata === undefined ? source : own;
    options.check?.({ size: source.size, md5: source.etag });
    const { size, etag, content } = source;
    const { metadata } = kept;
    // The ETag is that of the parts, so they stay, too.
    const sizes = source.headers?.[PART_SIZES];
    const headers = sizes === undefined ? kept.headers : { ...kept.headers, [PART_SIZES]: sizes };
    return await this.putEntry(bucket, key, { size, etag, content, headers, metadata }, [], options);
  }

  async delete(bucket: string, key: string, versionId?: string): Promise<ObjectInfo | undefined> {
    checkKey(key);
    const removed = await this.#d.index.commit(async (view) => {
      const { versioning } = await needBucket(view, bucket);
      const newest = await view.newest(bucket, key);
      if (versionId === undefined && versioning !== "off")
        return await this.#mark(view, bucket, key, versioning);
      const found = await view.version(bucket, key, versionId ?? NULL_VERSION);
      if (found === undefined) return { entries: [], result: undefined };
      const version = found.entry.version;
      const entries: LogEntry[] = [{ type: "remove", bucket, key, version }];
      return { entries, result: { entry: found.entry, latest: newest?.entry.version === version } };
    });
    if (removed === undefined) return undefined;
    await this.changed.emit({ type: "object", bucket, key, change: "deleted" });
    return this.#info(removed.entry, removed.latest);
  }

  /** A delete marker: a new version, or in the place of the null version where versioning is suspended. */
  async #mark(_view: Namespace, bucket: string, key: string, versioning: "enabled" | "suspended") {
    const entry: ObjectEntry = {
      ...{ type: "object", bucket, key, marker: true, size: 0, etag: "", modified: this.#now },
      version: versioning === "enabled" ? this.#newVersion() : NULL_VERSION,
      content: { inline: new Uint8Array(0) },
    };
    return { entries: [entry], result: { entry, latest: true } };
  }

  async list(bucket: string, query: ListQuery): Promise<ListPage> {
    const { index } = this.#d;
    await needBucket(index.view(), bucket);
    return await listObjects(index.rows, bucket, query, (entry, latest) => this.#info(entry, latest));
  }

  async listVersions(bucket: string, query: ListQuery): Promise<ListPage> {
    const { index } = this.#d;
    const view = index.view();
    await needBucket(view, bucket);
    const stampOf = async (key: string, version: string) => (await view.version(bucket, key, version))?.stamp;
    return await listVersions(
      index.rows,
      bucket,
      query,
      (entry, latest) => this.#info(entry, latest),
      stampOf,
    );
  }

  get #now(): number {
    return this.#d.clock.now();
  }

  #newVersion(): string {
    return toHex(this.#d.random.fill(new Uint8Array(16)));
  }

  #info(entry: ObjectEntry, latest: boolean): ObjectInfo {
    const { bucket, key, version, size, etag, modified, marker } = entry;
    const info: ObjectInfo = {
      ...{ bucket, key, versionId: version, latest, deleteMarker: marker === true, size, etag, modified },
      ...attributesOf(entry),
    };
    this.#entries.set(info, entry);
    return info;
  }

  /** The entry behind an info; looked up where the info did not come from here. */
  async entryOf(object: ObjectInfo): Promise<ObjectEntry> {
    const known = this.#entries.get(object);
    if (known !== undefined) return known;
    const found = await this.#d.index.view().version(object.bucket, object.key, object.versionId);
    if (found === undefined || found.entry.etag !== object.etag) {
      throw new FileError("NoSuchKey", `${object.key} is not there any more`);
    }
    return found.entry;
  }
}
