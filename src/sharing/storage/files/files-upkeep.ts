/**
 * What goes on behind reads and writes: taking in what other machines wrote, giving the head to hosts that come,
 * snapshots, packing small slabs, dropping what nothing refers to, and telling how all slabs stand.
 */
import type { Clock } from "#base/lib/clock.ts";
import { Signal } from "#base/lib/events.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { Mesh, PeerId, PeerView } from "#sharing/mesh/mesh.ts";
import { FileError } from "../file-store.ts";
import { type HostState, STORAGE_OFFER } from "../renter/host-book.ts";
import type { RenterPolicy } from "../renter/policy.ts";
import type { Renter } from "../renter/renter.ts";
import type { ShardState } from "../renter/slab.ts";
import type { FilesEvent } from "./file-events.ts";
import type { FileIndex } from "./file-index.ts";
import { Garbage } from "./garbage.ts";
import { takeSnapshot } from "./log-snapshot.ts";
import { type SyncReport, syncLog } from "./log-sync.ts";
import type { MetadataLog } from "./metadata-log.ts";
import { Repack } from "./repack.ts";

/** As `FilesStatus` of the doors. */
export interface FilesSummary {
  readonly objects: number;
  readonly bytes: number;
  readonly slabs: number;
  readonly shards: Readonly<Record<ShardState, number>>;
  readonly hosts: readonly {
    readonly peer: PeerId;
    readonly name: string;
    readonly shards: number;
    readonly proven: boolean;
    readonly state: HostState;
  }[];
}

export interface UpkeepDependencies {
  readonly index: FileIndex;
  readonly renter: Renter;
  readonly log: MetadataLog;
  readonly mesh: Mesh;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly policy: RenterPolicy;
}

/** Segments after which a snapshot is taken. */
const SNAPSHOT_SEGMENTS = 64;
/** Peers that come together are asked together, milliseconds. */
const SYNC_DELAY_MS = 100;

export class FilesUpkeep {
  readonly changed = new Signal<FilesEvent>();
  readonly #d: UpkeepDependencies;
  #cancelSync: (() => void) | undefined;
  #cancelRound: (() => void) | undefined;
  #syncing: Promise<SyncReport> | undefined;
  #hasSynced = false;
  /** Peers that were asked since they connected, and those that are to be. */
  readonly #asked = new Set<PeerId>();
  readonly #toAsk = new Set<PeerId>();
  #working: Promise<void> = Promise.resolve();
  #offs: (() => void)[] = [];
  #stopped = false;

  readonly #repack: Repack;
  readonly #garbage: Garbage;

  constructor(dependencies: UpkeepDependencies) {
    this.#d = dependencies;
    this.#repack = new Repack(dependencies);
    this.#garbage = new Garbage(dependencies);
  }

