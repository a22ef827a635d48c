/**
 * Files of one account over the hosts of the mesh: the {@link FileStore} that the S3 door and the command line stand
 * on. What resolves is durable: bytes and log lie at enough hosts, and the local index is synced.
 */
import { createHash } from "node:crypto";
import { fromHex, toHex } from "#base/lib/bytes.ts";
import { Signal } from "#base/lib/events.ts";
import { SlabCodec } from "../codec/slab-codec.ts";
import {
  type Body,
  type Bucket,
  type ByteRange,
  FileError,
  type FileStore,
  type ListPage,
  type ListQuery,
  type ObjectAttributes,
  type ObjectInfo,
  type PartInfo,
  type PutOptions,
  type SlabHealth,
  type UploadInfo,
  type WriteCondition,
} from "../file-store.ts";
import { DEFAULT_POLICY, type RenterPolicy } from "../renter/policy.ts";
import { SlabUnreadableError } from "../renter/read-slab.ts";
import { Renter } from "../renter/renter.ts";
import type { SlabRecord } from "../renter/slab.ts";
import {
  attributesOf,
  checkBucketName,
  checkCondition,
  checkKey,
  headersOf,
  NULL_VERSION,
} from "./attributes.ts";
import { BodyIntake } from "./body-intake.ts";
import { BodyWriter, type WrittenBody } from "./body-writer.ts";
import type { FilesEvent } from "./file-events.ts";
import { FileIndex } from "./file-index.ts";
import { deriveFileKeys } from "./file-keys.ts";
import type { FilesOptions } from "./files-options.ts";
import { type FilesSummary, FilesUpkeep } from "./files-upkeep.ts";
import { allRows } from "./index-keys.ts";
import { listObjects, listUploads, listVersions } from "./listing.ts";
import type {
  BucketEntry,
  Content,
  Extent,
  LogEntry,
  ObjectEntry,
  PartEntry,
  UploadEntry,
} from "./log-entry.ts";
import type { SyncReport } from "./log-sync.ts";
import { MetadataLog, newLogState } from "./metadata-log.ts";
import { decodeRow, type Namespace } from "./namespace.ts";
import { PackWriter } from "./pack-writer.ts";

/** S3: parts but the last have at least 5 MiB. */
const SMALLEST_PART = 5 << 20;
/** Longest object, bytes: as S3's. */
const LARGEST_OBJECT = 5 * 2 ** 40;

export class Files implements FileStore {
  readonly events = new Signal<FilesEvent>();
  readonly #options: FilesOptions;
  readonly #policy: RenterPolicy;
  readonly #ownCodec: SlabCodec | undefined;
  readonly #codec: SlabCodec;
  /** What an object info was made from: reading it gives these bytes, whatever is written meanwhile. */
  readonly #entries = new WeakMap<ObjectInfo, ObjectEntry>();
  #open:
    | { index: FileIndex; renter: Renter; log: MetadataLog; writer: BodyWriter; upkeep: FilesUpkeep }
    | undefined;

  constructor(options: FilesOptions) {
    this.#options = options;
    this.#policy = { ...DEFAULT_POLICY, ...options.policy };
    if (options.codec === undefined) {
      this.#ownCodec = new SlabCodec({ random: options.random, workers: options.workers });
    }
    this.#codec = options.codec ?? this.#ownCodec!;
  }

