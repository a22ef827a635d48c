/** The kind of `freehold render`: one scene, cut into tiles, checked by pairs, put together as a PNG. */
import { z } from "zod";
import { DecodeError } from "#base/lib/decode-error.ts";
import type { Random } from "#base/lib/random.ts";
import { integer, textUpTo } from "#sharing/mesh/schema.ts";
import type {
  Challenge,
  ContentSink,
  Evidence,
  FinishedTask,
  JobFile,
  JobKind,
  OutputFile,
  PlannedTask,
  Rerun,
  SplitResult,
  Verdict,
} from "../job-kind.ts";
import { type ContentRef, TASK_MAXIMA, type TaskLimits } from "../task.ts";
import { seedOf } from "../wasm-job.ts";
import { Film, PIXEL_BYTES, tileImage } from "./film.ts";
import { type PackedScene, type PackScene, packScene } from "./pack-scene.ts";
import {
  batchesOf,
  checkRenderJob,
  DEFAULT_BOUNCES,
  type RenderJob,
  TILE_SIZE,
  type Tile,
  tilesOf,
} from "./render-job.ts";
import { decodeTileParams, encodeTileParams } from "./tile-params.ts";
import { drawPairs, verifyTile } from "./verify-tile.ts";

/**
 * Bound on a path's late light where the user names none, as a multiple of what appears white: it takes the sparks out
 * and dims a few hundredths of what is lit by light that was mirrored twice.
 */
const DEFAULT_CLAMP = 2;
/** Samples a millisecond that a slow provider makes of a costly scene. */
const SLOWEST = 10;
const LEAST_MILLISECONDS = 30_000;
/** Memory of a task beyond its scene, output and trace. */
const SPARE_MEMORY = 4 * 2 ** 20;

export const renderSettings = z.strictObject({
  width: integer(1, 16_384),
  height: integer(1, 16_384),
  /** Per pixel; rounded up to whole batches of 16. */
  samples: integer(1, 65_536),
  bounces: integer(0, 64).optional(),
  seed: integer(0, 0xffff_ffff),
  /** A camera's name; the first one otherwise. */
  camera: textUpTo(100).optional(),
  tileSize: integer(8, 256).optional(),
  /** Stops, on top of what the scene asks for. */
  exposure: z.number().min(-20).max(20).optional(),
  clamp: z.number().min(0).max(1e6).optional(),
});
export type RenderSettings = z.infer<typeof renderSettings>;

export class RenderKind implements JobKind<RenderSettings> {
  readonly name = "render";
  readonly settings = renderSettings;
  readonly reuses = true;
  readonly #kernel: Uint8Array;
  readonly #pack: PackScene;

  /**
   * @param kernel the tracer's module: kernels/tracer/tracer.wasm.
   * @param pack where scenes are packed: on this thread unless told.
   */
  constructor(kernel: Uint8Array, pack: PackScene = packScene) {
    this.#kernel = kernel;
    this.#pack = pack;
  }

