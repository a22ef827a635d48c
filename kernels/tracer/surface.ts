// What a ray finds where it hits: place, normals, and the material's values there.
//
// Triangle, 16 bytes: its corners' vertices, its material. Vertex, 32 bytes: f32×3 normal (0 0 0 for none), f32×2
// first and second texture coordinates, four bytes of colour (square roots) and alpha.
// Material, 192 bytes: f32×4 base colour, f32×3 emission, f32 its mean luminance where the lights list it (else 0),
// f32 metallic, roughness, alpha cutoff, normal scale, u32 flags, i32×4 textures (base colour, metallic-roughness,
// emission, normal), pad to 80, then for each of the four a map of coordinates (f32×6, rows of u and v).
// Instance, 112 bytes: f32×12 world to object (rows), f32×12 object to world, i32 root at 96, u32 flags.

import { max2, unit } from "./math";
import { fractionFor } from "./random";
import {
  BLEND,
  DOUBLE_SIDED,
  FLIPPED,
  IDENTITY,
  MASK,
  MATERIAL_SIZE,
  SECOND_SET,
  TEXTURE_SIZE,
  TRIANGLE_INDEX,
  TRIANGLE_SIZE,
  UNLIT,
  VERTEX_SIZE,
  materials,
  textures,
  triangles,
  vertices,
} from "./scene";
import { readTexture, texelA, texelB, texelG, texelR } from "./texture";
import { hitBlock, hitFront, hitInstance, hitLane, hitU, hitV } from "./traverse";

const BASE: u32 = 0;
const METALLIC_ROUGHNESS: u32 = 1;
const EMISSION: u32 = 2;
const NORMAL: u32 = 3;

/** Normals of length 1 on the side that the ray came from: of the triangle, and of the smooth surface. */
export let flatX: f32 = 0;
export let flatY: f32 = 0;
export let flatZ: f32 = 0;
export let normalX: f32 = 0;
export let normalY: f32 = 0;
export let normalZ: f32 = 0;
export let baseR: f32 = 0;
export let baseG: f32 = 0;
export let baseB: f32 = 0;
export let metallic: f32 = 0;
export let roughness: f32 = 0;
/** Radiance sent back along the ray. */
export let emissionR: f32 = 0;
export let emissionG: f32 = 0;
export let emissionB: f32 = 0;
/** Mean luminance of the material's emission, if the lights list it; else 0. */
export let lightWeight: f32 = 0;
export let unlit = false;

let coordinateU: f32 = 0;
let coordinateV: f32 = 0;

/** Texture of a material's slot, or 0. */
function textureOf(material: usize, slot: u32): usize {
  const index = load<i32>(material + (<usize>slot << 2), 52);
  return index < 0 ? 0 : textures + <usize>index * TEXTURE_SIZE;
}

/** Sets the coordinates of a vertex as a slot's texture sees them. */
function mapVertex(material: usize, slot: u32, vertex: usize): void {
  const at = vertex + (load<u32>(material, 48) & (SECOND_SET << slot) ? 8 : 0);
  const u = load<f32>(at, 12);
  const v = load<f32>(at, 16);
  const map = material + <usize>(slot * 24);
  coordinateU = load<f32>(map, 80) * u + load<f32>(map, 84) * v + load<f32>(map, 88);
  coordinateV = load<f32>(map, 92) * u + load<f32>(map, 96) * v + load<f32>(map, 100);
}

/** Reads a slot's texture at weights (u, v) of a triangle. */
function readSlot(texture: usize, material: usize, slot: u32, triangle: usize, u: f32, v: f32): void {
  const w: f32 = 1 - u - v;
  mapVertex(material, slot, vertices + <usize>load<u32>(triangle) * VERTEX_SIZE);
  let s = w * coordinateU;
  let t = w * coordinateV;
  mapVertex(material, slot, vertices + <usize>load<u32>(triangle, 4) * VERTEX_SIZE);
  s += u * coordinateU;
  t += u * coordinateV;
  mapVertex(material, slot, vertices + <usize>load<u32>(triangle, 8) * VERTEX_SIZE);
  readTexture(texture, s + v * coordinateU, t + v * coordinateV);
}

/** A channel of the vertices' colour at weights (u, v): 0 … 2 linear colour, 3 alpha. */
function vertexColour(triangle: usize, which: usize, u: f32, v: f32): f32 {
  const a = <f32>load<u8>(vertices + <usize>load<u32>(triangle) * VERTEX_SIZE + which, 28);
  const b = <f32>load<u8>(vertices + <usize>load<u32>(triangle, 4) * VERTEX_SIZE + which, 28);
  const c = <f32>load<u8>(vertices + <usize>load<u32>(triangle, 8) * VERTEX_SIZE + which, 28);
  const scale: f32 = <f32>1 / 255;
  if (which == 3) return ((1 - u - v) * a + u * b + v * c) * scale;
  return ((1 - u - v) * a * a + u * b * b + v * c * c) * (scale * scale);
}

