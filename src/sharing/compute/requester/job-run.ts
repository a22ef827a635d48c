/**
 * One job under way: hands tasks to whoever is free, repeats the slowest elsewhere, retries what failed, has results
 * compared where a check is due, asks for receipts, and puts the outputs together. A result counts only with its
 * receipt, so that receipts and verified tasks are equal on both sides.
 */
import { join } from "node:path";
import { sha256 } from "#base/crypto/sha256.ts";
import { toHex } from "#base/lib/bytes.ts";
import type { Clock } from "#base/lib/clock.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { Random } from "#base/lib/random.ts";
import type { Deal, Deals } from "#sharing/deals/deal.ts";
import type { Mesh, PeerId } from "#sharing/mesh/mesh.ts";
import { COMPUTE_PROTOCOL } from "../compute-protocol.ts";
import type { BoundKind } from "../core/bound-kind.ts";
import { DOUBLED_FIRST, drawCheck } from "../core/check-policy.ts";
import { receiptProof } from "../core/commitment.ts";
import type { PlannedTask, Rerun } from "../core/job-kind.ts";
import type { TaskId } from "../core/task.ts";
import { isTasksOwnFault } from "../core/task-runner.ts";
import type { Inbox } from "./inbox.ts";
import type { JobFolder, JobRecord, JournalRecord } from "./job-store.ts";
import type { JobEvent, JobState, JobView } from "./job-view.ts";
import { Providers } from "./providers.ts";
import { RemoteWorker } from "./remote-worker.ts";
import { RerunError } from "./rerun-error.ts";
import type { SelfWorker } from "./self-worker.ts";
import { type Held, type Running, TaskRun } from "./task-run.ts";
import type { TrackRecords } from "./track-record.ts";
import type { AttemptResult, Worker } from "./worker.ts";

export interface JobRunParts {
  readonly mesh: Mesh;
  readonly deals: Deals;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly inbox: Inbox;
  readonly records: TrackRecords;
  readonly self: SelfWorker;
  /** Whether this machine does tasks too, or checks alone. */
  readonly selfWorks: boolean;
  readonly emit: (event: JobEvent) => void;
  /** A provider was caught: every job is to leave it. */
  readonly caught: (peer: PeerId, reason: string) => void;
  /** Runs one check of a result on this machine, a few at a time. */
  readonly checking: <T>(action: () => Promise<T>) => Promise<T>;
}

/** Milliseconds between two looks at what is slow. */
const LOOK = 250;
/** A task is repeated elsewhere when it has taken this many times the median, and at least this many milliseconds. */
const SLOW_FACTOR = 1.5;
const SLOW_LEAST = 400;
/** Before any has ended. */
const SLOW_FIRST = 4_000;
/** Failures on other machines after which this machine decides. */
const MOST_FAILURES = 3;
const VERDICT_TIMEOUT = 2_000;
const SETTLE_TRIES = 2;

/** The tasks without a result, as one look found them. */
interface OpenTasks {
  readonly tasks: readonly TaskRun[];
  readonly checks: readonly TaskRun[];
  /** Attempts under way, by worker. */
  readonly loads: Map<PeerId, number>;
}

export class JobRun {
  readonly id: string;
  readonly record: JobRecord;
  readonly #kind: BoundKind;
  readonly #files: JobFolder;
  readonly #parts: JobRunParts;
  readonly #tasks: TaskRun[];
  readonly #providers: Providers;
  /** Milliseconds of ended attempts, for the median. */
  readonly #times: number[] = [];
  #state: JobState = "waiting";
  #reason: string | undefined;
  #finished: number | undefined;
  #stopLook: () => void = () => {};
  #stopDeadline: () => void = () => {};
  #pumping = false;
  #spentMsat = 0;
  #resolveEnd!: () => void;
  /** When it has ended, one way or another, and that is on disk. */
  readonly ended: Promise<void>;

