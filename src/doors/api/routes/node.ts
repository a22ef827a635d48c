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
    async () => ({
      version: context.version,
      name: context.name,
      now: context.clock.now(),
      ledger: context.ledger?.status() ?? null,
      sharing: await sharingStatus(context),
    }),
  );
}

/** That process may end while it is asked: then it is what starts again, and the rest of the status still stands. */
async function sharingStatus(context: ApiContext): Promise<Readonly<Record<string, unknown>>> {
  const sharing = context.sharing();
  if (sharing.state !== "running") return { state: sharing.state, reason: sharing.reason };
  try {
    return { state: "running", ...(await sharing.control.status()) };
  } catch (error) {
    if ((error as { statusCode?: number }).statusCode !== 503) throw error;
    return { state: "starting", reason: (error as Error).message };
  }
}
