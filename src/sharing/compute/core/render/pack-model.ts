/** Writes a scene's packed form: bodies with their trees, instances, materials, textures, lights, sky. */
import { type Boxes, buildTree, type Tree, widen } from "./build-tree.ts";
import { type Body, gatherBody, type Part, sortPlacements } from "./gather-body.ts";
import { determinant, IDENTITY, inverseRows, type Matrix, mapPoint, rowsOf } from "./matrix.ts";
import { packedLength, SceneLayout } from "./packed-scene.ts";
import type { Image, Material, Primitive, SceneModel, Sky, TextureUse } from "./scene-model.ts";
import { WRAPPING } from "./scene-model.ts";

/** A mesh becomes a body with instances where that saves more triangles than this; below it, copies are as small and 8% faster. */
export const INSTANCING_THRESHOLD = 8_000;
/** A material that shines from more triangles than this is not aimed at. */
const MAX_LIGHTS = 32_768;
/** Lamps that the kernel tells apart: the shining parts, or runs of them where there are more. */
const MAX_LAMPS = 64;

const HAS_ALPHA = 0x8000_0000;
const ONE_SIDED = 0x4000_0000;

interface Instance {
  readonly body: number;
  readonly matrix: Matrix;
}

/**
 * Packs a scene of at least one triangle.
 * @returns undefined when it would be longer than `maxLength`.
 */
export function packModel(
  model: SceneModel,
  maxLength: number,
  threshold: number = INSTANCING_THRESHOLD,
): Uint8Array | undefined {
  const { common, shared } = sortPlacements(model, threshold);
  const bodies: Body[] = [];
  const instances: Instance[] = [];
  const addBody = (parts: readonly Part[], matrices: readonly Matrix[]): void => {
    if (parts.every((part) => part.primitive.indices.length === 0)) return;
    for (const matrix of matrices) instances.push({ body: bodies.length, matrix });
    bodies.push(gatherBody(parts));
  };
  addBody(common, [IDENTITY]);
  for (const { parts, matrices } of shared) addBody(parts, matrices);
  const top = buildTree(instanceBoxes(bodies, instances), 1);
  const textures = collectTextures(model.materials);
  const weights = lightWeights(model);
  const lights = countLights(model, weights);
  const counts = {
    nodes: top.nodeCount + sum(bodies, (body) => body.tree.nodeCount),
    blocks: sum(bodies, (body) => leafCount(body.tree)),
    triangles: sum(bodies, (body) => body.triangles),
    vertices: sum(bodies, (body) => body.vertices),
    materials: model.materials.length,
    textures: textures.length,
    texels: sum(model.images, (image) => image.pixels.length),
    instances: instances.length,
    lights,
  };
  if (packedLength(counts) > maxLength) return undefined;
  const layout = new SceneLayout(counts);
  const roots = writeBodies(layout, bodies, top.nodeCount, model.materials);
  writeTop(layout, top);
  for (const [i, { body, matrix }] of instances.entries()) {
    const at = layout.at("instances", i);
    layout.floats(at, inverseRows(matrix));
    layout.floats(at + 48, rowsOf(matrix));
    const flags = (matrix === IDENTITY ? 1 : 0) | (determinant(matrix) < 0 ? 2 : 0);
    layout.words(at + 96, [roots[body]!, flags]);
  }
  for (const [i, material] of model.materials.entries()) {
    writeMaterial(layout, layout.at("materials", i), material, weights[i]!, textures);
  }
  writeTextures(layout, textures, model.images);
  writeLights(layout, model, weights, triangleNumbers(bodies, instances));
  writeSky(layout, model.sky);
  return layout.bytes;
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}

function leafCount(tree: Tree): number {
  return tree.leafStarts.length - 1;
}

/** The boxes that the instances fill in the world. */
function instanceBoxes(bodies: readonly Body[], instances: readonly Instance[]): Boxes {
  const own = bodies.map((body) => bodyBox(body));
  const boxes = new Float32Array(6 * instances.length);
  const corner = new Float32Array(6);
  for (const [i, { body, matrix }] of instances.entries()) {
    const box = own[body]!;
    boxes.fill(Number.POSITIVE_INFINITY, 6 * i, 6 * i + 3);
    boxes.fill(Number.NEGATIVE_INFINITY, 6 * i + 3, 6 * i + 6);
    for (let k = 0; k < 8; k++) {
      const point = [0, 1, 2].map((axis) => box[((k >> axis) & 1) * 3 + axis]!);
      mapPoint(matrix, point, 0, corner, 0);
      corner.copyWithin(3, 0, 3);
      widen(boxes, 6 * i, corner, 0);
    }
  }
  return boxes;
}

