/** The body of a request as the file store reads it: unframed, counted, and held against everything claimed of it. */
import { createHash } from "node:crypto";
import type { Clock } from "#base/lib/clock.ts";
import type { Body } from "#sharing/storage/file-store.ts";
import { type ChunkedFraming, decodeChunks } from "./aws-chunked.ts";
import {
  CHECKSUMS,
  type ChecksumName,
  checksumOfHeader,
  type RunningChecksum,
  startChecksum,
} from "./checksum.ts";
import { asS3Error, S3Error } from "./s3-error.ts";
import { type RequestHeaders, UNSIGNED_PAYLOAD } from "./sigv4/signing.ts";
import { sameSignature, type Verified } from "./sigv4/verify.ts";

/** A client that sends nothing for this long is gone, in ms. */
const IDLE_LIMIT = 300_000;

export interface RequestBodyOptions {
  readonly headers: RequestHeaders;
  readonly verified: Verified;
  /** The bytes as they come; nothing is read before they are asked for. */
  readonly source: Body;
  readonly clock: Clock;
  /** Whether `x-amz-checksum-…` headers speak of this body. */
  readonly checksums: boolean;
}

interface Claims {
  readonly framing: ChunkedFraming | undefined;
  /** Of the bytes inside the frames; undefined where the client did not say. */
  readonly length: number | undefined;
  readonly sha256: string | undefined;
  readonly md5: string | undefined;
  readonly checksum: { readonly name: ChecksumName; readonly value: string | undefined } | undefined;
}

/**
 * Reads once. Throws at the end of the body, before the reader learns that it has ended, where a claim does not hold:
 * a store that keeps nothing of a body that failed keeps nothing false.
 */
export class RequestBody implements AsyncIterable<Uint8Array> {
  readonly #claims: Claims;
  readonly #source: Body;
  readonly #clock: Clock;
  #failure: S3Error | undefined;

  /** @throws S3Error where the claims contradict each other or are no claims. */
  constructor(options: RequestBodyOptions) {
    this.#claims = readClaims(options);
    this.#source = options.source;
    this.#clock = options.clock;
  }

  /** Undefined where the client did not say. */
  get length(): number | undefined {
    return this.#claims.length;
  }

  /** Why reading ended early: the client's fault, whatever the reader made of it. */
  get failure(): S3Error | undefined {
    return this.#failure;
  }

  /** The checksum that was claimed, held to be true once the body has been read. */
  get checksum(): { readonly name: ChecksumName; readonly value: string } | undefined {
    return this.#checksum;
  }

  #checksum: { readonly name: ChecksumName; readonly value: string } | undefined;

  async *[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    try {
      yield* this.#checked();
    } catch (error) {
      this.#failure =
        asS3Error(error) ?? new S3Error("IncompleteBody", "The connection ended within the body.");
      throw this.#failure;
    }
  }

  /** All of it as text. @throws S3Error MaxMessageLengthExceeded beyond `most` bytes. */
  async text(most: number): Promise<string> {
    const tooLong = () => new S3Error("MaxMessageLengthExceeded", "Your request was too large.");
    if ((this.length ?? 0) > most) throw tooLong();
    const pieces: Uint8Array[] = [];
    let size = 0;
    for await (const piece of this) {
      size += piece.length;
      if (size > most) throw tooLong();
      pieces.push(piece);
    }
    return new TextDecoder().decode(Buffer.concat(pieces));
  }

  async *#checked(): Body {
    const { framing, length, sha256, md5, checksum } = this.#claims;
    const hashes = [
      sha256 === undefined ? undefined : createHash("sha256"),
      md5 && createHash("md5"),
    ] as const;
    const running: RunningChecksum | undefined = checksum && startChecksum(checksum.name);
    let trailers: ReadonlyMap<string, string> = new Map();
    const raw = this.#patient();
    const plain =
      framing === undefined
        ? raw
        : decodeChunks(raw, framing, (found) => {
            trailers = found;
          });
    let size = 0;
    for await (const bytes of plain) {
      size += bytes.length;
      if (length !== undefined && size > length) throw incomplete();
      hashes[0]?.update(bytes);
      if (hashes[1]) hashes[1].update(bytes);
      running?.update(bytes);
      yield bytes;
    }
    if (length !== undefined && size !== length) throw incomplete();
    if (sha256 !== undefined && !sameSignature(sha256, hashes[0]!.digest("hex"))) {
      throw new S3Error(
        "XAmzContentSHA256Mismatch",
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
      );
    }
    if (hashes[1] && hashes[1].digest("base64") !== md5) {
      throw new S3Error("BadDigest", "The Content-MD5 you specified did not match what we received.");
    }
    if (checksum !== undefined) {
      this.#checksum = checkChecksum(checksum, trailers, running!.digest());
    }
  }

  /** The source, given up where it stalls. The time that the reader takes does not count. */
  async *#patient(): Body {
    const source = this.#source[Symbol.asyncIterator]();
    let ended = false;
    try {
      for (;;) {
        const next = await within(this.#clock, source.next());
        ended = next.done === true;
        if (next.done === true) return;
        yield next.value;
      }
    } finally {
      if (!ended) void source.return?.();
    }
  }
}

