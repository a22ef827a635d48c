// Where light comes from: the sky with its sun, and the triangles that shine. The sun and the triangles are aimed at.
//
// Light, 48 bytes: f32×3 corner, f32×3 and f32×3 edges (world), u32 triangle at 36, u32 flags: 1 both sides shine,
// 2 its second and third corner are the triangle's third and second; u32 lamp at 44. Lamps are numbered from 0 to 63 at
// most, and a lamp's lights stand together: first a lamp is chosen by its power over its distance squared, then one of
// its lights by power.

import { PI, cosine, luminance, max2, sinCosTurn, sine, unit } from "./math";
import { LIGHT_SIZE, MATERIAL_SIZE, TRIANGLE_SIZE, lightCount, lights, materials, sky, triangles } from "./scene";
import { emissionAt, emissionB, emissionG, emissionR } from "./surface";

/** Most lamps. */
const MAX_LAMPS: u32 = 64;
const LAMP_SIZE: u32 = 32;
/** Of each lamp: f32×3 centre, f32 radius squared, f32 power, u32 first light, u32 number of lights. */
const LAMPS: usize = memory.data(64 * 32, 16);
/** Running sums of the lamps' chances as seen from where `approach` stood. */
const CHANCES: usize = memory.data(64 * 4, 16);

/** Running sums of the lights' power within their lamp. */
let sums: usize = 0;
let lampCount: u32 = 0;
/** Power (area times mean luminance) of all lights, and the radius squared that a lamp has on average. */
let power: f32 = 0;
let meanRadius: f32 = 0;
let hasSun = false;
/** The last of the running sums of chances. */
export let nearness: f32 = 0;

/** A point to aim at: direction, distance, radiance from there, density per solid angle with which it was drawn. */
export let aimX: f32 = 0;
export let aimY: f32 = 0;
export let aimZ: f32 = 0;
export let aimDistance: f32 = 0;
export let aimR: f32 = 0;
export let aimG: f32 = 0;
export let aimB: f32 = 0;
export let aimDensity: f32 = 0;
/** The density that weighs it against bounces that hit by chance: `triangleDensity`, as those know it. */
export let aimWeight: f32 = 0;

export let skyR: f32 = 0;
export let skyG: f32 = 0;
export let skyB: f32 = 0;

/** Readies the lights; `scratch` has room for 4 bytes a light. False where lamps are out of order or too many. */
export function openLights(scratch: usize): bool {
  sums = scratch;
  power = 0;
  meanRadius = 0;
  lampCount = 0;
  hasSun = load<f32>(sky, 72) > 0 && luminance(load<f32>(sky, 60), load<f32>(sky, 64), load<f32>(sky, 68)) > 0;
  for (let i: u32 = 0; i < lightCount; ) {
    if (load<u32>(lights + <usize>i * LIGHT_SIZE, 44) != lampCount || lampCount == MAX_LAMPS) return false;
    i = openLamp(LAMPS + <usize>(lampCount * LAMP_SIZE), i);
    lampCount++;
  }
  if (power > 0) meanRadius /= power;
  return true;
}

/** Readies the lamp whose lights begin at `first`; returns the light after its last. */
function openLamp(lamp: usize, first: u32): u32 {
  const number = load<u32>(lights + <usize>first * LIGHT_SIZE, 44);
  let own: f64 = 0;
  let x: f64 = 0;
  let y: f64 = 0;
  let z: f64 = 0;
  let end = first;
  for (; end < lightCount; end++) {
    const light = lights + <usize>end * LIGHT_SIZE;
    if (load<u32>(light, 44) != number) break;
    const value = lightPower(light);
    own += value;
    store<f32>(sums + (<usize>end << 2), <f32>own);
    if (value == 0) continue;
    x += value * (load<f32>(light) + (load<f32>(light, 12) + load<f32>(light, 24)) / 3);
    y += value * (load<f32>(light, 4) + (load<f32>(light, 16) + load<f32>(light, 28)) / 3);
    z += value * (load<f32>(light, 8) + (load<f32>(light, 20) + load<f32>(light, 32)) / 3);
  }
  const share: f64 = own > 0 ? 1 / own : 0;
  store<f32>(lamp, <f32>(x * share));
  store<f32>(lamp, <f32>(y * share), 4);
  store<f32>(lamp, <f32>(z * share), 8);
  store<f32>(lamp, lampRadius(lamp, first, end), 12);
  store<f32>(lamp, <f32>own, 16);
  store<u32>(lamp, first, 20);
  store<u32>(lamp, end - first, 24);
  power += <f32>own;
  meanRadius += <f32>own * load<f32>(lamp, 12);
  return end;
}

