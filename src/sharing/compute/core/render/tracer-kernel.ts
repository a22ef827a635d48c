/** Runs the tracer's module in this process: for checks of one's own, for tests and measurements. */
import { kernelFrameLength, writeKernelFrame } from "../kernel-frame.ts";

/** What kernels/tracer exports: the kernel interface of task modules. */
export interface TracerExports {
  readonly memory: WebAssembly.Memory;
  input(length: number): number;
  run(): number;
  output(): number;
  outputLength(): number;
  trace(): number;
  traceLength(): number;
  traceLeaf(): number;
}

export interface TracerResult {
  /** Three floats a pixel, or a pair. */
  readonly output: Uint8Array;
  /** For each pixel its batches' sums; empty in pairs mode. */
  readonly trace: Uint8Array;
  /** Bytes of the trace a pixel. */
  readonly leaf: number;
}

/** What the kernel's numbers mean. */
const FAULTS = ["", "bad input frame", "bad render parameters", "bad packed scene", "not enough memory"];

export type TracerOutcome =
  | { readonly ok: true; readonly result: TracerResult }
  | { readonly ok: false; readonly reason: string };

/** Runs one task on an instance, which may be used again. */
export function runTracer(kernel: TracerExports, params: Uint8Array, scene: Uint8Array): TracerOutcome {
  const parts = [params, scene];
  const length = kernelFrameLength(parts);
  const at = kernel.input(length) >>> 0;
  if (at === 0) return { ok: false, reason: FAULTS[4]! };
  writeKernelFrame(parts, new Uint8Array(kernel.memory.buffer, at, length));
  const code = kernel.run();
  if (code !== 0) return { ok: false, reason: FAULTS[code] ?? `fault ${code}` };
  const output = new Uint8Array(kernel.memory.buffer, kernel.output() >>> 0, kernel.outputLength()).slice();
  const trace = new Uint8Array(kernel.memory.buffer, kernel.trace() >>> 0, kernel.traceLength()).slice();
  return { ok: true, result: { output, trace, leaf: kernel.traceLeaf() } };
}
