import type { ByteRange } from "#sharing/storage/file-store.ts";
import { S3Error } from "./s3-error.ts";

/**
 * The part of `size` bytes that a Range header asks for (RFC 9110 section 14); undefined for all of them: no header,
 * another unit, several ranges, or one that is none. Clients mean "to the end" by the largest number they have, which
 * may be beyond those that are exact here; so far out no number needs to be.
 * @throws S3Error InvalidRange where nothing of it is there.
 */
export function parseRange(text: string | undefined, size: number): ByteRange | undefined {
  const parts = /^bytes=(\d{0,20})-(\d{0,20})$/i.exec((text ?? "").replaceAll(" ", ""));
  if (parts === null) return undefined;
  const [, from = "", to = ""] = parts;
  if (from === "" && to === "") return undefined;
  if (from !== "" && to !== "" && Number(to) < Number(from)) return undefined;
  const first = from === "" ? Math.max(0, size - Number(to)) : Number(from);
  const last = from === "" || to === "" ? size - 1 : Math.min(Number(to), size - 1);
  if (first > last) {
    throw new S3Error("InvalidRange", "The requested range is not satisfiable", {
      RangeRequested: text ?? "",
      ActualObjectSize: String(size),
    });
  }
  return { first, last };
}

/** `x-amz-copy-source-range`: `bytes=first-last`, both given and inside. @throws S3Error InvalidArgument, InvalidRange. */
export function parseCopyRange(text: string, size: number): ByteRange {
  const parts = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(text);
  if (parts === null || Number(parts[2]) < Number(parts[1])) {
    throw new S3Error(
      "InvalidArgument",
      "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the " +
        "zero-based offsets of the first and last bytes to copy",
      { ArgumentName: "x-amz-copy-source-range", ArgumentValue: text },
    );
  }
  const last = Number(parts[2]);
  if (last >= size) {
    throw new S3Error("InvalidArgument", `Range specified is not valid for source object of size: ${size}`);
  }
  return { first: Number(parts[1]), last };
}
