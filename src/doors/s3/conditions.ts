/** Conditional requests (RFC 9110 section 13), as S3 applies them. */
import type { ObjectInfo, WriteCondition } from "#sharing/storage/file-store.ts";
import { S3Error, unknownWish } from "./s3-error.ts";
import type { RequestHeaders } from "./sigv4/signing.ts";

/** @throws S3Error PreconditionFailed. @returns whether the client's copy is still good: answer 304. */
export function checkReadConditions(headers: RequestHeaders, object: ObjectInfo): boolean {
  const ifMatch = headers.get("if-match");
  const ifUnmodified = httpDate(headers.get("if-unmodified-since"));
  if (ifMatch === undefined ? isLater(object, ifUnmodified) : !matches(ifMatch, object.etag)) {
    throw preconditionFailed(ifMatch === undefined ? "If-Unmodified-Since" : "If-Match");
  }
  const ifNoneMatch = headers.get("if-none-match");
  if (ifNoneMatch !== undefined) return matches(ifNoneMatch, object.etag);
  const ifModified = httpDate(headers.get("if-modified-since"));
  return ifModified !== undefined && !isLater(object, ifModified);
}

/** `x-amz-copy-source-if-…`: where a read would answer 304, a copy fails too. @throws S3Error PreconditionFailed. */
export function checkCopyConditions(headers: RequestHeaders, source: ObjectInfo): void {
  const prefix = "x-amz-copy-source-";
  const own = new Map([...headers].filter(([name]) => name.startsWith(`${prefix}if-`)));
  const plain = new Map([...own].map(([name, value]) => [name.slice(prefix.length), value] as const));
  if (checkReadConditions(plain, source)) {
    throw preconditionFailed(plain.has("if-none-match") ? "If-None-Match" : "If-Modified-Since");
  }
}

/** Conditions of a write, which the store checks under its lock. @throws S3Error NotImplemented. */
export function readWriteCondition(headers: RequestHeaders): WriteCondition {
  const ifMatch = headers.get("if-match");
  const ifNoneMatch = headers.get("if-none-match");
  if (ifNoneMatch !== undefined && ifNoneMatch !== "*") {
    throw unknownWish("If-None-Match");
  }
  return {
    ...(ifMatch !== undefined && { ifMatch: unquote(ifMatch) }),
    ...(ifNoneMatch !== undefined && { ifNoneMatch }),
  };
}

/** An ETag without its quotes and weakness. */
export function unquote(etag: string): string {
  return etag
    .trim()
    .replace(/^W\//, "")
    .replace(/^"(.*)"$/, "$1");
}

function matches(list: string, etag: string): boolean {
  return list.split(",").some((one) => one.trim() === "*" || unquote(one) === etag);
}

/** Headers carry whole seconds. */
function isLater(object: ObjectInfo, time: number | undefined): boolean {
  return time !== undefined && Math.floor(object.modified / 1000) * 1000 > time;
}

/** Milliseconds since 1970; a date that is none is as if it were not there (RFC 9110 section 13.1.3). */
export function httpDate(text: string | undefined): number | undefined {
  const time = Date.parse(text ?? "");
  return Number.isNaN(time) ? undefined : time;
}

function preconditionFailed(condition: string): S3Error {
  return new S3Error("PreconditionFailed", "At least one of the pre-conditions you specified did not hold", {
    Condition: condition,
  });
}
