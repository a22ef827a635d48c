/** From a `.glb` file to what the tracer takes. */
import { DecodeError } from "#base/lib/decode-error.ts";
import { mapPoint } from "./matrix.ts";
import { packModel } from "./pack-model.ts";
import { lookAt } from "./place-nodes.ts";
import { readGltf } from "./read-gltf.ts";
import type { Camera, Vector } from "./render-job.ts";
import { SCENE_LIMITS, type SceneLimits } from "./scene-limits.ts";
import type { SceneCamera, SceneModel } from "./scene-model.ts";

export interface PackedScene {
  /** Input 0 of every task of a render. */
  readonly bytes: Uint8Array;
  /** At least one: where the file has none, one that sees everything. */
  readonly cameras: readonly SceneCamera[];
  /** Stops by which the scene asks to be brightened. */
  readonly exposure: number;
  /** As drawn, every place counted. */
  readonly triangles: number;
}

export type PackOutcome =
  | { readonly ok: true; readonly scene: PackedScene }
  | { readonly ok: false; readonly reason: string };

/** Packs a binary glTF 2.0 file, wherever it does so. */
export type PackScene = (glb: Uint8Array) => Promise<PackOutcome>;

/** Packs a binary glTF 2.0 file; refuses with a reason what is malformed, too large, or asks for what is not known. */
export async function packScene(glb: Uint8Array, limits: SceneLimits = SCENE_LIMITS): Promise<PackOutcome> {
  try {
    return packed(await readGltf(glb, limits), limits);
  } catch (error) {
    if (error instanceof DecodeError) return { ok: false, reason: error.message };
    throw error;
  }
}

function packed(model: SceneModel, limits: SceneLimits): PackOutcome {
  const sizes = model.meshes.map((mesh) => mesh.reduce((sum, { indices }) => sum + indices.length / 3, 0));
  const triangles = model.placements.reduce((sum, { mesh }) => sum + sizes[mesh]!, 0);
  if (triangles === 0) return { ok: false, reason: "the scene shows no triangles" };
  const bytes = packModel(model, limits.packed);
  if (bytes === undefined)
    return { ok: false, reason: `the scene is longer than ${limits.packed} bytes packed` };
  const cameras = model.cameras.length > 0 ? model.cameras : [{ name: "overview", camera: overview(model) }];
  return { ok: true, scene: { bytes, cameras, exposure: model.exposure, triangles } };
}

/** A camera before and above the scene, far enough off to see all of it. */
function overview(model: SceneModel): Camera {
  const low = [1e30, 1e30, 1e30];
  const high = [-1e30, -1e30, -1e30];
  const place = new Float32Array(3);
  for (const { mesh, matrix } of model.placements) {
    for (const { positions } of model.meshes[mesh]!) {
      for (let i = 0; i < positions.length; i += 3) {
        mapPoint(matrix, positions, i, place, 0);
        for (let axis = 0; axis < 3; axis++) {
          low[axis] = Math.min(low[axis]!, place[axis]!);
          high[axis] = Math.max(high[axis]!, place[axis]!);
        }
      }
    }
  }
  const centre = low.map((value, axis) => (value + high[axis]!) / 2) as unknown as Vector;
  const radius = Math.max(1e-3, Math.hypot(...low.map((value, axis) => high[axis]! - value)) / 2);
  const distance = radius / Math.sin(0.35);
  const position: Vector = [
    centre[0] + 0.55 * distance,
    centre[1] + 0.4 * distance,
    centre[2] + 0.73 * distance,
  ];
  return lookAt(position, centre, 0.7);
}
