/**
 * Multipart uploads: create, part, part copy, list parts, list uploads, complete, abort. The id a client sees binds the
 * store's id to bucket and key, so that an id shown for one object names no upload of another.
 */
import { createHash } from "node:crypto";
import { FileError, type FileStore, type PartInfo, type UploadInfo } from "#sharing/storage/file-store.ts";
import { parseCopyRange } from "../byte-range.ts";
import { checkCopyConditions, readWriteCondition, unquote } from "../conditions.ts";
import { readCopySource } from "../copy-source.ts";
import { readAttributes, versionHeader } from "../object-headers.ts";
import { type Operation, type S3Context, type S3Request, xmlResponse } from "../operation.ts";
import { MAX_PARTS, parsePartNumber } from "../parts.ts";
import { S3Error } from "../s3-error.ts";
import { encodePath } from "../uri.ts";
import { childText, element, malformed, parseXml, s3Document } from "../xml.ts";
import { commonPrefixes, encoder, ownerElement, readLimit, readNarrowing } from "./listing.ts";
import { bodyOfObject, checkCopySize, checksumHeader, copyResult, copySourceVersion } from "./objects.ts";

const MAX_PAGE = 1000;
/** Ten thousand parts, each with number, ETag and a checksum. */
const MAX_DOCUMENT = 8 * 1024 * 1024;
/** Bytes of the binding that follow the store's id, in hex after a dash. */
const BINDING = 8;

export const createMultipartUpload: Operation = async (request, { files }) => {
  const upload = await files.startUpload(request.bucket, request.key, readAttributes(request.headers));
  return xmlResponse(
    s3Document("InitiateMultipartUploadResult", [
      element("Bucket", request.bucket),
      element("Key", request.key),
      element("UploadId", shownId(upload)),
    ]),
  );
};

export const uploadPart: Operation = async (request, { files }) => {
  const upload = uploadOf(request);
  const body = bodyOfObject(request);
  const number = parsePartNumber(request.query.get("partNumber") ?? "");
  const part = await files.putPart(upload, number, body);
  return { status: 200, headers: { etag: `"${part.etag}"`, ...checksumHeader(body) } };
};

export const uploadPartCopy: Operation = async (request, { files }) => {
  const upload = uploadOf(request);
  const number = parsePartNumber(request.query.get("partNumber") ?? "");
  const source = await readCopySource(request, files);
  checkCopyConditions(request.headers, source);
  const text = request.headers.get("x-amz-copy-source-range");
  const range = text === undefined ? undefined : parseCopyRange(text, source.size);
  checkCopySize(range === undefined ? source.size : range.last - range.first + 1);
  const part = await files.copyPart(upload, number, source, range);
  return {
    ...xmlResponse(s3Document("CopyPartResult", copyResult(part))),
    headers: { "content-type": "application/xml", ...copySourceVersion(source) },
  };
};

export const listParts: Operation = async (request, { files, owner }) => {
  const upload = uploadOf(request);
  const encode = encoder(request);
  const limit = readLimit(request, "max-parts", MAX_PAGE);
  const after = readLimit(request, "part-number-marker", MAX_PARTS);
  const marker = request.query.has("part-number-marker") ? after : 0;
  const read = (start: number, count: number) => files.parts(upload, { after: start, limit: count });
  const parts = await read(marker, Math.max(1, limit));
  const shown: readonly PartInfo[] = limit === 0 ? [] : parts;
  const last = shown.at(-1)?.part ?? marker;
  const truncated = shown.length === limit && limit > 0 && (await read(last, 1)).length > 0;
  return xmlResponse(
    s3Document("ListPartsResult", [
      element("Bucket", request.bucket),
      element("Key", encode(request.key)),
      element("UploadId", request.query.get("uploadId") ?? ""),
      ownerElement(owner, "Initiator"),
      ownerElement(owner),
      element("StorageClass", "STANDARD"),
      element("PartNumberMarker", marker),
      ...(truncated ? [element("NextPartNumberMarker", last)] : []),
      element("MaxParts", limit),
      element("IsTruncated", truncated),
      ...shown.map((part) =>
        element("Part", [
          element("PartNumber", part.part),
          element("LastModified", new Date(part.modified).toISOString()),
          element("ETag", `"${part.etag}"`),
          element("Size", part.size),
        ]),
      ),
    ]),
  );
};

