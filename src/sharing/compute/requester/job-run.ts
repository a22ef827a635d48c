/**
 * One job under way: hands tasks to whoever is free, repeats the slowest elsewhere, retries what failed, has results
 * compared where a check is due, asks for receipts, and puts the outputs together. A result counts only with its
 * receipt, so that receipts and verified tasks are equal on both sides.
 */
import { sha256 } from "#base/crypto/sha256.ts";
import { toHex } from "#base/lib/bytes.ts";
import type { Clock } from "#base/lib/clock.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { Random } from "#base/lib/random.ts";
import type { Deals } from "#sharing/deals/deal.ts";
import type { Mesh, PeerId } from "#sharing/mesh/mesh.ts";
import type { BoundKind } from "../core/bound-kind.ts";
import { drawCheck } from "../core/check-policy.ts";
import type { PlannedTask, Rerun } from "../core/job-kind.ts";
import type { TaskId } from "../core/task.ts";
import { isTasksOwnFault } from "../core/task-runner.ts";
import { Assignment } from "./assignment.ts";
import type { Inbox } from "./inbox.ts";
import { JobJournal } from "./job-journal.ts";
import type { JobFolder, JobRecord } from "./job-store.ts";
import type { JobEvent, JobState, JobView } from "./job-view.ts";
import { Providers } from "./providers.ts";
import { RerunError } from "./rerun-error.ts";
import type { SelfWorker } from "./self-worker.ts";
import { priceOf, Settlement } from "./settlement.ts";
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
/** Failures on other machines after which this machine decides. */
const MOST_FAILURES = 3;
/** Why an attempt was stopped: another brought the result first, or its provider was caught at another task. */
const SLOWER = "slower than another";
const CAUGHT_ELSEWHERE = "left: caught at another task";

