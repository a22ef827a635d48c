/**
 * What this renter has seen of each host: how fast it answers, which audits it passed, what trouble it declared, how
 * long it has been known, since when it is away. Judgement is local and earned; nothing here is told to others.
 */
import { z } from "zod";
import type { Clock } from "#base/lib/clock.ts";
import { decodeCbor, encodeCbor } from "#sharing/mesh/cbor.ts";
import type { Mesh, PeerId, PeerView } from "#sharing/mesh/mesh.ts";
import { netgroupOf } from "#sharing/mesh/netgroup.ts";
import { integer, textUpTo } from "#sharing/mesh/schema.ts";
import type { RenterPolicy } from "./policy.ts";

/** Name under which hosts offer storage through the mesh. */
export const STORAGE_OFFER = "storage";

/** What is kept of a host across restarts. Times are milliseconds since 1970. */
export interface HostRecord {
  readonly peer: PeerId;
  readonly firstSeen: number;
  /** When it was last connected. */
  lastSeen: number;
  /** Audits it passed. */
  proven: number;
  /** When it last passed one, or stored something; 0 for never. */
  lastProven: number;
  /** Uploads, reads and audits that failed, halved with every epoch that it passes. */
  failures: number;
  /** Why it is trusted with nothing any more: it answered an audit wrong. */
  cheat?: string | undefined;
}

const hostRecord: z.ZodType<HostRecord> = z.strictObject({
  peer: textUpTo(64),
  firstSeen: integer(0),
  lastSeen: integer(0),
  proven: integer(0),
  lastProven: integer(0),
  failures: integer(0),
  cheat: textUpTo(200).optional(),
});

/** What is known of a host for as long as this process runs. */
interface HostMoment {
  /** Moving average of how long one request took, milliseconds. */
  latencyMs: number | undefined;
  /** Bytes a second it took or gave, moving average. */
  rate: number | undefined;
  /** What it declared: full, failing. */
  trouble: string | undefined;
  /** Refused us or did not answer; the last to be asked for new shards before this time, by the monotonic clock. */
  restUntil: number;
}

/** How a host stands, for placing and for the health of its shards. */
export type HostState = "ready" | "away" | "missing" | "dead" | "cheat";

const REST_MS = 30_000;
/**
 * Whoever offers storage is recorded while there are fewer records; beyond, only who takes or holds something of ours:
 * identities cost nothing, and records are kept on disk.
 */
const MOST_MET = 2_000;
/** Nobody counts as missing or dead until this machine has been awake for so long that whoever is there was met. */
const MEET_MS = 15 * 60_000;
/** A clock that moved so much more, or less, than time passed: this machine slept, or its clock was set. */
const JUMP_MS = 60_000;

export class HostBook {
  readonly #records = new Map<PeerId, HostRecord>();
  readonly #moments = new Map<PeerId, HostMoment>();
  readonly #mesh: Mesh;
  readonly #clock: Clock;
  readonly #policy: RenterPolicy;
  /** Records that changed since they were last taken. */
  readonly #dirty = new Set<PeerId>();
  /** Since when hosts can be met, by the monotonic clock. */
  #awakeSince: number;
  /** What the time of day is ahead of the monotonic clock. */
  #lead: number;

  constructor(dependencies: { mesh: Mesh; clock: Clock; policy: RenterPolicy }) {
    this.#mesh = dependencies.mesh;
    this.#clock = dependencies.clock;
    this.#policy = dependencies.policy;
    this.#awakeSince = this.#clock.monotonic();
    this.#lead = this.#clock.now() - this.#awakeSince;
  }

  /** Takes over what was kept. Bytes that are no record of ours are passed over: they are only judgement. */
  load(bytes: Uint8Array): void {
    const parsed = hostRecord.safeParse(decodeCbor(bytes));
    if (parsed.success) this.#records.set(parsed.data.peer, parsed.data);
  }

