import { parentPort, type Transferable } from "node:worker_threads";
import type { JobAnswer, JobMessage } from "./job-message.ts";

/**
 * Runs in the worker's file: answers each job of the pool with what `handle` returns or throws.
 * @param transferOf buffers of a result to hand over instead of copying them.
 */
export function serveJobs<Job, Result>(
  handle: (job: Job) => Result | Promise<Result>,
  transferOf?: (result: Result) => readonly Transferable[],
): void {
  if (parentPort === null) throw new Error("serveJobs runs in a worker");
  const port = parentPort;
  port.on("message", async ({ id, job }: JobMessage) => {
    try {
      const result = await handle(job as Job);
      const answer: JobAnswer = { id, result };
      port.postMessage(answer, [...(transferOf?.(result) ?? [])]);
    } catch (thrown) {
      // What handle threw, or a result that can not be sent.
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      const { name, message, stack = "" } = error;
      port.postMessage({ id, error: { name, message, stack } } satisfies JobAnswer);
    }
  });
}
