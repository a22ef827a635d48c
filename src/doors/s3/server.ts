/**
 * The S3 door: HTTP in front of a file store. A request's life: verify its signature → find the operation → run it →
 * answer. Bodies stream both ways with back-pressure; what is held of one is a few pieces. Plain HTTP, so loopback
 * alone.
 */
import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { BlockList, isIP } from "node:net";
import { Readable } from "node:stream";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { Clock } from "#base/lib/clock.ts";
import type { Logger } from "#base/lib/logger.ts";
import { type Random, secureRandom } from "#base/lib/random.ts";
import type { Body, FileStore } from "#sharing/storage/file-store.ts";
import { parseAddress } from "./address.ts";
import { corsHeaders, preflight } from "./cors.ts";
import type { S3Credentials } from "./credentials.ts";
import { errorDocument } from "./error-document.ts";
import { closeIdleBeyond } from "./idle-connections.ts";
import { refuseUnknownWishes } from "./object-headers.ts";
import { headerBytes, type S3Context, type S3Response } from "./operation.ts";
import { RequestBody } from "./request-body.ts";
import { findOperation } from "./router.ts";
import { asS3Error, S3Error } from "./s3-error.ts";
import { type RequestHeaders, readHeaders } from "./sigv4/signing.ts";
import { verifyRequest } from "./sigv4/verify.ts";
import { parseQuery, type Query } from "./uri.ts";

/** Connections at once; more are reset. */
const MAX_CONNECTIONS = 512;
/** So many are kept free of connections on which nothing is asked. */
const SPARE_CONNECTIONS = 32;
/** A connection on which nothing moves either way for so long is cut, in ms; a store may take its time. */
const IDLE_LIMIT = 3_600_000;
/** What a refused client may still send before its connection is cut, in ms. */
const DRAIN_LIMIT = 10_000;
/** Time that answers under way have when the door closes, in ms. */
const CLOSE_PATIENCE = 5_000;

export interface S3ServerOptions {
  readonly files: FileStore;
  /** Who may come in; each sees everything. */
  readonly credentials: readonly S3Credentials[];
  /** The region that clients sign for. */
  readonly region: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Pages whose scripts may read answers, `http://127.0.0.1:8420`. Looked at on every request. */
  readonly corsOrigins: readonly string[];
  /** `localhost`: then `<bucket>.localhost` names a bucket. */
  readonly baseDomains: readonly string[];
  readonly random?: Random;
}

export interface S3Server {
  /**
   * @param address.port 0 picks a free one.
   * @throws Error where the host is not this machine's own, or the port is taken.
   */
  listen(address: { readonly host: string; readonly port: number }): Promise<{
    /** `http://127.0.0.1:9000`. */
    readonly url: string;
    readonly port: number;
  }>;
  /** Answers under way have a few seconds. */
  close(): Promise<void>;
}

export function createS3Server(options: S3ServerOptions): S3Server {
  const { clock } = options;
  const door = new Door(options);
  const app = Fastify({
    // The path is read by address.ts, to the letter; fastify's router never sees it.
    rewriteUrl: () => "/",
    return503OnClosing: false,
    connectionTimeout: IDLE_LIMIT,
    forceCloseConnections: false,
    clientErrorHandler: (_error, socket) => {
      // What is no HTTP has no request to answer; a socket that is half gone is let go.
      if (socket.writable) socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
      else socket.destroy();
    },
  });
  app.server.maxConnections = MAX_CONNECTIONS;
  closeIdleBeyond(app.server, MAX_CONNECTIONS - SPARE_CONNECTIONS);
  app.server.on("checkContinue", (request: IncomingMessage, response: ServerResponse) => {
    door.expectContinue(request);
    app.routing(request, response);
  });
  app.setNotFoundHandler(() => undefined);
  app.addHook("onRequest", (request, reply) => door.answer(request, reply));
  return {
    listen: (address) => listen(app, address),
    async close() {
      const closed = app.close();
      app.server.closeIdleConnections();
      const cancel = clock.after(CLOSE_PATIENCE, () => app.server.closeAllConnections());
      await closed;
      cancel();
    },
  };
}

