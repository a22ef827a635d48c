// Where light comes from: the sky with its sun, and the triangles that shine. The sun and the triangles are aimed at.
//
// Light, 48 bytes: f32×3 corner, f32×3 and f32×3 edges (world), u32 triangle at 36, u32 flags: 1 both sides shine,
// 2 its second and third corner are the triangle's third and second.

import { PI, cosine, luminance, max2, sinCosTurn, sine, unit } from "./math";
import { LIGHT_SIZE, MATERIAL_SIZE, TRIANGLE_SIZE, lightCount, lights, materials, sky, triangles } from "./scene";
import { emissionAt, emissionB, emissionG, emissionR } from "./surface";

/** Running sums of the lights' power, the last 1. */
let sums: usize = 0;
/** Power of all lights: area times mean luminance. */
let power: f64 = 0;
let hasSun = false;

/** A point to aim at: direction, distance, radiance from there, density per solid angle. */
export let aimX: f32 = 0;
export let aimY: f32 = 0;
export let aimZ: f32 = 0;
export let aimDistance: f32 = 0;
export let aimR: f32 = 0;
export let aimG: f32 = 0;
export let aimB: f32 = 0;
export let aimDensity: f32 = 0;

export let skyR: f32 = 0;
export let skyG: f32 = 0;
export let skyB: f32 = 0;

/** Readies the lights; `scratch` has room for 4 bytes a light. */
export function openLights(scratch: usize): void {
  sums = scratch;
  power = 0;
  for (let i: u32 = 0; i < lightCount; i++) {
    power += lightPower(lights + <usize>i * LIGHT_SIZE);
    store<f32>(sums + (<usize>i << 2), <f32>power);
  }
  hasSun = load<f32>(sky, 72) > 0 && luminance(load<f32>(sky, 60), load<f32>(sky, 64), load<f32>(sky, 68)) > 0;
}

function lightPower(light: usize): f64 {
  const ax = load<f32>(light, 12);
  const ay = load<f32>(light, 16);
  const az = load<f32>(light, 20);
  const bx = load<f32>(light, 24);
  const by = load<f32>(light, 28);
  const bz = load<f32>(light, 32);
  const x = ay * bz - az * by;
  const y = az * bx - ax * bz;
  const z = ax * by - ay * bx;
  const triangle = triangles + <usize>load<u32>(light, 36) * TRIANGLE_SIZE;
  const weight = load<f32>(materials + <usize>load<u32>(triangle, 12) * MATERIAL_SIZE, 28);
  const value = <f64>(sqrt<f32>(x * x + y * y + z * z) * 0.5 * weight);
  return value >= 0 && value < 1e30 ? value : 0;
}

/** Share of aims that go to the sun. */
function sunShare(): f32 {
  if (!hasSun) return 0;
  return power > 0 ? 0.5 : 1;
}

/** Density per area with which a point of a shining triangle is aimed at, for a material's weight. */
function areaDensity(weight: f32): f32 {
  return power > 0 ? (1 - sunShare()) * <f32>(<f64>weight / power) : 0;
}

/** Density per solid angle of aiming at a place on a listed triangle, seen at this distance and cosine. */
export function triangleDensity(weight: f32, distance: f32, facing: f32): f32 {
  return (areaDensity(weight) * distance * distance) / max2(facing, 1e-6);
}

/** Density per solid angle of aiming at a direction of the sun. */
export function sunDensity(): f32 {
  return sunShare() / (2 * PI * load<f32>(sky, 72));
}

export function isSun(dx: f32, dy: f32, dz: f32): bool {
  if (!hasSun) return false;
  const x = dx - load<f32>(sky, 48);
  const y = dy - load<f32>(sky, 52);
  const z = dz - load<f32>(sky, 56);
  return (x * x + y * y + z * z) * 0.5 < load<f32>(sky, 72);
}

/** Sets the sky's radiance in a direction, without the sun. */
export function lookAtSky(dx: f32, dy: f32, dz: f32): void {
  const up = dy >= 0;
  const mix = up ? sqrt<f32>(unit(dy)) : unit(-dy * 4);
  const far = up ? sky : sky + 24;
  const near = sky + 12;
  skyR = load<f32>(near) + (load<f32>(far) - load<f32>(near)) * mix;
  skyG = load<f32>(near, 4) + (load<f32>(far, 4) - load<f32>(near, 4)) * mix;
  skyB = load<f32>(near, 8) + (load<f32>(far, 8) - load<f32>(near, 8)) * mix;
  if (!up) return;
  // A glow around the sun: the cosine's eighth power, and a narrower one.
  const c = unit(dx * load<f32>(sky, 48) + dy * load<f32>(sky, 52) + dz * load<f32>(sky, 56));
  const c2 = c * c;
  const c4 = c2 * c2;
  const c8 = c4 * c4;
  const c32 = c8 * c8 * c8 * c8;
  const c128 = c32 * c32 * c32 * c32;
  const glow = (c8 + 4 * c128) * 0.2;
  skyR += load<f32>(sky, 36) * glow;
  skyG += load<f32>(sky, 40) * glow;
  skyB += load<f32>(sky, 44) * glow;
}

