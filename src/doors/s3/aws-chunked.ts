/**
 * The framing `aws-chunked` ("Signature calculations for the Authorization header: transferring payload in multiple
 * chunks", S3 API reference), taken off as the bytes pass: nothing of it is stored. Each chunk is
 * `<size in hex>[;chunk-signature=<64 hex>]\r\n<bytes>\r\n`, the last one has size 0, then come trailers, if any.
 *
 * A chunk's bytes are handed on before its signature has come: what reads them must throw them away when this throws,
 * as every write of a FileStore does. So a chunk may be of any size and none is ever held.
 */
import { createHash } from "node:crypto";
import type { Body } from "#sharing/storage/file-store.ts";
import { S3Error } from "./s3-error.ts";
import { EMPTY_SHA256, type Scope, scopeText, sha256Hex, signature } from "./sigv4/signing.ts";
import { sameSignature } from "./sigv4/verify.ts";

/** Longest first line of a chunk, and longest trailer, in bytes. */
const MAX_LINE = 1024;
/** Most trailers, blank lines among them. */
const MAX_TRAILER_LINES = 32;

/** What the chunks' signatures continue from: the request's own. */
export interface ChunkSigning {
  readonly key: Uint8Array;
  readonly timestamp: string;
  readonly scope: Scope;
  /** The request's signature. */
  readonly seed: string;
}

export interface ChunkedFraming {
  /** Undefined where chunks carry no signature (`STREAMING-UNSIGNED-PAYLOAD-TRAILER`). */
  readonly signing?: ChunkSigning;
  /** Names announced by `x-amz-trailer`, lower case; others are refused. Undefined: no trailers at all. */
  readonly trailers?: readonly string[];
}

/**
 * The bytes inside the frames. `onTrailers` gets all announced trailers, verified, once the body has ended.
 * @throws S3Error IncompleteBody, SignatureDoesNotMatch, MalformedTrailerError.
 */
export async function* decodeChunks(
  source: Body,
  framing: ChunkedFraming,
  onTrailers: (trailers: ReadonlyMap<string, string>) => void,
): Body {
  const reader = new LineReader(source);
  try {
    let previous = framing.signing?.seed ?? "";
    for (;;) {
      const { size, signed } = parseChunkHead(await reader.line(), framing.signing !== undefined);
      const hash = framing.signing === undefined ? undefined : createHash("sha256");
      for (let left = size; left > 0; ) {
        const bytes = await reader.some(left);
        left -= bytes.length;
        hash?.update(bytes);
        yield bytes;
      }
      if (framing.signing !== undefined) {
        checkChunk(framing.signing, previous, hash!.digest("hex"), signed);
        previous = signed;
      }
      if (size === 0) break;
      if ((await reader.line()) !== "") throw broken("a chunk is longer than its size says");
    }
    onTrailers(await readTrailers(reader, framing, previous));
  } finally {
    await reader.close();
  }
}

function parseChunkHead(line: string, signed: boolean): { readonly size: number; readonly signed: string } {
  const parts = (signed ? /^([0-9a-f]{1,10});chunk-signature=([0-9a-f]{64})$/i : /^([0-9a-f]{1,10})$/i).exec(
    line,
  );
  if (parts === null) throw broken("a chunk does not start with its size");
  return { size: Number.parseInt(parts[1]!, 16), signed: parts[2] ?? "" };
}

function checkChunk(signing: ChunkSigning, previous: string, hash: string, given: string): void {
  const text = [
    "AWS4-HMAC-SHA256-PAYLOAD",
    signing.timestamp,
    scopeText(signing.scope),
    previous,
    EMPTY_SHA256,
    hash,
  ].join("\n");
  if (!sameSignature(given, signature(signing.key, text))) throw wrongSignature("chunk");
}

/**
 * Trailers are lines `name:value`, then, where chunks are signed, `x-amz-trailer-signature:<hex>`. Clients end them
 * in different ways (a lone LF before the CRLF, no last empty line), so blank lines are skipped up to the body's end.
 */
