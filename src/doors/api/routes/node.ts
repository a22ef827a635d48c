import type { FastifyInstance } from "fastify";
import type { ApiContext } from "../context.ts";

/** What this node is and does, on one answer. */
export function nodeRoutes(app: FastifyInstance, context: ApiContext): void {
  app.get(
    "/status",
    {
      schema: {
        tags: ["node"],
        summary: "Version, ledger, and the sharing process with its services",
        response: { 200: { type: "object", additionalProperties: true } },
      },
    },
    async () => {
      const sharing = context.sharing();
      return {
        version: context.version,
        name: context.name,
        now: context.clock.now(),
        ledger: context.ledger?.status() ?? null,
        sharing:
          sharing.state === "running"
            ? { state: "running", ...(await sharing.control.status()) }
            : { state: sharing.state, reason: sharing.reason },
      };
    },
  );
}
