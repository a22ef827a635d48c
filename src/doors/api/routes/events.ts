import { once } from "node:events";
import type { FastifyInstance } from "fastify";
import type { ApiContext } from "../context.ts";

/** A comment line this often keeps a silent stream open, ms. */
const HEARTBEAT = 15_000;

/** One stream of everything that happens, as server-sent events: `data: {"type": …}`. */
export function eventRoutes(app: FastifyInstance, context: ApiContext): void {
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
      request.raw.once("close", () => gone.abort());
      reply.hijack();
      const { raw } = reply;
      for (const [name, value] of Object.entries(reply.getHeaders())) {
        if (value !== undefined) raw.setHeader(name, value);
      }
      raw.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
      raw.write("retry: 1000\n\n");
      const beat = setInterval(() => raw.write(": still here\n\n"), HEARTBEAT);
      try {
        for await (const event of context.events.follow(gone.signal)) {
          if (!raw.write(`data: ${JSON.stringify(event, plainBytes)}\n\n`)) {
            await once(raw, "drain", { signal: gone.signal });
          }
        }
      } catch (error) {
        if (!gone.signal.aborted) throw error;
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
