import { equalBytes } from "#base/lib/bytes.ts";
import type { Mesh, PeerId } from "#sharing/mesh/mesh.ts";
import {
  type ChunkList,
  chunkCount,
  chunkLength,
  HASH_BYTES,
  isListOf,
  leafOf,
  MAX_CONTENT,
} from "./chunk-list.ts";
import { type ChunkStore, ContentStoreFull, type PartialContent } from "./chunk-store.ts";
import type { ContentFetcher, ContentId } from "./content.ts";
import { CONTENT_PROTOCOL } from "./content-messages.ts";

/** Chunks asked of one peer at a time: the next one travels while the last one is checked. */
const LANES = 3;
/** Milliseconds that a chunk may take. */
const PATIENCE = 30_000;

type FetchOutcome = Awaited<ReturnType<ContentFetcher["fetch"]>>;

/** Fetches contents into the store, from several peers at once; each chunk is checked as it comes. */
export class ContentDownloads implements ContentFetcher {
  readonly #mesh: Mesh;
  readonly #store: ChunkStore;
  /** Two that want the same content at the same time share its way in. */
  readonly #running = new Map<ContentId, Promise<FetchOutcome>>();

  constructor(mesh: Mesh, store: ChunkStore) {
    this.#mesh = mesh;
    this.#store = store;
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
    const found = await this.#describe(id, peers, signal);
    if (typeof found === "string") return { ok: false, reason: found };
    const { list, holders } = found;
    if (list.length > maxLength) return tooLong(list.length, maxLength);
    const part = await this.#store.begin();
    try {
      const missing = await new ChunkRace(this.#mesh, id, list, part, signal).run(holders);
      if (missing !== undefined) {
        await part.abandon();
        return { ok: false, reason: missing };
      }
      await part.finish();
      return { ok: true };
    } catch (error) {
      await part.abandon();
      if (error instanceof ContentStoreFull) return { ok: false, reason: error.message };
      throw error;
    }
  }

  /** Asks everyone at once; whoever has it describes it alike, or its description is false. */
  async #describe(
    id: ContentId,
    peers: readonly PeerId[],
    signal: AbortSignal | undefined,
  ): Promise<{ list: ChunkList; holders: PeerId[] } | string> {
    const options = { timeoutMs: PATIENCE, ...(signal === undefined ? {} : { signal }) };
    const holders: PeerId[] = [];
    const reasons: string[] = [];
    let list: ChunkList | undefined;
    await Promise.all(
      peers.map(async (peer) => {
        const { methods } = CONTENT_PROTOCOL;
        const answer = await this.#mesh.call(peer, CONTENT_PROTOCOL, methods.describe, { id }, options);
        if (!answer.ok) reasons.push(answer.refusal.text);
        else if (answer.value.length > MAX_CONTENT || !isListOf(id, answer.value)) {
          this.#mesh.misbehaved(peer, "described a content falsely");
          reasons.push("a false description");
        } else {
          list = answer.value;
          holders.push(peer);
        }
      }),
    );
    if (list !== undefined) return { list, holders };
    return peers.length === 0
      ? "nobody to fetch it from"
      : `nobody has it: ${[...new Set(reasons)].join("; ")}`;
  }
}

/** The chunks of one content, taken by whoever is free; what one fails to bring, another is asked for. */
class ChunkRace {
  readonly #mesh: Mesh;
  readonly #id: ContentId;
  readonly #list: ChunkList;
  readonly #part: PartialContent;
  readonly #signal: AbortSignal | undefined;
  readonly #todo: number[];
  #left: number;

  constructor(
    mesh: Mesh,
    id: ContentId,
    list: ChunkList,
    part: PartialContent,
    signal: AbortSignal | undefined,
  ) {
    this.#mesh = mesh;
    this.#id = id;
    this.#list = list;
    this.#part = part;
    this.#signal = signal;
    this.#left = chunkCount(list.length);
    this.#todo = Array.from({ length: this.#left }, (_, i) => this.#left - 1 - i);
  }

  /** @returns why it is not whole, undefined when it is */
  async run(holders: readonly PeerId[]): Promise<string | undefined> {
    // A peer that failed is left out; what it had taken goes back to the others.
    let able: readonly PeerId[] = holders;
    while (this.#left > 0 && able.length > 0 && this.#signal?.aborted !== true) {
      const failed = new Set<PeerId>();
      const lanes = able.flatMap((peer) => Array.from({ length: LANES }, () => this.#lane(peer, failed)));
      await Promise.all(lanes);
      able = able.filter((peer) => !failed.has(peer));
    }
    if (this.#signal?.aborted === true) return "called off";
    return this.#left === 0 ? undefined : "the peers that had it went away or sent false chunks";
  }

  async #lane(peer: PeerId, failed: Set<PeerId>): Promise<void> {
    while (!failed.has(peer) && this.#signal?.aborted !== true) {
      const index = this.#todo.pop();
      if (index === undefined) return;
      if (await this.#take(peer, index)) {
        this.#left--;
        continue;
      }
      failed.add(peer);
      this.#todo.push(index);
    }
  }

  async #take(peer: PeerId, index: number): Promise<boolean> {
    const options = { timeoutMs: PATIENCE, ...(this.#signal === undefined ? {} : { signal: this.#signal }) };
    const { methods } = CONTENT_PROTOCOL;
    const request = { id: this.#id, index };
    const answer = await this.#mesh.call(peer, CONTENT_PROTOCOL, methods.chunk, request, options);
    if (!answer.ok) return false;
    const { bytes } = answer.value;
    const leaf = this.#list.leaves.subarray(HASH_BYTES * index, HASH_BYTES * (index + 1));
    if (bytes.length !== chunkLength(this.#list.length, index) || !equalBytes(leafOf(bytes), leaf)) {
      this.#mesh.misbehaved(peer, "sent a false chunk");
      return false;
    }
    await this.#part.write(index, bytes);
    return true;
  }
}

function tooLong(length: number, maxLength: number): FetchOutcome {
  return { ok: false, reason: `it is ${length} bytes long, more than ${maxLength}` };
}
