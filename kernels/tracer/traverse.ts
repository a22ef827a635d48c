// Rays against the scene: a tree over instances, and in each instance a tree over blocks of four triangles. A node
// holds the boxes of both its children, tested at once; a block's four triangles are tested at once.
//
// Node, 64 bytes: for each axis [left low, right low, left high, right high] as f32, then the two references.
// Block, 160 bytes: nine vectors of four f32 (a corner's x y z, two edges' x y z), then four triangle numbers.
// A reference is a node's number, or the complement of a leaf's (a block, or in the top tree an instance).

import {
  BLOCK_SIZE,
  HAS_ALPHA,
  IDENTITY,
  INSTANCE_SIZE,
  NODE_SIZE,
  ONE_SIDED,
  TRIANGLE_INDEX,
  blocks,
  instances,
  nodes,
  topRoot,
} from "./scene";
import { letsPass } from "./surface";

/** What a ray is for: the camera's pass through back faces, shadow rays want any hit. */
export const CAMERA: u32 = 0;
export const BOUNCE: u32 = 1;
export const SHADOW: u32 = 2;

/** The nearest hit: distance, weights of the triangle's second and third corner, its block, lane and instance. */
export let hitDistance: f32 = 0;
export let hitU: f32 = 0;
export let hitV: f32 = 0;
export let hitBlock: usize = 0;
export let hitLane: usize = 0;
export let hitInstance: usize = 0;
/** Whether the ray met the side from which the corners run counter-clockwise, in the mesh's own space. */
export let hitFront = false;

const TOP_STACK: usize = memory.data(8 * 64, 16);
const STACK: usize = memory.data(8 * 64, 16);
/** Distances, weights and determinants of a block's four triangles. */
const LANES: usize = memory.data(64, 16);

/** Keeps a reciprocal finite, so that no box test meets infinity times zero. */
function reciprocal(x: f32): f32 {
  return 1 / (abs<f32>(x) < 1e-18 ? copysign<f32>(1e-18, x) : x);
}

