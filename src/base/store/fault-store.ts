import type { Random } from "#base/lib/random.ts";
import type { BatchOperation, WriteOptions } from "./key-value-store.ts";
import { MemoryStore, MemoryTable } from "./memory-store.ts";
import type { Power } from "./power.ts";

/** Bytes of a log of batches before the store leaves it for a new one: LevelDB's default write buffer. */
const LOG_BYTES = 4 * 1024 * 1024;
/** LevelDB's bytes around a batch in its log, roughly. */
const BATCH_OVERHEAD = 19;

/** One log: the batches in it from first to last, and how many of them are synced. */
interface Log {
  readonly batches: (readonly BatchOperation[])[];
  bytes: number;
  synced: number;
}

function emptyLog(): Log {
  return { batches: [], bytes: 0, synced: 0 };
}

/**
 * What a disk holds of a LevelDB store. Batches go to a log, which a sync forces to disk as far as it was written. A
 * full log is left **unsynced** for a new one; only when that is full too is the old one surely in sorted files
 * (DBImpl::MakeRoomForWrite). So a power cut leaves a prefix of each log, and may lose the end of the older one
 * although a later batch was synced.
 */
export class StoreImage {
  /** As programs see it. */
  readonly live: MemoryTable;
  readonly #durable: MemoryTable;
  #older: Log;
  #current: Log;
  readonly #logBytes: number;
  opened = false;

  constructor(
    options: { logBytes?: number } = {},
    state?: { live: MemoryTable; durable: MemoryTable; older: Log; current: Log },
  ) {
    this.#logBytes = options.logBytes ?? LOG_BYTES;
    this.live = state?.live ?? new MemoryTable();
    this.#durable = state?.durable ?? new MemoryTable();
    this.#older = state?.older ?? emptyLog();
    this.#current = state?.current ?? emptyLog();
  }

  append(operations: readonly BatchOperation[]): void {
    if (this.#current.bytes >= this.#logBytes) {
      for (const batch of this.#older.batches) this.#durable.apply(batch);
      this.#older = this.#current;
      this.#current = emptyLog();
    }
    this.#current.batches.push(operations);
    this.#current.bytes += sizeOf(operations);
    this.live.apply(operations);
  }

  sync(): void {
    this.#current.synced = this.#current.batches.length;
  }

  /**
   * What opening it does: LevelDB writes all that it finds in its logs to sorted files, and syncs them, before it is
   * open (DBImpl::RecoverLogFile).
   */
  recover(): void {
    for (const log of [this.#older, this.#current]) {
      for (const batch of log.batches) this.#durable.apply(batch);
    }
    this.#older = emptyLog();
    this.#current = emptyLog();
  }

  copy(): StoreImage {
    const copyLog = (log: Log): Log => ({ ...log, batches: log.batches.slice() });
    return new StoreImage(
      { logBytes: this.#logBytes },
      {
        live: this.live.share(),
        durable: this.#durable.share(),
        older: copyLog(this.#older),
        current: copyLog(this.#current),
      },
    );
  }

  afterCut(random: Random): StoreImage {
    const durable = this.#durable.share();
    for (const log of [this.#older, this.#current]) {
      const reached = log.synced + random.below(log.batches.length - log.synced + 1);
      for (const batch of log.batches.slice(0, reached)) durable.apply(batch);
    }
    const state = { live: durable.share(), durable, older: emptyLog(), current: emptyLog() };
    return new StoreImage({ logBytes: this.#logBytes }, state);
  }
}

export function sizeOf(operations: readonly BatchOperation[]): number {
  let bytes = BATCH_OVERHEAD;
  for (const operation of operations) {
    bytes += operation.key.length + (operation.type === "put" ? operation.value.length : 0);
  }
  return bytes;
}

/** A store on a fault world. */
export class FaultStore extends MemoryStore {
  readonly #image: StoreImage;
  readonly #power: Power;
  readonly #path: string;

  constructor(image: StoreImage, power: Power, path: string) {
    super(image.live);
    this.#image = image;
    this.#power = power;
    this.#path = path;
  }

  protected override check(): void {
    this.#power.check();
    super.check();
  }

  protected override async write(
    operations: readonly BatchOperation[],
    options: WriteOptions,
  ): Promise<void> {
    this.check();
    if (operations.length === 0) return;
    // It must fit into the log; what it takes in the end is what the entries grow by.
    const size = sizeOf(operations);
    this.#power.take(size, this.#path);
    const before = this.#image.live.bytes;
    this.#power.change(() => {
      this.#image.append(operations);
      this.#power.used += this.#image.live.bytes - before - size;
    });
    if (options.sync === true) {
      this.#power.sync({ kind: "store", path: this.#path }, () => this.#image.sync());
    }
  }

  override async close(): Promise<void> {
    await super.close();
    this.#image.opened = false;
  }
}
