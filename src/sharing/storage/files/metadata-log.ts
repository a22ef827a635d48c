/**
 * This machine's chain of log segments: appends, tells the hosts the new head, and reads chains back, its own and
 * those of other machines under the same words.
 */
import { sha256 } from "#base/crypto/sha256.ts";
import { concatBytes, toHex } from "#base/lib/bytes.ts";
import type { Clock } from "#base/lib/clock.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { Random } from "#base/lib/random.ts";
import type { Mesh, PeerId, PeerView } from "#sharing/mesh/mesh.ts";
import { type Scheme, slabCapacity } from "../codec/scheme.ts";
import { FileError } from "../file-store.ts";
import { writeQuorum } from "../renter/choose-scheme.ts";
import { STORAGE_OFFER } from "../renter/host-book.ts";
import type { Renter } from "../renter/renter.ts";
import type { SlabId, SlabRecord } from "../renter/slab.ts";
import type { FileKeys } from "./file-keys.ts";
import type { LogEntry } from "./log-entry.ts";
import { decodeHead, encodeHead, type HostMarks, hostMarksOf, type LogHead, type Seen } from "./log-head.ts";
import {
  type LogBase,
  type LogSegment,
  type PreviousSegment,
  packSegment,
  unpackSegment,
} from "./log-segment.ts";

/** Where the log stands: kept in the index, in the batch of each group of writes. */
export interface LogState {
  /** 16 bytes, hex. */
  readonly chain: string;
  readonly head?: LogHead | undefined;
  /** Number of the newest head record. */
  readonly number: number;
  /** Segments since the last snapshot. */
  readonly segments: number;
  /** How far other chains have been taken in. */
  readonly merged: Seen;
}

/** The heads that peers gave, the newest of each chain. */
export interface CollectedHeads {
  readonly heads: readonly LogHead[];
  /** Peers that answered. */
  readonly answers: number;
}

export interface LogDependencies {
  readonly renter: Renter;
  readonly mesh: Mesh;
  readonly keys: FileKeys;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** This device's peer id. */
  readonly device: string;
}

/** Hosts that are given each head, at most. */
const MOST_HEAD_HOSTS = 40;
/** Peers that are asked for heads at a time, at most. */
const MOST_ASKED = 100;
/** Segments of a chain that are read at most; a snapshot comes long before. */
const MOST_SEGMENTS = 100_000;
/** What a segment takes beside its entries, at most. */
const SEGMENT_FRAME = 64 << 10;

/** A new chain: its id is this device's and never used before, so that a lost directory can not fork an old one. */
export function newLogState(device: string, random: Random): LogState {
  const salt = random.fill(new Uint8Array(16));
  const chain = toHex(sha256(concatBytes(new TextEncoder().encode(device), salt)).subarray(0, 16));
  return { chain, number: 0, segments: 0, merged: {} };
}

function isHost(view: PeerView): boolean {
  return view.offers[STORAGE_OFFER] !== undefined;
}

export class MetadataLog {
  readonly #d: LogDependencies;
  #state: LogState;
  /** The newest record, for hosts that come later. */
  #record: Uint8Array | undefined;
  /** Hosts that hold it. */
  readonly #holders = new Set<PeerId>();

  constructor(state: LogState, dependencies: LogDependencies) {
    this.#state = state;
    this.#d = dependencies;
  }

  get state(): LogState {
    return this.#state;
  }

  /** Packed bytes of entries that one segment takes, which is one slab; without any hosts that is not known. */
  get room(): number {
    const scheme = this.#d.renter.scheme(true);
    return scheme === undefined ? Number.POSITIVE_INFINITY : slabCapacity(scheme) - SEGMENT_FRAME;
  }