export function sunR(): f32 {
  return load<f32>(sky, 60);
}

export function sunG(): f32 {
  return load<f32>(sky, 64);
}

export function sunB(): f32 {
  return load<f32>(sky, 68);
}

/** Aims at a light from (x, y, z): `choice` picks it, (u, v) the place on it. False where nothing shines. */
export function aim(x: f32, y: f32, z: f32, choice: f32, u: f32, v: f32): bool {
  const share = sunShare();
  if (choice < share) return aimAtSun(u, v);
  if (!(power > 0)) return false;
  return aimAtTriangle(x, y, z, (choice - share) / (1 - share), u, v);
}

function aimAtSun(u: f32, v: f32): bool {
  const sx = load<f32>(sky, 48);
  const sy = load<f32>(sky, 52);
  const sz = load<f32>(sky, 56);
  const drop = v * load<f32>(sky, 72);
  const radius = sqrt<f32>(max2(drop * (2 - drop), 0));
  sinCosTurn(u);
  const a = radius * cosine;
  const b = radius * sine;
  const c: f32 = 1 - drop;
  const sign = copysign<f32>(1, sz);
  const k: f32 = -1 / (sign + sz);
  const m = sx * sy * k;
  aimX = a * (1 + sign * sx * sx * k) + b * m + c * sx;
  aimY = a * sign * m + b * (sign + sy * sy * k) + c * sy;
  aimZ = -a * sign * sx - b * sy + c * sz;
  aimDistance = 1e30;
  aimR = sunR();
  aimG = sunG();
  aimB = sunB();
  aimDensity = sunDensity();
  return true;
}

/** The light in whose part of the sums `share` (0 … 1) falls. */
function pick(share: f32): usize {
  const wanted = share * load<f32>(sums + (<usize>(lightCount - 1) << 2));
  let low: u32 = 0;
  let high = lightCount - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (load<f32>(sums + (<usize>middle << 2)) > wanted) high = middle;
    else low = middle + 1;
  }
  return lights + <usize>low * LIGHT_SIZE;
}

function aimAtTriangle(x: f32, y: f32, z: f32, choice: f32, u: f32, v: f32): bool {
  const light = pick(choice);
  const ax = load<f32>(light, 12);
  const ay = load<f32>(light, 16);
  const az = load<f32>(light, 20);
  const bx = load<f32>(light, 24);
  const by = load<f32>(light, 28);
  const bz = load<f32>(light, 32);
  const root = sqrt<f32>(u);
  const s = root * (1 - v);
  const t = root * v;
  const px = load<f32>(light) + s * ax + t * bx - x;
  const py = load<f32>(light, 4) + s * ay + t * by - y;
  const pz = load<f32>(light, 8) + s * az + t * bz - z;
  const distance = sqrt<f32>(px * px + py * py + pz * pz);
  if (!(distance > 1e-6)) return false;
  const nx = ay * bz - az * by;
  const ny = az * bx - ax * bz;
  const nz = ax * by - ay * bx;
  const length = sqrt<f32>(nx * nx + ny * ny + nz * nz);
  if (!(length > 0)) return false;
  aimX = px / distance;
  aimY = py / distance;
  aimZ = pz / distance;
  const towards = -(nx * aimX + ny * aimY + nz * aimZ) / length;
  const flags = load<u32>(light, 40);
  if (towards <= 0 && (flags & 1) == 0) return false;
  const triangle = triangles + <usize>load<u32>(light, 36) * TRIANGLE_SIZE;
  const material = materials + <usize>load<u32>(triangle, 12) * MATERIAL_SIZE;
  if (flags & 2) emissionAt(triangle, material, t, s);
  else emissionAt(triangle, material, s, t);
  aimR = emissionR;
  aimG = emissionG;
  aimB = emissionB;
  aimDistance = distance;
  aimDensity = triangleDensity(load<f32>(material, 28), distance, abs<f32>(towards));
  return aimDensity > 0;
}
