import type { FastifyInstance } from "fastify";
import { sharingOf, unwrap } from "../api-error.ts";
import type { ApiContext } from "../context.ts";
import { PRESIGNED_METHODS, PRESIGNED_PARAMETERS, type SharingControl } from "../sharing-control.ts";

/** Entries of one page. */
const MAX_PAGE = 1000;
/** Longest that a presigned URL is good, in seconds: a week. */
const MAX_SECONDS = 604_800;

const BUCKET = { type: "string", minLength: 1, maxLength: 63 } as const;
const KEY = { type: "string", minLength: 1, maxLength: 1024 } as const;

const OBJECT = {
  type: "object",
  required: ["bucket", "key"],
  additionalProperties: false,
  properties: { bucket: BUCKET, key: KEY },
} as const;

const PAGE = {
  type: "object",
  properties: {
    entries: {
      type: "array",
      items: {
        type: "object",
        properties: {
          key: { type: "string" },
          size: { type: "integer", description: "bytes" },
          modified: { type: "number", description: "milliseconds since 1970" },
          versionId: { type: "string" },
          etag: { type: "string" },
        },
      },
    },
    next: { type: "string", description: "more follows `after` this" },
  },
} as const;

const STATUS = {
  type: "object",
  properties: {
    objects: { type: "integer" },
    bytes: { type: "integer" },
    slabs: { type: "integer" },
    shards: {
      type: "object",
      properties: {
        stored: { type: "integer" },
        unproven: { type: "integer" },
        lost: { type: "integer" },
        repairing: { type: "integer" },
      },
    },
    hosts: {
      type: "array",
      items: {
        type: "object",
        properties: {
          peer: { type: "string" },
          name: { type: "string" },
          shards: { type: "integer" },
          proven: { type: "boolean" },
          state: { type: "string", enum: ["ready", "away", "missing", "dead", "cheat"] },
        },
      },
    },
  },
} as const;

const HEALTH = {
  type: "array",
  items: {
    type: "object",
    properties: {
      slab: { type: "string" },
      needed: { type: "integer", description: "shards that bring it back" },
      shards: {
        type: "array",
        items: {
          type: "object",
          properties: {
            host: { type: "string" },
            state: { type: "string", enum: ["stored", "unproven", "lost", "repairing"] },
          },
        },
      },
    },
  },
} as const;

/** Our own files. Their bytes go through the S3 door, by URLs made here. */
export function filesRoutes(app: FastifyInstance, context: ApiContext): void {
  statusRoutes(app, context);
  listingRoutes(app, context);
  accessRoutes(app, context);
}

function statusRoutes(app: FastifyInstance, context: ApiContext): void {
  app.get(
    "/files",
    {
      schema: {
        tags: ["files"],
        summary: "How many files, where they are, how well",
        response: { 200: STATUS },
      },
    },
    async () => unwrap(await sharingOf(context).filesStatus()),
  );

  app.get<{ Querystring: { bucket: string; key: string } }>(
    "/files/health",
    {
      schema: {
        tags: ["files"],
        summary: "Every slab of a file and where its shards are",
        querystring: OBJECT,
        response: { 200: HEALTH },
      },
    },
    async ({ query }) =>
      unwrap(await sharingOf(context).fileHealth({ bucket: query.bucket, key: query.key })),
  );
}

