/**
 * How many large bodies are on their way into the store at once. Tools send ten parts side by side, and the store
 * holds a slab and its shards of each: past a few, more of them cost memory and win no time. The rest wait unread in
 * their sockets.
 */
const WIDTH = 3;
/** Bodies up to this many bytes go past. */
const SMALL = 256 * 1024;

export class BodyGate {
  #inside = 0;
  readonly #waiting: (() => void)[] = [];

  /** Runs `action`, which reads a body of `length` bytes, in its turn. */
  async run<T>(length: number, action: () => Promise<T>): Promise<T> {
    if (length <= SMALL) return await action();
    if (this.#inside >= WIDTH) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#inside++;
    try {
      return await action();
    } finally {
      const next = this.#waiting.shift();
      // The place is handed on, or given up.
      if (next === undefined) this.#inside--;
      else next();
    }
  }
}
