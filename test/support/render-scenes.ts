/** Small scenes for tests and measurements of the renderer, as models and as `.glb` files. */
import { Document, WebIO } from "@gltf-transform/core";
import { PNG } from "pngjs";
import { IDENTITY, type Matrix } from "#sharing/compute/core/render/matrix.ts";
import { lookAt } from "#sharing/compute/core/render/place-nodes.ts";
import { DEFAULT_MATERIAL } from "#sharing/compute/core/render/read-material.ts";
import type { Camera, RenderJob, Vector } from "#sharing/compute/core/render/render-job.ts";
import type { Material, Primitive, SceneModel, Sky } from "#sharing/compute/core/render/scene-model.ts";

const BLACK: Vector = [0, 0, 0];

/** A sky of one radiance all around. */
export function evenSky(radiance: number): Sky {
  const all: Vector = [radiance, radiance, radiance];
  return { zenith: all, horizon: all, ground: all, glow: BLACK, sun: undefined };
}

export function material(changes: Partial<Material> = {}): Material {
  return { ...DEFAULT_MATERIAL, base: [0.8, 0.8, 0.8, 1], metallic: 0, roughness: 0.9, ...changes };
}

interface Arrays {
  readonly positions: number[];
  readonly normals?: number[];
  readonly coordinates?: number[];
  readonly indices: number[];
}

export function primitive(arrays: Arrays, materialIndex: number): Primitive {
  const { positions, normals, coordinates, indices } = arrays;
  return {
    positions: new Float32Array(positions),
    normals: normals === undefined ? undefined : new Float32Array(normals),
    coordinates: [coordinates === undefined ? undefined : new Float32Array(coordinates), undefined],
    colours: undefined,
    indices: new Uint32Array(indices),
    material: materialIndex,
  };
}

/** A ball of radius 1 of 4·rings² triangles, less those without area at its poles. */
export function ballArrays(rings: number): Required<Arrays> {
  const positions: number[] = [];
  const coordinates: number[] = [];
  const indices: number[] = [];
  for (let row = 0; row <= rings; row++) {
    for (let i = 0; i <= 2 * rings; i++) {
      const [down, around] = [(Math.PI * row) / rings, (Math.PI * i) / rings];
      positions.push(Math.sin(down) * Math.cos(around), Math.cos(down), -Math.sin(down) * Math.sin(around));
      coordinates.push(i / (2 * rings), row / rings);
    }
  }
  for (let row = 0; row < rings; row++) {
    for (let i = 0; i < 2 * rings; i++) {
      const a = row * (2 * rings + 1) + i;
      const b = a + 2 * rings + 1;
      if (row > 0) indices.push(a, b, a + 1);
      if (row + 1 < rings) indices.push(a + 1, b, b + 1);
    }
  }
  return { positions, normals: [...positions], coordinates, indices };
}

/** A level square of edge 2·half about (0, height, 0), facing up. */
export function squareArrays(half: number, height = 0): Required<Arrays> {
  return {
    positions: [-half, height, half, half, height, half, half, height, -half, -half, height, -half],
    normals: [0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0],
    coordinates: [0, 1, 1, 1, 1, 0, 0, 0],
    indices: [0, 1, 2, 0, 2, 3],
  };
}

export function placed(place: Vector, size = 1): Matrix {
  return [size, 0, 0, 0, 0, size, 0, 0, 0, 0, size, 0, ...place, 1];
}

export function model(parts: Partial<SceneModel>): SceneModel {
  const meshes = parts.meshes ?? [];
  return {
    meshes,
    placements: meshes.map((_, mesh) => ({ mesh, matrix: IDENTITY })),
    materials: [material()],
    images: [],
    sky: evenSky(1),
    cameras: [],
    exposure: 0,
    ...parts,
  };
}

export function job(camera: Camera, changes: Partial<RenderJob> = {}): RenderJob {
  return {
    width: 32,
    height: 24,
    samples: 16,
    bounces: 6,
    seed: [1, 2],
    camera,
    tileSize: 64,
    clamp: 0,
    exposure: 0,
    ...changes,
  };
}

