import { equalBytes } from "#base/lib/bytes.ts";
import { type Clock, systemClock } from "#base/lib/clock.ts";
import type { Mesh, PeerId } from "#sharing/mesh/mesh.ts";
import { type ChunkList, chunkCount, chunkLength, HASH_BYTES, leafOf } from "./chunk-list.ts";
import type { PartialContent } from "./chunk-store.ts";
import type { ContentId } from "./content.ts";
import { CONTENT_PROTOCOL } from "./content-messages.ts";

/** Chunks asked of one peer at a time: the next one travels while the last one is checked. */
const LANES = 3;
/** Milliseconds that a chunk may take. */
const PATIENCE = 30_000;
/** Milliseconds after which a chunk is asked of a second peer too, when that one has nothing else to do. */
const SECOND_TRY = 2_000;

export interface ChunkRaceParts {
  readonly mesh: Mesh;
  readonly id: ContentId;
  readonly list: ChunkList;
  readonly part: PartialContent;
  readonly signal: AbortSignal;
  readonly clock?: Clock;
}

/** One asking of one peer for one chunk. */
interface Attempt {
  readonly peer: PeerId;
  readonly index: number;
  /** By the monotonic clock. */
  readonly began: number;
  readonly controller: AbortController;
}

/**
 * The chunks of one content on their way in. Whoever is free takes the next; what one fails to bring goes to another;
 * and when nothing is left to take, those who are idle are asked for what another is slow with. Holders may join while
 * it runs.
 */
export class ChunkRace {
  readonly #parts: ChunkRaceParts;
  readonly #clock: Clock;
  /** Chunks that nobody was asked for yet, or that came back, last first. */
  readonly #todo: number[];
  readonly #underWay = new Set<Attempt>();
  readonly #joined = new Set<PeerId>();
  /** A peer that failed is left out. */
  readonly #able = new Set<PeerId>();
  readonly #lanes: Promise<void>[] = [];
  readonly #ended = Promise.withResolvers<void>();
  readonly #ending = new AbortController();
  #left: number;
  #isClosed = false;
  #error: unknown;
  #waiting: (() => void)[] = [];

  constructor(parts: ChunkRaceParts) {
    this.#parts = parts;
    this.#clock = parts.clock ?? systemClock;
    this.#left = chunkCount(parts.list.length);
    this.#todo = Array.from({ length: this.#left }, (_, i) => this.#left - 1 - i);
  }

  /** A peer that has the content takes part from now on. */
  join(peer: PeerId): void {
    if (this.#joined.has(peer) || this.#ending.signal.aborted) return;
    this.#joined.add(peer);
    this.#able.add(peer);
    for (let i = 0; i < LANES; i++) this.#lanes.push(this.#lane(peer));
  }

  /** Nobody else will join: with the last able peer the race is over. */
  close(): void {
    this.#isClosed = true;
    this.#wake();
  }

  /** @returns why it is not whole, undefined when it is; nothing is written any more once it resolves. @throws what the disk threw */
  async run(): Promise<string | undefined> {
    const onAbort = (): void => this.#wake();
    this.#parts.signal.addEventListener("abort", onAbort, { once: true });
    this.#wake();
    await this.#ended.promise;
    this.#parts.signal.removeEventListener("abort", onAbort);
    await Promise.all(this.#lanes);
    if (this.#error !== undefined) throw this.#error;
    if (this.#left === 0) return undefined;
    return this.#parts.signal.aborted ? "called off" : "the peers that had it went away or sent false chunks";
  }

  /** Something changed: lanes that wait look again, or all is over. */
  #wake(): void {
    const isOver =
      this.#left === 0 ||
      this.#error !== undefined ||
      this.#parts.signal.aborted ||
      (this.#isClosed && this.#able.size === 0);
    if (isOver && !this.#ending.signal.aborted) {
      this.#ending.abort();
      this.#ended.resolve();
    }
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const look of waiting) look();
  }

  async #lane(peer: PeerId): Promise<void> {
    while (this.#able.has(peer) && !this.#ending.signal.aborted) {
      const index = this.#todo.pop() ?? this.#slowOne(peer);
      if (index === undefined) await this.#change();
      else await this.#attempt(peer, index);
    }
  }

  /** A chunk that another peer is slow to bring, and nobody else was asked for. */
  #slowOne(peer: PeerId): number | undefined {
    const before = this.#clock.monotonic() - SECOND_TRY;
    const attempts = [...this.#underWay];
    return attempts.find(
      ({ index, peer: other, began }) =>
        other !== peer && began <= before && attempts.filter((one) => one.index === index).length === 1,
    )?.index;
  }

  /** Until something changes, or a chunk under way may have become slow. */
  #change(): Promise<void> {
    return new Promise((resolve) => {
      const stop = this.#clock.after(SECOND_TRY, resolve);
      this.#waiting.push(() => {
        stop();
        resolve();
      });
    });
  }

  async #attempt(peer: PeerId, index: number): Promise<void> {
    const controller = new AbortController();
    const attempt = { peer, index, began: this.#clock.monotonic(), controller };
    this.#underWay.add(attempt);
    try {
      const bytes = await this.#ask(attempt);
      this.#underWay.delete(attempt);
      if (controller.signal.aborted || this.#ending.signal.aborted) return;
      if (bytes === undefined) this.#fail(attempt);
      else await this.#take(index, bytes);
    } catch (error) {
      this.#error ??= error;
    }
    this.#wake();
  }

  #fail({ peer, index }: Attempt): void {
    this.#able.delete(peer);
    const isAsked = [...this.#underWay].some((other) => other.index === index);
    if (!isAsked) this.#todo.push(index);
  }

  async #take(index: number, bytes: Uint8Array): Promise<void> {
    for (const other of this.#underWay) if (other.index === index) other.controller.abort();
    await this.#parts.part.write(index, bytes);
    this.#left--;
  }

  /** The chunk, checked; undefined when the peer failed to bring it. */
  async #ask({ peer, index, controller }: Attempt): Promise<Uint8Array | undefined> {
    const { mesh, id, list } = this.#parts;
    const signal = AbortSignal.any([controller.signal, this.#ending.signal]);
    const options = { timeoutMs: PATIENCE, signal };
    const { methods } = CONTENT_PROTOCOL;
    const answer = await mesh.call(peer, CONTENT_PROTOCOL, methods.chunk, { id, index }, options);
    if (!answer.ok) return undefined;
    const { bytes } = answer.value;
    const leaf = list.leaves.subarray(HASH_BYTES * index, HASH_BYTES * (index + 1));
    if (bytes.length === chunkLength(list.length, index) && equalBytes(leafOf(bytes), leaf)) return bytes;
    mesh.misbehaved(peer, "sent a false chunk");
    return undefined;
  }
}
