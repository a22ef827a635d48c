import { UsageError } from "../cli-context.ts";

/** What `bucket/key` names; `s3://` before it is allowed, as S3 tools write it. */
export interface FileAddress {
  readonly bucket: string;
  /** Empty for the bucket itself; a trailing slash names a folder. */
  readonly key: string;
}

/** Longest key, in bytes, as S3 has it. */
const MAX_KEY = 1024;

/** @throws UsageError */
export function parseFileAddress(text: string): FileAddress {
  const path = text.replace(/^s3:\/\//, "");
  const slash = path.indexOf("/");
  checkKeyLength(path.slice(slash + 1));
  const bucket = slash < 0 ? path : path.slice(0, slash);
  if (bucket === "") throw new UsageError(`${text || "''"} names no bucket; files are written bucket/name`);
  return { bucket, key: slash < 0 ? "" : path.slice(slash + 1) };
}

/** @throws UsageError where a file's name within its bucket is too long */
export function checkKeyLength(key: string): void {
  const bytes = Buffer.byteLength(key);
  if (bytes <= MAX_KEY) return;
  throw new UsageError(
    `${key.slice(0, 40)}… is too long: a name in a bucket has at most ${MAX_KEY} bytes, not ${bytes}`,
  );
}

/** @throws UsageError where no file is named */
export function parseFileName(text: string): FileAddress {
  const address = parseFileAddress(text);
  if (address.key === "" || address.key.endsWith("/")) {
    throw new UsageError(`${text} names no file; files are written bucket/name`);
  }
  return address;
}

/**
 * The path below a folder for a key, or undefined where it would lead out of it or cannot be a file's name: a key may
 * hold any text, and its writer need not be the reader.
 */
export function localPath(key: string): string | undefined {
  const names = key.split("/");
  const isSafe = names.every((name) => name !== "" && name !== "." && name !== ".." && !/[\\\0]/.test(name));
  return isSafe && !/^[a-z]:/i.test(key) ? names.join("/") : undefined;
}

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };
const WEEK = 604_800;

/** Seconds of `30m`, `12h`, `7d`; a week at most, as S3 has it. @throws UsageError */
export function parseDuration(text: string): number {
  const [, number = "", unit = ""] = /^(\d{1,6})([smhd])$/.exec(text.trim()) ?? [];
  const seconds = Number(number) * (UNITS[unit] ?? 0);
  if (seconds >= 1 && seconds <= WEEK) return seconds;
  throw new UsageError(`${text} is no time up to a week; one is written 30m, 12h or 7d`);
}
