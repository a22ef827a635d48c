import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { newKernel } from "#base/crypto/kernel-file.ts";
import { layerReflectance, ReferenceTracer, Scatter } from "../../../../../test/support/reference-tracer.ts";
import {
  ballArrays,
  evenSky,
  job,
  MIXED_CAMERA,
  material,
  mixedModel,
  model,
  placed,
  primitive,
  squareArrays,
} from "../../../../../test/support/render-scenes.ts";
import { Film, floatsOf } from "./film.ts";
import { IDENTITY } from "./matrix.ts";
import { packModel } from "./pack-model.ts";
import { lookAt } from "./place-nodes.ts";
import { type RenderJob, tilesOf } from "./render-job.ts";
import type { SceneModel } from "./scene-model.ts";
import { encodePairsParams, encodeTileParams } from "./tile-params.ts";
import { runTracer, type TracerExports, type TracerResult } from "./tracer-kernel.ts";

const kernel = newKernel<TracerExports>("tracer");

function pack(scene: SceneModel, threshold?: number): Uint8Array {
  return packModel(scene, 2 ** 30, threshold)!;
}

function trace(params: Uint8Array, scene: Uint8Array): TracerResult {
  const outcome = runTracer(kernel, params, scene);
  if (!outcome.ok) assert.fail(outcome.reason);
  return outcome.result;
}

/** The picture's sums, tile by tile. */
function render(scene: Uint8Array, work: RenderJob): Float32Array {
  const film = new Film(work);
  for (const tile of tilesOf(work)) film.add(tile, trace(encodeTileParams(work, tile), scene).output);
  return film.sums;
}

/** Mean radiance over the picture, by channel. */
function meanOf(sums: Float32Array, samples: number): number[] {
  const total = [0, 0, 0];
  for (const [i, sum] of sums.entries()) total[i % 3]! += sum;
  return total.map((value) => value / samples / (sums.length / 3));
}

test("the kernel has no imports and the exports of a task module", () => {
  const names = ["input", "memory", "output", "outputLength", "run", "trace", "traceLeaf", "traceLength"];
  assert.deepEqual(Object.keys(kernel).sort(), names);
});

test("a picture of everything equals the plain tracer's, path by path", () => {
  const scene = mixedModel();
  const work = job({ ...MIXED_CAMERA, lensRadius: 0.05, focusDistance: 7 }, { samples: 16, clamp: 50 });
  const sums = render(pack(scene), work);
  const reference = new ReferenceTracer(scene, work);
  let close = 0;
  const pixels = work.width * work.height;
  const totals = [0, 0];
  for (let i = 0; i < pixels; i++) {
    const expected = reference.batch(i % work.width, Math.floor(i / work.width), 0);
    const own = [...sums.subarray(3 * i, 3 * i + 3)];
    const error = Math.max(...own.map((value, k) => Math.abs(value - expected[k]!) / (expected[k]! + 0.5)));
    if (error < 0.02) close++;
    totals[0]! += own[1]!;
    totals[1]! += expected[1];
  }
  assert.ok(close > 0.93 * pixels, `${close} of ${pixels} pixels are close`);
  assert.ok(Math.abs(totals[0]! / totals[1]! - 1) < 0.01, `means ${totals}`);
});

test("a mesh with instances gives the picture of its copies", () => {
  const ball = ballArrays(8);
  const scene = model({
    meshes: [[primitive(squareArrays(8), 0)], [primitive(ball, 1)], [primitive(ball, 2)]],
    placements: [
      { mesh: 0, matrix: IDENTITY },
      ...[-2, 0, 2].map((x) => ({ mesh: 1, matrix: placed([x, 1, 0], 0.8) })),
      // Mirrored, and stretched.
      { mesh: 1, matrix: [-1.2, 0, 0, 0, 0, 0.6, 0, 0, 0, 0, 0.7, 0, 1, 0.6, 2, 1] },
      { mesh: 2, matrix: placed([-1, 3, 1], 0.3) },
      { mesh: 2, matrix: [-0.3, 0, 0, 0, 0, 0.3, 0, 0, 0, 0, 0.3, 0, 1, 3, 1, 1] },
    ],
    materials: [
      material(),
      material({ base: [0.9, 0.4, 0.2, 1], metallic: 1, roughness: 0.3 }),
      material({ emission: [5, 6, 7] }),
    ],
  });
  const work = job(lookAt([0, 3, 8], [0, 0.8, 0], 0.8), { samples: 64 });
  const instanced = pack(scene, 0);
  const copied = pack(scene, Number.POSITIVE_INFINITY);
  assert.ok(instanced.length < copied.length);
  const a = meanOf(render(instanced, work), 64);
  const b = meanOf(render(copied, work), 64);
  for (const [i, value] of a.entries()) assert.ok(Math.abs(value / b[i]! - 1) < 0.01, `${a} and ${b}`);
});

