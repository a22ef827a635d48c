/**
 * One kind of happening that others can follow. `emit` calls the listeners in the order they came and awaits
 * each, so what a happening triggers is done when `emit` returns. A listener that throws stops the emit: an
 * exception is a bug or a failed disk, and the emitter must know.
 */
export class Signal<T> {
  #listeners: ((value: T) => void | Promise<void>)[] = [];

  /** Follows; the result ends it. */
  on(listener: (value: T) => void | Promise<void>): () => void {
    // A new list: an emit under way goes on with those that it began with.
    this.#listeners = [...this.#listeners, listener];
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== listener);
    };
  }

  async emit(value: T): Promise<void> {
    for (const listener of this.#listeners) await listener(value);
  }

  /** The value of the next emit. */
  next(): Promise<T> {
    return new Promise((resolve) => {
      const off = this.on((value) => {
        off();
        resolve(value);
      });
    });
  }
}