/** What a body's tree holds: the boxes of its top node's children, or its only leaf's triangles. */
function bodyBox({ tree, boxes }: Body): Float32Array {
  const box = Float32Array.from([1, 1, 1, -1, -1, -1], (sign) => sign * Number.POSITIVE_INFINITY);
  const parts = tree.root < 0 ? boxes : tree.bounds.subarray(12 * tree.root, 12 * tree.root + 12);
  for (let at = 0; at < parts.length; at += 6) widen(box, 0, parts, at);
  return box;
}

/** Writes nodes, blocks, triangles and vertices; returns each body's root. */
function writeBodies(
  layout: SceneLayout,
  bodies: readonly Body[],
  firstNode: number,
  materials: readonly Material[],
): number[] {
  let node = firstNode;
  let block = 0;
  let triangle = 0;
  let vertex = 0;
  const roots: number[] = [];
  for (const body of bodies) {
    const { tree } = body;
    const shift = (ref: number): number => (ref >= 0 ? ref + node : ~(~ref + block));
    roots.push(shift(tree.root));
    writeNodes(layout, tree, node, shift);
    for (let leaf = 0; leaf < leafCount(tree); leaf++) {
      writeBlock(layout, body, leaf, block + leaf, triangle, materials);
    }
    writeTriangles(layout, body, triangle, vertex);
    writeVertices(layout, body, vertex);
    node += tree.nodeCount;
    block += leafCount(tree);
    triangle += body.triangles;
    vertex += body.vertices;
  }
  return roots;
}

function writeTop(layout: SceneLayout, top: Tree): void {
  // Leaves of one instance each: a leaf's number becomes its instance's.
  const shift = (ref: number): number => (ref >= 0 ? ref : ~top.order[top.leafStarts[~ref]!]!);
  writeNodes(layout, top, 0, shift);
  layout.words(12, [shift(top.root)]);
  layout.words(88, [top.nodeCount]);
}

function writeNodes(layout: SceneLayout, tree: Tree, first: number, shift: (ref: number) => number): void {
  const { bounds } = tree;
  for (let i = 0; i < tree.nodeCount; i++) {
    const at = layout.at("nodes", first + i);
    for (let axis = 0; axis < 3; axis++) {
      const left = 12 * i + axis;
      const values = [bounds[left]!, bounds[left + 6]!, bounds[left + 3]!, bounds[left + 9]!];
      layout.floats(at + 16 * axis, values);
    }
    layout.words(at + 48, [shift(tree.children[2 * i]!), shift(tree.children[2 * i + 1]!)]);
  }
}

function writeBlock(
  layout: SceneLayout,
  { tree, corners, infos }: Body,
  leaf: number,
  block: number,
  firstTriangle: number,
  materials: readonly Material[],
): void {
  const at = layout.at("blocks", block);
  const start = tree.leafStarts[leaf]!;
  const end = tree.leafStarts[leaf + 1]!;
  for (let lane = 0; lane < 4; lane++) {
    // A lane left over stays a triangle without area, which nothing hits.
    const triangle = tree.order[Math.min(start + lane, end - 1)]!;
    if (start + lane < end) {
      for (let row = 0; row < 9; row++) {
        layout.view.setFloat32(at + 16 * row + 4 * lane, corners[9 * triangle + row]!, true);
      }
    }
    const material = materials[infos[4 * triangle + 3]!]!;
    const flags = (material.alpha === "opaque" ? 0 : HAS_ALPHA) + (material.doubleSided ? 0 : ONE_SIDED);
    layout.view.setUint32(at + 144 + 4 * lane, firstTriangle + triangle + flags, true);
  }
}

function writeTriangles(layout: SceneLayout, body: Body, first: number, firstVertex: number): void {
  for (let i = 0; i < body.triangles; i++) {
    const [a, b, c, material] = body.infos.subarray(4 * i, 4 * i + 4);
    const vertices = [a! + firstVertex, b! + firstVertex, c! + firstVertex];
    layout.words(layout.at("triangles", first + i), [...vertices, material!]);
  }
}

