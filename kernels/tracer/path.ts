// One path: from the camera through the scene until it leaves, is absorbed, or has bounced often enough. At every
// bounce a light is aimed at, and both ways of finding light are weighed by Veach's balance heuristic.

import {
  aim,
  aimB,
  aimDensity,
  aimDistance,
  aimG,
  aimR,
  aimX,
  aimY,
  aimZ,
  aimWeight,
  approach,
  isSun,
  lookAtSky,
  nearness,
  skyB,
  skyG,
  skyR,
  sunB,
  sunDensity,
  sunG,
  sunR,
  triangleDensity,
} from "./light";
import { cosine, max2, min2, sinCosTurn, sine } from "./math";
import { nextFraction, nextPoint, pointX, pointY, startRay } from "./random";
import {
  carriedB,
  carriedG,
  carriedR,
  density,
  drawDirection,
  drawnSpread,
  openScatter,
  outX,
  outY,
  outZ,
  weighDirection,
} from "./scatter";
import {
  baseB,
  baseG,
  baseR,
  emissionB,
  emissionG,
  emissionR,
  flatX,
  flatY,
  flatZ,
  lightWeight,
  meetSurface,
  unlit,
} from "./surface";
import { BOUNCE, CAMERA, SHADOW, hitDistance, trace } from "./traverse";

/** Farther than anything. */
const FAR: f32 = 1e30;
/** Bounces before paths may end by chance. */
const SURE_BOUNCES: u32 = 2;
/** Planes of random points for the camera, then for each bounce. */
const CAMERA_PLANES: u32 = 2;
const BOUNCE_PLANES: u32 = 3;
/**
 * Where light is bounded: roughness at least of what is met after a bounce of spread 1. What a mirror throws on a dull
 * surface is found by chance alone, once in thousands of paths, as a spark; a little blurred, it is found often.
 */
const BLUR: f32 = 0.5;
/** What is seen to shine may be so many times as bright as late light. */
const SEEN: f32 = 2;
/** From this bounce on, evenly filled planes gain nothing. */
const EVEN_BOUNCES: u32 = 4;

/** Light that the path brought. */
export let pathR: f32 = 0;
export let pathG: f32 = 0;
export let pathB: f32 = 0;

/** Parts of it: what the camera sees shine, and what came after the first bounce. */
let seenR: f32 = 0;
let seenG: f32 = 0;
let seenB: f32 = 0;
let lateR: f32 = 0;
let lateG: f32 = 0;
let lateB: f32 = 0;

/** Whether light is bounded, and what is met after a bounce blurred. */
let isBounded = false;

/** What (r, g, b) is to be multiplied by to be within a bound, 0 for none: its colour stays. */
function within(bound: f32, r: f32, g: f32, b: f32): f32 {
  const most = max2(max2(r, g), b);
  return bound > 0 && most > bound ? bound / most : 1;
}

/**
 * Adds light found after `bounces` bounces. What comes after the first is summed apart, to be bounded, and so is what is
 * seen at once: lamps are many times as bright as white, and one sample at their edge would make all of a pixel white.
 */
function add(bounces: u32, r: f32, g: f32, b: f32): void {
  if (bounces == 0) {
    seenR += r;
    seenG += g;
    seenB += b;
  } else if (bounces == 1) {
    pathR += r;
    pathG += g;
    pathB += b;
  } else {
    lateR += r;
    lateG += g;
    lateB += b;
  }
}

let randomX: f32 = 0;
let randomY: f32 = 0;

function draw(bounce: u32, which: u32): void {
  if (bounce < EVEN_BOUNCES) {
    nextPoint(CAMERA_PLANES + bounce * BOUNCE_PLANES + which);
    randomX = pointX;
    randomY = pointY;
  } else {
    randomX = nextFraction();
    randomY = nextFraction();
  }
}

/** A tent of two pixels' width less the tips: where within and around the pixel a path starts. */
function tent(x: f32): f32 {
  return x < 0.5 ? sqrt<f32>(2 * x) - 1 : 1 - sqrt<f32>(2 - 2 * x);
}

/**
 * Follows one path of pixel (x, y) through the camera at `camera` (see TileParams: four rows of four floats).
 * Sets the light it brought.
 */
export function followPath(x: u32, y: u32, width: u32, height: u32, camera: usize, bounces: u32, clamp: f32): void {
  pathR = 0;
  pathG = 0;
  pathB = 0;
  seenR = 0;
  seenG = 0;
  seenB = 0;
  lateR = 0;
  lateG = 0;
  lateB = 0;
  nextPoint(0);
  const column = <f32>x + 0.5 + 0.75 * tent(pointX);
  const row = <f32>y + 0.5 + 0.75 * tent(pointY);
  const right: f32 = ((2 * column) / <f32>width - 1) * load<f32>(camera, 28);
  const up: f32 = (1 - (2 * row) / <f32>height) * load<f32>(camera, 44);
  let ox = load<f32>(camera);
  let oy = load<f32>(camera, 4);
  let oz = load<f32>(camera, 8);
  let dx = load<f32>(camera, 48) + right * load<f32>(camera, 16) + up * load<f32>(camera, 32);
  let dy = load<f32>(camera, 52) + right * load<f32>(camera, 20) + up * load<f32>(camera, 36);
  let dz = load<f32>(camera, 56) + right * load<f32>(camera, 24) + up * load<f32>(camera, 40);
  const lens = load<f32>(camera, 12);
  if (lens > 0) {
    nextPoint(1);
    sinCosTurn(pointX);
    const radius = lens * sqrt<f32>(pointY);
    const a = radius * cosine;
    const b = radius * sine;
    const lx = a * load<f32>(camera, 16) + b * load<f32>(camera, 32);
    const ly = a * load<f32>(camera, 20) + b * load<f32>(camera, 36);
    const lz = a * load<f32>(camera, 24) + b * load<f32>(camera, 40);
    const focus = load<f32>(camera, 60);
    ox += lx;
    oy += ly;
    oz += lz;
    dx = dx * focus - lx;
    dy = dy * focus - ly;
    dz = dz * focus - lz;
  }
  const scale: f32 = 1 / sqrt<f32>(dx * dx + dy * dy + dz * dz);
  isBounded = clamp > 0;
  walk(ox, oy, oz, dx * scale, dy * scale, dz * scale, bounces);
  const seen = within(SEEN * clamp, seenR, seenG, seenB);
  const late = within(clamp, lateR, lateG, lateB);
  pathR = clean(seenR * seen + pathR + lateR * late);
  pathG = clean(seenG * seen + pathG + lateG * late);
  pathB = clean(seenB * seen + pathB + lateB * late);
}

