/** What S3 lets a caller say about names, headers and conditions, checked. */
import { FileError, type ObjectAttributes, type ObjectInfo, type WriteCondition } from "../file-store.ts";
import type { Attributes, ObjectEntry } from "./log-entry.ts";
import type { Namespace } from "./namespace.ts";
import { PART_SIZES, readPartSizes } from "./part-sizes.ts";

/** The version of objects in a bucket without versioning. */
export const NULL_VERSION = "null";

const HEADERS = [
  "contentType",
  "cacheControl",
  "contentDisposition",
  "contentEncoding",
  "contentLanguage",
  "expires",
] as const;
/** Longest user metadata, names and values together, bytes: as S3's. */
const MAX_METADATA = 2048;
const MAX_HEADER = 8192;
const MAX_KEY = 1024;

const encoder = new TextEncoder();

export function checkBucketName(name: string): void {
  const fits = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name);
  if (!fits || name.includes("..") || /^\d+\.\d+\.\d+\.\d+$/.test(name)) {
    throw new FileError(
      "InvalidBucketName",
      `${JSON.stringify(name.slice(0, 80))} is no name for a bucket: it takes 3 to 63 of a-z, 0-9, - and ., the first and the last a letter or a digit`,
    );
  }
}

export function checkKey(key: string): void {
  if (key.length > MAX_KEY || encoder.encode(key).length > MAX_KEY) {
    throw new FileError("KeyTooLongError", `a key has at most ${MAX_KEY} bytes`);
  }
  if (key === "") throw new FileError("KeyTooLongError", "a key has at least one byte");
}

/** Headers and metadata as the log keeps them. @throws FileError `MetadataTooLarge`, `InvalidArgument` */
export function headersOf(attributes: ObjectAttributes): {
  readonly headers: Attributes | undefined;
  readonly metadata: Attributes | undefined;
} {
  const headers: Record<string, string> = {};
  for (const name of HEADERS) {
    const value = attributes[name];
    if (value === undefined) continue;
    if (value.length > MAX_HEADER) throw new FileError("MetadataTooLarge", `${name} is too long`);
    headers[name] = value;
  }
  const entries = Object.entries(attributes.metadata ?? {});
  // No decoder takes a map with that key, so nobody could read the log again.
  if (entries.some(([name]) => name === "__proto__")) {
    throw new FileError("InvalidArgument", "metadata can not be called __proto__");
  }
  const bytes = entries.reduce((sum, [name, value]) => sum + encoder.encode(name + value).length, 0);
  if (bytes > MAX_METADATA)
    throw new FileError("MetadataTooLarge", `metadata has at most ${MAX_METADATA} bytes`);
  return {
    headers: Object.keys(headers).length === 0 ? undefined : headers,
    metadata: entries.length === 0 ? undefined : Object.fromEntries(entries),
  };
}

/** What callers are told of them, with the parts. */
export function attributesOf({
  headers: all = {},
  metadata,
  size,
}: ObjectEntry): ObjectAttributes & Pick<ObjectInfo, "parts"> {
  const { [PART_SIZES]: sizes, ...headers } = all;
  const parts = sizes === undefined ? undefined : readPartSizes(sizes, size);
  return { ...headers, ...(metadata !== undefined && { metadata }), ...(parts !== undefined && { parts }) };
}

/** @throws FileError `PreconditionFailed`, or `NoSuchKey` where a match is asked of nothing. */
export async function checkCondition(
  view: Namespace,
  bucket: string,
  key: string,
  { ifMatch, ifNoneMatch }: WriteCondition,
): Promise<void> {
  if (ifMatch === undefined && ifNoneMatch === undefined) return;
  const newest = await view.newest(bucket, key);
  const etag = newest === undefined || newest.entry.marker === true ? undefined : newest.entry.etag;
  const matches = (wanted: string): boolean =>
    etag !== undefined &&
    (wanted === "*" || wanted.split(",").some((one) => one.trim().replaceAll('"', "") === etag));
  if (ifMatch !== undefined && etag === undefined) {
    throw new FileError("NoSuchKey", `there is no ${key} in ${bucket}`);
  }
  if (ifMatch !== undefined && !matches(ifMatch))
    throw new FileError("PreconditionFailed", "If-Match does not hold");
  if (ifNoneMatch !== undefined && matches(ifNoneMatch)) {
    throw new FileError("PreconditionFailed", "If-None-Match does not hold");
  }
}
