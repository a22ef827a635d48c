/** `freehold provide`: lends this machine's cores to others. */
import type { Command } from "commander";
import type { ProviderStatus } from "#doors/api/sharing-control.ts";
import type { CliContext, CommonOptions } from "../cli-context.ts";

export function provideCommands(program: Command, context: CliContext): void {
  const provide = program.command("provide").description("lend this machine's cores to others");

  context
    .command(provide, "start", "compute for others from now on")
    .action(async (options: CommonOptions) => {
      const status = await context.api(options).post<ProviderStatus>("/provider/start");
      context.print(options, status, providerText(status));
    });

  context
    .command(provide, "stop", "stop at once: what runs for others is killed")
    .action(async (options: CommonOptions) => {
      const status = await context.api(options).post<ProviderStatus>("/provider/stop");
      context.print(options, status, providerText(status));
    });

  context
    .command(provide, "status", "show what is computed for others, and why not more")
    .action(async (options: CommonOptions) => {
      const status = await context.api(options).get<ProviderStatus>("/provider");
      context.print(options, status, providerText(status));
    });
}

/** The steps of the funnel, in order; the others are reasons of refusals. */
const STEPS = ["seen", "refused", "matched", "ran", "verified"];

export function providerText(status: ProviderStatus): string {
  const running = `${status.running} ${status.running === 1 ? "task runs" : "tasks run"}`;
  const lines = [status.on ? `Lending cores: ${running}.` : "Not lending cores."];
  const { funnel } = status;
  lines.push(STEPS.map((step) => `${step} ${funnel[step] ?? 0}`).join(" → "));
  for (const [name, count] of Object.entries(funnel)) {
    if (!STEPS.includes(name) && count > 0) lines.push(`  ${name}: ${count}`);
  }
  return lines.join("\n");
}
