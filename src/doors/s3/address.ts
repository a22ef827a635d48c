import { S3Error } from "./s3-error.ts";
import { decodeUri } from "./uri.ts";

/** S3's limit for a key in UTF-8. */
const MAX_KEY_BYTES = 1024;

export interface Address {
  /** Empty for the service itself. */
  readonly bucket: string;
  readonly key: string;
  /** The decoded path as it was signed. */
  readonly path: string;
}

/**
 * What a request names. Virtual-host style where the host is `<bucket>.<base domain>[:port]`, else path style:
 * `/bucket/key`.
 * @throws S3Error InvalidURI, KeyTooLongError.
 */
export function parseAddress(host: string, rawPath: string, baseDomains: readonly string[]): Address {
  if (!rawPath.startsWith("/")) throw new S3Error("InvalidURI", "Couldn't parse the specified URI.");
  const path = decodeUri(rawPath);
  const hosted = bucketOfHost(host, baseDomains);
  const rest = path.slice(1);
  const slash = rest.indexOf("/");
  const bucket = hosted ?? (slash < 0 ? rest : rest.slice(0, slash));
  const key = hosted !== undefined ? rest : slash < 0 ? "" : rest.slice(slash + 1);
  if (bucket === "" && key !== "") {
    throw new S3Error("InvalidBucketName", "The specified bucket is not valid.", { BucketName: "" });
  }
  checkKey(key);
  return { bucket, key, path };
}

/** @throws S3Error KeyTooLongError. */
export function checkKey(key: string): void {
  const size = Buffer.byteLength(key, "utf8");
  if (size > MAX_KEY_BYTES) {
    throw new S3Error("KeyTooLongError", "Your key is too long", {
      Size: String(size),
      MaxSizeAllowed: String(MAX_KEY_BYTES),
    });
  }
}

function bucketOfHost(host: string, baseDomains: readonly string[]): string | undefined {
  const name = host.replace(/:\d+$/, "").toLowerCase();
  for (const domain of baseDomains) {
    if (name.endsWith(`.${domain.toLowerCase()}`)) return name.slice(0, -domain.length - 1);
  }
  return undefined;
}
