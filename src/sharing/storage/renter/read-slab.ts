/**
 * Bytes of a slab from whichever k hosts give them first. Every cell is checked against its shard's root; a host that
 * lags is hedged by another, one that fails is replaced.
 */
import type { Clock } from "#base/lib/clock.ts";
import type { PeerId } from "#sharing/mesh/mesh.ts";
import { cellCountOf, SlabGeometry, type StripeSpan } from "../codec/scheme.ts";
import { cellsLength } from "../codec/shard-proof.ts";
import type { SlabCodec } from "../codec/slab-codec.ts";
import { MAX_CELLS_A_MESSAGE } from "../messages.ts";
import type { FetchGate } from "./fetch-gate.ts";
import type { HostBook } from "./host-book.ts";
import type { HostClient } from "./host-client.ts";
import type { SlabRecord } from "./slab.ts";

export interface ReadDependencies {
  readonly client: HostClient;
  readonly book: HostBook;
  readonly codec: SlabCodec;
  readonly clock: Clock;
  readonly hedgeMs: number;
  /** Every fetch goes through it. */
  readonly gate: FetchGate;
  /** Told of a shard that its host does not have. */
  readonly missing?: (slab: SlabRecord, index: number) => void;
  /** Where a shard may be found beside the host that its record names. */
  readonly elsewhere?: (slab: SlabRecord, index: number) => readonly PeerId[];
}

/** Too few shards could be had. The message says how many. */
export class SlabUnreadableError extends Error {
  override readonly name = "SlabUnreadableError";
}

/** Cells of consecutive stripes, by shard number: what one round of requests brought. */
export type CellRuns = ReadonlyMap<number, Uint8Array>;

/**
 * The plaintext from `offset`, as chunks of up to a few stripes. A reader that stops early calls off what is fetched.
 * @throws SlabUnreadableError
 */
export async function* readSlab(
  slab: SlabRecord,
  offset: number,
  length: number,
  dependencies: ReadDependencies,
): AsyncGenerator<Uint8Array> {
  if (length === 0) return;
  const leaving = new AbortController();
  const fetch = (window: readonly StripeSpan[]): Promise<CellRuns> =>
    fetchWindow(slab, geometry, window, dependencies, leaving.signal);
  const geometry = new SlabGeometry(slab.scheme, slab.length);
  const spans = geometry.spans(offset, length);
  // Whole stripes travel many to a message; the next are fetched while these are decoded and used.
  const windows: StripeSpan[][] = [];
  for (let at = 0; at < spans.length; at += WINDOW) windows.push(spans.slice(at, at + WINDOW));
  let next: Promise<CellRuns> | undefined;
  try {
    for (const [i, window] of windows.entries()) {
      const runs = await (next ?? fetch(window));
      const following = windows[i + 1];
      next = following === undefined ? undefined : fetch(following);
      // Its failure is met when it is awaited.
      next?.catch(() => {});
      for (const span of window)
        yield await decodeSpan(slab, geometry, window[0]!.stripe, span, runs, dependencies);
    }
  } finally {
    leaving.abort();
  }
}

/**
 * Stripes fetched at once: a quarter of a MiB of each shard. Clients read ten ranges side by side, and each holds two
 * windows of k shards.
 */
const WINDOW = MAX_CELLS_A_MESSAGE / 4;

async function decodeSpan(
  slab: SlabRecord,
  geometry: SlabGeometry,
  firstStripe: number,
  span: StripeSpan,
  runs: CellRuns,
  { codec }: ReadDependencies,
): Promise<Uint8Array> {
  const from = (span.stripe - firstStripe) * geometry.cellLength(firstStripe);
  const cells = new Map<number, Uint8Array>();
  for (const [shard, run] of runs) {
    cells.set(shard, run.subarray(from, from + geometry.cellLength(span.stripe)));
  }
  const bytes = await codec.decode(slab, span, cells);
  if (bytes === undefined) throw new SlabUnreadableError(`slab ${slab.id} does not open with its key`);
  return bytes;
}

function fetchWindow(
  slab: SlabRecord,
  geometry: SlabGeometry,
  window: readonly StripeSpan[],
  dependencies: ReadDependencies,
  signal: AbortSignal,
): Promise<CellRuns> {
  // A range within few cells needs those alone; where it needs a whole row of them, any k will do.
  const single = window.length === 1 ? window[0]! : undefined;
  const direct =
    single === undefined || single.lastCell - single.firstCell + 1 >= slab.scheme.needed
      ? []
      : Array.from({ length: single.lastCell - single.firstCell + 1 }, (_, i) => single.firstCell + i);
  const { shardLength } = geometry;
  const first = window[0]!.stripe;
  return dependencies.gate.run(() =>
    new ShardRace(slab, shardLength, first, window.length, direct, dependencies, signal).run(),
  );
}

/**
 * Cells `first` to `first + count − 1` of any k shards. @throws SlabUnreadableError when fewer can be had.
 */
export function fetchCells(
  slab: SlabRecord,
  first: number,
  count: number,
  dependencies: ReadDependencies,
): Promise<CellRuns> {
  const { shardLength } = new SlabGeometry(slab.scheme, slab.length);
  const cells = Math.min(count, cellCountOf(shardLength) - first);
  return dependencies.gate.run(() => new ShardRace(slab, shardLength, first, cells, [], dependencies).run());
}

