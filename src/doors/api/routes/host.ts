import type { FastifyInstance } from "fastify";
import { sharingOf, unwrap } from "../api-error.ts";
import type { ApiContext } from "../context.ts";
import type { HostRules } from "../sharing-control.ts";

const BYTES = { type: "integer", minimum: 1, maximum: Number.MAX_SAFE_INTEGER } as const;

const HOST = {
  type: "object",
  required: ["on", "limitBytes", "usedBytes", "shards"],
  properties: {
    on: { type: "boolean" },
    limitBytes: { type: "integer", description: "space lent to others" },
    limitBytesPerAccount: { type: "integer", description: "most of it that one account may fill" },
    keepDays: { type: "integer", description: "days that shards stay whose account has no terms any more" },
    usedBytes: { type: "integer" },
    shards: { type: "integer" },
    trouble: { type: "string", description: "what is wrong with the disk, as renters were told" },
  },
} as const;

/** Lending space: switched on with a limit, switched off with what is stored kept. */
export function hostRoutes(app: FastifyInstance, context: ApiContext): void {
  app.get(
    "/host",
    { schema: { tags: ["host"], summary: "What this node stores for others", response: { 200: HOST } } },
    async () => (await sharingOf(context).status()).host,
  );

  app.post<{ Body: HostRules }>(
    "/host/start",
    {
      schema: {
        tags: ["host"],
        summary: "Store for others, or change the limits",
        body: {
          type: "object",
          required: ["limitBytes"],
          additionalProperties: false,
          properties: {
            limitBytes: BYTES,
            limitBytesPerAccount: {
              ...BYTES,
              description: "most of it that one account may fill; no limit where it is left out",
            },
            keepDays: {
              ...{ type: "integer", minimum: 1, maximum: 36_500 },
              description:
                "days that shards stay whose account has no terms any more; 30 where it is left out",
            },
          },
        },
        response: { 200: HOST },
      },
    },
    async ({ body }) => unwrap(await sharingOf(context).startHost(body)),
  );

  app.post(
    "/host/stop",
    {
      schema: {
        tags: ["host"],
        summary: "Take no more in; what is stored stays",
        response: { 200: HOST },
      },
    },
    async () => unwrap(await sharingOf(context).stopHost()),
  );
}
