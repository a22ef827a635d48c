/**
 * A long file goes up in parts, each of which stays when the rest is cut off. Run again, the command finds the upload
 * that it left behind by what lies in it: every part there must be the bytes of this file at their place. So nothing is
 * noted on this machine, and a file that changed meanwhile is never mixed with what it was.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { XMLParser } from "fast-xml-parser";
import type { PresignedMethod } from "#doors/api/sharing-control.ts";
import { reasonOf } from "../error-text.ts";
import { askDoor, type OnBytes, sendRange } from "./file-transfer.ts";

const MIB = 1024 ** 2;
/** Shortest part that is made; the last may be shorter. Two whole slabs. */
export const PART_BYTES = 16 * MIB;
/** Most parts of one upload. */
export const MAX_PARTS = 10_000;
/** Files longer than this go up in parts. */
export const PARTS_FROM = 2 * PART_BYTES;
/** Longest file: 5 TiB. */
export const LONGEST_FILE = 5 * 1024 ** 4;
/** Parts on their way at once: one waits for receipts while the other is sent. */
const AT_ONCE = 2;
/** Uploads of one key that are looked at; the newest ones. */
const MOST_LOOKED_AT = 20;

/** Makes a URL of the S3 door for one request about the file: its method, and what is asked of it. */
export type Sign = (
  method: PresignedMethod,
  query: Readonly<Record<string, string>>,
  ofBucket?: true,
) => Promise<string>;

export interface LongFile {
  readonly path: string;
  readonly size: number;
  readonly key: string;
  readonly type: string;
}

interface Part {
  readonly number: number;
  readonly start: number;
  readonly length: number;
}

/** A part that lies at the hosts: its MD5, hex. */
type Stored = ReadonlyMap<number, string>;

/** The parts of a file: the same cut each time, so that those of an earlier run are known again. */
export function partsOf(size: number): readonly Part[] {
  const bytes = Math.max(PART_BYTES, Math.ceil(size / MAX_PARTS / MIB) * MIB);
  const parts: Part[] = [];
  for (let start = 0; start < size; start += bytes) {
    parts.push({ number: parts.length + 1, start, length: Math.min(bytes, size - start) });
  }
  return parts;
}

/**
 * Sends a long file, going on where an earlier run was cut off.
 * @returns bytes that were there already.
 * @throws Error with the door's reason, or when the file changed while it was read
 */
export async function uploadInParts(
  file: LongFile,
  sign: Sign,
  onBytes: OnBytes,
  signal?: AbortSignal,
): Promise<number> {
  const before = await stat(file.path);
  const parts = partsOf(file.size);
  const found = await findUpload(file, parts, sign);
  const id = found?.id ?? (await beginUpload(file.type, sign));
  const stored = new Map(found?.stored);
  const there = parts.reduce((sum, { number, length }) => sum + (stored.has(number) ? length : 0), 0);
  if (there > 0) onBytes(there);
  try {
    await sendParts(file, parts, id, stored, sign, onBytes, signal);
    const after = await stat(file.path);
    if (after.mtimeMs !== before.mtimeMs || after.size !== before.size) {
      throw new Error("it changed while it was read");
    }
    await completeUpload(id, stored, sign);
  } catch (error) {
    throw new Error(
      `${reasonOf(error as Error)}; run the same command again, and it goes on where it stood`,
      {
        cause: error,
      },
    );
  }
  return there;
}

/** @returns the upload's id. @throws Error with the door's reason */
export async function beginUpload(type: string, sign: Sign): Promise<string> {
  const answer = await askDoor(await sign("POST", { uploads: "" }), "POST", { "content-type": type });
  const id = documentOf(answer, "InitiateMultipartUploadResult")["UploadId"];
  if (typeof id !== "string" || id === "") throw new Error("the S3 door named no upload");
  return id;
}