async function readTrailers(
  reader: LineReader,
  framing: ChunkedFraming,
  previous: string,
): Promise<ReadonlyMap<string, string>> {
  const announced = framing.trailers ?? [];
  const trailers = new Map<string, string>();
  let signed: string | undefined;
  for (let lines = 0; ; lines++) {
    const line = await reader.lastLine();
    if (line === undefined) break;
    if (lines >= MAX_TRAILER_LINES) throw malformedTrailer("there are too many trailers");
    if (line.trim() === "") continue;
    const at = line.indexOf(":");
    const name = line.slice(0, Math.max(0, at)).trim().toLowerCase();
    const value = line.slice(at + 1).trim();
    if (name === "x-amz-trailer-signature" && signed === undefined) signed = value;
    else if (announced.includes(name) && !trailers.has(name)) trailers.set(name, value);
    else throw malformedTrailer("a trailer was not announced by x-amz-trailer");
  }
  if (trailers.size !== announced.length) throw malformedTrailer("an announced trailer is missing");
  if (framing.signing !== undefined && framing.trailers !== undefined) {
    checkTrailers(framing.signing, previous, trailers, signed ?? "");
  }
  return trailers;
}

function checkTrailers(
  signing: ChunkSigning,
  previous: string,
  trailers: ReadonlyMap<string, string>,
  given: string,
): void {
  const lines = [...trailers].map(([name, value]) => `${name}:${value}\n`).join("");
  const text = [
    "AWS4-HMAC-SHA256-TRAILER",
    signing.timestamp,
    scopeText(signing.scope),
    previous,
    sha256Hex(Buffer.from(lines, "latin1")),
  ].join("\n");
  if (!sameSignature(given, signature(signing.key, text))) throw wrongSignature("trailer");
}

/** Lines and runs of bytes out of a stream; holds at most one piece of it. */
class LineReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #piece: Uint8Array = new Uint8Array(0);
  #ended = false;

  constructor(source: Body) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** The next line without its CRLF, one character a byte. */
  async line(): Promise<string> {
    const line = await this.lastLine();
    if (line === undefined) throw broken("it ends within a chunk");
    return line;
  }

  /** As {@link line}; the body's end may end it, and undefined says that nothing is left. */
  async lastLine(): Promise<string | undefined> {
    let line = "";
    while (await this.#fill()) {
      const end = this.#piece.indexOf(0x0a);
      const part = end < 0 ? this.#piece : this.#piece.subarray(0, end);
      if (line.length + part.length > MAX_LINE) throw broken("a line is too long");
      line += Buffer.from(part).toString("latin1");
      this.#piece = this.#piece.subarray(end < 0 ? this.#piece.length : end + 1);
      if (end >= 0) return line.endsWith("\r") ? line.slice(0, -1) : line;
    }
    return line === "" ? undefined : line;
  }

  /** One byte or more, at most `most`. */
  async some(most: number): Promise<Uint8Array> {
    if (!(await this.#fill())) throw broken("it ends within a chunk");
    const bytes = this.#piece.subarray(0, most);
    this.#piece = this.#piece.subarray(bytes.length);
    return bytes;
  }

  async close(): Promise<void> {
    if (!this.#ended) await this.#source.return?.();
  }

  async #fill(): Promise<boolean> {
    while (this.#piece.length === 0 && !this.#ended) {
      const next = await this.#source.next();
      if (next.done === true) this.#ended = true;
      else this.#piece = next.value;
    }
    return this.#piece.length > 0;
  }
}

function broken(why: string): S3Error {
  return new S3Error("IncompleteBody", `The body is not framed as aws-chunked: ${why}.`);
}

function malformedTrailer(why: string): S3Error {
  return new S3Error(
    "MalformedTrailerError",
    `The request contained trailing data that was not well-formed: ${why}.`,
  );
}

function wrongSignature(of: string): S3Error {
  return new S3Error(
    "SignatureDoesNotMatch",
    `The ${of} signature we calculated does not match the signature you provided.`,
  );
}
