import { once } from "node:events";
import type { FastifyInstance } from "fastify";
import type { ApiContext } from "../context.ts";
import { sessionOf } from "../guard.ts";
import type { Sessions } from "../sessions.ts";

/** A comment line this often keeps a silent stream open, ms. */
const HEARTBEAT = 15_000;

/**
 * One stream of everything that happens, as server-sent events: `data: {"type": …}`. It keeps the session of its reader
 * alive, and ends with it.
 */
export function eventRoutes(app: FastifyInstance, context: ApiContext, sessions: Sessions): void {
  app.get(
    "/events",
    {
      schema: {
        tags: ["events"],
        summary: "Everything that happens from now on, as server-sent events",
        produces: ["text/event-stream"],
      },
    },
    async (request, reply) => {
      const gone = new AbortController();
      const session = sessionOf(request);
      const loggedOut = session === undefined ? undefined : sessions.endOf(session);
      const end = loggedOut === undefined ? gone.signal : AbortSignal.any([gone.signal, loggedOut]);
      request.raw.once("close", () => gone.abort());
      reply.hijack();
      const { raw } = reply;
      for (const [name, value] of Object.entries(reply.getHeaders())) {
        if (value !== undefined) raw.setHeader(name, value);
      }
      raw.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
      raw.write("retry: 1000\n\n");
      const beat = setInterval(() => {
        if (session !== undefined) sessions.isSession(session);
        raw.write(": still here\n\n");
      }, HEARTBEAT);
      try {
        for await (const event of context.events.follow(end)) {
          if (!raw.write(`data: ${JSON.stringify(event, plainBytes)}\n\n`)) {
            await once(raw, "drain", { signal: end });
          }
        }
      } catch (error) {
        if (!end.aborted) throw error;
      } finally {
        clearInterval(beat);
        raw.end();
      }
    },
  );
}

/** Bytes travel as hex. */
function plainBytes(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value;
}
