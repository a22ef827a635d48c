// A path tracer as a task module: input frame in; sums per pixel, and per pixel and batch, out. It has no imports, and
// gives the same bits on every machine. The interface: docs/protocols/compute.md; the params: TileParams in
// src/sharing/compute/core/render/tile-params.ts; the scene: packed-scene.ts there.

import { openLights } from "./light";
import { isTame } from "./math";
import { followPath, pathB, pathG, pathR } from "./path";
import { BATCH, seedBatch, startSample } from "./random";
import { prepareScatter } from "./scatter";
import { lightCount, openScene, scratchFor } from "./scene";
import { prepareTextures } from "./texture";

/** What `run` says. */
const DONE: u32 = 0;
const BAD_FRAME: u32 = 1;
const BAD_PARAMS: u32 = 2;
const BAD_SCENE: u32 = 3;
const NO_MEMORY: u32 = 4;

const PARAMS_MAGIC: u32 = 0x54524846; // "FHRT"
const PARAMS_VERSION: u32 = 1;
const PARAMS_SIZE: u32 = 144;
const PAIR_SIZE: u32 = 12;
const MAX_PAIRS: u32 = 4096;
const MAX_EDGE: u32 = 16384;
const MAX_TILE_EDGE: u32 = 256;
const MAX_SAMPLES: u32 = 65536;
const MAX_BOUNCES: u32 = 64;
const MAX_TRACE: u64 = 1 << 26;
/** A pixel's sums: three floats. */
const SUMS: u32 = 12;

let frame: usize = 0;
let frameLength: u32 = 0;
let outputAt: usize = 0;
let outputSize: u32 = 0;
let traceAt: usize = 0;
let traceSize: u32 = 0;
let leafSize: u32 = 0;
let prepared = false;

function align(x: usize): usize {
  return (x + 15) & ~15;
}

/** Makes memory reach to `end`; false where it may not grow so far. */
function reserve(end: u64): bool {
  const pages = <i32>((end + 0xffff) >> 16);
  const missing = pages - memory.size();
  return end < 0xffff0000 && (missing <= 0 || memory.grow(missing) >= 0);
}

/** Room for an input frame of `length` bytes: its address, or 0 where there is no memory. */
export function input(length: u32): usize {
  frame = align(__heap_base);
  frameLength = length;
  outputSize = 0;
  traceSize = 0;
  return reserve(<u64>frame + length) ? frame : 0;
}

export function output(): usize {
  return outputAt;
}

export function outputLength(): u32 {
  return outputSize;
}

export function trace(): usize {
  return traceAt;
}

export function traceLength(): u32 {
  return traceSize;
}

/** Bytes of the trace that belong to one pixel. */
export function traceLeaf(): u32 {
  return leafSize;
}

/** Renders what the frame asks for. 0, or the number of what was wrong. */
export function run(): u32 {
  outputSize = 0;
  traceSize = 0;
  if (frame == 0 || frameLength < 16 || load<u32>(frame) != 2) return BAD_FRAME;
  const paramsLength = load<u32>(frame, 4);
  const sceneLength = load<u32>(frame, 8);
  const params = frame + 16;
  const scene = <u64>params + ((<u64>paramsLength + 15) & ~15);
  const end = scene + ((<u64>sceneLength + 15) & ~15);
  if (end > <u64>frame + frameLength) return BAD_FRAME;
  if (!paramsHold(params, paramsLength)) return BAD_PARAMS;
  const scratch = <usize>end;
  const sums = scratch + align(scratchFor(sceneLength));
  if (!reserve(<u64>sums)) return NO_MEMORY;
  if (!openScene(<usize>scene, sceneLength, scratch)) return BAD_SCENE;
  outputAt = align(sums + (<usize>lightCount << 2));
  if (!reserve(<u64>outputAt)) return NO_MEMORY;
  if (!openLights(sums)) return BAD_SCENE;
  if (!layOut(params)) return NO_MEMORY;
  if (!prepared) {
    prepareTextures();
    prepareScatter();
    prepared = true;
  }
  if (load<u32>(params, 8) == 0) renderTile(params);
  else renderPairs(params);
  return DONE;
}

