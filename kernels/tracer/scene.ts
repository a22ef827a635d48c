// The packed scene: where its parts lie, and the check that nothing in it points outside. Little endian; see
// src/sharing/compute/core/render/packed-scene.ts, which writes it. After `openScene` every index is good, every
// tree ends and is shallow enough for the stacks; numbers may still be anything, which costs nobody but the picture.

const MAGIC: u32 = 0x53524846; // "FHRS"
const VERSION: u32 = 1;
export const HEADER_SIZE: u32 = 256;
export const NODE_SIZE: u32 = 64;
export const BLOCK_SIZE: u32 = 160;
export const TRIANGLE_SIZE: u32 = 16;
export const VERTEX_SIZE: u32 = 32;
export const MATERIAL_SIZE: u32 = 192;
export const TEXTURE_SIZE: u32 = 32;
export const INSTANCE_SIZE: u32 = 112;
export const LIGHT_SIZE: u32 = 48;
/** Deepest tree, top and mesh each. */
export const MAX_DEPTH: u32 = 60;
const MAX_TEXTURE_EDGE: u32 = 16384;
/** A block's triangle numbers carry two flags: its alpha decides whether a hit counts; its back is not drawn. */
export const HAS_ALPHA: u32 = 0x80000000;
export const ONE_SIDED: u32 = 0x40000000;
export const TRIANGLE_INDEX: u32 = 0x3fffffff;

/** Instance flags. */
export const IDENTITY: u32 = 1;
export const FLIPPED: u32 = 2;

/** Material flags. */
export const MASK: u32 = 1;
export const BLEND: u32 = 2;
export const DOUBLE_SIDED: u32 = 4;
export const UNLIT: u32 = 8;
/** Then bits 8 to 11: the texture of this slot uses the second set of coordinates. */
export const SECOND_SET: u32 = 0x100;

export let scene: usize = 0;
export let nodes: usize = 0;
export let blocks: usize = 0;
export let triangles: usize = 0;
export let vertices: usize = 0;
export let materials: usize = 0;
export let textures: usize = 0;
export let texels: usize = 0;
export let instances: usize = 0;
export let lights: usize = 0;
export let lightCount: u32 = 0;
export let topRoot: i32 = 0;
/** 20 floats: zenith, horizon, ground, glow, direction to the sun, its radiance, 1 − cosine of its radius, 0. */
export let sky: usize = 0;

let nodeCount: u32 = 0;
let topCount: u32 = 0;
let blockCount: u32 = 0;
let triangleCount: u32 = 0;
let vertexCount: u32 = 0;
let materialCount: u32 = 0;
let textureCount: u32 = 0;
let texelBytes: u32 = 0;
let instanceCount: u32 = 0;

/** Bytes of working memory that `openScene` needs for a scene of this many bytes. */
export function scratchFor(length: u32): u32 {
  return length / NODE_SIZE + 16;
}

let failed = false;
let base: usize = 0;
let total: u32 = 0;

/** Reads a row (offset, count) of the header's table; returns the address. */
function section(row: u32, size: u32): usize {
  const at = base + 16 + (<usize>row << 3);
  const offset = load<u32>(at);
  const count = load<u32>(at, 4);
  if ((offset & 15) != 0 || offset < HEADER_SIZE || offset > total || count > (total - offset) / size) {
    failed = true;
    return base;
  }
  return base + offset;
}

function countOf(row: u32): u32 {
  return load<u32>(base + 16 + (<usize>row << 3), 4);
}

