/**
 * Runs other peers' tasks: takes what is within its limits and under open terms, fetches what a task needs, runs it on
 * a free lane, commits to the result, shows it, and reveals what it is challenged for. Off until it is switched on.
 */
import { join } from "node:path";
import type { Clock } from "#base/lib/clock.ts";
import { Signal } from "#base/lib/events.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { Disk } from "#base/store/disk.ts";
import { readIfThere, writeAtomically } from "#base/store/write-atomically.ts";
import type { ContentFetcher, ContentId, ContentStore } from "#sharing/content/content.ts";
import type { Deals } from "#sharing/deals/deal.ts";
import type { Mesh, PeerId, RequestContext } from "#sharing/mesh/mesh.ts";
import { accept, type Outcome, type RefusalCode, refuse } from "#sharing/mesh/protocol.ts";
import {
  COMPUTE_PROTOCOL,
  encodeOffer,
  OUTPUT_CHUNK,
  PROGRESS_TASKS,
  REVEAL_BYTES,
  type TaskState,
} from "../compute-protocol.ts";
import { ContentPins } from "../content-pins.ts";
import { commitTo } from "../core/commitment.ts";
import { type TaskId, type TaskLimits, type TaskSpec, taskId } from "../core/task.ts";
import { failRun, type RunFailureCode, type RunOutcome, type TaskRunner } from "../core/task-runner.ts";
import { type CachedResult, ResultCache } from "./result-cache.ts";

export interface ProviderOptions {
  /** Tasks that run at a time: the machine's cores but one. */
  readonly lanes: number;
  /** The machine's architecture (`process.arch`). */
  readonly arch: string;
  /** Most that one task may ask for. */
  readonly memoryBytes?: number;
  readonly outputBytes?: number;
  readonly traceBytes?: number;
  readonly milliseconds?: number;
  /** Code and inputs of one task together. */
  readonly contentBytes?: number;
  /** Tasks of one requester that are not ended; beyond the lanes, so that the next one is fetched in time. */
  readonly tasksEach?: number;
  /** Tasks of all requesters that are not ended. */
  readonly tasksInAll?: number;
  /** Results kept. */
  readonly cacheBytes?: number;
}

const DEFAULTS = {
  memoryBytes: 2 ** 30,
  outputBytes: 64 * 2 ** 20,
  traceBytes: 64 * 2 ** 20,
  milliseconds: 3_600_000,
  contentBytes: 256 * 2 ** 20,
  tasksInAll: 256,
  cacheBytes: 128 * 2 ** 20,
};

export interface ProviderParts {
  readonly mesh: Mesh;
  readonly deals: Deals;
  readonly store: ContentStore;
  readonly fetcher: ContentFetcher;
  readonly runner: TaskRunner;
  readonly clock: Clock;
  readonly log: Logger;
  readonly disk: Disk;
  /** Folder of its own, there already: remembers whether it was on. */
  readonly folder: string;
}

export interface ProviderView {
  readonly on: boolean;
  readonly running: number;
  readonly done: number;
  readonly refused: number;
  /** `seen`, `refused`, `matched`, `ran`, `verified`, and `refused: <code>` for each reason. */
  readonly funnel: Readonly<Record<string, number>>;
}

/** A task of one requester. */
interface Entry {
  readonly id: TaskId;
  readonly spec: TaskSpec;
  readonly requester: PeerId;
  readonly owner: string;
  readonly controller: AbortController;
  readonly added: number;
  state: TaskState;
  /** When it was done or failed, by the monotonic clock. */
  ended: number | undefined;
}

/** Milliseconds between two progress messages to who has tasks here, and how long one may stay unheard. */
const HEARTBEAT = 5_000;
const ABANDONED = 60_000;
/** How long a result waits for its verdict. */
const KEPT = 600_000;
/** Tasks of one requester that are remembered, ended ones among them: each may hold 40 kB of parameters and inputs. */
const MAX_KEPT = 512;
const PROGRESS_TIMEOUT = 10_000;

