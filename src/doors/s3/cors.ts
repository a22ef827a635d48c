/** Cross-origin requests (Fetch standard, "CORS protocol") of the pages that were handed in, and of no others. */
import type { S3Response } from "./operation.ts";
import { S3Error } from "./s3-error.ts";
import type { RequestHeaders } from "./sigv4/signing.ts";

const EXPOSED = [
  "etag",
  "content-length",
  "content-range",
  "content-disposition",
  "last-modified",
  "x-amz-request-id",
  "x-amz-version-id",
].join(", ");
/** How long a browser may remember a preflight, in seconds. */
const MAX_AGE = 600;

/**
 * The origins of a page of this machine: it answers to both names of the loopback, and people type either.
 * @param address `http://127.0.0.1:8420`
 */
export function pageOrigins(address: string): string[] {
  const { port } = new URL(address);
  return ["127.0.0.1", "localhost"].map((name) => `http://${name}:${port}`);
}

/** Headers for any answer to a page of ours; none for others, so that their scripts cannot read it. */
export function corsHeaders(headers: RequestHeaders, origins: readonly string[]): Record<string, string> {
  const origin = headers.get("origin");
  if (origin === undefined) return {};
  if (!origins.includes(origin)) return { vary: "origin" };
  return { vary: "origin", "access-control-allow-origin": origin, "access-control-expose-headers": EXPOSED };
}

/** A browser asks before it sends. @throws S3Error AccessForbidden for pages that are not ours. */
export function preflight(headers: RequestHeaders, origins: readonly string[]): S3Response {
  if (!origins.includes(headers.get("origin") ?? "") || !headers.has("access-control-request-method")) {
    throw new S3Error("AccessForbidden", "CORSResponse: This CORS request is not allowed.");
  }
  const wanted = headers.get("access-control-request-headers") ?? "";
  const names = wanted.split(",").map((name) => name.trim().toLowerCase());
  const allowed = names.filter((name) => /^[a-z0-9-]{1,64}$/.test(name)).slice(0, 64);
  return {
    status: 200,
    headers: {
      "access-control-allow-methods": "GET, HEAD, PUT, POST, DELETE",
      ...(allowed.length > 0 && { "access-control-allow-headers": allowed.join(", ") }),
      "access-control-max-age": String(MAX_AGE),
    },
  };
}
