import type { FileSystem } from "./file-system.ts";
import type { KeyValueStore } from "./key-value-store.ts";

/**
 * All that a part needs of a disk: files and key-value stores. `nodeDisk` is the real one, `FaultWorld` one in
 * memory that can lose power or fill up as a whole.
 */
export interface Disk {
  readonly files: FileSystem;
  /** Opens the store in the directory `path`, making it where it is missing. One opener at a time. */
  openStore(path: string, options?: StoreOptions): Promise<KeyValueStore>;
  /** Removes the store in `path`, and no other file of the directory. Nothing happens where there is none. */
  destroyStore(path: string): Promise<void>;
  /** Whether the directory `path` holds a store. */
  hasStore(path: string): Promise<boolean>;
}

export interface StoreOptions {
  /** Bytes of read blocks kept in memory (8 MiB unless told). */
  readonly cacheBytes?: number;
  /** Bytes of writes kept in memory before they are sorted into a file; up to twice that is held (4 MiB unless told). */
  readonly writeBufferBytes?: number;
  /** Snappy; off unless told, as hashes and keys do not shrink. */
  readonly compression?: boolean;
  /** Bytes of one file of the store (2 MiB unless told). */
  readonly fileBytes?: number;
}