  /** What is to be kept: records that changed since the last call. */
  takeChanges(): { readonly peer: PeerId; readonly bytes: Uint8Array }[] {
    const changed = [...this.#dirty].map((peer) => ({
      peer,
      bytes: encodeCbor({ ...this.#records.get(peer)! }),
    }));
    this.#dirty.clear();
    return changed;
  }

  /** Notes who is connected now. Call it from time to time. */
  observe(): void {
    for (const view of this.#mesh.peers()) this.observeOne(view);
  }

  /** Notes that a host is connected. Call it at every change of the mesh. */
  observeOne({ peer, connected, offers }: PeerView): void {
    if (!connected || offers[STORAGE_OFFER] === undefined) return;
    if (this.#records.has(peer) || this.#records.size < MOST_MET) {
      this.#record(peer).lastSeen = this.#clock.now();
    }
  }

  /** It was here until now. */
  noteGone(peer: PeerId): void {
    this.#record(peer).lastSeen = this.#clock.now();
  }

  record(peer: PeerId): HostRecord | undefined {
    return this.#records.get(peer);
  }

  state(peer: PeerId): HostState {
    const record = this.#records.get(peer);
    if (record?.cheat !== undefined) return "cheat";
    const view = this.#mesh.view(peer);
    if (view?.connected === true) return "ready";
    if (view?.standing === "banned") return "dead";
    // A host that a restored log names was never seen here: it has been away since this process knows of it.
    const { lastSeen } = this.#record(peer);
    // While this machine was off or asleep nobody could come; who is there comes soon now.
    if (this.#untilMet() > 0) return "away";
    const away = (this.#clock.now() - lastSeen) / 1000;
    if (away >= this.#policy.deadSeconds) return "dead";
    return away >= this.#policy.awaySeconds ? "missing" : "away";
  }

  /** Milliseconds until whoever is there was met, zero or below once that is so. */
  #untilMet(): number {
    const { awaySeconds, deadSeconds } = this.#policy;
    this.#noteJump();
    const most = Math.min(MEET_MS, 1000 * awaySeconds, 1000 * deadSeconds);
    return this.#awakeSince + most - this.#clock.monotonic();
  }

  #noteJump(): void {
    const now = this.#clock.now();
    const monotonic = this.#clock.monotonic();
    const jump = now - monotonic - this.#lead;
    this.#lead = now - monotonic;
    if (Math.abs(jump) < JUMP_MS) return;
    this.#awakeSince = monotonic;
    // What a clock that was set back left in the future would keep its host from ever being missed.
    for (const record of this.#records.values()) record.lastSeen = Math.min(record.lastSeen, now);
  }

  /** When the state of a host that stays away will be another, milliseconds since 1970; undefined for never. */
  changesAt(peer: PeerId): number | undefined {
    const state = this.state(peer);
    if (state !== "away" && state !== "missing") return undefined;
    const { awaySeconds, deadSeconds } = this.#policy;
    const most = state === "away" ? Math.min(awaySeconds, deadSeconds) : deadSeconds;
    const { lastSeen } = this.#record(peer);
    return Math.max(lastSeen + 1000 * most, this.#clock.now() + this.#untilMet());
  }

  /** Hosts that can be asked for something now. */
  ready(): readonly PeerView[] {
    return this.#mesh
      .peers()
      .filter((view) => view.connected && view.standing !== "banned" && this.state(view.peer) === "ready");
  }

  /** Hosts that hold something or may, away or not; those that are dead or cheated do not count. */
  get living(): number {
    return [...this.#records.keys()].filter((peer) => !["dead", "cheat"].includes(this.state(peer))).length;
  }

  /** Hosts that may get new shards now. */
  candidates(): readonly PeerView[] {
    return this.ready().filter(
      ({ peer, offers }) =>
        offers[STORAGE_OFFER] !== undefined && this.#moments.get(peer)?.trouble === undefined,
    );
  }

  /** What hosts that are here gave as the reason for taking nothing: for people. Empty, or begins with "; ". */
  troublesText(): string {
    const texts = this.ready().flatMap(({ peer, name }) => {
      const trouble = this.#moments.get(peer)?.trouble;
      return trouble === undefined ? [] : [`; ${name || peer}: ${trouble.slice(0, 250)}`];
    });
    return texts.slice(0, 3).join("");
  }

  /** Whether a host failed us just now: it is the last to be asked for new shards. */
  isResting(peer: PeerId): boolean {
    return (this.#moments.get(peer)?.restUntil ?? 0) > this.#clock.monotonic();
  }

  /** Whether a host passed an audit, or took a shard, within the last two epochs. */
  isProven(peer: PeerId): boolean {
    const record = this.#records.get(peer);
    return record !== undefined && this.#clock.now() - record.lastProven <= 2000 * this.#policy.epochSeconds;
  }

  /** Expected milliseconds for one request of `bytes`; what is unknown is guessed at the mesh's round trip. */
  expectedMs(peer: PeerId, bytes: number): number {
    const moment = this.#moments.get(peer);
    const latency = moment?.latencyMs ?? this.#mesh.view(peer)?.latencyMs ?? 100;
    const failures = this.#records.get(peer)?.failures ?? 0;
    return (latency + (moment?.rate === undefined ? 0 : (1000 * bytes) / moment.rate)) * (1 + failures);
  }

  view(peer: PeerId): PeerView | undefined {
    return this.#mesh.view(peer);
  }

  /** The network an operator is likely to hold whole; a host whose address is not known is a group of its own. */
  netgroup(view: PeerView): string {
    const group = netgroupOf(view.ip);
    return group === "unknown" ? view.peer : group;
  }

  noteSuccess(peer: PeerId, ms: number, bytes: number): void {
    const moment = this.#moment(peer);
    // Only small requests tell the latency, only large ones the rate.
    if (bytes < 65_536) moment.latencyMs = average(moment.latencyMs, ms);
    else moment.rate = average(moment.rate, (1000 * bytes) / Math.max(1, ms));
    moment.restUntil = 0;
  }

  /** It stored a shard, or passed an audit. */
  noteProof(peer: PeerId, kind: "stored" | "audited"): void {
    const record = this.#record(peer);
    record.lastProven = this.#clock.now();
    record.lastSeen = record.lastProven;
    this.#moment(peer).trouble = undefined;
    if (kind === "stored") return;
    record.proven++;
    record.failures = record.failures >> 1;
  }

  noteFailure(peer: PeerId): void {
    const record = this.#record(peer);
    record.failures = Math.min(1000, record.failures + 1);
    this.#moment(peer).restUntil = this.#clock.monotonic() + REST_MS;
  }

  noteTrouble(peer: PeerId, trouble: string | undefined): void {
    this.#moment(peer).trouble = trouble;
  }

  noteCheat(peer: PeerId, reason: string): void {
    this.#record(peer).cheat = reason.slice(0, 200);
  }

  /** Hosts of which something is kept. */
  known(): readonly HostRecord[] {
    return [...this.#records.values()];
  }

  #record(peer: PeerId): HostRecord {
    let record = this.#records.get(peer);
    if (record === undefined) {
      const now = this.#clock.now();
      record = { peer, firstSeen: now, lastSeen: now, proven: 0, lastProven: 0, failures: 0 };
      this.#records.set(peer, record);
    }
    this.#dirty.add(peer);
    return record;
  }

  #moment(peer: PeerId): HostMoment {
    let moment = this.#moments.get(peer);
    if (moment === undefined) {
      moment = { latencyMs: undefined, rate: undefined, trouble: undefined, restUntil: 0 };
      this.#moments.set(peer, moment);
    }
    return moment;
  }
}

function average(before: number | undefined, value: number): number {
  return before === undefined ? value : 0.7 * before + 0.3 * value;
}