function checkChecksum(
  claim: { readonly name: ChecksumName; readonly value: string | undefined },
  trailers: ReadonlyMap<string, string>,
  computed: string,
): { readonly name: ChecksumName; readonly value: string } {
  const value = claim.value ?? trailers.get(`x-amz-checksum-${claim.name}`);
  if (value === computed) return { name: claim.name, value: computed };
  throw new S3Error(
    "BadDigest",
    `The ${claim.name.toUpperCase()} you specified did not match the calculated checksum.`,
  );
}

function within<T>(clock: Clock, next: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(IDLE_LIMIT, () =>
      reject(
        new S3Error(
          "RequestTimeout",
          "Your socket connection to the server was not read from or written to within the timeout period.",
        ),
      ),
    );
    next.finally(cancel).then(resolve, reject);
  });
}

function incomplete(): S3Error {
  return new S3Error(
    "IncompleteBody",
    "You did not provide the number of bytes specified by the Content-Length HTTP header.",
  );
}

function readClaims({ headers, verified, checksums }: RequestBodyOptions): Claims {
  const framing = readFraming(headers, verified);
  const plainLength = readLength(headers, "content-length");
  const length = framing === undefined ? plainLength : readLength(headers, "x-amz-decoded-content-length");
  if (framing !== undefined && length === undefined) {
    throw new S3Error(
      "MissingContentLength",
      "You must provide the x-amz-decoded-content-length HTTP header.",
    );
  }
  const hashed = framing === undefined && verified.payload !== UNSIGNED_PAYLOAD;
  if (hashed && !/^[0-9a-f]{64}$/.test(verified.payload)) {
    throw new S3Error(
      "InvalidArgument",
      "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, " +
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.",
    );
  }
  return {
    framing,
    length,
    sha256: hashed ? verified.payload : undefined,
    md5: readMd5(headers),
    checksum: checksums ? readChecksum(headers, framing?.trailers ?? []) : undefined,
  };
}

function readFraming(headers: RequestHeaders, verified: Verified): ChunkedFraming | undefined {
  const { key, timestamp, scope, signature: seed } = verified;
  const signing = { key, timestamp, scope, seed };
  switch (verified.payload) {
    case "STREAMING-AWS4-HMAC-SHA256-PAYLOAD":
      return { signing };
    case "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER":
      return { signing, trailers: announcedTrailers(headers) };
    case "STREAMING-UNSIGNED-PAYLOAD-TRAILER":
      return { trailers: announcedTrailers(headers) };
    default:
      if (verified.payload.startsWith("STREAMING-")) {
        throw new S3Error("NotImplemented", `The payload ${verified.payload} is not implemented.`);
      }
      return undefined;
  }
}

/** At most the one checksum: nothing else may stand in a trailer. */
function announcedTrailers(headers: RequestHeaders): readonly string[] {
  const names = (headers.get("x-amz-trailer") ?? "").split(",").map((name) => name.trim().toLowerCase());
  const announced = names.filter((name) => name !== "");
  if (announced.length > 1 || announced.some((name) => checksumOfHeader(name) === undefined)) {
    throw new S3Error("InvalidRequest", "The value specified in the x-amz-trailer header is not supported");
  }
  return announced;
}

function readLength(headers: RequestHeaders, name: string): number | undefined {
  const text = headers.get(name);
  if (text === undefined) return undefined;
  if (!/^\d{1,15}$/.test(text)) throw new S3Error("InvalidArgument", `The ${name} header is not a length.`);
  return Number(text);
}

function readMd5(headers: RequestHeaders): string | undefined {
  const text = headers.get("content-md5");
  if (text === undefined) return undefined;
  if (Buffer.from(text, "base64").length !== 16 || text.length !== 24) {
    throw new S3Error("InvalidDigest", "The Content-MD5 you specified was invalid.");
  }
  return text;
}

function readChecksum(headers: RequestHeaders, trailers: readonly string[]): Claims["checksum"] {
  refuseUnknownChecksum(headers);
  const inHeaders = CHECKSUMS.filter((name) => headers.has(`x-amz-checksum-${name}`));
  const inTrailers = trailers.map((name) => checksumOfHeader(name)!);
  const name = inHeaders[0] ?? inTrailers[0];
  if (inHeaders.length + inTrailers.length > 1) {
    throw new S3Error(
      "InvalidRequest",
      "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
    );
  }
  if (name === undefined) return undefined;
  const value = headers.get(`x-amz-checksum-${name}`);
  if (value !== undefined && Buffer.from(value, "base64").length !== CHECKSUM_BYTES[name]) {
    throw new S3Error("InvalidRequest", `Value for x-amz-checksum-${name} header is invalid.`);
  }
  return { name, value };
}

/** A claim that nobody can check is not taken for one that holds. @throws S3Error InvalidRequest. */
function refuseUnknownChecksum(headers: RequestHeaders): void {
  for (const name of headers.keys()) {
    if (!name.startsWith(CHECKSUM_PREFIX) || CHECKSUM_WORDS.has(name.slice(CHECKSUM_PREFIX.length))) continue;
    if (checksumOfHeader(name) === undefined) {
      throw new S3Error(
        "InvalidRequest",
        "The algorithm type you specified in x-amz-checksum- header is invalid.",
      );
    }
  }
}

const CHECKSUM_PREFIX = "x-amz-checksum-";
/** What follows the prefix in headers that hold no checksum. */
const CHECKSUM_WORDS = new Set(["algorithm", "type", "mode"]);

const CHECKSUM_BYTES: Readonly<Record<ChecksumName, number>> = {
  crc32: 4,
  crc32c: 4,
  crc64nvme: 8,
  sha1: 20,
  sha256: 32,
};