/** A checked texture of 8×8 pixels, one corner's squares clear. */
export function checkedPng(): Uint8Array {
  const png = new PNG({ width: 8, height: 8 });
  for (let i = 0; i < 64; i++) {
    const light = ((i >> 1) + (i >> 4)) % 2 === 0;
    png.data.set(light ? [230, 200, 120, 255] : [40, 70, 160, i < 32 ? 255 : 60], 4 * i);
  }
  return new Uint8Array(PNG.sync.write(png));
}

/** Balls of several materials over a floor, with a lamp and a sun: everything that a picture may hold, but small. */
export function mixedModel(rings = 5): SceneModel {
  const png = PNG.sync.read(Buffer.from(checkedPng()));
  const use = { image: 0, nearest: false, secondSet: false, map: [3, 0, 0.1, 0, 3, 0.2] as const };
  const balls = ballArrays(rings);
  const lamp: Arrays = { ...squareArrays(0.7, 0), indices: [0, 2, 1, 0, 3, 2] };
  return model({
    meshes: [
      [primitive(squareArrays(6), 0)],
      [primitive(balls, 1)],
      [primitive(balls, 2)],
      [primitive(balls, 3)],
      [primitive({ positions: lamp.positions, indices: lamp.indices }, 4)],
      [primitive(squareArrays(1.2), 5)],
    ],
    placements: [
      { mesh: 0, matrix: IDENTITY },
      { mesh: 1, matrix: placed([-2, 1, 0]) },
      { mesh: 2, matrix: placed([0.3, 0.8, 0.6], 0.8) },
      { mesh: 3, matrix: [-0.9, 0.2, 0, 0, 0.2, 1, 0, 0, 0, 0, 1.1, 0, 2.2, 1.3, -0.4, 1] },
      { mesh: 4, matrix: placed([0, 4, 1]) },
      { mesh: 4, matrix: placed([-1.1, 0.7, 1.4], 0.2) },
      { mesh: 4, matrix: placed([3, 2, -1], 0.4) },
      // Upright, turned a little.
      { mesh: 5, matrix: [0.9, 0, 0.4, 0, 0.1, 0.2, 0.9, 0, 0, -1, 0.2, 0, -0.5, 1.3, -2, 1] },
    ],
    materials: [
      material({
        baseTexture: { ...use, srgb: true, wrapU: "repeat", wrapV: "mirror", map: [4, 0, 0, 0, 4, 0] },
      }),
      material({ base: [0.9, 0.6, 0.3, 1], metallic: 1, roughness: 0.25 }),
      material({ base: [0.2, 0.5, 0.8, 1], roughness: 0.4 }),
      material({
        base: [1, 1, 1, 1],
        metallic: 1,
        roughness: 1,
        metallicRoughnessTexture: { ...use, srgb: false, wrapU: "clamp", wrapV: "repeat" },
      }),
      material({ base: [0.1, 0.1, 0.1, 1], emission: [9, 8, 6] }),
      material({
        alpha: "mask",
        alphaCutoff: 0.5,
        doubleSided: true,
        baseTexture: { ...use, srgb: true, wrapU: "repeat", wrapV: "repeat" },
      }),
    ],
    images: [{ width: 8, height: 8, pixels: new Uint8Array(png.data) }],
    sky: {
      zenith: [0.3, 0.5, 0.9],
      horizon: [0.9, 0.8, 0.7],
      ground: [0.2, 0.2, 0.2],
      glow: [0.4, 0.3, 0.1],
      sun: { direction: [0.5, 0.7, 0.6], radiance: [300, 270, 220], radius: 0.03 },
    },
  });
}

export const MIXED_CAMERA = lookAt([1.5, 3.2, 7], [0, 0.9, 0], 0.75);