function paramsHold(params: usize, length: u32): bool {
  if (length < PARAMS_SIZE || load<u32>(params) != PARAMS_MAGIC || load<u32>(params, 4) != PARAMS_VERSION) return false;
  const mode = load<u32>(params, 8);
  const pairs = load<u32>(params, 12);
  const width = load<u32>(params, 16);
  const height = load<u32>(params, 20);
  const samples = load<u32>(params, 24);
  if (width == 0 || width > MAX_EDGE || height == 0 || height > MAX_EDGE) return false;
  if (samples == 0 || samples > MAX_SAMPLES || samples % BATCH != 0) return false;
  if (load<u32>(params, 28) > MAX_BOUNCES) return false;
  for (let at: usize = 56; at < 128; at += 4) {
    if (!isTame(load<f32>(params + at))) return false;
  }
  if (mode == 0) return pairs == 0 && length == PARAMS_SIZE && tileHolds(params, width, height, samples);
  if (mode != 1 || pairs > MAX_PAIRS || length != PARAMS_SIZE + pairs * PAIR_SIZE) return false;
  for (let i: u32 = 0; i < pairs; i++) {
    const pair = params + PARAMS_SIZE + <usize>(i * PAIR_SIZE);
    if (load<u32>(pair) >= width || load<u32>(pair, 4) >= height) return false;
    if (load<u32>(pair, 8) >= samples / BATCH) return false;
  }
  return true;
}

function tileHolds(params: usize, width: u32, height: u32, samples: u32): bool {
  const x = load<u32>(params, 32);
  const y = load<u32>(params, 36);
  const tileWidth = load<u32>(params, 40);
  const tileHeight = load<u32>(params, 44);
  if (tileWidth == 0 || tileWidth > MAX_TILE_EDGE || tileHeight == 0 || tileHeight > MAX_TILE_EDGE) return false;
  if (x >= width || y >= height || tileWidth > width - x || tileHeight > height - y) return false;
  return <u64>tileWidth * tileHeight * (samples / BATCH) * SUMS <= MAX_TRACE;
}

/** Places output and trace behind everything else. */
function layOut(params: usize): bool {
  const pixels = load<u32>(params, 40) * load<u32>(params, 44);
  const tile = load<u32>(params, 8) == 0;
  const outputs = (tile ? pixels : load<u32>(params, 12)) * SUMS;
  leafSize = (load<u32>(params, 24) / BATCH) * SUMS;
  const traces = tile ? pixels * leafSize : 0;
  traceAt = align(outputAt + outputs);
  if (!reserve(<u64>traceAt + traces)) return false;
  outputSize = outputs;
  traceSize = traces;
  return true;
}

let batchR: f32 = 0;
let batchG: f32 = 0;
let batchB: f32 = 0;

/** Sums one batch of a pixel of the picture, its samples in order. */
function renderBatch(params: usize, x: u32, y: u32, batch: u32): void {
  const width = load<u32>(params, 16);
  const height = load<u32>(params, 20);
  const bounces = load<u32>(params, 28);
  const clamp = load<f32>(params, 56);
  seedBatch(load<u32>(params, 48), load<u32>(params, 52), y * width + x, batch);
  batchR = 0;
  batchG = 0;
  batchB = 0;
  for (let i: u32 = 0; i < BATCH; i++) {
    startSample(i);
    followPath(x, y, width, height, params + 64, bounces, clamp);
    batchR += pathR;
    batchG += pathG;
    batchB += pathB;
  }
}

function storeBatch(at: usize): void {
  store<f32>(at, batchR);
  store<f32>(at, batchG, 4);
  store<f32>(at, batchB, 8);
}

function renderTile(params: usize): void {
  const left = load<u32>(params, 32);
  const upper = load<u32>(params, 36);
  const width = load<u32>(params, 40);
  const height = load<u32>(params, 44);
  const batches = load<u32>(params, 24) / BATCH;
  let to = outputAt;
  let leaf = traceAt;
  for (let y: u32 = 0; y < height; y++) {
    for (let x: u32 = 0; x < width; x++) {
      let r: f32 = 0;
      let g: f32 = 0;
      let b: f32 = 0;
      for (let batch: u32 = 0; batch < batches; batch++) {
        renderBatch(params, left + x, upper + y, batch);
        storeBatch(leaf);
        leaf += SUMS;
        r += batchR;
        g += batchG;
        b += batchB;
      }
      store<f32>(to, r);
      store<f32>(to, g, 4);
      store<f32>(to, b, 8);
      to += SUMS;
    }
  }
}

function renderPairs(params: usize): void {
  const count = load<u32>(params, 12);
  for (let i: u32 = 0; i < count; i++) {
    const pair = params + PARAMS_SIZE + <usize>(i * PAIR_SIZE);
    renderBatch(params, load<u32>(pair), load<u32>(pair, 4), load<u32>(pair, 8));
    storeBatch(outputAt + <usize>(i * SUMS));
  }
}