/** Selects [low low high high] for a ray that runs upwards along an axis, else [high high low low]. */
function order(direction: f32): v128 {
  return direction < 0
    ? i8x16(8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7)
    : i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

/**
 * The nearest hit of a ray closer than `limit`; any hit, for a shadow ray. The direction need not be of length 1:
 * distances are its multiples.
 */
export function trace(ox: f32, oy: f32, oz: f32, dx: f32, dy: f32, dz: f32, limit: f32, kind: u32): bool {
  hitDistance = limit;
  hitBlock = 0;
  if (topRoot < 0) return traceInstance(~topRoot, ox, oy, oz, dx, dy, dz, kind);
  const ix = reciprocal(dx);
  const iy = reciprocal(dy);
  const iz = reciprocal(dz);
  const vx = f32x4(ix, ix, -ix, -ix);
  const vy = f32x4(iy, iy, -iy, -iy);
  const vz = f32x4(iz, iz, -iz, -iz);
  const px = f32x4.splat(ox);
  const py = f32x4.splat(oy);
  const pz = f32x4.splat(oz);
  const sx = order(ix);
  const sy = order(iy);
  const sz = order(iz);
  let top = TOP_STACK;
  let ref = topRoot;
  while (true) {
    if (ref >= 0) {
      const node = nodes + <usize>ref * NODE_SIZE;
      let near = f32x4(0, 0, -hitDistance, -hitDistance);
      near = f32x4.pmax(near, f32x4.mul(f32x4.sub(v128.swizzle(v128.load(node), sx), px), vx));
      near = f32x4.pmax(near, f32x4.mul(f32x4.sub(v128.swizzle(v128.load(node, 16), sy), py), vy));
      near = f32x4.pmax(near, f32x4.mul(f32x4.sub(v128.swizzle(v128.load(node, 32), sz), pz), vz));
      const gap = f32x4.add(near, v128.shuffle<u32>(near, near, 2, 3, 0, 1));
      const hits = i32x4.bitmask(f32x4.le(gap, f32x4.splat(0))) & 3;
      if (hits != 0) {
        const left = load<i32>(node, 48);
        const right = load<i32>(node, 52);
        if (hits == 3) {
          const nearLeft = f32x4.extract_lane(near, 0);
          const nearRight = f32x4.extract_lane(near, 1);
          const leftFirst = nearLeft <= nearRight;
          store<i32>(top, leftFirst ? right : left);
          store<f32>(top, leftFirst ? nearRight : nearLeft, 4);
          top += 8;
          ref = leftFirst ? left : right;
        } else {
          ref = hits == 1 ? left : right;
        }
        continue;
      }
    } else if (traceInstance(~ref, ox, oy, oz, dx, dy, dz, kind) && kind == SHADOW) {
      return true;
    }
    do {
      if (top == TOP_STACK) return hitBlock != 0;
      top -= 8;
    } while (load<f32>(top, 4) >= hitDistance);
    ref = load<i32>(top);
  }
}

/** Takes the ray into an instance's own space and through its mesh. */
function traceInstance(index: i32, ox: f32, oy: f32, oz: f32, dx: f32, dy: f32, dz: f32, kind: u32): bool {
  const m = instances + <usize>index * INSTANCE_SIZE;
  const flags = load<u32>(m, 100);
  const root = load<i32>(m, 96);
  if (flags & IDENTITY) return traceMesh(root, m, ox, oy, oz, dx, dy, dz, kind);
  return traceMesh(
    root,
    m,
    load<f32>(m) * ox + load<f32>(m, 4) * oy + load<f32>(m, 8) * oz + load<f32>(m, 12),
    load<f32>(m, 16) * ox + load<f32>(m, 20) * oy + load<f32>(m, 24) * oz + load<f32>(m, 28),
    load<f32>(m, 32) * ox + load<f32>(m, 36) * oy + load<f32>(m, 40) * oz + load<f32>(m, 44),
    load<f32>(m) * dx + load<f32>(m, 4) * dy + load<f32>(m, 8) * dz,
    load<f32>(m, 16) * dx + load<f32>(m, 20) * dy + load<f32>(m, 24) * dz,
    load<f32>(m, 32) * dx + load<f32>(m, 36) * dy + load<f32>(m, 40) * dz,
    kind,
  );
}

/** Walks a mesh; the globals of the hit change where one nearer than `hitDistance` is found. */
function traceMesh(
  root: i32,
  instance: usize,
  ox: f32,
  oy: f32,
  oz: f32,
  dx: f32,
  dy: f32,
  dz: f32,
  kind: u32,
): bool {
  const ix = reciprocal(dx);
  const iy = reciprocal(dy);
  const iz = reciprocal(dz);
  const vx = f32x4(ix, ix, -ix, -ix);
  const vy = f32x4(iy, iy, -iy, -iy);
  const vz = f32x4(iz, iz, -iz, -iz);
  const px = f32x4.splat(ox);
  const py = f32x4.splat(oy);
  const pz = f32x4.splat(oz);
  const sx = order(ix);
  const sy = order(iy);
  const sz = order(iz);
  const wx = f32x4.splat(dx);
  const wy = f32x4.splat(dy);
  const wz = f32x4.splat(dz);
  const zero = f32x4.splat(0);
  let limit = f32x4(0, 0, -hitDistance, -hitDistance);
  let found = false;
  let top = STACK;
  let ref = root;
  while (true) {
    if (ref >= 0) {
      const node = nodes + <usize>ref * NODE_SIZE;
      let near = f32x4.mul(f32x4.sub(v128.swizzle(v128.load(node), sx), px), vx);
      near = f32x4.pmax(near, f32x4.mul(f32x4.sub(v128.swizzle(v128.load(node, 16), sy), py), vy));
      near = f32x4.pmax(near, f32x4.mul(f32x4.sub(v128.swizzle(v128.load(node, 32), sz), pz), vz));
      near = f32x4.pmax(near, limit);
      const gap = f32x4.add(near, v128.shuffle<u32>(near, near, 2, 3, 0, 1));
      const hits = i32x4.bitmask(f32x4.le(gap, zero)) & 3;
      if (hits != 0) {
        const left = load<i32>(node, 48);
        const right = load<i32>(node, 52);
        if (hits == 3) {
          const nearLeft = f32x4.extract_lane(near, 0);
          const nearRight = f32x4.extract_lane(near, 1);
          const leftFirst = nearLeft <= nearRight;
          store<i32>(top, leftFirst ? right : left);
          store<f32>(top, leftFirst ? nearRight : nearLeft, 4);
          top += 8;
          ref = leftFirst ? left : right;
        } else {
          ref = hits == 1 ? left : right;
        }
        continue;
      }
    } else {
      const block = blocks + <usize>~ref * BLOCK_SIZE;
      const e1x = v128.load(block, 48);
      const e1y = v128.load(block, 64);
      const e1z = v128.load(block, 80);
      const e2x = v128.load(block, 96);
      const e2y = v128.load(block, 112);
      const e2z = v128.load(block, 128);
      // Möller and Trumbore.
      const hx = f32x4.sub(f32x4.mul(wy, e2z), f32x4.mul(wz, e2y));
      const hy = f32x4.sub(f32x4.mul(wz, e2x), f32x4.mul(wx, e2z));
      const hz = f32x4.sub(f32x4.mul(wx, e2y), f32x4.mul(wy, e2x));
      const det = f32x4.add(f32x4.add(f32x4.mul(e1x, hx), f32x4.mul(e1y, hy)), f32x4.mul(e1z, hz));
      const inverse = f32x4.div(f32x4.splat(1), det);
      const tx = f32x4.sub(px, v128.load(block));
      const ty = f32x4.sub(py, v128.load(block, 16));
      const tz = f32x4.sub(pz, v128.load(block, 32));
      const u = f32x4.mul(
        f32x4.add(f32x4.add(f32x4.mul(tx, hx), f32x4.mul(ty, hy)), f32x4.mul(tz, hz)),
        inverse,
      );
      const qx = f32x4.sub(f32x4.mul(ty, e1z), f32x4.mul(tz, e1y));
      const qy = f32x4.sub(f32x4.mul(tz, e1x), f32x4.mul(tx, e1z));
      const qz = f32x4.sub(f32x4.mul(tx, e1y), f32x4.mul(ty, e1x));
      const v = f32x4.mul(
        f32x4.add(f32x4.add(f32x4.mul(wx, qx), f32x4.mul(wy, qy)), f32x4.mul(wz, qz)),
        inverse,
      );
      const t = f32x4.mul(
        f32x4.add(f32x4.add(f32x4.mul(e2x, qx), f32x4.mul(e2y, qy)), f32x4.mul(e2z, qz)),
        inverse,
      );
      const inside = v128.and(
        v128.and(f32x4.ge(u, zero), f32x4.ge(v, zero)),
        v128.and(
          f32x4.le(f32x4.add(u, v), f32x4.splat(1)),
          v128.and(f32x4.gt(t, zero), f32x4.lt(t, f32x4.splat(hitDistance))),
        ),
      );
      let hits = i32x4.bitmask(inside);
      if (hits != 0) {
        v128.store(LANES, t);
        v128.store(LANES, u, 16);
        v128.store(LANES, v, 32);
        v128.store(LANES, det, 48);
        do {
          const lane = <usize>ctz<i32>(hits) << 2;
          hits &= hits - 1;
          const distance = load<f32>(LANES + lane);
          if (distance < hitDistance) {
            const id = load<u32>(block + lane, 144);
            const front = load<f32>(LANES + lane, 48) > 0;
            const laneU = load<f32>(LANES + lane, 16);
            const laneV = load<f32>(LANES + lane, 32);
            const passes =
              (kind == CAMERA && !front && (id & ONE_SIDED) != 0) ||
              ((id & HAS_ALPHA) != 0 && letsPass(id & TRIANGLE_INDEX, laneU, laneV));
            if (!passes) {
              hitDistance = distance;
              hitU = laneU;
              hitV = laneV;
              hitBlock = block;
              hitLane = lane;
              hitInstance = instance;
              hitFront = front;
              if (kind == SHADOW) return true;
              found = true;
              limit = f32x4(0, 0, -distance, -distance);
            }
          }
        } while (hits != 0);
      }
    }
    do {
      if (top == STACK) return found;
      top -= 8;
    } while (load<f32>(top, 4) >= hitDistance);
    ref = load<i32>(top);
  }
}
