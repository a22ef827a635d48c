/** Numbers of parts, and what an object tells of those that it was put together from. */
import type { ByteRange, ObjectInfo } from "#sharing/storage/file-store.ts";
import { S3Error } from "./s3-error.ts";

export const MAX_PARTS = 10_000;

/** @throws S3Error InvalidArgument. */
export function parsePartNumber(text: string): number {
  const part = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (part >= 1 && part <= MAX_PARTS) return part;
  throw new S3Error("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive", {
    ArgumentName: "partNumber",
    ArgumentValue: text,
  });
}

/** How many parts there were; undefined for an object that came in one piece. */
export function partCount({ etag }: ObjectInfo): number | undefined {
  const found = /-(\d+)$/.exec(etag);
  return found === null ? undefined : Number(found[1]);
}

/**
 * Bytes of one part, counted from 1 in the order in which they lie; undefined for all of the object, if it is one that
 * no range fits: an empty one.
 * @throws S3Error InvalidPartNumber; NotImplemented where the object's record does not tell the sizes of its parts.
 */
export function partRange(object: ObjectInfo, number: number): ByteRange | undefined {
  const count = partCount(object) ?? 1;
  if (number > count) {
    throw new S3Error("InvalidPartNumber", "The requested partnumber is not satisfiable", {
      PartNumberRequested: String(number),
      ActualPartCount: String(count),
    });
  }
  if (object.size === 0) return undefined;
  if (count === 1) return { first: 0, last: object.size - 1 };
  let before = 0;
  let first = 0;
  for (const run of object.parts ?? []) {
    if (number <= before + run.count) {
      first += (number - before - 1) * run.size;
      return { first, last: first + run.size - 1 };
    }
    before += run.count;
    first += run.count * run.size;
  }
  throw new S3Error("NotImplemented", "The sizes of this object's parts are not known: read it by ranges.");
}
