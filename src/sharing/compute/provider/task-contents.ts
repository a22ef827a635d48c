/** What tasks need: fetched once for all that share it, and kept while one of them is under way. */
import type { ContentFetcher, ContentId, ContentStore } from "#sharing/content/content.ts";
import type { PeerId } from "#sharing/mesh/mesh.ts";
import { ContentPins } from "../content-pins.ts";
import type { ContentRef, TaskSpec } from "../core/task.ts";

export class TaskContents {
  readonly #store: ContentStore;
  readonly #fetcher: ContentFetcher;
  readonly #pins: ContentPins;
  /** Contents on their way: why there is none, undefined when it is there. */
  readonly #fetching = new Map<ContentId, Promise<string | undefined>>();

  constructor(store: ContentStore, fetcher: ContentFetcher) {
    this.#store = store;
    this.#fetcher = fetcher;
    this.#pins = new ContentPins(store);
  }

  pin(task: TaskSpec): void {
    this.#pins.pin(refsOf(task).map(({ id }) => id));
  }

  unpin(task: TaskSpec): void {
    this.#pins.unpin(refsOf(task).map(({ id }) => id));
  }

  /** Has all of it here. Why not, or undefined. */
  async fetchAll(task: TaskSpec, from: PeerId): Promise<string | undefined> {
    const reasons = await Promise.all(refsOf(task).map((content) => this.#fetch(content, from)));
    return reasons.find((reason) => reason !== undefined);
  }

  async #fetch(content: ContentRef, from: PeerId): Promise<string | undefined> {
    const running = this.#fetching.get(content.id);
    if (running !== undefined) {
      const reason = await running.catch((error: Error) => error.message);
      // Another requester's that failed says nothing of this one; of those that waited, one asks for all.
      return reason === undefined ? undefined : this.#fetch(content, from);
    }
    const fetching = this.#fetchOnce(content, from).finally(() => this.#fetching.delete(content.id));
    this.#fetching.set(content.id, fetching);
    return fetching;
  }

  async #fetchOnce({ id, length }: ContentRef, from: PeerId): Promise<string | undefined> {
    if (await this.#store.has(id)) return undefined;
    const fetched = await this.#fetcher.fetch(id, [from], { maxLength: length });
    return fetched.ok ? undefined : `content ${id}: ${fetched.reason}`;
  }
}

function refsOf(task: TaskSpec): readonly ContentRef[] {
  return [task.code, ...task.inputs];
}