test("white furnace: a white surface of any roughness, metal or not, sends back what it gets", () => {
  const ball = primitive(ballArrays(24), 0);
  for (const metallic of [0, 0.5, 1]) {
    for (const roughness of [0, 0.2, 0.5, 0.8, 1]) {
      const scene = model({
        meshes: [[ball]],
        materials: [material({ base: [1, 1, 1, 1], metallic, roughness })],
        sky: evenSky(1),
      });
      const camera = lookAt([0, 0, 6], [0, 0, 0], 0.3);
      const mean = meanOf(render(pack(scene), job(camera, { samples: 64, bounces: 16 })), 64);
      for (const value of mean) {
        assert.ok(Math.abs(value - 1) < 0.015, `metallic ${metallic}, roughness ${roughness}: ${value}`);
      }
    }
  }
});

test("the layer's reflectance loses nothing when smooth, and something when rough", () => {
  const [straight, grazing] = layerReflectance(0.7, 0);
  assert.ok(Math.abs(straight + grazing - 1) < 1e-3);
  const [rough, rest] = layerReflectance(0.7, 1);
  assert.ok(rough + rest > 0.3 && rough + rest < 0.5, `${rough + rest}`);
});

test("a ball's light falls on a floor as geometry says: π L (r/h)²", () => {
  const base = 0.6;
  const floor = material({ base: [base, base, base, 1], roughness: 1, doubleSided: true });
  for (const height of [4, 8]) {
    const scene = model({
      meshes: [[primitive(squareArrays(1), 0)], [primitive(ballArrays(24), 1)]],
      placements: [
        { mesh: 0, matrix: IDENTITY },
        { mesh: 1, matrix: placed([0, height, 0], 0.5) },
      ],
      materials: [floor, material({ base: [0, 0, 0, 1], emission: [10, 20, 30] })],
      sky: evenSky(0),
    });
    // From the side, at the point right under the ball, straight light alone.
    const camera = lookAt([3, 3, 0], [0, 0, 0], 0.01);
    const mean = meanOf(
      render(pack(scene), job(camera, { width: 8, height: 8, samples: 256, bounces: 1 })),
      256,
    );
    const view = new Scatter([Math.SQRT1_2, 0, Math.SQRT1_2], [base, base, base], 0, 1);
    for (const [i, radiance] of [10, 20, 30].entries()) {
      // A ball of 24 rings is smaller than a true one by a little under one in a hundred.
      const expected = view.weigh([0, 0, 1]).carried[i]! * Math.PI * radiance * (0.5 / height) ** 2;
      assert.ok(Math.abs(mean[i]! / expected - 1) < 0.02, `height ${height}: ${mean[i]} for ${expected}`);
    }
  }
});

test("a sun of angle a lights a floor by π L sin²a, and throws a shadow", () => {
  const scene = model({
    meshes: [[primitive(squareArrays(1), 0)]],
    materials: [material({ roughness: 1 })],
    sky: { ...evenSky(0), sun: { direction: [0, 2, 0], radiance: [100, 100, 100], radius: 0.05 } },
  });
  const work = job(lookAt([2, 2, 0], [0, 0, 0], 0.05), { width: 8, height: 8, samples: 64 });
  const view = new Scatter([Math.SQRT1_2, 0, Math.SQRT1_2], [0.8, 0.8, 0.8], 0, 1);
  const expected = view.weigh([0, 0, 1]).carried[0] * Math.PI * 100 * Math.sin(0.05) ** 2;
  const [lit] = meanOf(render(pack(scene), work), 64);
  assert.ok(Math.abs(lit! / expected - 1) < 0.01, `${lit} for ${expected}`);
  const roofed = { ...scene, meshes: [...scene.meshes, [primitive(squareArrays(1, 4), 0)]] };
  const placements = [0, 1].map((mesh) => ({ mesh, matrix: IDENTITY }));
  const [shaded] = meanOf(render(pack({ ...roofed, placements }), work), 64);
  assert.ok(shaded! < expected / 50, `${shaded}`);
});

