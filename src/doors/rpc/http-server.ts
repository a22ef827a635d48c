/**
 * HTTP in front of the dispatcher: addresses that may connect, credentials, limits. As Core's httpserver.cpp and
 * httprpc.cpp. Listens where it is told to; the caller decides that this is loopback.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { BlockList, isIP, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Logger } from "#base/lib/logger.ts";
import type { Credentials } from "./credentials.ts";
import type { RpcDispatcher } from "./dispatcher.ts";

/** Core's MAX_SIZE for a request body. */
const MAX_BODY = 0x0200_0000;
/** Bytes of a request's first line and headers (Core's MAX_HEADERS_SIZE). */
const MAX_HEADERS = 8192;
/** A wrong password costs the guesser this much time, in ms. */
const WRONG_PASSWORD_DELAY = 250;
/** Time for the last answers to leave when the server closes, in ms. */
const LAST_WORDS = 500;
/** Longest that a timer can wait, in ms. */
const MAX_TIMER = 0x7fff_ffff;
/** Longest between two looks at connections that take too long with a request, in ms. */
const CHECKING_INTERVAL = 30_000;
/** Longest that a stop waits for calls that run, in ms. */
const DRAIN_PATIENCE = 30_000;

export interface RpcServerOptions {
  /** Addresses to listen on. */
  readonly binds: readonly { readonly host: string; readonly port: number }[];
  /** Subnets allowed beyond loopback, as `10.0.0.0/8`, `10.0.0.0/255.0.0.0` or one address. */
  readonly allow: readonly string[];
  /** Calls served at once (-rpcthreads) and waiting beyond that (-rpcworkqueue). */
  readonly threads: number;
  readonly workQueue: number;
  /** Seconds a connection may idle (-rpcservertimeout). */
  readonly timeout: number;
}

/** Parses a subnet of -rpcallowip; `undefined` when it is none. */
export function parseSubnet(
  text: string,
): { address: string; prefix: number; family: "ipv4" | "ipv6" } | undefined {
  const [address = "", mask] = text.split("/", 2);
  const version = isIP(address);
  if (version === 0) return undefined;
  const family = version === 4 ? "ipv4" : "ipv6";
  const full = version === 4 ? 32 : 128;
  if (mask === undefined) return { address, prefix: full, family };
  if (/^\d+$/.test(mask)) return Number(mask) <= full ? { address, prefix: Number(mask), family } : undefined;
  if (version !== 4 || isIP(mask) !== 4) return undefined;
  const bits = mask
    .split(".")
    .map((byte) => Number(byte).toString(2).padStart(8, "0"))
    .join("");
  return /^1*0*$/.test(bits)
    ? { address, prefix: bits.indexOf("0") < 0 ? 32 : bits.indexOf("0"), family }
    : undefined;
}

export class RpcServer<Context> {
  readonly #options: RpcServerOptions;
  readonly #dispatcher: RpcDispatcher<Context>;
  readonly #credentials: Credentials;
  readonly #log: Logger;
  readonly #allowed = new BlockList();
  readonly #servers: Server[] = [];
  readonly #stopping = new AbortController();
  #running = 0;
  readonly #waiting: (() => void)[] = [];
  #drained: (() => void) | undefined;
  #draining: Promise<void> | undefined;

  constructor(
    options: RpcServerOptions,
    dependencies: { dispatcher: RpcDispatcher<Context>; credentials: Credentials; log: Logger },
  ) {
    this.#options = options;
    this.#dispatcher = dependencies.dispatcher;
    this.#credentials = dependencies.credentials;
    this.#log = dependencies.log;
    this.#allowed.addSubnet("127.0.0.0", 8, "ipv4");
    this.#allowed.addAddress("::1", "ipv6");
    for (const text of options.allow) {
      const subnet = parseSubnet(text);
      if (subnet === undefined) throw new Error(`Invalid -rpcallowip subnet specification: ${text}`);
      this.#allowed.addSubnet(subnet.address, subnet.prefix, subnet.family);
    }
  }

