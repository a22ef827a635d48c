/** The providers that one job knows: who can be given tasks now, who is to be left alone for a while, and who for good. */
import type { Clock } from "#base/lib/clock.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { Mesh, PeerId } from "#sharing/mesh/mesh.ts";
import { decodeOffer } from "../compute-protocol.ts";
import { DOUBLED_FIRST } from "../core/check-policy.ts";
import type { TaskLimits } from "../core/task.ts";
import { RemoteWorker, type RemoteWorkerParts } from "./remote-worker.ts";
import type { TrackRecords } from "./track-record.ts";
import type { Worker } from "./worker.ts";

export interface ProvidersParts extends RemoteWorkerParts {
  readonly mesh: Mesh;
  readonly clock: Clock;
  readonly log: Logger;
  readonly records: TrackRecords;
  /** A provider is ready. */
  readonly wake: () => void;
}

/** Milliseconds for which a provider that went away or refused is left alone, times how often it did; and how often. */
const BACK_OFF = 3_000;
const MOST_AWAY = 4;

interface Standing {
  worker: RemoteWorker | undefined;
  preparing: boolean;
  away: number;
  /** By the monotonic clock: not before. */
  notBefore: number;
  caught: boolean;
  /** It gets nothing more of this job, whatever others give it. */
  left: boolean;
}

export class Providers {
  readonly #parts: ProvidersParts;
  readonly #standings = new Map<PeerId, Standing>();

  constructor(parts: ProvidersParts) {
    this.#parts = parts;
  }

  /** Whether some are being asked right now. */
  get arePreparing(): boolean {
    return [...this.#standings.values()].some(({ preparing }) => preparing);
  }

  /** Asks every connected provider that is not known yet, or that may be tried again. */
  meet(limits: TaskLimits): void {
    const { mesh, clock, records } = this.#parts;
    for (const view of mesh.peers()) {
      const offer = decodeOffer(view.offers["compute"]);
      if (offer === undefined || !view.connected || view.standing === "banned") continue;
      if (records.isShunned(view.account, clock.now())) continue;
      const standing = this.#standingOf(view.peer);
      const rests = standing.notBefore > clock.monotonic() || standing.away > MOST_AWAY;
      const isOut = standing.caught || standing.left;
      if (standing.worker !== undefined || standing.preparing || isOut || rests) continue;
      standing.preparing = true;
      void this.#prepare(standing, new RemoteWorker(view, offer, this.#parts), limits);
    }
  }

  #standingOf(peer: PeerId): Standing {
    const known = this.#standings.get(peer);
    if (known !== undefined) return known;
    const fresh = {
      worker: undefined,
      preparing: false,
      away: 0,
      notBefore: 0,
      caught: false,
      left: false,
    };
    this.#standings.set(peer, fresh);
    return fresh;
  }

  async #prepare(standing: Standing, worker: RemoteWorker, limits: TaskLimits): Promise<void> {
    const reason = await worker.prepare(limits).catch((error: Error) => {
      this.#parts.log.error(`compute: terms with ${worker.peer}: ${error.stack ?? error.message}`);
      return "internal";
    });
    standing.preparing = false;
    if (reason === undefined) standing.worker = worker;
    else {
      this.#parts.log.debug("net", () => `compute: ${worker.peer} is of no use now: ${reason}`);
      this.goneAway(worker.peer);
    }
    this.#parts.wake();
  }

  /** It left, refused, or gave no receipt: it is asked again later. */
  goneAway(peer: PeerId): void {
    const standing = this.#standings.get(peer);
    if (standing === undefined) return;
    standing.away++;
    standing.worker = undefined;
    standing.notBefore = this.#parts.clock.monotonic() + BACK_OFF * standing.away;
  }

  /** It brought a result: what went wrong before was a bad moment. */
  cameThrough(peer: PeerId): void {
    const standing = this.#standings.get(peer);
    if (standing !== undefined) standing.away = 0;
  }

  /** It was caught: it gets nothing more. */
  shun(peer: PeerId): void {
    this.#standingOf(peer).caught = true;
  }

  isCaught(peer: PeerId): boolean {
    return this.#standings.get(peer)?.caught === true;
  }

  /** It is of no use to this job. */
  leave(peer: PeerId): void {
    this.#standingOf(peer).left = true;
  }

  /** Whether one is there, or about to be, that is none of these. */
  haveOther(tried: ReadonlySet<PeerId>): boolean {
    return this.arePreparing || this.ready().some(({ peer }) => !tried.has(peer));
  }

  /** Those who can be given something: proven ones first, the nearest of equals. */
  ready(): RemoteWorker[] {
    const { mesh, records, clock } = this.#parts;
    const now = clock.now();
    const ready = [...this.#standings.values()].flatMap(({ worker, caught, left }) => {
      if (worker === undefined || caught || left) return [];
      // Another machine of its account may have been caught.
      if (records.isShunned(worker.account, now)) return [];
      return mesh.view(worker.peer)?.connected === true ? [worker] : [];
    });
    const passed = (worker: Worker): number => Math.min(DOUBLED_FIRST, records.of(worker.account).passed);
    const latency = (worker: Worker): number => mesh.view(worker.peer)?.latencyMs ?? 1000;
    return ready.sort((a, b) => passed(b) - passed(a) || latency(a) - latency(b));
  }
}
