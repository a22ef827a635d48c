/** `freehold run`: a WebAssembly module over inputs, one task each. */
import { existsSync, globSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import type { JobView, RunRequest } from "#doors/api/sharing-control.ts";
import { type CliContext, UsageError } from "../cli-context.ts";
import { byteText } from "../progress-line.ts";
import { parseSize } from "./host-commands.ts";
import { finishJob, type JobOptions } from "./job-result.ts";
import { parseCount } from "./parse-count.ts";

interface RunOptions extends JobOptions {
  readonly each?: readonly string[];
  readonly arg?: readonly string[];
  readonly seed?: string;
  readonly memory?: string;
  readonly output?: string;
  readonly seconds?: string;
}

export function runCommands(program: Command, context: CliContext): void {
  context
    .command(program, "run <module>", "run a WebAssembly module (WASI, or a kernel) on everybody's machines")
    .option("--each <files...>", "one task for each of these files: its standard input and /in/0")
    .option("--arg <text...>", "arguments of the module")
    .option("--seed <n>", "the module's only randomness")
    .option("--memory <size>", "most memory of a task, such as 256MiB")
    .option("--output <size>", "most output of a task, such as 16MiB")
    .option("--seconds <n>", "most time of a task")
    .option("--no-wait", "print the job's id and leave")
    .action(async (module: string, options: RunOptions) => {
      const api = context.api(options);
      const request = requestOf(module, options);
      await finishJob(context, options, api, await api.post<JobView>("/jobs/run", request));
    });
}

function requestOf(module: string, options: RunOptions): RunRequest {
  const { each, arg, seed, memory, output, seconds } = options;
  return {
    module: resolve(module),
    inputs: (each ?? []).flatMap(inputFiles).map((path) => resolve(path)),
    ...(arg === undefined ? {} : { args: [...arg] }),
    ...(seed === undefined ? {} : { seed: parseCount(seed, "--seed", 0, 0xffff_ffff) }),
    ...(memory === undefined
      ? {}
      : { memoryBytes: sizeWithin(memory, "--memory", 64 * 1024, 4 * 1024 ** 3) }),
    ...(output === undefined ? {} : { outputBytes: sizeWithin(output, "--output", 1, 256 * 1024 ** 2) }),
    ...(seconds === undefined ? {} : { seconds: parseCount(seconds, "--seconds", 1, 3600) }),
  };
}

/** @throws UsageError that names the option */
function sizeWithin(text: string, option: string, min: number, max: number): number {
  const bytes = parseSize(text);
  if (bytes >= min && bytes <= max) return bytes;
  throw new UsageError(`${option} ${text}: ${byteText(min)} to ${byteText(max)} are possible`);
}

/** A file, or a pattern that the shell left alone. @throws UsageError where there is none */
function inputFiles(text: string): string[] {
  if (existsSync(text)) return [text];
  const found = /[*?[{]/.test(text) ? globSync(text).sort() : [];
  if (found.length === 0) throw new UsageError(`--each ${text}: no such file`);
  return found;
}