async function sendParts(
  { path }: LongFile,
  parts: readonly Part[],
  id: string,
  stored: Map<number, string>,
  sign: Sign,
  onBytes: OnBytes,
  signal: AbortSignal | undefined,
): Promise<void> {
  const missing = parts.filter(({ number }) => !stored.has(number));
  let failed = false;
  const worker = async (): Promise<void> => {
    for (let part = missing.shift(); part !== undefined && !failed; part = missing.shift()) {
      try {
        const url = await sign("PUT", { partNumber: String(part.number), uploadId: id });
        stored.set(part.number, await sendRange(url, { path, ...part }, {}, onBytes, signal));
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  // All come to rest before the failure is told: nothing is sent behind its back.
  const ended = await Promise.allSettled(Array.from({ length: AT_ONCE }, worker));
  for (const one of ended) if (one.status === "rejected") throw one.reason;
}

/** Makes a file of all parts that are stored. @throws Error with the door's reason */
export async function completeUpload(id: string, stored: Stored, sign: Sign): Promise<void> {
  const list = [...stored]
    .sort(([a], [b]) => a - b)
    .map(([number, etag]) => `<Part><PartNumber>${number}</PartNumber><ETag>"${etag}"</ETag></Part>`);
  const body = `<CompleteMultipartUpload>${list.join("")}</CompleteMultipartUpload>`;
  documentOf(
    await askDoor(await sign("POST", { uploadId: id }), "POST", {}, body),
    "CompleteMultipartUploadResult",
  );
}

/** The upload of this key that holds most of this file, and nothing else. */
async function findUpload(
  file: LongFile,
  parts: readonly Part[],
  sign: Sign,
): Promise<{ readonly id: string; readonly stored: Stored } | undefined> {
  let best: { id: string; stored: Stored } | undefined;
  const digests = new Map<number, Promise<string>>();
  const digestOf = (part: Part): Promise<string> => {
    const known = digests.get(part.number) ?? md5Of(file.path, part);
    digests.set(part.number, known);
    return known;
  };
  for (const id of await uploadsOf(file.key, sign)) {
    const stored = await storedParts(id, sign);
    if (stored.size <= (best?.stored.size ?? 0)) continue;
    if (await isOfFile(stored, parts, digestOf)) {
      best = { id, stored: new Map([...stored].map(([number, { etag }]) => [number, etag])) };
    }
  }
  return best;
}

async function isOfFile(
  stored: ReadonlyMap<number, { readonly size: number; readonly etag: string }>,
  parts: readonly Part[],
  digestOf: (part: Part) => Promise<string>,
): Promise<boolean> {
  for (const [number, { size }] of stored) if (parts[number - 1]?.length !== size) return false;
  for (const [number, { etag }] of stored) if ((await digestOf(parts[number - 1]!)) !== etag) return false;
  return true;
}

async function md5Of(path: string, { start, length }: Part): Promise<string> {
  const hash = createHash("md5");
  for await (const chunk of createReadStream(path, { start, end: start + length - 1 })) {
    hash.update(chunk as Uint8Array);
  }
  return hash.digest("hex");
}

/** Ids of the uploads of a key that are under way, the newest first. */
async function uploadsOf(key: string, sign: Sign): Promise<readonly string[]> {
  const query = { uploads: "", prefix: key, "encoding-type": "url", "max-uploads": "1000" };
  const page = documentOf(await askDoor(await sign("GET", query, true), "GET"), "ListMultipartUploadsResult");
  const uploads = (page["Upload"] ?? []) as readonly Record<string, string>[];
  return uploads
    .filter((upload) => decodeURIComponent((upload["Key"] ?? "").replaceAll("+", " ")) === key)
    .sort((a, b) => ((a["Initiated"] ?? "") < (b["Initiated"] ?? "") ? 1 : -1))
    .slice(0, MOST_LOOKED_AT)
    .map((upload) => upload["UploadId"] ?? "");
}

async function storedParts(
  id: string,
  sign: Sign,
): Promise<ReadonlyMap<number, { readonly size: number; readonly etag: string }>> {
  const stored = new Map<number, { size: number; etag: string }>();
  let marker: string | undefined;
  do {
    const query = { uploadId: id, ...(marker !== undefined && { "part-number-marker": marker }) };
    const page = documentOf(await askDoor(await sign("GET", query), "GET"), "ListPartsResult");
    for (const part of (page["Part"] ?? []) as readonly Record<string, string>[]) {
      const etag = (part["ETag"] ?? "").replaceAll('"', "");
      stored.set(Number(part["PartNumber"]), { size: Number(part["Size"]), etag });
    }
    const next = page["NextPartNumberMarker"] as string | undefined;
    marker = page["IsTruncated"] === "true" && next !== marker ? next : undefined;
  } while (marker !== undefined);
  return stored;
}

const parser = new XMLParser({
  parseTagValue: false,
  isArray: (name) => name === "Upload" || name === "Part",
});

/** What the element of this name holds. @throws Error when the door answered something else */
function documentOf(text: string, name: string): Readonly<Record<string, unknown>> {
  const found: unknown = (parser.parse(text) as Record<string, unknown>)[name];
  if (typeof found !== "object" || found === null) throw new Error(`the S3 door did not answer with ${name}`);
  return found as Record<string, unknown>;
}
