/** Bytes of files between the disk and the S3 door, by presigned URLs. */
import { createHash } from "node:crypto";
import { createReadStream, rmSync } from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { type ClientRequest, type IncomingMessage, type RequestOptions, request } from "node:http";
import { dirname } from "node:path";
import { type Readable, Transform, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";

/** Longest list that is read: a thousand parts or uploads. */
const MAX_ANSWER = 4 * 1024 * 1024;
/** Longest error document that is read. */
const MAX_ERROR = 64 * 1024;

export type OnBytes = (count: number) => void;

/** The door's reason why not. */
export class DoorRefusal extends Error {
  override readonly name = "DoorRefusal";
  /** Of HTTP. */
  readonly status: number;

  constructor(status: number, message: string | undefined) {
    super(message ?? `the S3 door answered with HTTP status ${status}`);
    this.status = status;
  }
}

/** A stretch of a local file. */
export interface FileRange {
  readonly path: string;
  readonly start: number;
  readonly length: number;
}

/**
 * Sends a file; resolves when enough hosts have its shards.
 * @throws Error with the door's reason, or when what was stored is not what was read
 */
export async function uploadFile(
  url: string,
  path: string,
  size: number,
  type: string,
  onBytes: OnBytes,
  signal?: AbortSignal,
): Promise<void> {
  await sendRange(url, { path, start: 0, length: size }, { "content-type": type }, onBytes, signal);
}

/** {@link sendBytes} of a stretch of a file. */
export async function sendRange(
  url: string,
  { path, start, length }: FileRange,
  headers: Readonly<Record<string, string>>,
  onBytes: OnBytes,
  signal?: AbortSignal,
): Promise<string> {
  const bytes = createReadStream(path, { start, end: start + Math.max(0, length - 1) });
  return await sendBytes(url, { bytes, length }, headers, onBytes, signal);
}

/** Bytes whose number is known before they are read. */
export interface KnownBytes {
  readonly bytes: Readable;
  readonly length: number;
}

/**
 * Sends bytes; resolves when enough hosts have their shards.
 * @returns their MD5, hex.
 * @throws Error with the door's reason, or when what was stored is not what was read
 */
export async function sendBytes(
  url: string,
  { bytes, length }: KnownBytes,
  headers: Readonly<Record<string, string>>,
  onBytes: OnBytes,
  signal?: AbortSignal,
): Promise<string> {
  const hash = createHash("md5");
  const call = ask(url, {
    method: "PUT",
    headers: { ...headers, "content-length": length },
    signal,
  });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    call.once("response", resolve).once("error", reject);
  });
  // The door may refuse before it has read everything: its answer counts more than the broken pipe.
  const sent = pipeline(bytes, exactly(length), watch(onBytes, hash), call);
  sent.catch(() => undefined);
  const response = await answered.catch(async (error: Error) => {
    // A source that failed took the connection with it.
    await sent;
    throw error;
  });
  await refuseErrors(response);
  response.resume();
  await sent;
  const etag = (response.headers.etag ?? "").replaceAll('"', "");
  const read = hash.digest("hex");
  if (/^[0-9a-f]{32}$/.test(etag) && etag !== read) {
    throw new Error("it changed while it was read, or on its way; it was stored as it arrived");
  }
  return read;
}

/** A request for just this URL: one made of a `URL` would lose the `..` that may stand in a key, and its signature. */
function ask(url: string, options: RequestOptions): ClientRequest {
  const { hostname, port, origin } = new URL(url);
  return request({ ...options, hostname, port, path: url.slice(origin.length) });
}

/** A short question to the door. @returns the document that it answers with. @throws Error with the door's reason */
export async function askDoor(
  url: string,
  method: "GET" | "POST" | "DELETE",
  headers: Readonly<Record<string, string>> = {},
  body = "",
  signal?: AbortSignal,
): Promise<string> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const length = Buffer.byteLength(body);
    const call = ask(url, { method, headers: { ...headers, "content-length": length }, signal });
    call.once("response", resolve).once("error", reject).end(body);
  });
  await refuseErrors(response);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > MAX_ANSWER) throw new Error("the S3 door answered without end");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/**
 * Fetches a file; what stands at `path` is replaced only once all of it is here and is what was stored.
 * @throws Error with the door's reason
 */
export async function downloadFile(
  url: string,
  path: string,
  onBytes: OnBytes,
  signal?: AbortSignal,
): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const part = `${path}.freehold-part`;
  const file = (await open(part, "w")).createWriteStream();
  if (unfinished.size === 0) process.on("SIGINT", endEarly).on("SIGTERM", endEarly);
  unfinished.add(part);
  try {
    await download(url, file, onBytes, signal);
    await rename(part, path);
  } catch (error) {
    file.destroy();
    await rm(part, { force: true });
    throw error;
  } finally {
    unfinished.delete(part);
    if (unfinished.size === 0) process.off("SIGINT", endEarly).off("SIGTERM", endEarly);
  }
}

/** What is being fetched, under its passing names. */
const unfinished = new Set<string>();

/** Leaves no half of a file behind. */
function endEarly(signal: NodeJS.Signals): void {
  for (const part of unfinished) rmSync(part, { force: true });
  process.exit(signal === "SIGINT" ? 130 : 143);
}

/** Fetches a file into a stream, which is ended with it. @throws Error with the door's reason */
export async function download(
  url: string,
  into: Writable,
  onBytes: OnBytes,
  signal?: AbortSignal,
): Promise<void> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    ask(url, { signal }).once("response", resolve).once("error", reject).end();
  });
  await refuseErrors(response);
  const hash = createHash("md5");
  let size = 0;
  const counted = watch((count) => {
    size += count;
    onBytes(count);
  }, hash);
  await pipeline(response, counted, into);
  const etag = (response.headers.etag ?? "").replaceAll('"', "");
  const isWhole = size === Number(response.headers["content-length"]);
  if (!isWhole || (/^[0-9a-f]{32}$/.test(etag) && etag !== hash.digest("hex"))) {
    throw new Error("what came is not what was stored");
  }
}

/** Lets so many bytes through: with fewer the door would wait for the others, with more it would not see them. */
function exactly(length: number): Transform {
  let left = length;
  return new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      left -= chunk.length;
      if (left >= 0) done(null, chunk);
      else done(new Error("there is more in it than it says; it can be piped into put -"));
    },
    flush(done) {
      done(left > 0 ? new Error("it became shorter while it was read") : null);
    },
  });
}

function watch(onBytes: OnBytes, hash: { update(bytes: Uint8Array): unknown }): Transform {
  return new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      hash.update(chunk);
      onBytes(chunk.length);
      done(null, chunk);
    },
  });
}

async function refuseErrors(response: IncomingMessage): Promise<void> {
  const status = response.statusCode ?? 0;
  if (status >= 200 && status < 300) return;
  let text = "";
  for await (const chunk of response) {
    text += (chunk as Uint8Array).toString();
    if (text.length > MAX_ERROR) break;
  }
  const message = /<Message>([^<]*)<\/Message>/.exec(text)?.[1];
  throw new DoorRefusal(
    status,
    message?.replace(/&(?:amp|lt|gt|quot|apos);/g, (name) => ENTITIES[name]!),
  );
}

/** What XML writes by name. Control characters stay references: the text goes to a terminal. */
const ENTITIES: Readonly<Record<string, string>> = {
  "&amp;": "&",
  "&lt;": "<",
  "&gt;": ">",
  "&quot;": '"',
  "&apos;": "'",
};
