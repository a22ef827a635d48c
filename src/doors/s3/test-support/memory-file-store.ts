/** A FileStore in memory, faithful to its face; for tests of what stands on one. */
import { createHash } from "node:crypto";
import type { Clock } from "#base/lib/clock.ts";
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
} from "#sharing/storage/file-store.ts";

const MIN_PART = 5 * 1024 * 1024;
/** Bytes handed out at a time. */
const PIECE = 64 * 1024;

interface Stored {
  readonly info: Omit<ObjectInfo, "latest">;
  readonly bytes: readonly Uint8Array[];
}

interface OpenUpload {
  readonly info: UploadInfo;
  readonly attributes: ObjectAttributes;
  readonly parts: Map<number, { readonly info: PartInfo; readonly bytes: readonly Uint8Array[] }>;
}

interface OpenBucket {
  bucket: Bucket;
  /** Versions of each key, newest first. */
  readonly keys: Map<string, Stored[]>;
}

export class MemoryFileStore implements FileStore {
  readonly #clock: Clock;
  readonly #buckets = new Map<string, OpenBucket>();
  readonly #uploads = new Map<string, OpenUpload>();
  /** What each completed upload became. */
  readonly #completed = new Map<string, ObjectInfo>();
  #counter = 0;
  /** Bodies that are being read from this store now. */
  reading = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async buckets(): Promise<readonly Bucket[]> {
    return [...this.#buckets.values()].map(({ bucket }) => bucket).sort((a, b) => order(a.name, b.name));
  }

  async bucket(name: string): Promise<Bucket> {
    return this.#open(name).bucket;
  }

  async createBucket(name: string): Promise<Bucket> {
    if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name) || /\.\.|^\d+\.\d+\.\d+\.\d+$/.test(name)) {
      throw new FileError("InvalidBucketName", "The specified bucket is not valid.");
    }
    if (this.#buckets.has(name)) {
      throw new FileError(
        "BucketAlreadyOwnedByYou",
        "Your previous request to create the named bucket succeeded and you already own it.",
      );
    }
    const bucket: Bucket = { name, created: this.#clock.now(), versioning: "off" };
    this.#buckets.set(name, { bucket, keys: new Map() });
    return bucket;
  }

  async deleteBucket(name: string): Promise<void> {
    if (this.#open(name).keys.size > 0) {
      throw new FileError("BucketNotEmpty", "The bucket you tried to delete is not empty");
    }
    this.#buckets.delete(name);
  }

  async setVersioning(name: string, state: "enabled" | "suspended"): Promise<void> {
    const open = this.#open(name);
    open.bucket = { ...open.bucket, versioning: state };
  }

  async put(bucket: string, key: string, body: Body, options: PutOptions = {}): Promise<ObjectInfo> {
    this.#open(bucket);
    const { bytes, size, md5 } = await collect(body, options.check);
    return this.#add(bucket, key, bytes, size, md5, options);
  }

  async head(bucket: string, key: string, versionId?: string): Promise<ObjectInfo> {
    const versions = this.#open(bucket).keys.get(key) ?? [];
    if (versionId === undefined) {
      const latest = versions[0];
      if (latest === undefined || latest.info.deleteMarker) {
        throw new FileError("NoSuchKey", "The specified key does not exist.");
      }
      return { ...latest.info, latest: true };
    }
    const at = versions.findIndex(({ info }) => info.versionId === versionId);
    if (at < 0) throw new FileError("NoSuchVersion", "The specified version does not exist.");
    const { info } = versions[at]!;
    if (info.deleteMarker) {
      throw new FileError("MethodNotAllowed", "The specified method is not allowed against this resource.");
    }
    return { ...info, latest: at === 0 };
  }

