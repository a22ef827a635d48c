/**
 * Notices when a host's standing changes: it connects, goes, or time makes it missing and then dead. What changes
 * together is told together.
 */
import type { Clock } from "#base/lib/clock.ts";
import { Signal } from "#base/lib/events.ts";
import type { PeerId } from "#sharing/mesh/mesh.ts";
import type { HostBook, HostState } from "./host-book.ts";

/** Hosts whose standing changed, and what it is now. */
export type HostChanges = ReadonlyMap<PeerId, HostState>;

/** What happens together is told so much later, milliseconds. */
const TOGETHER_MS = 250;
/** A timer's longest delay, far below what the platform can count. */
const LONGEST_MS = 86_400_000;

export class HostPresence {
  readonly changed = new Signal<HostChanges>();
  readonly #hosts: HostBook;
  readonly #clock: Clock;
  /** As it was told last. */
  readonly #told = new Map<PeerId, HostState>();
  #untold = new Map<PeerId, HostState>();
  #cancelTell: (() => void) | undefined;
  #cancelLook: (() => void) | undefined;
  #lookAt = Number.POSITIVE_INFINITY;
  readonly #failed: (error: unknown) => void;

  constructor(hosts: HostBook, clock: Clock, failed: (error: unknown) => void) {
    this.#hosts = hosts;
    this.#clock = clock;
    this.#failed = failed;
  }

  /** Looks at one host, or at all that are known. */
  look(peer?: PeerId): void {
    const peers = peer === undefined ? this.#hosts.known().map((record) => record.peer) : [peer];
    for (const one of peers) this.#lookAtOne(one);
    if (this.#untold.size > 0) this.#tellSoon();
  }

  stop(): void {
    this.#cancelTell?.();
    this.#cancelLook?.();
  }

  #lookAtOne(peer: PeerId): void {
    const state = this.#hosts.state(peer);
    const before = this.#told.get(peer);
    this.#told.set(peer, state);
    // Who is met for the first time has nothing of ours, or was told by the slabs that name it.
    if (before !== undefined && before !== state) this.#untold.set(peer, state);
    const next = this.#hosts.changesAt(peer);
    if (next !== undefined) this.#lookLater(next);
  }

  #lookLater(time: number): void {
    if (time >= this.#lookAt) return;
    this.#lookAt = time;
    this.#cancelLook?.();
    const delay = Math.min(LONGEST_MS, Math.max(1, time - this.#clock.now()));
    this.#cancelLook = this.#clock.after(delay, () => {
      this.#lookAt = Number.POSITIVE_INFINITY;
      this.look();
    });
  }

  #tellSoon(): void {
    if (this.#cancelTell !== undefined) return;
    this.#cancelTell = this.#clock.after(TOGETHER_MS, () => {
      this.#cancelTell = undefined;
      const changes = this.#untold;
      this.#untold = new Map();
      this.changed.emit(changes).catch(this.#failed);
    });
  }
}
