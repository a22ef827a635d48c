/** What waits, by whom it is for: all take turns, however much one of them brings. */
export class Turns<Key, Item> {
  readonly #queues = new Map<Key, Item[]>();

  push(key: Key, item: Item): void {
    const queue = this.#queues.get(key);
    if (queue === undefined) this.#queues.set(key, [item]);
    else queue.push(item);
  }

  get size(): number {
    let size = 0;
    for (const queue of this.#queues.values()) size += queue.length;
    return size;
  }

  /** What is given up does not wait for its turn to be let go. */
  remove(key: Key, item: Item): void {
    const queue = this.#queues.get(key);
    const at = queue?.indexOf(item) ?? -1;
    if (queue === undefined || at < 0) return;
    queue.splice(at, 1);
    if (queue.length === 0) this.#queues.delete(key);
  }

  /** The next item of whose turn it is, who then goes to the end of the row; what is no longer wanted is left out. */
  next(isWanted: (item: Item) => boolean): Item | undefined {
    for (const [key, queue] of [...this.#queues]) {
      this.#queues.delete(key);
      const wanted = queue.filter(isWanted);
      const item = wanted.shift();
      if (wanted.length > 0) this.#queues.set(key, wanted);
      if (item !== undefined) return item;
    }
    return undefined;
  }
}