async function listen(
  app: FastifyInstance,
  { host, port }: { readonly host: string; readonly port: number },
) {
  if (!isLoopback(host)) {
    throw new Error(
      `The S3 door does not listen on ${host}: it speaks plain HTTP, which is for this machine alone. ` +
        "Use an address of 127.0.0.0/8 or ::1.",
    );
  }
  await app.listen({ host, port });
  const address = app.server.address();
  const bound = typeof address === "object" && address !== null ? address.port : port;
  return { url: `http://${isIP(host) === 6 ? `[${host}]` : host}:${bound}`, port: bound };
}

function isLoopback(host: string): boolean {
  const own = new BlockList();
  own.addSubnet("127.0.0.0", 8, "ipv4");
  own.addAddress("::1", "ipv6");
  const version = isIP(host);
  return host === "localhost" || (version !== 0 && own.check(host, version === 6 ? "ipv6" : "ipv4"));
}

class Door {
  readonly #options: S3ServerOptions;
  readonly #context: S3Context;
  readonly #random: Random;
  /** Requests whose client waits for `100 Continue` before it sends the body. */
  readonly #waiting = new WeakSet<IncomingMessage>();

  constructor(options: S3ServerOptions) {
    this.#options = options;
    this.#random = options.random ?? secureRandom;
    const { files, region, clock, credentials } = options;
    const owner = createHash("sha256")
      .update(credentials[0]?.accessKey ?? "")
      .digest("hex");
    this.#context = { files, region, clock, owner };
  }

  expectContinue(request: IncomingMessage): void {
    this.#waiting.add(request);
  }

  async answer(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const id = Buffer.from(this.#random.fill(new Uint8Array(8)))
      .toString("hex")
      .toUpperCase();
    const headers = readHeaders(request.raw.rawHeaders);
    const response = await this.#outcome(request, reply, id);
    reply.code(response.status);
    reply.headers({
      server: "Freehold",
      "x-amz-request-id": id,
      ...corsHeaders(headers, this.#options.corsOrigins),
      ...response.headers,
    });
    this.#leaveBody(request.raw, reply);
    const { body } = response;
    if (request.method === "HEAD" || body === undefined) return reply.send();
    return reply.send(typeof body === "string" ? body : Readable.from(body));
  }

  async #outcome(request: FastifyRequest, reply: FastifyReply, id: string): Promise<S3Response> {
    let body: RequestBody | undefined;
    try {
      const response = await this.#run(request, reply, (made) => {
        body = made;
      });
      return response.body === undefined || typeof response.body === "string"
        ? response
        : { ...response, body: await started(response.body) };
    } catch (error) {
      const refusal = body?.failure ?? asS3Error(error) ?? this.#internal(error, id);
      const [path = ""] = request.originalUrl.split("?", 1);
      this.#options.log.debug(
        "http",
        () => `S3 ${request.method} ${path}: ${refusal.code} ${refusal.message}`,
      );
      return {
        status: refusal.status,
        headers: { "content-type": "application/xml", ...refusalHeaders(refusal) },
        body: errorDocument(refusal, path, id),
      };
    }
  }

  async #run(
    request: FastifyRequest,
    reply: FastifyReply,
    onBody: (body: RequestBody) => void,
  ): Promise<S3Response> {
    const sent = readHeaders(request.raw.rawHeaders);
    if (request.method === "OPTIONS") return preflight(sent, this.#options.corsOrigins);
    const { credentials, region, clock, baseDomains } = this.#options;
    // A client behind a proxy's settings sends the whole URL (RFC 9112 section 3.2.2).
    const target = request.originalUrl.replace(/^https?:\/\/[^/?]*(?=[/?])/i, "");
    const at = target.indexOf("?");
    const rawPath = at < 0 ? target : target.slice(0, at);
    const query = parseQuery(at < 0 ? "" : target.slice(at + 1));
    const { bucket, key, path } = parseAddress(sent.get("host") ?? "", rawPath, baseDomains);
    const { method } = request;
    const verified = verifyRequest(
      { method, path, query, headers: sent },
      { credentials, region, now: clock.now() },
    );
    const headers = verified.presigned ? withHoisted(sent, query) : sent;
    refuseUnknownWishes(headers);
    checkOwner(headers, this.#context.owner);
    const parameters = firstValues(query);
    const operation = findOperation({
      method,
      bucket,
      key,
      query: parameters,
      copies: headers.has("x-amz-copy-source"),
    });
    const source = this.#receive(request.raw, reply.raw);
    // What completes an upload is a document about an object; a checksum beside it is the object's.
    const checksums = method === "PUT" || parameters.has("delete");
    const body = new RequestBody({ headers, verified, source, clock, checksums });
    onBody(body);
    return operation({ method, bucket, key, path, query: parameters, headers, body }, this.#context);
  }

  /** The bytes as they come in; a client that waits for leave to send them gets it with the first read. */
  async *#receive(request: IncomingMessage, response: ServerResponse): Body {
    if (this.#waiting.delete(request)) response.writeContinue();
    yield* request.iterator({ destroyOnReturn: false });
  }

  /**
   * A body that nobody read. A client that still waits for leave will not send it, so the connection ends with the
   * answer; one that is sending is heard out for a while, as a cut connection would take the answer with it.
   */
  #leaveBody(request: IncomingMessage, reply: FastifyReply): void {
    if (this.#waiting.has(request)) {
      reply.header("connection", "close");
      return;
    }
    if (request.complete) return;
    reply.raw.once("finish", () => {
      if (request.complete || request.destroyed) return;
      const cancel = this.#options.clock.after(DRAIN_LIMIT, () => request.destroy());
      request.once("close", cancel).once("end", cancel).resume();
    });
  }

  #internal(error: unknown, id: string): S3Error {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#options.log.error(`S3 request ${id} failed: ${text}`);
    return new S3Error("InternalError", "We encountered an internal error. Please try again.");
  }
}

