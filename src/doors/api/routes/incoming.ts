import { randomUUID } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { FastifyInstance } from "fastify";
import { ApiError } from "../api-error.ts";
import type { ApiContext } from "../context.ts";

/** Bytes of one upload. */
const MAX_UPLOAD = 256 * 1024 * 1024;
const EXTENSIONS = /^[a-z0-9]{1,8}$/;
/** Bytes of the name that a file is kept under; names of files may be longer, with what stands before them. */
const MAX_NAME = 100;
/** Milliseconds that an upload is kept at least. A job has its own copy from the moment it is taken. */
const KEPT = 86_400_000;

/** Takes in a file that a job is to work on, such as a scene; jobs name it by the path in the answer. */
export function incomingRoutes(app: FastifyInstance, context: ApiContext): void {
  app.register(async (uploads) => {
    uploads.removeAllContentTypeParsers();
    uploads.addContentTypeParser("*", { bodyLimit: MAX_UPLOAD }, (_request, payload, done) =>
      done(null, payload),
    );
    uploads.post<{ Querystring: { extension: string; name?: string } }>(
      "/incoming",
      {
        schema: {
          tags: ["jobs"],
          summary: "Upload a file for a job; the body is the file, which is kept for a day",
          consumes: ["application/octet-stream"],
          querystring: {
            type: "object",
            properties: {
              extension: { type: "string", pattern: EXTENSIONS.source, default: "glb" },
              name: { type: "string", maxLength: 255, description: "what its owner calls it" },
            },
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
        const { extension, name } = request.query;
        // A folder of its own, so that the file may keep its name: the job is called by it.
        const folder = join(context.incoming, randomUUID());
        await mkdir(folder, { recursive: true, mode: 0o700 });
        await clearOld(context.incoming, folder).catch((error: Error) => {
          context.log.warn(`old uploads are not removed: ${error.message}`);
        });
        const path = join(folder, `${stemOf(name, extension)}.${extension}`);
        return { path, size: await save(request.body as Readable, path) };
      },
    );
  });
}

/** Removes uploads that came long before this one, by the times that the disk gives both. */
async function clearOld(folder: string, newest: string): Promise<void> {
  const { mtimeMs: now } = await stat(newest);
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined && now - found.mtimeMs > KEPT) await rm(path, { recursive: true, force: true });
  }
}

/** What is left of a name that no file system, terminal or page stumbles over. */
function stemOf(name: string | undefined, extension: string): string {
  const ending = `.${extension}`;
  const stem = name?.toLowerCase().endsWith(ending) === true ? name.slice(0, -ending.length) : (name ?? "");
  // Control and format characters, among them those that turn the direction of a text, and what separates paths.
  const plain = stem
    .normalize("NFC")
    .replace(/[\p{C}/\\:*?"<>|]+/gu, "_")
    .replace(/^[. ]+/, "")
    .trim();
  let kept = "";
  for (const letter of plain) {
    if (Buffer.byteLength(kept + letter) > MAX_NAME) break;
    kept += letter;
  }
  return kept === "" ? "upload" : kept;
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
    await rm(dirname(path), { recursive: true, force: true });
    throw error;
  }
  if (size === 0) {
    await rm(dirname(path), { recursive: true, force: true });
    throw new ApiError(400, "the upload is empty");
  }
  return size;
}
