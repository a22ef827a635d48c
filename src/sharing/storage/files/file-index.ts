/**
 * The index on disk, and the one queue in which it changes: writes that come together share one log segment. A write
 * is done when its segment lies at enough hosts, enough hosts know of it, and the index is synced.
 */
import { fromHex, toHex } from "#base/lib/bytes.ts";
import type { Clock } from "#base/lib/clock.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { KeyValueStore } from "#base/store/key-value-store.ts";
import { decodeCbor, encodeCbor } from "#sharing/mesh/cbor.ts";
import type { PeerId } from "#sharing/mesh/mesh.ts";
import { FileError } from "../file-store.ts";
import type { HostBook } from "../renter/host-book.ts";
import type { SlabId, SlabRecord } from "../renter/slab.ts";
import type { PendingDrop, SlabBook } from "../renter/slab-book.ts";
import { allRows, row, slabRow } from "./index-keys.ts";
import type { DropEntry, LogEntry, SlabEntry, Stamp } from "./log-entry.ts";
import { type LogBase, packedLength } from "./log-segment.ts";
import type { LogState, MetadataLog } from "./metadata-log.ts";
import { decodeRow, encodeRow, Namespace } from "./namespace.ts";
import { StagedStore } from "./staged-store.ts";

/** What a write says, decided under the lock. */
export interface Change<T> {
  readonly entries: readonly LogEntry[];
  readonly result: T;
}

/** Decides a write against the state it meets. @throws FileError to refuse it. */
export type Decide<T> = (view: Namespace) => Promise<Change<T>>;

interface Waiting {
  readonly decide: Decide<unknown>;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/** Writes that share a segment, at most. */
const MOST_TOGETHER = 512;
/** Moved slabs that are told in one segment. */
const MOVES_TOGETHER = 1000;
/** Moves of shards are told to the log so much later, together, milliseconds. */
const MOVES_DELAY_MS = 2000;

export class FileIndex implements SlabBook {
  readonly #store: KeyValueStore;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #log: MetadataLog | undefined;
  #onCommitted: (ids: readonly string[]) => void = () => {};
  #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;
  #cancelMoves: (() => void) | undefined;
  #closed = false;
  #merges = 0;

  constructor(store: KeyValueStore, dependencies: { clock: Clock; log: Logger }) {
    this.#store = store;
    this.#clock = dependencies.clock;
    this.#logger = dependencies.log;
  }

  /** The state of the log as it was kept. */
  async logState(): Promise<LogState | undefined> {
    const bytes = await this.#store.get(row("state", "log"));
    return bytes === undefined ? undefined : (decodeCbor(bytes) as LogState);
  }

