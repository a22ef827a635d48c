import type { Transferable } from "node:worker_threads";

/** Runs in the worker's file: answers each job of the pool with what `handle` returns or throws. */
export declare function serveJobs<Job, Result>(
  handle: (job: Job) => Result | Promise<Result>,
  transferOf?: (result: Result) => readonly Transferable[],
): void;