  /**
   * Opens the index and begins to watch. On an empty directory the hosts are asked for what these words wrote before,
   * as soon as any is connected; {@link sync} waits for it.
   */
  async start(): Promise<void> {
    const { disk, folder, mesh, deals, clock, random, log: logger, filesKey } = this.#options;
    await disk.files.makeDirectory(folder);
    const index = new FileIndex(await disk.openStore(`${folder}/index`), { clock, log: logger });
    const renter = new Renter(this.#policy, {
      ...{ mesh, deals, clock, random, log: logger },
      codec: this.#codec,
      book: index,
    });
    await index.loadHosts(renter.hosts);
    const device = this.#options.deviceId ?? mesh.self;
    let state = await index.logState();
    if (state === undefined) {
      state = newLogState(device, random);
      await index.keepLogState(state);
    }
    const keys = deriveFileKeys(filesKey);
    const log = new MetadataLog(state, { renter, mesh, keys, clock, random, log: logger, device });
    index.open(log, (ids) => renter.committed(ids));
    const writer = new BodyWriter(renter, new PackWriter(renter), new BodyIntake(clock));
    const upkeep = new FilesUpkeep({ index, renter, log, mesh, clock, logger, policy: this.#policy });
    this.#open = { index, renter, log, writer, upkeep };
    upkeep.changed.on((event) => this.events.emit(event));
    upkeep.start();
  }

  /** Ends what is under way. What was acknowledged stays. */
  async stop(): Promise<void> {
    const open = this.#open;
    if (open === undefined) return;
    this.#open = undefined;
    open.renter.client.stop();
    await open.upkeep.stop();
    await open.renter.stop();
    try {
      await open.index.keepHosts(open.renter.hosts);
    } finally {
      await Promise.all([open.index.close(), this.#ownCodec?.close()]);
    }
  }

  get #o() {
    if (this.#open === undefined) throw new FileError("ServiceUnavailable", "the files are not open");
    return this.#open;
  }

  /** Asks the hosts what other machines (or an earlier directory) wrote under the same words, and takes it in. */
  sync(): Promise<SyncReport> {
    return this.#o.upkeep.sync();
  }

  /** Writes a snapshot of the log now, so that a restore is quick. @throws FileError */
  snapshot(): Promise<void> {
    return this.#o.upkeep.snapshot();
  }

  /** One round of upkeep now: audits, repair, dropping, snapshot. For tests and for who can not wait an epoch. */
  upkeep(): Promise<void> {
    return this.#o.upkeep.round();
  }

  /** Resolves when the upkeep that is under way is done: repair, audits, taking in. */
  settled(): Promise<void> {
    return this.#o.upkeep.settled();
  }

  status(): Promise<FilesSummary> {
    return this.#o.upkeep.summary();
  }

  // Buckets.

  async buckets(): Promise<readonly Bucket[]> {
    const buckets: Bucket[] = [];
    for await (const [, value] of this.#o.index.rows.iterate(allRows("bucket"))) {
      const { entry } = decodeRow<BucketEntry>(value);
      if (entry.gone !== true) buckets.push(bucketOf(entry));
    }
    return buckets;
  }

  async bucket(name: string): Promise<Bucket> {
    return bucketOf(await needBucket(this.#o.index.view(), name));
  }

  async createBucket(name: string): Promise<Bucket> {
    checkBucketName(name);
    return await this.#o.index.commit(async (view) => {
      if ((await view.bucket(name)) !== undefined) {
        throw new FileError("BucketAlreadyOwnedByYou", `the bucket ${name} is there already`);
      }
      const entry: BucketEntry = { type: "bucket", name, created: this.#now, versioning: "off" };
      return { entries: [entry], result: bucketOf(entry) };
    });
  }

  async deleteBucket(name: string): Promise<void> {
    await this.#o.index.commit(async (view) => {
      const bucket = await needBucket(view, name);
      if (!(await view.isEmpty(name)))
        throw new FileError("BucketNotEmpty", `the bucket ${name} is not empty`);
      return { entries: [{ ...bucket, gone: true }], result: undefined };
    });
  }

  async setVersioning(name: string, state: "enabled" | "suspended"): Promise<void> {
    await this.#o.index.commit(async (view) => {
      const bucket = await needBucket(view, name);
      return { entries: [{ ...bucket, versioning: state }], result: undefined };
    });
  }

  // Objects.

