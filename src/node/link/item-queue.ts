/** One item of a stream that came in, and its size on the link. */
interface Item {
  readonly value: unknown;
  readonly bytes: number;
}

/** Items of a stream that wait to be read, bounded by their bytes; one reader. */
export class ItemQueue {
  readonly #limit: number;
  readonly #items: Item[] = [];
  #bytes = 0;
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** False when it holds more than was granted. */
  push(value: unknown, bytes: number): boolean {
    // Nobody reads it any more; the sender may not know yet.
    if (this.#ended) return true;
    this.#bytes += bytes;
    if (this.#bytes > this.#limit) return false;
    this.#items.push({ value, bytes });
    this.#wake?.();
    return true;
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** Undefined at the end, when everything before it was read. */
  async next(): Promise<Item | undefined> {
    while (this.#items.length === 0) {
      if (this.#ended) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const item = this.#items.shift()!;
    this.#bytes -= item.bytes;
    return item;
  }
}
