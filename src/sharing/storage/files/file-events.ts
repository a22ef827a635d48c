import type { SlabHealth } from "../file-store.ts";

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
    };
