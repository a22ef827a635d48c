/**
 * What the metadata log says, one entry a change. Every entry sets one register of the namespace; of two entries for
 * the same register the one with the later stamp holds, so logs of several machines merge to the same in any order.
 */
import { z } from "zod";
import { bytesUpTo, hexOf, integer, textUpTo } from "#sharing/mesh/schema.ts";
import { type SlabId, type SlabRecord, slabId, slabRecord } from "../renter/slab.ts";

/** When and by whom: a counter that runs ahead of every stamp seen (milliseconds where clocks agree), then the chain. */
export interface Stamp {
  readonly counter: number;
  readonly chain: string;
}

/** Negative, zero or positive: the order of all changes, the same on every machine. */
export function compareStamps(a: Stamp, b: Stamp): number {
  if (a.counter !== b.counter) return a.counter - b.counter;
  return a.chain < b.chain ? -1 : a.chain > b.chain ? 1 : 0;
}

/** Part of a slab. */
export interface Extent {
  readonly slab: SlabId;
  readonly offset: number;
  readonly length: number;
}

/** Where an object's bytes are: in the log itself up to {@link INLINE_LIMIT}, else in slabs, in order. */
export type Content =
  | { readonly inline: Uint8Array; readonly extents?: undefined }
  | { readonly extents: readonly Extent[]; readonly inline?: undefined };

/** Longest object that is kept in the log. */
export const INLINE_LIMIT = 4096;

/** The S3 headers and metadata of an object, names and values; among the headers the sizes of its parts, if any. */
export type Attributes = Readonly<Record<string, string>>;

export interface BucketEntry {
  readonly type: "bucket";
  readonly name: string;
  readonly created: number;
  readonly versioning: "off" | "enabled" | "suspended";
  /** The bucket is gone. */
  readonly gone?: true | undefined;
}

export interface ObjectEntry {
  readonly type: "object";
  readonly bucket: string;
  readonly key: string;
  readonly version: string;
  /** A delete marker has no content. */
  readonly marker?: true | undefined;
  readonly size: number;
  readonly etag: string;
  readonly modified: number;
  readonly headers?: Attributes | undefined;
  readonly metadata?: Attributes | undefined;
  readonly content: Content;
}

/** One version of an object is gone. */
export interface RemoveEntry {
  readonly type: "remove";
  readonly bucket: string;
  readonly key: string;
  readonly version: string;
}

export interface UploadEntry {
  readonly type: "upload";
  readonly id: string;
  readonly bucket: string;
  readonly key: string;
  readonly started: number;
  readonly headers?: Attributes | undefined;
  readonly metadata?: Attributes | undefined;
  /** Completed or given up; its parts are gone. */
  readonly gone?: true | undefined;
}

export interface PartEntry {
  readonly type: "part";
  readonly upload: string;
  readonly part: number;
  readonly size: number;
  readonly etag: string;
  readonly modified: number;
  readonly content: Content;
}

/** A slab was stored, or has moved: the whole record as it is from now on. */
export interface SlabEntry {
  readonly type: "slab";
  readonly record: SlabRecord;
  /** Holds the log itself, not objects: the chain it belongs to. */
  readonly log?: string | undefined;
}

/** A slab that nothing refers to was dropped at its hosts. */
export interface DropEntry {
  readonly type: "drop";
  readonly slab: SlabId;
}

/** The bytes of a slab live in other slabs from now on (small slabs packed together, holes left out). */
export interface RemapEntry {
  readonly type: "remap";
  readonly slab: SlabId;
  readonly pieces: readonly { readonly from: number; readonly extent: Extent }[];
}

export type LogEntry =
  | BucketEntry
  | ObjectEntry
  | RemoveEntry
  | UploadEntry
  | PartEntry
  | SlabEntry
  | DropEntry
  | RemapEntry;

const bucketName = textUpTo(63);
const objectKey = textUpTo(1024);
const version = textUpTo(64);
const time = integer(0);
/** A name takes as much as all metadata has room for. */
const attributes = z.record(textUpTo(2048), textUpTo(8192));
const etag = textUpTo(64);
const extent = z.strictObject({ slab: slabId, offset: integer(0), length: integer(1) });
const content: z.ZodType<Content> = z.union([
  z.strictObject({ inline: bytesUpTo(INLINE_LIMIT) }),
  z.strictObject({ extents: z.array(extent) }),
]);
const gone = z.literal(true).optional();

export const logEntry: z.ZodType<LogEntry> = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("bucket"),
    name: bucketName,
    created: time,
    versioning: z.enum(["off", "enabled", "suspended"]),
    gone,
  }),
  z.strictObject({
    type: z.literal("object"),
    bucket: bucketName,
    key: objectKey,
    version,
    marker: gone,
    size: integer(0),
    etag,
    modified: time,
    headers: attributes.optional(),
    metadata: attributes.optional(),
    content,
  }),
  z.strictObject({ type: z.literal("remove"), bucket: bucketName, key: objectKey, version }),
  z.strictObject({
    type: z.literal("upload"),
    id: hexOf(16),
    bucket: bucketName,
    key: objectKey,
    started: time,
    headers: attributes.optional(),
    metadata: attributes.optional(),
    gone,
  }),
  z.strictObject({
    type: z.literal("part"),
    upload: hexOf(16),
    part: integer(1, 10_000),
    size: integer(0),
    etag,
    modified: time,
    content,
  }),
  z.strictObject({ type: z.literal("slab"), record: slabRecord, log: hexOf(16).optional() }),
  z.strictObject({ type: z.literal("drop"), slab: slabId }),
  z.strictObject({
    type: z.literal("remap"),
    slab: slabId,
    pieces: z.array(z.strictObject({ from: integer(0), extent })),
  }),
]);