test("a lamp that is seen is bounded in its own colour, and the light that it throws is not", () => {
  const lamp = { ...squareArrays(0.5), indices: [0, 2, 1, 0, 3, 2] };
  const scene = model({
    meshes: [
      [primitive({ positions: lamp.positions, indices: lamp.indices }, 0)],
      [primitive(squareArrays(4), 1)],
    ],
    placements: [
      { mesh: 0, matrix: placed([0, 1, 0]) },
      { mesh: 1, matrix: IDENTITY },
    ],
    materials: [
      material({ base: [0, 0, 0, 1], emission: [40, 20, 10] }),
      material({ base: [0.2, 0.2, 0.2, 1] }),
    ],
    sky: evenSky(0),
  });
  const seen = (clamp: number): number[] => {
    const work = job(lookAt([0, 0.1, 0.01], [0, 1, 0], 0.1), { width: 8, height: 8, samples: 16, clamp });
    return meanOf(render(pack(scene), work), 16);
  };
  // The lamp mirrors a little of the floor besides.
  for (const [clamp, expected] of [
    [0, [40, 20, 10]],
    [2, [4, 2, 1]],
    [100, [40, 20, 10]],
  ] as const) {
    for (const [i, value] of seen(clamp).entries()) {
      assert.ok(Math.abs(value / expected[i]! - 1) < 0.02, `${value} for ${expected[i]}`);
    }
  }
  const thrown = (clamp: number): number[] => {
    const work = job(lookAt([3, 2, 0], [1, 0, 0], 0.02), {
      width: 8,
      height: 8,
      samples: 64,
      bounces: 1,
      clamp,
    });
    return meanOf(render(pack(scene), work), 64);
  };
  assert.deepEqual(thrown(0.01), thrown(0));
});

test("bounded light has few sparks: what a mirror throws on a wall is blurred, and hardly dimmed", () => {
  // A low sun, a floor that mirrors it, a dull wall.
  const scene = model({
    meshes: [[primitive(squareArrays(6), 0)], [primitive(squareArrays(6), 1)]],
    placements: [
      { mesh: 0, matrix: IDENTITY },
      { mesh: 1, matrix: [1, 0, 0, 0, 0, 0, 1, 0, 0, -1, 0, 0, 0, 0, -1, 1] },
    ],
    materials: [
      material({ base: [0.9, 0.9, 0.9, 1], metallic: 1, roughness: 0.15, doubleSided: true }),
      material({ base: [0.7, 0.7, 0.7, 1], roughness: 1, doubleSided: true }),
    ],
    sky: {
      ...evenSky(0.1),
      sun: { direction: [0.3, 0.5, 0.8], radiance: [600, 600, 600], radius: 0.03 },
    },
  });
  const look = lookAt([0, 2, 5], [0, 1, -1], 0.3);
  const render2 = (clamp: number, seed: number): Float32Array =>
    render(pack(scene), job(look, { samples: 64, clamp, seed: [seed, 0] }));
  const [noise, mean] = [
    [0, 0],
    [0, 0],
  ];
  // No bound that light could reach: the blur alone.
  for (const [i, clamp] of [0, 1e6].entries()) {
    const [a, b] = [render2(clamp, 1), render2(clamp, 2)] as const;
    for (const [at, value] of a.entries()) {
      noise[i]! += (value - b[at]!) ** 2;
      mean[i]! += value + b[at]!;
    }
  }
  assert.ok(noise[1]! < 0.25 * noise[0]!, `noise ${noise}`);
  assert.ok(Math.abs(mean[1]! / mean[0]! - 1) < 0.1, `means ${mean}`);
});

