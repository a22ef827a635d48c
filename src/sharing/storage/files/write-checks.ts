/** What a write must find under the lock: its bucket, its upload, and the slabs that its content names. */
import { FileError } from "../file-store.ts";
import type { SlabRecord } from "../renter/slab.ts";
import { isCovered } from "./live-extents.ts";
import type { BucketEntry, Content, LogEntry, UploadEntry } from "./log-entry.ts";
import type { Namespace } from "./namespace.ts";

/** @throws FileError `NoSuchBucket` */
export async function needBucket(view: Namespace, name: string): Promise<BucketEntry> {
  const bucket = await view.bucket(name);
  if (bucket === undefined) throw new FileError("NoSuchBucket", `there is no bucket ${name}`);
  return bucket;
}

/** @throws FileError `NoSuchUpload` */
export async function needUpload(view: Namespace, id: string): Promise<UploadEntry> {
  const upload = /^[0-9a-f]{32}$/.test(id) ? await view.upload(id) : undefined;
  if (upload === undefined) throw new FileError("NoSuchUpload", `there is no upload ${id}`);
  return upload;
}

/** Slabs that the index does not have yet: others of the same pack may have brought them. */
export async function newSlabs(view: Namespace, slabs: readonly SlabRecord[]): Promise<LogEntry[]> {
  const entries: LogEntry[] = [];
  for (const record of slabs) {
    if ((await view.slab(record.id)) === undefined) entries.push({ type: "slab", record });
  }
  return entries;
}

/** A copy may come after its source was deleted and dropped. @throws FileError `NoSuchKey` */
export async function checkExtents(
  view: Namespace,
  content: Content,
  own: readonly SlabRecord[],
): Promise<void> {
  const fresh = new Set(own.map(({ id }) => id));
  for (const { slab, offset, length } of content.extents ?? []) {
    if (fresh.has(slab)) continue;
    const remap = await view.remap(slab);
    // What was left behind when its slab was packed is about to go.
    const isThere =
      remap === undefined
        ? (await view.slab(slab)) !== undefined
        : isCovered(remap, { from: offset, to: offset + length });
    if (isThere) continue;
    throw new FileError("NoSuchKey", "the source is not there any more");
  }
}
