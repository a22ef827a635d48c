import { randomUUID } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { FastifyInstance } from "fastify";
import { ApiError } from "../api-error.ts";
import type { ApiContext } from "../context.ts";

/** Bytes of one upload. */
const MAX_UPLOAD = 256 * 1024 * 1024;
const EXTENSIONS = /^[a-z0-9]{1,8}$/;

/** Takes in a file that a job is to work on, such as a scene; jobs name it by the path in the answer. */
export function incomingRoutes(app: FastifyInstance, context: ApiContext): void {
  app.register(async (uploads) => {
    uploads.removeAllContentTypeParsers();
    uploads.addContentTypeParser("*", { bodyLimit: MAX_UPLOAD }, (_request, payload, done) =>
      done(null, payload),
    );
    uploads.post<{ Querystring: { extension: string } }>(
      "/incoming",
      {
        schema: {
          tags: ["jobs"],
          summary: "Upload a file for a job; the body is the file",
          consumes: ["application/octet-stream"],
          querystring: {
            type: "object",
            properties: { extension: { type: "string", pattern: EXTENSIONS.source, default: "glb" } },
          },
          response: {
            200: {
              type: "object",
              properties: { path: { type: "string" }, size: { type: "integer" } },
            },
          },
        },
      },
      async (request) => {
        await mkdir(context.incoming, { recursive: true, mode: 0o700 });
        const path = join(context.incoming, `${randomUUID()}.${request.query.extension}`);
        return { path, size: await save(request.body as Readable, path) };
      },
    );
  });
}

async function save(body: Readable, path: string): Promise<number> {
  let size = 0;
  try {
    await pipeline(
      body,
      async function* (chunks: AsyncIterable<Uint8Array>) {
        for await (const chunk of chunks) {
          size += chunk.length;
          if (size > MAX_UPLOAD) throw new ApiError(413, `an upload is at most ${MAX_UPLOAD >> 20} MiB`);
          yield chunk;
        }
      },
      createWriteStream(path, { flags: "wx", mode: 0o600 }),
    );
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
  if (size === 0) {
    await rm(path, { force: true });
    throw new ApiError(400, "the upload is empty");
  }
  return size;
}
