// Textures: texels of four bytes, read between the four nearest (or the nearest alone).
//
// Texture, 32 bytes: u32 offset among the texels, width, height, wrapping of u and of v, flags.

import { linearOfSrgb } from "./math";
import { texels } from "./scene";

const REPEAT: u32 = 0;
const MIRROR: u32 = 2;
const SRGB: u32 = 1;
const NEAREST: u32 = 2;

/** Linear values of the 256 codes of sRGB, then of a plain channel. */
const SRGB_TABLE: usize = memory.data(4 * 256, 16);
const PLAIN_TABLE: usize = memory.data(4 * 256, 16);

/** The texel last read: colour and alpha, linear. */
export let texelR: f32 = 0;
export let texelG: f32 = 0;
export let texelB: f32 = 0;
export let texelA: f32 = 0;

export function prepareTextures(): void {
  for (let i: usize = 0; i < 256; i++) {
    const coded = <f64>i / 255;
    store<f32>(SRGB_TABLE + (i << 2), <f32>linearOfSrgb(coded));
    store<f32>(PLAIN_TABLE + (i << 2), <f32>coded);
  }
}

/** The coordinate within 0 … 1 that `x` stands for. */
function wrap(x: f32, mode: u32): f32 {
  if (!(abs<f32>(x) < 1e6)) return 0;
  if (mode == REPEAT) return x - floor<f32>(x);
  if (mode == MIRROR) {
    const y = x - 2 * floor<f32>(x * 0.5);
    return y > 1 ? 2 - y : y;
  }
  return x < 0 ? 0 : x > 1 ? 1 : x;
}

/** A texel's number along an edge, one step outside allowed. */
function fold(i: i32, size: i32, mode: u32): i32 {
  if (i < 0) return mode == REPEAT ? size - 1 : 0;
  if (i >= size) return mode == REPEAT ? 0 : size - 1;
  return i;
}

/** Reads the texture at (u, v) into the texel. */
export function readTexture(texture: usize, u: f32, v: f32): void {
  const data = texels + load<u32>(texture);
  const width = load<i32>(texture, 4);
  const height = load<i32>(texture, 8);
  const wrapU = load<u32>(texture, 12);
  const wrapV = load<u32>(texture, 16);
  const flags = load<u32>(texture, 20);
  const table = flags & SRGB ? SRGB_TABLE : PLAIN_TABLE;
  const x = wrap(u, wrapU) * <f32>width;
  const y = wrap(v, wrapV) * <f32>height;
  if (flags & NEAREST) {
    const at = data + ((<usize>min<i32>(<i32>y, height - 1) * width + <usize>min<i32>(<i32>x, width - 1)) << 2);
    texelR = channel(table, at);
    texelG = channel(table, at + 1);
    texelB = channel(table, at + 2);
    texelA = channel(PLAIN_TABLE, at + 3);
    return;
  }
  const left = floor<f32>(x - 0.5);
  const upper = floor<f32>(y - 0.5);
  const fx = x - 0.5 - left;
  const fy = y - 0.5 - upper;
  const x0 = <usize>fold(<i32>left, width, wrapU) << 2;
  const x1 = <usize>fold(<i32>left + 1, width, wrapU) << 2;
  const row0 = data + ((<usize>fold(<i32>upper, height, wrapV) * width) << 2);
  const row1 = data + ((<usize>fold(<i32>upper + 1, height, wrapV) * width) << 2);
  texelR = between(table, row0 + x0, row0 + x1, row1 + x0, row1 + x1, fx, fy);
  texelG = between(table, row0 + x0 + 1, row0 + x1 + 1, row1 + x0 + 1, row1 + x1 + 1, fx, fy);
  texelB = between(table, row0 + x0 + 2, row0 + x1 + 2, row1 + x0 + 2, row1 + x1 + 2, fx, fy);
  texelA = between(PLAIN_TABLE, row0 + x0 + 3, row0 + x1 + 3, row1 + x0 + 3, row1 + x1 + 3, fx, fy);
}

function channel(table: usize, at: usize): f32 {
  return load<f32>(table + (<usize>load<u8>(at) << 2));
}

function between(table: usize, a: usize, b: usize, c: usize, d: usize, fx: f32, fy: f32): f32 {
  const p = channel(table, a);
  const q = channel(table, b);
  const r = channel(table, c);
  const s = channel(table, d);
  const upper = p + (q - p) * fx;
  return upper + (r + (s - r) * fx - upper) * fy;
}
