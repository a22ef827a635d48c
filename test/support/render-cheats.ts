/**
 * Providers that cheat at renders, each in one way, for tests and soak runs. What they hand over is consistent in
 * itself (sums, trace, commitment): only the check by pairs can tell. None of this is part of the product.
 */

import type { Random } from "#base/lib/random.ts";
import { decodeTileParams, PARAMS_SIZE } from "#sharing/compute/core/render/tile-params.ts";
import type { RunOutcome, RunResult, RunTask, TaskRunner } from "#sharing/compute/core/task-runner.ts";

export const CHEATS = [
  "skips 1 of 16 samples",
  "returns another's tile",
  "returns a blurred one",
  "answers late",
  "wrong totals over right batches",
] as const;
export type Cheat = (typeof CHEATS)[number];

/** Bytes of one batch's sums. */
const BATCH = 12;
/** Where a tile's params hold the low word of the seed. */
const SEED_AT = 48;

/** A runner that works as the honest one does and then cheats with what it has. */
export class CheatingRunner implements TaskRunner {
  readonly cheat: Cheat;
  readonly #honest: TaskRunner;
  readonly #lateMs: number;
  /** Results handed over so far, by their length: the other's tile comes from here. */
  readonly #before = new Map<number, RunResult>();

  constructor(cheat: Cheat, honest: TaskRunner, lateMs = 20_000) {
    this.cheat = cheat;
    this.#honest = honest;
    this.#lateMs = lateMs;
  }

  async run(task: RunTask, signal: AbortSignal): Promise<RunOutcome> {
    const outcome = await this.#honest.run(task, signal);
    if (!outcome.ok || task.params.length !== PARAMS_SIZE) return outcome;
    const value = await this.#spoil(task, outcome.value, signal);
    return value === undefined ? outcome : { ok: true, value };
  }

  async #spoil(task: RunTask, result: RunResult, signal: AbortSignal): Promise<RunResult | undefined> {
    const { width } = decodeTileParams(task.params).tile;
    switch (this.cheat) {
      case "skips 1 of 16 samples": {
        const other = await this.#honest.run({ ...task, params: withSeed(task.params, 7777) }, signal);
        return other.ok ? withSkippedSamples(result, other.value, 1) : undefined;
      }
      case "returns another's tile": {
        const known = this.#before.get(result.output.length);
        this.#before.set(result.output.length, result);
        return known;
      }
      case "returns a blurred one":
        return blurred(result, width);
      case "answers late":
        await sleep(this.#lateMs, signal);
        return result;
      case "wrong totals over right batches":
        return { ...result, output: floatsToBytes(floats(result.output).map((value) => value * 1.0625)) };
    }
  }
}

/** Parameters of the same tile under another seed. */
export function withSeed(params: Uint8Array, seed: number): Uint8Array {
  const changed = params.slice();
  new DataView(changed.buffer).setUint32(SEED_AT, seed, true);
  return changed;
}

/**
 * A tile that leaves out one sample in every `period`-th batch and makes up for it by scaling. The sample left out is
 * taken to be like the mean of another run's batch; where both runs agree to the bit (plain sky) nothing is changed.
 */
export function withSkippedSamples(result: RunResult, other: RunResult, period: number): RunResult {
  const trace = floats(result.trace);
  const another = floats(other.trace);
  for (let batch = 0; 3 * batch < trace.length; batch++) {
    if (batch % period !== 0) continue;
    for (let i = 3 * batch; i < 3 * batch + 3; i++) {
      if (trace[i] === another[i]) continue;
      trace[i] = (trace[i]! - another[i]! / 16) * (16 / 15);
    }
  }
  return withTrace(result, trace);
}

/** Falsifies a share of the pairs of pixel and batch, chosen at random; exactly round(share × pairs) of them. */
export function withFalsePairs(result: RunResult, share: number, random: Random): RunResult {
  const trace = floats(result.trace);
  const pairs = trace.length / 3;
  const order = Array.from({ length: pairs }, (_, i) => i);
  const wanted = Math.round(share * pairs);
  for (let i = 0; i < wanted; i++) {
    const j = i + random.below(pairs - i);
    [order[i], order[j]] = [order[j]!, order[i]!];
    trace[3 * order[i]!] = trace[3 * order[i]!]! + 0.125;
  }
  return withTrace(result, trace);
}

/** Each batch of each pixel as the mean of its neighbours' in the row. */
function blurred(result: RunResult, width: number): RunResult {
  const trace = floats(result.trace);
  const perPixel = result.leafLength / 4;
  const source = trace.slice();
  const pixels = trace.length / perPixel;
  for (let pixel = 0; pixel < pixels; pixel++) {
    const left = pixel % width === 0 ? pixel : pixel - 1;
    const right = pixel % width === width - 1 ? pixel : pixel + 1;
    for (let i = 0; i < perPixel; i++) {
      const sum =
        source[left * perPixel + i]! + source[pixel * perPixel + i]! + source[right * perPixel + i]!;
      trace[pixel * perPixel + i] = sum / 3;
    }
  }
  return withTrace(result, trace);
}

/** The result with this trace, its output summed up from it as the kernel does. */
function withTrace(result: RunResult, trace: Float32Array): RunResult {
  const perPixel = result.leafLength / 4;
  const output = new Float32Array(result.output.length / 4);
  for (let pixel = 0; 3 * pixel < output.length; pixel++) {
    for (let channel = 0; channel < 3; channel++) {
      let sum = 0;
      for (let at = channel; at < perPixel; at += 3) sum = Math.fround(sum + trace[pixel * perPixel + at]!);
      output[3 * pixel + channel] = sum;
    }
  }
  return { ...result, trace: floatsToBytes(trace), output: floatsToBytes(output) };
}

/** Pairs of a result. */
export function pairCount(result: RunResult): number {
  return result.trace.length / BATCH;
}

function floats(bytes: Uint8Array): Float32Array {
  return new Float32Array(bytes.slice().buffer);
}

function floatsToBytes(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
