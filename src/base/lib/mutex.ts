/** A lock with one holder, given in the order it was asked for (FIFO). Not re-entrant. */
export class Mutex {
  #tail: Promise<void> = Promise.resolve();
  #held = 0;

  /** Whether someone holds it or waits for it. */
  get busy(): boolean {
    return this.#held > 0;
  }

  /** Runs `action` alone; its result or exception is the caller's. */
  async run<T>(action: () => T | Promise<T>): Promise<T> {
    const before = this.#tail;
    let release!: () => void;
    this.#tail = new Promise((resolve) => {
      release = resolve;
    });
    this.#held++;
    await before;
    try {
      return await action();
    } finally {
      this.#held--;
      release();
    }
  }
}
