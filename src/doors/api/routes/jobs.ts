import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { FastifyInstance, FastifyReply } from "fastify";
import { ApiError, sharingOf, unwrap } from "../api-error.ts";
import type { ApiContext } from "../context.ts";
import { MOST_JOBS, type RenderRequest, type RunRequest } from "../sharing-control.ts";

/** Jobs on a page unless told. */
const LISTED = 200;

const TILE = {
  type: "object",
  properties: {
    x: { type: "integer" },
    y: { type: "integer" },
    width: { type: "integer" },
    height: { type: "integer" },
  },
} as const;

const TASK = {
  type: "object",
  required: ["index", "state", "attempts"],
  properties: {
    index: { type: "integer" },
    state: { type: "string", enum: ["waiting", "running", "verifying", "verified", "failed"] },
    provider: { type: "string", description: "who works or worked at it" },
    providerName: { type: "string" },
    tile: TILE,
    attempts: {
      type: "array",
      items: {
        type: "object",
        properties: { provider: { type: "string" }, outcome: { type: "string" } },
      },
    },
    milliseconds: { type: "integer", description: "from the assignment to the result" },
  },
} as const;

const JOB = {
  type: "object",
  required: ["id", "kind", "title", "state", "created", "tasks", "counts"],
  properties: {
    id: { type: "string" },
    kind: {
      type: "string",
      enum: ["render", "wasm", "unknown"],
      description: "unknown where its record cannot be read: it can still be removed",
    },
    title: { type: "string" },
    state: { type: "string", enum: ["waiting", "running", "done", "failed", "cancelled"] },
    created: { type: "integer", description: "milliseconds since 1970" },
    finished: { type: "integer" },
    tasks: {
      type: "array",
      items: TASK,
      description: "left out of the list for a job that has ended, and where they are thousands",
    },
    counts: {
      type: "object",
      required: ["total", "verified"],
      properties: { total: { type: "integer" }, verified: { type: "integer" } },
      description: "tasks",
    },
    outputs: { type: "string", description: "the folder with what came out" },
    bytes: { type: "integer", description: "in that folder, once the job has ended" },
    reason: { type: "string" },
  },
} as const;

const PROVIDER = {
  type: "object",
  required: ["on", "running", "done", "refused", "funnel"],
  properties: {
    on: { type: "boolean" },
    running: { type: "integer", description: "tasks that run now" },
    done: { type: "integer" },
    refused: { type: "integer" },
    funnel: {
      type: "object",
      additionalProperties: { type: "integer" },
      description: "seen, refused, matched, ran, verified, and each reason of a refusal",
    },
  },
} as const;

const RENDER = {
  type: "object",
  required: ["scene", "width", "height", "samples"],
  additionalProperties: false,
  properties: {
    scene: { type: "string", minLength: 1, maxLength: 4096, description: "path of a .glb file" },
    width: { type: "integer", minimum: 1, maximum: 16_384 },
    height: { type: "integer", minimum: 1, maximum: 16_384 },
    samples: { type: "integer", minimum: 1, maximum: 65_536 },
    seed: { type: "integer", minimum: 0, maximum: 0xffff_ffff },
    bounces: { type: "integer", minimum: 0, maximum: 64 },
  },
} as const;

const RUN = {
  type: "object",
  required: ["module", "inputs"],
  additionalProperties: false,
  properties: {
    module: { type: "string", minLength: 1, maxLength: 4096, description: "path of a .wasm file" },
    inputs: {
      type: "array",
      maxItems: 10_000,
      items: { type: "string", minLength: 1, maxLength: 4096 },
      description: "paths of files, one task each",
    },
    args: { type: "array", maxItems: 256, items: { type: "string", maxLength: 4096 } },
    seed: { type: "integer", minimum: 0, maximum: 0xffff_ffff },
    memoryBytes: { type: "integer", minimum: 65_536, maximum: 2 ** 32 },
    outputBytes: { type: "integer", minimum: 0, maximum: 256 * 2 ** 20 },
    seconds: { type: "integer", minimum: 1, maximum: 3600 },
  },
} as const;

/** At least four digits of a job's id. */
const JOB_ID = "^[0-9a-f]{4,32}$";
const ID_PARAMS = {
  type: "object",
  required: ["id"],
  properties: { id: { type: "string", pattern: JOB_ID } },
} as const;

/** Jobs done by others and by this machine, and lending this machine's cores. */
export function jobsRoutes(app: FastifyInstance, context: ApiContext): void {
  listRoutes(app, context);
  submitRoutes(app, context);
  providerRoutes(app, context);
  app.get<{ Params: { id: string; name: string } }>(
    "/jobs/:id/files/:name",
    {
      schema: {
        tags: ["jobs"],
        summary: "A file of a job: picture.png, tile-<i>.png once the tile is verified, or an output",
        params: {
          type: "object",
          required: ["id", "name"],
          properties: {
            id: { type: "string", pattern: "^[0-9a-f]{32}$" },
            name: { type: "string", minLength: 1, maxLength: 255 },
          },
        },
      },
    },
    async ({ params }, reply) => sendFile(reply, context.jobs, params.id, params.name),
  );
}

