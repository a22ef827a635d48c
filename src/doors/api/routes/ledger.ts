import type { FastifyInstance } from "fastify";
import { ApiError } from "../api-error.ts";
import type { ApiContext } from "../context.ts";

/** The chain as the page draws it; everything else of the ledger is asked through JSON-RPC. */
export function ledgerRoutes(app: FastifyInstance, context: ApiContext): void {
  app.get<{ Querystring: { count: number } }>(
    "/blocks",
    {
      schema: {
        tags: ["ledger"],
        summary: "The last blocks, newest first",
        querystring: {
          type: "object",
          properties: { count: { type: "integer", minimum: 1, maximum: 144, default: 12 } },
        },
        response: {
          200: {
            type: "array",
            items: {
              type: "object",
              properties: {
                height: { type: "integer" },
                hash: { type: "string" },
                time: { type: "integer", description: "seconds since 1970" },
                transactions: { type: "integer" },
                size: { type: "integer", description: "bytes" },
              },
            },
          },
        },
      },
    },
    async ({ query }) => {
      if (context.ledger === undefined)
        throw new ApiError(409, "this node runs without a ledger (-ledger=none)");
      return await context.ledger.blocks(query.count);
    },
  );
}
