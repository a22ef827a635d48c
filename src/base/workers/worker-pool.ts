import { type Transferable, Worker } from "node:worker_threads";
import type { JobAnswer, JobMessage } from "./job-message.ts";

export interface WorkerPoolOptions {
  /** The worker's file; it calls `serveJobs`. */
  readonly file: URL;
  /** Threads, at least one. */
  readonly size: number;
  /** Seen in thread names and errors. */
  readonly name: string;
  /** Jobs that may wait besides those given to threads (1024 unless told). */
  readonly maxQueued?: number;
  /** Jobs given to one thread at a time, so that it need not wait for the next (2 unless told). */
  readonly depth?: number;
  /** Handed to each worker at its start (`workerData`). */
  readonly data?: unknown;
}

/** A job that no thread has been given yet; whoever took it settles it. */
export interface QueuedJob<Job, Result> {
  readonly job: Job;
  resolve(result: Result): void;
  reject(error: unknown): void;
}

/** The thread that ran a job died. */
export class WorkerCrashError extends Error {
  override readonly name = "WorkerCrashError";
}

interface Waiting<Job, Result> extends QueuedJob<Job, Result> {
  readonly transfer: readonly Transferable[];
}

/** One thread and the jobs it was given. */
interface Thread<Job, Result> {
  worker: Worker | undefined;
  readonly given: Map<number, QueuedJob<Job, Result>>;
  /** What the thread died of, between its `error` and its `exit`. */
  cause: unknown;
}

/**
 * Threads that run jobs of one kind. Jobs travel by structured clone: hand over large data as SharedArrayBuffer
 * (seen by both sides) or in `transfer`. An idle pool does not keep the process alive.
 */
export class WorkerPool<Job, Result> {
  readonly size: number;
  readonly #options: WorkerPoolOptions;
  readonly #depth: number;
  readonly #maxQueued: number;
  readonly #threads: Thread<Job, Result>[] = [];
  #waiting: Waiting<Job, Result>[] = [];
  #given = 0;
  #nextId = 0;
  #closed = false;

  constructor(options: WorkerPoolOptions) {
    if (options.size < 1) throw new RangeError("a pool has at least one worker");
    this.#options = options;
    this.#depth = options.depth ?? 2;
    this.#maxQueued = options.maxQueued ?? 1024;
    this.size = options.size;
    for (let i = 0; i < options.size; i++) {
      const thread: Thread<Job, Result> = { worker: undefined, given: new Map(), cause: undefined };
      thread.worker = this.#start(thread, i);
      this.#threads.push(thread);
    }
  }

  /** Jobs not settled yet, those taken by {@link takeQueued} left out. */
  get pending(): number {
    return this.#given + this.#waiting.length;
  }

  /** Jobs that no thread was given yet. */
  get queued(): number {
    return this.#waiting.length;
  }

  /**
   * Runs a job on some thread.
   * @param transfer buffers of the job to hand over; they become unusable here.
   * @returns the result; rejects with the job's error (its class becomes Error, name and stack are kept), with
   * WorkerCrashError when its thread died, and when the pool is closed or too many jobs wait.
   */
  run(job: Job, transfer: readonly Transferable[] = []): Promise<Result> {
    if (this.#closed) return Promise.reject(new Error(`${this.#options.name}: the pool is closed`));
    if (this.#waiting.length >= this.#maxQueued) {
      return Promise.reject(new Error(`${this.#options.name}: more than ${this.#maxQueued} jobs wait`));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ job, resolve, reject, transfer });
      this.#giveOut();
    });
  }

  /** Takes the newest waiting job back, to run it on the calling thread. Its buffers were not handed over yet. */
  takeQueued(): QueuedJob<Job, Result> | undefined {
    return this.#waiting.pop();
  }

  /** Stops the threads; jobs that were not settled are rejected. */
  async close(): Promise<void> {
    this.#closed = true;
    const error = new Error(`${this.#options.name}: the pool was closed`);
    const unsettled: QueuedJob<Job, Result>[] = this.#waiting;
    this.#waiting = [];
    for (const thread of this.#threads) unsettled.push(...this.#takeGiven(thread));
    for (const job of unsettled) job.reject(error);
    await Promise.all(this.#threads.map((thread) => thread.worker?.terminate()));
  }

  #giveOut(): void {
    while (this.#waiting.length > 0 && !this.#closed) {
      let least = this.#threads[0]!;
      for (const thread of this.#threads) if (thread.given.size < least.given.size) least = thread;
      if (least.given.size >= this.#depth) return;
      this.#give(least, this.#waiting.shift()!);
    }
  }

  #give(thread: Thread<Job, Result>, waiting: Waiting<Job, Result>): void {
    // A thread that died is only replaced when there is work: one that can not even start must not spin.
    thread.worker ??= this.#start(thread, this.#threads.indexOf(thread));
    const id = this.#nextId++;
    try {
      const message: JobMessage = { id, job: waiting.job };
      thread.worker.postMessage(message, [...waiting.transfer]);
    } catch (error) {
      waiting.reject(error);
      return;
    }
    thread.given.set(id, waiting);
    this.#given++;
    thread.worker.ref();
  }

  #start(thread: Thread<Job, Result>, index: number): Worker {
    const { file, name, data } = this.#options;
    const worker = new Worker(file, { name: `${name}.${index}`, workerData: data });
    worker.unref();
    worker.on("message", (answer: JobAnswer) => this.#settle(thread, answer));
    worker.on("error", (cause) => {
      thread.cause = cause;
    });
    worker.on("exit", (code) => this.#died(thread, worker, code));
    return worker;
  }

  #settle(thread: Thread<Job, Result>, answer: JobAnswer): void {
    const job = thread.given.get(answer.id);
    if (job === undefined) return;
    thread.given.delete(answer.id);
    this.#given--;
    if (thread.given.size === 0) thread.worker?.unref();
    this.#giveOut();
    if ("error" in answer) job.reject(Object.assign(new Error(answer.error.message), answer.error));
    else job.resolve(answer.result as Result);
  }

  #died(thread: Thread<Job, Result>, worker: Worker, code: number): void {
    if (thread.worker !== worker) return;
    thread.worker = undefined;
    const { cause } = thread;
    thread.cause = undefined;
    const detail = cause instanceof Error ? cause.message : `exit code ${code}`;
    const error = new WorkerCrashError(`${this.#options.name}: a worker died: ${detail}`, { cause });
    for (const job of this.#takeGiven(thread)) job.reject(error);
    this.#giveOut();
  }

  #takeGiven(thread: Thread<Job, Result>): QueuedJob<Job, Result>[] {
    const jobs = [...thread.given.values()];
    thread.given.clear();
    this.#given -= jobs.length;
    return jobs;
  }
}
