import { newKernel } from "#base/crypto/kernel-file.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { packModel } from "#sharing/compute/core/render/pack-model.ts";
import { type RenderJob, tilesOf } from "#sharing/compute/core/render/render-job.ts";
import type { SceneModel } from "#sharing/compute/core/render/scene-model.ts";
import {
  decodeTileParams,
  encodePairsParams,
  encodeTileParams,
} from "#sharing/compute/core/render/tile-params.ts";
import { runTracer, type TracerExports } from "#sharing/compute/core/render/tracer-kernel.ts";
import { drawPairs } from "#sharing/compute/core/render/verify-tile.ts";
import { PlainWalk } from "../support/plain-walk.ts";
import { ReferenceTracer } from "../support/reference-tracer.ts";
import { FIELD_CAMERA, fieldModel, HALL_CAMERA, hallModel, job } from "../support/render-scenes.ts";

export const name = "tracer: Ksamples/s on one core over 10,000 triangles, and what checking costs";

const ROUNDS = 3;
const kernel = newKernel<TracerExports>("tracer");

/** CPU milliseconds of this process, its compiler's threads included. */
function cpu(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function milliseconds(action: () => void): number {
  const start = cpu();
  action();
  return cpu() - start;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

function traceAll(work: RenderJob, scene: Uint8Array): void {
  for (const tile of tilesOf(work)) mustRun(encodeTileParams(work, tile), scene);
}

function mustRun(params: Uint8Array, scene: Uint8Array): void {
  const outcome = runTracer(kernel, params, scene);
  if (!outcome.ok) throw new Error(outcome.reason);
}

function trianglesOf({ meshes, placements }: SceneModel): number {
  const sizes = meshes.map((mesh) => mesh.reduce((sum, { indices }) => sum + indices.length / 3, 0));
  return placements.reduce((sum, { mesh }) => sum + sizes[mesh]!, 0);
}

/** Ksamples/s of the kernel over a picture, and of plain TypeScript over a few of its pixels, in turns. */
function speeds(title: string, model: SceneModel, work: RenderJob): void {
  const packing = milliseconds(() => packModel(model, 2 ** 30));
  const scene = packModel(model, 2 ** 30)!;
  const reference = new ReferenceTracer(model, work);
  const samples = work.width * work.height * work.samples;
  const own: number[] = [];
  const plain: number[] = [];
  traceAll(work, scene);
  for (let round = 0; round < ROUNDS; round++) {
    own.push(samples / milliseconds(() => traceAll(work, scene)));
    const x = Math.floor((work.width * (round + 0.5)) / ROUNDS);
    plain.push(16 / milliseconds(() => reference.batch(x, work.height >> 1, 0)));
  }
  console.log(
    `  ${title.padEnd(34)} ${trianglesOf(model).toString().padStart(7)} triangles  ` +
      `${median(own).toFixed(0).padStart(5)} Ksamples/s  plain TypeScript, no tree ${median(plain).toFixed(2)}  ` +
      `packed ${(scene.length / 1e6).toFixed(1)} MB in ${packing.toFixed(0)} ms`,
  );
}

/** Rays from the camera alone: the kernel's two boxes and four triangles at once, and one after another in TypeScript. */
function cameraRays(): void {
  const work = job(HALL_CAMERA, { width: 320, height: 180, bounces: 0 });
  const scene = packModel(hallModel(), 2 ** 30, Number.POSITIVE_INFINITY)!;
  const walk = new PlainWalk(scene);
  const { position, right, up, forward, fieldOfView } = work.camera;
  const half = Math.tan(fieldOfView / 2);
  const walkAll = (): void => {
    for (let y = 0; y < work.height; y++) {
      for (let x = 0; x < work.width; x++) {
        const a = ((2 * x + 1) / work.width - 1) * half * (work.width / work.height);
        const b = (1 - (2 * y + 1) / work.height) * half;
        const along = forward.map((value, i) => value + a * right[i]! + b * up[i]!);
        walk.nearest(...position, along[0]!, along[1]!, along[2]!);
      }
    }
  };
  traceAll(work, scene);
  walkAll();
  const pixels = work.width * work.height;
  const own = Array.from({ length: ROUNDS }, () => (16 * pixels) / milliseconds(() => traceAll(work, scene)));
  const plain = Array.from({ length: ROUNDS }, () => pixels / milliseconds(walkAll));
  console.log(
    `  hall: kernel, shading the hit ${median(own).toFixed(0)} Krays/s, plain TypeScript walk ${median(plain).toFixed(0)}`,
  );
}

/** What checking 64 pairs of a tile costs, as a share of rendering it; over every fifth tile of the picture. */
function checking(model: SceneModel, work: RenderJob): void {
  const scene = packModel(model, 2 ** 30)!;
  const random = new SeededRandom(1);
  const tiles = tilesOf(work).filter(({ index }) => index % 5 === 2);
  const params = tiles.map((tile) => encodeTileParams(work, tile));
  const pairs = params.map((tileParams, i) => {
    const { x, y, width } = tiles[i]!;
    const { picks } = drawPairs(decodeTileParams(tileParams), random);
    const named = picks.map(({ leaf, part }) => {
      return { x: x + (leaf % width), y: y + Math.floor(leaf / width), batch: part };
    });
    return encodePairsParams(tileParams, named);
  });
  const [rendering, checks] = [params, pairs].map((list) =>
    milliseconds(() => {
      for (const one of list) mustRun(one, scene);
    }),
  );
  const share = ((100 * checks!) / rendering!).toFixed(2);
  console.log(
    `  ${work.width}×${work.height}, ${work.samples} samples, ${tiles.length} of its tiles: ` +
      `rendering ${(rendering! / 1000).toFixed(1)} s, checking ${checks!.toFixed(0)} ms: ${share}% (aim 2%)`,
  );
}

/** Two levels or copies: a mesh that stands often, both ways. */
function instancing(): void {
  for (const threshold of [Number.POSITIVE_INFINITY, 0]) {
    const model = hallModel();
    const work = job(HALL_CAMERA, { width: 320, height: 180 });
    const scene = packModel(model, 2 ** 30, threshold)!;
    traceAll(work, scene);
    const rates = Array.from(
      { length: ROUNDS },
      () => (320 * 180 * 16) / milliseconds(() => traceAll(work, scene)),
    );
    const title = threshold === 0 ? "hall, balls as instances" : "hall, balls copied to their places";
    console.log(
      `  ${title.padEnd(34)} ${(scene.length / 1e6).toFixed(2)} MB  ${median(rates).toFixed(0)} Ksamples/s`,
    );
  }
}

/** Prints the tables. */
export function run(): void {
  console.log("\nSpeed (aim 280)");
  speeds("hall: closed, lamp, sky window", hallModel(), job(HALL_CAMERA, { width: 320, height: 180 }));
  speeds("field: open under sky and sun", fieldModel(), job(FIELD_CAMERA, { width: 320, height: 180 }));
  console.log("\nCamera rays");
  cameraRays();
  console.log("\nInstances");
  instancing();
  console.log("\nChecking");
  checking(hallModel(), job(HALL_CAMERA, { width: 640, height: 360, samples: 64 }));
}
