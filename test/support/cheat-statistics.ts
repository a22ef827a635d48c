/** How surely checks by pairs catch what they are to catch: real tiles, real checks, cheats by seed. */
import { equalBytes } from "#base/lib/bytes.ts";
import { type Random, SeededRandom } from "#base/lib/random.ts";
import type { PlannedTask } from "#sharing/compute/core/job-kind.ts";
import { RenderKind, type RenderSettings } from "#sharing/compute/core/render/render-kind.ts";
import type { RunResult } from "#sharing/compute/core/task-runner.ts";
import { DirectRunner, MapContents, TRACER } from "#sharing/compute/test-world.ts";

import { skippingKernel } from "../../demo/tampering.ts";
import { PLAIN_SKY, smallGlb } from "./render-scenes.ts";

/** A tile as an honest provider renders it, as it is under another seed, and with 1 of 32 samples left out. */
export interface Tile {
  readonly task: PlannedTask;
  readonly honest: RunResult;
  readonly other: RunResult;
  readonly skipped: RunResult;
}

/** One provider that skips samples, up to where it is caught. */
export interface SkippingRun {
  /** The tile that gave it away, tiles of plain sky not counted: 1 is the first. */
  readonly caughtAt: number;
  /** Tiles of plain sky that it handed in before, all accepted. */
  readonly plainPassed: number;
}

/** Tiles beside plain sky after which a provider is let go. */
const MOST_TILES = 20;
/** Where a tile's params hold the low word of the seed. */
const SEED_AT = 48;

export class TileChecks {
  readonly #kind = new RenderKind(TRACER);
  readonly #runner = new DirectRunner();
  readonly #contents = new MapContents();
  readonly #settings: RenderSettings;
  tiles: Tile[] = [];

  private constructor(settings: RenderSettings) {
    this.#settings = settings;
  }

  /** Renders every `step`-th tile of a small scene, whose upper part is plain sky. */
  static async of(settings: RenderSettings, step: number): Promise<TileChecks> {
    const checks = new TileChecks(settings);
    const bytes = await smallGlb(PLAIN_SKY);
    const scene = {
      name: "scene.glb",
      length: bytes.length,
      bytes: async () => bytes,
      content: () => checks.#contents.add(bytes),
    };
    const split = await checks.#kind.split(settings, [scene], checks.#contents);
    if (!split.ok) throw new Error(split.reason);
    const kernel = await skippingKernel(2);
    for (const [i, task] of split.plan.tasks.entries()) {
      if (i % step !== 0) continue;
      const honest = await checks.#run(task, task.spec.params);
      const other = await checks.#run(task, withSeed(task.spec.params, 12345));
      const skipped = await checks.#run(task, task.spec.params, kernel);
      checks.tiles.push({ task, honest, other, skipped });
    }
    return checks;
  }