  /** Starts listening on every address; throws when none could be had. */
  async listen(): Promise<void> {
    for (const { host, port } of this.#options.binds) {
      const timeout = Math.min(MAX_TIMER, this.#options.timeout * 1000);
      const server = createServer(
        {
          maxHeaderSize: MAX_HEADERS,
          // Small clients leave it out, and nothing here depends on it.
          requireHostHeader: false,
          connectionsCheckingInterval:
            timeout > 0 ? Math.min(CHECKING_INTERVAL, timeout / 4) : CHECKING_INTERVAL,
        },
        (request, response) => void this.#serve(request, response),
      );
      server.on("clientError", refuseGarbage);
      server.keepAliveTimeout = timeout;
      server.requestTimeout = timeout;
      server.headersTimeout = timeout;
      try {
        await new Promise<void>((resolve, reject) => {
          server.once("error", reject);
          server.listen({ host, port }, resolve);
        });
        this.#servers.push(server);
      } catch (error) {
        this.#log.warn(`Binding RPC on address ${host} port ${port} failed: ${(error as Error).message}`);
      }
    }
    if (this.#servers.length === 0) {
      throw new Error("Unable to bind any endpoint for RPC server");
    }
  }

  /** Port of the first listening socket, useful when 0 was asked for. */
  get port(): number {
    const address = this.#servers[0]?.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  /** Where the first listening socket is, which need not be the first that was asked for. */
  get host(): string {
    const address = this.#servers[0]?.address();
    return typeof address === "object" && address !== null ? address.address : "127.0.0.1";
  }

  /** Takes no new call and ends those that wait for something; resolves when none runs, or its patience ends. */
  drain(): Promise<void> {
    // Its patience is spent once, however often it is asked.
    this.#draining ??= this.#drain();
    return this.#draining;
  }

  async #drain(): Promise<void> {
    this.#stopping.abort();
    if (this.#running === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, DRAIN_PATIENCE);
      this.#drained = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Takes no new call, lets the running ones answer, and closes every socket. */
  async close(): Promise<void> {
    await this.drain();
    await Promise.all(
      this.#servers.map(
        (server) =>
          new Promise<void>((resolve) => {
            server.close(() => resolve());
            server.closeIdleConnections();
            setTimeout(() => server.closeAllConnections(), LAST_WORDS).unref();
          }),
      ),
    );
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!this.#isAllowed(request.socket)) return end(response, 403, []);
    if (this.#stopping.signal.aborted) return this.#send(response, 503, []);
    const path = request.url ?? "/";
    const wallet = /^\/wallet\/(.*)$/.exec(path)?.[1];
    if (path !== "/" && wallet === undefined) return end(response, 404, []);
    if (this.#running >= this.#options.threads && this.#waiting.length >= this.#options.workQueue) {
      this.#log.warn(
        "Request rejected because http work queue depth exceeded, it can be increased with the -rpcworkqueue= setting",
      );
      return end(response, 503, ["Work queue depth exceeded"]);
    }
    if (request.method !== "POST") return end(response, 405, ["JSONRPC server handles only POST requests"]);
    const user = this.#credentials.check(request.headers.authorization);
    if (user === undefined) return this.#refuseCredentials(request, response);
    try {
      await this.#answer(request, response, { user, wallet: wallet && decodePath(wallet) });
    } catch (error) {
      this.#log.debug("http", () => `request failed: ${String(error)}`);
      response.destroy();
    }
  }

  async #answer(
    request: IncomingMessage,
    response: ServerResponse,
    caller: { user: string; wallet: string | undefined },
  ): Promise<void> {
    const body = await readBody(request);
    if (body === undefined) {
      response.setHeader("Connection", "close");
      return end(response, 413, []);
    }
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    await this.#turn();
    try {
      const reply = await this.#dispatcher.answer(body, {
        ...caller,
        signal: AbortSignal.any([gone.signal, this.#stopping.signal]),
        methods: this.#credentials.methodsOf(caller.user),
      });
      this.#send(response, reply.status, reply.pieces);
    } finally {
      this.#next();
    }
  }

  /** Waits until fewer than -rpcthreads calls run. */
  async #turn(): Promise<void> {
    if (this.#running >= this.#options.threads) {
      // Whoever ends hands its place over.
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else this.#running++;
  }

  #next(): void {
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) {
      waiting();
      return;
    }
    this.#running--;
    if (this.#running === 0) this.#drained?.();
  }

  #isAllowed(socket: Socket): boolean {
    const address = socket.remoteAddress ?? "";
    const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(address)?.[1];
    if (mapped !== undefined) return this.#allowed.check(mapped, "ipv4");
    return this.#allowed.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
  }

  #refuseCredentials(request: IncomingMessage, response: ServerResponse): void {
    response.setHeader("WWW-Authenticate", 'Basic realm="jsonrpc"');
    request.resume();
    if (request.headers.authorization === undefined) {
      end(response, 401, []);
      return;
    }
    this.#log.warn(`ThreadRPCServer incorrect password attempt from ${request.socket.remoteAddress}`);
    setTimeout(() => end(response, 401, []), WRONG_PASSWORD_DELAY);
  }

  #send(response: ServerResponse, status: number, pieces: readonly string[]): void {
    // After stop the socket must not be kept for another call.
    if (this.#stopping.signal.aborted) response.setHeader("Connection", "close");
    if (pieces.length > 0) response.setHeader("Content-Type", "application/json");
    end(response, status, pieces);
  }
}

/** Answers what is no HTTP request; who sends no whole one in time is cut off without a word. */
function refuseGarbage(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (socket.writable && error.code !== "ERR_HTTP_REQUEST_TIMEOUT")
    socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  else socket.destroy();
}

/** The name in a path; one that is no valid text stands as it came. */
function decodePath(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function end(response: ServerResponse, status: number, pieces: readonly string[]): void {
  response.statusCode = status;
  if (status !== 204) {
    const length = pieces.reduce((sum, piece) => sum + Buffer.byteLength(piece), 0);
    response.setHeader("Content-Length", length);
  }
  for (const piece of pieces) response.write(piece);
  response.end();
}

/** The body; `undefined` when it is longer than is allowed. */
async function readBody(request: IncomingMessage): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  // The request outlives its body, so that a refusal still reaches the client.
  const body = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > MAX_BODY) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