function writeVertices(layout: SceneLayout, body: Body, first: number): void {
  let vertex = 0;
  for (const { primitive } of body.parts) {
    const count = primitive.positions.length / 3;
    for (let i = 0; i < count; i++, vertex++) {
      const at = layout.at("vertices", first + vertex);
      layout.floats(at, body.normals.subarray(3 * vertex, 3 * vertex + 3));
      writeCoordinates(layout, at, primitive, i);
      layout.view.setUint32(at + 28, vertexColour(primitive, i), true);
    }
  }
}

function writeCoordinates(layout: SceneLayout, at: number, primitive: Primitive, vertex: number): void {
  for (const [set, coordinates] of primitive.coordinates.entries()) {
    if (coordinates !== undefined) {
      layout.floats(at + 12 + 8 * set, coordinates.subarray(2 * vertex, 2 * vertex + 2));
    }
  }
}

/** Four bytes: the square roots of the colour, which keeps the dark ones apart, and alpha. */
function vertexColour({ colours }: Primitive, vertex: number): number {
  if (colours === undefined) return 0xffff_ffff;
  const byte = (value: number): number => Math.round(Math.min(1, Math.max(0, value)) * 255);
  const [r, g, b, a] = colours.subarray(4 * vertex, 4 * vertex + 4);
  const root = (value: number): number => byte(Math.sqrt(Math.max(0, value)));
  return (root(r!) | (root(g!) << 8) | (root(b!) << 16) | (byte(a!) << 24)) >>> 0;
}

/** A texture of the packed scene: an image in one way of reading it. */
type PackedTexture = Pick<TextureUse, "image" | "wrapU" | "wrapV" | "nearest" | "srgb">;

function sameTexture(a: PackedTexture, b: PackedTexture): boolean {
  if (a.image !== b.image || a.srgb !== b.srgb || a.nearest !== b.nearest) return false;
  return a.wrapU === b.wrapU && a.wrapV === b.wrapV;
}

function texturesOf(material: Material): readonly (TextureUse | undefined)[] {
  const { baseTexture, metallicRoughnessTexture, emissionTexture, normalTexture } = material;
  return [baseTexture, metallicRoughnessTexture, emissionTexture, normalTexture];
}

function collectTextures(materials: readonly Material[]): PackedTexture[] {
  const textures: PackedTexture[] = [];
  for (const use of materials.flatMap(texturesOf)) {
    if (use !== undefined && !textures.some((texture) => sameTexture(texture, use))) textures.push(use);
  }
  return textures;
}

function writeTextures(
  layout: SceneLayout,
  textures: readonly PackedTexture[],
  images: readonly Image[],
): void {
  const starts: number[] = [];
  let start = 0;
  for (const image of images) {
    starts.push(start);
    layout.bytes.set(image.pixels, layout.at("texels", start));
    start += image.pixels.length;
  }
  for (const [i, { image, wrapU, wrapV, srgb, nearest }] of textures.entries()) {
    const { width, height } = images[image]!;
    const wrapping = [WRAPPING.indexOf(wrapU), WRAPPING.indexOf(wrapV)];
    const flags = (srgb ? 1 : 0) | (nearest ? 2 : 0);
    layout.words(layout.at("textures", i), [starts[image]!, width, height, ...wrapping, flags]);
  }
}

function writeMaterial(
  layout: SceneLayout,
  at: number,
  material: Material,
  weight: number,
  textures: readonly PackedTexture[],
): void {
  const { base, emission, metallic, roughness, alphaCutoff, normalScale } = material;
  layout.floats(at, [...base, ...emission, weight, metallic, roughness, alphaCutoff, normalScale]);
  let flags = material.alpha === "mask" ? 1 : material.alpha === "blend" ? 2 : 0;
  if (material.doubleSided) flags |= 4;
  if (material.unlit) flags |= 8;
  for (const [slot, use] of texturesOf(material).entries()) {
    const index = use === undefined ? -1 : textures.findIndex((texture) => sameTexture(texture, use));
    layout.words(at + 52 + 4 * slot, [index]);
    layout.floats(at + 80 + 24 * slot, use?.map ?? [1, 0, 0, 0, 1, 0]);
    if (use?.secondSet === true) flags |= 0x100 << slot;
  }
  layout.words(at + 48, [flags]);
}

