/** Sorted keys to values, with atomic batches. The back ends follow one conformance suite. */

/** Reading, from the present state of a store or from a snapshot of it. */
export interface KeyValueReader {
  /** The value, `undefined` when there is none. The result is the caller's to keep. */
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  /** One result for each key, in their order. */
  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>;
  /** Entries of a range in key order, from one instant: what is written meanwhile is not seen. */
  iterate(range?: KeyRange): AsyncIterable<Entry>;
  /** As {@link iterate}, many entries at a time: one wait for up to `size` of them (256 unless told). */
  chunks(range?: KeyRange, size?: number): AsyncIterable<readonly Entry[]>;
}

export interface KeyValueStore extends KeyValueReader {
  /** Applies all of the operations or none. Without `sync` a power cut may lose it again. */
  batch(operations: readonly BatchOperation[], options?: WriteOptions): Promise<void>;
  /** A batch to fill one operation at a time: keys and values are copied as they are put. */
  newBatch(): WriteBatch;
  /** The state at this instant; close it when done. */
  snapshot(): Snapshot;
  /** About how many bytes the entries of a range take on disk. */
  approximateSize(gte: Uint8Array, lt: Uint8Array): Promise<number>;
  close(): Promise<void>;
}

export interface Snapshot extends KeyValueReader {
  close(): Promise<void>;
}

export type Entry = readonly [key: Uint8Array, value: Uint8Array];

export type BatchOperation =
  | { readonly type: "put"; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: "del"; readonly key: Uint8Array };

export interface WriteOptions {
  /**
   * True: on disk when the promise resolves. LevelDB syncs its current log only, not one it has just left for a
   * new one, so an earlier batch that was never synced may be lost even then: who needs an order syncs each batch.
   */
  readonly sync?: boolean;
}

export interface KeyRange {
  readonly gte?: Uint8Array;
  readonly lt?: Uint8Array;
  /** At most this many entries. */
  readonly limit?: number;
  readonly reverse?: boolean;
}

export interface WriteBatch {
  put(key: Uint8Array, value: Uint8Array): void;
  del(key: Uint8Array): void;
  readonly length: number;
  /** Bytes of its keys and values. */
  readonly byteLength: number;
  /** Writes it; the batch can not be used again. */
  write(options?: WriteOptions): Promise<void>;
}