/** 10,000 triangles: a hundred balls of a hundred triangles on a floor between walls, under a lamp and a window of sky. */
export function hallModel(): SceneModel {
  const balls = ballArrays(5);
  const wall = (matrix: Matrix) => ({ mesh: 0, matrix });
  const placements = Array.from({ length: 123 }, (_, i) => ({
    mesh: 1 + (i % 3),
    matrix: placed([(i % 12) - 5.5, 0.45 + 0.7 * ((i * 7) % 4), Math.floor(i / 12) - 4.5], 0.45),
  }));
  return model({
    meshes: [
      [primitive(squareArrays(8), 0)],
      ...[1, 2, 3].map((index) => [primitive(balls, index)]),
      [primitive({ ...squareArrays(1.5), indices: [0, 2, 1, 0, 3, 2] }, 4)],
    ],
    placements: [
      wall(IDENTITY),
      wall([0, 1, 0, 0, -1, 0, 0, 0, 0, 0, 1, 0, 8, 6, 0, 1]),
      wall([0, -1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, -8, 6, 0, 1]),
      wall([1, 0, 0, 0, 0, 0, 1, 0, 0, -1, 0, 0, 0, 6, -8, 1]),
      ...placements,
      { mesh: 4, matrix: placed([0, 7, 0]) },
    ],
    materials: [
      material({ base: [0.75, 0.75, 0.72, 1], doubleSided: true }),
      material({ base: [0.9, 0.7, 0.4, 1], metallic: 1, roughness: 0.2 }),
      material({ base: [0.7, 0.2, 0.15, 1], roughness: 0.5 }),
      material({ base: [0.2, 0.3, 0.7, 1], roughness: 0.3 }),
      material({ emission: [12, 11, 9] }),
    ],
    sky: { zenith: [0.4, 0.6, 1], horizon: [0.9, 0.9, 0.9], ground: BLACK, glow: BLACK, sun: undefined },
  });
}

export const HALL_CAMERA = lookAt([0, 4.5, 10], [0, 1.2, 0], 0.8);

/** One radiance all around: where a picture shows nothing else, every sample is the same under every seed. */
export const PLAIN_SKY = { zenith: [0.5, 0.5, 0.5] };

/** A `.glb` with a textured square, a ball placed twice, a camera and a sky. */
export async function smallGlb(
  sky: object = { zenith: [0.4, 0.5, 0.9], horizon: [1, 1, 1] },
): Promise<Uint8Array> {
  const document = new Document();
  const buffer = document.createBuffer();
  const scene = document.createScene();
  const accessor = (type: "VEC2" | "VEC3" | "SCALAR", array: Float32Array | Uint16Array) =>
    document.createAccessor().setType(type).setArray(array.slice()).setBuffer(buffer);
  const mesh = (arrays: Required<Arrays>, name: string) => {
    const look = document.createMaterial(name).setMetallicFactor(0.5).setRoughnessFactor(0.4);
    const shape = document
      .createPrimitive()
      .setMaterial(look)
      .setAttribute("POSITION", accessor("VEC3", new Float32Array(arrays.positions)))
      .setAttribute("NORMAL", accessor("VEC3", new Float32Array(arrays.normals)))
      .setAttribute("TEXCOORD_0", accessor("VEC2", new Float32Array(arrays.coordinates)))
      .setIndices(accessor("SCALAR", new Uint16Array(arrays.indices)));
    return { look, mesh: document.createMesh(name).addPrimitive(shape) };
  };
  const floor = mesh(squareArrays(3), "floor");
  floor.look.setAlphaMode("MASK").setEmissiveFactor([0.1, 0, 0]);
  floor.look.setBaseColorTexture(
    document.createTexture().setMimeType("image/png").setImage(new Uint8Array(checkedPng())),
  );
  scene.addChild(document.createNode("floor").setMesh(floor.mesh));
  const round = mesh(ballArrays(3), "ball");
  for (const x of [-1, 1]) {
    scene.addChild(
      document.createNode().setMesh(round.mesh).setTranslation([x, 1, 0]).setScale([0.6, 0.6, 0.6]),
    );
  }
  const camera = document.createCamera("eye").setYFov(0.8).setExtras({ lensRadius: 0.01, focusDistance: 5 });
  scene.addChild(document.createNode("eye").setCamera(camera).setTranslation([0, 1, 6]));
  scene.setExtras({ exposure: 0.5, sky });
  return new WebIO().writeBinary(document);
}

/** 10,000 triangles: a hundred balls on a wide floor, under sky and sun. */
export function fieldModel(): SceneModel {
  const hall = hallModel();
  return {
    ...hall,
    placements: [{ mesh: 0, matrix: placed([0, 0, 0], 4) }, ...hall.placements.slice(4, -1)],
    sky: {
      ...hall.sky,
      glow: [0.4, 0.3, 0.2],
      sun: { direction: [0.4, 0.6, 0.5], radiance: [20_000, 18_000, 15_000], radius: 0.005 },
    },
  };
}

export const FIELD_CAMERA = HALL_CAMERA;
