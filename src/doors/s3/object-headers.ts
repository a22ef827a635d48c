/** An object's attributes, from the headers of a request and into those of a response. */
import type { ObjectAttributes, ObjectInfo } from "#sharing/storage/file-store.ts";
import { headerBytes, headerText, type S3Request } from "./operation.ts";
import { S3Error, unknownWish } from "./s3-error.ts";
import type { RequestHeaders } from "./sigv4/signing.ts";

const METADATA_PREFIX = "x-amz-meta-";
/** Bytes of all names and values together. */
const MAX_METADATA = 2048;
/** What S3 stores where the client names no type. */
const DEFAULT_TYPE = "binary/octet-stream";

/** Attribute → header. */
const ATTRIBUTES = {
  contentType: "content-type",
  cacheControl: "cache-control",
  contentDisposition: "content-disposition",
  contentEncoding: "content-encoding",
  contentLanguage: "content-language",
  expires: "expires",
} as const;

type AttributeName = keyof typeof ATTRIBUTES;

/** @throws S3Error MetadataTooLarge. */
export function readAttributes(headers: RequestHeaders): ObjectAttributes {
  const attributes: Partial<Record<AttributeName, string>> = {};
  for (const [name, header] of Object.entries(ATTRIBUTES) as [AttributeName, string][]) {
    const value = headers.get(header);
    const text = header === "content-encoding" ? withoutFraming(value) : value;
    if (text !== undefined && text !== "") attributes[name] = headerText(text);
  }
  return { ...attributes, metadata: readMetadata(headers) };
}

/** `aws-chunked` describes the transfer, not the object. */
function withoutFraming(value: string | undefined): string | undefined {
  const codings = (value ?? "").split(",").map((coding) => coding.trim());
  return codings.filter((coding) => coding !== "" && coding.toLowerCase() !== "aws-chunked").join(",");
}

function readMetadata(headers: RequestHeaders): Readonly<Record<string, string>> {
  const metadata: Record<string, string> = Object.create(null) as Record<string, string>;
  let size = 0;
  for (const [name, value] of headers) {
    if (!name.startsWith(METADATA_PREFIX)) continue;
    size += name.length - METADATA_PREFIX.length + value.length;
    metadata[name.slice(METADATA_PREFIX.length)] = headerText(value);
  }
  if (size > MAX_METADATA) {
    throw new S3Error("MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size");
  }
  return { ...metadata };
}

/** Header → values that ask for nothing beyond what is done anyway. Any other value is refused, not ignored. */
const WISHES: Readonly<Record<string, readonly string[]>> = {
  "x-amz-acl": ["private", "bucket-owner-full-control", "bucket-owner-read"],
  "x-amz-storage-class": ["STANDARD"],
  "x-amz-server-side-encryption": [],
  "x-amz-server-side-encryption-customer-algorithm": [],
  "x-amz-server-side-encryption-aws-kms-key-id": [],
  "x-amz-copy-source-server-side-encryption-customer-algorithm": [],
  "x-amz-tagging": [],
  "x-amz-tagging-directive": ["COPY"],
  "x-amz-website-redirect-location": [],
  "x-amz-object-lock-mode": [],
  "x-amz-object-lock-retain-until-date": [],
  "x-amz-object-lock-legal-hold": [],
  "x-amz-bucket-object-lock-enabled": ["false"],
  "x-amz-grant-read": [],
  "x-amz-grant-write": [],
  "x-amz-grant-full-control": [],
  "x-amz-grant-read-acp": [],
  "x-amz-grant-write-acp": [],
  "x-amz-write-offset-bytes": [],
};

/** @throws S3Error NotImplemented, InvalidStorageClass. */
export function refuseUnknownWishes(headers: RequestHeaders): void {
  for (const [header, harmless] of Object.entries(WISHES)) {
    const value = headers.get(header);
    if (value === undefined || value === "" || harmless.includes(value)) continue;
    if (header === "x-amz-storage-class") {
      throw new S3Error("InvalidStorageClass", "The storage class you specified is not valid");
    }
    throw unknownWish(header);
  }
}

/** Query parameter of a GET → the header it overrides in the response. */
const OVERRIDES: Readonly<Record<string, string>> = {
  "response-content-type": "content-type",
  "response-content-language": "content-language",
  "response-expires": "expires",
  "response-cache-control": "cache-control",
  "response-content-disposition": "content-disposition",
  "response-content-encoding": "content-encoding",
};

/** What every answer about an object tells; the length is the caller's. */
export function objectHeaders(object: ObjectInfo, request: S3Request): Record<string, string> {
  const headers: Record<string, string> = {
    etag: `"${object.etag}"`,
    "last-modified": new Date(object.modified).toUTCString(),
    "accept-ranges": "bytes",
    "content-type": DEFAULT_TYPE,
    ...versionHeader(object),
  };
  for (const [name, header] of Object.entries(ATTRIBUTES) as [AttributeName, string][]) {
    const value = object[name];
    if (value !== undefined) headers[header] = headerBytes(value);
  }
  for (const [name, value] of Object.entries(object.metadata ?? {})) {
    headers[METADATA_PREFIX + name] = headerBytes(value);
  }
  for (const [parameter, header] of Object.entries(OVERRIDES)) {
    const value = request.query.get(parameter);
    if (value !== undefined) headers[header] = overrideValue(parameter, value);
  }
  return headers;
}

function overrideValue(parameter: string, value: string): string {
  if (!/\p{Cc}/u.test(value)) return headerBytes(value);
  throw new S3Error("InvalidArgument", "Header value cannot be represented using ISO-8859-1.", {
    ArgumentName: parameter,
  });
}

/** Told where there are versions. */
export function versionHeader(object: ObjectInfo): Record<string, string> {
  return object.versionId === "null" ? {} : { "x-amz-version-id": object.versionId };
}