/** The mean luminance that each material sends out, 0 where it is not to be aimed at. */
function lightWeights(model: SceneModel): number[] {
  const triangles = new Array<number>(model.materials.length).fill(0);
  for (const { mesh } of model.placements) {
    for (const { material, indices } of model.meshes[mesh]!) triangles[material]! += indices.length / 3;
  }
  return model.materials.map((material, i) => {
    if (material.unlit || triangles[i]! > MAX_LIGHTS) return 0;
    const mean = meanColour(material.emissionTexture, model.images);
    const [r, g, b] = material.emission.map((value, channel) => value * mean[channel]!);
    return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
  });
}

/** Mean of a texture's channels, roughly linear; 1 without a texture. Only chances of aiming depend on it. */
function meanColour(use: TextureUse | undefined, images: readonly Image[]): readonly number[] {
  if (use === undefined) return [1, 1, 1];
  const { pixels } = images[use.image]!;
  const step = 4 * Math.max(1, Math.floor(pixels.length / 4 / 4096));
  const sums = [0, 0, 0];
  let count = 0;
  for (let at = 0; at < pixels.length; at += step, count++) {
    for (let channel = 0; channel < 3; channel++) sums[channel]! += (pixels[at + channel]! / 255) ** 2;
  }
  // Never 0: what was not looked at may shine.
  return sums.map((total) => total / count + 1e-3);
}

function countLights(model: SceneModel, weights: readonly number[]): number {
  return sum(model.placements, ({ mesh }) =>
    sum(model.meshes[mesh]!, ({ material, indices }) => (weights[material]! > 0 ? indices.length / 3 : 0)),
  );
}

/** For each primitive, the numbers that its triangles have in the packed scene, one list a standing copy. */
function triangleNumbers(bodies: readonly Body[], instances: readonly Instance[]): LightPart[] {
  const firsts: number[] = [];
  let first = 0;
  for (const body of bodies) {
    firsts.push(first);
    first += body.triangles;
  }
  return instances.flatMap(({ body, matrix }) => {
    let triangle = firsts[body]!;
    return bodies[body]!.parts.map((part) => {
      const start = triangle;
      triangle += part.primitive.indices.length / 3;
      const instanced = matrix !== IDENTITY;
      return { primitive: part.primitive, matrix: instanced ? matrix : part.matrix, first: start, instanced };
    });
  });
}

interface LightPart extends Part {
  /** Its first triangle in the packed scene. */
  readonly first: number;
  /** Whether the packed triangles are in the mesh's own space. */
  readonly instanced: boolean;
}

function writeLights(
  layout: SceneLayout,
  model: SceneModel,
  weights: readonly number[],
  parts: readonly LightPart[],
): void {
  let light = 0;
  const corners = new Float32Array(9);
  const shining = parts.filter(
    ({ primitive }) => weights[primitive.material]! > 0 && primitive.indices.length > 0,
  );
  for (const [part, { primitive, matrix, first, instanced }] of shining.entries()) {
    const lamp = shining.length <= MAX_LAMPS ? part : Math.floor((part * MAX_LAMPS) / shining.length);
    const bothSides = model.materials[primitive.material]!.doubleSided ? 1 : 0;
    // An instance's triangle keeps its corners' order; one brought to its place was turned round if mirrored.
    const turned = determinant(matrix) < 0;
    for (let i = 0; i < primitive.indices.length; i += 3, light++) {
      const order = turned ? [0, 2, 1] : [0, 1, 2];
      for (const [k, corner] of order.entries()) {
        mapPoint(matrix, primitive.positions, 3 * primitive.indices[i + corner]!, corners, 3 * k);
      }
      const edges = [3, 4, 5, 6, 7, 8].map((at) => corners[at]! - corners[at % 3]!);
      const at = layout.at("lights", light);
      layout.floats(at, [...corners.subarray(0, 3), ...edges]);
      layout.words(at + 36, [first + i / 3, bothSides | (turned && instanced ? 2 : 0), lamp]);
    }
  }
}

function writeSky(layout: SceneLayout, { zenith, horizon, ground, glow, sun }: Sky): void {
  layout.floats(96, [...zenith, ...horizon, ...ground, ...glow]);
  if (sun === undefined) {
    layout.floats(144, [0, 1, 0]);
    return;
  }
  const length = Math.sqrt(sun.direction.reduce((total, value) => total + value * value, 0));
  const half = Math.sin(sun.radius / 2);
  layout.floats(144, [...sun.direction.map((value) => value / length), ...sun.radiance, 2 * half * half]);
}
