/** ListObjects, ListObjectsV2, ListObjectVersions. */
import type { ObjectInfo } from "#sharing/storage/file-store.ts";
import { type Operation, type S3Request, xmlResponse } from "../operation.ts";
import { S3Error } from "../s3-error.ts";
import { encodePath } from "../uri.ts";
import { element, s3Document, type Xml } from "../xml.ts";

/** Most entries of one page. */
const MAX_KEYS = 1000;

export const listObjects: Operation = async (request, { files, owner }) => {
  const encode = encoder(request);
  const limit = readLimit(request, "max-keys", MAX_KEYS);
  const marker = request.query.get("marker") ?? "";
  const delimiter = request.query.get("delimiter") ?? "";
  const page = await listPage(request, limit, marker, (query) => files.list(request.bucket, query));
  return xmlResponse(
    s3Document("ListBucketResult", [
      element("Name", request.bucket),
      element("Prefix", encode(request.query.get("prefix") ?? "")),
      element("Marker", encode(marker)),
      ...(page.next !== undefined && delimiter !== "" ? [element("NextMarker", encode(page.next))] : []),
      element("MaxKeys", limit),
      ...described(request, encode),
      element("IsTruncated", page.next !== undefined),
      ...page.objects.map((object) => contents(object, encode, owner)),
      ...commonPrefixes(page.commonPrefixes, encode),
    ]),
  );
};

export const listObjectsV2: Operation = async (request, { files, owner }) => {
  const encode = encoder(request);
  const limit = readLimit(request, "max-keys", MAX_KEYS);
  const token = request.query.get("continuation-token");
  const startAfter = request.query.get("start-after") ?? "";
  const after = token === undefined ? startAfter : parseToken(token);
  const page = await listPage(request, limit, after, (query) => files.list(request.bucket, query));
  const shownOwner = request.query.get("fetch-owner") === "true" ? owner : undefined;
  return xmlResponse(
    s3Document("ListBucketResult", [
      element("Name", request.bucket),
      element("Prefix", encode(request.query.get("prefix") ?? "")),
      ...(token === undefined ? [] : [element("ContinuationToken", token)]),
      ...(page.next === undefined ? [] : [element("NextContinuationToken", makeToken(page.next))]),
      ...(startAfter === "" ? [] : [element("StartAfter", encode(startAfter))]),
      element("KeyCount", page.objects.length + page.commonPrefixes.length),
      element("MaxKeys", limit),
      ...described(request, encode),
      element("IsTruncated", page.next !== undefined),
      ...page.objects.map((object) => contents(object, encode, shownOwner)),
      ...commonPrefixes(page.commonPrefixes, encode),
    ]),
  );
};

export const listObjectVersions: Operation = async (request, { files, owner }) => {
  const encode = encoder(request);
  const limit = readLimit(request, "max-keys", MAX_KEYS);
  const keyMarker = request.query.get("key-marker") ?? "";
  const versionMarker = request.query.get("version-id-marker") ?? "";
  if (versionMarker !== "" && keyMarker === "") {
    throw new S3Error("InvalidArgument", "A version-id marker cannot be specified without a key marker.");
  }
  const page = await listPage(request, limit, keyMarker, (query) =>
    files.listVersions(request.bucket, {
      ...query,
      ...(versionMarker !== "" && { afterVersion: versionMarker }),
    }),
  );
  const next =
    page.next === undefined
      ? []
      : [
          element("NextKeyMarker", encode(page.next)),
          ...(page.nextVersion === undefined ? [] : [element("NextVersionIdMarker", page.nextVersion)]),
        ];
  return xmlResponse(
    s3Document("ListVersionsResult", [
      element("Name", request.bucket),
      element("Prefix", encode(request.query.get("prefix") ?? "")),
      element("KeyMarker", encode(keyMarker)),
      element("VersionIdMarker", versionMarker),
      ...next,
      element("MaxKeys", limit),
      ...described(request, encode),
      element("IsTruncated", page.next !== undefined),
      ...page.objects.map((object) => versionEntry(object, encode, owner)),
      ...commonPrefixes(page.commonPrefixes, encode),
    ]),
  );
};