export class Provider {
  /** Its status, whenever it changed. */
  readonly changed = new Signal<ProviderView>();
  readonly #options: Required<ProviderOptions>;
  readonly #parts: ProviderParts;
  readonly #pins: ContentPins;
  readonly #cache: ResultCache;
  readonly #entries = new Map<string, Entry>();
  /** Ready to run, by requester; the requesters take turns. */
  readonly #queues = new Map<PeerId, Entry[]>();
  /** Contents on their way, so that tasks that share one fetch it once. */
  readonly #fetching = new Map<ContentId, Promise<string | undefined>>();
  /** What a requester has not been told yet. */
  readonly #untold = new Map<PeerId, Set<Entry>>();
  readonly #telling = new Set<PeerId>();
  /** When a requester last took a message of ours, by the monotonic clock. */
  readonly #heard = new Map<PeerId, number>();
  readonly #funnel = new Map<string, number>();
  #running = 0;
  #on = false;
  #stopBeat: () => void = () => {};

  private constructor(options: ProviderOptions, parts: ProviderParts) {
    this.#options = { ...DEFAULTS, tasksEach: 2 * options.lanes + 2, ...options };
    this.#parts = parts;
    this.#pins = new ContentPins(parts.store);
    this.#cache = new ResultCache(this.#options.cacheBytes);
    for (const step of ["seen", "refused", "matched", "ran", "verified"]) this.#funnel.set(step, 0);
  }

