import type { Disk } from "#base/store/disk.ts";
import type { KeyValueStore, WriteBatch } from "#base/store/key-value-store.ts";

/**
 * A disk whose stores report a write that failed: after one, what is in memory and what is on disk may differ, and a
 * store takes no more writes until it is opened anew. Who is told ends the process, and the next one reads the disk.
 */
export function endingDisk(disk: Disk, failed: (error: Error) => void): Disk {
  return {
    files: disk.files,
    openStore: async (path, options) => reporting(await disk.openStore(path, options), failed),
    destroyStore: (path) => disk.destroyStore(path),
    hasStore: (path) => disk.hasStore(path),
  };
}

function reporting(store: KeyValueStore, failed: (error: Error) => void): KeyValueStore {
  const report = (error: Error) => {
    failed(error);
    throw error;
  };
  return {
    get: (key) => store.get(key),
    getMany: (keys) => store.getMany(keys),
    iterate: (range) => store.iterate(range),
    chunks: (range, size) => store.chunks(range, size),
    batch: (operations, options) => store.batch(operations, options).catch(report),
    newBatch: () => reportingBatch(store.newBatch(), report),
    snapshot: () => store.snapshot(),
    approximateSize: (gte, lt) => store.approximateSize(gte, lt),
    close: () => store.close(),
  };
}

function reportingBatch(batch: WriteBatch, report: (error: Error) => never): WriteBatch {
  return {
    put: (key, value) => batch.put(key, value),
    del: (key) => batch.del(key),
    get length() {
      return batch.length;
    },
    get byteLength() {
      return batch.byteLength;
    },
    write: (options) => batch.write(options).catch(report),
  };
}
