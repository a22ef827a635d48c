import { Mutex } from "#base/lib/mutex.ts";

/** One lock for each name that is held or waited for. */
export class KeyedMutex {
  readonly #locks = new Map<string, Mutex>();

  async run<T>(key: string, action: () => T | Promise<T>): Promise<T> {
    let lock = this.#locks.get(key);
    if (lock === undefined) {
      lock = new Mutex();
      this.#locks.set(key, lock);
    }
    try {
      return await lock.run(action);
    } finally {
      if (!lock.busy) this.#locks.delete(key);
    }
  }
}
