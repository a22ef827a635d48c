/**
 * The JSON of a glTF 2.0 file as far as it is used here, held to its bounds before a library reads what it points to:
 * every index exists, every accessor lies within its bytes, nodes form trees.
 */
import { z } from "zod";
import { DecodeError } from "#base/lib/decode-error.ts";
import type { SceneLimits } from "./scene-limits.ts";

/** Extensions that are understood, wholly; a file that requires another one is refused. */
export const KNOWN_EXTENSIONS = [
  "KHR_texture_transform",
  "KHR_materials_emissive_strength",
  "KHR_materials_unlit",
  "KHR_mesh_quantization",
];

const index = z.number().int().min(0).max(0xffff_ffff);
const count = z.number().int().min(0).max(0xffff_ffff);
const finite = z.number().min(-1e9).max(1e9);
const numbers = (length: number) => z.array(finite).length(length);

const textureInfo = z.looseObject({
  index,
  texCoord: index.optional(),
  extensions: z
    .looseObject({
      KHR_texture_transform: z
        .looseObject({
          offset: numbers(2).optional(),
          rotation: finite.optional(),
          scale: numbers(2).optional(),
          texCoord: index.optional(),
        })
        .optional(),
    })
    .optional(),
});
export type TextureInfo = z.infer<typeof textureInfo>;

const material = z.looseObject({
  pbrMetallicRoughness: z
    .looseObject({
      baseColorFactor: numbers(4).optional(),
      metallicFactor: finite.optional(),
      roughnessFactor: finite.optional(),
      baseColorTexture: textureInfo.optional(),
      metallicRoughnessTexture: textureInfo.optional(),
    })
    .optional(),
  emissiveFactor: numbers(3).optional(),
  emissiveTexture: textureInfo.optional(),
  normalTexture: textureInfo.optional(),
  occlusionTexture: textureInfo.optional(),
  extensions: z
    .looseObject({
      KHR_materials_emissive_strength: z.looseObject({ emissiveStrength: finite.optional() }).optional(),
      KHR_materials_unlit: z.looseObject({}).optional(),
    })
    .optional(),
});
export type MaterialJson = z.infer<typeof material>;

const sparsePart = z.looseObject({
  bufferView: index,
  byteOffset: count.optional(),
  componentType: z.number().optional(),
});
const accessor = z.looseObject({
  bufferView: index.optional(),
  byteOffset: count.optional(),
  componentType: z.union([5120, 5121, 5122, 5123, 5125, 5126].map((type) => z.literal(type))),
  count: z.number().int().min(1).max(0xffff_ffff),
  type: z.enum(["SCALAR", "VEC2", "VEC3", "VEC4", "MAT2", "MAT3", "MAT4"]),
  sparse: z.looseObject({ count, indices: sparsePart, values: sparsePart }).optional(),
});
export type AccessorJson = z.infer<typeof accessor>;

const primitive = z.looseObject({
  attributes: z.record(z.string(), index),
  indices: index.optional(),
  material: index.optional(),
  mode: z.number().int().min(0).max(6).optional(),
  targets: z.array(z.record(z.string(), index)).optional(),
});

const node = z.looseObject({
  children: z.array(index).optional(),
  mesh: index.optional(),
  camera: index.optional(),
  skin: index.optional(),
  matrix: numbers(16).optional(),
  translation: numbers(3).optional(),
  rotation: numbers(4).optional(),
  scale: numbers(3).optional(),
});

const camera = z.discriminatedUnion("type", [
  z.looseObject({
    type: z.literal("perspective"),
    perspective: z.looseObject({ yfov: finite, znear: finite }),
  }),
  z.looseObject({
    type: z.literal("orthographic"),
    orthographic: z.looseObject({ xmag: finite, ymag: finite, zfar: finite, znear: finite }),
  }),
]);

function list<T extends z.ZodType>(entry: T) {
  return z.array(entry).optional();
}

