/**
 * Watches over what is stored: audits every host each epoch, takes note of losses, and makes lost shards anew on other
 * hosts. A slab is repaired when so many of its hosts are away that it stands at the threshold, and at once when a
 * shard is known to be gone: its host dead, caught lying, or sorry to have lost it.
 */
import { toHex } from "#base/lib/bytes.ts";
import type { Clock } from "#base/lib/clock.ts";
import { Signal } from "#base/lib/events.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { Random } from "#base/lib/random.ts";
import type { Mesh, PeerId } from "#sharing/mesh/mesh.ts";
import type { SlabHealth } from "../file-store.ts";
import { auditEpoch } from "./audit-epoch.ts";
import { repairThreshold } from "./choose-scheme.ts";
import type { HostState } from "./host-book.ts";
import { type HostChanges, HostPresence } from "./host-presence.ts";
import { place } from "./placement.ts";
import type { RenterPolicy } from "./policy.ts";
import { SlabUnreadableError } from "./read-slab.ts";
import { remakeShards } from "./remake-shards.ts";
import type { Renter } from "./renter.ts";
import type { ShardState, SlabId, SlabRecord } from "./slab.ts";
import type { SlabBook } from "./slab-book.ts";
import { SlabUpload } from "./upload-slab.ts";

export interface WatchDependencies {
  readonly mesh: Mesh;
  readonly book: SlabBook;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly renter: Renter;
}

/** A slab whose health changed. */
export interface SlabChange {
  readonly slab: SlabRecord;
  readonly health: SlabHealth;
}

/** A host of slabs whose standing changed. */
export interface HolderChange {
  readonly host: PeerId;
  readonly state: HostState;
  /** Shards that it should have. */
  readonly shards: number;
}

/** Repair began, or ended. */
export interface RepairChange extends Omit<WatchReport, "slabs"> {
  readonly state: "begun" | "ended";
  /** Slabs that needed it when it began. */
  readonly slabs: number;
}

/** What one look at all slabs showed. */
export interface WatchReport {
  readonly slabs: number;
  /** Shards made anew and stored. */
  readonly repaired: number;
  /** Slabs that stay below their full number for want of hosts. */
  readonly waiting: number;
  /** Slabs that fewer than k shards are left of. */
  readonly unreadable: number;
}

const REPAIRS_AT_ONCE = 2;
/** Slabs that are told one by one when a host's standing changes; a reader's stream holds no thousands. */
const SLABS_TOLD = 64;
/** What went wrong is looked at again so soon, milliseconds; then twice as long each time. */
const SOON_MS = 250;

export class SlabWatch {
  readonly changed = new Signal<SlabChange>();
  readonly holderChanged = new Signal<HolderChange>();
  readonly repairChanged = new Signal<RepairChange>();
  readonly #presence: HostPresence;
  readonly #policy: RenterPolicy;
  readonly #d: WatchDependencies;
  /** Shards that are gone though their host is here, by slab. */
  readonly #lost = new Map<SlabId, Set<number>>();
  readonly #repairing = new Map<SlabId, Set<number>>();
  #cancelEpoch: (() => void) | undefined;
  #cancelSoon: (() => void) | undefined;
  #running: Promise<WatchReport> | undefined;
  #again = false;
  #inEpoch = false;
  readonly #guarded = new Set<Promise<void>>();
  #stopped = false;
  #off: (() => void) | undefined;

  constructor(policy: RenterPolicy, dependencies: WatchDependencies) {
    this.#policy = policy;
    this.#d = dependencies;
    const { renter, clock } = dependencies;
    this.#presence = new HostPresence(renter.hosts, clock, (error) => this.#failed(error));
  }