  /** Opens it as it was left: off, when it never was on. Serving the protocol is {@link serveCompute}'s. */
  static async open(options: ProviderOptions, parts: ProviderParts): Promise<Provider> {
    const provider = new Provider(options, parts);
    const state = await readIfThere(parts.disk.files, provider.#stateFile, 16);
    if (state?.[0] === 1) provider.#switchOn();
    return provider;
  }

  get #stateFile(): string {
    return join(this.#parts.folder, "provider-on");
  }

  status(): ProviderView {
    return {
      on: this.#on,
      running: this.#running,
      done: this.#funnel.get("ran")!,
      refused: this.#funnel.get("refused")!,
      funnel: Object.fromEntries(this.#funnel),
    };
  }

  /** Switches it on, now and after the next start. */
  async start(): Promise<ProviderView> {
    await writeAtomically(this.#parts.disk.files, this.#stateFile, Uint8Array.of(1));
    if (!this.#on) this.#switchOn();
    return this.status();
  }

  /** Switches it off: what runs is killed, and its requesters are told. */
  async stop(): Promise<ProviderView> {
    await writeAtomically(this.#parts.disk.files, this.#stateFile, Uint8Array.of(0));
    this.#switchOff("the provider was switched off");
    return this.status();
  }

  /** Ends it with the process; it will be on again where it was on. */
  async close(): Promise<void> {
    this.#switchOff("the provider is shutting down");
  }

  #switchOn(): void {
    this.#on = true;
    const { lanes, memoryBytes, milliseconds, arch } = this.#options;
    this.#parts.mesh.offer(
      "compute",
      encodeOffer({ kinds: ["wasm"], lanes, memoryBytes, milliseconds, arch }),
    );
    this.#beat();
    this.#emit();
  }

  #switchOff(reason: string): void {
    if (!this.#on) return;
    this.#on = false;
    this.#stopBeat();
    this.#parts.mesh.offer("compute", undefined);
    for (const entry of [...this.#entries.values()]) {
      if (isOpen(entry)) this.#fail(entry, "cancelled", reason);
      entry.controller.abort();
    }
    this.#emit();
  }

  #emit(): void {
    void this.changed.emit(this.status());
  }

  #count(step: string): void {
    this.#funnel.set(step, (this.#funnel.get(step) ?? 0) + 1);
  }

  #refuse(code: RefusalCode, text: string): ReturnType<typeof refuse> {
    this.#count("refused");
    this.#count(`refused: ${code}`);
    this.#emit();
    return refuse(code, text);
  }

  // The protocol.

  ask(
    { limits }: { readonly limits: TaskLimits },
    from: RequestContext,
  ): Outcome<{ lanes: number; window: number }> {
    this.#count("seen");
    if (!this.#on) return this.#refuse("unavailable", "this peer lends no cores");
    const excess = this.#excess(limits);
    if (excess !== undefined) return this.#refuse("limit", excess);
    const terms = this.#parts.deals.require(from.peer, "compute");
    if (!terms.ok) return this.#refuseTerms(terms.refusal);
    const { lanes, tasksEach } = this.#options;
    return accept({ lanes, window: Math.min(lanes + 1, tasksEach) });
  }

  #refuseTerms(refusal: { readonly code: string; readonly text: string }): ReturnType<typeof refuse> {
    return this.#refuse(refusal.code === "unpaid" ? "unpaid" : "no-terms", refusal.text);
  }

  /** What a task asks for beyond this provider's limits. */
  #excess(limits: TaskLimits): string | undefined {
    for (const name of ["memoryBytes", "outputBytes", "traceBytes", "milliseconds"] as const) {
      if (limits[name] > this.#options[name])
        return `${name} is ${limits[name]}, at most ${this.#options[name]}`;
    }
    return undefined;
  }

  assign(
    { task }: { readonly task: TaskSpec; readonly order: Uint8Array },
    from: RequestContext,
  ): Outcome<TaskState> {
    if (!this.#on) return this.#refuse("unavailable", "this peer lends no cores");
    const id = taskId(task);
    const known = this.#entries.get(keyOf(from.peer, id));
    this.#heard.set(from.peer, this.#parts.clock.monotonic());
    if (known !== undefined && known.state.state !== "failed") return accept(known.state);
    const terms = this.#parts.deals.require(from.peer, "compute");
    if (!terms.ok) return this.#refuseTerms(terms.refusal);
    const refusal = this.#whyNot(task, from.peer);
    if (refusal !== undefined) return this.#refuse(refusal.code, refusal.text);
    this.#count("matched");
    const entry: Entry = {
      id,
      spec: task,
      requester: from.peer,
      owner: from.account,
      controller: new AbortController(),
      added: this.#parts.clock.monotonic(),
      state: { task: id, state: "fetching" },
      ended: undefined,
    };
    this.#entries.set(keyOf(from.peer, id), entry);
    this.#pins.pin(contentsOf(task).map((content) => content.id));
    const result = this.#cache.get(id);
    if (result !== undefined) this.#commit(entry, result);
    else this.#begin(entry);
    return accept(entry.state);
  }

  #whyNot(task: TaskSpec, requester: PeerId): { code: RefusalCode; text: string } | undefined {
    const excess = this.#excess(task.limits);
    if (excess !== undefined) return { code: "limit", text: excess };
    const bytes = task.inputs.reduce((sum, input) => sum + input.length, task.code.length);
    if (bytes > this.#options.contentBytes)
      return { code: "limit", text: `code and inputs of ${bytes} bytes` };
    const own = [...this.#entries.values()].filter((entry) => entry.requester === requester);
    if (own.length >= MAX_KEPT) return { code: "limit", text: `${MAX_KEPT} tasks of yours are not settled` };
    const open = [...this.#entries.values()].filter(isOpen);
    const { tasksEach, tasksInAll } = this.#options;
    if (open.filter((entry) => entry.requester === requester).length >= tasksEach) {
      return { code: "limit", text: `${tasksEach} tasks of yours are under way` };
    }
    if (open.length >= tasksInAll) return { code: "full", text: `${tasksInAll} tasks are under way` };
    return undefined;
  }

  output(
    { task, offset }: { readonly task: TaskId; readonly offset: number },
    from: RequestContext,
  ): Outcome<{ bytes: Uint8Array }> {
    const result = this.#resultFor(task, from.peer);
    if (result === undefined) return refuse("not-found", "no such result");
    if (offset > result.output.length) return refuse("bad-request", "beyond the end of the output");
    return accept({ bytes: result.output.slice(offset, offset + OUTPUT_CHUNK) });
  }

  reveal(
    { task, leaves }: { readonly task: TaskId; readonly leaves: readonly number[] },
    from: RequestContext,
  ): Outcome<{ leaves: Uint8Array[]; proof: Uint8Array }> {
    const result = this.#resultFor(task, from.peer);
    if (result === undefined) return refuse("not-found", "no such result");
    const { trace, leafLength, tree } = result;
    const ascend = leaves.every((leaf, i) => leaf < tree.leafCount && (i === 0 || leaf > leaves[i - 1]!));
    if (!ascend) return refuse("bad-request", "leaves must ascend and exist");
    if (leaves.length * leafLength > REVEAL_BYTES) return refuse("limit", `more than ${REVEAL_BYTES} bytes`);
    return accept({
      leaves: leaves.map((leaf) => trace.slice(leaf * leafLength, (leaf + 1) * leafLength)),
      proof: tree.multiProof(leaves),
    });
  }

  /** The result of a task that this requester has from us. */
  #resultFor(task: TaskId, requester: PeerId): CachedResult | undefined {
    const entry = this.#entries.get(keyOf(requester, task));
    return entry?.state.state === "done" ? this.#cache.get(task) : undefined;
  }

  cancel({ tasks }: { readonly tasks: readonly TaskId[] }, from: RequestContext): Outcome<null> {
    for (const task of tasks) this.#forget(this.#entries.get(keyOf(from.peer, task)));
    return accept(null);
  }

  verdict(
    {
      task,
      verified,
      reason,
    }: { readonly task: TaskId; readonly verified: boolean; readonly reason: string },
    from: RequestContext,
  ): Outcome<null> {
    const entry = this.#entries.get(keyOf(from.peer, task));
    if (entry?.state.state !== "done") return accept(null);
    this.#count(verified ? "verified" : "rejected");
    if (!verified) this.#parts.log.warn(`compute: ${from.peer} rejects task ${task}: ${printable(reason)}`);
    this.#forget(entry);
    this.#emit();
    return accept(null);
  }

  // A task's way.

  #begin(entry: Entry): void {
    Promise.all(contentsOf(entry.spec).map((content) => this.#fetch(content, entry)))
      .then((reasons) => {
        const reason = reasons.find((one) => one !== undefined);
        if (!isOpen(entry)) return;
        if (reason !== undefined) this.#fail(entry, "no-input", reason);
        else this.#enqueue(entry);
      })
      .catch((error: Error) => this.#fail(entry, "no-input", error.message));
  }

  /** Why a content is not here, undefined when it is. */
  #fetch(
    { id, length }: { readonly id: ContentId; readonly length: number },
    entry: Entry,
  ): Promise<string | undefined> {
    const running = this.#fetching.get(id);
    // Another requester's that failed says nothing of this one.
    if (running !== undefined) {
      return running.then((reason) => (reason === undefined ? reason : this.#fetchOnce(id, length, entry)));
    }
    const fetching = this.#fetchOnce(id, length, entry).finally(() => this.#fetching.delete(id));
    this.#fetching.set(id, fetching);
    return fetching;
  }

  async #fetchOnce(id: ContentId, length: number, entry: Entry): Promise<string | undefined> {
    if (await this.#parts.store.has(id)) return undefined;
    const fetched = await this.#parts.fetcher.fetch(id, [entry.requester], { maxLength: length });
    return fetched.ok ? undefined : `content ${id}: ${fetched.reason}`;
  }

  #enqueue(entry: Entry): void {
    const queue = this.#queues.get(entry.requester) ?? [];
    queue.push(entry);
    this.#queues.set(entry.requester, queue);
    this.#move(entry, { task: entry.id, state: "queued" });
    this.#fillLanes();
  }

  #fillLanes(): void {
    while (this.#on && this.#running < this.#options.lanes) {
      const entry = this.#nextInTurn();
      if (entry === undefined) return;
      this.#running++;
      this.#move(entry, { task: entry.id, state: "running" });
      this.#emit();
      this.#run(entry)
        .catch((error: Error) => {
          this.#parts.log.error(`compute: task ${entry.id}: ${error.stack ?? error.message}`);
          this.#fail(entry, "crashed", "internal");
        })
        .finally(() => {
          this.#running--;
          this.#emit();
          this.#fillLanes();
        });
    }
  }

  /** The next task of the requester whose turn it is; it goes to the end of the row. */
  #nextInTurn(): Entry | undefined {
    for (const [requester, queue] of [...this.#queues]) {
      this.#queues.delete(requester);
      const open = queue.filter(isOpen);
      const entry = open.shift();
      if (open.length > 0) this.#queues.set(requester, open);
      if (entry !== undefined) return entry;
    }
    return undefined;
  }

  async #run(entry: Entry): Promise<void> {
    // The same task of another requester may have ended meanwhile.
    const known = this.#cache.get(entry.id);
    if (known !== undefined) return this.#commit(entry, known);
    const outcome = await this.#execute(entry);
    if (!isOpen(entry)) return;
    if (!outcome.ok) return this.#fail(entry, outcome.failure.code, outcome.failure.text);
    this.#commit(entry, this.#cache.put(entry.id, outcome.value));
  }

  #execute(entry: Entry): Promise<RunOutcome> {
    const { spec } = entry;
    const content = ({ id, length }: { readonly id: ContentId; readonly length: number }) => ({
      id,
      bytes: () => this.#parts.store.read(id, length),
    });
    if (entry.controller.signal.aborted) return Promise.resolve(failRun("cancelled", "cancelled"));
    return this.#parts.runner.run(
      {
        owner: entry.owner,
        code: content(spec.code),
        inputs: spec.inputs.map(content),
        params: spec.params,
        seed: spec.seed,
        limits: spec.limits,
      },
      entry.controller.signal,
    );
  }

  #commit(entry: Entry, result: CachedResult): void {
    this.#count("ran");
    const { leafLength, output, tree } = result;
    const commitment = { ...commitTo(this.#parts.mesh.self, entry.id, output, tree), leafLength };
    this.#endWith(entry, { task: entry.id, state: "done", commitment });
  }

  #fail(entry: Entry, code: RunFailureCode, text: string): void {
    this.#endWith(entry, { task: entry.id, state: "failed", failure: { code, text: text.slice(0, 200) } });
  }

  #endWith(entry: Entry, state: TaskState): void {
    if (!isOpen(entry)) return;
    entry.ended = this.#parts.clock.monotonic();
    this.#move(entry, state);
    this.#pins.unpin(contentsOf(entry.spec).map(({ id }) => id));
    this.#emit();
  }

