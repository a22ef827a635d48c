import { newKernel } from "#base/crypto/kernel-file.ts";
import { packScene } from "#sharing/compute/core/render/pack-scene.ts";
import { SCENE_LIMITS } from "#sharing/compute/core/render/scene-limits.ts";
import { encodeTileParams } from "#sharing/compute/core/render/tile-params.ts";
import { runTracer, type TracerExports } from "#sharing/compute/core/render/tracer-kernel.ts";
import { job, smallGlb } from "../support/render-scenes.ts";
import type { FuzzTarget } from "./fuzz.ts";

const kernel = newKernel<TracerExports>("tracer");
const glb = await smallGlb();
const limits = { ...SCENE_LIMITS, pixels: 4_096, triangles: 10_000, numbers: 100_000, packed: 2 ** 24 };

/** Scene files: what is packed at all is a scene that the tracer takes. */
export const target: FuzzTarget = {
  name: "glTF",
  seeds: [glb],
  async run(input) {
    const outcome = await packScene(input, limits);
    if (!outcome.ok) return;
    const { camera } = outcome.scene.cameras[0]!;
    const work = job(camera, { width: 4, height: 4 });
    const params = encodeTileParams(work, { index: 0, x: 0, y: 0, width: 4, height: 4 });
    const traced = runTracer(kernel, params, outcome.scene.bytes);
    if (!traced.ok && traced.reason !== "bad render parameters") throw new Error(traced.reason);
  },
};