  async put(bucket: string, key: string, body: Body, options: PutOptions = {}): Promise<ObjectInfo> {
    checkKey(key);
    const headers = headersOf(options);
    await needBucket(this.#o.index.view(), bucket);
    const { writer } = this.#o;
    const written = await writer.write(limited(body, LARGEST_OBJECT), { inline: true, check: options.check });
    try {
      return await this.#putEntry(
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

  async #putEntry(
    bucket: string,
    key: string,
    object: Pick<ObjectEntry, "size" | "etag" | "content" | "headers" | "metadata">,
    slabs: readonly SlabRecord[],
    condition: WriteCondition,
    alsoWrite: (view: Namespace) => Promise<readonly LogEntry[]> = async () => [],
  ): Promise<ObjectInfo> {
    const { size, etag, content, headers, metadata } = object;
    const entry = await this.#o.index.commit(async (view) => {
      const { versioning } = await needBucket(view, bucket);
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
      const entries = [...(await newSlabs(view, slabs)), made, ...(await alsoWrite(view))];
      return { entries, result: made };
    });
    await this.events.emit({ type: "object", bucket, key, change: "put" });
    return this.#info(entry, true);
  }

  async head(bucket: string, key: string, versionId?: string): Promise<ObjectInfo> {
    const view = this.#o.index.view();
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
    const entry = await this.#entryOf(object);
    const first = range?.first ?? 0;
    const last = Math.min(range?.last ?? entry.size - 1, entry.size - 1);
    if (range !== undefined && (first < 0 || first > last)) {
      throw new FileError("InvalidRange", `no bytes ${first}–${range.last} of ${entry.size}`);
    }
    yield* this.#readContent(entry.content, first, last + 1 - first);
  }