export class JobRun {
  readonly id: string;
  readonly record: JobRecord;
  readonly #kind: BoundKind;
  readonly #files: JobFolder;
  readonly #parts: JobRunParts;
  readonly #tasks: TaskRun[];
  readonly #providers: Providers;
  readonly #journal: JobJournal;
  readonly #assignment: Assignment;
  readonly #settlement: Settlement;
  #state: JobState = "waiting";
  #reason: string | undefined;
  #finished: number | undefined;
  #stopLook: () => void = () => {};
  #stopDeadline: () => void = () => {};
  #pumping = false;
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
    const { mesh, self } = parts;
    this.#journal = new JobJournal({ files, tasks: this.#tasks, mesh, selfName: self.name });
    this.#settlement = new Settlement({ ...parts, journal: this.#journal, order: record.order });
    this.#assignment = new Assignment({
      ...parts,
      tasks: this.#tasks,
      providers: this.#providers,
      budgetMsat: record.budgetMsat,
      spentMsat: () => this.#journal.spentMsat,
    });
    this.#replay();
  }

  #replay(): void {
    const end = this.#journal.replay();
    if (end === undefined) return;
    this.#state = end.state;
    this.#finished = end.time;
    this.#reason = end.reason;
    this.#resolveEnd();
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
      counts: {
        total: this.#tasks.length,
        verified: this.#tasks.filter(({ state }) => state === "verified").length,
      },
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
      const running = task.running.get(peer);
      if (running !== undefined) {
        this.#stop(task, running, CAUGHT_ELSEWHERE).catch((error: Error) => this.#broken(error));
      }
      task.held = task.held.filter((held) => held.worker.peer !== peer);
      if (task.held.length === 0 && task.check !== "self") task.check = "none";
    }
    this.wake();
  }

  /** Results that were found right just before the end: their receipts are asked for again, which is one receipt. */
  async #settleLeftOvers(): Promise<void> {
    for (const record of this.#journal.leftOvers) {
      const task = this.#tasks[record.task]!;
      const deal = this.#parts.deals.list().find(({ id }) => id === record.deal);
      const output = await this.#files.read(outputName(task));
      if (task.ended || deal === undefined || output === undefined) continue;
      if (!(await this.#settlement.receipt(deal, task, record.proof))) continue;
      const worker = { peer: record.provider, name: this.#journal.nameOf(record.provider) };
      await this.#verified(task, worker, record.milliseconds, record.msat, output);
    }
  }

  // Who does what.

  #pump(): void {
    const limits = this.#tasks[0]?.planned.spec.limits;
    if (limits !== undefined) this.#providers.meet(limits);
    this.#assignment.giveOut((task, worker) => this.#launch(task, worker));
    this.#checkLast();
    if (this.#tasks.every((task) => task.ended)) void this.#finish();
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
      await this.#journal.note(
        task,
        worker.peer,
        `${result.isLate === true ? "late" : "left"}: ${result.reason}`,
      );
      this.#providers.goneAway(worker.peer);
    }
    this.#tell(task);
    this.wake();
  }

  /** A task that fails by itself fails everywhere: this machine has the last word on that. */
  async #failed(
    task: TaskRun,
    worker: Worker,
    { code, reason }: AttemptResult & { status: "failed" },
  ): Promise<void> {
    await this.#journal.note(task, worker.peer, `failed: ${reason}`);
    task.tried.add(worker.peer);
    if (worker.isSelf) return this.#lost(task, reason);
    await this.#parts.records.failed(worker.account);
    if (isTasksOwnFault(code) || task.tried.size >= MOST_FAILURES) task.needsSelf = true;
  }

  async #lost(task: TaskRun, reason: string): Promise<void> {
    await this.#journal.lost(task, reason);
    abortAll(task);
    this.#tell(task);
  }

  /** Another brought the result: who is still at it is stopped, and it is kept why. */
  async #stopOthers(task: TaskRun): Promise<void> {
    for (const running of task.running.values()) await this.#stop(task, running, SLOWER);
  }

  async #stop(task: TaskRun, { worker, controller }: Running, reason: string): Promise<void> {
    if (controller.signal.aborted) return;
    controller.abort();
    await this.#journal.note(task, worker.peer, reason);
  }

  async #right(task: TaskRun, running: Running, result: AttemptResult & { status: "right" }): Promise<void> {
    const { worker } = running;
    this.#assignment.took(this.#parts.clock.monotonic() - running.began);
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
    const before = task.held[0];
    task.held.push(held);
    await this.#stopOthers(task);
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
      else await this.#journal.note(task, worker.peer, "differs on another architecture");
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
    await this.#stopOthers(task);
    await this.#files.write(outputName(task), output);
    let settled: Held | undefined;
    for (const held of claims) {
      if (await this.#settlement.settle(task, held)) settled ??= held;
      else this.#providers.goneAway(held.worker.peer);
    }
    task.held = [];
    task.check = "none";
    if (settled === undefined) {
      task.state = "open";
      return;
    }
    const msat = priceOf(settled.claim.deal);
    await this.#verified(task, settled.worker, settled.milliseconds, msat, output);
  }

  async #verified(
    task: TaskRun,
    provider: { readonly peer: PeerId; readonly name: string },
    milliseconds: number,
    msat: number,
    output: Uint8Array,
  ): Promise<void> {
    await this.#journal.verified(task, provider, milliseconds, msat);
    await this.#stopOthers(task);
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
    await this.#journal.note(task, worker.peer, `caught: ${reason}`);
    await this.#journal.cheat(peer, reason);
    await records.caught(worker.account, clock.now());
    emit({ type: "cheat", peer, name, job: this.id, task: task.index, reason });
    this.#parts.caught(peer, reason);
    await this.#settlement.verdict(peer, task, reason);
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
    await this.#journal.ended({ state, reason: this.#reason, time: this.#finished });
    this.#parts.emit({ type: "job", job: this.view() });
    this.#resolveEnd();
  }

  #stopAll(): void {
    this.#stopLook();
    this.#stopDeadline();
    for (const task of this.#tasks) abortAll(task);
  }
}

function abortAll({ running }: TaskRun): void {
  for (const { controller } of running.values()) controller.abort();
}

function outputName(task: TaskRun): string {
  // No output of a module may bear the name: what comes out never begins with a dot.
  return `.task-${task.index}`;
}
