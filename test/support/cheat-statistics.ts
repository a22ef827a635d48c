/** How surely checks by pairs catch what they are to catch: real tiles, real checks, cheats by seed. */
import { SeededRandom } from "#base/lib/random.ts";
import type { PlannedTask } from "#sharing/compute/core/job-kind.ts";
import { RenderKind, type RenderSettings } from "#sharing/compute/core/render/render-kind.ts";
import type { RunResult } from "#sharing/compute/core/task-runner.ts";
import { DirectRunner, MapContents, TRACER } from "#sharing/compute/test-world.ts";
import { withFalsePairs, withSeed, withSkippedSamples } from "./render-cheats.ts";
import { smallGlb } from "./render-scenes.ts";

/** A tile as an honest provider renders it, and as it is under another seed. */
export interface Tile {
  readonly task: PlannedTask;
  readonly honest: RunResult;
  readonly other: RunResult;
}

/** Bytes of a batch's sums. */
const BATCH = 12;

export class TileChecks {
  readonly #kind = new RenderKind(TRACER);
  readonly #runner = new DirectRunner();
  readonly #contents = new MapContents();
  readonly #settings: RenderSettings;
  tiles: Tile[] = [];

  private constructor(settings: RenderSettings) {
    this.#settings = settings;
  }

  /** Renders every `step`-th tile of a small scene. */
  static async of(settings: RenderSettings, step: number): Promise<TileChecks> {
    const checks = new TileChecks(settings);
    const bytes = await smallGlb();
    const scene = {
      name: "scene.glb",
      length: bytes.length,
      bytes: async () => bytes,
      content: () => checks.#contents.add(bytes),
    };
    const split = await checks.#kind.split(settings, [scene], checks.#contents);
    if (!split.ok) throw new Error(split.reason);
    for (const [i, task] of split.plan.tasks.entries()) {
      if (i % step !== 0) continue;
      const honest = await checks.#run(task, task.spec.params);
      const other = await checks.#run(task, withSeed(task.spec.params, 12345));
      checks.tiles.push({ task, honest, other });
    }
    return checks;
  }

  async #run({ spec }: PlannedTask, params: Uint8Array): Promise<RunResult> {
    const content = ({ id }: { id: string }) => ({ id, bytes: () => this.#contents.read(id) });
    const task = {
      ...spec,
      owner: "self",
      code: content(spec.code),
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

  /** Tiles that are not the same under every seed. */
  get notPlainSky(): readonly Tile[] {
    return this.tiles.filter(({ honest, other }) => {
      let differing = 0;
      for (let at = 0; at < honest.trace.length; at += BATCH) {
        const here = honest.trace.subarray(at, at + BATCH);
        if (!here.every((byte, i) => byte === other.trace[at + i])) differing++;
      }
      return differing > 0;
    });
  }

  /**
   * Providers that leave out one sample in 32 everywhere and hand in tile after tile: at which one each is caught,
   * tiles of plain sky not counted.
   */
  async skipping(runs: number): Promise<number[]> {
    const tiles = this.notPlainSky;
    const spoilt = tiles.map(({ honest, other }) => withSkippedSamples(honest, other, 2));
    const caughtAt: number[] = [];
    for (let run = 0; run < runs; run++) {
      const random = new SeededRandom(7_000_000 + run);
      let count = 0;
      for (let isCaught = false; !isCaught && count < 20; count++) {
        const at = random.below(tiles.length);
        isCaught = await this.isCaught(tiles[at]!, spoilt[at]!, random);
      }
      caughtAt.push(count);
    }
    return caughtAt;
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

/** How often a check of 64 pairs catches a share of false ones. */
export function predicted(share: number): number {
  return 1 - (1 - share) ** 64;
}
