/**
 * The HTTP door of the dashboard and of `freehold`'s commands: REST described by OpenAPI, one event stream, and the page.
 * Listens on loopback alone. It holds no logic: whatever the page can do, a user's program can do.
 */
import type { AddressInfo } from "node:net";
import fastifyStatic from "@fastify/static";
import fastifySwagger from "@fastify/swagger";
import { type FastifyError, type FastifyInstance, fastify } from "fastify";
import type { FastifySchemaValidationError } from "fastify/types/schema.js";
import { ApiError } from "./api-error.ts";
import type { ApiContext } from "./context.ts";
import { guard } from "./guard.ts";
import { eventRoutes } from "./routes/events.ts";
import { filesRoutes } from "./routes/files.ts";
import { hostRoutes } from "./routes/host.ts";
import { incomingRoutes } from "./routes/incoming.ts";
import { jobsRoutes } from "./routes/jobs.ts";
import { ledgerRoutes } from "./routes/ledger.ts";
import { nodeRoutes } from "./routes/node.ts";
import { peersRoutes } from "./routes/peers.ts";
import { sessionRoutes } from "./routes/session.ts";
import { walletRoutes } from "./routes/wallet.ts";
import { Sessions } from "./sessions.ts";

/** Names of this machine that a browser may have typed. */
const HOSTS = ["127.0.0.1", "localhost", "[::1]"];
/** Bytes of a JSON body. */
const MAX_BODY = 1024 * 1024;
/** Ports tried after the one asked for. */
const NEXT_PORTS = 20;

export interface ApiServerOptions {
  /** 0: any free one. */
  readonly port: number;
  /** Whether the next free port is taken when this one is in use. */
  readonly orNext: boolean;
  /** The bearer token. */
  readonly token: string;
  /** The built page; none is served when undefined. */
  readonly page: string | undefined;
}

export interface ApiServer {
  readonly port: number;
  /** A link that logs a browser in, once. */
  loginLink(): string;
  close(): Promise<void>;
}

/** Opens the door. @throws when no port is free, naming it */
export async function openApiServer(options: ApiServerOptions, context: ApiContext): Promise<ApiServer> {
  const sessions = new Sessions(options.token, context.clock);
  const app = await buildApi(options, context, sessions);
  const port = await listen(app, options);
  return {
    port,
    loginLink: () => `http://127.0.0.1:${port}/#k=${sessions.createKey()}`,
    async close() {
      context.events.close();
      await app.close();
    },
  };
}

/** The server with every route, not listening yet. */
async function buildApi(
  options: Pick<ApiServerOptions, "page">,
  context: ApiContext,
  sessions: Sessions,
): Promise<FastifyInstance> {
  const app = fastify({
    bodyLimit: MAX_BODY,
    forceCloseConnections: true,
    ajv: { customOptions: { removeAdditional: false } },
    schemaErrorFormatter: (errors, part) => new Error(wordsOf(errors[0], part)),
  });
  guard(app, {
    hosts: HOSTS,
    sessions,
    s3Origin: () => context.s3Origin(),
  });
  app.setErrorHandler(async (error: FastifyError, _request, reply) => {
    const status = error.statusCode ?? 500;
    if (status >= 500 && !(error instanceof ApiError))
      context.log.error(`api: ${error.stack ?? error.message}`);
    await reply
      .code(status)
      .send({ error: status === 500 ? "internal error; the log says more" : error.message });
  });
  app.setNotFoundHandler(async (request, reply) => {
    await reply.code(404).send({ error: `nothing is at ${request.method} ${request.url.split("?", 1)[0]}` });
  });
  await app.register(fastifySwagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Freehold",
        description: "The API of a Freehold node, on loopback.",
        version: context.version,
      },
      components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
      security: [{ token: [] }],
    },
  });
  await app.register(async (api) => addRoutes(api, context, sessions), { prefix: "/api" });
  if (options.page !== undefined) {
    await app.register(async (page) => {
      page.addHook("onRoute", (route) => {
        route.config = { ...route.config, open: true };
        route.schema = { ...route.schema, hide: true };
      });
      await page.register(fastifyStatic, {
        ...{ root: options.page!, index: ["index.html"], dotfiles: "deny" as const, cacheControl: false },
        // A browser that has the document does not take a new policy with "304 Not Modified".
        setHeaders: (reply, path) => reply.header("cache-control", cachingOf(path)),
      });
    });
  }
  await app.ready();
  return app;
}