/** Checks and opens the scene at `at`; `scratch` is room for `scratchFor(length)` bytes. False when it is bad. */
export function openScene(at: usize, length: u32, scratch: usize): bool {
  base = at;
  total = length;
  failed = false;
  if (length < HEADER_SIZE || load<u32>(at) != MAGIC || load<u32>(at, 4) != VERSION) return false;
  if (load<u32>(at, 8) != length) return false;
  scene = at;
  nodes = section(0, NODE_SIZE);
  nodeCount = countOf(0);
  blocks = section(1, BLOCK_SIZE);
  blockCount = countOf(1);
  triangles = section(2, TRIANGLE_SIZE);
  triangleCount = countOf(2);
  vertices = section(3, VERTEX_SIZE);
  vertexCount = countOf(3);
  materials = section(4, MATERIAL_SIZE);
  materialCount = countOf(4);
  textures = section(5, TEXTURE_SIZE);
  textureCount = countOf(5);
  texels = section(6, 1);
  texelBytes = countOf(6);
  instances = section(7, INSTANCE_SIZE);
  instanceCount = countOf(7);
  lights = section(8, LIGHT_SIZE);
  lightCount = countOf(8);
  topRoot = load<i32>(at, 12);
  topCount = load<u32>(at, 88);
  sky = at + 96;
  if (failed || topCount > nodeCount || triangleCount > TRIANGLE_INDEX) return false;
  return treesHold(scratch) && meshesHold() && materialsHold() && texturesHold();
}

/** Whether `ref` is a node in first … end − 1, or a leaf below `leaves`. */
function refHolds(ref: i32, first: u32, end: u32, leaves: u32): bool {
  return ref >= 0 ? <u32>ref >= first && <u32>ref < end : <u32>~ref < leaves;
}

/** Every child stands behind its parent, has one parent, and is not too deep: so each walk ends, soon. */
function treesHold(scratch: usize): bool {
  memory.fill(scratch, 0, nodeCount);
  for (let i: u32 = 0; i < nodeCount; i++) {
    const depth: u32 = max<u32>(load<u8>(scratch + i), 1);
    if (depth > MAX_DEPTH) return false;
    const top = i < topCount;
    const node = nodes + <usize>i * NODE_SIZE;
    for (let side: usize = 0; side < 8; side += 4) {
      const ref = load<i32>(node + side, 48);
      if (!refHolds(ref, i + 1, top ? topCount : nodeCount, top ? instanceCount : blockCount)) return false;
      if (ref < 0) continue;
      if (load<u8>(scratch + <u32>ref) != 0) return false;
      store<u8>(scratch + <u32>ref, <u8>(depth + 1));
    }
  }
  if (!refHolds(topRoot, 0, topCount, instanceCount)) return false;
  for (let i: u32 = 0; i < instanceCount; i++) {
    const root = load<i32>(instances + <usize>i * INSTANCE_SIZE, 96);
    if (!refHolds(root, topCount, nodeCount, blockCount)) return false;
  }
  return true;
}

function meshesHold(): bool {
  for (let i: u32 = 0; i < blockCount; i++) {
    const ids = blocks + <usize>i * BLOCK_SIZE + 144;
    for (let lane: usize = 0; lane < 16; lane += 4) {
      if ((load<u32>(ids + lane) & TRIANGLE_INDEX) >= triangleCount) return false;
    }
  }
  for (let i: u32 = 0; i < triangleCount; i++) {
    const triangle = triangles + <usize>i * TRIANGLE_SIZE;
    if (load<u32>(triangle) >= vertexCount || load<u32>(triangle, 4) >= vertexCount) return false;
    if (load<u32>(triangle, 8) >= vertexCount || load<u32>(triangle, 12) >= materialCount) return false;
  }
  for (let i: u32 = 0; i < lightCount; i++) {
    if (load<u32>(lights + <usize>i * LIGHT_SIZE, 36) >= triangleCount) return false;
  }
  return true;
}

function materialsHold(): bool {
  for (let i: u32 = 0; i < materialCount; i++) {
    const material = materials + <usize>i * MATERIAL_SIZE;
    for (let slot: usize = 0; slot < 16; slot += 4) {
      const texture = load<i32>(material + slot, 52);
      if (texture < -1 || texture >= <i32>textureCount) return false;
    }
  }
  return true;
}

function texturesHold(): bool {
  for (let i: u32 = 0; i < textureCount; i++) {
    const texture = textures + <usize>i * TEXTURE_SIZE;
    const offset = load<u32>(texture);
    const width = load<u32>(texture, 4);
    const height = load<u32>(texture, 8);
    if (width == 0 || width > MAX_TEXTURE_EDGE || height == 0 || height > MAX_TEXTURE_EDGE) return false;
    if ((offset & 3) != 0 || <u64>offset + <u64>width * height * 4 > <u64>texelBytes) return false;
  }
  return true;
}