  /** Begins to watch: an epoch from now, and whenever a host goes. */
  start(): void {
    this.#off = this.#d.mesh.changed.on(({ kind, view }) => {
      const { hosts } = this.#d.renter;
      const wasKnown = hosts.record(view.peer) !== undefined;
      hosts.observeOne(view);
      const isHost = hosts.record(view.peer) !== undefined;
      if (isHost && (kind === "disconnected" || kind === "banned")) hosts.noteGone(view.peer);
      if (isHost) this.#presence.look(view.peer);
      // Whoever comes may hold, or take, what is missing; some say only later that they are hosts.
      if (kind === "connected" || (isHost && !wasKnown)) this.repairSoon();
    });
    this.#presence.changed.on((changes) => this.#hostsChanged(changes));
    this.#d.renter.hosts.observe();
    this.#presence.look();
    this.#scheduleEpoch();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#off?.();
    this.#cancelEpoch?.();
    this.#cancelSoon?.();
    this.#presence.stop();
    await this.#running?.catch(() => {});
  }

  /** A host says, or an audit showed, that it does not have a shard. */
  lost(id: SlabId, index: number): void {
    const indices = this.#lost.get(id) ?? new Set();
    if (indices.has(index)) return;
    indices.add(index);
    this.#lost.set(id, indices);
    this.#guard(this.#tell(id));
    this.repairSoon();
  }

  /** Shards lie on these hosts now. */
  async moved(id: SlabId, shards: ReadonlyMap<number, PeerId>): Promise<void> {
    const lost = this.#lost.get(id);
    for (const index of shards.keys()) lost?.delete(index);
    if (lost?.size === 0) this.#lost.delete(id);
    if (await this.#d.book.moved(id, shards)) await this.#tell(id);
  }

  health(slab: SlabRecord): SlabHealth {
    return {
      slab: slab.id,
      needed: slab.scheme.needed,
      shards: slab.shards.map(({ host }, i) => ({ host, state: this.shardState(slab, i) })),
    };
  }

  shardState(slab: SlabRecord, index: number): ShardState {
    if (this.#repairing.get(slab.id)?.has(index) === true) return "repairing";
    if (this.#isGone(slab, index) || this.#isMissing(slab, index)) return "lost";
    const { host } = slab.shards[index]!;
    const { hosts } = this.#d.renter;
    return hosts.state(host) === "ready" && hosts.isProven(host) ? "stored" : "unproven";
  }

  /** Known to be gone: its place must be filled at once. */
  #isGone(slab: SlabRecord, index: number): boolean {
    const { host } = slab.shards[index]!;
    if (host === "" || this.#lost.get(slab.id)?.has(index) === true) return true;
    const state = this.#d.renter.hosts.state(host);
    return state === "dead" || state === "cheat";
  }

  /** Its host has been away for long, and may come back. */
  #isMissing(slab: SlabRecord, index: number): boolean {
    const { host } = slab.shards[index]!;
    return host !== "" && this.#d.renter.hosts.state(host) === "missing";
  }

  /** The shards of a slab that are to be made anew now. */
  #wanted(slab: SlabRecord): number[] {
    const indices = [...slab.shards.keys()];
    const gone = indices.filter((index) => this.#isGone(slab, index));
    const missing = indices.filter((index) => this.#isMissing(slab, index));
    const sound = slab.scheme.total - gone.length - missing.length;
    return missing.length > 0 && sound <= repairThreshold(slab.scheme) ? [...gone, ...missing] : gone;
  }

  #scheduleEpoch(): void {
    this.#cancelEpoch = this.#d.clock.after(1000 * this.#policy.epochSeconds, () => {
      // One that takes longer than an epoch, with much to repair, is not joined by a second.
      if (!this.#inEpoch) {
        this.#inEpoch = true;
        this.#guard(
          this.epoch().finally(() => {
            this.#inEpoch = false;
          }),
        );
      }
      this.#scheduleEpoch();
    });
  }

  /** Tells of the hosts, and of slabs that they hold shards of; what is lost with them is repaired. */
  async #hostsChanged(changes: HostChanges): Promise<void> {
    if (this.#stopped) return;
    const shards = new Map<PeerId, number>();
    let told = 0;
    for await (const slab of this.#d.book.slabs()) {
      let isTouched = false;
      for (const { host } of slab.shards) {
        if (host === "" || !changes.has(host)) continue;
        shards.set(host, (shards.get(host) ?? 0) + 1);
        isTouched = true;
      }
      if (isTouched && told++ < SLABS_TOLD) await this.changed.emit({ slab, health: this.health(slab) });
    }
    for (const [host, count] of shards) {
      await this.holderChanged.emit({ host, state: changes.get(host)!, shards: count });
    }
    if ([...changes.values()].some((state) => state !== "ready" && state !== "away")) this.repairSoon(1);
  }

  /** Looks for what needs repair, soon: what happens together is met together. */
  repairSoon(delay = SOON_MS): void {
    if (this.#stopped || this.#cancelSoon !== undefined) return;
    this.#cancelSoon = this.#d.clock.after(delay, () => {
      this.#cancelSoon = undefined;
      this.#guard(this.repairAll());
    });
  }

  /** Resolves when no epoch and no repair is under way. */
  async settled(): Promise<void> {
    while (this.#guarded.size > 0) await Promise.all(this.#guarded);
  }

  #guard(work: Promise<unknown>): void {
    const guarded = this.#report(work).finally(() => this.#guarded.delete(guarded));
    this.#guarded.add(guarded);
  }

  async #report(work: Promise<unknown>): Promise<void> {
    try {
      await work;
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    if (this.#stopped) return;
    this.#d.log.error(`storage: ${error instanceof Error ? (error.stack ?? error.message) : error}`);
  }

  /** One epoch: every host is asked for its trouble and losses and audited; then what needs it is repaired. */
  async epoch(): Promise<WatchReport> {
    const { renter, book, random, log } = this.#d;
    renter.hosts.observe();
    await auditEpoch({
      ...{ renter, book, random, log },
      isLost: (id, index) => this.#lost.get(id)?.has(index) === true,
      lost: (id, index) => this.lost(id, index),
    });
    await renter.pending.clear();
    return await this.repairAll();
  }

  /** Repairs whatever needs it. One pass at a time: who asks meanwhile gets a further one after it. */
  async repairAll(): Promise<WatchReport> {
    while (this.#running !== undefined) {
      this.#again = true;
      await this.#running;
    }
    this.#running = this.#repairPass();
    try {
      return await this.#running;
    } finally {
      this.#running = undefined;
      if (this.#again) {
        this.#again = false;
        this.repairSoon();
      }
    }
  }

  async #repairPass(): Promise<WatchReport> {
    this.#d.renter.hosts.observe();
    const report = { slabs: 0, repaired: 0, waiting: 0, unreadable: 0 };
    const urgent: { id: SlabId; margin: number }[] = [];
    for await (const slab of this.#d.book.slabs()) {
      report.slabs++;
      const wanted = this.#wanted(slab);
      if (wanted.length === 0) continue;
      urgent.push({ id: slab.id, margin: slab.scheme.total - wanted.length - slab.scheme.needed });
    }
    urgent.sort((a, b) => a.margin - b.margin);
    const needed = urgent.length;
    if (needed > 0) await this.#tellRepair("begun", needed, report);
    const work = async (): Promise<void> => {
      for (let next = urgent.shift(); next !== undefined && !this.#stopped; next = urgent.shift()) {
        const outcome = await this.#repair(next.id);
        report.repaired += outcome.repaired;
        if (outcome.left) report.waiting++;
        if (outcome.unreadable) report.unreadable++;
      }
    };
    try {
      await Promise.all(Array.from({ length: REPAIRS_AT_ONCE }, work));
    } finally {
      if (needed > 0) await this.#tellRepair("ended", needed, report);
    }
    return report;
  }

  async #tellRepair(state: "begun" | "ended", slabs: number, report: WatchReport): Promise<void> {
    const { repaired, waiting, unreadable } = report;
    await this.repairChanged.emit({ state, slabs, repaired, waiting, unreadable });
  }

  async #repair(id: SlabId): Promise<{ repaired: number; left: boolean; unreadable: boolean }> {
    const none = { repaired: 0, left: false, unreadable: false };
    const { renter, random, book } = this.#d;
    const slab = await book.get(id);
    const wanted = slab === undefined ? [] : this.#wanted(slab);
    if (slab === undefined || wanted.length === 0) return none;
    const set = new Set(wanted);
    // A host that is here and has lost its shard is not given it again.
    const kept = slab.shards.flatMap(({ host }, i) => {
      const stays = !set.has(i) || renter.hosts.state(host) === "ready";
      return host !== "" && stays ? [host] : [];
    });
    const { places, spares } = place(wanted.length, this.#policy, renter.hosts, random, { hosts: kept });
    if (places.length === 0) return { ...none, left: true };
    const chosen = wanted.slice(0, places.length);
    this.#repairing.set(id, new Set(chosen));
    try {
      await this.#tell(id);
      const repaired = await this.#remake(slab, chosen, places, spares);
      return { repaired, left: repaired < wanted.length, unreadable: false };
    } catch (error) {
      if (!(error instanceof SlabUnreadableError)) throw error;
      this.#d.log.warn(`storage: ${error.message}`);
      return { repaired: 0, left: true, unreadable: true };
    } finally {
      this.#repairing.delete(id);
      await this.#tell(id);
    }
  }

  async #remake(
    slab: SlabRecord,
    chosen: readonly number[],
    places: readonly PeerId[],
    spares: readonly PeerId[],
  ): Promise<number> {
    const { renter, random, clock, book } = this.#d;
    const bytes = await remakeShards(slab, chosen, renter.reading);
    const hosts = [...new Set([...places, ...spares])];
    // Written ahead: whatever becomes of it, no shard stays anywhere that no record names. Old places included.
    const roots = chosen.map((index) => slab.shards[index]!.root);
    const old = chosen.flatMap((index) => {
      const { root, host } = slab.shards[index]!;
      return host === "" ? [] : [{ root, host }];
    });
    const pending = toHex(random.fill(new Uint8Array(16)));
    renter.pending.hold(pending);
    let lift = (): void => {};
    try {
      const targets = hosts.flatMap((host) => roots.map((root) => ({ root, host })));
      await book.keepPending({
        id: pending,
        slab: slab.id,
        since: clock.now(),
        shards: [...targets, ...old],
      });
      // A host that had this shard before may still have to drop it.
      lift = await renter.pending.guard(targets);
      const upload = new SlabUpload(
        {
          shards: chosen.map((_, i) => ({ bytes: bytes[i]!, root: roots[i]! })),
          places,
          spares,
          quorum: chosen.length,
          hedgeMs: this.#policy.hedgeMs,
          newUploadId: () => random.fill(new Uint8Array(16)),
        },
        renter.client,
        clock,
      );
      await upload.settled;
      const moved = new Map<number, PeerId>();
      for (const [i, host] of upload.result.hosts.entries()) {
        if (host === "") continue;
        moved.set(chosen[i]!, host);
        renter.settlements.stored(host, roots[i]!, bytes[i]!.length);
      }
      if (moved.size > 0) await this.moved(slab.id, moved);
      return moved.size;
    } finally {
      lift();
      renter.pending.release(pending);
    }
  }

  async #tell(id: SlabId): Promise<void> {
    const slab = await this.#d.book.get(id);
    if (slab !== undefined) await this.changed.emit({ slab, health: this.health(slab) });
  }
}