test("a camera looks through backs of one-sided surfaces, and sees both-sided ones", () => {
  const scene = (doubleSided: boolean) =>
    model({
      meshes: [[primitive(squareArrays(1), 0)]],
      materials: [material({ doubleSided, base: [0, 0, 0, 1] })],
      sky: evenSky(1),
    });
  const work = job(lookAt([0, -3, 0.1], [0, 0, 0], 0.2), { width: 8, height: 8 });
  assert.deepEqual(meanOf(render(pack(scene(false)), work), 16), [1, 1, 1]);
  assert.ok(meanOf(render(pack(scene(true)), work), 16)[0]! < 0.2);
});

test("half clear surfaces let half of the light through", () => {
  const scene = model({
    meshes: [[primitive(squareArrays(4), 0)]],
    materials: [material({ alpha: "blend", base: [0, 0, 0, 0.5], roughness: 1, doubleSided: true })],
    sky: evenSky(1),
  });
  const work = job(lookAt([0, 5, 0.1], [0, 0, 0], 0.2), { samples: 256, bounces: 0 });
  const [through] = meanOf(render(pack(scene), work), 256);
  assert.ok(Math.abs(through! - 0.5) < 0.01, `${through}`);
});

test("how a picture is cut into tiles changes no bit of it", () => {
  const scene = pack(mixedModel());
  const whole = render(scene, job(MIXED_CAMERA, { width: 50, height: 34 }));
  for (const tileSize of [7, 16, 33]) {
    assert.deepEqual(render(scene, job(MIXED_CAMERA, { width: 50, height: 34, tileSize })), whole);
  }
});

test("the trace holds each pixel's batches, they sum to the output, and pairs give them again", () => {
  const scene = pack(mixedModel());
  const work = job(MIXED_CAMERA, { width: 40, height: 30, samples: 64, tileSize: 16 });
  const tile = tilesOf(work)[4]!;
  const params = encodeTileParams(work, tile);
  const { output, trace: leaves, leaf } = trace(params, scene);
  assert.equal(leaf, 48);
  assert.equal(leaves.length, 48 * tile.width * tile.height);
  const sums = floatsOf(output);
  const batches = floatsOf(leaves);
  for (const [i, sum] of sums.entries()) {
    const [pixel, channel] = [Math.floor(i / 3), i % 3];
    let total = 0;
    for (let batch = 0; batch < 4; batch++)
      total = Math.fround(total + batches[12 * pixel + 3 * batch + channel]!);
    assert.equal(total, sum);
  }
  const pairs = [3, 77, 200, 201].map((pixel, i) => ({
    pixel,
    x: tile.x + (pixel % tile.width),
    y: tile.y + Math.floor(pixel / tile.width),
    batch: i % 4,
  }));
  const again = trace(encodePairsParams(params, pairs), scene);
  assert.equal(again.trace.length, 0);
  for (const [i, { pixel, batch }] of pairs.entries()) {
    const at = 48 * pixel + 12 * batch;
    assert.deepEqual(again.output.subarray(12 * i, 12 * i + 12), leaves.subarray(at, at + 12));
  }
});

test("another seed gives another picture, the same one the same", () => {
  const scene = pack(mixedModel());
  const picture = (seed: readonly [number, number]) => render(scene, job(MIXED_CAMERA, { seed }));
  assert.deepEqual(picture([1, 2]), picture([1, 2]));
  assert.notDeepEqual(picture([1, 2]), picture([2, 2]));
  assert.notDeepEqual(picture([1, 2]), picture([1, 3]));
});

test("more samples come nearer to the picture of very many", () => {
  const scene = pack(mixedModel());
  const size = { width: 16, height: 12 };
  const truth = render(scene, job(MIXED_CAMERA, { ...size, samples: 4096, seed: [9, 9] }));
  const error = (samples: number): number => {
    const sums = render(scene, job(MIXED_CAMERA, { ...size, samples }));
    const squares = sums.map((sum, i) => (sum / samples - truth[i]! / 4096) ** 2);
    return Math.sqrt(squares.reduce((total, value) => total + value, 0) / sums.length);
  };
  const errors = [16, 256].map(error);
  // Sixteen times the samples: a quarter of the error by chance alone, less as they fill the planes evenly.
  assert.ok(errors[1]! < errors[0]! * 0.3, `${errors}`);
});

