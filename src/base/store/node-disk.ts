import type { Disk } from "./disk.ts";
import { destroyLevelStore, hasLevelStore, openLevelStore } from "./level-store.ts";
import { nodeFileSystem } from "./node-file-system.ts";

/** The machine's disk: its files, and LevelDB. */
export const nodeDisk: Disk = {
  files: nodeFileSystem,
  openStore: openLevelStore,
  destroyStore: destroyLevelStore,
  hasStore: hasLevelStore,
};
