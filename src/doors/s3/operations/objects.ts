/** PutObject, GetObject, HeadObject, DeleteObject, CopyObject. */
import { type ByteRange, FileError, type FileStore, type ObjectInfo } from "#sharing/storage/file-store.ts";
import { parseRange } from "../byte-range.ts";
import {
  checkCopyConditions,
  checkReadConditions,
  httpDate,
  readWriteCondition,
  unquote,
} from "../conditions.ts";
import { readCopySource } from "../copy-source.ts";
import { objectHeaders, readAttributes, versionHeader } from "../object-headers.ts";
import { type Operation, type S3Request, type S3Response, wantedVersion, xmlResponse } from "../operation.ts";
import { parsePartNumber, partCount, partRange } from "../parts.ts";
import type { RequestBody } from "../request-body.ts";
import { S3Error, unknownWish } from "../s3-error.ts";
import { element, s3Document } from "../xml.ts";

/** Largest object or part that one request may bring or copy: 5 GiB. */
const MAX_PUT = 5 * 1024 ** 3;

export const putObject: Operation = async (request, { files }) => {
  const body = bodyOfObject(request);
  const options = { ...readAttributes(request.headers), ...readWriteCondition(request.headers) };
  const object = await files.put(request.bucket, request.key, body, options);
  return {
    status: 200,
    headers: { etag: `"${object.etag}"`, ...versionHeader(object), ...checksumHeader(body) },
  };
};

/** @throws S3Error MissingContentLength, EntityTooLarge. */
export function bodyOfObject({ body }: S3Request): RequestBody {
  const { length } = body;
  if (length === undefined) {
    throw new S3Error("MissingContentLength", "You must provide the Content-Length HTTP header.");
  }
  if (length > MAX_PUT) throw tooLarge(length);
  return body;
}

function tooLarge(size: number): S3Error {
  return new S3Error("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", {
    ProposedSize: String(size),
    MaxSizeAllowed: String(MAX_PUT),
  });
}

/** @throws S3Error InvalidRequest where one request may not copy so much. */
export function checkCopySize(size: number): void {
  if (size <= MAX_PUT) return;
  throw new S3Error(
    "InvalidRequest",
    `The specified copy source is larger than the maximum allowable size for a copy source: ${MAX_PUT}`,
  );
}

/** The checksum that was verified, told back. */
export function checksumHeader(body: RequestBody): Record<string, string> {
  const { checksum } = body;
  return checksum === undefined ? {} : { [`x-amz-checksum-${checksum.name}`]: checksum.value };
}

export const getObject: Operation = async (request, { files }) => {
  const object = await wantedObject(request, files);
  const headers = objectHeaders(object, request);
  if (checkReadConditions(request.headers, object)) return notModified(headers);
  const { range, told } = stretchOf(request, object);
  const all = { ...headers, ...told };
  if (range === undefined) {
    return {
      status: 200,
      headers: { ...all, "content-length": String(object.size) },
      ...(object.size > 0 && { body: files.read(object) }),
    };
  }
  const isEmpty = range.last < range.first;
  return { ...partial(all, range, object), ...(!isEmpty && { body: files.read(object, range) }) };
};

/** @throws S3Error whose headers tell of a delete marker, where that is what is there. */
async function wantedObject(request: S3Request, files: FileStore): Promise<ObjectInfo> {
  const { bucket, key } = request;
  const versionId = wantedVersion(request);
  try {
    return await files.head(bucket, key, versionId);
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    if (error.code === "MethodNotAllowed" && versionId !== undefined) {
      throw new S3Error(error.code, error.message, {}, { ...markerHeaders(versionId), allow: "DELETE" });
    }
    if (error.code !== "NoSuchKey" || (await files.bucket(bucket)).versioning === "off") throw error;
    // The key itself comes before all others that start with it.
    const [latest] = (await files.listVersions(bucket, { prefix: key, limit: 1 })).objects;
    if (latest?.key !== key || !latest.deleteMarker) throw error;
    throw new S3Error(error.code, error.message, {}, markerHeaders(latest.versionId));
  }
}

function markerHeaders(versionId: string): Record<string, string> {
  return { "x-amz-delete-marker": "true", "x-amz-version-id": versionId };
}

export const headObject: Operation = async (request, { files }) => {
  const object = await wantedObject(request, files);
  const headers = objectHeaders(object, request);
  if (checkReadConditions(request.headers, object)) return notModified(headers);
  const { range, told } = stretchOf(request, object);
  const all = { ...headers, ...told };
  if (range !== undefined) return partial(all, range, object);
  return { status: 200, headers: { ...all, "content-length": String(object.size) } };
};