  /** A chain that nobody has written to, for a directory that fell behind its own. */
  fresh(): LogState {
    return newLogState(this.#d.device, this.#d.random);
  }

  /** The state that {@link append} gave is on disk. */
  adopt(state: LogState): void {
    this.#state = state;
  }

  /**
   * Writes a segment: it lies at enough hosts, and enough hosts know of it, when this resolves.
   * @returns the state to be kept, and the segment's slab.
   * @throws FileError `ServiceUnavailable`
   */
  async append(
    sequence: number,
    entries: readonly LogEntry[],
    base?: LogBase,
  ): Promise<{ readonly state: LogState; readonly record: SlabRecord }> {
    const { renter, device } = this.#d;
    const state = this.#state;
    const { bytes, hash } = packSegment({
      chain: state.chain,
      device,
      sequence,
      previous: state.head && { ...state.head.segment, sequence: state.head.sequence },
      base,
      entries,
    });
    const record = await renter.store([bytes], { log: true });
    const seen = base?.seen ?? state.head?.seen ?? {};
    const head: LogHead = { chain: state.chain, sequence, segment: { record, hash }, seen };
    try {
      const number = await this.#announce(head, record);
      const segments = base === undefined ? state.segments + 1 : 1;
      return { state: { ...state, head, number, segments }, record };
    } catch (error) {
      renter.committed([record.id]);
      throw error;
    }
  }

  /** Hosts that must have the head for it to count. */
  #quorum(hosts: number, scheme: Scheme): number {
    return Math.max(1, Math.ceil((Math.min(hosts, scheme.total) * writeQuorum(scheme)) / scheme.total));
  }

  /** Hosts that must answer for one of them to have the newest head, whichever of those known took it. */
  get enoughAnswers(): number {
    const { renter } = this.#d;
    const scheme = renter.scheme(true);
    const hosts = Math.min(MOST_HEAD_HOSTS, renter.hosts.living);
    return scheme === undefined ? Number.POSITIVE_INFINITY : hosts - this.#quorum(hosts, scheme) + 1;
  }

  /** Gives the head to the hosts. @returns its number, when enough have it. */
  async #announce(head: LogHead, { scheme }: SlabRecord): Promise<number> {
    const { keys, random, renter, clock } = this.#d;
    let number = Math.max(this.#state.number + 1, clock.now());
    for (let attempt = 0; ; attempt++) {
      const record = encodeHead(head, number, keys, random);
      const hosts = renter.hosts
        .candidates()
        .map(({ peer }) => peer)
        .slice(0, MOST_HEAD_HOSTS);
      const quorum = this.#quorum(hosts.length, scheme);
      this.#record = record;
      this.#holders.clear();
      const { held, newest } = await this.#give(record, number, hosts, quorum);
      if (hosts.length > 0 && held >= quorum) return number;
      // A host knows a later record of this chain: this directory is older than what was written under its name.
      if (newest > number && attempt < 2) number = newest + 1;
      else
        throw new FileError(
          "ServiceUnavailable",
          `${held} hosts took the head of the log, ${quorum} are needed`,
        );
    }
  }

