import type { BatchOperation, Entry, KeyRange, KeyValueReader } from "#base/store/key-value-store.ts";

/**
 * A store with changes that are not written yet: reads see them, and {@link operations} writes them as one batch when
 * the log segment that holds them is safe. Thrown away when it is not.
 */
export class StagedStore {
  readonly #base: KeyValueReader;
  /** By the key as text of one character a byte; undefined for what is deleted. */
  readonly #changes = new Map<string, Uint8Array | undefined>();

  constructor(base: KeyValueReader) {
    this.#base = base;
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    const text = textOf(key);
    return this.#changes.has(text) ? this.#changes.get(text) : await this.#base.get(key);
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.#changes.set(textOf(key), value);
  }

  del(key: Uint8Array): void {
    this.#changes.set(textOf(key), undefined);
  }

  /** Entries of a range in key order. Changes made while it runs may be missed. */
  async *iterate(range: KeyRange = {}): AsyncGenerator<Entry> {
    const staged = this.#stagedIn(range);
    let at = 0;
    let left = range.limit ?? Number.POSITIVE_INFINITY;
    // Deleted entries must not use up the limit.
    const { limit: _, ...unlimited } = range;
    for await (const [key, value] of this.#base.iterate(
      left < 256 ? { ...unlimited, limit: left + staged.length } : unlimited,
    )) {
      const text = textOf(key);
      for (; at < staged.length && staged[at]! < text; at++) {
        const change = this.#changes.get(staged[at]!);
        if (change === undefined) continue;
        if (left-- <= 0) return;
        yield [bytesOf(staged[at]!), change];
      }
      if (staged[at] === text) continue;
      if (left-- <= 0) return;
      yield [key, value];
    }
    for (; at < staged.length; at++) {
      const change = this.#changes.get(staged[at]!);
      if (change === undefined) continue;
      if (left-- <= 0) return;
      yield [bytesOf(staged[at]!), change];
    }
  }

  #stagedIn({ gte, lt }: KeyRange): string[] {
    const from = gte === undefined ? "" : textOf(gte);
    const to = lt === undefined ? undefined : textOf(lt);
    const keys: string[] = [];
    for (const key of this.#changes.keys()) if (key >= from && (to === undefined || key < to)) keys.push(key);
    return keys.sort();
  }

  operations(): BatchOperation[] {
    const operations: BatchOperation[] = [];
    for (const [text, value] of this.#changes) {
      const key = bytesOf(text);
      operations.push(value === undefined ? { type: "del", key } : { type: "put", key, value });
    }
    return operations;
  }
}

function textOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("latin1");
}

function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "latin1"));
}
