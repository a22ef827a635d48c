/** Reads a `.glb` file into a scene, within limits; whatever is wrong with it is a DecodeError that says so. */
import { type Accessor, type Document, type JSONDocument, Logger, WebIO } from "@gltf-transform/core";
import { DecodeError } from "#base/lib/decode-error.ts";
import { decodeImage, imageSize } from "./decode-image.ts";
import { openGlb } from "./glb.ts";
import { checkGltf, type GltfJson } from "./gltf-document.ts";
import { placeNodes } from "./place-nodes.ts";
import { DEFAULT_MATERIAL, readMaterial } from "./read-material.ts";
import { readSceneExtras } from "./scene-extras.ts";
import type { SceneLimits } from "./scene-limits.ts";
import type { Image, Primitive, SceneModel } from "./scene-model.ts";

/** The name under which the library keeps the file's binary part. */
const GLB_BUFFER = "@glb.bin";
const TRIANGLES = 4;
const TRIANGLE_STRIP = 5;
const TRIANGLE_FAN = 6;

/**
 * Reads a scene.
 * @throws DecodeError naming what is wrong, or too large.
 */
export async function readGltf(bytes: Uint8Array, limits: SceneLimits): Promise<SceneModel> {
  const { json, binary } = openGlb(bytes, limits);
  const gltf = checkGltf(json, binary.length, limits);
  const { placements, cameras } = placeNodes(gltf);
  if (placements.length > limits.placements)
    throw new DecodeError(`more than ${limits.placements} places of meshes`);
  const document = await readDocument(gltf, binary);
  const meshes = readMeshes(gltf, document, limits);
  const materials = [
    ...(gltf.materials ?? []).map((material) => readMaterial(gltf, material)),
    DEFAULT_MATERIAL,
  ];
  const images = await readImages(document, limits);
  const extras = readSceneExtras(gltf.scenes?.[gltf.scene ?? 0]?.["extras"]);
  return { meshes, placements, materials, images, cameras, ...extras };
}

/** What the library is to see: data alone. Skins, animations and extensions would only be read to be dropped. */
async function readDocument(gltf: GltfJson, binary: Uint8Array): Promise<Document> {
  const { accessors, buffers, bufferViews, images } = gltf;
  const json = { asset: { version: "2.0" }, accessors, buffers, bufferViews, images };
  const given: JSONDocument = {
    json: JSON.parse(JSON.stringify(json)) as JSONDocument["json"],
    resources: { [GLB_BUFFER]: new Uint8Array(binary) },
  };
  try {
    return await new WebIO().setLogger(new Logger(Logger.Verbosity.SILENT)).readJSON(given);
  } catch (error) {
    throw new DecodeError(`glTF: ${error instanceof Error ? error.message : error}`);
  }
}

async function readImages(document: Document, limits: SceneLimits): Promise<Image[]> {
  const files = document.getRoot().listTextures();
  let pixels = 0;
  const bytes = files.map((texture) => {
    const image = texture.getImage();
    if (image === null) throw new DecodeError("glTF: an image is missing");
    const { width, height } = imageSize(image);
    if (width < 1 || height < 1 || width > limits.imageEdge || height > limits.imageEdge) {
      throw new DecodeError(
        `an image of ${width}×${height} pixels is larger than ${limits.imageEdge} along an edge`,
      );
    }
    pixels += width * height;
    if (pixels > limits.pixels)
      throw new DecodeError(`images have more than ${limits.pixels} pixels together`);
    return image;
  });
  return Promise.all(bytes.map(decodeImage));
}

interface Budget {
  triangles: number;
  vertices: number;
}

function readMeshes(gltf: GltfJson, document: Document, limits: SceneLimits): Primitive[][] {
  const accessors = document.getRoot().listAccessors();
  const budget: Budget = { triangles: limits.triangles, vertices: limits.vertices };
  const defaultMaterial = gltf.materials?.length ?? 0;
  return (gltf.meshes ?? []).map(({ primitives }) =>
    primitives.flatMap((primitive) => {
      const read = readPrimitive(primitive, accessors, defaultMaterial, budget);
      return read === undefined ? [] : [read];
    }),
  );
}

type PrimitiveJson = NonNullable<GltfJson["meshes"]>[number]["primitives"][number];