  async *read(object: ObjectInfo, range?: ByteRange): Body {
    this.reading++;
    try {
      yield* slice(this.#bytesOf(object), range ?? { first: 0, last: object.size - 1 });
    } finally {
      this.reading--;
    }
  }

  async copy(from: ObjectInfo, bucket: string, key: string, options: PutOptions = {}): Promise<ObjectInfo> {
    const all = { ...options, ...(from.parts !== undefined && { parts: from.parts }) };
    return this.#add(bucket, key, this.#bytesOf(from), from.size, from.etag, all);
  }

  async delete(bucket: string, key: string, versionId?: string): Promise<ObjectInfo | undefined> {
    const open = this.#open(bucket);
    const versions = open.keys.get(key) ?? [];
    if (versionId === undefined && open.bucket.versioning !== "off") {
      const marker = this.#infoOf(open.bucket, key, { size: 0, etag: "", deleteMarker: true });
      this.#insert(open, key, { info: marker, bytes: [] });
      return { ...marker, latest: true };
    }
    const at = versions.findIndex(({ info }) => info.versionId === (versionId ?? "null"));
    if (at < 0) return undefined;
    const [gone] = versions.splice(at, 1);
    if (versions.length === 0) open.keys.delete(key);
    return { ...gone!.info, latest: at === 0 };
  }

  async list(bucket: string, query: ListQuery): Promise<ListPage> {
    const current = this.#sorted(bucket).flatMap(([, versions]) => {
      const { info } = versions[0]!;
      return info.deleteMarker ? [] : [{ ...info, latest: true }];
    });
    return page(current, query);
  }

  async listVersions(bucket: string, query: ListQuery): Promise<ListPage> {
    const all = this.#sorted(bucket).flatMap(([, versions]) =>
      versions.map(({ info }, at) => ({ ...info, latest: at === 0 })),
    );
    return page(all, query);
  }

  async startUpload(bucket: string, key: string, options: ObjectAttributes = {}): Promise<UploadInfo> {
    this.#open(bucket);
    const info = { id: this.#nextId(), bucket, key, started: this.#clock.now() };
    this.#uploads.set(info.id, { info, attributes: options, parts: new Map() });
    return info;
  }

  async putPart(upload: string, part: number, body: Body, check?: PutOptions["check"]): Promise<PartInfo> {
    this.#upload(upload);
    const { bytes, size, md5 } = await collect(body, check);
    return this.#addPart(upload, part, bytes, size, md5);
  }

  async copyPart(upload: string, part: number, from: ObjectInfo, range?: ByteRange): Promise<PartInfo> {
    const { bytes, size, md5 } = await collect(this.read(from, range));
    return this.#addPart(upload, part, bytes, size, md5);
  }

  async parts(upload: string, query: { after: number; limit: number }): Promise<readonly PartInfo[]> {
    const parts = [...this.#upload(upload).parts.values()].map(({ info }) => info);
    return parts
      .filter(({ part }) => part > query.after)
      .sort((a, b) => a.part - b.part)
      .slice(0, query.limit);
  }

  async uploads(bucket: string, query: ListQuery): Promise<readonly UploadInfo[]> {
    this.#open(bucket);
    const { prefix = "", after = "", afterVersion } = query;
    return [...this.#uploads.values()]
      .map(({ info }) => info)
      .filter((info) => info.bucket === bucket && info.key.startsWith(prefix))
      .filter((info) => {
        const side = order(info.key, after);
        return side > 0 || (side === 0 && afterVersion !== undefined && info.id > afterVersion);
      })
      .sort((a, b) => order(a.key, b.key) || order(a.id, b.id))
      .slice(0, query.limit);
  }

  async completeUpload(
    upload: string,
    parts: readonly { readonly part: number; readonly etag: string }[],
    condition: WriteCondition = {},
  ): Promise<ObjectInfo> {
    const etag = etagOf(parts);
    const before = this.#completed.get(upload);
    if (before?.etag === etag && this.#isThere(before)) return before;
    const open = this.#upload(upload);
    if (parts.some(({ part }, at) => at > 0 && parts[at - 1]!.part >= part)) {
      throw new FileError("InvalidPartOrder", "The list of parts was not in ascending order.");
    }
    const chosen = parts.map(({ part, etag }, at) => {
      const found = open.parts.get(part);
      if (found === undefined || found.info.etag !== etag) {
        throw new FileError("InvalidPart", "One or more of the specified parts could not be found.");
      }
      if (at < parts.length - 1 && found.info.size < MIN_PART) {
        throw new FileError(
          "EntityTooSmall",
          "Your proposed upload is smaller than the minimum allowed size",
        );
      }
      return found;
    });
    const size = chosen.reduce((sum, { info }) => sum + info.size, 0);
    const bytes = chosen.flatMap((part) => part.bytes);
    const runs = chosen.map(({ info }) => ({ size: info.size, count: 1 }));
    const options = { ...open.attributes, ...condition, parts: runs };
    const object = this.#add(open.info.bucket, open.info.key, bytes, size, etag, options);
    this.#uploads.delete(upload);
    this.#completed.set(upload, object);
    return object;
  }

  async abortUpload(upload: string): Promise<void> {
    this.#upload(upload);
    this.#uploads.delete(upload);
  }

  async health(): Promise<readonly SlabHealth[]> {
    return [];
  }

  #open(name: string): OpenBucket {
    const open = this.#buckets.get(name);
    if (open === undefined) throw new FileError("NoSuchBucket", "The specified bucket does not exist");
    return open;
  }

  #upload(id: string): OpenUpload {
    const open = this.#uploads.get(id);
    if (open === undefined) throw new FileError("NoSuchUpload", "The specified upload does not exist.");
    return open;
  }

  #nextId(): string {
    return (++this.#counter).toString(16).padStart(16, "0");
  }

  #bytesOf(object: ObjectInfo): readonly Uint8Array[] {
    const versions = this.#open(object.bucket).keys.get(object.key) ?? [];
    const found = versions.find(
      ({ info }) => info.versionId === object.versionId && info.etag === object.etag,
    );
    if (found === undefined) throw new FileError("NoSuchKey", "The specified key does not exist.");
    return found.bytes;
  }

  /** Whether this very version lives: one put in its place is another. */
  #isThere({ bucket, key, modified, etag, versionId }: ObjectInfo): boolean {
    const versions = this.#buckets.get(bucket)?.keys.get(key) ?? [];
    return versions.some(
      ({ info }) => info.versionId === versionId && info.etag === etag && info.modified === modified,
    );
  }

  #infoOf(
    bucket: Bucket,
    key: string,
    made: { readonly size: number; readonly etag: string; readonly deleteMarker: boolean },
  ): Omit<ObjectInfo, "latest"> {
    const versionId = bucket.versioning === "enabled" ? this.#nextId() : "null";
    return { bucket: bucket.name, key, versionId, modified: this.#clock.now(), ...made };
  }

  #add(
    bucket: string,
    key: string,
    bytes: readonly Uint8Array[],
    size: number,
    etag: string,
    options: PutOptions & Pick<ObjectInfo, "parts">,
  ): ObjectInfo {
    const open = this.#open(bucket);
    const before = open.keys.get(key)?.[0]?.info;
    checkCondition(before?.deleteMarker === true ? undefined : before, options);
    const { check: _check, ifMatch: _ifMatch, ifNoneMatch: _ifNoneMatch, ...attributes } = options;
    const info = { ...attributes, ...this.#infoOf(open.bucket, key, { size, etag, deleteMarker: false }) };
    this.#insert(open, key, { info, bytes });
    return { ...info, latest: true };
  }

  /** The version called "null" is replaced, others are kept. */
  #insert(open: OpenBucket, key: string, stored: Stored): void {
    const before = open.keys.get(key) ?? [];
    const kept =
      stored.info.versionId === "null" ? before.filter(({ info }) => info.versionId !== "null") : before;
    open.keys.set(key, [stored, ...kept]);
  }

  #addPart(upload: string, part: number, bytes: readonly Uint8Array[], size: number, etag: string): PartInfo {
    const info = { part, size, etag, modified: this.#clock.now() };
    this.#upload(upload).parts.set(part, { info, bytes });
    return info;
  }

  #sorted(bucket: string): [string, Stored[]][] {
    return [...this.#open(bucket).keys].sort(([a], [b]) => order(a, b));
  }
}