  async keepLogState(state: LogState): Promise<void> {
    await this.#store.batch([{ type: "put", key: row("state", "log"), value: encodeCbor(state) }], {
      sync: true,
    });
  }

  /** From here on writes are taken. */
  open(log: MetadataLog, onCommitted: (ids: readonly string[]) => void): void {
    this.#log = log;
    this.#onCommitted = onCommitted;
    this.#tellMovesLater();
  }

  /** What is committed, for reading. */
  view(): Namespace {
    return new Namespace(new StagedStore(this.#store), this.#clock.now());
  }

  /** The committed rows themselves, for listing. */
  get rows(): KeyValueStore {
    return this.#store;
  }

  /** Makes a write, together with those that wait. @throws FileError what `decide` threw, or `ServiceUnavailable`. */
  commit<T>(decide: Decide<T>): Promise<T> {
    if (this.#closed) return Promise.reject(closedError());
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ decide, resolve: resolve as (result: unknown) => void, reject });
      this.#go();
    });
  }

  /** Grows whenever entries of other machines were taken in. */
  get merges(): number {
    return this.#merges;
  }

  /** Runs `action` while nothing is written. */
  alone<T>(action: () => Promise<T>): Promise<T> {
    const before = this.#running ?? Promise.resolve();
    const mine = before.then(action);
    const ended = mine.then(
      () => {},
      () => {},
    );
    this.#running = ended;
    void ended.then(() => this.#ended(ended));
    return mine;
  }

  #go(): void {
    if (this.#running !== undefined || this.#waiting.length === 0) return;
    void this.alone(() => this.#group(this.#waiting.splice(0, MOST_TOGETHER)));
  }

  #ended(run: Promise<void>): void {
    if (this.#running !== run) return;
    this.#running = undefined;
    this.#go();
  }

  /**
   * One group: decided, appended to the log, put into the index. Never throws: each write gets its own verdict. What
   * one segment has no room for waits for the next.
   */
  async #group(all: readonly Waiting[]): Promise<void> {
    const decided: { waiting: Waiting; result: unknown }[] = [];
    let group = all;
    try {
      let room = this.#log!.room;
      const staged = new StagedStore(this.#store);
      const view = new Namespace(staged, this.#clock.now());
      const sequence = Math.max((await view.counter()) + 1, this.#clock.now());
      const entries: LogEntry[] = [];
      for (const [at, waiting] of all.entries()) {
        try {
          const { entries: own, result } = await waiting.decide(view);
          const length = packedLength(own);
          if (length > room && entries.length > 0) {
            group = all.slice(0, at);
            this.#putBack(all.slice(at));
            break;
          }
          if (length > room) throw tooLarge(length, room);
          room -= length;
          for (const entry of own) {
            if (entry.type === "drop") await this.#dropShards(staged, view, entry.slab);
            await view.apply(entry, this.#stamp(sequence + entries.length));
            entries.push(entry);
          }
          decided.push({ waiting, result });
        } catch (error) {
          waiting.reject(error);
        }
      }
      if (entries.length > 0) await this.#append(staged, view, sequence, entries);
    } catch (error) {
      for (const waiting of group) waiting.reject(error);
      return;
    }
    for (const { waiting, result } of decided) waiting.resolve(result);
  }

  /** They are the first of the next group. */
  #putBack(waiting: readonly Waiting[]): void {
    if (this.#closed) for (const one of waiting) one.reject(closedError());
    else this.#waiting = [...waiting, ...this.#waiting];
  }

  /** A slab that goes leaves its shards to be dropped, in the same batch. */
  async #dropShards(staged: StagedStore, view: Namespace, id: SlabId): Promise<void> {
    const slab = await view.slab(id);
    if (slab === undefined) return;
    staged.put(slabRow("pending", id), encodeCbor(dropOf(slab.record, this.#clock.now())));
    staged.del(slabRow("moved", id));
  }

  #stamp(counter: number): Stamp {
    return { counter, chain: this.#log!.state.chain };
  }

  async #append(
    staged: StagedStore,
    view: Namespace,
    sequence: number,
    entries: readonly LogEntry[],
    base?: LogBase,
  ): Promise<void> {
    const log = this.#log!;
    const { state, record } = await log.append(sequence, entries, base);
    try {
      // The chain tells of its own newest slab in the next segment; its row takes the counter after the entries.
      const own: SlabEntry = { type: "slab", record, log: state.chain };
      await view.apply(own, this.#stamp(sequence + entries.length));
      for (const entry of [...entries, own]) {
        if (entry.type !== "slab") continue;
        // Where a place is still empty, a late shard may come: what is pending says so until all is clear.
        const isWhole = entry.record.shards.every(({ host }) => host !== "");
        if (isWhole) staged.del(slabRow("pending", entry.record.id));
        staged.del(slabRow("moved", entry.record.id));
      }
      staged.put(row("state", "log"), encodeCbor(state));
      await this.#store.batch(staged.operations(), { sync: true });
      log.adopt(state);
    } finally {
      this.#onCommitted([record.id]);
    }
  }

  /** Writes a snapshot's link into the chain, and forgets the slabs of the log that it covers. */
  rebase(base: LogBase, covered: readonly SlabRecord[]): Promise<void> {
    return this.alone(async () => {
      const staged = new StagedStore(this.#store);
      const view = new Namespace(staged, this.#clock.now());
      const sequence = Math.max((await view.counter()) + 1, this.#clock.now());
      for (const { record } of base.slabs) {
        await view.apply({ type: "slab", record, log: this.#log!.state.chain }, this.#stamp(sequence));
        staged.del(slabRow("pending", record.id));
      }
      for (const slab of covered) {
        await this.#dropShards(staged, view, slab.id);
        await view.apply({ type: "drop", slab: slab.id }, this.#stamp(sequence));
        // No other chain refers to a slab of this log: nothing of it need be remembered.
        staged.del(slabRow("slab", slab.id));
      }
      await this.#append(staged, view, sequence, [], base);
    });
  }

  /**
   * Takes in entries of other chains, with the stamps they have there.
   * @param ownLog takes in what they say of this chain's own slabs too, of which nobody knows better than this machine
   * unless its directory fell behind.
   */
  async merge(
    entries: readonly { readonly stamp: Stamp; readonly entry: LogEntry }[],
    ownLog = false,
  ): Promise<void> {
    this.#merges++;
    const staged = new StagedStore(this.#store);
    const view = new Namespace(staged, this.#clock.now());
    for (const { stamp, entry } of entries) {
      if (!ownLog && entry.type === "slab" && entry.log === this.#log!.state.chain) continue;
      if (entry.type === "drop") await this.#dropShards(staged, view, entry.slab);
      await view.apply(entry, stamp);
    }
    await this.#store.batch(staged.operations(), { sync: true });
  }

  // What follows is the renter's book.

  async get(id: SlabId): Promise<SlabRecord | undefined> {
    return (await this.view().slab(id))?.record;
  }

  async *slabs(): AsyncGenerator<SlabRecord> {
    for await (const entry of this.slabEntries()) yield entry.record;
  }

  async *slabEntries(): AsyncGenerator<SlabEntry> {
    for await (const [, value] of this.#store.iterate(allRows("slab"))) {
      const { entry } = decodeRow<SlabEntry | DropEntry>(value);
      if (entry.type === "slab") yield entry;
    }
  }

  moved(id: SlabId, shards: ReadonlyMap<number, PeerId>): Promise<boolean> {
    if (this.#closed) return Promise.resolve(false);
    return this.alone(async () => {
      const view = this.view();
      const entry = await view.slab(id);
      if (entry === undefined) return false;
      const places = entry.record.shards.map(({ root, host }, i) => ({ root, host: shards.get(i) ?? host }));
      const moved: SlabEntry = { ...entry, record: { ...entry.record, shards: places } };
      const counter = Math.max((await view.counter()) + 1, this.#clock.now());
      const value = encodeRow({ stamp: this.#stamp(counter), entry: moved });
      await this.#store.batch(
        [
          { type: "put", key: slabRow("slab", id), value },
          { type: "put", key: row("state", "counter"), value: encodeCbor(counter) },
          { type: "put", key: slabRow("moved", id), value: new Uint8Array(0) },
        ],
        { sync: true },
      );
      this.#tellMovesLater();
      return true;
    });
  }

  /** The log learns of moves a little later, many at once: until then any host may be asked for a shard. */
  #tellMovesLater(): void {
    if (this.#cancelMoves !== undefined || this.#closed) return;
    this.#cancelMoves = this.#clock.after(MOVES_DELAY_MS, () => {
      this.#cancelMoves = undefined;
      this.tellMoves().catch((error: unknown) => {
        if (this.#closed) return;
        this.#logger.warn(`storage: places of shards wait to be logged: ${String(error)}`);
        this.#tellMovesLater();
      });
    });
  }

  /** Writes the new places of shards into the log. */
  async tellMoves(): Promise<void> {
    const ids: SlabId[] = [];
    for await (const [key] of this.#store.iterate(allRows("moved"))) ids.push(toHex(key.subarray(1)));
    for (let at = 0; at < ids.length; at += MOVES_TOGETHER) {
      const some = ids.slice(at, at + MOVES_TOGETHER);
      await this.commit(async (view) => {
        const entries: LogEntry[] = [];
        for (const id of some) {
          const entry = await view.slab(id);
          if (entry !== undefined) entries.push(entry);
        }
        return { entries, result: undefined };
      });
    }
  }

  async keepPending(drop: PendingDrop): Promise<void> {
    const value = encodeCbor(packDrop(drop));
    await this.#store.batch([{ type: "put", key: slabRow("pending", drop.id), value }], { sync: true });
  }

  async forgetPending(id: string): Promise<void> {
    await this.#store.batch([{ type: "del", key: slabRow("pending", id) }]);
  }

  async pending(): Promise<readonly PendingDrop[]> {
    const all: PendingDrop[] = [];
    for await (const [key, value] of this.#store.iterate(allRows("pending"))) {
      all.push(unpackDrop(toHex(key.subarray(1)), decodeCbor(value, 1 << 20) as PackedDrop));
    }
    return all;
  }

  async loadHosts(book: HostBook): Promise<void> {
    for await (const [, value] of this.#store.iterate(allRows("host"))) book.load(value);
  }

  async keepHosts(book: HostBook): Promise<void> {
    const changes = book.takeChanges();
    if (changes.length === 0) return;
    await this.#store.batch(
      changes.map(({ peer, bytes }) => ({ type: "put", key: row("host", peer), value: bytes }) as const),
    );
  }

  /** Ends when the write under way is done; what waits is refused. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelMoves?.();
    for (const waiting of this.#waiting.splice(0)) waiting.reject(closedError());
    await this.#running;
    await this.#store.close();
  }
}

function tooLarge(length: number, room: number): FileError {
  return new FileError(
    "EntityTooLarge",
    `the list of its pieces takes ${length} bytes, of ${room} that a slab of the log has with so few hosts: ` +
      "store it as several objects, or over more hosts",
  );
}

function closedError(): FileError {
  return new FileError("ServiceUnavailable", "the files are closed");
}

/** What is pending, each root and each host once. */
interface PackedDrop {
  readonly slab: Uint8Array;
  readonly since: number;
  readonly hosts: readonly string[];
  readonly roots: readonly Uint8Array[];
  /** Pairs: a host's place in the list, a root's. */
  readonly pairs: readonly number[];
}

function packDrop({ slab, since, shards }: PendingDrop): PackedDrop {
  const hosts = [...new Set(shards.map(({ host }) => host))];
  const roots = [...new Map(shards.map(({ root }) => [toHex(root), root])).values()];
  const rootAt = new Map(roots.map((root, i) => [toHex(root), i]));
  const hostAt = new Map(hosts.map((host, i) => [host, i]));
  const pairs = shards.flatMap(({ root, host }) => [hostAt.get(host)!, rootAt.get(toHex(root))!]);
  return { slab: fromHex(slab)!, since, hosts, roots, pairs };
}

function unpackDrop(id: string, { slab, since, hosts, roots, pairs }: PackedDrop): PendingDrop {
  const shards = [];
  for (let at = 0; at + 1 < pairs.length; at += 2) {
    shards.push({ host: hosts[pairs[at]!]!, root: roots[pairs[at + 1]!]! });
  }
  return { id, slab: toHex(slab), since, shards };
}

function dropOf(slab: SlabRecord, since: number): PackedDrop {
  const shards = slab.shards.flatMap(({ root, host }) => (host === "" ? [] : [{ root, host }]));
  return packDrop({ id: slab.id, slab: slab.id, since, shards });
}
