/** `freehold host`: lends space of this machine's disk to others. */
import type { Command } from "commander";
import type { HostRules, HostStatus } from "#doors/api/sharing-control.ts";
import { type CliContext, type CommonOptions, UsageError } from "../cli-context.ts";
import { bar, byteText } from "../progress-line.ts";

const DEFAULT_SIZE = "10GB";

export function hostCommands(program: Command, context: CliContext): void {
  const host = program.command("host").description("lend space of this machine's disk to others");

  context
    .command(host, "start", "store for others, or change how much")
    .option("--size <size>", "most that others may fill, such as 500MB, 10GB or 1TiB", DEFAULT_SIZE)
    .option("--limit-per-account <size>", "most of it that one account may fill (no limit unless given)")
    .option("--keep-days <days>", "days that data stays whose owner has no terms any more", "30")
    .action(async (options: CommonOptions & RuleOptions) => {
      const status = await context.api(options).post<HostStatus>("/host/start", rulesOf(options));
      context.print(options, status, hostText(status));
    });

  context
    .command(host, "stop", "take no more in; what is stored stays until its term ends")
    .action(async (options: CommonOptions) => {
      const status = await context.api(options).post<HostStatus>("/host/stop");
      context.print(options, status, hostText(status));
    });

  context.command(host, "status", "show what is stored for others").action(async (options: CommonOptions) => {
    const status = await context.api(options).get<HostStatus>("/host");
    context.print(options, status, hostText(status));
  });
}

interface RuleOptions {
  readonly size: string;
  readonly limitPerAccount?: string;
  readonly keepDays: string;
}

/** @throws UsageError */
function rulesOf(options: RuleOptions): HostRules {
  const limitBytes = parseSize(options.size);
  const keepDays = /^\d{1,5}$/.test(options.keepDays) ? Number(options.keepDays) : 0;
  if (keepDays < 1 || keepDays > 36_500) {
    throw new UsageError(`${options.keepDays} is no number of days; it is 1 to 36500`);
  }
  if (options.limitPerAccount === undefined) return { limitBytes, keepDays };
  const limitBytesPerAccount = parseSize(options.limitPerAccount);
  if (limitBytesPerAccount > limitBytes) {
    throw new UsageError(`--limit-per-account is more than the ${byteText(limitBytes)} that all may fill`);
  }
  return { limitBytes, limitBytesPerAccount, keepDays };
}

function hostText(status: HostStatus): string {
  const stored = `${status.shards} ${status.shards === 1 ? "shard" : "shards"}`;
  const lines = status.on
    ? [
        `Storing for others: ${byteText(status.usedBytes)} of ${byteText(status.limitBytes)}, ${stored}.`,
        bar(status.usedBytes, status.limitBytes),
        ...(status.limitBytesPerAccount === undefined
          ? []
          : [`At most ${byteText(status.limitBytesPerAccount)} of it for each account.`]),
      ]
    : [`Not storing for others; ${byteText(status.usedBytes)} in ${stored} are here.`];
  if (status.trouble !== undefined) lines.push(`Trouble with the disk, and renters know: ${status.trouble}`);
  return lines.join("\n");
}

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  TIB: 2 ** 40,
};

/** Bytes of `10GB`, `1.5 TiB`, `4096`. @throws UsageError */
export function parseSize(text: string): number {
  const [, number = "", unit = ""] = /^\s*(\d{1,15}(?:\.\d{1,6})?)\s*([a-z]{0,3})\s*$/i.exec(text) ?? [];
  const factor = UNITS[unit.toUpperCase()];
  const bytes = number === "" || factor === undefined ? 0 : Math.floor(Number(number) * factor);
  if (bytes >= 1 && bytes <= Number.MAX_SAFE_INTEGER) return bytes;
  throw new UsageError(`${text} is no size; one is written 500MB, 10GB or 1TiB`);
}
