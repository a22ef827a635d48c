/**
 * A slab as its owner knows it: key, scheme, and which host holds which shard. With this record, any k hosts and
 * nothing else the plaintext comes back; it lives in the metadata log and, as a cache, in the index.
 */
import { z } from "zod";
import type { PeerId } from "#sharing/mesh/mesh.ts";
import { bytesOf, hexOf, integer, textUpTo } from "#sharing/mesh/schema.ts";
import { slabCapacity } from "../codec/scheme.ts";
import type { SlabKey } from "../codec/slab-codec.ts";

/** 16 random bytes, hex. */
export type SlabId = string & { readonly brand?: "SlabId" };

export interface ShardPlace {
  /** Merkle root of the shard: its name at the host. */
  readonly root: Uint8Array;
  /** Who holds it; empty when nobody does (yet, or any more). */
  readonly host: PeerId | "";
}

export interface SlabRecord extends SlabKey {
  readonly id: SlabId;
  /** In the order of their number, `scheme.total` of them. */
  readonly shards: readonly ShardPlace[];
}

export const slabId: z.ZodType<SlabId> = hexOf(16);

const scheme = z
  .strictObject({ needed: integer(1, 255), total: integer(1, 255) })
  .refine(({ needed, total }) => needed <= total, "a slab can not need more shards than it has");

export const slabRecord: z.ZodType<SlabRecord> = z
  .strictObject({
    id: slabId,
    key: bytesOf(32),
    scheme,
    length: integer(1),
    shards: z.array(z.strictObject({ root: bytesOf(32), host: textUpTo(64) })).max(255),
  })
  .refine(
    (slab) => slab.shards.length === slab.scheme.total && slab.length <= slabCapacity(slab.scheme),
    "a slab has one place a shard, and at most its capacity of bytes",
  );

/** What can be said of a shard's health. */
export type ShardState = "stored" | "unproven" | "lost" | "repairing";
