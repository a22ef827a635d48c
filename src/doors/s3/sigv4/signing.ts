/**
 * AWS Signature Version 4 ("Authenticating Requests", S3 API reference): the canonical request, the string to sign
 * and the signing key. Pure; what is verified and what is presigned come from the same functions.
 */
import { createHash, createHmac } from "node:crypto";
import { encodePath, encodeUri, type Query } from "../uri.ts";

export const ALGORITHM = "AWS4-HMAC-SHA256";
export const UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD";
/** SHA-256 of nothing, in hex. */
export const EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/** Where and when a signing key is good: `<date>/<region>/s3/aws4_request`. */
export interface Scope {
  /** `YYYYMMDD`. */
  readonly date: string;
  readonly region: string;
}

export function scopeText(scope: Scope): string {
  return `${scope.date}/${scope.region}/s3/aws4_request`;
}

/** Header names in lower case → value as it was sent, without the blanks around it; lists joined by `,`. */
export type RequestHeaders = ReadonlyMap<string, string>;

/**
 * From name and value alternating, as they came. Values are one character a byte (latin1), so that what is hashed is
 * what was sent, whatever its encoding; a byte A0 is part of a letter there, and no blank.
 */
export function readHeaders(raw: readonly string[]): RequestHeaders {
  const headers = new Map<string, string>();
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase();
    const value = withoutBlanks(raw[i + 1]!);
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before},${value}`);
  }
  return headers;
}

function withoutBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && " \t".includes(text[start]!)) start++;
  while (end > start && " \t".includes(text[end - 1]!)) end--;
  return text.slice(start, end);
}

export interface RequestToSign {
  readonly method: string;
  /** Decoded; S3 encodes it once and normalises nothing. */
  readonly path: string;
  /** Decoded, without `X-Amz-Signature`. */
  readonly query: Query;
  readonly headers: RequestHeaders;
  /** Lower case, sorted. */
  readonly signedHeaders: readonly string[];
  /** Hex SHA-256, `UNSIGNED-PAYLOAD` or a `STREAMING-…` name. */
  readonly payloadHash: string;
}

/** One character a byte. */
export function canonicalRequest(request: RequestToSign): string {
  const query = request.query
    .map(([name, value]) => [encodeUri(name), encodeUri(value)] as const)
    .sort(([a, x], [b, y]) => compare(a, b) || compare(x, y))
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
  return [
    request.method,
    encodePath(request.path),
    query,
    // Runs of blanks are signed as one, and kept as they are.
    ...request.signedHeaders.map(
      (name) => `${name}:${(request.headers.get(name) ?? "").replace(/[ \t]+/g, " ")}`,
    ),
    "",
    request.signedHeaders.join(";"),
    request.payloadHash,
  ].join("\n");
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** `timestamp` is `YYYYMMDDTHHMMSSZ`. */
export function stringToSign(timestamp: string, scope: Scope, canonical: string): string {
  return [ALGORITHM, timestamp, scopeText(scope), sha256Hex(Buffer.from(canonical, "latin1"))].join("\n");
}

/** HMAC chain over date, region, service and the closing word. */
export function signingKey(secretKey: string, scope: Scope): Uint8Array {
  const date = hmac(Buffer.from(`AWS4${secretKey}`, "utf8"), scope.date);
  return hmac(hmac(hmac(date, scope.region), "s3"), "aws4_request");
}

/** Lower-case hex. */
export function signature(key: Uint8Array, text: string): string {
  return createHmac("sha256", key).update(text, "utf8").digest("hex");
}

function hmac(key: Uint8Array, text: string): Uint8Array {
  return createHmac("sha256", key).update(text, "utf8").digest();
}

export function sha256Hex(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** `YYYYMMDDTHHMMSSZ` of milliseconds since 1970. */
export function timestampOf(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19).replace(/[-:]/g, "")}Z`;
}

/** Milliseconds since 1970 of `YYYYMMDDTHHMMSSZ`; `undefined` where it is none. */
export function parseTimestamp(text: string): number | undefined {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (parts === null) return undefined;
  const [, year, month, day, hour, minute, second] = parts;
  const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(time) ? undefined : time;
}