  /** Resolves when `quorum` hosts hold the record, or all have answered. */
  #give(
    record: Uint8Array,
    number: number,
    hosts: readonly PeerId[],
    quorum: number,
  ): Promise<{ held: number; newest: number }> {
    return new Promise((resolve) => {
      let held = 0;
      let newest = 0;
      let open = hosts.length;
      if (open === 0) resolve({ held, newest });
      for (const host of hosts) {
        void this.#d.renter.client.putHead(host, record).then((at) => {
          open--;
          newest = Math.max(newest, at ?? 0);
          if (at === number) {
            held++;
            this.#holders.add(host);
          }
          if (held >= quorum || open === 0) resolve({ held, newest });
        });
      }
    });
  }

  /** Gives the newest head to hosts that do not hold it: those that were away, and new ones. */
  async spread(): Promise<void> {
    const { head, number } = this.#state;
    if (head === undefined) return;
    this.#record ??= encodeHead(head, number, this.#d.keys, this.#d.random);
    const record = this.#record;
    const without = this.#d.renter.hosts.candidates().filter(({ peer }) => !this.#holders.has(peer));
    await Promise.all(
      without.slice(0, MOST_HEAD_HOSTS).map(async ({ peer }) => {
        const at = await this.#d.renter.client.putHead(peer, record);
        if (at === undefined || at < number || record !== this.#record) return;
        this.#holders.add(peer);
      }),
    );
  }

  /**
   * Asks peers for heads (a sample of all that are connected, unless told whom), and those that they name. A false or old record is no harm: of each chain the highest
   * sequence counts that the account's own key signed.
   */
  async collect(peers?: ReadonlySet<PeerId>): Promise<CollectedHeads> {
    const { mesh, renter, keys } = this.#d;
    const asked = new Set<PeerId>();
    const newest = new Map<string, LogHead>();
    const seen = new Set<string>();
    const marks = hostMarksOf(mesh.peers().map(({ peer }) => peer));
    let answers = 0;
    const ask = async (peer: PeerId): Promise<void> => {
      asked.add(peer);
      const records = await renter.client.heads(peer, keys.head.publicKey);
      if (records === undefined) return;
      answers++;
      for (const record of records) {
        // Most peers hold the same records: each is checked once.
        const text = Buffer.from(record).toString("latin1");
        if (seen.has(text)) continue;
        seen.add(text);
        this.#take(record, peer, marks, newest);
      }
    };
    const connected = mesh
      .peers()
      .filter((view) => view.connected && view.standing !== "banned" && (peers?.has(view.peer) ?? true));
    // Hosts first: they are who keeps heads.
    const ranked = [...connected.filter(isHost), ...connected.filter((view) => !isHost(view))];
    const chosen = ranked.slice(0, MOST_ASKED);
    await Promise.all(chosen.map(({ peer }) => ask(peer)));
    const named = await Promise.all(
      chosen.map(({ peer }) => renter.client.headHolders(peer, keys.head.publicKey)),
    );
    const others = new Set(named.flat().filter((peer) => !asked.has(peer) && peer !== mesh.self));
    await Promise.all([...others].slice(0, MOST_HEAD_HOSTS).map(ask));
    return { heads: [...newest.values()], answers };
  }

  #take(record: Uint8Array, from: PeerId, marks: HostMarks, newest: Map<string, LogHead>): void {
    try {
      const { head } = decodeHead(record, this.#d.keys, marks);
      const before = newest.get(head.chain);
      if (before === undefined || before.sequence < head.sequence) newest.set(head.chain, head);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#d.log.debug("net", () => `storage: ${from} gave a head that does not hold: ${error.message}`);
    }
  }

  /**
   * Segments of a chain, newest first, back to what `isCovered` says is known.
   * @param places newer places of log slabs, by id; those that segments tell on the way are added.
   * @throws SlabUnreadableError, DecodeError
   */
  async *walk(
    head: LogHead,
    isCovered: (chain: string, sequence: number) => boolean,
    places: Map<SlabId, SlabRecord>,
  ): AsyncGenerator<LogSegment> {
    let next: PreviousSegment | undefined = { ...head.segment, sequence: head.sequence };
    const covered: Record<string, number> = {};
    for (let count = 0; next !== undefined && count < MOST_SEGMENTS; count++) {
      const record: SlabRecord = places.get(next.record.id) ?? next.record;
      const segment = unpackSegment(await this.#d.renter.readWhole(record), next.hash);
      if (segment.chain !== head.chain || segment.sequence !== next.sequence) {
        throw new DecodeError("a segment of another chain");
      }
      for (const entry of segment.entries) {
        if (entry.type !== "slab" || entry.log === undefined || places.has(entry.record.id)) continue;
        places.set(entry.record.id, entry.record);
      }
      places.set(record.id, record);
      yield segment;
      if (segment.base !== undefined) Object.assign(covered, segment.base.seen);
      next = segment.previous;
      const floor = covered[head.chain] ?? -1;
      if (next !== undefined && (next.sequence <= floor || isCovered(head.chain, next.sequence))) return;
    }
  }
}