/** Requests to several hosts, of which the first k that answer count. */
class ShardRace {
  readonly #slab: SlabRecord;
  readonly #shardLength: number;
  readonly #first: number;
  readonly #count: number;
  /** Shards that alone are enough; empty for none. */
  readonly #direct: readonly number[];
  readonly #d: ReadDependencies;
  readonly #controller = new AbortController();
  readonly #got = new Map<number, Uint8Array>();
  /** Shards and hosts not asked yet, best first. */
  readonly #queue: { shard: number; host: PeerId }[];
  #underWay = 0;
  #cancelHedge: (() => void) | undefined;
  readonly #reader: AbortSignal | undefined;
  readonly #left = (): void => this.#fail("the reader went away");
  #isOver = false;
  #resolve!: (runs: CellRuns) => void;
  #reject!: (error: Error) => void;
  readonly #result: Promise<CellRuns>;

  constructor(
    slab: SlabRecord,
    shardLength: number,
    first: number,
    count: number,
    direct: readonly number[],
    dependencies: ReadDependencies,
    signal?: AbortSignal,
  ) {
    this.#slab = slab;
    this.#shardLength = shardLength;
    this.#first = first;
    this.#count = count;
    this.#d = dependencies;
    this.#result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const askable = this.#askable();
    const has = new Set(askable.map(({ shard }) => shard));
    this.#direct = direct.every((shard) => has.has(shard)) ? direct : [];
    const wanted = new Set(this.#direct);
    this.#queue = [
      ...askable.filter(({ shard }) => wanted.has(shard)),
      ...askable.filter(({ shard }) => !wanted.has(shard)),
    ];
    this.#reader = signal;
  }

  run(): Promise<CellRuns> {
    if (this.#reader?.aborted === true) this.#left();
    if (this.#isOver) return this.#result;
    // Let go of at the end: all races of one reader share its signal, and each holds a MiB of cells.
    this.#reader?.addEventListener("abort", this.#left, { once: true });
    const atFirst = this.#direct.length > 0 ? this.#direct.length : this.#slab.scheme.needed;
    for (let i = 0; i < atFirst; i++) this.#askNext();
    this.#check();
    if (!this.#isOver) this.#scheduleHedge();
    return this.#result;
  }

  /** Shards with a host that can be asked, fastest first; other places where they may be come last. */
  #askable(): { shard: number; host: PeerId }[] {
    const { book } = this.#d;
    const bytes = cellsLength(this.#shardLength, this.#first, this.#count);
    const named: { shard: number; host: PeerId; ms: number }[] = [];
    const elsewhere: { shard: number; host: PeerId }[] = [];
    for (const [shard, { host }] of this.#slab.shards.entries()) {
      if (host !== "" && book.state(host) === "ready")
        named.push({ shard, host, ms: book.expectedMs(host, bytes) });
      for (const other of this.#d.elsewhere?.(this.#slab, shard) ?? []) {
        if (other !== host) elsewhere.push({ shard, host: other });
      }
    }
    return [...named.sort((a, b) => a.ms - b.ms), ...elsewhere];
  }

  #askNext(): boolean {
    for (;;) {
      const next = this.#queue.shift();
      if (next === undefined) return false;
      if (this.#got.has(next.shard)) continue;
      this.#underWay++;
      void this.#ask(next.shard, next.host);
      return true;
    }
  }

  async #ask(shard: number, host: PeerId): Promise<void> {
    const name = { root: this.#slab.shards[shard]!.root, length: this.#shardLength };
    const outcome = await this.#d.client.read(host, name, this.#first, this.#count, this.#controller.signal);
    this.#underWay--;
    if (this.#isOver) return;
    if (outcome.ok) this.#got.set(shard, outcome.value);
    else {
      const isNamed = this.#slab.shards[shard]!.host === host;
      if (outcome.refusal.code === "not-found" && isNamed) this.#d.missing?.(this.#slab, shard);
      this.#askNext();
    }
    this.#check();
  }

  #check(): void {
    const { needed } = this.#slab.scheme;
    const isDirect = this.#direct.length > 0 && this.#direct.every((shard) => this.#got.has(shard));
    if (isDirect || this.#got.size >= needed) {
      this.#end();
      this.#resolve(this.#got);
      return;
    }
    // The few cells that alone were enough have failed: any k.
    while (this.#got.size + this.#underWay < this.#short() && this.#askNext());
    if (this.#underWay > 0) return;
    this.#fail(`${this.#got.size} of the ${needed} shards needed of slab ${this.#slab.id} could be read`);
  }

  /** How many shards must come in, those that have come counted. */
  #short(): number {
    const missing = this.#direct.filter((shard) => !this.#got.has(shard));
    const stillDirect = this.#direct.length > 0 && this.#underWay >= missing.length;
    return stillDirect ? 0 : this.#slab.scheme.needed;
  }

  #scheduleHedge(): void {
    this.#cancelHedge = this.#d.clock.after(this.#hedgeDelay(), () => {
      // As many again as are still missing.
      const missing = this.#slab.scheme.needed - this.#got.size;
      for (let i = 0; i < missing && this.#askNext(); i++);
      if (this.#queue.length > 0) this.#scheduleHedge();
    });
  }

  /** Three times what the slowest of the best k should take, at most the policy's limit. */
  #hedgeDelay(): number {
    const bytes = cellsLength(this.#shardLength, this.#first, this.#count);
    const times = this.#slab.shards
      .filter(({ host }) => host !== "")
      .map(({ host }) => this.#d.book.expectedMs(host, bytes))
      .sort((a, b) => a - b);
    const slowest = times[Math.min(this.#slab.scheme.needed, times.length) - 1] ?? this.#d.hedgeMs;
    return Math.min(this.#d.hedgeMs, Math.max(30, 3 * slowest));
  }

  #fail(text: string): void {
    this.#end();
    this.#reject(new SlabUnreadableError(text));
  }

  #end(): void {
    this.#isOver = true;
    this.#reader?.removeEventListener("abort", this.#left);
    this.#cancelHedge?.();
    this.#controller.abort();
  }
}
