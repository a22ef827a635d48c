/** Values by the time they fall due, earliest first: a binary heap. Equal times come out in the order they went in. */
export class TimeHeap<T> {
  #entries: { time: number; order: number; value: T }[] = [];
  #order = 0;

  get size(): number {
    return this.#entries.length;
  }

  /** Adds the value that `make` gives for its number, which is never 0; the number is the result. */
  add(time: number, make: (number: number) => T): number {
    const order = ++this.#order;
    this.#entries.push({ time, order, value: make(order) });
    this.#rise(this.#entries.length - 1);
    return order;
  }

  /** Takes out the earliest value when its time has come. */
  takeDue(now: number): T | undefined {
    const first = this.#entries[0];
    if (first === undefined || first.time > now) return undefined;
    const last = this.#entries.pop()!;
    if (this.#entries.length > 0) {
      this.#entries[0] = last;
      this.#sink(0);
    }
    return first.value;
  }

  /** Throws away values that nobody waits for any more. */
  prune(isLive: (value: T) => boolean): void {
    const live = this.#entries.filter(({ value }) => isLive(value));
    // A sorted list is a heap.
    this.#entries = live.sort((a, b) => a.time - b.time || a.order - b.order);
  }

  #before(a: number, b: number): boolean {
    const left = this.#entries[a]!;
    const right = this.#entries[b]!;
    return left.time === right.time ? left.order < right.order : left.time < right.time;
  }

  #swap(a: number, b: number): void {
    const entry = this.#entries[a]!;
    this.#entries[a] = this.#entries[b]!;
    this.#entries[b] = entry;
  }

  #rise(from: number): void {
    for (let at = from; at > 0; ) {
      const parent = (at - 1) >> 1;
      if (!this.#before(at, parent)) return;
      this.#swap(at, parent);
      at = parent;
    }
  }

  #sink(from: number): void {
    for (let at = from; ; ) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < this.#entries.length && this.#before(child, least)) least = child;
      }
      if (least === at) return;
      this.#swap(at, least);
      at = least;
    }
  }
}
