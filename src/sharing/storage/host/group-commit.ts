/**
 * One costly step for many waiting callers: while one group is being performed the next one gathers, so a lone caller
 * waits for nobody and a crowd shares the syncs of the disk.
 */
export class GroupCommit<T> {
  readonly #perform: (items: readonly T[]) => Promise<void>;
  #next: { readonly items: T[]; readonly done: PromiseWithResolvers<void> } | undefined;
  #busy = false;

  constructor(perform: (items: readonly T[]) => Promise<void>) {
    this.#perform = perform;
  }

  /** Resolves when a group that holds these items was performed; rejects with its error. */
  add(...items: readonly T[]): Promise<void> {
    this.#next ??= { items: [], done: Promise.withResolvers() };
    this.#next.items.push(...items);
    const { promise } = this.#next.done;
    if (!this.#busy) void this.#work();
    return promise;
  }

  async #work(): Promise<void> {
    this.#busy = true;
    for (let group = this.#next; group !== undefined; group = this.#next) {
      this.#next = undefined;
      try {
        await this.#perform(group.items);
        group.done.resolve();
      } catch (error) {
        group.done.reject(error);
      }
    }
    this.#busy = false;
  }
}
