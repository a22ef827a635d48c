import assert from "node:assert/strict";
import { test } from "node:test";
import { PNG } from "pngjs";
import { DecodeError } from "#base/lib/decode-error.ts";
import { Film, tileImage } from "./film.ts";
import { lookAt } from "./place-nodes.ts";
import { checkRenderJob, type RenderJob, type Tile, tilesOf } from "./render-job.ts";
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

test("a dusky sky shows no bands, black and white are whole, and a tile looks as it does in the picture", () => {
  const [width, height] = [64, 128];
  const wide = { ...job, width, height, tileSize: 64, samples: 16, exposure: 0 };
  // From top to bottom, by less than three codes in all.
  const radiance = (y: number): number => 0.02 + (0.001 * y) / height;
  const film = new Film(wide);
  const sums = new Float32Array(3 * width * height);
  for (let i = 0; i < sums.length; i++) sums[i] = 16 * radiance(Math.floor(i / (3 * width)));
  const bytes = new Uint8Array(sums.buffer);
  const [upper, lower] = tilesOf(wide) as [Tile, Tile];
  film.add(upper, bytes.subarray(0, bytes.length / 2));
  film.add(lower, bytes.subarray(bytes.length / 2));
  const picture = PNG.sync.read(Buffer.from(film.png(0)));
  const meanOf = (y: number): number => {
    let sum = 0;
    for (let x = 0; x < width; x++) sum += picture.data[4 * (y * width + x)]!;
    return sum / width;
  };
  const means = Array.from({ length: height / 8 }, (_, i) => meanOf(8 * i));
  const whole = means.at(-1)! - means[0]!;
  assert.ok(whole > 0.5 && whole < 3, `${whole} codes`);
  for (const [i, mean] of means.entries()) {
    // Each row as bright as its place between top and bottom says: no steps.
    assert.ok(Math.abs(mean - (means[0]! + (whole * i) / (means.length - 1))) < 0.12, `${means}`);
  }
  const shown = PNG.sync.read(Buffer.from(tileImage(lower, 16, bytes.subarray(bytes.length / 2), 0)));
  assert.deepEqual([...shown.data], [...picture.data.subarray(picture.data.length / 2)]);
  for (const [level, code] of [
    [0, 0],
    [1e6, 255],
  ] as const) {
    const flat = new Film({ width: 16, height: 16, samples: 16 });
    flat.add({ x: 0, y: 0, width: 16, height: 16 }, even(256, level));
    const data = PNG.sync.read(Buffer.from(flat.png(0))).data;
    assert.ok(data.every((value, i) => value === (i % 4 === 3 ? 255 : code)));
  }
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
