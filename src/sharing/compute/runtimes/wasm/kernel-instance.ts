/** One instance of a kernel: writes its input frame, runs it, and reads what came out, trusting none of its numbers. */
import { kernelFrameLength, writeKernelFrame, writeKernelParams } from "../../core/kernel-frame.ts";
import type { TaskLimits } from "../../core/task.ts";
import { failRun, MAX_LEAF, MAX_LEAVES, type RunOutcome } from "../../core/task-runner.ts";

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

/** The frame that lies in the instance's memory. */
interface Frame {
  readonly at: number;
  readonly length: number;
  readonly paramsLength: number;
  readonly inputs: readonly Uint8Array[];
}

export class KernelInstance {
  readonly #kernel: KernelExports;
  #frame: Frame | undefined;

  constructor(module: WebAssembly.Module) {
    this.#kernel = new WebAssembly.Instance(module, {}).exports as unknown as KernelExports;
  }

  /** Runs once; `inputs` that are those of the run before are not written again. Traps are thrown. */
  run(params: Uint8Array, inputs: readonly Uint8Array[], limits: TaskLimits): RunOutcome {
    if (!this.#put(params, inputs)) return failRun("bad-output", "its input lies outside its memory");
    const code = this.#kernel.run();
    return code === 0 ? this.#read(limits) : failRun("exit", `ended with code ${code >>> 0}`);
  }

  #put(params: Uint8Array, inputs: readonly Uint8Array[]): boolean {
    const parts = [params, ...inputs];
    const length = kernelFrameLength(parts);
    const at = this.#kernel.input(length) >>> 0;
    const room = this.#within(at, length);
    if (room === undefined) return false;
    const before = this.#frame;
    const stays =
      before?.at === at &&
      before.length === length &&
      before.paramsLength === params.length &&
      before.inputs.length === inputs.length &&
      inputs.every((input, i) => input === before.inputs[i]);
    if (stays) writeKernelParams(parts, room);
    else writeKernelFrame(parts, room);
    this.#frame = { at, length, paramsLength: params.length, inputs };
    return true;
  }

  #read(limits: TaskLimits): RunOutcome {
    const kernel = this.#kernel;
    const outputLength = kernel.outputLength() >>> 0;
    if (outputLength > limits.outputBytes) {
      return failRun("output-limit", `made ${outputLength} bytes of output, over its ${limits.outputBytes}`);
    }
    const output = this.#within(kernel.output() >>> 0, outputLength)?.slice();
    if (output === undefined) return failRun("bad-output", "its output lies outside its memory");
    if (limits.traceBytes === 0 || typeof kernel.trace !== "function") {
      return finished(output, new Uint8Array(0), 0);
    }
    const traceLength = (kernel.traceLength?.() ?? 0) >>> 0;
    const leafLength = (kernel.traceLeaf?.() ?? 0) >>> 0;
    if (traceLength > limits.traceBytes) {
      return failRun("output-limit", `made ${traceLength} bytes of trace, over its ${limits.traceBytes}`);
    }
    const trace = this.#within(kernel.trace() >>> 0, traceLength)?.slice();
    if (trace === undefined) return failRun("bad-output", "its trace lies outside its memory");
    if (trace.length > 0 && (leafLength === 0 || trace.length % leafLength !== 0)) {
      return failRun("bad-output", "its trace is no whole number of leaves");
    }
    if (leafLength > MAX_LEAF) return failRun("bad-output", `leaves of more than ${MAX_LEAF} bytes`);
    if (trace.length > leafLength * MAX_LEAVES)
      return failRun("bad-output", `more than ${MAX_LEAVES} leaves`);
    return finished(output, trace, trace.length === 0 ? 0 : leafLength);
  }

  #within(at: number, length: number): Uint8Array | undefined {
    const { buffer } = this.#kernel.memory;
    return at + length <= buffer.byteLength ? new Uint8Array(buffer, at, length) : undefined;
  }
}

function finished(output: Uint8Array, trace: Uint8Array, leafLength: number): RunOutcome {
  return { ok: true, value: { output, trace, leafLength, milliseconds: 0 } };
}
