import type { Transferable } from "node:worker_threads";

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

/** A job that no thread has been given yet. */
export interface QueuedJob<Job, Result> {
  readonly job: Job;
  resolve(result: Result): void;
  reject(error: unknown): void;
}

/** Threads that run jobs of one kind. */
export declare class WorkerPool<Job, Result> {
  constructor(options: WorkerPoolOptions);
  readonly size: number;
  /** Jobs not settled yet. */
  readonly pending: number;
  /** Jobs that no thread was given yet. */
  readonly queued: number;
  /** @throws (rejects) with the job's error; with WorkerCrashError when its thread died; when the pool is closed or full. */
  run(job: Job, transfer?: readonly Transferable[]): Promise<Result>;
  /** Takes the newest waiting job back, to run it on the calling thread. */
  takeQueued(): QueuedJob<Job, Result> | undefined;
  /** Stops the threads; jobs not settled are rejected. */
  close(): Promise<void>;
}
