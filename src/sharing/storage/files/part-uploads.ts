/** Uploads in parts: begun, filled in any order and again, and completed to an object or given up. */
import { createHash } from "node:crypto";
import { fromHex, toHex } from "#base/lib/bytes.ts";
import type { Clock } from "#base/lib/clock.ts";
import type { Random } from "#base/lib/random.ts";
import {
  type Body,
  type ByteRange,
  FileError,
  type ListQuery,
  type ObjectAttributes,
  type ObjectInfo,
  type PartInfo,
  type PutOptions,
  type UploadInfo,
  type WriteCondition,
} from "../file-store.ts";
import { checkKey, headersOf } from "./attributes.ts";
import { limited } from "./body-limit.ts";
import type { BodyWriter, WrittenBody } from "./body-writer.ts";
import type { FileIndex } from "./file-index.ts";
import { listUploads } from "./listing.ts";
import type { Content, PartEntry, UploadEntry } from "./log-entry.ts";
import type { Namespace } from "./namespace.ts";
import type { Objects } from "./objects.ts";
import { withPartSizes } from "./part-sizes.ts";
import { checkExtents, needBucket, needUpload, newSlabs } from "./write-checks.ts";

/** S3: parts but the last have at least 5 MiB. */
const SMALLEST_PART = 5 << 20;

export interface PartUploadsDependencies {
  readonly index: FileIndex;
  readonly writer: BodyWriter;
  readonly objects: Objects;
  readonly clock: Clock;
  readonly random: Random;
}

export class PartUploads {
  readonly #d: PartUploadsDependencies;

  constructor(dependencies: PartUploadsDependencies) {
    this.#d = dependencies;
  }

  async start(bucket: string, key: string, options: ObjectAttributes = {}): Promise<UploadInfo> {
    checkKey(key);
    const attributes = headersOf(options);
    const id = toHex(this.#d.random.fill(new Uint8Array(16)));
    return await this.#d.index.commit(async (view) => {
      await needBucket(view, bucket);
      const started = this.#d.clock.now();
      const entry: UploadEntry = { type: "upload", id, bucket, key, started, ...attributes };
      return { entries: [entry], result: { id, bucket, key, started } };
    });
  }

  async put(upload: string, part: number, body: Body, check?: PutOptions["check"]): Promise<PartInfo> {
    checkPart(part);
    await needUpload(this.#d.index.view(), upload);
    const { writer } = this.#d;
    const written = await writer.write(limited(body), { inline: false, check });
    try {
      return await this.#putEntry(upload, part, written);
    } finally {
      writer.release(written.slabs);
    }
  }

  async #putEntry(upload: string, part: number, written: WrittenBody): Promise<PartInfo> {
    const { size, md5, content, slabs } = written;
    return await this.#d.index.commit(async (view) => {
      await needUpload(view, upload);
      await checkExtents(view, content, slabs);
      const entry: PartEntry = {
        type: "part",
        upload,
        part,
        size,
        etag: md5,
        modified: this.#d.clock.now(),
        content,
      };
      return { entries: [...(await newSlabs(view, slabs)), entry], result: partOf(entry) };
    });
  }

  async copy(upload: string, part: number, from: ObjectInfo, range?: ByteRange): Promise<PartInfo> {
    // The part's own MD5 must be known, so its bytes are read; stored again they lie with the upload's others.
    return await this.put(upload, part, this.#d.objects.read(from, range));
  }

  async parts(upload: string, query: { after: number; limit: number }): Promise<readonly PartInfo[]> {
    const view = this.#d.index.view();
    await needUpload(view, upload);
    const parts: PartInfo[] = [];
    if (query.limit <= 0) return parts;
    for await (const entry of view.parts(upload, query.after)) {
      parts.push(partOf(entry));
      if (parts.length >= query.limit) break;
    }
    return parts;
  }

  async list(bucket: string, query: ListQuery): Promise<readonly UploadInfo[]> {
    const { index } = this.#d;
    await needBucket(index.view(), bucket);
    return await listUploads(index.rows, bucket, query);
  }

  /** Completed again with the same parts, an upload answers with what it became, for as long as that is there. */
  async complete(
    upload: string,
    parts: readonly { readonly part: number; readonly etag: string }[],
    condition: WriteCondition = {},
  ): Promise<ObjectInfo> {
    const { index, objects } = this.#d;
    const view = index.view();
    const etag = etagOf(parts);
    const done = async (now: Namespace) => {
      const made = await now.completed(upload);
      return made?.etag === etag ? made : undefined;
    };
    const before = await done(view);
    if (before !== undefined) return await objects.infoOf(before);
    const begun = await needUpload(view, upload);
    const chosen = await chooseParts(view, upload, parts);
    const object = {
      size: chosen.reduce((sum, { size }) => sum + size, 0),
      etag,
      content: { extents: chosen.flatMap(({ content }) => content.extents ?? []) },
      headers: withPartSizes(
        begun.headers,
        chosen.map(({ size }) => size),
      ),
      metadata: begun.metadata,
    };
    const write = async (now: Namespace) => {
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
      return [{ ...(await needUpload(now, upload)), gone: true } as const];
    };
    return await objects.putEntry(begun.bucket, begun.key, object, [], condition, { done, write });
  }

  async abort(upload: string): Promise<void> {
    await this.#d.index.commit(async (view) => {
      const entry = await needUpload(view, upload);
      return { entries: [{ ...entry, gone: true }], result: undefined };
    });
  }
}

/** The ETag of what is made of these parts: the MD5 of theirs, and how many they are. */
function etagOf(parts: readonly { readonly etag: string }[]): string {
  const md5 = createHash("md5");
  for (const { etag } of parts) md5.update(fromHex(unquoted(etag)) ?? new Uint8Array(0));
  return `${md5.digest("hex")}-${parts.length}`;
}

function unquoted(etag: string): string {
  return etag.replaceAll('"', "");
}

function partOf({ part, size, etag, modified }: PartEntry): PartInfo {
  return { part, size, etag, modified };
}

function checkPart(part: number): void {
  if (!Number.isInteger(part) || part < 1 || part > 10_000) {
    throw new FileError("InvalidPart", "parts are numbered from 1 to 10000");
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
    if (entry === undefined || entry.etag !== unquoted(etag)) {
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