/** The bytes that are asked for, by a range or as a part, and what is told of them; no range is all of them. */
function stretchOf(
  request: S3Request,
  object: ObjectInfo,
): { readonly range?: ByteRange | undefined; readonly told?: Readonly<Record<string, string>> } {
  const wanted = request.query.get("partNumber");
  if (wanted === undefined) return { range: rangeOf(request, object) };
  if (request.headers.has("range")) {
    throw new S3Error("InvalidRequest", "Cannot specify both Range header and partNumber query parameter");
  }
  const number = parsePartNumber(wanted);
  const count = partCount(object);
  return {
    range: partRange(object, number),
    ...(count !== undefined && { told: { "x-amz-mp-parts-count": String(count) } }),
  };
}

function notModified(headers: Readonly<Record<string, string>>): S3Response {
  const kept = ["etag", "last-modified", "cache-control", "expires", "x-amz-version-id"];
  return {
    status: 304,
    headers: Object.fromEntries(Object.entries(headers).filter(([name]) => kept.includes(name))),
  };
}

function partial(
  headers: Readonly<Record<string, string>>,
  range: { readonly first: number; readonly last: number },
  object: ObjectInfo,
): S3Response {
  return {
    status: 206,
    headers: {
      ...headers,
      "content-length": String(range.last - range.first + 1),
      // A part may be empty; a range cannot.
      ...(range.first <= range.last && {
        "content-range": `bytes ${range.first}-${range.last}/${object.size}`,
      }),
    },
  };
}

/** If-Range (RFC 9110 section 13.1.5): the range counts only while the object is the one the client knows. */
function rangeOf(request: S3Request, object: ObjectInfo) {
  const known = request.headers.get("if-range");
  const time = httpDate(known);
  const same =
    known === undefined ||
    (known.includes('"') || time === undefined
      ? unquote(known) === object.etag
      : Math.floor(object.modified / 1000) * 1000 === time);
  return same ? parseRange(request.headers.get("range"), object.size) : undefined;
}

export const deleteObject: Operation = async (request, { files }) => {
  for (const header of [
    "if-match",
    "x-amz-if-match-last-modified-time",
    "x-amz-if-match-size",
    "x-amz-mfa",
  ]) {
    if (request.headers.has(header)) {
      throw unknownWish(header);
    }
  }
  const versionId = wantedVersion(request);
  const gone = await files.delete(request.bucket, request.key, versionId);
  const headers: Record<string, string> = {};
  if (versionId !== undefined) headers["x-amz-version-id"] = versionId;
  else if (gone !== undefined) Object.assign(headers, versionHeader(gone));
  if (gone?.deleteMarker === true) headers["x-amz-delete-marker"] = "true";
  return { status: 204, headers };
};

export const copyObject: Operation = async (request, { files }) => {
  const source = await readCopySource(request, files);
  checkCopyConditions(request.headers, source);
  checkCopySize(source.size);
  const directive = request.headers.get("x-amz-metadata-directive") ?? "COPY";
  if (directive !== "COPY" && directive !== "REPLACE") {
    throw new S3Error("InvalidArgument", "Unknown metadata directive.", {
      ArgumentName: "x-amz-metadata-directive",
      ArgumentValue: directive,
    });
  }
  const own = readAttributes(request.headers);
  const onItself = source.bucket === request.bucket && source.key === request.key && source.latest;
  if (onItself && directive === "COPY") {
    throw new S3Error(
      "InvalidRequest",
      "This copy request is illegal because it is trying to copy an object to itself without changing the " +
        "object's metadata, storage class, website redirect location or encryption attributes.",
    );
  }
  const attributes = directive === "REPLACE" ? own : attributesOf(source);
  const options = { ...attributes, ...readWriteCondition(request.headers) };
  const object = await files.copy(source, request.bucket, request.key, options);
  return {
    ...xmlResponse(s3Document("CopyObjectResult", copyResult(object))),
    headers: {
      "content-type": "application/xml",
      ...versionHeader(object),
      ...copySourceVersion(source),
    },
  };
};

export function copyResult(made: { readonly etag: string; readonly modified: number }) {
  return [element("LastModified", new Date(made.modified).toISOString()), element("ETag", `"${made.etag}"`)];
}

export function copySourceVersion(source: ObjectInfo): Record<string, string> {
  return source.versionId === "null" ? {} : { "x-amz-copy-source-version-id": source.versionId };
}

function attributesOf(object: ObjectInfo) {
  const { contentType, cacheControl, contentDisposition, contentEncoding, contentLanguage, expires } = object;
  return {
    ...(contentType !== undefined && { contentType }),
    ...(cacheControl !== undefined && { cacheControl }),
    ...(contentDisposition !== undefined && { contentDisposition }),
    ...(contentEncoding !== undefined && { contentEncoding }),
    ...(contentLanguage !== undefined && { contentLanguage }),
    ...(expires !== undefined && { expires }),
    metadata: object.metadata ?? {},
  };
}