  start(): void {
    const { renter, mesh } = this.#d;
    this.#offs = [
      mesh.changed.on(({ kind, view }) => {
        if (kind === "connected" || kind === "changed") this.#met(view);
        else this.#asked.delete(view.peer);
      }),
      renter.watch.changed.on(({ slab, health }) =>
        this.changed.emit({ type: "slab", slab: slab.id, health }),
      ),
      renter.watch.holderChanged.on(({ host, state, shards }) =>
        this.changed.emit({ type: "holder", peer: host, name: mesh.view(host)?.name ?? "", state, shards }),
      ),
      renter.watch.repairChanged.on((change) => this.changed.emit({ type: "repair", ...change })),
    ];
    renter.watch.start();
    this.#syncSoon();
    this.#scheduleRound();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const off of this.#offs) off();
    this.#cancelSync?.();
    this.#cancelRound?.();
    await this.#syncing?.catch(() => {});
    await this.#working;
  }

  /** Takes in what is new at the hosts. One at a time; who asks meanwhile gets the next. */
  async sync(peers?: ReadonlySet<PeerId>): Promise<SyncReport> {
    while (this.#syncing !== undefined) await this.#syncing.catch(() => {});
    const { index, log, renter, logger } = this.#d;
    this.#syncing = syncLog({ index, log, renter, logger }, peers);
    try {
      const report = await this.#syncing;
      if (report.unread === 0 && report.answers >= log.enoughAnswers) renter.pending.clearEarlier();
      return report;
    } finally {
      this.#syncing = undefined;
    }
  }

  /** Someone came who may hold heads that nobody had, or room for ours. Asked once a connection. */
  #met({ peer, connected, offers }: PeerView): void {
    if (!connected || this.#asked.has(peer) || offers[STORAGE_OFFER] === undefined) return;
    this.#asked.add(peer);
    this.#toAsk.add(peer);
    this.#syncSoon();
  }

  #syncSoon(): void {
    if (this.#cancelSync !== undefined || this.#stopped) return;
    this.#cancelSync = this.#d.clock.after(SYNC_DELAY_MS, () => {
      this.#cancelSync = undefined;
      this.#run("asking for heads", async () => {
        const peers = new Set(this.#toAsk);
        this.#toAsk.clear();
        const { unread } = await this.sync(this.#hasSynced ? peers : undefined);
        await this.#d.log.spread();
        // What could not be read yet may be with the next who comes.
        this.#hasSynced = unread === 0;
      });
    });
  }

  #scheduleRound(): void {
    const ms = 1000 * this.#d.policy.epochSeconds;
    this.#cancelRound = this.#d.clock.after(ms, () => {
      this.#run("upkeep", async () => {
        // Another machine under the same words may have written meanwhile, while all stayed connected.
        await this.sync();
        await this.#chores();
      });
      this.#scheduleRound();
    });
  }

  /** Work in the background, one after the other; what fails is told and tried again next time. */
  #run(what: string, work: () => Promise<void>): void {
    this.#working = this.#working.then(async () => {
      if (this.#stopped) return;
      try {
        await work();
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error);
        if (error instanceof FileError) this.#d.logger.info(`storage: ${what}: ${text}`);
        else if (!this.#stopped) this.#d.logger.error(`storage: ${what}: ${text}`);
      }
    });
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    await this.#working;
    await this.#syncing?.catch(() => {});
    await this.#d.renter.watch.settled();
  }

  /** Everything that an epoch does, at once. @throws FileError when too few hosts can be reached. */
  async round(): Promise<void> {
    await this.sync();
    await this.#d.renter.watch.epoch();
    await this.#chores();
    await this.#d.renter.pending.clear();
  }

  async #chores(): Promise<void> {
    const { index, renter, log } = this.#d;
    await index.tellMoves();
    await this.#garbage.drop();
    await log.spread();
    await index.keepHosts(renter.hosts);
    if (log.state.segments >= SNAPSHOT_SEGMENTS) await this.snapshot();
    // Last, what can wait: it needs hosts that take new slabs.
    await this.#repack.round();
    await this.#garbage.dropRetired(() => this.snapshot());
  }

  /** Writes a snapshot of the log now. */
  async snapshot(): Promise<void> {
    const { index, renter, log, clock } = this.#d;
    await takeSnapshot(index, renter, () => log.state, clock.now());
  }

  async summary(): Promise<FilesSummary> {
    const { index, renter, mesh } = this.#d;
    const shards: Record<ShardState, number> = { stored: 0, unproven: 0, lost: 0, repairing: 0 };
    const byHost = new Map<PeerId, number>();
    for await (const slab of index.slabs()) {
      for (const [i, { host }] of slab.shards.entries()) {
        shards[renter.watch.shardState(slab, i)]++;
        if (host !== "") byHost.set(host, (byHost.get(host) ?? 0) + 1);
      }
    }
    const { objects, bytes, slabs } = await index.view().totals();
    const hosts = [...byHost].map(([peer, count]) => ({
      peer,
      name: mesh.view(peer)?.name ?? "",
      shards: count,
      proven: renter.hosts.state(peer) === "ready" && renter.hosts.isProven(peer),
      state: renter.hosts.state(peer),
    }));
    return { objects, bytes, slabs, shards, hosts };
  }
}
