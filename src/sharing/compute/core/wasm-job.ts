/**
 * The kind of `freehold run`: any module, one task an input. What it computes can not be checked in part, so a task is
 * done again by another where a check is due (docs/protocols/compute.md, "Checking").
 */
import { z } from "zod";
import { sha256 } from "#base/crypto/sha256.ts";
import { concatBytes, writeU32 } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { decodeCbor, encodeCbor } from "#sharing/mesh/cbor.ts";
import { integer, textUpTo } from "#sharing/mesh/schema.ts";
import type { FinishedTask, JobKind, JobPlan, OutputFile, PlannedTask } from "./job-kind.ts";
import { type ContentRef, TASK_MAXIMA, type TaskLimits } from "./task.ts";
import { checkModule } from "./wasm-module.ts";

const MAX_NAME_BYTES = 100;
/** Most tasks of one job. */
const MAX_TASKS = 10_000;
const DEFAULTS = { memoryBytes: 256 * 2 ** 20, outputBytes: 16 * 2 ** 20, seconds: 60 };

export const wasmSettings = z.strictObject({
  args: z.array(textUpTo(4096)).max(256),
  seed: integer(0, 0xffff_ffff),
  memoryBytes: integer(65_536, TASK_MAXIMA.memoryBytes).optional(),
  outputBytes: integer(0, TASK_MAXIMA.outputBytes).optional(),
  seconds: integer(1, TASK_MAXIMA.milliseconds / 1000).optional(),
});
export type WasmSettings = z.infer<typeof wasmSettings>;

const SEED_DOMAIN = new TextEncoder().encode("freehold/seed/1");

/** A task's seed from the number a user gives: SHA-256("freehold/seed/1" ‖ u32 LE). */
export function seedOf(seed: number): Uint8Array {
  const bytes = new Uint8Array(4);
  writeU32(bytes, 0, seed);
  return sha256(concatBytes(SEED_DOMAIN, bytes));
}

/** The first file is the module, each other one an input. */
export const wasmJobKind: JobKind<WasmSettings> = {
  name: "wasm",
  settings: wasmSettings,
  // Strangers' code: nothing of a run may reach the next one.
  reuses: false,

  async split(settings, files) {
    const [module, ...inputs] = files;
    if (module === undefined) return { ok: false, reason: "no module" };
    if (inputs.length > MAX_TASKS) return { ok: false, reason: `more than ${MAX_TASKS} inputs` };
    if (module.length > TASK_MAXIMA.codeBytes) return { ok: false, reason: `${module.name} is too long` };
    const limits = limitsOf(settings);
    const verdict = checkModule(await module.bytes(), limits.memoryBytes);
    if (!verdict.ok) return { ok: false, reason: `${module.name} ${verdict.reason}` };
    const tooLong = inputs.find((input) => input.length > TASK_MAXIMA.inputBytes);
    if (tooLong !== undefined) return { ok: false, reason: `${tooLong.name} is too long` };
    const params = encodeCbor(settings.args);
    if (params.length > TASK_MAXIMA.paramsBytes) return { ok: false, reason: "the arguments are too long" };
    const code = await module.content();
    const task = (refs: readonly ContentRef[], label: string): PlannedTask => ({
      spec: { kind: "wasm", code, inputs: refs, params, seed: seedOf(settings.seed), limits },
      label,
    });
    const tasks: PlannedTask[] = [];
    for (const input of inputs) tasks.push(task([await input.content()], input.name));
    if (tasks.length === 0) tasks.push(task([], module.name));
    return { ok: true, plan: { title: titleOf(module.name, inputs.length), tasks } satisfies JobPlan };
  },

  malformed: () => undefined,
  challenge: () => undefined,
  verify: async () => ({ ok: false, reason: "this kind has no challenge" }),

  async *assemble(_settings, tasks) {
    const names = new Set<string>();
    for (const task of tasks) {
      const output = await task.output();
      if (output === undefined) continue;
      for (const file of filesOf(task, output)) yield { ...file, name: uniqueName(file.name, task, names) };
    }
  },
};

function titleOf(module: string, inputs: number): string {
  return inputs === 0 ? module : `${module} over ${inputs} input${inputs === 1 ? "" : "s"}`;
}

function limitsOf(settings: WasmSettings): TaskLimits {
  return {
    memoryBytes: settings.memoryBytes ?? DEFAULTS.memoryBytes,
    outputBytes: settings.outputBytes ?? DEFAULTS.outputBytes,
    traceBytes: 0,
    milliseconds: 1000 * (settings.seconds ?? DEFAULTS.seconds),
  };
}

/** What one task gave: `<input>.out` for its standard output (or a kernel's output), `<input>.<file>` for each file. */
function filesOf(task: FinishedTask, output: Uint8Array): OutputFile[] {
  const label = safeName(task.label ?? `task-${task.index}`);
  const command = readCommandOutput(output);
  if (command === undefined) return [{ name: `${label}.out`, bytes: output }];
  const files = Object.entries(command.files).map(([path, bytes]) => ({
    name: `${label}.${safeName(path)}`,
    bytes,
  }));
  const isSilent = command.stdout.length === 0 && files.length > 0;
  return isSilent ? files : [{ name: `${label}.out`, bytes: command.stdout }, ...files];
}

const commandOutput = z.strictObject({
  files: z.record(z.string(), z.instanceof(Uint8Array)),
  stdout: z.instanceof(Uint8Array),
});

/** The files and standard output of a WASI command; undefined for what no command wrote. */
export function readCommandOutput(output: Uint8Array): z.infer<typeof commandOutput> | undefined {
  try {
    const parsed = commandOutput.safeParse(decodeCbor(output));
    return parsed.success ? parsed.data : undefined;
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

/** A name that is one part of a path, printable, neither hidden nor long: two of them fit into what disks allow. */
function safeName(name: string): string {
  const plain = name.replace(/[^\p{L}\p{N}._-]/gu, "_").replace(/^\.+/, "_");
  let short = "";
  let bytes = 0;
  for (const letter of plain) {
    bytes += new TextEncoder().encode(letter).length;
    if (bytes > MAX_NAME_BYTES) break;
    short += letter;
  }
  return short || "_";
}

function uniqueName(name: string, task: FinishedTask, taken: Set<string>): string {
  let unique = name;
  for (let again = 0; taken.has(unique); again++) {
    unique = again === 0 ? `${task.index}-${name}` : `${task.index}-${again}-${name}`;
  }
  taken.add(unique);
  return unique;
}
