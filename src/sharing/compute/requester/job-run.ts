/**
 * One job under way, from its start or restart to its end: has tasks given out and what comes of them judged, and puts
 * the outputs together.
 */
import type { Clock } from "#base/lib/clock.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { Random } from "#base/lib/random.ts";
import type { Deals } from "#sharing/deals/deal.ts";
import type { Mesh, PeerId } from "#sharing/mesh/mesh.ts";
import type { BoundKind } from "../core/bound-kind.ts";
import type { PlannedTask, Rerun } from "../core/job-kind.ts";
import type { TaskId } from "../core/task.ts";
import { Assignment } from "./assignment.ts";
import type { Inbox } from "./inbox.ts";
import { JobJournal } from "./job-journal.ts";
import type { JobFolder, JobRecord } from "./job-store.ts";
import type { JobEvent, JobState, JobView } from "./job-view.ts";
import { Providers } from "./providers.ts";
import { RerunError } from "./rerun-error.ts";
import type { SelfWorker } from "./self-worker.ts";
import { Settlement } from "./settlement.ts";
import { viewOf } from "./stored-view.ts";
import { type Running, TaskRun } from "./task-run.ts";
import { TaskVerdicts } from "./task-verdicts.ts";
import type { TrackRecords } from "./track-record.ts";
import type { Worker } from "./worker.ts";

