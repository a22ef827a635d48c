/**
 * What every request must show before a route sees it: a Host that is ours (a rebound name is not), an Origin that is
 * ours where there is one (another page's is not), and a credential. In that order, so that a stranger learns nothing.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Sessions } from "./sessions.ts";

const SESSION_COOKIE = "freehold-session";

export interface GuardOptions {
  /** Host names that are this machine, without ports. */
  readonly hosts: readonly string[];
  /** Where the S3 door listens, for the page's policy; `undefined` while it does not. */
  readonly s3Origin: () => string | undefined;
  readonly sessions: Sessions;
}

declare module "fastify" {
  interface FastifyContextConfig {
    /** Needs no credential: the page itself, and logging in. */
    readonly open?: boolean;
  }
}

/** Puts the guard in front of every route of the server. */
export function guard(app: FastifyInstance, options: GuardOptions): void {
  app.addHook("onRequest", async (request, reply) => {
    setSecurityHeaders(reply, options.s3Origin());
    const refusal = check(request, options);
    if (refusal === undefined) return;
    await reply.code(refusal.status).send({ error: refusal.text });
  });
}

interface GuardRefusal {
  readonly status: 401 | 403 | 421;
  readonly text: string;
}

function check(request: FastifyRequest, options: GuardOptions): GuardRefusal | undefined {
  const port = request.socket.localPort;
  const own = options.hosts.map((host) => `${host}:${port}`);
  const host = request.headers.host ?? "";
  if (!own.includes(host)) {
    return {
      status: 421,
      text: `this node does not answer for the host ${JSON.stringify(host.slice(0, 100))}`,
    };
  }
  const { origin } = request.headers;
  if (origin !== undefined && !own.some((name) => origin === `http://${name}`)) {
    return { status: 403, text: "requests of other pages are refused" };
  }
  const site = request.headers["sec-fetch-site"];
  const isDocument = request.routeOptions.config.open === true && request.method === "GET";
  if (site !== undefined && site !== "same-origin" && site !== "none" && !isDocument) {
    return { status: 403, text: "requests of other pages are refused" };
  }
  if (request.routeOptions.config.open === true || isAllowed(request, options.sessions)) return undefined;
  return {
    status: 401,
    text: "log in with the link of `freehold open`, or send the token of .api-cookie as Authorization: Bearer",
  };
}

function isAllowed(request: FastifyRequest, sessions: Sessions): boolean {
  const { authorization } = request.headers;
  if (authorization !== undefined) {
    return authorization.startsWith("Bearer ") && sessions.isToken(authorization.slice("Bearer ".length));
  }
  const session = sessionOf(request);
  return session !== undefined && sessions.isSession(session);
}

/** The session's secret in the request's cookies. */
export function sessionOf(request: FastifyRequest): string | undefined {
  for (const pair of (request.headers.cookie ?? "").split(";")) {
    const [name, value] = pair.trim().split("=", 2);
    if (name === cookieName(request)) return value;
  }
  return undefined;
}

/** Cookies do not know ports: several nodes of one machine would overwrite each other's. */
export function cookieName(request: FastifyRequest): string {
  return `${SESSION_COOKIE}-${request.socket.localPort}`;
}

/** The policy names the S3 door, as the page uploads there; `Server-Timing` tells the page which one it names. */
function setSecurityHeaders(reply: FastifyReply, s3: string | undefined): void {
  const connect = s3 === undefined ? "'self'" : `'self' ${s3}`;
  reply.headers({
    "content-security-policy":
      `default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; font-src 'self'; ` +
      `connect-src ${connect}; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    ...(s3 === undefined ? {} : { "server-timing": `disk;desc="${s3}"` }),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
  });
}
