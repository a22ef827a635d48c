import assert from "node:assert/strict";
import { test } from "node:test";
import { PNG } from "pngjs";
import { DecodeError } from "#base/lib/decode-error.ts";
import { Film, tileImage } from "./film.ts";
import { lookAt } from "./place-nodes.ts";
import { checkRenderJob, type RenderJob, tilesOf } from "./render-job.ts";
import { decodeTileParams, encodePairsParams, encodeTileParams, PARAMS_SIZE } from "./tile-params.ts";

const job: RenderJob = {
  width: 10,
  height: 7,
  samples: 32,
  bounces: 6,
  seed: [1, 2],
  camera: lookAt([0, 0, 5], [0, 0, 0], 0.8),
  tileSize: 4,
  clamp: 3,
  exposure: -1.5,
};

/** A tile's output of one radiance. */
function even(pixels: number, sum: number): Uint8Array {
  return new Uint8Array(new Float32Array(3 * pixels).fill(sum).buffer);
}

test("tiles cover the picture, each pixel once", () => {
  const seen = new Uint8Array(70);
  for (const { x, y, width, height } of tilesOf(job)) {
    for (let row = y; row < y + height; row++) seen.fill(1, 10 * row + x, 10 * row + x + width);
  }
  assert.ok(seen.every((count) => count === 1));
  assert.equal(
    tilesOf(job).reduce((sum, { width, height }) => sum + width * height, 0),
    70,
  );
  assert.deepEqual(tilesOf(job).at(-1), { index: 5, x: 8, y: 4, width: 2, height: 3 });
});

test("a film takes tiles in any order, also from bytes that lie askew", () => {
  const film = new Film(job);
  for (const tile of tilesOf(job).reverse()) {
    const askew = new Uint8Array(12 * tile.width * tile.height + 1).subarray(1);
    askew.set(even(tile.width * tile.height, tile.index));
    film.add(tile, askew);
  }
  assert.deepEqual([film.sums[0], film.sums[3 * 5], film.sums.at(-1)], [0, 1, 5]);
});

test("light becomes colour: black stays black, grey stays grey, more is brighter, the brightest fades to white", () => {
  const level = (radiance: number, exposure = 0): number[] => {
    const png = PNG.sync.read(
      Buffer.from(tileImage({ x: 0, y: 0, width: 1, height: 1 }, 16, even(1, 16 * radiance), exposure)),
    );
    return [...png.data];
  };
  assert.deepEqual(level(0), [0, 0, 0, 255]);
  const [r, g, b] = level(0.18) as [number, number, number, number];
  assert.ok(Math.abs(r - g) <= 1 && Math.abs(g - b) <= 1);
  assert.ok(r > 100 && r < 140, `${r}`);
  const row = [0.01, 0.05, 0.2, 0.8, 3, 20].map((radiance) => level(radiance)[1]!);
  assert.deepEqual(
    row,
    row.toSorted((x, y) => x - y),
  );
  assert.ok(row.at(-1)! > 250);
  assert.deepEqual(level(0.1, 1), level(0.2));
});

test("params say what they were given; pairs name a tile's job", () => {
  const tile = tilesOf(job)[4]!;
  const params = encodeTileParams(job, tile);
  const { index: _, ...place } = tile;
  assert.deepEqual(decodeTileParams(params), {
    width: 10,
    height: 7,
    samples: 32,
    bounces: 6,
    exposure: -1.5,
    tile: place,
  });
  const pairs = encodePairsParams(params, [{ x: 9, y: 6, batch: 1 }]);
  assert.equal(pairs.length, PARAMS_SIZE + 12);
  assert.deepEqual(pairs.subarray(16, PARAMS_SIZE), params.subarray(16));
  for (const bytes of [pairs, params.subarray(1), new Uint8Array(PARAMS_SIZE)]) {
    assert.throws(() => decodeTileParams(bytes), DecodeError);
  }
});

test("jobs out of bounds are refused by name", () => {
  checkRenderJob(job);
  const bad: [Partial<RenderJob>, RegExp][] = [
    [{ width: 0 }, /width/],
    [{ height: 16_385 }, /height/],
    [{ samples: 24 }, /multiple of 16/],
    [{ bounces: 65 }, /bounces/],
    [{ tileSize: 257 }, /tile size/],
    [{ seed: [-1, 0] }, /seed/],
    [{ clamp: Number.NaN }, /clamp/],
    [{ exposure: 100 }, /exposure/],
    [{ samples: 65_536, tileSize: 256, width: 256, height: 256 }, /too many samples/],
    [{ camera: { ...job.camera, fieldOfView: 4 } }, /field of view/],
    [{ camera: { ...job.camera, position: [0, Number.NaN, 0] } }, /camera/],
    [{ camera: { ...job.camera, lensRadius: -1 } }, /lens/],
    [{ camera: { ...job.camera, focusDistance: 0 } }, /focus/],
  ];
  for (const [change, reason] of bad) assert.throws(() => checkRenderJob({ ...job, ...change }), reason);
});