function listRoutes(app: FastifyInstance, context: ApiContext): void {
  app.get<{ Querystring: { limit: number; after?: string } }>(
    "/jobs",
    {
      schema: {
        tags: ["jobs"],
        summary: "Jobs, the newest first: all that have a folder, page by page",
        querystring: {
          type: "object",
          properties: {
            limit: { type: "integer", minimum: 1, maximum: MOST_JOBS, default: LISTED },
            after: {
              type: "string",
              pattern: "^\\d{1,15}-[0-9a-f]{32}$",
              description: "<created>-<id> of the last job of the page before, which may be gone since",
            },
          },
        },
        response: { 200: { type: "array", items: JOB } },
      },
    },
    async ({ query: { limit, after } }) => {
      if (after === undefined) return sharingOf(context).jobs({ limit });
      const [created, id] = after.split("-") as [string, string];
      return sharingOf(context).jobs({ limit, after: { created: Number(created), id } });
    },
  );

  app.get<{ Params: { id: string } }>(
    "/jobs/:id",
    { schema: { tags: ["jobs"], summary: "One job", params: ID_PARAMS, response: { 200: JOB } } },
    async ({ params }) => {
      const job = await sharingOf(context).job({ id: params.id });
      if (!job.ok) throw new ApiError(404, job.reason);
      return job.value;
    },
  );

  app.post<{ Params: { id: string } }>(
    "/jobs/:id/cancel",
    {
      schema: {
        tags: ["jobs"],
        summary: "Cancel a job; what came out of it stays",
        params: ID_PARAMS,
        response: { 200: JOB },
      },
    },
    async ({ params }) => unwrap(await sharingOf(context).cancelJob({ id: params.id })),
  );

  app.delete<{ Params: { id: string } }>(
    "/jobs/:id",
    {
      schema: {
        tags: ["jobs"],
        summary: "Remove a job that has ended, with its folder and all that is in it; the job as it was",
        params: ID_PARAMS,
        response: { 200: JOB },
      },
    },
    async ({ params }) => unwrap(await sharingOf(context).removeJob({ id: params.id })),
  );
}

function submitRoutes(app: FastifyInstance, context: ApiContext): void {
  app.post<{ Body: RenderRequest }>(
    "/jobs/render",
    {
      schema: {
        tags: ["jobs"],
        summary: "Render a picture of a scene",
        body: RENDER,
        response: { 200: JOB },
      },
    },
    async ({ body }) => unwrap(await sharingOf(context).render(body)),
  );

  app.post<{ Body: RunRequest }>(
    "/jobs/run",
    {
      schema: {
        tags: ["jobs"],
        summary: "Run a WebAssembly module over inputs",
        body: RUN,
        response: { 200: JOB },
      },
    },
    async ({ body }) => unwrap(await sharingOf(context).run(body)),
  );
}

function providerRoutes(app: FastifyInstance, context: ApiContext): void {
  const schema = (summary: string) => ({ tags: ["provider"], summary, response: { 200: PROVIDER } });
  app.get(
    "/provider",
    { schema: schema("What this machine computes for others") },
    async () => (await sharingOf(context).status()).provider,
  );
  app.post("/provider/start", { schema: schema("Lend this machine's cores") }, async () =>
    unwrap(await sharingOf(context).startProvider()),
  );
  app.post("/provider/stop", { schema: schema("Stop at once: running tasks are killed") }, async () =>
    unwrap(await sharingOf(context).stopProvider()),
  );
}

/** Files that belong to the job itself and are no output. */
const INTERNAL = new Set(["job", "journal"]);

/** Pictures are shown; anything else, which a stranger's module may have written, is only ever saved. */
async function sendFile(
  reply: FastifyReply,
  folder: string,
  id: string,
  name: string,
): Promise<FastifyReply> {
  const isPlain = !/[/\\\0]/.test(name) && !name.startsWith(".") && !INTERNAL.has(name);
  const path = join(folder, id, name);
  const found = isPlain ? await stat(path).catch(() => undefined) : undefined;
  if (found?.isFile() !== true) throw new ApiError(404, `job ${id} has no file ${name}`);
  const isPicture = /^(picture|tile-\d+)\.png$/.test(name);
  reply.header("content-length", found.size);
  reply.header("x-content-type-options", "nosniff");
  if (isPicture) reply.type("image/png");
  else {
    reply.type("application/octet-stream");
    reply.header("content-disposition", `attachment; filename*=UTF-8''${encodeURIComponent(name)}`);
  }
  return reply.send(createReadStream(path));
}
