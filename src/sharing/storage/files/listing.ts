/** Pages of keys, versions and uploads, in byte order, with common prefixes. */
import { compareBytes } from "#base/lib/bytes.ts";
import type { KeyValueStore } from "#base/store/key-value-store.ts";
import type { ListPage, ListQuery, ObjectInfo, UploadInfo } from "../file-store.ts";
import { afterPrefix, afterRows, rowsFrom, rowsOf, versionRow } from "./index-keys.ts";
import type { ObjectEntry, Stamp, UploadEntry } from "./log-entry.ts";
import { decodeRow, type Row } from "./namespace.ts";

/** Rows that are passed over one by one before the walk jumps: a new walk costs as much as some hundred rows. */
const MOST_PASSED = 64;

/** A version as a caller sees it. */
export type ToInfo = (entry: ObjectEntry, latest: boolean) => ObjectInfo;

/** The end of a common prefix in `key`: up to the first delimiter after the prefix; undefined when there is none. */
function commonPrefix(key: string, prefix: string, delimiter: string | undefined): string | undefined {
  if (delimiter === undefined || delimiter === "") return undefined;
  const at = key.indexOf(delimiter, prefix.length);
  return at < 0 ? undefined : key.slice(0, at + delimiter.length);
}

/** Walks rows from a cursor, and can jump: a common prefix of a million keys is one step. */
async function* walk<E>(
  rows: KeyValueStore,
  start: Uint8Array,
  end: Uint8Array | undefined,
  jump: { to: Uint8Array | undefined },
): AsyncGenerator<Row<E>> {
  let from: Uint8Array | undefined = start;
  while (from !== undefined) {
    jump.to = undefined;
    for await (const [, value] of rows.iterate(end === undefined ? { gte: from } : { gte: from, lt: end })) {
      yield decodeRow<E>(value);
      if (jump.to !== undefined) break;
    }
    from = jump.to;
    if (from !== undefined && end !== undefined && compareBytes(from, end) >= 0) return;
  }
}

function startOf(kind: "version" | "upload", bucket: string, query: ListQuery): Uint8Array {
  const from = rowsFrom(kind, [bucket], query.prefix ?? "");
  const { after, delimiter } = query;
  if (after === undefined) return from;
  // Where the last page ended with a common prefix, all below it was told.
  const prefix = query.prefix ?? "";
  const isPrefix =
    delimiter !== undefined && delimiter !== "" && after.endsWith(delimiter) && after.length > prefix.length;
  const past = isPrefix
    ? (afterPrefix(rowsFrom(kind, [bucket], after)) ?? from)
    : afterRows(kind, bucket, after);
  return compareBytes(past, from) > 0 ? past : from;
}

/** The newest version of each key; delete markers are not there. */
export async function listObjects(
  rows: KeyValueStore,
  bucket: string,
  query: ListQuery,
  toInfo: ToInfo,
): Promise<ListPage> {
  const prefix = query.prefix ?? "";
  const end = afterPrefix(rowsFrom("version", [bucket], prefix));
  const jump: { to: Uint8Array | undefined } = { to: undefined };
  const objects: ObjectInfo[] = [];
  const commonPrefixes: string[] = [];
  let last = "";
  let key: string | undefined;
  let folder: string | undefined;
  let passed = 0;
  for await (const { entry } of walk<ObjectEntry>(rows, startOf("version", bucket, query), end, jump)) {
    // Older versions are behind their key's newest, and all below a common prefix is told by it.
    const inFolder = folder !== undefined && entry.key.startsWith(folder);
    if (inFolder || entry.key === key) {
      if (++passed < MOST_PASSED) continue;
      jump.to = inFolder
        ? afterPrefix(rowsFrom("version", [bucket], folder!))
        : afterRows("version", bucket, entry.key);
      continue;
    }
    key = entry.key;
    passed = 0;
    if (entry.marker === true) continue;
    const common = commonPrefix(entry.key, prefix, query.delimiter);
    if (objects.length + commonPrefixes.length >= query.limit) {
      return { objects, commonPrefixes, next: last };
    }
    if (common === undefined) {
      objects.push(toInfo(entry, true));
      last = entry.key;
    } else {
      commonPrefixes.push(common);
      folder = common;
      last = common;
    }
  }
  return { objects, commonPrefixes };
}

/** Every version, newest first within its key, delete markers too. */
export async function listVersions(
  rows: KeyValueStore,
  bucket: string,
  query: ListQuery,
  toInfo: ToInfo,
  stampOf: (key: string, version: string) => Promise<Stamp | undefined>,
): Promise<ListPage> {
  const prefix = query.prefix ?? "";
  const end = afterPrefix(rowsFrom("version", [bucket], prefix));
  const jump: { to: Uint8Array | undefined } = { to: undefined };
  const objects: ObjectInfo[] = [];
  const commonPrefixes: string[] = [];
  let start = startOf("version", bucket, query);
  let newest = "";
  const { after, afterVersion } = query;
  const stamp =
    after === undefined || afterVersion === undefined ? undefined : await stampOf(after, afterVersion);
  if (after !== undefined && stamp !== undefined) {
    // Just behind that version; the key's newest was told before.
    start = afterPrefix(versionRow(bucket, after, stamp)) ?? start;
    newest = after;
  }
  let last: ObjectInfo | undefined;
  let lastPrefix: string | undefined;
  let passed = 0;
  for await (const { entry } of walk<ObjectEntry>(rows, start, end, jump)) {
    if (lastPrefix !== undefined && entry.key.startsWith(lastPrefix)) {
      if (++passed >= MOST_PASSED) jump.to = afterPrefix(rowsFrom("version", [bucket], lastPrefix));
      continue;
    }
    passed = 0;
    const common = commonPrefix(entry.key, prefix, query.delimiter);
    if (objects.length + commonPrefixes.length >= query.limit) {
      if (lastPrefix !== undefined) return { objects, commonPrefixes, next: lastPrefix };
      if (last === undefined) return { objects, commonPrefixes };
      return { objects, commonPrefixes, next: last.key, nextVersion: last.versionId };
    }
    if (common !== undefined) {
      commonPrefixes.push(common);
      lastPrefix = common;
      continue;
    }
    lastPrefix = undefined;
    last = toInfo(entry, entry.key !== newest);
    newest = entry.key;
    objects.push(last);
  }
  return { objects, commonPrefixes };
}

/** Uploads under way, by key and then by id. */
export async function listUploads(
  rows: KeyValueStore,
  bucket: string,
  query: ListQuery,
): Promise<readonly UploadInfo[]> {
  const { prefix = "", after, afterVersion, limit } = query;
  const uploads: UploadInfo[] = [];
  const { lt } = rowsOf("upload", bucket);
  for await (const [, value] of rows.iterate({ gte: rowsFrom("upload", [bucket], prefix), lt })) {
    const { entry } = decodeRow<UploadEntry>(value);
    if (!entry.key.startsWith(prefix)) break;
    if (after !== undefined && !isAfter(entry, after, afterVersion)) continue;
    if (uploads.length >= limit) break;
    uploads.push({ id: entry.id, bucket, key: entry.key, started: entry.started });
  }
  return uploads;
}

function isAfter(entry: UploadEntry, key: string, id: string | undefined): boolean {
  const encoder = new TextEncoder();
  const order = compareBytes(encoder.encode(entry.key), encoder.encode(key));
  return order > 0 || (order === 0 && id !== undefined && entry.id > id);
}
