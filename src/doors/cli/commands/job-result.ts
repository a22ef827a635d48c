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
  const ended = await followJob(api, job);
  if (ended.state !== "done") {
    if (options.json === true) context.print(options, ended, "");
    throw new Error(`the job ${ended.state}${ended.reason === undefined ? "" : `: ${ended.reason}`}`);
  }
  context.print(options, ended, resultText(ended));
}

function resultText(job: JobView): string {
  const folder = job.outputs ?? "";
  const seconds = ((job.finished ?? job.created) - job.created) / 1000;
  const where = job.kind === "render" ? join(folder, "picture.png") : folder;
  return `${job.tasks.length} tasks in ${seconds.toFixed(1)} s: ${workersText(job.tasks)}\n${where}`;
}
