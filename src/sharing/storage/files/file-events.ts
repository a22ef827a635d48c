import type { PeerId } from "#sharing/mesh/mesh.ts";
import type { SlabHealth } from "../file-store.ts";
import type { HostState } from "../renter/host-book.ts";

/** What happens to files, as the page follows it. */
export type FilesEvent =
  | {
      readonly type: "object";
      readonly bucket: string;
      readonly key: string;
      readonly change: "put" | "deleted";
    }
  | {
      readonly type: "slab";
      readonly slab: string;
      readonly bucket?: string;
      readonly key?: string;
      readonly health: SlabHealth;
    }
  | {
      /**
       * A host of ours came, went, or was away for too long. Its slabs are told as well, but no more of them than a
       * reader's stream can hold: who shows others must ask for them again.
       */
      readonly type: "holder";
      readonly peer: PeerId;
      readonly name: string;
      readonly state: HostState;
      /** Shards of ours that it should have. */
      readonly shards: number;
    }
  | {
      /** Shards are made anew, from `begun` on to `ended`. */
      readonly type: "repair";
      readonly state: "begun" | "ended";
      /** Slabs that needed it when it began. */
      readonly slabs: number;
      /** Shards that were made and stored. */
      readonly repaired: number;
      /** Slabs that stay below their full number for want of hosts. */
      readonly waiting: number;
      /** Slabs that fewer than k shards are left of. */
      readonly unreadable: number;
    };