/** Square of the distance from a lamp's centre to the farthest corner of a light. */
function lampRadius(lamp: usize, first: u32, end: u32): f32 {
  let radius: f32 = 1e-12;
  for (let i = first; i < end; i++) {
    const light = lights + <usize>i * LIGHT_SIZE;
    const x = load<f32>(light) - load<f32>(lamp);
    const y = load<f32>(light, 4) - load<f32>(lamp, 4);
    const z = load<f32>(light, 8) - load<f32>(lamp, 8);
    radius = max2(radius, x * x + y * y + z * z);
    for (let edge: usize = 12; edge < 36; edge += 12) {
      const ex = x + load<f32>(light + edge);
      const ey = y + load<f32>(light + edge, 4);
      const ez = z + load<f32>(light + edge, 8);
      radius = max2(radius, ex * ex + ey * ey + ez * ez);
    }
  }
  return radius;
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

/** Stands at (x, y, z): weighs the lamps as seen from there, and sets `nearness`. */
export function approach(x: f32, y: f32, z: f32): void {
  nearness = 0;
  for (let i: u32 = 0; i < lampCount; i++) {
    const lamp = LAMPS + <usize>(i * LAMP_SIZE);
    const dx = load<f32>(lamp) - x;
    const dy = load<f32>(lamp, 4) - y;
    const dz = load<f32>(lamp, 8) - z;
    nearness += load<f32>(lamp, 16) / (dx * dx + dy * dy + dz * dz + load<f32>(lamp, 12));
    store<f32>(CHANCES + (<usize>i << 2), nearness);
  }
}

/**
 * About the density per solid angle of aiming at a place on a listed triangle, seen at this distance and cosine from a
 * place of this nearness: as if the place were its lamp's centre. Both ways of finding light are weighed by it.
 */
export function triangleDensity(weight: f32, distance: f32, facing: f32, near: f32): f32 {
  if (!(near > 0)) return 0;
  const square = distance * distance;
  return ((1 - sunShare()) * weight * square) / ((square + meanRadius) * near * max2(facing, 1e-6));
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

/** Aims at a light from (x, y, z), where `approach` stood: `choice` picks it, (u, v) the place on it. False where nothing shines. */
export function aim(x: f32, y: f32, z: f32, choice: f32, u: f32, v: f32): bool {
  const share = sunShare();
  if (choice < share) return aimAtSun(u, v);
  if (!(nearness > 0)) return false;
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
  aimWeight = aimDensity;
  return true;
}

/** Density per power, within its lamp, with which `pick` found its light. */
let picked: f32 = 0;

/** The light in whose part of the chances `share` (0 … 1) falls. */
function pick(share: f32): usize {
  const wanted = share * nearness;
  let i: u32 = 0;
  while (i + 1 < lampCount && load<f32>(CHANCES + (<usize>i << 2)) <= wanted) i++;
  const before: f32 = i == 0 ? 0 : load<f32>(CHANCES + (<usize>(i - 1) << 2));
  const chance = load<f32>(CHANCES + (<usize>i << 2)) - before;
  const lamp = LAMPS + <usize>(i * LAMP_SIZE);
  const own = load<f32>(lamp, 16);
  picked = chance / (nearness * own);
  const inside = ((wanted - before) / chance) * own;
  let low = load<u32>(lamp, 20);
  let high = low + load<u32>(lamp, 24) - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (load<f32>(sums + (<usize>middle << 2)) > inside) high = middle;
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
  const weight = load<f32>(material, 28);
  const facing = abs<f32>(towards);
  aimDensity = ((1 - sunShare()) * picked * weight * distance * distance) / max2(facing, 1e-6);
  aimWeight = triangleDensity(weight, distance, facing, nearness);
  return aimDensity > 0 && aimWeight > 0;
}
