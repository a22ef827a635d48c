/**
 * The renter: slabs out to hosts and back. It knows nothing of files; what it must remember it gives to a
 * {@link SlabBook}. Watching over what is stored is the part of `slab-watch.ts`.
 */
import { concatBytes, toHex } from "#base/lib/bytes.ts";
import type { Clock } from "#base/lib/clock.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { Random } from "#base/lib/random.ts";
import type { Deals } from "#sharing/deals/deal.ts";
import type { Mesh, PeerId } from "#sharing/mesh/mesh.ts";
import { type Scheme, slabCapacity } from "../codec/scheme.ts";
import type { SlabCodec } from "../codec/slab-codec.ts";
import { FileError } from "../file-store.ts";
import { schemeFor, writeQuorum } from "./choose-scheme.ts";
import { FetchGate } from "./fetch-gate.ts";
import { HostBook } from "./host-book.ts";
import { HostClient } from "./host-client.ts";
import { PendingDrops } from "./pending-drops.ts";
import { place, placesOf } from "./placement.ts";
import type { RenterPolicy } from "./policy.ts";
import { type ReadDependencies, readSlab } from "./read-slab.ts";
import { Settlements } from "./settlements.ts";
import type { SlabRecord } from "./slab.ts";
import type { SlabBook } from "./slab-book.ts";
import { SlabWatch } from "./slab-watch.ts";
import { SlabUpload } from "./upload-slab.ts";

export interface RenterDependencies {
  readonly mesh: Mesh;
  readonly deals: Deals;
  readonly codec: SlabCodec;
  readonly book: SlabBook;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** Slabs under way at a time: each stands in memory as plaintext and as all of its shards. */
const SLABS_AT_ONCE = 2;
/** A head must name all shards of the newest segment within 1 KiB: log slabs have at most so many. */
const MOST_LOG_SHARDS = 16;

export class Renter {
  readonly hosts: HostBook;
  readonly client: HostClient;
  readonly settlements: Settlements;
  readonly pending: PendingDrops;
  readonly watch: SlabWatch;
  readonly #d: RenterDependencies;
  readonly #policy: RenterPolicy;
  /** Uploads that go on after their quorum. */
  readonly #finishing = new Set<SlabUpload>();
  /** Called when the book has a slab: what came in late is noted then. */
  readonly #commits = new Map<string, () => void>();
  readonly #gate = new FetchGate();
  #running = 0;
  readonly #waiting: (() => void)[] = [];
  #stopped = false;

  constructor(policy: RenterPolicy, dependencies: RenterDependencies) {
    this.#policy = policy;
    this.#d = dependencies;
    const { mesh, deals, clock, random } = dependencies;
    this.hosts = new HostBook({ mesh, clock, policy });
    this.client = new HostClient({
      ...{ mesh, deals, book: this.hosts, clock, random, policy },
      served: (host, bytes, evidence) => this.settlements.read(host, bytes, evidence),
    });
    this.pending = new PendingDrops({ book: dependencies.book, hosts: this.hosts, client: this.client });
    this.settlements = new Settlements(this.client, dependencies);
    this.watch = new SlabWatch(policy, { ...dependencies, renter: this });
  }

