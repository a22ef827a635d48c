import type { FastifyInstance } from "fastify";
import { ApiError } from "../api-error.ts";
import { cookieName, sessionOf } from "../guard.ts";
import type { Sessions } from "../sessions.ts";

/** Logging in and out. A link's key is used up by its first login. */
export function sessionRoutes(app: FastifyInstance, sessions: Sessions): void {
  app.post<{ Body: { key: string } }>(
    "/session",
    {
      config: { open: true },
      schema: {
        tags: ["session"],
        summary: "Log a browser in with the key of a login link",
        body: {
          type: "object",
          required: ["key"],
          additionalProperties: false,
          properties: { key: { type: "string", maxLength: 100 } },
        },
        response: { 204: { type: "null", description: "Logged in" } },
      },
    },
    async (request, reply) => {
      const session = sessions.login(request.body.key);
      if (session === undefined) {
        throw new ApiError(401, "this login link was used or is too old: `freehold open` makes another");
      }
      const cookie = `${cookieName(request)}=${session}; Path=/; HttpOnly; SameSite=Strict`;
      await reply.header("set-cookie", cookie).code(204).send();
    },
  );

  app.delete(
    "/session",
    { schema: { tags: ["session"], summary: "Log this browser out" } },
    async (request, reply) => {
      const session = sessionOf(request);
      if (session !== undefined) sessions.logout(session);
      await reply.code(204).send();
    },
  );

  app.post(
    "/login-links",
    {
      schema: {
        tags: ["session"],
        summary: "Make a login key, good for one browser",
        response: { 200: { type: "object", properties: { key: { type: "string" } } } },
      },
    },
    async () => ({ key: sessions.createKey() }),
  );
}