/** What is no number, or none that a picture can hold, becomes 0, so that no NaN's bits reach the result. */
function clean(x: f32): f32 {
  return x >= 0 && x <= 1e9 ? x : 0;
}

function walk(ox: f32, oy: f32, oz: f32, dx: f32, dy: f32, dz: f32, bounces: u32): void {
  let r: f32 = 1;
  let g: f32 = 1;
  let b: f32 = 1;
  /** Density with which the last bounce drew this direction; 0 for the camera's own. */
  let drawn: f32 = 0;
  /** Roughness at least of what is met next. */
  let blur: f32 = 0;
  for (let bounce: u32 = 0; ; bounce++) {
    startRay();
    if (!trace(ox, oy, oz, dx, dy, dz, FAR, bounce == 0 ? CAMERA : BOUNCE)) {
      leave(bounce, r, g, b, dx, dy, dz, drawn);
      return;
    }
    meetSurface(dx, dy, dz);
    if (unlit) {
      add(bounce, r * baseR, g * baseG, b * baseB);
      return;
    }
    const distance = hitDistance;
    let weight: f32 = 1;
    if (lightWeight > 0 && drawn > 0) {
      const facing = -(flatX * dx + flatY * dy + flatZ * dz);
      weight = drawn / (drawn + triangleDensity(lightWeight, distance, facing, nearness));
    }
    add(bounce, r * emissionR * weight, g * emissionG * weight, b * emissionB * weight);
    if (bounce == bounces) return;
    const px = ox + dx * distance;
    const py = oy + dy * distance;
    const pz = oz + dz * distance;
    // Far enough off the surface that rounding cannot bring the next ray back under it.
    const lift = max2(max2(max2(abs<f32>(px), abs<f32>(py)), abs<f32>(pz)), distance) * 2e-5;
    const liftX = flatX * lift;
    const liftY = flatY * lift;
    const liftZ = flatZ * lift;
    openScatter(dx, dy, dz, blur);
    draw(bounce, 0);
    const choice = randomX;
    const lightChoice = randomY;
    draw(bounce, 1);
    gather(bounce + 1, r, g, b, px + liftX, py + liftY, pz + liftZ, lightChoice);
    draw(bounce, 2);
    if (!drawDirection(choice, randomX, randomY)) return;
    dx = outX;
    dy = outY;
    dz = outZ;
    // A smooth normal may send it under the flat surface.
    if (dx * flatX + dy * flatY + dz * flatZ <= 0) return;
    ox = px + liftX;
    oy = py + liftY;
    oz = pz + liftZ;
    drawn = density;
    if (isBounded) blur = max2(blur, BLUR * drawnSpread);
    r *= carriedR / density;
    g *= carriedG / density;
    b *= carriedB / density;
    if (bounce >= SURE_BOUNCES) {
      const stay = min2(max2(max2(r, g), b), 0.95);
      if (!(nextFraction() < stay)) return;
      r /= stay;
      g /= stay;
      b /= stay;
    }
  }
}

/** The path leaves the scene: sky, and the sun where it lies there. */
function leave(bounce: u32, r: f32, g: f32, b: f32, dx: f32, dy: f32, dz: f32, drawn: f32): void {
  lookAtSky(dx, dy, dz);
  add(bounce, r * skyR, g * skyG, b * skyB);
  if (!isSun(dx, dy, dz)) return;
  const weight = drawn > 0 ? drawn / (drawn + sunDensity()) : 1;
  add(bounce, r * sunR() * weight, g * sunG() * weight, b * sunB() * weight);
}

/** Aims at a light from the surface, and adds what comes from there. */
function gather(bounce: u32, r: f32, g: f32, b: f32, x: f32, y: f32, z: f32, choice: f32): void {
  approach(x, y, z);
  if (!aim(x, y, z, choice, randomX, randomY)) return;
  if (aimX * flatX + aimY * flatY + aimZ * flatZ <= 0) return;
  if (!weighDirection(aimX, aimY, aimZ)) return;
  startRay();
  if (trace(x, y, z, aimX, aimY, aimZ, aimDistance * 0.9999, SHADOW)) return;
  const weight = aimWeight / (aimDensity * (aimWeight + density));
  add(bounce, r * carriedR * aimR * weight, g * carriedG * aimG * weight, b * carriedB * aimB * weight);
}