/** Whether a ray goes through a triangle at a place that its alpha leaves out. */
export function letsPass(index: u32, u: f32, v: f32): bool {
  const triangle = triangles + <usize>index * TRIANGLE_SIZE;
  const material = materials + <usize>load<u32>(triangle, 12) * MATERIAL_SIZE;
  const flags = load<u32>(material, 48);
  if ((flags & (MASK | BLEND)) == 0) return false;
  let alpha = load<f32>(material, 12) * vertexColour(triangle, 3, u, v);
  const texture = textureOf(material, BASE);
  if (texture != 0) {
    readSlot(texture, material, BASE, triangle, u, v);
    alpha *= texelA;
  }
  return alpha < (flags & MASK ? load<f32>(material, 40) : max2(fractionFor(index), 1e-6));
}

/** Sets the emission of a triangle at weights (u, v), seen from a side that emits. */
export function emissionAt(triangle: usize, material: usize, u: f32, v: f32): void {
  emissionR = load<f32>(material, 16);
  emissionG = load<f32>(material, 20);
  emissionB = load<f32>(material, 24);
  if (emissionR + emissionG + emissionB == 0) return;
  const texture = textureOf(material, EMISSION);
  if (texture == 0) return;
  readSlot(texture, material, EMISSION, triangle, u, v);
  emissionR *= texelR;
  emissionG *= texelG;
  emissionB *= texelB;
}

/** Sets everything about the last hit of a ray that came along (dx, dy, dz), a direction of length 1. */
export function meetSurface(dx: f32, dy: f32, dz: f32): void {
  const index = load<u32>(hitBlock + hitLane, 144) & TRIANGLE_INDEX;
  const triangle = triangles + <usize>index * TRIANGLE_SIZE;
  const material = materials + <usize>load<u32>(triangle, 12) * MATERIAL_SIZE;
  const flags = load<u32>(material, 48);
  unlit = (flags & UNLIT) != 0;
  flatNormal(dx, dy, dz);
  smoothNormal(triangle);
  colour(triangle, material);
  if (hitFront || (flags & DOUBLE_SIDED) != 0) {
    emissionAt(triangle, material, hitU, hitV);
  } else {
    emissionR = 0;
    emissionG = 0;
    emissionB = 0;
  }
  lightWeight = load<f32>(material, 28);
  metallic = load<f32>(material, 32);
  roughness = load<f32>(material, 36);
  const gloss = textureOf(material, METALLIC_ROUGHNESS);
  if (gloss != 0) {
    readSlot(gloss, material, METALLIC_ROUGHNESS, triangle, hitU, hitV);
    metallic *= texelB;
    roughness *= texelG;
  }
  metallic = unit(metallic);
  roughness = unit(roughness);
  const bumps = textureOf(material, NORMAL);
  if (bumps != 0) bendNormal(bumps, material, triangle);
  faceViewer(dx, dy, dz);
}

/** The triangle's own normal in the world, turned against the ray. */
function flatNormal(dx: f32, dy: f32, dz: f32): void {
  const at = hitBlock + hitLane;
  const ax = load<f32>(at, 48);
  const ay = load<f32>(at, 64);
  const az = load<f32>(at, 80);
  const bx = load<f32>(at, 96);
  const by = load<f32>(at, 112);
  const bz = load<f32>(at, 128);
  normalX = ay * bz - az * by;
  normalY = az * bx - ax * bz;
  normalZ = ax * by - ay * bx;
  normalToWorld();
  const turned: f32 = normalX * dx + normalY * dy + normalZ * dz > 0 ? -1 : 1;
  flatX = normalX * turned;
  flatY = normalY * turned;
  flatZ = normalZ * turned;
}

/** Takes the normal from the instance's space to the world, at length 1. */
function normalToWorld(): void {
  const m = hitInstance;
  if ((load<u32>(m, 100) & IDENTITY) == 0) {
    const x = load<f32>(m) * normalX + load<f32>(m, 16) * normalY + load<f32>(m, 32) * normalZ;
    const y = load<f32>(m, 4) * normalX + load<f32>(m, 20) * normalY + load<f32>(m, 36) * normalZ;
    const z = load<f32>(m, 8) * normalX + load<f32>(m, 24) * normalY + load<f32>(m, 40) * normalZ;
    normalX = x;
    normalY = y;
    normalZ = z;
  }
  normalizeNormal();
}

function normalizeNormal(): void {
  const scale: f32 = 1 / max2(sqrt<f32>(normalX * normalX + normalY * normalY + normalZ * normalZ), 1e-30);
  normalX *= scale;
  normalY *= scale;
  normalZ *= scale;
}