/** S3 answers an empty page to `max-keys=0`; a store is not asked for nothing. */
async function listPage<Page extends { readonly next?: string; readonly nextVersion?: string }>(
  request: S3Request,
  limit: number,
  after: string,
  list: (query: {
    readonly limit: number;
    readonly prefix?: string;
    readonly delimiter?: string;
    readonly after?: string;
  }) => Promise<
    Page & { readonly objects: readonly ObjectInfo[]; readonly commonPrefixes: readonly string[] }
  >,
) {
  const page = await list({
    ...readNarrowing(request),
    limit: Math.max(1, limit),
    ...(after !== "" && { after }),
  });
  return limit > 0 ? page : { objects: [], commonPrefixes: [], next: undefined, nextVersion: undefined };
}

export function readNarrowing(request: S3Request): { readonly prefix?: string; readonly delimiter?: string } {
  const prefix = request.query.get("prefix") ?? "";
  const delimiter = request.query.get("delimiter") ?? "";
  return { ...(prefix !== "" && { prefix }), ...(delimiter !== "" && { delimiter }) };
}

/** What was asked, told back. */
function described(request: S3Request, encode: (text: string) => string): readonly Xml[] {
  const delimiter = request.query.get("delimiter") ?? "";
  const encoding = request.query.get("encoding-type");
  return [
    ...(delimiter === "" ? [] : [element("Delimiter", encode(delimiter))]),
    ...(encoding === undefined ? [] : [element("EncodingType", encoding)]),
  ];
}

function contents(object: ObjectInfo, encode: (text: string) => string, owner: string | undefined): Xml {
  return element("Contents", [
    element("Key", encode(object.key)),
    element("LastModified", new Date(object.modified).toISOString()),
    element("ETag", `"${object.etag}"`),
    element("Size", object.size),
    ...(owner === undefined ? [] : [ownerElement(owner)]),
    element("StorageClass", "STANDARD"),
  ]);
}

function versionEntry(object: ObjectInfo, encode: (text: string) => string, owner: string): Xml {
  const body = object.deleteMarker
    ? []
    : [
        element("ETag", `"${object.etag}"`),
        element("Size", object.size),
        element("StorageClass", "STANDARD"),
      ];
  return element(object.deleteMarker ? "DeleteMarker" : "Version", [
    element("Key", encode(object.key)),
    element("VersionId", object.versionId),
    element("IsLatest", object.latest),
    element("LastModified", new Date(object.modified).toISOString()),
    ...body,
    ownerElement(owner),
  ]);
}

export function ownerElement(owner: string, name = "Owner"): Xml {
  return element(name, [element("ID", owner), element("DisplayName", "freehold")]);
}

export function commonPrefixes(
  prefixes: readonly string[],
  encode: (text: string) => string,
): readonly Xml[] {
  return prefixes.map((prefix) => element("CommonPrefixes", [element("Prefix", encode(prefix))]));
}

/** How keys are written in the answer. @throws S3Error InvalidArgument. */
export function encoder(request: S3Request): (text: string) => string {
  const type = request.query.get("encoding-type");
  if (type === undefined) return (text) => text;
  if (type !== "url") {
    throw new S3Error("InvalidArgument", "Invalid Encoding Method specified in Request", {
      ArgumentName: "encoding-type",
      ArgumentValue: type,
    });
  }
  return encodePath;
}

/** A count, at most `most`. @throws S3Error InvalidArgument. */
export function readLimit(request: S3Request, name: string, most: number): number {
  const text = request.query.get(name) ?? "";
  if (text === "") return most;
  if (/^\d{1,10}$/.test(text) && Number(text) <= 0x7fff_ffff) return Math.min(most, Number(text));
  throw new S3Error("InvalidArgument", `Argument ${name} must be an integer between 0 and 2147483647`, {
    ArgumentName: name,
    ArgumentValue: text,
  });
}

/** A list goes on behind `next`. */
export function makeToken(next: string): string {
  return Buffer.from(next, "utf8").toString("base64url");
}

/** @throws S3Error InvalidArgument for what was never handed out. */
export function parseToken(token: string): string {
  const key = Buffer.from(token, "base64url").toString("utf8");
  if (token !== "" && makeToken(key) === token) return key;
  throw new S3Error("InvalidArgument", "The continuation token provided is incorrect", {
    ArgumentName: "continuation-token",
  });
}
