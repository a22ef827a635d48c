import type { Clock } from "#base/lib/clock.ts";
import type { Mesh, PeerId } from "#sharing/mesh/mesh.ts";
import { type ChunkList, isListOf, MAX_CONTENT } from "./chunk-list.ts";
import { ChunkRace } from "./chunk-race.ts";
import { type ChunkStore, ContentStoreFull } from "./chunk-store.ts";
import type { ContentFetcher, ContentId } from "./content.ts";
import { CONTENT_PROTOCOL } from "./content-messages.ts";

/** Milliseconds that a description may take. */
const PATIENCE = 30_000;

type FetchOutcome = Awaited<ReturnType<ContentFetcher["fetch"]>>;

/** Fetches contents into the store, from several peers at once; each chunk is checked as it comes. */
export class ContentDownloads implements ContentFetcher {
  readonly #mesh: Mesh;
  readonly #store: ChunkStore;
  readonly #clock: Clock | undefined;
  /** Two that want the same content at the same time share its way in. */
  readonly #running = new Map<ContentId, Promise<FetchOutcome>>();

  /** @param clock of the chunks' second tries; the machine's unless told */
  constructor(mesh: Mesh, store: ChunkStore, clock?: Clock) {
    this.#mesh = mesh;
    this.#store = store;
    this.#clock = clock;
  }

  async fetch(
    id: ContentId,
    peers: readonly PeerId[],
    options: { readonly maxLength: number; readonly signal?: AbortSignal },
  ): Promise<FetchOutcome> {
    for (;;) {
      if (await this.#store.has(id)) {
        const { length } = this.#store.describe(id)!;
        return length <= options.maxLength ? { ok: true } : tooLong(length, options.maxLength);
      }
      const running = this.#running.get(id);
      if (running === undefined) break;
      const outcome = await running;
      // The other one may have been called off, or had other peers.
      if (outcome.ok) continue;
      if (this.#running.get(id) === undefined) break;
    }
    const fetching = this.#fetch(id, peers, options).finally(() => this.#running.delete(id));
    this.#running.set(id, fetching);
    return await fetching;
  }

  async #fetch(
    id: ContentId,
    peers: readonly PeerId[],
    { maxLength, signal }: { readonly maxLength: number; readonly signal?: AbortSignal },
  ): Promise<FetchOutcome> {
    const over = new AbortController();
    const both = signal === undefined ? over.signal : AbortSignal.any([signal, over.signal]);
    const search = this.#search(id, peers, both);
    try {
      const list = await search.list;
      if (list === undefined) return { ok: false, reason: await search.reason };
      if (list.length > maxLength) return tooLong(list.length, maxLength);
      return await this.#bring(id, list, search, both);
    } finally {
      // Who has not described it yet need not any more.
      over.abort();
    }
  }

  async #bring(id: ContentId, list: ChunkList, search: Search, signal: AbortSignal): Promise<FetchOutcome> {
    const part = await this.#store.begin();
    try {
      const clock = this.#clock === undefined ? {} : { clock: this.#clock };
      const race = new ChunkRace({ mesh: this.#mesh, id, list, part, signal, ...clock });
      search.follow(race);
      const missing = await race.run();
      if (missing === undefined) {
        await part.finish();
        return { ok: true };
      }
      await part.abandon();
      return { ok: false, reason: missing };
    } catch (error) {
      await part.abandon();
      if (error instanceof ContentStoreFull) return { ok: false, reason: error.message };
      throw error;
    }
  }

  /** Asks everyone at once; whoever has it describes it alike, or its description is false. */
  #search(id: ContentId, peers: readonly PeerId[], signal: AbortSignal): Search {
    const first = Promise.withResolvers<ChunkList | undefined>();
    const holders: PeerId[] = [];
    const reasons = new Set<string>();
    let race: ChunkRace | undefined;
    const asked = Promise.all(
      peers.map(async (peer) => {
        const answer = await this.#describe(id, peer, signal);
        if (typeof answer === "string") {
          reasons.add(answer);
          return;
        }
        holders.push(peer);
        race?.join(peer);
        first.resolve(answer);
      }),
    ).then(() => {
      first.resolve(undefined);
      return peers.length === 0 ? "nobody to fetch it from" : `nobody has it: ${[...reasons].join("; ")}`;
    });
    // A call that throws is a bug of ours: it ends the search, too.
    asked.catch(first.reject);
    return {
      list: first.promise,
      reason: asked,
      follow(running) {
        race = running;
        for (const peer of holders) race.join(peer);
        asked.then(
          () => running.close(),
          () => running.close(),
        );
      },
    };
  }

  /** The list of a content that a peer has, or why not. */
  async #describe(id: ContentId, peer: PeerId, signal: AbortSignal): Promise<ChunkList | string> {
    const { methods } = CONTENT_PROTOCOL;
    const options = { timeoutMs: PATIENCE, signal };
    const answer = await this.#mesh.call(peer, CONTENT_PROTOCOL, methods.describe, { id }, options);
    if (!answer.ok) return answer.refusal.text;
    if (answer.value.length <= MAX_CONTENT && isListOf(id, answer.value)) return answer.value;
    this.#mesh.misbehaved(peer, "described a content falsely");
    return "a false description";
  }
}

/** Peers that are asked whether they have a content. */
interface Search {
  /** What it is made of, as soon as one of them said so; undefined when none did. */
  readonly list: Promise<ChunkList | undefined>;
  /** Why none did, when all have answered. */
  readonly reason: Promise<string>;
  /** Lets those who have it join a race, now and as they answer. */
  follow(race: ChunkRace): void;
}

function tooLong(length: number, maxLength: number): FetchOutcome {
  return { ok: false, reason: `it is ${length} bytes long, more than ${maxLength}` };
}
