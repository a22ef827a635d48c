/**
 * Files as programs see them: buckets, keys, versions. The S3 door and the command line stand on this face alone.
 * Everything that resolves here is durable: slab and log segment hold receipts from enough hosts (DESIGN §6).
 */

/** What a caller got wrong, by S3's own names; the door turns it into XML. */
export type FileErrorCode =
  | "NoSuchBucket"
  | "NoSuchKey"
  | "NoSuchVersion"
  | "NoSuchUpload"
  | "BucketAlreadyOwnedByYou"
  | "BucketNotEmpty"
  | "InvalidArgument"
  | "InvalidBucketName"
  | "KeyTooLongError"
  | "InvalidPart"
  | "InvalidPartOrder"
  | "EntityTooSmall"
  | "EntityTooLarge"
  | "InvalidRange"
  | "MetadataTooLarge"
  | "MethodNotAllowed" // a delete marker was asked for by its version
  | "BadDigest"
  | "PreconditionFailed"
  | "ServiceUnavailable"; // too few hosts can be reached to store or to read

export class FileError extends Error {
  override readonly name = "FileError";
  readonly code: FileErrorCode;

  constructor(code: FileErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

export interface Bucket {
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly created: number;
  readonly versioning: "off" | "enabled" | "suspended";
}

export interface ObjectAttributes {
  readonly contentType?: string;
  readonly cacheControl?: string;
  readonly contentDisposition?: string;
  readonly contentEncoding?: string;
  readonly contentLanguage?: string;
  readonly expires?: string;
  /** `x-amz-meta-…` without the prefix, lower case; at most 2 KiB in all. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** So many parts of one size, one after the other. */
export interface PartRun {
  /** Bytes. */
  readonly size: number;
  readonly count: number;
}

export interface ObjectInfo extends ObjectAttributes {
  readonly bucket: string;
  readonly key: string;
  /** `"null"` in a bucket without versioning. */
  readonly versionId: string;
  readonly latest: boolean;
  readonly deleteMarker: boolean;
  readonly size: number;
  /** MD5 in hex; `<md5 of the parts' md5s>-<parts>` for an object made of parts. No quotes. */
  readonly etag: string;
  /** Milliseconds since 1970. */
  readonly modified: number;
  /** What it was put together from, in order; undefined also where that is not known. */
  readonly parts?: readonly PartRun[];
}

/** Checked under the lock, just before the write takes effect; failing is `PreconditionFailed`. */
export interface WriteCondition {
  readonly ifMatch?: string;
  /** `"*"`: only where nothing is. */
  readonly ifNoneMatch?: string;
}

export interface PutOptions extends ObjectAttributes, WriteCondition {
  /**
   * Called when the body has ended, with its size and MD5 (hex); throws a FileError (`BadDigest`) to refuse the
   * object, so that nothing is stored.
   */
  readonly check?: (seen: { readonly size: number; readonly md5: string }) => void;
}

export interface ListQuery {
  readonly prefix?: string;
  readonly delimiter?: string;
  /** Strictly after this key (and, for versions, this version). Byte order of UTF-8. */
  readonly after?: string;
  readonly afterVersion?: string;
  /** At most 1000 entries and common prefixes together. */
  readonly limit: number;
}

export interface ListPage {
  readonly objects: readonly ObjectInfo[];
  readonly commonPrefixes: readonly string[];
  /** The last key or prefix listed, where more follows. */
  readonly next?: string;
  readonly nextVersion?: string;
}

export interface PartInfo {
  readonly part: number;
  readonly size: number;
  readonly etag: string;
  readonly modified: number;
}

export interface UploadInfo {
  readonly id: string;
  readonly bucket: string;
  readonly key: string;
  readonly started: number;
}

/** First and last byte, both included. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

export type Body = AsyncIterable<Uint8Array>;

/** @throws FileError for what the caller got wrong; anything else is a bug or a failed disk. */
export interface FileStore {
  buckets(): Promise<readonly Bucket[]>;
  bucket(name: string): Promise<Bucket>;
  createBucket(name: string): Promise<Bucket>;
  deleteBucket(name: string): Promise<void>;
  setVersioning(name: string, state: "enabled" | "suspended"): Promise<void>;

  put(bucket: string, key: string, body: Body, options?: PutOptions): Promise<ObjectInfo>;
  head(bucket: string, key: string, versionId?: string): Promise<ObjectInfo>;
  /** The bytes of a range; fetched as they are read, nothing before. */
  read(object: ObjectInfo, range?: ByteRange): Body;
  /** A copy shares the slabs. It has the source's attributes where none are given, `metadata: {}` being none kept. */
  copy(from: ObjectInfo, bucket: string, key: string, options?: PutOptions): Promise<ObjectInfo>;
  /** Undefined where nothing was there. With versioning and no version id: a delete marker. */
  delete(bucket: string, key: string, versionId?: string): Promise<ObjectInfo | undefined>;
  list(bucket: string, query: ListQuery): Promise<ListPage>;
  listVersions(bucket: string, query: ListQuery): Promise<ListPage>;

  startUpload(bucket: string, key: string, options?: ObjectAttributes): Promise<UploadInfo>;
  putPart(upload: string, part: number, body: Body, check?: PutOptions["check"]): Promise<PartInfo>;
  copyPart(upload: string, part: number, from: ObjectInfo, range?: ByteRange): Promise<PartInfo>;
  parts(upload: string, query: { after: number; limit: number }): Promise<readonly PartInfo[]>;
  uploads(bucket: string, query: ListQuery): Promise<readonly UploadInfo[]>;
  /**
   * Completed again with the same parts, an upload answers with what it became, for as long as that is there: a caller
   * who lost the answer asks again. The condition is not looked at then.
   */
  completeUpload(
    upload: string,
    parts: readonly { readonly part: number; readonly etag: string }[],
    condition?: WriteCondition,
  ): Promise<ObjectInfo>;
  abortUpload(upload: string): Promise<void>;

  /** Health of every slab of an object: one row a slab, one cell a shard. */
  health(object: ObjectInfo): Promise<readonly SlabHealth[]>;
}

export interface SlabHealth {
  readonly slab: string;
  readonly needed: number;
  readonly shards: readonly {
    readonly host: string;
    readonly state: "stored" | "unproven" | "lost" | "repairing";
  }[];
}