test("bits do not depend on how the engine compiles the kernel", () => {
  const scene = pack(mixedModel());
  const work = job(MIXED_CAMERA);
  const own = createHash("sha256")
    .update(new Uint8Array(render(scene, work).buffer))
    .digest("hex");
  const script = `
    import { createHash } from "node:crypto";
    import { newKernel } from "${import.meta.resolve("#base/crypto/kernel-file.ts")}";
    import { packModel } from "${import.meta.resolve("./pack-model.ts")}";
    import { runTracer } from "${import.meta.resolve("./tracer-kernel.ts")}";
    import { encodeTileParams } from "${import.meta.resolve("./tile-params.ts")}";
    import { tilesOf } from "${import.meta.resolve("./render-job.ts")}";
    import { job, MIXED_CAMERA, mixedModel } from "${import.meta.resolve("../../../../../test/support/render-scenes.ts")}";
    const work = job(MIXED_CAMERA);
    const { result } = runTracer(newKernel("tracer"), encodeTileParams(work, tilesOf(work)[0]), packModel(mixedModel(), 2 ** 30));
    console.log(createHash("sha256").update(result.output).digest("hex"));`;
  for (const flags of [["--liftoff-only"], ["--no-liftoff"]]) {
    const args = [...flags, "--input-type=module", "--eval", script];
    assert.equal(execFileSync(process.execPath, args, { encoding: "utf8" }).trim(), own, flags[0]);
  }
});

test("bad frames, params and scenes get their number and no output", () => {
  const scene = pack(mixedModel(3));
  const work = job(MIXED_CAMERA, { width: 8, height: 8 });
  const params = encodeTileParams(work, tilesOf(work)[0]!);
  const refused = (changed: Uint8Array, packed: Uint8Array): string => {
    const outcome = runTracer(kernel, changed, packed);
    assert.equal(kernel.outputLength(), outcome.ok ? outcome.result.output.length : 0);
    return outcome.ok ? "fine" : outcome.reason;
  };
  const set = (bytes: Uint8Array, at: number, value: number): Uint8Array => {
    const copy = bytes.slice();
    new DataView(copy.buffer).setUint32(at, value, true);
    return copy;
  };
  assert.equal(refused(params, scene), "fine");
  for (const [at, value] of [
    ...[
      [0, 1],
      [4, 2],
      [8, 2],
      [12, 1],
      [16, 0],
      [16, 20_000],
      [20, 0],
      [24, 0],
      [24, 17],
      [24, 1 << 20],
    ],
    ...[
      [28, 65],
      [32, 8],
      [36, 1],
      [40, 0],
      [40, 9],
      [44, 0xffff_ffff],
      [56, 0x7fc0_0000],
      [64, 0x7f80_0000],
    ],
  ] as [number, number][]) {
    assert.equal(refused(set(params, at, value), scene), "bad render parameters", `${at} ${value}`);
  }
  assert.equal(refused(params.subarray(0, 143), scene), "bad render parameters");
  assert.equal(refused(params, new Uint8Array(0)), "bad packed scene");
  assert.equal(refused(params, scene.subarray(0, scene.length - 16)), "bad packed scene");
  for (const at of [0, 4, 8, 12, 16, 20, 24, 28, 36, 44, 52, 60, 68, 76, 84, 88]) {
    assert.equal(refused(params, set(scene, at, 0x7fff_fff0)), "bad packed scene", `${at}`);
  }
  const nodes = new DataView(scene.buffer).getUint32(16, true);
  // A node that is its own child; one that two share.
  assert.equal(refused(params, set(scene, nodes + 48, 0)), "bad packed scene");
  const right = new DataView(scene.buffer).getInt32(nodes + 52, true);
  assert.ok(right > 0);
  assert.equal(refused(params, set(scene, nodes + 48, right)), "bad packed scene");
  kernel.input(8);
  assert.equal(kernel.run(), 1);
  assert.equal(refused(params, scene), "fine", "the instance is still of use");
});