/** @throws S3Error AccessDenied where the client expects the bucket to be another's. */
function checkOwner(headers: RequestHeaders, owner: string): void {
  const expected =
    headers.get("x-amz-expected-bucket-owner") ?? headers.get("x-amz-source-expected-bucket-owner");
  if (expected !== undefined && expected !== owner) throw new S3Error("AccessDenied", "Access Denied");
}

function refusalHeaders(refusal: S3Error): Record<string, string> {
  const size = refusal.details["ActualObjectSize"];
  const region = refusal.details["Region"];
  return {
    ...refusal.headers,
    ...(size !== undefined && { "content-range": `bytes */${size}` }),
    ...(region !== undefined && { "x-amz-bucket-region": region }),
  };
}

/** Waits for the first bytes: what cannot be read is still refused with a status. */
async function started(body: Body): Promise<Body> {
  const iterator = body[Symbol.asyncIterator]();
  const first = await iterator.next();
  return resumed(iterator, first);
}

async function* resumed(iterator: AsyncIterator<Uint8Array>, first: IteratorResult<Uint8Array>): Body {
  let next = first;
  try {
    while (next.done !== true) {
      yield next.value;
      next = await iterator.next();
    }
  } finally {
    if (next.done !== true) await iterator.return?.();
  }
}

function firstValues(query: Query): ReadonlyMap<string, string> {
  return new Map(query.toReversed());
}

/** The name of a header, lower case (RFC 9110 section 5.6.2). */
const TOKEN = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
/** What the value of a header cannot hold (RFC 9110 section 5.5). */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is about them.
const CONTROL = /[\0-\x08\n-\x1f\x7f]/;

/** Parameters that sign a URL; its other `x-amz-` parameters stand for headers. */
const SIGNING_PARAMETERS = new Set([
  "x-amz-algorithm",
  "x-amz-credential",
  "x-amz-date",
  "x-amz-expires",
  "x-amz-signedheaders",
  "x-amz-signature",
  "x-amz-content-sha256",
]);

/** @throws S3Error InvalidArgument for what no header could say: it may be kept, and told again in one. */
function withHoisted(headers: RequestHeaders, query: Query): RequestHeaders {
  const all = new Map<string, string>();
  for (const [name, value] of query) {
    const header = name.toLowerCase();
    if (!header.startsWith("x-amz-") || SIGNING_PARAMETERS.has(header)) continue;
    if (!TOKEN.test(header) || CONTROL.test(value)) {
      throw new S3Error("InvalidArgument", "A query parameter that stands for a header cannot be one.", {
        ArgumentName: name,
        ArgumentValue: value,
      });
    }
    all.set(header, headerBytes(value));
  }
  for (const [name, value] of headers) all.set(name, value);
  return all;
}
