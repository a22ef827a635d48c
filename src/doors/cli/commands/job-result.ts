/** What a command prints when a job that it waited for has ended. */
import { join } from "node:path";
import type { JobView } from "#doors/api/sharing-control.ts";
import type { ApiClient } from "../api-client.ts";
import type { CliContext, CommonOptions } from "../cli-context.ts";
import { followJob, workersText } from "./follow-job.ts";

export interface JobOptions extends CommonOptions {
  /** `--no-wait` sets it false. */
  readonly wait?: boolean;
}

/** Follows the job unless told not to, prints what came of it, and fails where it failed. */
export async function finishJob(
  context: CliContext,
  options: JobOptions,
  api: ApiClient,
  job: JobView,
): Promise<void> {
  if (options.wait === false) {
    context.print(options, job, `Job ${job.id}: ${job.title}.\nfreehold job ${job.id.slice(0, 8)}`);
    return;
  }
  const leave = () => {
    const id = job.id.slice(0, 8);
    process.stderr.write(`\nThe job goes on without you: freehold job ${id} --follow, or --cancel\n`);
    process.exit(130);
  };
  process.once("SIGINT", leave);
  const ended = await followJob(api, job).finally(() => process.off("SIGINT", leave));
  if (ended.state === "done") {
    context.print(options, ended, resultText(ended));
    return;
  }
  // For programs the job is the answer, with its state and reason; for people its reason is the error.
  if (options.json !== true) throw new Error(endText(ended));
  context.print(options, ended, "");
  process.exitCode = 1;
}

/** `the job failed: …`, `the job was cancelled`. */
export function endText({ state, reason }: JobView): string {
  const verb = state === "cancelled" ? "was cancelled" : state;
  return `the job ${verb}${reason === undefined || reason === state ? "" : `: ${reason}`}`;
}

/** `1 task`, `12 tasks`. */
export function tasksText(count: number): string {
  return count === 1 ? "1 task" : `${count} tasks`;
}

function resultText(job: JobView): string {
  const folder = job.outputs ?? "";
  const seconds = ((job.finished ?? job.created) - job.created) / 1000;
  const where = job.kind === "render" ? join(folder, "picture.png") : folder;
  return `${tasksText(job.tasks.length)} in ${seconds.toFixed(1)} s: ${workersText(job.tasks)}\n${where}`;
}