/** The normal between the vertices' ones, on the side of the flat one; the flat one where there are none. */
function smoothNormal(triangle: usize): void {
  const a = vertices + <usize>load<u32>(triangle) * VERTEX_SIZE;
  const b = vertices + <usize>load<u32>(triangle, 4) * VERTEX_SIZE;
  const c = vertices + <usize>load<u32>(triangle, 8) * VERTEX_SIZE;
  const w: f32 = 1 - hitU - hitV;
  normalX = w * load<f32>(a) + hitU * load<f32>(b) + hitV * load<f32>(c);
  normalY = w * load<f32>(a, 4) + hitU * load<f32>(b, 4) + hitV * load<f32>(c, 4);
  normalZ = w * load<f32>(a, 8) + hitU * load<f32>(b, 8) + hitV * load<f32>(c, 8);
  if (normalX * normalX + normalY * normalY + normalZ * normalZ < 1e-8) {
    normalX = flatX;
    normalY = flatY;
    normalZ = flatZ;
    return;
  }
  normalToWorld();
  if (normalX * flatX + normalY * flatY + normalZ * flatZ < 0) {
    normalX = -normalX;
    normalY = -normalY;
    normalZ = -normalZ;
  }
}

function colour(triangle: usize, material: usize): void {
  baseR = load<f32>(material) * vertexColour(triangle, 0, hitU, hitV);
  baseG = load<f32>(material, 4) * vertexColour(triangle, 1, hitU, hitV);
  baseB = load<f32>(material, 8) * vertexColour(triangle, 2, hitU, hitV);
  const texture = textureOf(material, BASE);
  if (texture != 0) {
    readSlot(texture, material, BASE, triangle, hitU, hitV);
    baseR *= texelR;
    baseG *= texelG;
    baseB *= texelB;
  }
  baseR = unit(baseR);
  baseG = unit(baseG);
  baseB = unit(baseB);
}

/** Bends the normal by a normal map, whose axes are those in which the triangle's coordinates grow. */
function bendNormal(texture: usize, material: usize, triangle: usize): void {
  mapVertex(material, NORMAL, vertices + <usize>load<u32>(triangle) * VERTEX_SIZE);
  const u0 = coordinateU;
  const v0 = coordinateV;
  mapVertex(material, NORMAL, vertices + <usize>load<u32>(triangle, 4) * VERTEX_SIZE);
  const u1 = coordinateU - u0;
  const v1 = coordinateV - v0;
  mapVertex(material, NORMAL, vertices + <usize>load<u32>(triangle, 8) * VERTEX_SIZE);
  const u2 = coordinateU - u0;
  const v2 = coordinateV - v0;
  const area = u1 * v2 - u2 * v1;
  if (area == 0) return;
  const at = hitBlock + hitLane;
  const sign: f32 = area > 0 ? 1 : -1;
  const x = (load<f32>(at, 48) * v2 - load<f32>(at, 96) * v1) * sign;
  const y = (load<f32>(at, 64) * v2 - load<f32>(at, 112) * v1) * sign;
  const z = (load<f32>(at, 80) * v2 - load<f32>(at, 128) * v1) * sign;
  const m = hitInstance;
  let tx = load<f32>(m, 48) * x + load<f32>(m, 52) * y + load<f32>(m, 56) * z;
  let ty = load<f32>(m, 64) * x + load<f32>(m, 68) * y + load<f32>(m, 72) * z;
  let tz = load<f32>(m, 80) * x + load<f32>(m, 84) * y + load<f32>(m, 88) * z;
  const along = tx * normalX + ty * normalY + tz * normalZ;
  tx -= along * normalX;
  ty -= along * normalY;
  tz -= along * normalZ;
  const length = sqrt<f32>(tx * tx + ty * ty + tz * tz);
  if (!(length > 1e-20)) return;
  tx /= length;
  ty /= length;
  tz /= length;
  // The second axis is glTF's: upwards in the picture, against v; mirrored coordinates or instances turn it round.
  const hand: f32 = (area < 0) != ((load<u32>(m, 100) & FLIPPED) != 0) ? 1 : -1;
  const bx = (normalY * tz - normalZ * ty) * hand;
  const by = (normalZ * tx - normalX * tz) * hand;
  const bz = (normalX * ty - normalY * tx) * hand;
  readSlot(texture, material, NORMAL, triangle, hitU, hitV);
  const scale = load<f32>(material, 44);
  const nx = (texelR * 2 - 1) * (hitFront ? scale : -scale);
  const ny = (texelG * 2 - 1) * scale;
  const nz = max2(texelB * 2 - 1, 0.05);
  const px = nx * tx + ny * bx + nz * normalX;
  const py = nx * ty + ny * by + nz * normalY;
  const pz = nx * tz + ny * bz + nz * normalZ;
  normalX = px;
  normalY = py;
  normalZ = pz;
  normalizeNormal();
}

/** Bends the normal just so far that it faces the viewer, from whom a smooth or bumpy one may turn away. */
function faceViewer(dx: f32, dy: f32, dz: f32): void {
  const facing = -(normalX * dx + normalY * dy + normalZ * dz);
  if (facing >= 0.02) return;
  const bend: f32 = 0.02 - facing;
  normalX -= bend * dx;
  normalY -= bend * dy;
  normalZ -= bend * dz;
  normalizeNormal();
}
