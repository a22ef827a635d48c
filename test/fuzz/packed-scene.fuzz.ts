import { newKernel } from "#base/crypto/kernel-file.ts";
import { packModel } from "#sharing/compute/core/render/pack-model.ts";
import { encodePairsParams, encodeTileParams } from "#sharing/compute/core/render/tile-params.ts";
import { runTracer, type TracerExports } from "#sharing/compute/core/render/tracer-kernel.ts";
import { job, MIXED_CAMERA, mixedModel } from "../support/render-scenes.ts";
import type { FuzzTarget } from "./fuzz.ts";

const kernel = newKernel<TracerExports>("tracer");
const scene = packModel(mixedModel(2), 2 ** 24)!;
const instanced = packModel(mixedModel(2), 2 ** 24, 0)!;
const work = job(MIXED_CAMERA, { width: 16, height: 16 });
const params = encodeTileParams(work, { index: 0, x: 4, y: 4, width: 3, height: 3 });
const pairs = encodePairsParams(params, [
  { x: 5, y: 5, batch: 0 },
  { x: 15, y: 0, batch: 0 },
]);

/** Params and scene as one input: the length of the params first. */
function joined(tileParams: Uint8Array, packed: Uint8Array): Uint8Array {
  return Uint8Array.of(tileParams.length, ...tileParams, ...packed);
}

/** What a stranger may send a provider: it is rendered or refused, without a trap, and no NaN comes out. */
export const target: FuzzTarget = {
  name: "packed scene",
  seeds: [joined(params, scene), joined(params, instanced), joined(pairs, scene)],
  run(input) {
    const split = 1 + (input[0] ?? 0);
    const packed = input.slice(split);
    // The length is set right, so that what was cut or grown is looked into as well.
    if (packed.length >= 12) new DataView(packed.buffer).setUint32(8, packed.length, true);
    const outcome = runTracer(kernel, input.subarray(1, split), packed);
    if (!outcome.ok) return;
    for (const value of new Float32Array(outcome.result.output.slice().buffer)) {
      if (!Number.isFinite(value)) throw new Error("the picture holds what is no number");
    }
  },
};
