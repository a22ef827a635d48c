/** What an operation gets and gives. Each is one function under operations/; router.ts names them all. */
import type { Clock } from "#base/lib/clock.ts";
import type { Body, FileStore } from "#sharing/storage/file-store.ts";
import type { RequestBody } from "./request-body.ts";
import { S3Error } from "./s3-error.ts";
import type { RequestHeaders } from "./sigv4/signing.ts";

/** A request whose signature is good. */
export interface S3Request {
  readonly method: string;
  /** Empty for the service itself. */
  readonly bucket: string;
  /** Empty for a bucket. */
  readonly key: string;
  /** The decoded path as it was sent, from which bucket and key were read. */
  readonly path: string;
  /** First value of each parameter. */
  readonly query: ReadonlyMap<string, string>;
  /** Values are one character a byte; {@link headerText} reads them. */
  readonly headers: RequestHeaders;
  readonly body: RequestBody;
}

export interface S3Response {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** XML text, or the bytes of an object, fetched as the client takes them. */
  readonly body?: string | Body;
}

export interface S3Context {
  readonly files: FileStore;
  readonly region: string;
  readonly clock: Clock;
  /** Canonical user id, 64 hex digits. */
  readonly owner: string;
}

export type Operation = (request: S3Request, context: S3Context) => Promise<S3Response>;

export function xmlResponse(body: string): S3Response {
  return { status: 200, headers: { "content-type": "application/xml" }, body };
}

/** The version that a request names; undefined for the latest. @throws S3Error InvalidArgument where it is empty. */
export function wantedVersion(request: S3Request): string | undefined {
  return checkVersion(request.query.get("versionId"));
}

/** @throws S3Error InvalidArgument: an empty id is a mistake, and must not pass for the latest version or for none. */
export function checkVersion(versionId: string | undefined): string | undefined {
  if (versionId !== "") return versionId;
  throw new S3Error("InvalidArgument", "Version id cannot be the empty string", {
    ArgumentName: "versionId",
    ArgumentValue: "",
  });
}

/** A header's text: UTF-8 where its bytes are that, else latin1. */
export function headerText(value: string): string {
  const bytes = Buffer.from(value, "latin1");
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return value;
  }
}

/** Text as a header carries it: UTF-8, one character a byte. */
export function headerBytes(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}