  #move(entry: Entry, state: TaskState): void {
    entry.state = state;
    const untold = this.#untold.get(entry.requester) ?? new Set();
    untold.add(entry);
    this.#untold.set(entry.requester, untold);
    this.#tell(entry.requester);
  }

  /** Removes a task; what runs of it is killed. */
  #forget(entry: Entry | undefined): void {
    if (entry === undefined) return;
    if (isOpen(entry)) {
      entry.ended = this.#parts.clock.monotonic();
      entry.state = { task: entry.id, state: "failed", failure: { code: "cancelled", text: "cancelled" } };
      this.#pins.unpin(contentsOf(entry.spec).map(({ id }) => id));
    }
    entry.controller.abort();
    this.#entries.delete(keyOf(entry.requester, entry.id));
    this.#untold.get(entry.requester)?.delete(entry);
  }

  // What requesters hear.

  /** Sends a requester what changed, one message at a time; what changes meanwhile goes with the next. */
  #tell(requester: PeerId): void {
    if (this.#telling.has(requester)) return;
    this.#telling.add(requester);
    queueMicrotask(() => {
      this.#tellAll(requester)
        .catch((error: Error) => {
          this.#parts.log.error(`compute: ${error.stack ?? error.message}`);
          return false;
        })
        .then((told) => {
          this.#telling.delete(requester);
          if (told && (this.#untold.get(requester)?.size ?? 0) > 0) this.#tell(requester);
        });
    });
  }

  /** False when the requester can not be reached; the next beat tells it all. */
  async #tellAll(requester: PeerId): Promise<boolean> {
    for (;;) {
      const untold = this.#untold.get(requester);
      const batch = [...(untold ?? [])].slice(0, PROGRESS_TASKS);
      if (batch.length === 0) return true;
      for (const entry of batch) untold!.delete(entry);
      if (!(await this.#send(requester, batch))) return false;
    }
  }

  async #send(requester: PeerId, entries: readonly Entry[]): Promise<boolean> {
    const { progress } = COMPUTE_PROTOCOL.methods;
    const request = { tasks: entries.map((entry) => entry.state) };
    const options = { timeoutMs: PROGRESS_TIMEOUT };
    const answer = await this.#parts.mesh.call(requester, COMPUTE_PROTOCOL, progress, request, options);
    if (!answer.ok) return false;
    this.#heard.set(requester, this.#parts.clock.monotonic());
    for (const task of answer.value.unknown) this.#forget(this.#entries.get(keyOf(requester, task)));
    return true;
  }

  /** Tells every requester all of its tasks now and then, and lets go of those that are gone. */
  #beat(): void {
    this.#stopBeat = this.#parts.clock.after(HEARTBEAT, () => {
      const now = this.#parts.clock.monotonic();
      for (const entry of [...this.#entries.values()]) {
        const silent = now - (this.#heard.get(entry.requester) ?? entry.added) > ABANDONED;
        if (silent || (entry.ended !== undefined && now - entry.ended > KEPT)) this.#forget(entry);
        else this.#move(entry, entry.state);
      }
      for (const requester of [...this.#heard.keys()]) {
        if (now - this.#heard.get(requester)! > KEPT) this.#heard.delete(requester);
      }
      if (this.#on) this.#beat();
    });
  }
}

function keyOf(requester: PeerId, task: TaskId): string {
  return `${requester} ${task}`;
}

function isOpen(entry: Entry): boolean {
  return entry.ended === undefined;
}

function contentsOf(task: TaskSpec): TaskSpec["inputs"] {
  return [task.code, ...task.inputs];
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?");
}