  async *#readContent(content: Content, offset: number, length: number): AsyncGenerator<Uint8Array> {
    if (length <= 0) return;
    if (content.extents === undefined) {
      yield content.inline.subarray(offset, offset + length);
      return;
    }
    const { index, renter } = this.#o;
    for (const piece of cut(content.extents, offset, length)) {
      for await (const extent of this.#resolve(index.view(), piece)) {
        const slab = await index.get(extent.slab);
        if (slab === undefined) throw new FileError("ServiceUnavailable", `slab ${extent.slab} is gone`);
        try {
          yield* renter.read(slab, extent.offset, extent.length);
        } catch (error) {
          if (error instanceof SlabUnreadableError) throw new FileError("ServiceUnavailable", error.message);
          throw error;
        }
      }
    }
  }

  /** Where an extent lies now: slabs that were packed together point on. */
  async *#resolve(view: Namespace, extent: Extent): AsyncGenerator<Extent> {
    const remap = await view.remap(extent.slab);
    if (remap === undefined) {
      yield extent;
      return;
    }
    const end = extent.offset + extent.length;
    for (const { from, extent: target } of remap.pieces) {
      const start = Math.max(extent.offset, from);
      const stop = Math.min(end, from + target.length);
      if (start >= stop) continue;
      const inner = { slab: target.slab, offset: target.offset + start - from, length: stop - start };
      yield* this.#resolve(view, inner);
    }
  }

  async copy(from: ObjectInfo, bucket: string, key: string, options: PutOptions = {}): Promise<ObjectInfo> {
    checkKey(key);
    const source = await this.#entryOf(from);
    const own = headersOf(options);
    // Without attributes of its own a copy has those of its source.
    const kept = own.headers === undefined && own.metadata === undefined ? source : own;
    options.check?.({ size: source.size, md5: source.etag });
    const { size, etag, content } = source;
    const { headers, metadata } = kept;
    return await this.#putEntry(bucket, key, { size, etag, content, headers, metadata }, [], options);
  }

  async delete(bucket: string, key: string, versionId?: string): Promise<ObjectInfo | undefined> {
    const removed = await this.#o.index.commit(async (view) => {
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
    await this.events.emit({ type: "object", bucket, key, change: "deleted" });
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
    const { index } = this.#o;
    await needBucket(index.view(), bucket);
    return await listObjects(index.rows, bucket, query, (entry, latest) => this.#info(entry, latest));
  }

  async listVersions(bucket: string, query: ListQuery): Promise<ListPage> {
    const { index } = this.#o;
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

  // Uploads in parts.

  async startUpload(bucket: string, key: string, options: ObjectAttributes = {}): Promise<UploadInfo> {
    checkKey(key);
    const attributes = headersOf(options);
    const id = toHex(this.#options.random.fill(new Uint8Array(16)));
    return await this.#o.index.commit(async (view) => {
      await needBucket(view, bucket);
      const started = this.#now;
      const entry: UploadEntry = { type: "upload", id, bucket, key, started, ...attributes };
      return { entries: [entry], result: { id, bucket, key, started } };
    });
  }

  async putPart(upload: string, part: number, body: Body, check?: PutOptions["check"]): Promise<PartInfo> {
    checkPart(part);
    await needUpload(this.#o.index.view(), upload);
    const { writer } = this.#o;
    const written = await writer.write(limited(body, LARGEST_OBJECT), { inline: false, check });
    try {
      return await this.#putPartEntry(upload, part, written);
    } finally {
      writer.release(written.slabs);
    }
  }

  async #putPartEntry(upload: string, part: number, written: WrittenBody): Promise<PartInfo> {
    const { size, md5, content, slabs } = written;
    return await this.#o.index.commit(async (view) => {
      await needUpload(view, upload);
      await checkExtents(view, content, slabs);
      const entry: PartEntry = { type: "part", upload, part, size, etag: md5, modified: this.#now, content };
      return { entries: [...(await newSlabs(view, slabs)), entry], result: partOf(entry) };
    });
  }

  async copyPart(upload: string, part: number, from: ObjectInfo, range?: ByteRange): Promise<PartInfo> {
    // The part's own MD5 must be known, so its bytes are read; stored again they lie with the upload's others.
    return await this.putPart(upload, part, this.read(from, range));
  }

  async parts(upload: string, query: { after: number; limit: number }): Promise<readonly PartInfo[]> {
    const view = this.#o.index.view();
    await needUpload(view, upload);
    const parts: PartInfo[] = [];
    if (query.limit <= 0) return parts;
    for await (const entry of view.parts(upload, query.after)) {
      parts.push(partOf(entry));
      if (parts.length >= query.limit) break;
    }
    return parts;
  }

  async uploads(bucket: string, query: ListQuery): Promise<readonly UploadInfo[]> {
    const { index } = this.#o;
    await needBucket(index.view(), bucket);
    return await listUploads(index.rows, bucket, query);
  }

  async completeUpload(
    upload: string,
    parts: readonly { readonly part: number; readonly etag: string }[],
    condition: WriteCondition = {},
  ): Promise<ObjectInfo> {
    const view = this.#o.index.view();
    const begun = await needUpload(view, upload);
    const chosen = await chooseParts(view, upload, parts);
    const md5 = createHash("md5");
    for (const { etag } of chosen) md5.update(fromHex(etag)!);
    const object = {
      size: chosen.reduce((sum, { size }) => sum + size, 0),
      etag: `${md5.digest("hex")}-${chosen.length}`,
      content: { extents: chosen.flatMap(({ content }) => content.extents ?? []) },
      headers: begun.headers,
      metadata: begun.metadata,
    };
    return await this.#putEntry(begun.bucket, begun.key, object, [], condition, async (now) => {
      // What was chosen must be what is there: a part may have been sent again meanwhile.
      const still = await chooseParts(now, upload, parts);
      if (
        still.some(
          ({ modified, content }, i) =>
            modified !== chosen[i]!.modified || !isSame(content, chosen[i]!.content),
        )
      ) {
        throw new FileError("InvalidPart", "a part was replaced meanwhile");
      }
      return [{ ...(await needUpload(now, upload)), gone: true }];
    });
  }

  async abortUpload(upload: string): Promise<void> {
    await this.#o.index.commit(async (view) => {
      const entry = await needUpload(view, upload);
      return { entries: [{ ...entry, gone: true }], result: undefined };
    });
  }

  async health(object: ObjectInfo): Promise<readonly SlabHealth[]> {
    const { content } = await this.#entryOf(object);
    const { index, renter } = this.#o;
    const view = index.view();
    const rows = new Map<string, SlabHealth>();
    for (const piece of content.extents ?? []) {
      for await (const { slab: id } of this.#resolve(view, piece)) {
        const slab = rows.has(id) ? undefined : await index.get(id);
        if (slab !== undefined) rows.set(id, renter.watch.health(slab));
      }
    }
    return [...rows.values()];
  }

  get #now(): number {
    return this.#options.clock.now();
  }

  #newVersion(): string {
    return toHex(this.#options.random.fill(new Uint8Array(16)));
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
  async #entryOf(object: ObjectInfo): Promise<ObjectEntry> {
    const known = this.#entries.get(object);
    if (known !== undefined) return known;
    const found = await this.#o.index.view().version(object.bucket, object.key, object.versionId);
    if (found === undefined || found.entry.etag !== object.etag) {
      throw new FileError("NoSuchKey", `${object.key} is not there any more`);
    }
    return found.entry;
  }
}

