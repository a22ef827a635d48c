import type {
  BatchOperation,
  Entry,
  KeyRange,
  KeyValueStore,
  Snapshot,
  WriteBatch,
  WriteOptions,
} from "./key-value-store.ts";

/** Entries in memory. Keys are kept as text of one character a byte, whose order is that of the bytes. */
export class MemoryTable {
  #entries: Map<string, Uint8Array>;
  #sorted: string[] | undefined;
  /** Whether a view made by {@link share} still reads the map. */
  #shared = false;
  /** Bytes of all keys and values. */
  bytes: number;

  constructor(entries: Map<string, Uint8Array> = new Map(), bytes = 0) {
    this.#entries = entries;
    this.bytes = bytes;
  }

  /** The same content for a reader; whoever writes next writes to a copy. */
  share(): MemoryTable {
    const other = new MemoryTable(this.#entries, this.bytes);
    other.#sorted = this.#sorted;
    other.#shared = true;
    this.#shared = true;
    return other;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#entries.get(textOf(key))?.slice();
  }

  apply(operations: readonly BatchOperation[]): void {
    if (this.#shared) {
      this.#entries = new Map(this.#entries);
      this.#shared = false;
    }
    for (const operation of operations) {
      const key = textOf(operation.key);
      const before = this.#entries.get(key);
      const put = operation.type === "put";
      if (put !== (before !== undefined)) this.#sorted = undefined;
      if (before !== undefined) this.bytes -= key.length + before.length;
      if (put) {
        this.#entries.set(key, operation.value);
        this.bytes += key.length + operation.value.length;
      } else {
        this.#entries.delete(key);
      }
    }
  }

  range({ gte, lt, limit, reverse }: KeyRange): Entry[] {
    this.#sorted ??= [...this.#entries.keys()].sort();
    const from = gte === undefined ? 0 : lowerBound(this.#sorted, textOf(gte));
    const to = lt === undefined ? this.#sorted.length : lowerBound(this.#sorted, textOf(lt));
    let keys = this.#sorted.slice(from, Math.max(from, to));
    if (reverse === true) keys.reverse();
    if (limit !== undefined) keys = keys.slice(0, limit);
    return keys.map((key): Entry => [bytesOf(key), this.#entries.get(key)!.slice()]);
  }

  byteLength(range: KeyRange): number {
    return this.range(range).reduce((sum, [key, value]) => sum + key.length + value.length, 0);
  }
}

function textOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("latin1");
}

function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "latin1"));
}

function lowerBound(sorted: readonly string[], key: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A batch kept as a list of its own copies, for stores that apply it themselves. */
class ListBatch implements WriteBatch {
  readonly #operations: BatchOperation[] = [];
  readonly #write: (operations: readonly BatchOperation[], options: WriteOptions) => Promise<void>;
  #written = false;
  byteLength = 0;

  constructor(write: (operations: readonly BatchOperation[], options: WriteOptions) => Promise<void>) {
    this.#write = write;
  }

  get length(): number {
    return this.#operations.length;
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.#operations.push({ type: "put", key: key.slice(), value: value.slice() });
    this.byteLength += key.length + value.length;
  }

  del(key: Uint8Array): void {
    this.#operations.push({ type: "del", key: key.slice() });
    this.byteLength += key.length;
  }

  async write(options: WriteOptions = {}): Promise<void> {
    if (this.#written) throw new Error("the batch was written before");
    this.#written = true;
    await this.#write(this.#operations, options);
  }
}

/** Copies of operations, as a store keeps them. */
function copyOperations(operations: readonly BatchOperation[]): BatchOperation[] {
  return operations.map((operation) =>
    operation.type === "put"
      ? { type: "put", key: operation.key.slice(), value: operation.value.slice() }
      : { type: "del", key: operation.key.slice() },
  );
}

class MemoryReader implements Snapshot {
  protected readonly table: MemoryTable;
  protected closed = false;

  constructor(table: MemoryTable) {
    this.table = table;
  }

  protected check(): void {
    if (this.closed) throw new Error("the store is closed");
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    this.check();
    return this.table.get(key);
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    this.check();
    return keys.map((key) => this.table.get(key));
  }

  async *iterate(range: KeyRange = {}): AsyncIterable<Entry> {
    for await (const chunk of this.chunks(range)) yield* chunk;
  }

  chunks(range: KeyRange = {}, size = 256): AsyncIterable<readonly Entry[]> {
    this.check();
    return this.#chunks(this.table.range(range), size);
  }

  async *#chunks(entries: readonly Entry[], size: number): AsyncIterable<readonly Entry[]> {
    for (let at = 0; at < entries.length; at += size) {
      this.check();
      yield entries.slice(at, at + size);
    }
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

/** A store in memory, gone when it is closed. */
export class MemoryStore extends MemoryReader implements KeyValueStore {
  constructor(table: MemoryTable = new MemoryTable()) {
    super(table);
  }

  async batch(operations: readonly BatchOperation[], options: WriteOptions = {}): Promise<void> {
    await this.write(copyOperations(operations), options);
  }

  newBatch(): WriteBatch {
    this.check();
    return new ListBatch((operations, options) => this.write(operations, options));
  }

  /** Applies operations that are the store's own from now on. */
  protected async write(operations: readonly BatchOperation[], _options: WriteOptions): Promise<void> {
    this.check();
    this.table.apply(operations);
  }

  snapshot(): Snapshot {
    this.check();
    return new MemoryReader(this.table.share());
  }

  async approximateSize(gte: Uint8Array, lt: Uint8Array): Promise<number> {
    this.check();
    return this.table.byteLength({ gte, lt });
  }
}