/** What a request got wrong, in words that a page may show: the field's name, and what it must be. */
function wordsOf(error: FastifySchemaValidationError | undefined, part: string): string {
  const field = error?.instancePath.slice(1).replaceAll("/", ".") ?? "";
  const { limit, additionalProperty } = (error?.params ?? {}) as {
    limit?: number;
    additionalProperty?: string;
  };
  const what = field === "" ? `the ${part}` : `\`${field}\``;
  if (error?.keyword === "maxLength") return `${what} is longer than ${limit} characters`;
  if (error?.keyword === "additionalProperties")
    return `${what} has a field \`${additionalProperty}\` too much`;
  return `${what} ${error?.message ?? "is not valid"}`;
}

/** Files below `assets` bear the hash of what they hold in their names; nothing else may be kept. */
function cachingOf(path: string): string {
  return path.includes("/assets/") ? "public, max-age=31536000, immutable" : "no-store";
}

/**
 * Every family of routes. Their paths below `/api`, which page and commands rely on:
 * - wallet: GET `/wallet` (name, locked, balances in sat), POST `/wallet/addresses`, GET
 *   `/wallet/history?limit&mined`,
 *   POST `/wallet/quote` and `/wallet/send` `{to, amount, feeRate?}` (sat, sat/vB; a quote spends nothing), POST
 *   `/wallet/new`, `/wallet/restore`, `/wallet/unlock`, `/wallet/lock`
 * - peers: GET `/peers`, POST `/peers` `{link}`, POST `/peers/invitations` `{uses, seconds}`, POST `/peers/:peer/ban`,
 *   POST `/peers/:peer/remove`, DELETE `/peers/:peer`, GET `/deals`, GET `/receipts?service&peer&limit`
 * - host: GET `/host`, POST `/host/start` `{limitBytes, limitBytesPerAccount?, keepDays?}`, POST `/host/stop`
 * - files: GET `/files`, GET and POST `/files/buckets`, DELETE `/files/buckets?bucket&giveUpUploads`, GET and DELETE
 *   `/files/objects?bucket&key|prefix&after&limit`, GET `/files/health?bucket&key`, POST `/files/presign`
 *   `{method, bucket, key, seconds, query?}`, GET `/files/keys`
 * - jobs: GET `/jobs`, GET and DELETE `/jobs/:id`, POST `/jobs/:id/cancel`, POST `/jobs/render`, POST `/jobs/run`, GET
 *   `/jobs/:id/files/:name`, GET `/provider`, POST `/provider/start`, POST `/provider/stop`
 */
function addRoutes(api: FastifyInstance, context: ApiContext, sessions: Sessions): void {
  sessionRoutes(api, sessions);
  nodeRoutes(api, context);
  ledgerRoutes(api, context);
  eventRoutes(api, context, sessions);
  incomingRoutes(api, context);
  walletRoutes(api, context);
  peersRoutes(api, context);
  hostRoutes(api, context);
  filesRoutes(api, context);
  jobsRoutes(api, context);
  api.get("/openapi.json", { schema: { hide: true } }, () => api.swagger());
}

async function listen(app: FastifyInstance, { port, orNext }: ApiServerOptions): Promise<number> {
  const last = orNext && port !== 0 ? port + NEXT_PORTS : port;
  for (let candidate = port; ; candidate++) {
    try {
      await app.listen({ host: "127.0.0.1", port: candidate });
      return (app.server.address() as AddressInfo).port;
    } catch (error) {
      const isTaken = (error as NodeJS.ErrnoException).code === "EADDRINUSE";
      if (isTaken && candidate < last) continue;
      if (!isTaken) throw error;
      throw new Error(
        `the API cannot listen on 127.0.0.1:${candidate}: the port is in use (choose another with -apiport)`,
      );
    }
  }
}
