/**
 * Bodies: triangles that share a tree. What stands once goes, at its place, into one common body; a mesh that stands
 * often is a body of its own, in its own space, and has instances.
 */
import { type Boxes, buildTree, type Tree } from "./build-tree.ts";
import { determinant, IDENTITY, inverseRows, type Matrix, mapNormal, mapPoint } from "./matrix.ts";
import type { Placement, Primitive, SceneModel } from "./scene-model.ts";

/** Triangles of a leaf: the kernel tests four at once. */
const LEAF = 4;

export interface Part {
  readonly primitive: Primitive;
  readonly matrix: Matrix;
}

export interface Body {
  readonly parts: readonly Part[];
  readonly triangles: number;
  readonly vertices: number;
  /** Nine floats a triangle: a corner and the edges to the two others. */
  readonly corners: Float32Array;
  /** Four words a triangle: its vertices (counted within the body) and its material. */
  readonly infos: Uint32Array;
  /** Three floats a vertex; 0 0 0 where the file has none. */
  readonly normals: Float32Array;
  /** Six floats a triangle: the box it lies in. */
  readonly boxes: Boxes;
  readonly tree: Tree;
}

export interface Bodies {
  /** Everything that stands once. */
  readonly common: readonly Part[];
  /** Meshes that stand often, with where they stand. */
  readonly shared: readonly { readonly parts: readonly Part[]; readonly matrices: readonly Matrix[] }[];
}

/** Most triangles that are copied to their places, all meshes together. */
const MAX_COMMON = 8_000_000;

/**
 * Sorts the placements: a mesh that stands at least twice and would cost more than `threshold` further triangles
 * becomes a body of its own; where copies come to too many, every mesh that stands twice does.
 */
export function sortPlacements(model: SceneModel, threshold: number): Bodies {
  const bodies = sortBy(model, threshold);
  const copied = bodies.common.reduce((sum, { primitive }) => sum + primitive.indices.length / 3, 0);
  return copied > MAX_COMMON ? sortBy(model, 0) : bodies;
}

function sortBy(model: SceneModel, threshold: number): Bodies {
  const uses = new Map<number, Placement[]>();
  for (const placement of model.placements) {
    const list = uses.get(placement.mesh);
    if (list === undefined) uses.set(placement.mesh, [placement]);
    else list.push(placement);
  }
  const common: Part[] = [];
  const shared: { parts: Part[]; matrices: Matrix[] }[] = [];
  for (const [mesh, placements] of [...uses].sort(([a], [b]) => a - b)) {
    const primitives = model.meshes[mesh]!;
    const triangles = primitives.reduce((sum, primitive) => sum + primitive.indices.length / 3, 0);
    if (triangles * (placements.length - 1) > threshold) {
      const parts = primitives.map((primitive) => ({ primitive, matrix: IDENTITY }));
      shared.push({ parts, matrices: placements.map(({ matrix }) => matrix) });
    } else {
      for (const { matrix } of placements) {
        common.push(...primitives.map((primitive) => ({ primitive, matrix })));
      }
    }
  }
  return { common, shared };
}

/** Brings a body's parts into one space and builds its tree. At least one triangle. */
export function gatherBody(parts: readonly Part[]): Body {
  const triangles = parts.reduce((sum, part) => sum + part.primitive.indices.length / 3, 0);
  const vertices = parts.reduce((sum, part) => sum + part.primitive.positions.length / 3, 0);
  const corners = new Float32Array(9 * triangles);
  const infos = new Uint32Array(4 * triangles);
  const normals = new Float32Array(3 * vertices);
  const boxes = new Float32Array(6 * triangles);
  let triangle = 0;
  let vertex = 0;
  for (const part of parts) {
    const places = placeVertices(part, normals, vertex);
    triangle = placeTriangles(part, places, vertex, { corners, infos, boxes, triangle });
    vertex += part.primitive.positions.length / 3;
  }
  return { parts, triangles, vertices, corners, infos, normals, boxes, tree: buildTree(boxes, LEAF) };
}

/** The part's vertices in the body's space; their normals go to `normals`. */
function placeVertices({ primitive, matrix }: Part, normals: Float32Array, first: number): Float32Array {
  const { positions } = primitive;
  if (primitive.normals !== undefined) {
    const inverse = inverseRows(matrix);
    for (let i = 0; i < positions.length; i += 3) {
      mapNormal(inverse, primitive.normals, i, normals, 3 * first + i);
    }
  }
  if (matrix === IDENTITY) return positions;
  const places = new Float32Array(positions.length);
  for (let i = 0; i < positions.length; i += 3) mapPoint(matrix, positions, i, places, i);
  return places;
}

interface Triangles {
  readonly corners: Float32Array;
  readonly infos: Uint32Array;
  readonly boxes: Boxes;
  readonly triangle: number;
}

/** Writes the part's triangles from `into.triangle` on; returns the number after the last. */
function placeTriangles(part: Part, places: Float32Array, first: number, into: Triangles): number {
  const { indices, material } = part.primitive;
  // A mirroring turns triangles round.
  const [second, third] = determinant(part.matrix) < 0 ? [2, 1] : [1, 2];
  let triangle = into.triangle;
  for (let i = 0; i < indices.length; i += 3) {
    const a = indices[i]!;
    const b = indices[i + second]!;
    const c = indices[i + third]!;
    for (let axis = 0; axis < 3; axis++) {
      const pa = places[3 * a + axis]!;
      const pb = places[3 * b + axis]!;
      const pc = places[3 * c + axis]!;
      into.corners[9 * triangle + axis] = pa;
      into.corners[9 * triangle + 3 + axis] = pb - pa;
      into.corners[9 * triangle + 6 + axis] = pc - pa;
      into.boxes[6 * triangle + axis] = Math.min(pa, pb, pc);
      into.boxes[6 * triangle + 3 + axis] = Math.max(pa, pb, pc);
    }
    into.infos.set([first + a, first + b, first + c, material], 4 * triangle);
    triangle++;
  }
  return triangle;
}