  async split(
    settings: RenderSettings,
    files: readonly JobFile[],
    contents: ContentSink,
  ): Promise<SplitResult> {
    const [file] = files;
    if (file === undefined || files.length > 1) return { ok: false, reason: "a render takes one scene" };
    const packed = await this.#pack(await file.bytes());
    if (!packed.ok) return { ok: false, reason: `${file.name}: ${packed.reason}` };
    const job = planJob(settings, packed.scene);
    if (typeof job === "string") return { ok: false, reason: job };
    const code = await contents.add(this.#kernel);
    const scene = await contents.add(packed.scene.bytes);
    return {
      ok: true,
      plan: { title: titleOf(file.name, job), tasks: planTasks(job, settings.seed, code, scene) },
    };
  }

  malformed(
    _settings: RenderSettings,
    task: PlannedTask,
    output: Uint8Array,
    leafCount: number,
  ): string | undefined {
    const { tile } = decodeTileParams(task.spec.params);
    const pixels = tile.width * tile.height;
    if (output.length !== pixels * PIXEL_BYTES) return "the tile has another size";
    return leafCount === pixels ? undefined : "the trace is of another size";
  }

  challenge(_settings: RenderSettings, task: PlannedTask, random: Random): Challenge {
    return drawPairs(decodeTileParams(task.spec.params), random);
  }

  verify(
    _settings: RenderSettings,
    task: PlannedTask,
    evidence: Evidence,
    challenge: Challenge,
    rerun: Rerun,
  ): Promise<Verdict> {
    return verifyTile(task.spec.params, evidence, challenge, rerun);
  }

  preview(_settings: RenderSettings, task: PlannedTask, output: Uint8Array): Uint8Array {
    const { tile, samples, exposure } = decodeTileParams(task.spec.params);
    return tileImage(tile, samples, output, exposure);
  }

  async *assemble(_settings: RenderSettings, tasks: readonly FinishedTask[]): AsyncIterable<OutputFile> {
    const [first] = tasks;
    if (first === undefined) return;
    const picture = decodeTileParams(first.spec.params);
    const film = new Film(picture);
    for (const task of tasks) {
      const output = await task.output();
      if (output !== undefined) film.add(decodeTileParams(task.spec.params).tile, output);
    }
    yield { name: "picture.png", bytes: film.png(picture.exposure) };
  }
}

/** The job that the settings make of a scene; a text says why there is none. */
function planJob(settings: RenderSettings, scene: PackedScene): RenderJob | string {
  const { width, height, seed, camera: name } = settings;
  const camera = name === undefined ? scene.cameras[0] : scene.cameras.find((other) => other.name === name);
  if (camera === undefined) return `the scene has no camera ${name}; it has ${namesOf(scene)}`;
  const exposure = scene.exposure + (settings.exposure ?? 0);
  const job: RenderJob = {
    width,
    height,
    samples: 16 * Math.ceil(settings.samples / 16),
    bounces: settings.bounces ?? DEFAULT_BOUNCES,
    seed: [seed, 0],
    camera: camera.camera,
    tileSize: settings.tileSize ?? TILE_SIZE,
    clamp: settings.clamp ?? DEFAULT_CLAMP / 2 ** exposure,
    exposure,
  };
  try {
    checkRenderJob(job);
  } catch (error) {
    if (error instanceof DecodeError) return error.message;
    throw error;
  }
  return job;
}

function namesOf(scene: PackedScene): string {
  return scene.cameras
    .slice(0, 8)
    .map(({ name }) => name)
    .join(", ");
}

function titleOf(name: string, { width, height, samples }: RenderJob): string {
  return `${name} at ${width}×${height}, ${samples} samples`;
}

function planTasks(job: RenderJob, seed: number, code: ContentRef, scene: ContentRef): PlannedTask[] {
  const tiles = tilesOf(job);
  // The memory of the first, which is the largest, for all: a module is compiled for its memory.
  const { memoryBytes } = limitsOf(job, areaOf(tiles[0]!), scene.length);
  return tiles.map((tile) => ({
    spec: {
      kind: "wasm",
      code,
      inputs: [scene],
      params: encodeTileParams(job, tile),
      seed: seedOf(seed),
      limits: { ...limitsOf(job, areaOf(tile), scene.length), memoryBytes },
    },
    tile: { x: tile.x, y: tile.y, width: tile.width, height: tile.height },
  }));
}

function areaOf({ width, height }: Tile): number {
  return width * height;
}

function limitsOf(job: RenderJob, pixels: number, sceneBytes: number): TaskLimits {
  const outputBytes = pixels * PIXEL_BYTES;
  const traceBytes = outputBytes * batchesOf(job);
  const milliseconds = Math.max(LEAST_MILLISECONDS, Math.ceil((pixels * job.samples) / SLOWEST));
  return {
    // The kernel keeps a few bytes for each node and light of the scene besides.
    memoryBytes: Math.ceil(sceneBytes * 1.25) + outputBytes + traceBytes + SPARE_MEMORY,
    outputBytes,
    traceBytes,
    milliseconds: Math.min(milliseconds, TASK_MAXIMA.milliseconds),
  };
}
