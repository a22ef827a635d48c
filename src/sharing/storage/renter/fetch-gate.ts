/**
 * How many windows of cells are fetched at once, over all reads and repairs. A client that reads ten ranges side by
 * side asks for twenty; each may bring cells of every shard where hosts lag and are hedged, and every message is held
 * several times on its way. Past a few, more of them cost memory and win no time.
 */
const WIDTH = 6;

export class FetchGate {
  #inside = 0;
  readonly #waiting: (() => void)[] = [];

  /** Runs `fetch` in its turn. It must not wait for another fetch. */
  async run<T>(fetch: () => Promise<T>): Promise<T> {
    if (this.#inside >= WIDTH) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#inside++;
    try {
      return await fetch();
    } finally {
      const next = this.#waiting.shift();
      // The place is handed on, or given up.
      if (next === undefined) this.#inside--;
      else next();
    }
  }
}
