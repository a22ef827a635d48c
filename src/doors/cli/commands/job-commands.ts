/** `freehold jobs` and `freehold job`: what is computed for this node. */
import type { Command } from "commander";
import type { JobView } from "#doors/api/sharing-control.ts";
import { type CliContext, type CommonOptions, UsageError } from "../cli-context.ts";
import { workersText } from "./follow-job.ts";
import { finishJob, tasksText } from "./job-result.ts";

interface JobCommandOptions extends CommonOptions {
  readonly cancel?: boolean;
  readonly follow?: boolean;
}

const JOB_ID = /^[0-9a-f]{4,32}$/;

export function jobCommands(program: Command, context: CliContext): void {
  context.command(program, "jobs", "list jobs, the newest first").action(async (options: CommonOptions) => {
    const jobs = await context.api(options).get<readonly JobView[]>("/jobs");
    context.print(options, jobs, jobs.length === 0 ? "No jobs yet." : jobs.map(jobLine).join("\n"));
  });

  context
    .command(program, "job <id>", "show one job; the first four digits of its id will do")
    .option("--follow", "stay until it has ended")
    .option("--cancel", "cancel it; what came out of it stays")
    .action(async (id: string, options: JobCommandOptions) => {
      if (!JOB_ID.test(id)) {
        throw new UsageError(
          `${id || "''"} is no job's id, four or more digits 0-9 and a-f; freehold jobs lists them`,
        );
      }
      const api = context.api(options);
      const path = `/jobs/${id}`;
      const job = options.cancel === true ? await api.delete<JobView>(path) : await api.get<JobView>(path);
      if (options.follow === true) await finishJob(context, options, api, job);
      else context.print(options, job, jobText(job));
    });
}

function jobLine(job: JobView): string {
  const { verified, total } = job.counts;
  return `${job.id.slice(0, 8)}  ${job.state.padEnd(9)}  ${job.title}  ${verified} of ${total}`;
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