  /** The scheme that a slab would get now; undefined when there are too few hosts. */
  scheme(log: boolean): Scheme | undefined {
    const scheme = this.#policy.scheme ?? schemeFor(placesOf(this.#policy, this.hosts));
    if (scheme === undefined || (scheme.total < 2 && this.#policy.diversity === "strict")) return undefined;
    if (!log || scheme.total <= MOST_LOG_SHARDS) return scheme;
    return { needed: Math.min(4, scheme.needed), total: MOST_LOG_SHARDS };
  }

  /** Plaintext bytes of the slabs that are made now. */
  slabBytes(log = false): number {
    const scheme = this.scheme(log);
    return scheme === undefined
      ? this.#policy.slabBytes
      : Math.min(this.#policy.slabBytes, slabCapacity(scheme));
  }

  /**
   * Stores a slab: encrypted, cut, and received by enough hosts when this resolves. Until {@link committed} is called
   * it counts as under way: after a crash its shards are dropped. The list of `plaintext` is emptied as it is read.
   * @throws FileError `ServiceUnavailable` when too few hosts take it.
   */
  async store(plaintext: Uint8Array[], options: { readonly log?: boolean } = {}): Promise<SlabRecord> {
    await this.#enter();
    let upload: SlabUpload | undefined;
    try {
      const scheme = this.scheme(options.log === true);
      if (scheme === undefined) {
        throw new FileError("ServiceUnavailable", `too few hosts can be reached${this.hosts.troublesText()}`);
      }
      const { record, started } = await this.#begin(scheme, plaintext);
      upload = started;
      const result = await upload.finish();
      const quorum = writeQuorum(scheme);
      if (result.stored < quorum) {
        upload.stop();
        this.pending.release(record.id);
        throw new FileError(
          "ServiceUnavailable",
          `${result.stored} hosts took a shard, ${quorum} of ${scheme.total} are needed${this.hosts.troublesText()}`,
        );
      }
      const stored: SlabRecord = {
        ...record,
        shards: record.shards.map(({ root }, i) => ({ root, host: result.hosts[i]! })),
      };
      this.#followUp(stored, upload);
      return stored;
    } finally {
      // What still goes on holds its memory: the next slab waits for it as for one under way.
      if (upload === undefined) this.#leave();
      else void upload.settled.then(() => this.#leave());
    }
  }

  /** The book has these slabs now, or never will. */
  committed(ids: readonly string[]): void {
    for (const id of ids) {
      this.pending.release(id);
      this.#commits.get(id)?.();
      this.#commits.delete(id);
    }
  }

  async #begin(
    scheme: Scheme,
    plaintext: Uint8Array[],
  ): Promise<{ record: SlabRecord; started: SlabUpload }> {
    const { codec, random, clock, book } = this.#d;
    const { slab, shards } = await codec.encodeWhole(scheme, plaintext);
    const { places, spares } = place(scheme.total, this.#policy, this.hosts, random);
    const quorum = writeQuorum(scheme);
    const hosts = new Set([...places, ...spares]);
    const reach = this.#policy.diversity === "strict" ? hosts.size : places.length;
    if (reach < quorum) {
      throw new FileError(
        "ServiceUnavailable",
        `${reach} hosts can be reached, ${quorum} are needed${this.hosts.troublesText()}`,
      );
    }
    const id = toHex(random.fill(new Uint8Array(16)));
    const record: SlabRecord = {
      id,
      key: slab.key,
      scheme,
      length: slab.length,
      shards: slab.roots.map((root) => ({ root, host: "" })),
    };
    this.pending.hold(id);
    await book.keepPending({
      id,
      slab: id,
      since: clock.now(),
      shards: [...hosts].flatMap((host) => slab.roots.map((root) => ({ root, host }))),
    });
    const started = new SlabUpload(
      {
        shards: shards.map((bytes, i) => ({ bytes, root: slab.roots[i]! })),
        places,
        spares,
        quorum,
        hedgeMs: this.#policy.hedgeMs,
        newUploadId: () => random.fill(new Uint8Array(16)),
      },
      this.client,
      clock,
    );
    this.#finishing.add(started);
    // It holds the bytes of all its shards: also one that comes to nothing is let go.
    void started.settled.then(() => this.#finishing.delete(started));
    return { record, started };
  }

  /** What comes in after the quorum is noted in the book when it has the slab; receipts are asked for. */
  #followUp(record: SlabRecord, upload: SlabUpload): void {
    const bytes = record.length / record.scheme.needed;
    this.pending.hold(record.id);
    const committed = new Promise<void>((resolve) => this.#commits.set(record.id, resolve));
    const noteLate = async (): Promise<void> => {
      await upload.settled;
      const { hosts } = upload.result;
      for (const [i, host] of hosts.entries()) {
        if (host !== "") this.settlements.stored(host, record.shards[i]!.root, bytes);
      }
      const late = new Map<number, PeerId>();
      for (const [i, host] of hosts.entries()) {
        if (host !== "" && record.shards[i]!.host === "") late.set(i, host);
      }
      if (late.size > 0) {
        await committed;
        if (!this.#stopped) await this.watch.moved(record.id, late);
      }
      this.pending.release(record.id);
    };
    noteLate().catch((error: unknown) => this.#d.log.error(`storage: late shards: ${String(error)}`));
  }

  /** Bytes of a slab; see {@link readSlab}. */
  read(slab: SlabRecord, offset: number, length: number): AsyncGenerator<Uint8Array> {
    return readSlab(slab, offset, length, this.reading);
  }

  /** The whole of a slab, for those of the log. */
  async readWhole(slab: SlabRecord): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.read(slab, 0, slab.length)) chunks.push(chunk);
    return concatBytes(...chunks);
  }

  get reading(): ReadDependencies {
    return {
      client: this.client,
      book: this.hosts,
      codec: this.#d.codec,
      clock: this.#d.clock,
      hedgeMs: this.#policy.hedgeMs,
      gate: this.#gate,
      missing: (slab, index) => this.watch.lost(slab.id, index),
      // After a restore, a record may be older than the last repair: any host may have the shard.
      elsewhere: (slab, index) => {
        const { host } = slab.shards[index]!;
        if (host !== "" && this.hosts.state(host) === "ready") return [];
        return this.hosts.ready().map(({ peer }) => peer);
      },
    };
  }

  /** Has the shards of slabs dropped: written ahead, then asked of the hosts until they confirm. */
  async drop(slabs: readonly SlabRecord[]): Promise<void> {
    for (const { id, shards } of slabs) {
      const placed = shards.flatMap(({ root, host }) => (host === "" ? [] : [{ root, host }]));
      await this.pending.add({ id, slab: id, since: this.#d.clock.now(), shards: placed });
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.watch.stop();
    for (const upload of this.#finishing) upload.stop();
    await this.settlements.stop();
  }

  async #enter(): Promise<void> {
    if (this.#running >= SLABS_AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running++;
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#running--;
    else next();
  }
}
