/** Where a document's nodes stand in the world: meshes and cameras of its scene. */
import type { GltfJson } from "./gltf-document.ts";
import { determinant, IDENTITY, type Matrix } from "./matrix.ts";
import type { Camera, Vector } from "./render-job.ts";
import { readCameraExtras } from "./scene-extras.ts";
import type { Placement, SceneCamera } from "./scene-model.ts";

type Node = NonNullable<GltfJson["nodes"]>[number];

export interface Places {
  readonly placements: readonly Placement[];
  readonly cameras: readonly SceneCamera[];
}

/** Walks the scene of a checked document. */
export function placeNodes(gltf: GltfJson): Places {
  const nodes = gltf.nodes ?? [];
  const placements: Placement[] = [];
  const cameras: SceneCamera[] = [];
  // Last in, first out: pushed in reverse, so that nodes come in the file's order.
  const pending = roots(gltf)
    .map((index) => ({ index, parent: IDENTITY }))
    .reverse();
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const node = nodes[next.index]!;
    const matrix = multiply(next.parent, ownMatrix(node));
    // A mesh flattened to nothing has no inverse, and nothing to see.
    if (node.mesh !== undefined && Math.abs(determinant(matrix)) > 1e-30) {
      placements.push({ mesh: node.mesh, matrix });
    }
    if (node.camera !== undefined) {
      const camera = placeCamera(gltf, node.camera, matrix);
      if (camera !== undefined) cameras.push({ name: nameOf(node, cameras.length), camera });
    }
    for (const index of (node.children ?? []).toReversed()) pending.push({ index, parent: matrix });
  }
  return { placements, cameras };
}

function nameOf(node: Node, index: number): string {
  const name = node["name"];
  return typeof name === "string" ? name.slice(0, 100) : `camera ${index}`;
}

function roots(gltf: GltfJson): readonly number[] {
  const scene = gltf.scenes?.[gltf.scene ?? 0];
  if (scene !== undefined) return scene.nodes ?? [];
  const children = new Set((gltf.nodes ?? []).flatMap((node) => node.children ?? []));
  return [...(gltf.nodes ?? []).keys()].filter((index) => !children.has(index));
}

function ownMatrix(node: Node): Matrix {
  if (node.matrix !== undefined) return node.matrix;
  const [x, y, z, w] = (node.rotation ?? [0, 0, 0, 1]) as [number, number, number, number];
  const [sx, sy, sz] = (node.scale ?? [1, 1, 1]) as [number, number, number];
  const [tx, ty, tz] = (node.translation ?? [0, 0, 0]) as [number, number, number];
  return [
    ...[(1 - 2 * (y * y + z * z)) * sx, 2 * (x * y + z * w) * sx, 2 * (x * z - y * w) * sx, 0],
    ...[2 * (x * y - z * w) * sy, (1 - 2 * (x * x + z * z)) * sy, 2 * (y * z + x * w) * sy, 0],
    ...[2 * (x * z + y * w) * sz, 2 * (y * z - x * w) * sz, (1 - 2 * (x * x + y * y)) * sz, 0],
    ...[tx, ty, tz, 1],
  ];
}

function multiply(a: Matrix, b: Matrix): Matrix {
  if (a === IDENTITY) return b;
  const product: number[] = [];
  for (let column = 0; column < 4; column++) {
    for (let row = 0; row < 4; row++) {
      let value = 0;
      for (let k = 0; k < 4; k++) value += a[4 * k + row]! * b[4 * column + k]!;
      product.push(value);
    }
  }
  return product;
}

/** A perspective camera at a node; one without perspective has no place here. */
function placeCamera(gltf: GltfJson, index: number, matrix: Matrix): Camera | undefined {
  const json = gltf.cameras![index]!;
  if (json.type !== "perspective") return undefined;
  const axis = (column: number, sign: number): Vector => {
    const [x, y, z] = matrix.slice(4 * column, 4 * column + 3).map((value) => value * sign);
    return normalize([x!, y!, z!]);
  };
  return {
    position: [matrix[12]!, matrix[13]!, matrix[14]!],
    right: axis(0, 1),
    up: axis(1, 1),
    forward: axis(2, -1),
    fieldOfView: Math.min(3, Math.max(0.01, json.perspective.yfov)),
    ...readCameraExtras(json["extras"]),
  };
}

export function normalize([x, y, z]: Vector): Vector {
  const length = Math.sqrt(x * x + y * y + z * z);
  return length > 0 ? [x / length, y / length, z / length] : [0, 0, 1];
}

/** A camera that looks from `position` at `target`, upright, both apart. @param fieldOfView vertical, in radians. */
export function lookAt(position: Vector, target: Vector, fieldOfView: number): Camera {
  const forward = normalize([target[0] - position[0], target[1] - position[1], target[2] - position[2]]);
  const upright: Vector = Math.abs(forward[1]) > 0.999 ? [0, 0, -1] : [0, 1, 0];
  const right = normalize(cross(forward, upright));
  const up = cross(right, forward);
  return { position, right, up, forward, fieldOfView, lensRadius: 0, focusDistance: 1 };
}

function cross(a: Vector, b: Vector): Vector {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
}