function listingRoutes(app: FastifyInstance, context: ApiContext): void {
  const paging = {
    after: { type: "string", maxLength: 1024, default: "" },
    limit: { type: "integer", minimum: 1, maximum: MAX_PAGE, default: MAX_PAGE },
  } as const;

  app.get<{ Querystring: { after: string; limit: number } }>(
    "/files/buckets",
    {
      schema: {
        tags: ["files"],
        summary: "The buckets, by name",
        querystring: { type: "object", additionalProperties: false, properties: paging },
        response: { 200: PAGE },
      },
    },
    async ({ query }) =>
      unwrap(
        await sharingOf(context).listFiles({
          bucket: "",
          prefix: "",
          after: query.after,
          limit: query.limit,
        }),
      ),
  );

  app.post<{ Body: { bucket: string } }>(
    "/files/buckets",
    {
      schema: {
        tags: ["files"],
        summary: "Make a bucket",
        body: {
          type: "object",
          required: ["bucket"],
          additionalProperties: false,
          properties: { bucket: BUCKET },
        },
        response: { 200: { type: "object", properties: { bucket: { type: "string" } } } },
      },
    },
    async ({ body }) => {
      unwrap(await sharingOf(context).makeBucket({ bucket: body.bucket }));
      return { bucket: body.bucket };
    },
  );

  app.delete<{ Querystring: { bucket: string; giveUpUploads: boolean } }>(
    "/files/buckets",
    {
      schema: {
        tags: ["files"],
        summary: "Remove an empty bucket",
        querystring: {
          type: "object",
          required: ["bucket"],
          additionalProperties: false,
          properties: {
            bucket: BUCKET,
            giveUpUploads: {
              type: "boolean",
              default: false,
              description: "whether unfinished uploads go with it; with nothing else in it",
            },
          },
        },
        response: { 200: { type: "object", properties: { removed: { type: "boolean" } } } },
      },
    },
    async ({ query: { bucket, giveUpUploads } }) => {
      unwrap(await sharingOf(context).removeBucket({ bucket, giveUpUploads }));
      return { removed: true };
    },
  );

  app.get<{ Querystring: { bucket: string; prefix: string; after: string; limit: number } }>(
    "/files/objects",
    {
      schema: {
        tags: ["files"],
        summary: "The files of a bucket, in the order of their keys",
        querystring: {
          type: "object",
          required: ["bucket"],
          additionalProperties: false,
          properties: {
            bucket: BUCKET,
            prefix: { type: "string", maxLength: 1024, default: "" },
            ...paging,
          },
        },
        response: { 200: PAGE },
      },
    },
    async ({ query }) => {
      const { bucket, prefix, after, limit } = query;
      return unwrap(await sharingOf(context).listFiles({ bucket, prefix, after, limit }));
    },
  );

  app.delete<{ Querystring: { bucket: string; key: string } }>(
    "/files/objects",
    {
      schema: {
        tags: ["files"],
        summary: "Remove a file",
        querystring: OBJECT,
        response: { 200: { type: "object", properties: { removed: { type: "boolean" } } } },
      },
    },
    async ({ query }) => {
      unwrap(await sharingOf(context).removeFile({ bucket: query.bucket, key: query.key }));
      return { removed: true };
    },
  );
}

function accessRoutes(app: FastifyInstance, context: ApiContext): void {
  app.post<{ Body: Parameters<SharingControl["presign"]>[0] }>(
    "/files/presign",
    {
      schema: {
        tags: ["files"],
        summary: "A URL of the S3 door for one file and one method; it needs no other credential",
        body: {
          type: "object",
          required: ["method", "bucket", "key"],
          additionalProperties: false,
          properties: {
            method: { type: "string", enum: PRESIGNED_METHODS },
            bucket: BUCKET,
            key: { ...KEY, minLength: 0, description: "empty for the bucket itself" },
            query: {
              type: "object",
              additionalProperties: false,
              description: "which part of an upload is meant, or how to save what is read, in S3's own names",
              properties: Object.fromEntries(
                PRESIGNED_PARAMETERS.map((name) => [name, { type: "string", maxLength: 1024 }]),
              ),
            },
            seconds: { type: "integer", minimum: 1, maximum: MAX_SECONDS, default: 3600 },
          },
        },
        response: { 200: { type: "object", properties: { url: { type: "string" } } } },
      },
    },
    async ({ body }) => {
      return unwrap(await sharingOf(context).presign(body));
    },
  );

  app.get(
    "/files/keys",
    {
      schema: {
        tags: ["files"],
        summary: "The credentials that S3 tools are configured with",
        response: {
          200: {
            type: "object",
            properties: {
              accessKey: { type: "string" },
              secretKey: { type: "string" },
              endpoint: { type: "string" },
              region: { type: "string" },
            },
          },
        },
      },
    },
    async () => unwrap(await sharingOf(context).s3Keys()),
  );
}
