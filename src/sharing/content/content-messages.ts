/** The protocol `/freehold/content/1`: what a content is made of, and its chunks (docs/protocols/compute.md). */
import { z } from "zod";
import { method, protocol } from "#sharing/mesh/protocol.ts";
import { bytesUpTo, hexOf, integer } from "#sharing/mesh/schema.ts";
import { CHUNK_BYTES, chunkCount, HASH_BYTES, MAX_CONTENT } from "./chunk-list.ts";

const MAX_LEAVES = HASH_BYTES * chunkCount(MAX_CONTENT);
/** Room for the fields around the bytes. */
const FRAME = 1024;

export const CONTENT_PROTOCOL = protocol({
  name: "content",
  major: 1,
  methods: {
    /** Length and leaf hashes, which together hash to the id. */
    describe: method({
      request: z.strictObject({ id: hexOf(32) }),
      reply: z.strictObject({ length: integer(0, MAX_CONTENT), leaves: bytesUpTo(MAX_LEAVES) }),
      replyLimit: MAX_LEAVES + FRAME,
    }),
    chunk: method({
      request: z.strictObject({ id: hexOf(32), index: integer(0, chunkCount(MAX_CONTENT) - 1) }),
      reply: z.strictObject({ bytes: bytesUpTo(CHUNK_BYTES, 1) }),
      replyLimit: CHUNK_BYTES + FRAME,
    }),
  },
});
