import type { GltfJson, MaterialJson, TextureInfo } from "./gltf-document.ts";
import type { Material, TextureUse, Wrapping } from "./scene-model.ts";

/** glTF's material where none is named. */
export const DEFAULT_MATERIAL: Material = {
  base: [1, 1, 1, 1],
  emission: [0, 0, 0],
  metallic: 1,
  roughness: 1,
  alpha: "opaque",
  alphaCutoff: 0.5,
  doubleSided: false,
  unlit: false,
  normalScale: 1,
  baseTexture: undefined,
  metallicRoughnessTexture: undefined,
  emissionTexture: undefined,
  normalTexture: undefined,
};

/** A material of a checked document. */
export function readMaterial(gltf: GltfJson, json: MaterialJson): Material {
  const pbr = json.pbrMetallicRoughness ?? {};
  const { emissiveFactor = [0, 0, 0], extensions, normalTexture } = json;
  const strength = extensions?.KHR_materials_emissive_strength?.emissiveStrength ?? 1;
  const [r, g, b, a] = pbr.baseColorFactor ?? [1, 1, 1, 1];
  const emission = emissiveFactor.map((value) => Math.max(0, value * strength));
  const use = (info: TextureInfo | undefined, srgb: boolean) => readTexture(gltf, info, srgb);
  const alphaCutoff = json["alphaCutoff"];
  const normalScale = normalTexture?.["scale"];
  return {
    base: [r!, g!, b!, a!],
    emission: [emission[0]!, emission[1]!, emission[2]!],
    metallic: pbr.metallicFactor ?? 1,
    roughness: pbr.roughnessFactor ?? 1,
    alpha: json["alphaMode"] === "MASK" ? "mask" : json["alphaMode"] === "BLEND" ? "blend" : "opaque",
    alphaCutoff: typeof alphaCutoff === "number" ? alphaCutoff : 0.5,
    doubleSided: json["doubleSided"] === true,
    unlit: extensions?.KHR_materials_unlit !== undefined,
    normalScale: typeof normalScale === "number" ? normalScale : 1,
    baseTexture: use(pbr.baseColorTexture, true),
    metallicRoughnessTexture: use(pbr.metallicRoughnessTexture, false),
    emissionTexture: use(json.emissiveTexture, true),
    normalTexture: use(normalTexture, false),
  };
}

const CLAMP_TO_EDGE = 33_071;
const MIRRORED_REPEAT = 33_648;
const NEAREST = 9_728;

function readTexture(gltf: GltfJson, info: TextureInfo | undefined, srgb: boolean): TextureUse | undefined {
  if (info === undefined) return undefined;
  const texture = gltf.textures![info.index]!;
  const sampler = gltf.samplers?.[texture.sampler ?? -1];
  const transform = info.extensions?.KHR_texture_transform;
  return {
    image: texture.source!,
    wrapU: wrapping(sampler?.["wrapS"]),
    wrapV: wrapping(sampler?.["wrapT"]),
    nearest: sampler?.["magFilter"] === NEAREST,
    srgb,
    secondSet: (transform?.texCoord ?? info.texCoord ?? 0) === 1,
    map: textureMap(transform),
  };
}

function wrapping(mode: unknown): Wrapping {
  return mode === CLAMP_TO_EDGE ? "clamp" : mode === MIRRORED_REPEAT ? "mirror" : "repeat";
}

/** KHR_texture_transform: scaled, then turned, then moved. */
function textureMap(
  transform: NonNullable<TextureInfo["extensions"]>["KHR_texture_transform"],
): [number, number, number, number, number, number] {
  const [moveU, moveV] = transform?.offset ?? [0, 0];
  const [scaleU, scaleV] = transform?.scale ?? [1, 1];
  const turn = transform?.rotation ?? 0;
  const cosine = Math.cos(turn);
  const sine = Math.sin(turn);
  return [cosine * scaleU!, sine * scaleV!, moveU!, -sine * scaleU!, cosine * scaleV!, moveV!];
}
