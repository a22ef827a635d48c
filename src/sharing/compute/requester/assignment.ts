/** Who is given which task: a check first, then what waits, then what is slow elsewhere; within the budget. */
import type { Clock } from "#base/lib/clock.ts";
import type { PeerId } from "#sharing/mesh/mesh.ts";
import { DOUBLED_FIRST } from "../core/check-policy.ts";
import { isTasksOwnFault } from "../core/task-runner.ts";
import type { Providers } from "./providers.ts";
import { RemoteWorker } from "./remote-worker.ts";
import type { TaskRun } from "./task-run.ts";
import type { TrackRecords } from "./track-record.ts";
import type { Worker } from "./worker.ts";

export interface AssignmentParts {
  readonly tasks: readonly TaskRun[];
  readonly clock: Clock;
  readonly records: TrackRecords;
  readonly providers: Providers;
  readonly self: Worker;
  /** Whether this machine does tasks too, or checks alone. */
  readonly selfWorks: boolean;
  readonly budgetMsat: number | undefined;
  readonly spentMsat: () => number;
}

/** A task is repeated elsewhere when it has taken this many times the median, and at least this many milliseconds. */
const SLOW_FACTOR = 1.5;
const SLOW_LEAST = 400;
/** Before any has ended. */
const SLOW_FIRST = 4_000;
/** Attempts that the median is taken of. */
const TIMES = 100;

/** The tasks without a result, and who is there for them, as one look found them. */
interface OpenTasks {
  readonly remote: readonly Worker[];
  /** Whether this machine may take whatever waits, or only what nobody else can do. */
  readonly selfTakesAll: boolean;
  /** Whether a provider is there, or about to be, that the budget allows. */
  readonly haveOthers: boolean;
  readonly tasks: readonly TaskRun[];
  readonly checks: readonly TaskRun[];
  /** By worker: attempts under way, and failures it told of that are not judged yet. */
  readonly loads: Map<PeerId, number>;
}

export class Assignment {
  readonly #parts: AssignmentParts;
  /** Milliseconds of ended attempts, for the median. */
  readonly #times: number[] = [];

  constructor(parts: AssignmentParts) {
    this.#parts = parts;
  }

  /** An attempt brought a result after this many milliseconds. */
  took(milliseconds: number): void {
    this.#times.push(milliseconds);
    if (this.#times.length > TIMES) this.#times.shift();
  }

  /** Gives out all that can be given out now, in turns. `launch` begins an attempt. */
  giveOut(launch: (task: TaskRun, worker: Worker) => void): void {
    const open = this.#openTasks();
    const workers = this.#workers(open);
    for (let given = true; given; ) {
      given = false;
      for (const worker of workers) {
        if (loadOf(open, worker) >= worker.window) continue;
        const task = this.#pick(worker, open);
        if (task === undefined) continue;
        launch(task, worker);
        open.loads.set(worker.peer, loadOf(open, worker) + 1);
        given = true;
      }
    }
  }

  /** Those who can be given something; this machine last, and only where it is needed or works too. */
  #workers({ remote, selfTakesAll, tasks }: OpenTasks): readonly Worker[] {
    const isNeeded = selfTakesAll || tasks.some((task) => isForSelf(task, remote));
    return isNeeded ? [...remote, this.#parts.self] : remote;
  }

  /** One look over all tasks: a job may have thousands. */
  #openTasks(): OpenTasks {
    const { providers, selfWorks } = this.#parts;
    const remote = providers.ready();
    const haveOthers = providers.arePreparing || remote.some((one) => this.#affords(one)) || this.#owes();
    const tasks = this.#parts.tasks.filter(({ state }) => state === "open");
    const loads = new Map<PeerId, number>();
    for (const task of tasks) {
      for (const peer of [...task.running.keys(), ...accusers(task)]) {
        loads.set(peer, (loads.get(peer) ?? 0) + 1);
      }
    }
    const checks = tasks.filter((task) => task.held.length > 0 && task.check !== "none");
    return { remote, selfTakesAll: selfWorks || !haveOthers, haveOthers, tasks, checks, loads };
  }

  #pick(worker: Worker, open: OpenTasks): TaskRun | undefined {
    if (!this.#affords(worker)) return undefined;
    const urgent = worker.isSelf ? open.tasks.find((task) => task.waits && task.needsSelf) : undefined;
    const first = urgent ?? open.checks.find((task) => this.#mayCheck(task, worker));
    if (first !== undefined) return first;
    const waiting = open.tasks.find((task) => {
      if (!task.waits) return false;
      if (worker.isSelf) return isForSelf(task, open.remote) || (open.selfTakesAll && isGoodFor(task, open));
      return !task.needsSelf && !task.tried.has(worker.peer);
    });
    if (waiting !== undefined) return waiting;
    if (worker.isSelf && !this.#parts.selfWorks) return undefined;
    return loadOf(open, worker) === 0 ? this.#slowest(worker, open) : undefined;
  }

  #affords(worker: Worker): boolean {
    const { budgetMsat, spentMsat } = this.#parts;
    if (!(worker instanceof RemoteWorker) || budgetMsat === undefined) return true;
    return spentMsat() + this.#promised() + worker.price <= budgetMsat;
  }

  /** Whether what is left of the budget waits for results: they may yet fail, and free it. */
  #owes(): boolean {
    return this.#parts.budgetMsat !== undefined && this.#promised() > 0;
  }

  /** Msat of attempts under way and results that are held. */
  #promised(): number {
    let msat = 0;
    for (const task of this.#parts.tasks) {
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
    let slowest: TaskRun | undefined;
    let longest = this.#slowAfter();
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
}

/** Whether nobody but this machine may do it now: it has the last word, or all others failed it. */
function isForSelf(task: TaskRun, remote: readonly Worker[]): boolean {
  if (task.needsSelf || task.check !== "none") return true;
  return task.waits && remote.length > 0 && remote.every(({ peer }) => task.tried.has(peer));
}

/** Who says that the task can not be done: as long as that is not judged, it gets no more than its window of others. */
function accusers({ failures, needsSelf }: TaskRun): PeerId[] {
  if (!needsSelf) return [];
  return failures.filter(({ code, isSelf }) => !isSelf && isTasksOwnFault(code)).map(({ peer }) => peer);
}

/** What failed on this machine is left to others while there are any. */
function isGoodFor(task: TaskRun, { haveOthers }: OpenTasks): boolean {
  return task.ownFailures === 0 || !haveOthers;
}

function loadOf({ loads }: OpenTasks, worker: Worker): number {
  return loads.get(worker.peer) ?? 0;
}
