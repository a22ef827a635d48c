import type { S3Credentials } from "../credentials.ts";
import { encodePath, encodeUri, type Query } from "../uri.ts";
import {
  ALGORITHM,
  canonicalRequest,
  readHeaders,
  scopeText,
  signature,
  signingKey,
  stringToSign,
  timestampOf,
  UNSIGNED_PAYLOAD,
} from "./signing.ts";

export interface PresignRequest {
  readonly method: "GET" | "PUT" | "POST" | "HEAD" | "DELETE";
  /** Where the door listens, `http://127.0.0.1:9000`: the signature covers the host. */
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: S3Credentials;
  readonly bucket: string;
  readonly key: string;
  /** How long it is good: 1 to 604,800. */
  readonly seconds: number;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Further query parameters, decoded: `versionId`, `response-content-disposition`, … */
  readonly query?: Query;
}

/** A path-style URL that carries its own signature; whoever has it may do this one thing until it expires. */
export function presign(request: PresignRequest): string {
  const timestamp = timestampOf(request.now);
  const scope = { date: timestamp.slice(0, 8), region: request.region };
  const path = `/${request.bucket}/${request.key}`;
  const host = new URL(request.endpoint).host;
  const query: Query = [
    ...(request.query ?? []),
    ["X-Amz-Algorithm", ALGORITHM],
    ["X-Amz-Credential", `${request.credentials.accessKey}/${scopeText(scope)}`],
    ["X-Amz-Date", timestamp],
    ["X-Amz-Expires", String(request.seconds)],
    ["X-Amz-SignedHeaders", "host"],
  ];
  const canonical = canonicalRequest({
    method: request.method,
    path,
    query,
    headers: readHeaders(["host", host]),
    signedHeaders: ["host"],
    payloadHash: UNSIGNED_PAYLOAD,
  });
  const key = signingKey(request.credentials.secretKey, scope);
  const signed = [...query, ["X-Amz-Signature", signature(key, stringToSign(timestamp, scope, canonical))]];
  const text = signed.map(([name, value]) => `${encodeUri(name!)}=${encodeUri(value!)}`).join("&");
  return `${request.endpoint.replace(/\/$/, "")}${encodePath(path)}?${text}`;
}
