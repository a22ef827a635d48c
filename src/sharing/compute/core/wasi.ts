/**
 * WASI preview1 in memory (wasi_snapshot_preview1.witx): arguments, standard input, `/in/<i>`, standard output and
 * `/out`. A clock that stands still, no environment, no network, randomness from the task's seed alone: the same task
 * gives the same bytes everywhere. Bytes, files, descriptors and path depth have limits.
 */
import { encodeCbor } from "#sharing/mesh/cbor.ts";
import type { WasiCall } from "./wasi-calls.ts";
import { DescriptorCalls } from "./wasi-descriptors.ts";
import { ERRNO } from "./wasi-errno.ts";
import { ModuleMemory } from "./wasi-memory.ts";
import { ProcessCalls } from "./wasi-process.ts";

export interface WasiOptions {
  readonly args: readonly string[];
  readonly inputs: readonly Uint8Array[];
  readonly seed: Uint8Array;
  readonly outputBytes: number;
}

export class Wasi {
  readonly #memory = new ModuleMemory();
  readonly #process: ProcessCalls;
  readonly #descriptors: DescriptorCalls;

  constructor({ args, inputs, seed, outputBytes }: WasiOptions) {
    this.#process = new ProcessCalls(this.#memory, args, seed);
    this.#descriptors = new DescriptorCalls(this.#memory, inputs, outputBytes);
  }

  /** The functions to hand to the module. Set {@link memory} before they are called. */
  imports(): Record<string, (...args: never[]) => number> {
    const calls = { ...this.#process.calls(), ...this.#descriptors.calls() };
    return Object.fromEntries(
      Object.entries(calls).map(([name, call]) => [name, (...args: never[]) => guarded(call, args)]),
    );
  }

  set memory(memory: WebAssembly.Memory) {
    this.#memory.source = memory;
  }

  /** What came out: canonical CBOR of `{files, stdout}`. */
  output(): Uint8Array {
    const { files, stdout } = this.#descriptors.written();
    return encodeCbor({ files, stdout });
  }

  /** The first bytes that went to standard error, as text. */
  errorText(): string {
    return new TextDecoder().decode(this.#descriptors.written().stderr);
  }
}

/**
 * A pointer beyond the memory is the module's fault, and an error number to it. All its 32-bit numbers are unsigned, and
 * come signed: made unsigned here, once, no sum of a pointer and an offset comes round to the beginning of the memory.
 */
function guarded(call: WasiCall, args: readonly (number | bigint)[]): number {
  try {
    return call(...(args.map((arg) => (typeof arg === "number" ? arg >>> 0 : arg)) as never[]));
  } catch (error) {
    // An exhausted stack is a RangeError too; it must end the module, since its depth differs between machines.
    if (error instanceof RangeError && !error.message.includes("call stack")) return ERRNO.fault;
    throw error;
  }
}