const document = z.looseObject({
  asset: z.looseObject({ version: z.literal("2.0") }),
  extensionsRequired: list(z.string()),
  buffers: list(z.looseObject({ byteLength: count, uri: z.string().optional() })),
  bufferViews: list(
    z.looseObject({
      buffer: index,
      byteOffset: count.optional(),
      byteLength: count,
      byteStride: z.number().int().min(4).max(252).optional(),
    }),
  ),
  accessors: list(accessor),
  images: list(z.looseObject({ uri: z.string().optional(), bufferView: index.optional() })),
  samplers: list(z.looseObject({})),
  textures: list(z.looseObject({ source: index.optional(), sampler: index.optional() })),
  materials: list(material),
  meshes: list(z.looseObject({ primitives: z.array(primitive) })),
  cameras: list(camera),
  nodes: list(node),
  scenes: list(z.looseObject({ nodes: z.array(index).optional() })),
  scene: index.optional(),
});
export type GltfJson = z.infer<typeof document>;

/**
 * Holds the JSON of a `.glb` to its form and to the limits. Skins and animations are no part of a still picture: they
 * are taken out.
 * @param binary bytes of the file's binary part.
 * @throws DecodeError naming what is wrong.
 */
export function checkGltf(json: unknown, binary: number, limits: SceneLimits): GltfJson {
  boundLists(json, limits);
  const parsed = document.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new DecodeError(`glTF: ${issue?.path.join(".")}: ${issue?.message}`);
  }
  const gltf = parsed.data;
  for (const name of gltf.extensionsRequired ?? []) {
    if (!KNOWN_EXTENSIONS.includes(name)) {
      throw new DecodeError(`glTF: the file requires ${name.slice(0, 64)}, which is not understood`);
    }
  }
  checkBytes(gltf, binary);
  checkAccessors(gltf, limits);
  checkReferences(gltf);
  checkNodes(gltf, limits.nodeDepth);
  return gltf;
}

/** No list at the top is long enough to make reading it costly. */
function boundLists(json: unknown, { entries, images }: SceneLimits): void {
  if (typeof json !== "object" || json === null) throw new DecodeError("glTF: is no object");
  for (const [name, value] of Object.entries(json)) {
    if (!Array.isArray(value)) continue;
    const limit = name === "images" ? images : entries;
    if (value.length > limit) throw new DecodeError(`glTF: more than ${limit} ${name.slice(0, 64)}`);
  }
}

function checkBytes(gltf: GltfJson, binary: number): void {
  for (const buffer of gltf.buffers ?? []) {
    if (buffer.uri !== undefined)
      throw new DecodeError("glTF: the file refers to another one; make it self-contained");
    if (buffer.byteLength > binary) throw new DecodeError("glTF: a buffer is longer than the file");
  }
  for (const view of gltf.bufferViews ?? []) {
    const buffer = gltf.buffers?.[view.buffer];
    if (buffer === undefined || (view.byteOffset ?? 0) + view.byteLength > buffer.byteLength) {
      throw new DecodeError("glTF: a buffer view lies outside its buffer");
    }
  }
  for (const image of gltf.images ?? []) {
    if (image.uri !== undefined || gltf.bufferViews?.[image.bufferView ?? -1] === undefined) {
      throw new DecodeError("glTF: an image is not inside the file");
    }
  }
}

const COMPONENT_BYTES: Readonly<Record<number, number>> = {
  5120: 1,
  5121: 1,
  5122: 2,
  5123: 2,
  5125: 4,
  5126: 4,
};
const COMPONENTS = { SCALAR: 1, VEC2: 2, VEC3: 3, VEC4: 4, MAT2: 4, MAT3: 9, MAT4: 16 };

function checkAccessors(gltf: GltfJson, limits: SceneLimits): void {
  let total = 0;
  for (const accessor of gltf.accessors ?? []) {
    total += accessor.count * COMPONENTS[accessor.type];
    if (total > limits.numbers) throw new DecodeError(`glTF: more than ${limits.numbers} numbers`);
    const element = COMPONENTS[accessor.type] * COMPONENT_BYTES[accessor.componentType]!;
    if (accessor.bufferView !== undefined) {
      const stride = gltf.bufferViews?.[accessor.bufferView]?.byteStride ?? element;
      checkRange(gltf, accessor.bufferView, accessor.byteOffset, accessor.count, element, stride);
    }
    if (accessor.sparse !== undefined) checkSparse(gltf, accessor, element);
  }
}