  constructor(id: string, record: JobRecord, kind: BoundKind, files: JobFolder, parts: JobRunParts) {
    this.id = id;
    this.record = record;
    this.#kind = kind;
    this.#files = files;
    this.#parts = parts;
    this.#tasks = record.tasks.map((task, index) => new TaskRun(index, task as PlannedTask));
    this.ended = new Promise((resolve) => {
      this.#resolveEnd = resolve;
    });
    this.#providers = new Providers({
      ...parts,
      kind,
      order: record.order,
      taskMsat: record.taskMsat ?? 0,
      rerun: (task, signal) => this.#rerun(task, signal),
      wake: () => this.wake(),
    });
    this.#replay(files.history);
    if (this.over) this.#resolveEnd();
  }

  get over(): boolean {
    return this.#state === "done" || this.#state === "failed" || this.#state === "cancelled";
  }

  get folder(): string {
    return this.#files.path;
  }

  view(): JobView {
    return {
      id: this.id,
      kind: this.record.kind,
      title: this.record.title,
      state: this.#state,
      created: this.record.created,
      tasks: this.#tasks.map((task) => task.view()),
      outputs: this.#files.path,
      ...(this.#finished === undefined ? {} : { finished: this.#finished }),
      ...(this.#reason === undefined ? {} : { reason: this.#reason }),
    };
  }

  /** Begins, or goes on where the journal ends. */
  async start(): Promise<void> {
    if (this.over) return;
    this.#state = "running";
    this.#parts.emit({ type: "job", job: this.view() });
    const { deadline } = this.record;
    if (deadline !== undefined) {
      const left = Math.max(0, deadline - this.#parts.clock.now());
      this.#stopDeadline = this.#parts.clock.after(left, () => this.#end("failed", "its deadline passed"));
    }
    await this.#settleLeftOvers();
    this.#look();
    this.wake();
  }

  /** Something changed: peers came, tasks ended. */
  wake(): void {
    if (this.#pumping || this.#state !== "running") return;
    this.#pumping = true;
    queueMicrotask(() => {
      this.#pumping = false;
      if (this.#state === "running") this.#pump();
    });
  }

  cancel(): Promise<void> {
    return this.#end("cancelled", "cancelled");
  }

  /** Stops without an end: the job goes on at the next start. */
  async suspend(): Promise<void> {
    if (!this.over) this.#state = "waiting";
    this.#stopAll();
    await this.#files.close();
  }

  /** Whether a result of this provider is being looked at. */
  wants(id: TaskId, peer: PeerId): boolean {
    return this.#tasks.some(
      (task) =>
        task.id === id &&
        (task.running.has(peer) ||
          task.state === "settling" ||
          task.held.some(({ worker }) => worker.peer === peer)),
    );
  }

  /** Another job caught this provider. */
  shun(peer: PeerId): void {
    this.#providers.shun(peer);
    for (const task of this.#tasks) {
      task.running.get(peer)?.controller.abort();
      task.held = task.held.filter((held) => held.worker.peer !== peer);
      if (task.held.length === 0 && task.check !== "self") task.check = "none";
    }
    this.wake();
  }

  // History.

  #replay(history: readonly JournalRecord[]): void {
    for (const record of history) {
      if (record.type === "attempt") {
        this.#tasks[record.task]?.attempts.push({ provider: record.provider, outcome: record.outcome });
      } else if (record.type === "verified") this.#replayVerified(record);
      else if (record.type === "lost") this.#tasks[record.task]!.state = "lost";
      else if (record.type === "ended") {
        this.#state = record.state;
        this.#finished = record.time;
        this.#reason = record.reason === "" ? undefined : record.reason;
      }
    }
  }

  #replayVerified(record: JournalRecord & { type: "verified" }): void {
    const task = this.#tasks[record.task]!;
    const name =
      record.provider === this.#parts.self.peer ? this.#parts.self.name : this.#nameOf(record.provider);
    task.state = "verified";
    task.provider = { peer: record.provider, name };
    task.milliseconds = record.milliseconds;
    this.#spentMsat += record.msat;
  }

  #nameOf(peer: PeerId): string {
    return this.#parts.mesh.view(peer)?.name ?? "";
  }

  /** Results that were found right just before the end: their receipts are asked for again, which is one receipt. */
  async #settleLeftOvers(): Promise<void> {
    const open = this.#files.history.filter((record) => record.type === "settling");
    for (const record of open) {
      const task = this.#tasks[record.task]!;
      if (task.ended) continue;
      const deal = this.#parts.deals.list().find(({ id }) => id === record.deal);
      const output = await this.#files.read(outputName(task));
      if (deal === undefined || output === undefined) continue;
      if (!(await this.#receipt(deal, task, record.proof))) continue;
      const worker = { peer: record.provider, name: this.#nameOf(record.provider) };
      await this.#verified(task, worker, record.milliseconds, record.msat, output);
    }
  }

  // Who does what.

  #pump(): void {
    const limits = this.#tasks[0]?.planned.spec.limits;
    if (limits !== undefined) this.#providers.meet(limits);
    const workers = this.#workers();
    const open = this.#openTasks();
    for (let given = true; given; ) {
      given = false;
      for (const worker of workers) {
        if (loadOf(open, worker) >= worker.window) continue;
        const task = this.#pick(worker, open);
        if (task === undefined) continue;
        this.#launch(task, worker);
        open.loads.set(worker.peer, loadOf(open, worker) + 1);
        given = true;
      }
    }
    this.#checkLast();
    if (this.#tasks.every((task) => task.ended)) void this.#finish();
  }

  /** Those who can be given something; this machine last, and only where it is needed or works too. */
  #workers(): Worker[] {
    const { self, selfWorks } = this.#parts;
    const remote = this.#providers.ready();
    const isAlone = remote.length === 0 && !this.#providers.arePreparing;
    const isNeeded = selfWorks || isAlone || this.#tasks.some((task) => this.#onlySelf(task));
    return isNeeded ? [...remote, self] : remote;
  }

  /** Whether nobody but this machine may do it now. */
  #onlySelf(task: TaskRun): boolean {
    return !task.ended && (task.needsSelf || task.check !== "none");
  }

  /** One look over all tasks: a job may have thousands. */
  #openTasks(): OpenTasks {
    const tasks = this.#tasks.filter(({ state }) => state === "open");
    const loads = new Map<PeerId, number>();
    for (const task of tasks) {
      for (const peer of task.running.keys()) loads.set(peer, (loads.get(peer) ?? 0) + 1);
    }
    const checks = tasks.filter((task) => task.held.length > 0 && task.check !== "none");
    return { tasks, checks, loads };
  }

  /** A check first, then what waits, then what is slow elsewhere. */
  #pick(worker: Worker, open: OpenTasks): TaskRun | undefined {
    if (!this.#affords(worker)) return undefined;
    const check = open.checks.find((task) => this.#mayCheck(task, worker));
    if (check !== undefined) return check;
    const { selfWorks } = this.#parts;
    const waiting = open.tasks.find((task) => {
      if (!task.waits || task.tried.has(worker.peer)) return false;
      if (worker.isSelf) return true;
      return !task.needsSelf;
    });
    if (waiting !== undefined) return waiting;
    if (worker.isSelf && !selfWorks) return undefined;
    return loadOf(open, worker) === 0 ? this.#slowest(worker, open) : undefined;
  }

  #affords(worker: Worker): boolean {
    if (!(worker instanceof RemoteWorker) || this.record.budgetMsat === undefined) return true;
    return this.#spentMsat + this.#promised() + worker.price <= this.record.budgetMsat;
  }

  /** Msat of attempts under way and results that are held. */
  #promised(): number {
    let msat = 0;
    for (const task of this.#tasks) {
      for (const { worker } of [...task.running.values(), ...task.held]) {
        if (worker instanceof RemoteWorker) msat += worker.price;
      }
    }
    return msat;
  }

  /** This machine may check anything; another, only if its own checks passed, and its owner is another. */
  #mayCheck(task: TaskRun, worker: Worker): boolean {
    if (task.state !== "open" || task.held.length === 0 || task.check === "none") return false;
    if (task.running.size > 0 || task.tried.has(worker.peer)) return false;
    if (worker.isSelf) return true;
    if (task.check === "self" || this.#parts.records.of(worker.account).passed < DOUBLED_FIRST) return false;
    return task.held.every(
      (held) => held.worker.account !== worker.account && held.worker.arch === worker.arch,
    );
  }

  /** The task that has been under way longest at one other worker, if that is long. */
  #slowest(worker: Worker, open: OpenTasks): TaskRun | undefined {
    const now = this.#parts.clock.monotonic();
    const limit = this.#slowAfter();
    let slowest: TaskRun | undefined;
    let longest = limit;
    for (const task of open.tasks) {
      if (task.state !== "open" || task.running.size !== 1 || task.tried.has(worker.peer)) continue;
      if (task.needsSelf && !worker.isSelf) continue;
      const [one] = task.running.values();
      if (one!.worker.peer === worker.peer || one!.isCheck || task.phase === "verifying") continue;
      const elapsed = now - one!.began;
      if (elapsed > longest) {
        longest = elapsed;
        slowest = task;
      }
    }
    return slowest;
  }

  #slowAfter(): number {
    if (this.#times.length === 0) return SLOW_FIRST;
    const sorted = [...this.#times].sort((a, b) => a - b);
    return Math.max(SLOW_LEAST, SLOW_FACTOR * sorted[sorted.length >> 1]!);
  }

  /** Looks at what is slow, and for providers that may be tried again, now and then. */
  #look(): void {
    this.#stopLook = this.#parts.clock.after(LOOK, () => {
      this.wake();
      if (this.#state === "running") this.#look();
    });
  }

  // An attempt.

  #launch(task: TaskRun, worker: Worker): void {
    const running: Running = {
      worker,
      controller: new AbortController(),
      began: this.#parts.clock.monotonic(),
      isCheck: task.held.length > 0,
    };
    task.running.set(worker.peer, running);
    task.phase = "running";
    if (worker.isSelf) this.#tell(task);
    const attempt = {
      task: task.planned,
      id: task.id,
      signal: running.controller.signal,
      reuse: this.#kind.reuses,
      moved: (phase: "running" | "verifying") => {
        task.phase = phase;
        this.#tell(task);
      },
    };
    worker
      .run(attempt)
      .then((result) => this.#take(task, running, result))
      .catch((error: Error) => this.#broken(error));
  }

  #tell(task: TaskRun): void {
    if (!this.over) this.#parts.emit({ type: "task", job: this.id, task: task.view() });
  }

  /** A bug or a failed disk ends the job, not the process. */
  #broken(error: Error): void {
    this.#parts.log.error(`compute: job ${this.id}: ${error.stack ?? error.message}`);
    this.#end("failed", `internal: ${error.message}`).catch((again: Error) => {
      this.#parts.log.error(`compute: job ${this.id}: ${again.message}`);
      this.#resolveEnd();
    });
  }

  async #take(task: TaskRun, running: Running, result: AttemptResult): Promise<void> {
    const { worker } = running;
    task.running.delete(worker.peer);
    if (this.#state !== "running") return;
    if (running.controller.signal.aborted || task.state !== "open") return this.wake();
    if (result.status === "right") await this.#right(task, running, result);
    else if (result.status === "false") await this.#caught(task, worker, result.reason);
    else if (result.status === "failed") await this.#failed(task, worker, result);
    else {
      await this.#note(task, worker, `left: ${result.reason}`);
      this.#providers.goneAway(worker.peer);
    }
    this.#tell(task);
    this.wake();
  }

  #note(task: TaskRun, worker: Worker, outcome: string): Promise<void> {
    const kept = outcome.slice(0, 300);
    task.attempts.push({ provider: worker.peer, outcome: kept });
    return this.#files.append({ type: "attempt", task: task.index, provider: worker.peer, outcome: kept });
  }

  /** A task that fails by itself fails everywhere: this machine has the last word on that. */
  async #failed(
    task: TaskRun,
    worker: Worker,
    { code, reason }: AttemptResult & { status: "failed" },
  ): Promise<void> {
    await this.#note(task, worker, `failed: ${reason}`);
    task.tried.add(worker.peer);
    if (worker.isSelf) return this.#lost(task, reason);
    await this.#parts.records.failed(worker.account);
    if (isTasksOwnFault(code) || task.tried.size >= MOST_FAILURES) task.needsSelf = true;
  }

  async #lost(task: TaskRun, reason: string): Promise<void> {
    task.state = "lost";
    for (const { controller } of task.running.values()) controller.abort();
    await this.#files.append({ type: "lost", task: task.index, reason: reason.slice(0, 300) });
    this.#tell(task);
  }

  async #right(task: TaskRun, running: Running, result: AttemptResult & { status: "right" }): Promise<void> {
    const { worker } = running;
    this.#times.push(this.#parts.clock.monotonic() - running.began);
    if (this.#times.length > 100) this.#times.shift();
    if (result.claim === undefined) return this.#ownResult(task, result);
    const held: Held = {
      worker,
      claim: result.claim,
      outputHash: toHex(sha256(result.output)),
      milliseconds: result.milliseconds,
    };
    if (result.proved) {
      await this.#settle(task, [held], result.output);
      return;
    }
    for (const { controller } of task.running.values()) controller.abort();
    const before = task.held[0];
    task.held.push(held);
    if (before === undefined) {
      await this.#files.write(outputName(task), result.output);
      const passed = this.#parts.records.of(worker.account).passed;
      if (drawCheck(passed, this.#parts.random)) task.check = "another";
    } else if (before.outputHash === held.outputHash) await this.#agreed(task, result.output);
    else task.check = "self";
  }

  /** What this machine computed is right; whoever claimed something else is caught. */
  async #ownResult(task: TaskRun, result: AttemptResult & { status: "right" }): Promise<void> {
    const hash = toHex(sha256(result.output));
    const { self } = this.#parts;
    const wrong = task.held.filter((held) => held.outputHash !== hash);
    task.held = task.held.filter((held) => held.outputHash === hash);
    for (const { worker } of wrong) {
      if (worker.arch === self.arch) await this.#caught(task, worker, "a false result");
      else await this.#note(task, worker, "differs on another architecture");
    }
    if (task.held.length > 0) return this.#agreed(task, result.output);
    task.state = "settling";
    await this.#files.write(outputName(task), result.output);
    await this.#verified(task, self, result.milliseconds, 0, result.output);
  }

  /** Held results that passed: they are receipted, and so is what their providers did unchecked before. */
  async #agreed(task: TaskRun, output: Uint8Array): Promise<void> {
    const { held } = task;
    await this.#settle(task, held, output);
    for (const { worker } of held) await this.#release(worker.peer);
  }

  async #release(peer: PeerId): Promise<void> {
    for (const task of this.#tasks) {
      const [one] = task.held;
      if (task.state !== "open" || one?.worker.peer !== peer || task.check !== "none") continue;
      const output = await this.#files.read(outputName(task));
      if (output === undefined) task.held = [];
      else await this.#settle(task, [one], output);
    }
  }

  /** When nothing else is left, the unchecked results of each provider wait for one more check. */
  #checkLast(): void {
    if (this.#tasks.some((task) => !task.ended && (task.held.length === 0 || task.check !== "none"))) return;
    const byProvider = new Map<PeerId, TaskRun[]>();
    for (const task of this.#tasks) {
      if (task.ended) continue;
      const { peer } = task.held[0]!.worker;
      byProvider.set(peer, [...(byProvider.get(peer) ?? []), task]);
    }
    for (const tasks of byProvider.values()) {
      tasks[this.#parts.random.below(tasks.length)]!.check = "another";
      this.wake();
    }
  }

  // Receipts.

  /** Asks for a receipt for each claim; the result counts when there is one. */
  async #settle(task: TaskRun, claims: readonly Held[], output: Uint8Array): Promise<void> {
    task.state = "settling";
    for (const { controller } of task.running.values()) controller.abort();
    await this.#files.write(outputName(task), output);
    let settled: Held | undefined;
    for (const held of claims) {
      if (await this.#settleOne(task, held)) settled ??= held;
      else this.#providers.goneAway(held.worker.peer);
    }
    task.held = [];
    task.check = "none";
    if (settled === undefined) {
      task.state = "open";
      return;
    }
    const msat = settled.claim.deal.terms.prices.task ?? 0;
    await this.#verified(task, settled.worker, settled.milliseconds, msat, output);
  }

  async #settleOne(task: TaskRun, { worker, claim, milliseconds }: Held): Promise<boolean> {
    const proof = toHex(receiptProof(claim.commitment.hash, this.record.order));
    const { deal } = claim;
    const msat = deal.terms.prices.task ?? 0;
    const { peer } = worker;
    await this.#files.append({
      type: "settling",
      task: task.index,
      provider: peer,
      deal: deal.id,
      proof,
      milliseconds,
      msat,
    });
    if (!(await this.#receipt(deal, task, proof))) {
      await this.#note(task, worker, "left: gave no receipt");
      return false;
    }
    await this.#parts.records.passed(worker.account);
    await this.#note(task, worker, "verified");
    this.#verdict(peer, task);
    return true;
  }

  async #receipt(deal: Deal, task: TaskRun, proof: string): Promise<boolean> {
    const step = { what: "task verified", subject: task.id, unit: "task", milliUnits: 1000, proof } as const;
    for (let i = 0; i < SETTLE_TRIES; i++) {
      const outcome = await this.#parts.deals.settle(deal, step);
      if (outcome.ok) return true;
      this.#parts.log.debug("net", () => `compute: no receipt for ${task.id}: ${outcome.refusal.text}`);
    }
    return false;
  }

  /** Tells a provider that its result was right. */
  #verdict(peer: PeerId, task: TaskRun): void {
    const { verdict } = COMPUTE_PROTOCOL.methods;
    const request = { task: task.id, verified: true, reason: "" };
    void this.#parts.mesh.call(peer, COMPUTE_PROTOCOL, verdict, request, { timeoutMs: VERDICT_TIMEOUT });
  }

  async #verified(
    task: TaskRun,
    { peer, name }: { readonly peer: PeerId; readonly name: string },
    milliseconds: number,
    msat: number,
    output: Uint8Array,
  ): Promise<void> {
    await this.#files.append({ type: "verified", task: task.index, provider: peer, milliseconds, msat });
    this.#spentMsat += msat;
    task.state = "verified";
    task.held = [];
    task.provider = { peer, name };
    task.milliseconds = milliseconds;
    for (const { controller } of task.running.values()) controller.abort();
    const picture = this.#kind.preview(task.planned, output);
    if (picture !== undefined) await this.#files.show(`tile-${task.index}.png`, picture);
    this.#tell(task);
    this.wake();
  }

  // Cheats.

  async #caught(task: TaskRun, worker: Worker, reason: string): Promise<void> {
    const { clock, emit, mesh, records } = this.#parts;
    const { peer, name } = worker;
    task.tried.add(peer);
    await this.#note(task, worker, `caught: ${reason}`);
    await this.#files.append({ type: "cheat", provider: peer, reason: reason.slice(0, 300) });
    await records.caught(worker.account, clock.now());
    emit({ type: "cheat", peer, name, job: this.id, task: task.index, reason });
    this.#parts.caught(peer, reason);
    const { verdict } = COMPUTE_PROTOCOL.methods;
    const request = { task: task.id, verified: false, reason: reason.slice(0, 200) };
    await mesh.call(peer, COMPUTE_PROTOCOL, verdict, request, { timeoutMs: VERDICT_TIMEOUT });
    mesh.misbehaved(peer, `compute: ${reason}`, 100);
  }

  /** One check on this machine; what this machine can not do is nobody's fault. */
  #rerun(task: PlannedTask, signal: AbortSignal): Rerun {
    return (params) =>
      this.#parts.checking(async () => {
        const outcome = await this.#parts.self.execute(task, params, {
          signal,
          urgent: true,
          reuse: this.#kind.reuses,
        });
        if (!outcome.ok) throw new RerunError(outcome.failure.text);
        return outcome.value.output;
      });
  }

  // The end.

  async #finish(): Promise<void> {
    if (this.#state !== "running") return;
    this.#state = "waiting";
    try {
      const lost = this.#tasks.filter((task) => task.state === "lost");
      const finished = this.#tasks.map((task) => ({
        ...task.planned,
        index: task.index,
        output: async () => (task.state === "verified" ? this.#files.read(outputName(task)) : undefined),
      }));
      for await (const { name, bytes } of this.#kind.assemble(finished)) await this.#files.write(name, bytes);
      if (lost.length === 0) await this.#end("done", "");
      else {
        const first = lost[0]!.attempts.at(-1)?.outcome ?? "failed";
        await this.#end("failed", `${lost.length} of ${this.#tasks.length} tasks failed: ${first}`);
      }
      for (const task of this.#tasks) await this.#files.remove(outputName(task));
    } catch (error) {
      this.#state = "running";
      this.#broken(error as Error);
    }
  }

  async #end(state: "done" | "failed" | "cancelled", reason: string): Promise<void> {
    if (this.over) return;
    this.#state = state;
    this.#reason = reason === "" ? undefined : reason;
    this.#finished = this.#parts.clock.now();
    this.#stopAll();
    await this.#files.append({ type: "ended", state, reason: reason.slice(0, 1000), time: this.#finished });
    this.#parts.emit({ type: "job", job: this.view() });
    this.#resolveEnd();
  }

  #stopAll(): void {
    this.#stopLook();
    this.#stopDeadline();
    for (const task of this.#tasks) {
      for (const { controller } of task.running.values()) controller.abort();
    }
  }

  /** Where everything of the job lies. */
  pathOf(name: string): string {
    return join(this.#files.path, name);
  }
}

function loadOf({ loads }: OpenTasks, worker: Worker): number {
  return loads.get(worker.peer) ?? 0;
}

function outputName(task: TaskRun): string {
  // No output of a module may bear the name: what comes out never begins with a dot.
  return `.task-${task.index}`;
}
