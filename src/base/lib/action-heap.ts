/** Something to be done at a time; undefined once it was taken back or done. */
export interface TimedAction {
  readonly at: number;
  /** Decides among actions of the same time. */
  readonly order: number;
  action: (() => void) | undefined;
}

/** Actions by time, then by order: a binary heap, so that thousands that wait cost little. */
export class ActionHeap {
  #heap: TimedAction[] = [];

  get length(): number {
    return this.#heap.length;
  }

  /** What comes first. */
  get first(): TimedAction | undefined {
    return this.#heap[0];
  }

  push(added: TimedAction): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(added);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(added, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = added;
  }

  /** Takes the first one out. */
  pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }

  /** Leaves out what was taken back. */
  sweep(): void {
    const kept = this.#heap.filter(({ action }) => action !== undefined);
    this.#heap = [];
    for (const action of kept) this.push(action);
  }
}

function isBefore(a: TimedAction, b: TimedAction): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
