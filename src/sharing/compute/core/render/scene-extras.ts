/**
 * What a scene says in its `extras` beyond glTF: its sky and its exposure (on the scene), lens and focus (on a camera).
 * Radiances are linear RGB; angles degrees, as people write them.
 */
import { z } from "zod";
import { DecodeError } from "#base/lib/decode-error.ts";
import type { Sky } from "./scene-model.ts";

const radiance = z.tuple([
  z.number().min(0).max(1e7),
  z.number().min(0).max(1e7),
  z.number().min(0).max(1e7),
]);
const direction = z
  .tuple([z.number().min(-1e6).max(1e6), z.number().min(-1e6).max(1e6), z.number().min(-1e6).max(1e6)])
  .refine((vector) => vector.some((value) => Math.abs(value) > 1e-6));

const sceneExtras = z.looseObject({
  exposure: z.number().min(-20).max(20).optional(),
  sky: z
    .looseObject({
      zenith: radiance,
      horizon: radiance.optional(),
      ground: radiance.optional(),
      glow: radiance.optional(),
      sun: z.looseObject({ direction, radiance, radius: z.number().min(0.01).max(45) }).optional(),
    })
    .optional(),
});

const cameraExtras = z.looseObject({
  lensRadius: z.number().min(0).max(1e6).optional(),
  focusDistance: z.number().min(1e-4).max(1e9).optional(),
});

/** An overcast noon: what shines on a scene that says nothing of its sky. */
const DEFAULT_SKY: Sky = {
  zenith: [0.75, 0.85, 1.05],
  horizon: [1.05, 1.05, 1.05],
  ground: [0.3, 0.29, 0.28],
  glow: [0, 0, 0],
  sun: undefined,
};

/** @throws DecodeError when the extras are meant for us and malformed. */
export function readSceneExtras(extras: unknown): { readonly sky: Sky; readonly exposure: number } {
  if (typeof extras !== "object" || extras === null) return { sky: DEFAULT_SKY, exposure: 0 };
  const parsed = sceneExtras.safeParse(extras);
  if (!parsed.success)
    throw new DecodeError(`extras of the scene: ${parsed.error.issues[0]?.path.join(".")}`);
  const { sky, exposure = 0 } = parsed.data;
  if (sky === undefined) return { sky: DEFAULT_SKY, exposure };
  const { zenith, horizon = zenith, ground = horizon, glow = [0, 0, 0], sun } = sky;
  const disc = sun === undefined ? undefined : { ...sun, radius: (sun.radius * Math.PI) / 180 };
  return { sky: { zenith, horizon, ground, glow, sun: disc }, exposure };
}

/** @throws DecodeError when the extras are meant for us and malformed. */
export function readCameraExtras(extras: unknown): { lensRadius: number; focusDistance: number } {
  const parsed = cameraExtras.safeParse(extras ?? {});
  if (!parsed.success) throw new DecodeError(`extras of a camera: ${parsed.error.issues[0]?.path.join(".")}`);
  const { lensRadius = 0, focusDistance = 1 } = parsed.data;
  return { lensRadius, focusDistance };
}
