/** Contents in use, counted: several tasks share one scene, and it stays until the last of them is done. */
import type { ContentId, ContentStore } from "#sharing/content/content.ts";

export class ContentPins {
  readonly #store: ContentStore;
  readonly #counts = new Map<ContentId, number>();

  constructor(store: ContentStore) {
    this.#store = store;
  }

  pin(ids: Iterable<ContentId>): void {
    for (const id of ids) {
      const count = this.#counts.get(id) ?? 0;
      this.#counts.set(id, count + 1);
      if (count === 0) this.#store.pin(id);
    }
  }

  unpin(ids: Iterable<ContentId>): void {
    for (const id of ids) {
      const count = this.#counts.get(id);
      if (count === undefined) continue;
      if (count > 1) this.#counts.set(id, count - 1);
      else {
        this.#counts.delete(id);
        this.#store.unpin(id);
      }
    }
  }
}
