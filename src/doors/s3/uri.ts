/** Percent-encoding as AWS signs it: everything but A–Z a–z 0–9 - . _ ~ is encoded, in upper-case hex of UTF-8. */
import { S3Error } from "./s3-error.ts";

/** One path segment or query part. */
export function encodeUri(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** A path: slashes stay. S3 neither normalises dots nor joins slashes. */
export function encodePath(path: string): string {
  return path.split("/").map(encodeUri).join("/");
}

/** @throws S3Error InvalidURI where it is not percent-encoded UTF-8. */
export function decodeUri(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new S3Error("InvalidURI", "Couldn't parse the specified URI.");
  }
}

/** Name and value of each part of a query string, in order; a part without `=` has the empty value. */
export type Query = readonly (readonly [string, string])[];

/** @throws S3Error InvalidURI. */
export function parseQuery(text: string): Query {
  if (text === "") return [];
  return text
    .split("&")
    .filter((part) => part !== "")
    .map((part) => {
      const at = part.indexOf("=");
      const name = at < 0 ? part : part.slice(0, at);
      const value = at < 0 ? "" : part.slice(at + 1);
      return [decodeForm(name), decodeForm(value)] as const;
    });
}

/** In a query, `+` is a space to every server; clients that mean a plus send %2B. */
function decodeForm(text: string): string {
  return decodeUri(text.replaceAll("+", " "));
}
