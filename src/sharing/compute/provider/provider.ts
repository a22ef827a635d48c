/**
 * Lends this machine's cores: takes the tasks that are within its limits and under open terms, shows their results, and
 * reveals what it is challenged for. Off until it is switched on.
 */
import { join } from "node:path";
import type { Clock } from "#base/lib/clock.ts";
import { Signal } from "#base/lib/events.ts";
import type { Logger } from "#base/lib/logger.ts";
import { Mutex } from "#base/lib/mutex.ts";
import type { Disk } from "#base/store/disk.ts";
import { readIfThere, writeAtomically } from "#base/store/write-atomically.ts";
import type { ContentFetcher, ContentStore } from "#sharing/content/content.ts";
import type { Deals } from "#sharing/deals/deal.ts";
import type { Mesh, PeerId, RequestContext } from "#sharing/mesh/mesh.ts";
import { accept, type Outcome, type RefusalCode, refuse } from "#sharing/mesh/protocol.ts";
import { encodeOffer, OUTPUT_CHUNK, REVEAL_BYTES, type TaskState } from "../compute-protocol.ts";
import { type TaskId, type TaskLimits, type TaskSpec, taskId } from "../core/task.ts";
import type { TaskRunner } from "../core/task-runner.ts";
import { MAX_KEPT_EACH } from "./hosted-task.ts";
import type { CachedResult } from "./result-cache.ts";
import { TaskHosting } from "./task-hosting.ts";

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

export class Provider {
  /** Its status, whenever it changed. */
  readonly changed = new Signal<ProviderView>();
  readonly #options: Required<ProviderOptions>;
  readonly #parts: ProviderParts;
  readonly #hosting: TaskHosting;
  /** One switch at a time. */
  readonly #switching = new Mutex();
  readonly #funnel = new Map<string, number>();
  #on = false;

  private constructor(options: ProviderOptions, parts: ProviderParts) {
    this.#options = { ...DEFAULTS, tasksEach: 2 * options.lanes + 2, ...options };
    this.#parts = parts;
    this.#hosting = new TaskHosting(this.#options, {
      ...parts,
      isOn: () => this.#on,
      ran: () => this.#count("ran"),
      changed: () => this.#emit(),
    });
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
      running: this.#hosting.running,
      done: this.#funnel.get("ran")!,
      refused: this.#funnel.get("refused")!,
      funnel: Object.fromEntries(this.#funnel),
    };
  }

  /** Tasks that wait for a lane. */
  get waiting(): number {
    return this.#hosting.waiting;
  }

  /** Requesters and tasks that are remembered. */
  get remembered(): { readonly requesters: number; readonly tasks: number } {
    const { tasks } = this.#hosting;
    return { requesters: tasks.clients().length, tasks: tasks.size };
  }

  /** Switches it on, now and after the next start. */
  start(): Promise<ProviderView> {
    return this.#switching.run(async () => {
      await writeAtomically(this.#parts.disk.files, this.#stateFile, Uint8Array.of(1));
      if (!this.#on) this.#switchOn();
      return this.status();
    });
  }

  /** Switches it off: what runs is killed, and its requesters are told. */
  stop(): Promise<ProviderView> {
    return this.#switching.run(async () => {
      await writeAtomically(this.#parts.disk.files, this.#stateFile, Uint8Array.of(0));
      this.#switchOff("the provider was switched off");
      return this.status();
    });
  }

  /** Ends it with the process; it will be on again where it was on. */
  async close(): Promise<void> {
    this.#switchOff("the provider is shutting down");
    this.#hosting.close();
  }

  #switchOn(): void {
    this.#on = true;
    const { lanes, memoryBytes, milliseconds, arch } = this.#options;
    this.#parts.mesh.offer(
      "compute",
      encodeOffer({ kinds: ["wasm"], lanes, memoryBytes, milliseconds, arch }),
    );
    this.#emit();
  }

  #switchOff(reason: string): void {
    if (!this.#on) return;
    this.#on = false;
    this.#parts.mesh.offer("compute", undefined);
    this.#hosting.failAll(reason);
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
    const known = this.#hosting.tasks.get(from.peer, id);
    if (known !== undefined && this.#hosting.isGood(known)) {
      this.#hosting.tasks.client(from.peer)!.heard = this.#parts.clock.monotonic();
      return accept(known.state);
    }
    const terms = this.#parts.deals.require(from.peer, "compute");
    if (!terms.ok) return this.#refuseTerms(terms.refusal);
    // It failed, or its result is no longer here: it begins anew, and nobody hears of the old one any more.
    this.#hosting.forget(known);
    const refusal = this.#whyNot(task, from.peer);
    if (refusal !== undefined) return this.#refuse(refusal.code, refusal.text);
    this.#count("matched");
    return accept(this.#hosting.take(id, task, from));
  }

  #whyNot(task: TaskSpec, requester: PeerId): { code: RefusalCode; text: string } | undefined {
    const excess = this.#excess(task.limits);
    if (excess !== undefined) return { code: "limit", text: excess };
    const bytes = task.inputs.reduce((sum, input) => sum + input.length, task.code.length);
    if (bytes > this.#options.contentBytes)
      return { code: "limit", text: `code and inputs of ${bytes} bytes` };
    const kept = this.#hosting.tasks.client(requester)?.tasks.size ?? 0;
    if (kept >= MAX_KEPT_EACH) {
      return { code: "limit", text: `${MAX_KEPT_EACH} tasks of yours are not settled` };
    }
    const { tasksEach, tasksInAll } = this.#options;
    if (this.#hosting.tasks.open(requester).length >= tasksEach) {
      return { code: "limit", text: `${tasksEach} tasks of yours are under way` };
    }
    if (this.#hosting.tasks.open().length >= tasksInAll)
      return { code: "full", text: `${tasksInAll} tasks are under way` };
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
    return this.#hosting.resultOf(this.#hosting.tasks.get(requester, task));
  }

  cancel({ tasks }: { readonly tasks: readonly TaskId[] }, from: RequestContext): Outcome<null> {
    for (const task of tasks) this.#hosting.forget(this.#hosting.tasks.get(from.peer, task));
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
    const known = this.#hosting.tasks.get(from.peer, task);
    if (known?.state.state !== "done") return accept(null);
    this.#count(verified ? "verified" : "rejected");
    if (!verified) this.#parts.log.warn(`compute: ${from.peer} rejects task ${task}: ${printable(reason)}`);
    this.#hosting.forget(known);
    this.#emit();
    return accept(null);
  }
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?");
}
