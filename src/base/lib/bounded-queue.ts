/**
 * A queue with limits on its items and on their weight (bytes, as the user counts them). What does not fit is
 * refused, never dropped silently.
 */
export class BoundedQueue<T> {
  readonly #items: T[] = [];
  readonly #weights: number[] = [];
  readonly #maxItems: number;
  readonly #maxWeight: number;
  #weight = 0;
  #head = 0;

  constructor(limits: { maxItems: number; maxWeight?: number }) {
    this.#maxItems = limits.maxItems;
    this.#maxWeight = limits.maxWeight ?? Number.POSITIVE_INFINITY;
  }

  get length(): number {
    return this.#items.length - this.#head;
  }

  get weight(): number {
    return this.#weight;
  }

  /** Whether one more item would be refused by count, or the weight limit is reached. */
  get full(): boolean {
    return this.length >= this.#maxItems || this.#weight >= this.#maxWeight;
  }

  /** False when it was refused. An item is taken while the weight before it is under the limit. */
  push(item: T, weight = 0): boolean {
    if (this.full) return false;
    this.#items.push(item);
    this.#weights.push(weight);
    this.#weight += weight;
    return true;
  }

  shift(): T | undefined {
    if (this.length === 0) return undefined;
    const item = this.#items[this.#head]!;
    this.#weight -= this.#weights[this.#head]!;
    this.#items[this.#head] = undefined as T;
    this.#head++;
    if (this.#head > 64 && this.#head * 2 > this.#items.length) {
      this.#items.splice(0, this.#head);
      this.#weights.splice(0, this.#head);
      this.#head = 0;
    }
    return item;
  }
}
