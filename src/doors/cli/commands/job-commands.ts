/** `freehold jobs` and `freehold job`: what is computed for this node. */
import type { Command } from "commander";
import type { JobView } from "#doors/api/sharing-control.ts";
import type { ApiClient } from "../api-client.ts";
import { type CliContext, type CommonOptions, UsageError } from "../cli-context.ts";
import { byteText } from "../progress-line.ts";
import { workersText } from "./follow-job.ts";
import { finishJob, tasksText } from "./job-result.ts";
import { parseCount } from "./parse-count.ts";

interface ListOptions extends CommonOptions {
  readonly limit: string;
}

interface JobCommandOptions extends CommonOptions {
  readonly cancel?: boolean;
  readonly follow?: boolean;
  readonly remove?: boolean;
}

/** Jobs that are asked for at a time: the most that the API gives. */
const PAGE = 1000;
const JOB_ID = /^[0-9a-f]{4,32}$/;

export function jobCommands(program: Command, context: CliContext): void {
  context
    .command(program, "jobs", "list jobs, the newest first")
    .option("--limit <count>", "so many at most", "200")
    .action(async (options: ListOptions) => {
      const limit = parseCount(options.limit, "--limit", 1, 1_000_000);
      const found = await newestJobs(context.api(options), limit + 1);
      const jobs = found.slice(0, limit);
      const lines = jobs.map(jobLine);
      if (found.length > limit) lines.push(`There are older ones: freehold jobs --limit ${10 * limit}`);
      context.print(options, jobs, lines.length === 0 ? "No jobs yet." : lines.join("\n"));
    });

  context
    .command(program, "job <id>", "show one job; the first four digits of its id will do")
    .option("--follow", "stay until it has ended")
    .option("--cancel", "cancel it; what came out of it stays")
    .option("--remove", "remove it for good once it has ended, with its folder and what came out of it")
    .action(async (id: string, options: JobCommandOptions) => {
      if (!JOB_ID.test(id)) {
        throw new UsageError(
          `${id || "''"} is no job's id, four or more digits 0-9 and a-f; freehold jobs lists them`,
        );
      }
      if (options.remove === true && (options.cancel === true || options.follow === true)) {
        throw new UsageError("--remove goes alone: a job that is to go must have ended");
      }
      const api = context.api(options);
      const path = `/jobs/${id}`;
      if (options.remove === true) {
        const removed = await api.delete<JobView>(path);
        context.print(options, removed, removedText(removed));
        return;
      }
      const job =
        options.cancel === true ? await api.post<JobView>(`${path}/cancel`) : await api.get<JobView>(path);
      if (options.follow === true) await finishJob(context, options, api, job);
      else context.print(options, job, jobText(job));
    });
}

/** The newest jobs, page by page. */
export async function newestJobs(api: Pick<ApiClient, "get">, limit: number): Promise<JobView[]> {
  const jobs: JobView[] = [];
  while (jobs.length < limit) {
    const size = Math.min(PAGE, limit - jobs.length);
    const last = jobs.at(-1);
    const after = last === undefined ? "" : `&after=${last.created}-${last.id}`;
    const page = await api.get<readonly JobView[]>(`/jobs?limit=${size}${after}`);
    jobs.push(...page);
    if (page.length < size) break;
  }
  return jobs;
}

export function jobLine({ id, state, created, title, counts, bytes }: JobView): string {
  // What a record that can not be read says nothing of.
  const day = created === 0 ? " ".repeat(16) : new Date(created).toISOString().slice(0, 16).replace("T", " ");
  const size = bytes === undefined ? "" : `  ${byteText(bytes)}`;
  return `${id.slice(0, 8)}  ${day}  ${state.padEnd(9)}  ${title}  ${counts.verified} of ${counts.total}${size}`;
}

function removedText({ id, title, bytes }: JobView): string {
  return `Removed ${title} (${id.slice(0, 8)})${bytes === undefined ? "" : `: ${byteText(bytes)}`}.`;
}

export function jobText(job: JobView): string {
  const isTold = job.reason === undefined || job.reason === job.state;
  const lines = [`${job.title}: ${job.state}${isTold ? "" : `, ${job.reason}`}`];
  const verified = job.tasks.filter(({ state }) => state === "verified");
  lines.push(`${verified.length} of ${tasksText(job.tasks.length)} verified`);
  if (verified.length > 0) lines.push(workersText(verified));
  for (const { index, attempts } of job.tasks) {
    const failures = attempts.filter(({ outcome }) => outcome !== "verified");
    for (const { provider, outcome } of failures)
      lines.push(`  task ${index}, ${provider.slice(-8)}: ${outcome}`);
  }
  if (job.outputs !== undefined) lines.push(job.outputs);
  return lines.join("\n");
}