/** A primitive of triangles; undefined for points and lines, which have no surface. */
function readPrimitive(
  json: PrimitiveJson,
  accessors: readonly Accessor[],
  defaultMaterial: number,
  budget: Budget,
): Primitive | undefined {
  const mode = json.mode ?? TRIANGLES;
  const place = json.attributes["POSITION"];
  if (mode < TRIANGLES || place === undefined) return undefined;
  const positions = floats(accessors[place]!, 3);
  if (positions === undefined) throw new DecodeError("glTF: positions must be of three numbers");
  const vertices = positions.length / 3;
  if (positions.some((value) => !(Math.abs(value) <= 1e9)))
    throw new DecodeError("glTF: a position is no place");
  const indices = triangleIndices(
    mode,
    json.indices === undefined ? undefined : accessors[json.indices]!,
    vertices,
  );
  budget.vertices -= vertices;
  budget.triangles -= indices.length / 3;
  if (budget.vertices < 0) throw new DecodeError("scene has too many vertices");
  if (budget.triangles < 0) throw new DecodeError("scene has too many triangles");
  const attribute = (name: string, size: number): Float32Array | undefined => {
    const at = json.attributes[name];
    if (at === undefined) return undefined;
    const values = floats(accessors[at]!, size);
    if (values === undefined || values.length !== size * vertices) {
      throw new DecodeError(`glTF: ${name} does not fit the positions`);
    }
    return values;
  };
  return {
    positions,
    normals: attribute("NORMAL", 3),
    coordinates: [attribute("TEXCOORD_0", 2), attribute("TEXCOORD_1", 2)],
    colours: colours(json, accessors, vertices),
    indices,
    material: json.material ?? defaultMaterial,
  };
}

/** An accessor's values as floats, normalized ones brought to their range; undefined if elements have another size. */
function floats(accessor: Accessor, size: number): Float32Array | undefined {
  if (accessor.getElementSize() !== size) return undefined;
  const array = accessor.getArray();
  if (array instanceof Float32Array) return array;
  const values = new Float32Array(size * accessor.getCount());
  const element: number[] = [];
  for (let i = 0; i < accessor.getCount(); i++) values.set(accessor.getElement(i, element), size * i);
  return values;
}

function colours(
  json: PrimitiveJson,
  accessors: readonly Accessor[],
  vertices: number,
): Float32Array | undefined {
  const at = json.attributes["COLOR_0"];
  if (at === undefined) return undefined;
  const accessor = accessors[at]!;
  const four = floats(accessor, 4);
  const three = four === undefined ? floats(accessor, 3) : undefined;
  const values = four ?? (three === undefined ? undefined : withAlpha(three));
  if (values?.length !== 4 * vertices) throw new DecodeError("glTF: COLOR_0 does not fit the positions");
  return values;
}

function withAlpha(three: Float32Array): Float32Array {
  const four = new Float32Array((three.length / 3) * 4).fill(1);
  for (let i = 0; i < three.length / 3; i++) four.set(three.subarray(3 * i, 3 * i + 3), 4 * i);
  return four;
}

/** Three indices a triangle, from a list, a strip or a fan. */
function triangleIndices(mode: number, accessor: Accessor | undefined, vertices: number): Uint32Array {
  const raw = accessor?.getArray();
  if (accessor !== undefined && (accessor.getElementSize() !== 1 || raw instanceof Float32Array)) {
    throw new DecodeError("glTF: indices must be whole numbers");
  }
  const list = raw == null ? Uint32Array.from({ length: vertices }, (_, i) => i) : Uint32Array.from(raw);
  if (list.some((index) => index >= vertices))
    throw new DecodeError("glTF: an index lies beyond the vertices");
  if (mode === TRIANGLES) return list.subarray(0, list.length - (list.length % 3));
  const count = Math.max(0, list.length - 2);
  const triangles = new Uint32Array(3 * count);
  for (let i = 0; i < count; i++) {
    const odd = mode === TRIANGLE_STRIP && i % 2 === 1;
    const first = mode === TRIANGLE_FAN ? 0 : i;
    triangles.set([list[first]!, list[odd ? i + 2 : i + 1]!, list[odd ? i + 1 : i + 2]!], 3 * i);
  }
  return triangles;
}
