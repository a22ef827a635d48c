import type { Clock } from "#base/lib/clock.ts";
import type { ControlResult, SharingControl } from "#doors/api/sharing-control.ts";
import type { S3Credentials } from "#doors/s3/credentials.ts";
import { presign } from "#doors/s3/sigv4/presign.ts";
import { FileError, type FileStore } from "#sharing/storage/file-store.ts";
import type { Files } from "#sharing/storage/files/files.ts";

type FilesMethods =
  | "filesStatus"
  | "listFiles"
  | "fileHealth"
  | "makeBucket"
  | "removeBucket"
  | "removeFile"
  | "presign"
  | "s3Keys";

/** Entries of one page at most. */
const MAX_PAGE = 1000;
/** A URL is good for a week at most (SigV4). */
const MAX_SECONDS = 604_800;

export interface FilesControlParts {
  readonly files: FileStore & Pick<Files, "status">;
  /** Where the S3 door listens. */
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: S3Credentials;
  readonly clock: Clock;
}

/** Files, as the doors ask for them. Their bytes go through the S3 door. */
export function filesControl(parts: FilesControlParts): Pick<SharingControl, FilesMethods> {
  const { files, endpoint, region, credentials, clock } = parts;
  return {
    filesStatus: () => verdictOf(() => files.status()),
    listFiles: ({ bucket, prefix, after, limit }) =>
      verdictOf(async () => {
        if (bucket === "") return bucketPage(files, after, limit);
        const page = await files.list(bucket, { prefix, after, limit: Math.min(limit, MAX_PAGE) });
        const entries = page.objects.map(({ key, size, modified, versionId, etag }) => ({
          key,
          size,
          modified,
          versionId,
          etag,
        }));
        return { entries, ...(page.next === undefined ? {} : { next: page.next }) };
      }),
    fileHealth: ({ bucket, key }) => verdictOf(async () => files.health(await files.head(bucket, key))),
    makeBucket: ({ bucket }) =>
      verdictOf(async () => {
        await files.createBucket(bucket);
        return null;
      }),
    removeBucket: ({ bucket, giveUpUploads }) =>
      verdictOf(async () => {
        await removeBucket(files, bucket, giveUpUploads);
        return null;
      }),
    removeFile: ({ bucket, key }) =>
      verdictOf(async () => {
        await files.delete(bucket, key);
        return null;
      }),
    async presign({ method, bucket, key, seconds, query = {} }) {
      if (seconds < 1 || seconds > MAX_SECONDS) {
        return { ok: false, reason: `a link is good for 1 to ${MAX_SECONDS} seconds` };
      }
      const door = { endpoint, region, credentials, now: clock.now() };
      return {
        ok: true,
        value: { url: presign({ method, bucket, key, seconds, query: Object.entries(query), ...door }) },
      };
    },
    async s3Keys() {
      return { ok: true, value: { ...credentials, endpoint, region } };
    },
  };
}

/** @throws FileError BucketNotEmpty, which says what is in it */
async function removeBucket(files: FileStore, bucket: string, giveUpUploads: boolean): Promise<void> {
  try {
    return await files.deleteBucket(bucket);
  } catch (error) {
    if (!(error instanceof FileError) || error.code !== "BucketNotEmpty") throw error;
  }
  const { objects } = await files.list(bucket, { limit: 1 });
  const held = objects.length > 0 ? objects : (await files.listVersions(bucket, { limit: 1 })).objects;
  if (giveUpUploads && held.length === 0) {
    await abortUploads(files, bucket);
    return await files.deleteBucket(bucket);
  }
  const what =
    objects.length > 0 ? "files" : held.length > 0 ? "earlier versions of files" : "unfinished uploads";
  throw new FileError("BucketNotEmpty", `the bucket ${bucket} is not empty: ${what} are in it`);
}

async function abortUploads(files: FileStore, bucket: string): Promise<void> {
  for (;;) {
    const uploads = await files.uploads(bucket, { limit: MAX_PAGE });
    if (uploads.length === 0) return;
    for (const { id } of uploads) await files.abortUpload(id);
  }
}

async function bucketPage(files: FileStore, after: string, limit: number) {
  const names = (await files.buckets()).filter(({ name }) => name > after);
  const shown = names.slice(0, Math.min(limit, MAX_PAGE));
  return {
    entries: shown.map(({ name, created }) => ({
      key: name,
      size: 0,
      modified: created,
      versionId: "null",
      etag: "",
    })),
    ...(names.length > shown.length ? { next: shown.at(-1)!.name } : {}),
  };
}

/** What the caller got wrong is a verdict; a bug or a failed disk goes on as it is. */
async function verdictOf<T>(action: () => Promise<T>): Promise<ControlResult<T>> {
  try {
    return { ok: true, value: await action() };
  } catch (error) {
    if (error instanceof FileError) return { ok: false, reason: error.message };
    throw error;
  }
}