function bucketOf({ name, created, versioning }: BucketEntry): Bucket {
  return { name, created, versioning };
}

function partOf({ part, size, etag, modified }: PartEntry): PartInfo {
  return { part, size, etag, modified };
}

async function needBucket(view: Namespace, name: string): Promise<BucketEntry> {
  const bucket = await view.bucket(name);
  if (bucket === undefined) throw new FileError("NoSuchBucket", `there is no bucket ${name}`);
  return bucket;
}

async function needUpload(view: Namespace, id: string): Promise<UploadEntry> {
  const upload = /^[0-9a-f]{32}$/.test(id) ? await view.upload(id) : undefined;
  if (upload === undefined) throw new FileError("NoSuchUpload", `there is no upload ${id}`);
  return upload;
}

function checkPart(part: number): void {
  if (!Number.isInteger(part) || part < 1 || part > 10_000) {
    throw new FileError("InvalidPart", "parts are numbered from 1 to 10000");
  }
}

/** Slabs that the index does not have yet: others of the same pack may have brought them. */
async function newSlabs(view: Namespace, slabs: readonly SlabRecord[]): Promise<LogEntry[]> {
  const entries: LogEntry[] = [];
  for (const record of slabs) {
    if ((await view.slab(record.id)) === undefined) entries.push({ type: "slab", record });
  }
  return entries;
}

/** A copy may come after its source was deleted and dropped. */
async function checkExtents(view: Namespace, content: Content, own: readonly SlabRecord[]): Promise<void> {
  const fresh = new Set(own.map(({ id }) => id));
  for (const { slab } of content.extents ?? []) {
    if (fresh.has(slab) || (await view.slab(slab)) !== undefined || (await view.remap(slab)) !== undefined)
      continue;
    throw new FileError("NoSuchKey", "the source is not there any more");
  }
}

async function chooseParts(
  view: Namespace,
  upload: string,
  parts: readonly { readonly part: number; readonly etag: string }[],
): Promise<PartEntry[]> {
  if (parts.length === 0) throw new FileError("InvalidPart", "an upload has at least one part");
  const chosen: PartEntry[] = [];
  for (const [i, { part, etag }] of parts.entries()) {
    if (i > 0 && part <= parts[i - 1]!.part)
      throw new FileError("InvalidPartOrder", "part numbers must ascend");
    const entry = await view.part(upload, part);
    if (entry === undefined || entry.etag !== etag.replaceAll('"', "")) {
      throw new FileError("InvalidPart", `part ${part} is not there, or another`);
    }
    if (i < parts.length - 1 && entry.size < SMALLEST_PART) {
      throw new FileError("EntityTooSmall", `part ${part} has less than 5 MiB`);
    }
    chosen.push(entry);
  }
  return chosen;
}

function isSame(a: Content, b: Content): boolean {
  return JSON.stringify(a.extents) === JSON.stringify(b.extents);
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

async function* limited(body: Body, limit: number): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > limit) throw new FileError("EntityTooLarge", `an object has at most ${limit} bytes`);
    yield chunk;
  }
}