export const listMultipartUploads: Operation = async (request, context) => {
  const encode = encoder(request);
  const limit = readLimit(request, "max-uploads", MAX_PAGE);
  const page = await uploadsPage(request, context, limit);
  const last = page.entries.at(-1);
  const next =
    page.more && last !== undefined
      ? [
          element("NextKeyMarker", encode(typeof last === "string" ? last : last.key)),
          element("NextUploadIdMarker", typeof last === "string" ? "" : shownId(last)),
        ]
      : [];
  const { prefix = "", delimiter = "" } = readNarrowing(request);
  return xmlResponse(
    s3Document("ListMultipartUploadsResult", [
      element("Bucket", request.bucket),
      element("KeyMarker", encode(request.query.get("key-marker") ?? "")),
      element("UploadIdMarker", request.query.get("upload-id-marker") ?? ""),
      ...next,
      element("Prefix", encode(prefix)),
      ...(delimiter === "" ? [] : [element("Delimiter", encode(delimiter))]),
      ...(request.query.has("encoding-type") ? [element("EncodingType", "url")] : []),
      element("MaxUploads", limit),
      element("IsTruncated", page.more),
      ...page.entries.flatMap((entry) =>
        typeof entry === "string"
          ? []
          : [
              element("Upload", [
                element("Key", encode(entry.key)),
                element("UploadId", shownId(entry)),
                ownerElement(context.owner, "Initiator"),
                ownerElement(context.owner),
                element("StorageClass", "STANDARD"),
                element("Initiated", new Date(entry.started).toISOString()),
              ]),
            ],
      ),
      ...commonPrefixes(
        page.entries.filter((entry) => typeof entry === "string"),
        encode,
      ),
    ]),
  );
};

/** Uploads in order of key and id, those behind a common prefix rolled into it; the store knows no delimiter here. */
async function uploadsPage(
  request: S3Request,
  { files }: S3Context,
  limit: number,
): Promise<{ readonly entries: readonly (UploadInfo | string)[]; readonly more: boolean }> {
  const { prefix = "", delimiter = "" } = readNarrowing(request);
  const entries: (UploadInfo | string)[] = [];
  let after = request.query.get("key-marker") ?? "";
  const idMarker = request.query.get("upload-id-marker") ?? "";
  let afterVersion = idMarker === "" ? undefined : storedId(idMarker, request.bucket, after);
  for (;;) {
    const uploads = await files.uploads(request.bucket, {
      limit: MAX_PAGE,
      ...(prefix !== "" && { prefix }),
      ...(after !== "" && { after }),
      ...(afterVersion !== undefined && { afterVersion }),
    });
    for (const upload of uploads) {
      const cut = delimiter === "" ? -1 : upload.key.indexOf(delimiter, prefix.length);
      const entry = cut < 0 ? upload : upload.key.slice(0, cut + delimiter.length);
      if (
        typeof entry === "string" &&
        (entry === entries.at(-1) || entry === request.query.get("key-marker"))
      )
        continue;
      if (entries.length >= limit) return { entries, more: limit > 0 };
      entries.push(entry);
    }
    const last = uploads.at(-1);
    if (last === undefined || uploads.length < MAX_PAGE) return { entries, more: false };
    after = last.key;
    afterVersion = last.id;
  }
}

