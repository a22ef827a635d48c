/** Milliseconds of work after which the event loop gets its turn. */
const SLICE_MS = 20;

/**
 * Cuts long work into slices: ask `due` after each piece, and await `pause` when it says so. Measures real time,
 * whatever clock its user runs on: it is about this process.
 */
export class Slices {
  #end = performance.now() + SLICE_MS;

  get due(): boolean {
    return performance.now() >= this.#end;
  }

  /** Lets other tasks run. */
  pause(): Promise<void> {
    return new Promise((resolve) => {
      setImmediate(() => {
        this.#end = performance.now() + SLICE_MS;
        resolve();
      });
    });
  }
}
