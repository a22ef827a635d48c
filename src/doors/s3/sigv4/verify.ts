/** Who sent a request: the signature in its header or in its query, held against our own computation. */
import { timingSafeEqual } from "node:crypto";
import type { S3Credentials } from "../credentials.ts";
import { S3Error } from "../s3-error.ts";
import type { Query } from "../uri.ts";
import {
  ALGORITHM,
  canonicalRequest,
  parseTimestamp,
  type RequestHeaders,
  type Scope,
  signature,
  signingKey,
  stringToSign,
  UNSIGNED_PAYLOAD,
} from "./signing.ts";

/** How far a client's clock may be off, in ms. */
export const MAX_SKEW = 15 * 60_000;
/** Longest that a presigned URL may be good, in seconds: a week. */
const MAX_EXPIRES = 604_800;
/** Names that a signature may cover. */
const MAX_SIGNED_HEADERS = 64;

export interface RequestToVerify {
  readonly method: string;
  /** Decoded. */
  readonly path: string;
  readonly query: Query;
  readonly headers: RequestHeaders;
}

export interface VerifyOptions {
  readonly credentials: readonly S3Credentials[];
  readonly region: string;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** A request whose signature is good, and what the signatures of its chunks continue from. */
export interface Verified {
  readonly accessKey: string;
  /** As signed: hex SHA-256, `UNSIGNED-PAYLOAD` or a `STREAMING-…` name. */
  readonly payload: string;
  readonly presigned: boolean;
  readonly signature: string;
  readonly timestamp: string;
  readonly scope: Scope;
  readonly key: Uint8Array;
}

/** @throws S3Error that says why the request is nobody's. */
export function verifyRequest(request: RequestToVerify, options: VerifyOptions): Verified {
  const authorization = request.headers.get("authorization");
  const inQuery = request.query.some(([name]) => name === "X-Amz-Algorithm" || name === "X-Amz-Signature");
  if (authorization !== undefined && inQuery) {
    throw new S3Error("InvalidArgument", "Only one auth mechanism allowed");
  }
  if (request.headers.has("x-amz-security-token") || findQuery(request.query, "X-Amz-Security-Token")) {
    throw new S3Error("InvalidToken", "The provided token is malformed or otherwise invalid.");
  }
  if (authorization !== undefined) return verifyHeader(request, authorization, options);
  if (inQuery) return verifyQuery(request, options);
  if (findQuery(request.query, "Signature") !== undefined) throw unsupportedMechanism();
  throw new S3Error("AccessDenied", "Access Denied");
}

function verifyHeader(request: RequestToVerify, authorization: string, options: VerifyOptions): Verified {
  const claim = parseAuthorization(authorization);
  const timestamp = headerTimestamp(request.headers);
  const time = parseTimestamp(timestamp);
  if (time === undefined) {
    throw new S3Error("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header");
  }
  const payload = request.headers.get("x-amz-content-sha256");
  if (payload === undefined) {
    throw new S3Error("InvalidRequest", "Missing required header for this request: x-amz-content-sha256");
  }
  const scope = checkScope(claim.credential, timestamp, options.region, "AuthorizationHeaderMalformed");
  checkSkew(time, timestamp, options.now);
  return checkSignature(request, { ...claim, scope, timestamp, payload, presigned: false }, options);
}

function verifyQuery(request: RequestToVerify, options: VerifyOptions): Verified {
  const malformed = (message: string) => new S3Error("AuthorizationQueryParametersError", message);
  const read = (name: string): string => {
    const values = request.query.filter(([other]) => other === name);
    if (values.length !== 1) {
      throw malformed(
        "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, " +
          "X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
      );
    }
    return values[0]![1];
  };
  const algorithm = read("X-Amz-Algorithm");
  if (algorithm.startsWith("AWS4-ECDSA")) throw unsupportedAlgorithm();
  if (algorithm !== ALGORITHM) throw malformed('X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"');
  const timestamp = read("X-Amz-Date");
  const time = parseTimestamp(timestamp);
  if (time === undefined)
    throw malformed("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"");
  const expiresText = read("X-Amz-Expires");
  const expires = /^\d{1,7}$/.test(expiresText) ? Number(expiresText) : Number.NaN;
  if (!(expires >= 1 && expires <= MAX_EXPIRES)) {
    throw malformed("X-Amz-Expires must be between 1 and 604800 seconds");
  }
  const credential = read("X-Amz-Credential");
  const scope = checkScope(credential, timestamp, options.region, "AuthorizationQueryParametersError");
  const claim = {
    credential,
    signedHeaders: parseSignedHeaders(read("X-Amz-SignedHeaders")),
    signature: read("X-Amz-Signature"),
    scope,
    timestamp,
    payload:
      request.headers.get("x-amz-content-sha256") ??
      findQuery(request.query, "X-Amz-Content-Sha256") ??
      UNSIGNED_PAYLOAD,
    presigned: true,
  };
  const unsigned = request.query.filter(([name]) => name !== "X-Amz-Signature");
  const verified = checkSignature({ ...request, query: unsigned }, claim, options);
  if (time > options.now + MAX_SKEW) throw new S3Error("AccessDenied", "Request is not valid yet");
  if (options.now > time + expires * 1000) {
    throw new S3Error("AccessDenied", "Request has expired", {
      Expires: new Date(time + expires * 1000).toISOString(),
      ServerTime: new Date(options.now).toISOString(),
    });
  }
  return verified;
}

interface Claim {
  /** `<access key>/<date>/<region>/s3/aws4_request`. */
  readonly credential: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
}

/** `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`, blanks after the commas or none. */
function parseAuthorization(text: string): Claim {
  const [algorithm = "", rest = ""] = splitOnce(text, " ");
  if (algorithm.startsWith("AWS4-ECDSA")) throw unsupportedAlgorithm();
  if (algorithm !== ALGORITHM) {
    throw unsupportedMechanism();
  }
  const fields = new Map<string, string>();
  for (const part of rest.split(",")) {
    const [name = "", value] = splitOnce(part.trim(), "=");
    if (value === undefined || fields.has(name)) throw malformedHeader();
    fields.set(name, value);
  }
  const credential = fields.get("Credential");
  const signedHeaders = fields.get("SignedHeaders");
  const signed = fields.get("Signature");
  if (credential === undefined || signedHeaders === undefined || signed === undefined || fields.size !== 3) {
    throw malformedHeader();
  }
  return { credential, signedHeaders: parseSignedHeaders(signedHeaders), signature: signed };
}

function parseSignedHeaders(text: string): readonly string[] {
  const names = text.split(";").map((name) => name.toLowerCase());
  if (names.length > MAX_SIGNED_HEADERS || names.some((name) => name === "")) throw malformedHeader();
  return names.toSorted();
}

function headerTimestamp(headers: RequestHeaders): string {
  const own = headers.get("x-amz-date");
  if (own !== undefined) return own;
  const date = Date.parse(headers.get("date") ?? "");
  return Number.isNaN(date) ? "" : `${new Date(date).toISOString().slice(0, 19).replace(/[-:]/g, "")}Z`;
}

function checkScope(
  credential: string,
  timestamp: string,
  region: string,
  code: "AuthorizationHeaderMalformed" | "AuthorizationQueryParametersError",
): Scope {
  // An access key may hold slashes; the scope is the last four parts.
  const parts = credential.split("/");
  const [date, scopeRegion, service, end] = parts.slice(-4);
  if (parts.length < 5 || service !== "s3" || end !== "aws4_request") {
    throw new S3Error(
      code,
      'The Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/s3/aws4_request".',
    );
  }
  if (date !== timestamp.slice(0, 8)) {
    throw new S3Error(code, `Invalid credential date. This date is not the same as X-Amz-Date.`);
  }
  if (scopeRegion !== region) {
    throw new S3Error(code, `the region '${scopeRegion}' is wrong; expecting '${region}'`, {
      Region: region,
    });
  }
  return { date, region };
}

function checkSkew(time: number, timestamp: string, now: number): void {
  if (Math.abs(time - now) <= MAX_SKEW) return;
  throw new S3Error(
    "RequestTimeTooSkewed",
    "The difference between the request time and the current time is too large.",
    {
      RequestTime: timestamp,
      ServerTime: new Date(now).toISOString(),
      MaxAllowedSkewMilliseconds: String(MAX_SKEW),
    },
  );
}

function checkSignature(
  request: RequestToVerify,
  claim: Claim & Pick<Verified, "scope" | "timestamp" | "payload" | "presigned">,
  options: VerifyOptions,
): Verified {
  checkCoverage(request.headers, claim.signedHeaders);
  const accessKey = claim.credential.split("/").slice(0, -4).join("/");
  const owner = options.credentials.find((one) => one.accessKey === accessKey);
  if (owner === undefined) {
    throw new S3Error(
      "InvalidAccessKeyId",
      "The AWS Access Key Id you provided does not exist in our records.",
      { AWSAccessKeyId: accessKey },
    );
  }
  const canonical = canonicalRequest({
    ...request,
    signedHeaders: claim.signedHeaders,
    payloadHash: claim.payload,
  });
  const text = stringToSign(claim.timestamp, claim.scope, canonical);
  const key = signingKey(owner.secretKey, claim.scope);
  if (!sameSignature(claim.signature, signature(key, text))) {
    throw new S3Error(
      "SignatureDoesNotMatch",
      "The request signature we calculated does not match the signature you provided. Check your key and " +
        "signing method.",
      {
        AWSAccessKeyId: accessKey,
        StringToSign: text,
        SignatureProvided: claim.signature,
        CanonicalRequest: canonical,
      },
    );
  }
  const { scope, timestamp, payload, presigned } = claim;
  return { accessKey, payload, presigned, signature: claim.signature, timestamp, scope, key };
}

/** The host and every `x-amz-` header must be covered: an unsigned one could have been added on the way. */
function checkCoverage(headers: RequestHeaders, signed: readonly string[]): void {
  const missing = [...headers.keys()].filter(
    (name) => (name === "host" || name.startsWith("x-amz-")) && !signed.includes(name),
  );
  if (missing.length === 0 && signed.includes("host")) return;
  throw new S3Error("AccessDenied", "There were headers present in the request which were not signed", {
    HeadersNotSigned: missing.join(", ") || "host",
  });
}

/** In constant time for signatures of the right length. */
export function sameSignature(given: string, expected: string): boolean {
  const a = Buffer.from(given, "latin1");
  const b = Buffer.from(expected, "latin1");
  return a.length === b.length && timingSafeEqual(a, b);
}

function findQuery(query: Query, name: string): string | undefined {
  return query.find(([other]) => other === name)?.[1];
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)];
}

function malformedHeader(): S3Error {
  return new S3Error(
    "AuthorizationHeaderMalformed",
    "The authorization header that you provided is not valid.",
  );
}

/** Version 2, mostly. */
function unsupportedMechanism(): S3Error {
  return new S3Error(
    "InvalidRequest",
    "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
  );
}

function unsupportedAlgorithm(): S3Error {
  return new S3Error("NotImplemented", "Signature Version 4A (AWS4-ECDSA-P256-SHA256) is not implemented.");
}
