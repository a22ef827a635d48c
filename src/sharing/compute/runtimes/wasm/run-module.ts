/** Runs one module to its end, in the child process: instance, input, output, and every way to fail as a value. */
import { DecodeError } from "#base/lib/decode-error.ts";
import { decodeCbor } from "#sharing/mesh/cbor.ts";
import type { TaskLimits } from "../../core/task.ts";
import { failRun, type RunOutcome } from "../../core/task-runner.ts";
import { Wasi } from "../../core/wasi.ts";
import { QuotaError } from "../../core/wasi-files.ts";
import { WasiExit } from "../../core/wasi-process.ts";
import { checkModule, type ModuleAbi, WASI_MODULE } from "../../core/wasm-module.ts";
import { KernelInstance } from "./kernel-instance.ts";

export interface LoadedModule {
  readonly abi: ModuleAbi;
  readonly module: WebAssembly.Module;
  /** The instance of the last run, where it may be used again. */
  kept?: KernelInstance | undefined;
}

export interface ModuleRun {
  readonly params: Uint8Array;
  readonly inputs: readonly Uint8Array[];
  readonly seed: Uint8Array;
  readonly limits: TaskLimits;
  /** Whether the instance may serve the next run too; only for kernels of our own. */
  readonly reuse?: boolean;
}

/** Checks, caps and compiles a module. */
export function loadModule(code: Uint8Array, memoryBytes: number): LoadedModule | RunOutcome {
  const verdict = checkModule(code, memoryBytes);
  if (!verdict.ok) return failRun(verdict.code, verdict.reason);
  try {
    return { abi: verdict.module.abi, module: new WebAssembly.Module(verdict.module.bytes) };
  } catch (error) {
    if (isNamed(error, "CompileError")) return failRun("refused-module", error.message);
    throw error;
  }
}

/** Runs a module; nothing of it is left afterwards but garbage, and the kept instance of a kernel of our own. */
export function runModule(loaded: LoadedModule, run: ModuleRun): RunOutcome {
  const start = performance.now();
  try {
    const outcome = loaded.abi === "kernel" ? runKernel(loaded, run) : runCommand(loaded.module, run);
    return outcome.ok
      ? { ok: true, value: { ...outcome.value, milliseconds: Math.ceil(performance.now() - start) } }
      : outcome;
  } catch (error) {
    return outcomeOf(error);
  }
}

/** What a module did, by what it threw. */
function outcomeOf(error: unknown): RunOutcome {
  if (error instanceof QuotaError) return failRun("output-limit", error.message);
  if (isNamed(error, "LinkError") || isNamed(error, "CompileError")) {
    return failRun("refused-module", error.message);
  }
  if (isNamed(error, "RuntimeError")) return failRun("trap", error.message);
  if (error instanceof RangeError) {
    if (error.message.includes("call stack")) return failRun("trap", "call stack exhausted");
    return failRun("memory-limit", error.message);
  }
  throw error;
}

/** WebAssembly's own errors, which the type library of this package does not know. */
function isNamed(error: unknown, name: "CompileError" | "LinkError" | "RuntimeError"): error is Error {
  return error instanceof Error && error.name === name;
}

/**
 * A kernel of our own keeps its instance, with its inputs in place: only the parameters are new. What failed once is
 * not used again.
 */
function runKernel(loaded: LoadedModule, { params, inputs, limits, reuse }: ModuleRun): RunOutcome {
  const kernel = (reuse ? loaded.kept : undefined) ?? new KernelInstance(loaded.module);
  loaded.kept = undefined;
  const outcome = kernel.run(params, inputs, limits);
  if (reuse && outcome.ok) loaded.kept = kernel;
  return outcome;
}

function runCommand(module: WebAssembly.Module, { params, inputs, seed, limits }: ModuleRun): RunOutcome {
  const args = readArguments(params);
  if (args === undefined) return failRun("refused-module", "its parameters are not a list of arguments");
  const wasi = new Wasi({ args, inputs, seed, outputBytes: limits.outputBytes });
  const instance = new WebAssembly.Instance(module, { [WASI_MODULE]: wasi.imports() });
  wasi.memory = instance.exports["memory"] as WebAssembly.Memory;
  try {
    (instance.exports["_start"] as () => void)();
  } catch (error) {
    if (!(error instanceof WasiExit)) throw error;
    if (error.code !== 0)
      return failRun("exit", `exit code ${error.code}: ${wasi.errorText().slice(0, 160)}`);
  }
  return {
    ok: true,
    value: { output: wasi.output(), trace: new Uint8Array(0), leafLength: 0, milliseconds: 0 },
  };
}

/** Arguments of a WASI command: canonical CBOR of an array of text. */
function readArguments(params: Uint8Array): string[] | undefined {
  try {
    const args = decodeCbor(params, 1024);
    const fit = Array.isArray(args) && args.every((arg) => typeof arg === "string" && !arg.includes("\0"));
    return fit ? (args as string[]) : undefined;
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}