function checkCondition(before: Omit<ObjectInfo, "latest"> | undefined, condition: WriteCondition): void {
  const failed = () =>
    new FileError("PreconditionFailed", "At least one of the pre-conditions you specified did not hold");
  if (condition.ifNoneMatch === "*" && before !== undefined) throw failed();
  if (condition.ifMatch !== undefined && before?.etag !== condition.ifMatch) throw failed();
}

function etagOf(parts: readonly { readonly etag: string }[]): string {
  const md5 = createHash("md5");
  for (const { etag } of parts) md5.update(etag, "hex");
  return `${md5.digest("hex")}-${parts.length}`;
}

async function collect(body: Body, check?: PutOptions["check"]) {
  const bytes: Uint8Array[] = [];
  const hash = createHash("md5");
  let size = 0;
  for await (const piece of body) {
    bytes.push(piece.slice());
    hash.update(piece);
    size += piece.length;
  }
  const md5 = hash.digest("hex");
  check?.({ size, md5 });
  return { bytes, size, md5 };
}

function* slice(bytes: readonly Uint8Array[], { first, last }: ByteRange): Iterable<Uint8Array> {
  let at = 0;
  for (const piece of bytes) {
    const from = Math.max(0, first - at);
    const to = Math.min(piece.length, last + 1 - at);
    for (let i = from; i < to; i += PIECE) yield piece.subarray(i, Math.min(to, i + PIECE));
    at += piece.length;
    if (at > last) return;
  }
}

/** Entries are objects and the prefixes they roll up into, in order; the page starts behind the marker. */
function page(all: readonly ObjectInfo[], query: ListQuery): ListPage {
  const { prefix = "", delimiter = "", after, afterVersion, limit } = query;
  const entries: { readonly name: string; readonly object?: ObjectInfo }[] = [];
  for (const object of all) {
    if (!object.key.startsWith(prefix)) continue;
    const cut = delimiter === "" ? -1 : object.key.indexOf(delimiter, prefix.length);
    const name = cut < 0 ? object.key : object.key.slice(0, cut + delimiter.length);
    if (cut < 0) entries.push({ name, object });
    else if (entries.at(-1)?.name !== name) entries.push({ name });
  }
  const start = entries.findIndex(({ name }) => after === undefined || order(name, after) > 0);
  const marked = entries.findIndex(
    ({ name, object }) => afterVersion !== undefined && name === after && object?.versionId === afterVersion,
  );
  const from = marked >= 0 ? marked + 1 : start < 0 ? entries.length : start;
  const shown = entries.slice(from, from + limit);
  const last = from + limit < entries.length ? shown.at(-1) : undefined;
  return {
    objects: shown.flatMap(({ object }) => object ?? []),
    commonPrefixes: shown.filter(({ object }) => object === undefined).map(({ name }) => name),
    ...(last !== undefined && { next: last.name }),
    ...(last?.object !== undefined && { nextVersion: last.object.versionId }),
  };
}

/** By the bytes of UTF-8. */
function order(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a, "utf8"), Buffer.from(b, "utf8"));
}
