import type { PeerId } from "#sharing/mesh/mesh.ts";
import type { SlabId, SlabRecord } from "./slab.ts";

/** Shards that may lie on hosts though no slab record names them there: to be dropped if they stay so. */
export interface PendingDrop {
  /** 16 random bytes, hex. */
  readonly id: string;
  /** The slab they belong to: where its record names a shard and host, that one stays. */
  readonly slab: SlabId;
  /** Milliseconds since 1970. */
  readonly since: number;
  readonly shards: readonly { readonly root: Uint8Array; readonly host: PeerId }[];
}

/** What the renter needs kept: the files' index implements it. */
export interface SlabBook {
  get(id: SlabId): Promise<SlabRecord | undefined>;
  /** Every slab, those of the log included, from one instant. */
  slabs(): AsyncIterable<SlabRecord>;
  /**
   * Shards of a slab lie elsewhere now. Kept at once, and told to the log; nothing happens when the slab is gone.
   * @returns whether it is still there.
   */
  moved(id: SlabId, shards: ReadonlyMap<number, PeerId>): Promise<boolean>;
  /** Written ahead, on disk when it resolves: shards that are about to be stored, or to be dropped. */
  keepPending(drop: PendingDrop): Promise<void>;
  forgetPending(id: string): Promise<void>;
  pending(): Promise<readonly PendingDrop[]>;
}