export interface JobRunParts {
  readonly mesh: Mesh;
  readonly deals: Deals;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly inbox: Inbox;
  readonly records: TrackRecords;
  readonly self: SelfWorker;
  /** What a provider is called. */
  readonly nameOf: (peer: PeerId) => string;
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
/** Milliseconds between two looks at the time of day, at most. */
const DEADLINE_LOOK = 1000;

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
  readonly #verdicts: TaskVerdicts;
  /** Ends of attempts that are being dealt with. */
  readonly #takes = new Set<Promise<void>>();
  #state: JobState = "waiting";
  #reason: string | undefined;
  #finished: number | undefined;
  #stopLook: () => void = () => {};
  #stopDeadline: () => void = () => {};
  #pumping = false;
  /** The outputs are being put together. */
  #finishing = false;
  /** The process ends: nothing counts any more. */
  #isSuspended = false;
  #resolveEnd!: () => void;
  /** When it has ended, one way or another, and that is on disk. */
  readonly ended: Promise<void>;
  #resolveClosed!: (isKept: boolean) => void;
  /** When nothing of it is under way or open any more, after its end; whether all that is to be kept of it is on disk. */
  readonly closed: Promise<boolean>;

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
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    this.#providers = new Providers({
      ...parts,
      kind,
      order: record.order,
      taskMsat: record.taskMsat ?? 0,
      rerun: (task, signal) => this.#rerun(task, signal),
      wake: () => this.wake(),
    });
    this.#journal = new JobJournal({ ...parts, files, tasks: this.#tasks });
    this.#assignment = new Assignment({
      ...parts,
      tasks: this.#tasks,
      providers: this.#providers,
      budgetMsat: record.budgetMsat,
      spentMsat: () => this.#journal.spentMsat,
    });
    this.#verdicts = new TaskVerdicts({
      ...parts,
      jobId: id,
      kind,
      files,
      tasks: this.#tasks,
      providers: this.#providers,
      journal: this.#journal,
      assignment: this.#assignment,
      settlement: new Settlement({ ...parts, journal: this.#journal, order: record.order }),
      goesOn: () => this.#goesOn,
      tell: (task) => this.#tell(task),
      wake: () => this.wake(),
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
    this.#resolveClosed(true);
  }

  get #goesOn(): boolean {
    return this.#state === "running" && !this.#finishing;
  }

  get over(): boolean {
    return this.#state === "done" || this.#state === "failed" || this.#state === "cancelled";
  }

  get folder(): string {
    return this.#files.path;
  }

  view(): JobView {
    return viewOf(this.id, this.record, this.#tasks, this.#files.path, {
      state: this.#state,
      finished: this.#finished,
      reason: this.#reason,
    });
  }

  /** Begins, or goes on where the journal ends. */
  start(): void {
    if (this.over) return;
    this.#state = "running";
    this.#parts.emit({ type: "job", job: this.view() });
    this.#watchDeadline();
    if (this.over) return;
    this.#follow(this.#verdicts.settleLeftOvers());
    this.#look();
    this.wake();
  }

  /** Timers stand still while the machine sleeps: the deadline is a time of day, and is looked at again and again. */
  #watchDeadline(): void {
    const { deadline } = this.record;
    if (deadline === undefined) return;
    const left = deadline - this.#parts.clock.now();
    if (left <= 0) this.#endSoon("failed", "its deadline passed");
    else {
      const turn = Math.min(left, DEADLINE_LOOK);
      this.#stopDeadline = this.#parts.clock.after(turn, () => this.#watchDeadline());
    }
  }

  /** Something changed: peers came, tasks ended. */
  wake(): void {
    if (this.#pumping || !this.#goesOn) return;
    this.#pumping = true;
    queueMicrotask(() => {
      this.#pumping = false;
      try {
        if (this.#goesOn) this.#pump();
      } catch (error) {
        this.#broken(error as Error);
      }
    });
  }

  cancel(): Promise<void> {
    return this.#end("cancelled", "cancelled");
  }

  /** Stops without an end: the job goes on at the next start. */
  async suspend(): Promise<void> {
    if (this.over) return;
    this.#isSuspended = true;
    this.#state = "waiting";
    this.#stopAll();
    await this.#journal.close();
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

  /** This job or another caught a provider. */
  shun(peer: PeerId): void {
    this.#follow(this.#verdicts.shun(peer));
  }

  // Who does what.

  #pump(): void {
    const limits = this.#tasks[0]?.planned.spec.limits;
    if (limits !== undefined) this.#providers.meet(limits);
    this.#assignment.giveOut((task, worker) => this.#launch(task, worker));
    this.#verdicts.checkLast();
    if (this.#tasks.every((task) => task.ended)) this.#finish().catch((error: Error) => this.#broken(error));
  }

  /** Looks at what is slow, and for providers that may be tried again, now and then. */
  #look(): void {
    this.#stopLook = this.#parts.clock.after(LOOK, () => {
      this.wake();
      if (this.#goesOn) this.#look();
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
      fresh: worker.isSelf && task.ownFailures > 0,
      moved: (phase: "running" | "verifying") => {
        task.phase = phase;
        this.#tell(task);
      },
    };
    this.#follow(worker.run(attempt).then((result) => this.#verdicts.take(task, running, result)));
  }

  /** Something that goes on by itself until it has ended; a bug or a failed disk in it ends the job. */
  #follow(action: Promise<void>): void {
    const take = action
      .catch((error: Error) => this.#broken(error))
      .finally(() => {
        this.#takes.delete(take);
      });
    this.#takes.add(take);
  }

  #tell(task: TaskRun): void {
    if (!this.over) this.#parts.emit({ type: "task", job: this.id, task: task.view() });
  }

  /** A bug or a failed disk ends the job, not the process. */
  #broken(error: Error): void {
    this.#parts.log.error(`compute: job ${this.id}: ${error.stack ?? error.message}`);
    this.#endSoon("failed", `internal: ${error.message}`);
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
    this.#finishing = true;
    const lost = this.#tasks.filter((task) => task.state === "lost");
    const finished = this.#tasks.map((task) => ({
      ...task.planned,
      index: task.index,
      output: async () => (task.state === "verified" ? this.#files.read(task.outputName) : undefined),
    }));
    for await (const { name, bytes } of this.#kind.assemble(finished)) await this.#files.write(name, bytes);
    // It may have been suspended meanwhile; then the next start puts it together again.
    if (this.#state !== "running") return;
    if (lost.length === 0) return await this.#end("done", "");
    const first = lost[0]!.attempts.at(-1)?.outcome ?? "failed";
    await this.#end("failed", `${lost.length} of ${this.#tasks.length} tasks failed: ${first}`);
  }

  #endSoon(state: "done" | "failed" | "cancelled", reason: string): void {
    this.#end(state, reason).catch((error: Error) => {
      this.#parts.log.error(`compute: job ${this.id}: ${error.stack ?? error.message}`);
      this.#resolveEnd();
      void this.#close(false);
    });
  }

  async #end(state: "done" | "failed" | "cancelled", reason: string): Promise<void> {
    if (this.over || this.#isSuspended) return;
    this.#state = state;
    this.#reason = reason === "" ? undefined : reason;
    this.#finished = this.#parts.clock.now();
    this.#stopAll();
    await this.#journal.ended({ state, reason: this.#reason, time: this.#finished });
    this.#parts.emit({ type: "job", job: this.view() });
    this.#resolveEnd();
    void this.#close(true);
  }

  /** Its last receipts are still recorded; then nothing of it is open. @param isKept whether its end is on disk */
  async #close(isKept: boolean): Promise<void> {
    try {
      while (this.#takes.size > 0) await Promise.all(this.#takes);
      await this.#journal.close();
      if (isKept) await this.#files.removeResults();
      this.#resolveClosed(isKept);
    } catch (error) {
      this.#parts.log.warn(`compute: job ${this.id} leaves files behind: ${(error as Error).message}`);
      this.#resolveClosed(false);
    }
  }

  #stopAll(): void {
    this.#stopLook();
    this.#stopDeadline();
    for (const task of this.#tasks) task.abort();
  }
}
