/** Runs one module to its end, in the child process: instance, input, output, and every way to fail as a value. */
import { DecodeError } from "#base/lib/decode-error.ts";
import { decodeCbor } from "#sharing/mesh/cbor.ts";
import { kernelFrameLength, writeKernelFrame } from "../../core/kernel-frame.ts";
import type { TaskLimits } from "../../core/task.ts";
import { failRun, type RunOutcome } from "../../core/task-runner.ts";
import { Wasi, WasiExit } from "../../core/wasi.ts";
import { QuotaError } from "../../core/wasi-files.ts";
import { checkModule, type ModuleAbi, WASI_MODULE } from "../../core/wasm-module.ts";

export interface LoadedModule {
  readonly abi: ModuleAbi;
  readonly module: WebAssembly.Module;
}

export interface ModuleRun {
  readonly params: Uint8Array;
  readonly inputs: readonly Uint8Array[];
  readonly seed: Uint8Array;
  readonly limits: TaskLimits;
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

/** Runs a module; nothing of it is left afterwards but garbage. */
export function runModule(loaded: LoadedModule, run: ModuleRun): RunOutcome {
  const start = performance.now();
  try {
    const outcome = loaded.abi === "kernel" ? runKernel(loaded.module, run) : runCommand(loaded.module, run);
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

interface KernelExports {
  readonly memory: WebAssembly.Memory;
  input(length: number): number;
  run(): number;
  output(): number;
  outputLength(): number;
  trace?(): number;
  traceLength?(): number;
  traceLeaf?(): number;
}

function runKernel(module: WebAssembly.Module, { params, inputs, limits }: ModuleRun): RunOutcome {
  const kernel = new WebAssembly.Instance(module, {}).exports as unknown as KernelExports;
  const parts = [params, ...inputs];
  const length = kernelFrameLength(parts);
  const at = kernel.input(length) >>> 0;
  const room = within(kernel.memory, at, length);
  if (room === undefined) return failRun("bad-output", "its input lies outside its memory");
  writeKernelFrame(parts, room);
  const code = kernel.run();
  if (code !== 0) return failRun("exit", `ended with code ${code >>> 0}`);
  return readKernel(kernel, limits);
}

function readKernel(kernel: KernelExports, limits: TaskLimits): RunOutcome {
  const outputLength = kernel.outputLength() >>> 0;
  if (outputLength > limits.outputBytes) {
    return failRun("output-limit", `made ${outputLength} bytes of output, over its ${limits.outputBytes}`);
  }
  const output = within(kernel.memory, kernel.output() >>> 0, outputLength)?.slice();
  if (output === undefined) return failRun("bad-output", "its output lies outside its memory");
  if (limits.traceBytes === 0 || typeof kernel.trace !== "function") {
    return finished(output, new Uint8Array(0), 0);
  }
  const traceLength = (kernel.traceLength?.() ?? 0) >>> 0;
  const leafLength = (kernel.traceLeaf?.() ?? 0) >>> 0;
  if (traceLength > limits.traceBytes) {
    return failRun("output-limit", `made ${traceLength} bytes of trace, over its ${limits.traceBytes}`);
  }
  const trace = within(kernel.memory, kernel.trace() >>> 0, traceLength)?.slice();
  if (trace === undefined) return failRun("bad-output", "its trace lies outside its memory");
  if (trace.length > 0 && (leafLength === 0 || trace.length % leafLength !== 0)) {
    return failRun("bad-output", "its trace is no whole number of leaves");
  }
  return finished(output, trace, trace.length === 0 ? 0 : leafLength);
}

function within(memory: WebAssembly.Memory, at: number, length: number): Uint8Array | undefined {
  const { buffer } = memory;
  return at + length <= buffer.byteLength ? new Uint8Array(buffer, at, length) : undefined;
}

function finished(output: Uint8Array, trace: Uint8Array, leafLength: number): RunOutcome {
  return { ok: true, value: { output, trace, leafLength, milliseconds: 0 } };
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
  return finished(wasi.output(), new Uint8Array(0), 0);
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