export const completeMultipartUpload: Operation = async (request, { files }) => {
  const upload = uploadOf(request);
  const parts = parseParts(await request.body.text(MAX_DOCUMENT));
  const claim = sizeClaim(request);
  if (claim !== undefined) checkSize(claim, await sizeOfParts(files, upload, parts));
  const object = await files.completeUpload(upload, parts, readWriteCondition(request.headers));
  if (claim !== undefined) checkSize(claim, object.size);
  return {
    ...xmlResponse(
      s3Document("CompleteMultipartUploadResult", [
        element("Location", `http://${request.headers.get("host") ?? ""}${encodePath(request.path)}`),
        element("Bucket", request.bucket),
        element("Key", request.key),
        element("ETag", `"${object.etag}"`),
      ]),
    ),
    headers: { "content-type": "application/xml", ...versionHeader(object) },
  };
};

/** `x-amz-mp-object-size`: what the client takes the whole for, bytes. @throws S3Error InvalidArgument. */
function sizeClaim({ headers }: S3Request): number | undefined {
  const claim = headers.get("x-amz-mp-object-size");
  if (claim === undefined) return undefined;
  if (/^\d{1,15}$/.test(claim)) return Number(claim);
  throw new S3Error("InvalidArgument", "The x-amz-mp-object-size header is not a length.");
}

/** Of an upload that was completed before there are no parts any more: then undefined. */
async function sizeOfParts(
  files: FileStore,
  upload: string,
  wanted: readonly { readonly part: number }[],
): Promise<number | undefined> {
  const numbers = new Set(wanted.map(({ part }) => part));
  let size = 0;
  for (let after = 0; ; ) {
    const page = await partsIfOpen(files, upload, after);
    if (page === undefined) return undefined;
    for (const part of page) size += numbers.has(part.part) ? part.size : 0;
    if (page.length < MAX_PAGE) return size;
    after = page.at(-1)!.part;
  }
}

async function partsIfOpen(files: FileStore, upload: string, after: number) {
  try {
    return await files.parts(upload, { after, limit: MAX_PAGE });
  } catch (error) {
    if (error instanceof FileError && error.code === "NoSuchUpload") return undefined;
    throw error;
  }
}

/** @throws S3Error InvalidRequest where the client took the whole for another size. */
function checkSize(claim: number, size: number | undefined): void {
  if (size === undefined || size === claim) return;
  throw new S3Error(
    "InvalidRequest",
    `The provided 'x-amz-mp-object-size' header value ${claim} does not match what was computed: ${size}`,
  );
}

function parseParts(text: string): readonly { readonly part: number; readonly etag: string }[] {
  const elements = parseXml(text, "CompleteMultipartUpload").children.get("Part") ?? [];
  if (elements.length === 0 || elements.length > MAX_PARTS) throw malformed();
  const parts = elements.map((one) => {
    const number = childText(one, "PartNumber") ?? "";
    const etag = childText(one, "ETag");
    if (!/^\d{1,5}$/.test(number) || etag === undefined) throw malformed();
    return { part: parsePartNumber(number), etag: unquote(etag) };
  });
  if (parts.some(({ part }, at) => at > 0 && part <= parts[at - 1]!.part)) {
    throw new S3Error(
      "InvalidPartOrder",
      "The list of parts was not in ascending order. Parts must be ordered by part number.",
    );
  }
  return parts;
}

export const abortMultipartUpload: Operation = async (request, { files }) => {
  await files.abortUpload(uploadOf(request));
  return { status: 204 };
};

function uploadOf(request: S3Request): string {
  return storedId(request.query.get("uploadId") ?? "", request.bucket, request.key);
}

function shownId(upload: UploadInfo): string {
  return `${upload.id}-${binding(upload.id, upload.bucket, upload.key)}`;
}

/** @throws S3Error NoSuchUpload where the id was not handed out for this key. */
function storedId(shown: string, bucket: string, key: string): string {
  const dash = shown.lastIndexOf("-");
  const id = shown.slice(0, Math.max(0, dash));
  if (id !== "" && shown.slice(dash + 1) === binding(id, bucket, key)) return id;
  throw new S3Error(
    "NoSuchUpload",
    "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or " +
      "completed.",
  );
}

function binding(id: string, bucket: string, key: string): string {
  return createHash("sha256")
    .update(`${id}\0${bucket}\0${key}`)
    .digest("hex")
    .slice(0, 2 * BINDING);
}
