/**
 * What a dishonest provider would do with a render task. It runs what it is given through one of these and says nothing:
 * the story and the tests show that it is caught.
 */
import type { RunOutcome, RunTask, TaskRunner } from "#sharing/compute/core/task-runner.ts";
import { compileKernel } from "../tools/build-kernels.ts";

export const TAMPERINGS = ["skip", "other", "blur", "totals", "late"] as const;
/**
 * `skip`: traces 15 of 16 samples and scales them up; `other`: renders another tile; `blur`: smooths the tile, which a
 * look at the picture would forgive; `totals`: right samples, brightened in the tile alone; `late`: answers when nobody
 * waits any more. All but the totals are consistent in themselves: only the check by pairs can tell.
 */
export type Tampering = (typeof TAMPERINGS)[number];

/** What each does, for the story. */
export const TAMPERING_TEXT: Readonly<Record<Tampering, string>> = {
  skip: "saves itself 1 of 16 samples",
  other: "hands over another tile",
  blur: "hands over a smoothed tile",
  totals: "hands over a tile brighter than its samples",
  late: "answers when nobody waits any more",
};

/** "FHRT", the first word of a render task's params. */
const RENDER = 0x5452_4846;
const TILE_MODE = 0;
const AT = { mode: 8, samples: 24, tileX: 32, tileY: 36, tileWidth: 40, tileHeight: 44 };
const BATCH = 16;
const PIXEL_BYTES = 12;
/** Milliseconds by which `late` is late: more than any requester of the story waits. */
const DELAY = 120_000;
/** How much brighter `totals` makes a tile. */
const BRIGHTER = 1.0625;

/** A runner that tampers with tiles and leaves everything else alone. */
export class TamperedRunner implements TaskRunner {
  readonly #honest: TaskRunner;
  readonly #tampering: Tampering;
  readonly #lateMs: number;
  readonly #kernel: Promise<Uint8Array> | undefined;

  constructor(honest: TaskRunner, tampering: Tampering, lateMs = DELAY) {
    this.#honest = honest;
    this.#tampering = tampering;
    this.#lateMs = lateMs;
    this.#kernel = tampering === "skip" ? skippingKernel(1) : undefined;
  }

  async run(task: RunTask, signal: AbortSignal): Promise<RunOutcome> {
    const { params } = task;
    const view = new DataView(params.buffer, params.byteOffset, params.byteLength);
    const isTile =
      params.length >= 48 &&
      view.getUint32(0, true) === RENDER &&
      view.getUint32(AT.mode, true) === TILE_MODE;
    if (!isTile) return await this.#honest.run(task, signal);
    switch (this.#tampering) {
      case "skip": {
        const kernel = await this.#kernel!;
        return await this.#honest.run(
          { ...task, code: { id: "tampered", bytes: async () => kernel } },
          signal,
        );
      }
      case "other":
        return await this.#honest.run({ ...task, params: elsewhere(params) }, signal);
      case "blur":
        return blurred(await this.#honest.run(task, signal), view);
      case "totals":
        return brightened(await this.#honest.run(task, signal));
      case "late": {
        const outcome = await this.#honest.run(task, signal);
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, this.#lateMs);
          signal.addEventListener("abort", () => {
            clearTimeout(timer);
            resolve();
          });
        });
        return outcome;
      }
    }
  }
}

/** A tracer that leaves out one sample of every `period`-th batch, and scales the others up. */
export function skippingKernel(period: number): Promise<Uint8Array> {
  return compileKernel("tracer", (path, text) => {
    if (!path.endsWith("tracer/tracer.ts")) return text;
    const loop = /(for \(let i: u32 = 0; i < )BATCH(; i\+\+\) \{\s*startSample\(i\);[^}]*\})/;
    if (!loop.test(text)) throw new Error("the tracer's loop over samples is not where it was");
    const kept = `const kept: u32 = batch % ${period} == 0 ? BATCH - 1 : BATCH;`;
    const scale = ["R", "G", "B"].map((c) => `batch${c} *= <f32>BATCH / <f32>kept;`).join(" ");
    return text.replace(loop, `${kept} $1kept$2 ${scale}`);
  });
}

function brightened(outcome: RunOutcome): RunOutcome {
  if (!outcome.ok) return outcome;
  const sums = new Float32Array(outcome.value.output.slice().buffer).map((value) => value * BRIGHTER);
  return { ok: true, value: { ...outcome.value, output: new Uint8Array(sums.buffer) } };
}

/** Params of the tile beside it, of the same size and in the picture. */
function elsewhere(params: Uint8Array): Uint8Array {
  const changed = params.slice();
  const view = new DataView(changed.buffer);
  const width = view.getUint32(AT.tileWidth, true);
  const height = view.getUint32(AT.tileHeight, true);
  const x = view.getUint32(AT.tileX, true);
  const y = view.getUint32(AT.tileY, true);
  if (x >= width) view.setUint32(AT.tileX, x - width, true);
  else if (x + 2 * width <= view.getUint32(16, true)) view.setUint32(AT.tileX, x + width, true);
  else if (y >= height) view.setUint32(AT.tileY, y - height, true);
  else view.setUint32(AT.tileY, Math.min(height, view.getUint32(20, true) - height), true);
  return changed;
}

/** Each pixel as the mean of its neighbours, with batches that add up to it. */
function blurred(outcome: RunOutcome, params: DataView): RunOutcome {
  if (!outcome.ok) return outcome;
  const width = params.getUint32(AT.tileWidth, true);
  const height = params.getUint32(AT.tileHeight, true);
  const batches = params.getUint32(AT.samples, true) / BATCH;
  const given = new Float32Array(outcome.value.output.slice().buffer);
  const output = new Float32Array(given.length);
  const trace = new Float32Array(given.length * batches);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let channel = 0; channel < PIXEL_BYTES / 4; channel++) {
        const pixel = 3 * (y * width + x) + channel;
        const batch = Math.fround(meanAround(given, x, y, width, height, channel) / batches);
        let sum = 0;
        for (let i = 0; i < batches; i++) {
          trace[3 * ((y * width + x) * batches + i) + channel] = batch;
          sum = Math.fround(sum + batch);
        }
        output[pixel] = sum;
      }
    }
  }
  const value = {
    ...outcome.value,
    output: new Uint8Array(output.buffer),
    trace: new Uint8Array(trace.buffer),
  };
  return { ok: true, value };
}

function meanAround(
  pixels: Float32Array,
  x: number,
  y: number,
  width: number,
  height: number,
  channel: number,
): number {
  let sum = 0;
  let count = 0;
  for (let v = Math.max(0, y - 1); v <= Math.min(height - 1, y + 1); v++) {
    for (let u = Math.max(0, x - 1); u <= Math.min(width - 1, x + 1); u++) {
      sum += pixels[3 * (v * width + u) + channel]!;
      count++;
    }
  }
  return sum / count;
}