function checkSparse(gltf: GltfJson, { sparse, count }: AccessorJson, element: number): void {
  if (sparse === undefined) return;
  const indexBytes = COMPONENT_BYTES[sparse.indices.componentType ?? 0];
  if (indexBytes === undefined || sparse.count > count) throw new DecodeError("glTF: bad sparse accessor");
  checkRange(
    gltf,
    sparse.indices.bufferView,
    sparse.indices.byteOffset,
    sparse.count,
    indexBytes,
    indexBytes,
  );
  checkRange(gltf, sparse.values.bufferView, sparse.values.byteOffset, sparse.count, element, element);
}

function checkRange(
  gltf: GltfJson,
  viewIndex: number,
  offset = 0,
  count: number,
  element: number,
  stride: number,
): void {
  const view = gltf.bufferViews?.[viewIndex];
  if (view === undefined || stride < element || offset + (count - 1) * stride + element > view.byteLength) {
    throw new DecodeError("glTF: an accessor lies outside its buffer view");
  }
}

function checkReferences(gltf: GltfJson): void {
  const exists = (what: string, items: readonly unknown[] | undefined, at: number | undefined): void => {
    if (at !== undefined && at >= (items?.length ?? 0))
      throw new DecodeError(`glTF: there is no ${what} ${at}`);
  };
  for (const texture of gltf.textures ?? []) {
    exists("image", gltf.images, texture.source);
    exists("sampler", gltf.samplers, texture.sampler);
  }
  for (const material of gltf.materials ?? []) {
    for (const info of textureInfos(material)) {
      exists("texture", gltf.textures, info.index);
      if (gltf.textures?.[info.index]?.source === undefined) {
        throw new DecodeError("glTF: a texture has no image of a kind that is understood");
      }
    }
  }
  for (const mesh of gltf.meshes ?? []) {
    for (const primitive of mesh.primitives) {
      exists("material", gltf.materials, primitive.material);
      exists("accessor", gltf.accessors, primitive.indices);
      for (const attributes of [primitive.attributes, ...(primitive.targets ?? [])]) {
        for (const at of Object.values(attributes)) exists("accessor", gltf.accessors, at);
      }
    }
  }
  for (const node of gltf.nodes ?? []) {
    exists("mesh", gltf.meshes, node.mesh);
    exists("camera", gltf.cameras, node.camera);
    for (const child of node.children ?? []) exists("node", gltf.nodes, child);
  }
  for (const scene of gltf.scenes ?? [])
    for (const root of scene.nodes ?? []) exists("node", gltf.nodes, root);
  exists("scene", gltf.scenes, gltf.scene);
}

/** The textures that a material names. */
function textureInfos(material: MaterialJson): TextureInfo[] {
  const { pbrMetallicRoughness: pbr, emissiveTexture, normalTexture, occlusionTexture } = material;
  const all = [pbr?.baseColorTexture, pbr?.metallicRoughnessTexture, emissiveTexture, normalTexture];
  return [...all, occlusionTexture].filter((info) => info !== undefined);
}

/** Every node has one parent at most, and none is above itself or too deep. */
function checkNodes(gltf: GltfJson, maxDepth: number): void {
  const nodes = gltf.nodes ?? [];
  const parents = new Int32Array(nodes.length).fill(-1);
  for (const [i, node] of nodes.entries()) {
    for (const child of node.children ?? []) {
      if (parents[child] !== -1) throw new DecodeError("glTF: a node has two parents");
      parents[child] = i;
    }
  }
  const depths = new Int32Array(nodes.length);
  const pending = [...nodes.keys()].filter((i) => parents[i] === -1);
  let seen = 0;
  for (let i = pending.pop(); i !== undefined; i = pending.pop()) {
    seen++;
    for (const child of nodes[i]!.children ?? []) {
      depths[child] = depths[i]! + 1;
      if (depths[child]! > maxDepth)
        throw new DecodeError(`glTF: nodes are nested more than ${maxDepth} deep`);
      pending.push(child);
    }
  }
  if (seen !== nodes.length) throw new DecodeError("glTF: a node is its own ancestor");
}