  /** Runs the task's kernel, or a false one. */
  async #run({ spec }: PlannedTask, params: Uint8Array, kernel?: Uint8Array): Promise<RunResult> {
    const content = ({ id }: { id: string }) => ({ id, bytes: () => this.#contents.read(id) });
    const task = {
      ...spec,
      owner: "self",
      code: kernel === undefined ? content(spec.code) : { id: "skips", bytes: async () => kernel },
      inputs: spec.inputs.map(content),
      params,
    };
    const outcome = await this.#runner.run(task, new AbortController().signal);
    if (!outcome.ok) throw new Error(outcome.failure.text);
    return outcome.value;
  }

  /** Whether a result of this tile is refused under a challenge drawn from `random`. */
  async isCaught({ task }: Tile, result: RunResult, random: SeededRandom): Promise<boolean> {
    const { leafLength, output, trace } = result;
    const challenge = this.#kind.challenge(this.#settings, task, random);
    const leaves = new Map(
      challenge.picks.map(({ leaf }) => [leaf, trace.subarray(leaf * leafLength, (leaf + 1) * leafLength)]),
    );
    const evidence = { output, leafCount: trace.length / leafLength, leaves };
    const rerun = async (params: Uint8Array) => (await this.#run(task, params)).output;
    return !(await this.#kind.verify(this.#settings, task, evidence, challenge, rerun)).ok;
  }

  /** Of `runs` tiles with this share of false pairs, how many are caught. */
  async falsified(share: number, runs: number): Promise<number> {
    let caught = 0;
    for (let run = 0; run < runs; run++) {
      const random = new SeededRandom(1_000_000 * share + run);
      const tile = this.tiles[run % this.tiles.length]!;
      if (await this.isCaught(tile, withFalsePairs(tile.honest, share, random), random)) caught++;
    }
    return caught;
  }

  /** Tiles that are the same under every seed: whoever leaves samples out of these has left out nothing. */
  get plainSky(): readonly Tile[] {
    return this.tiles.filter(isPlainSky);
  }

  /** Providers that leave out one sample in 32 everywhere and hand in tile after tile, plain sky among them. */
  async skipping(runs: number): Promise<SkippingRun[]> {
    const plain = new Set(this.plainSky);
    const done: SkippingRun[] = [];
    for (let run = 0; run < runs; run++) {
      const random = new SeededRandom(7_000_000 + run);
      let [plainPassed, caughtAt, isCaught] = [0, 0, false];
      while (!isCaught && caughtAt < MOST_TILES) {
        const tile = this.tiles[random.below(this.tiles.length)]!;
        isCaught = await this.isCaught(tile, tile.skipped, random);
        if (!plain.has(tile)) caughtAt++;
        else if (isCaught) throw new Error("plain sky was refused: then it is not plain");
        else plainPassed++;
      }
      done.push({ caughtAt, plainPassed });
    }
    return done;
  }

  /** Of `runs` honest tiles, how many are refused. */
  async honestRefused(runs: number): Promise<number> {
    let refused = 0;
    for (let run = 0; run < runs; run++) {
      const tile = this.tiles[run % this.tiles.length]!;
      if (await this.isCaught(tile, tile.honest, new SeededRandom(9_000_000 + run))) refused++;
    }
    return refused;
  }
}

function isPlainSky({ honest, other }: Tile): boolean {
  return equalBytes(honest.trace, other.trace);
}

/** How often a check of 64 pairs catches a share of false ones. */
export function predicted(share: number): number {
  return 1 - (1 - share) ** 64;
}

/** Parameters of the same tile under another seed. */
function withSeed(params: Uint8Array, seed: number): Uint8Array {
  const changed = params.slice();
  new DataView(changed.buffer).setUint32(SEED_AT, seed, true);
  return changed;
}

/**
 * Falsifies a share of the pairs of pixel and batch, chosen at random, exactly round(share × pairs) of them; the output
 * is their sum, as the kernel's is.
 */
function withFalsePairs(result: RunResult, share: number, random: Random): RunResult {
  const trace = new Float32Array(result.trace.slice().buffer);
  const pairs = trace.length / 3;
  const order = Array.from({ length: pairs }, (_, i) => i);
  const wanted = Math.round(share * pairs);
  for (let i = 0; i < wanted; i++) {
    const j = i + random.below(pairs - i);
    [order[i], order[j]] = [order[j]!, order[i]!];
    trace[3 * order[i]!] = trace[3 * order[i]!]! + 0.125;
  }
  return { ...result, trace: new Uint8Array(trace.buffer), output: sumsOf(trace, result.leafLength / 4) };
}

/** Each pixel's batches summed up, in order and in f32. */
function sumsOf(trace: Float32Array, perPixel: number): Uint8Array {
  const output = new Float32Array((3 * trace.length) / perPixel);
  for (let pixel = 0; 3 * pixel < output.length; pixel++) {
    for (let channel = 0; channel < 3; channel++) {
      let sum = 0;
      for (let at = channel; at < perPixel; at += 3) sum = Math.fround(sum + trace[pixel * perPixel + at]!);
      output[3 * pixel + channel] = sum;
    }
  }
  return new Uint8Array(output.buffer);
}
