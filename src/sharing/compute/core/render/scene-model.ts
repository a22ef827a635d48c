/** A scene between its file and its packed form: plain arrays and numbers. */
import type { Camera, Vector } from "./render-job.ts";

/** Triangles of one material, in the mesh's own space. */
export interface Primitive {
  /** Three a vertex. */
  readonly positions: Float32Array;
  readonly normals: Float32Array | undefined;
  /** Two a vertex: the first and second set. */
  readonly coordinates: readonly [Float32Array | undefined, Float32Array | undefined];
  /** Four a vertex, linear colour and alpha. */
  readonly colours: Float32Array | undefined;
  /** Three a triangle. */
  readonly indices: Uint32Array;
  /** Its place in {@link SceneModel.materials}. */
  readonly material: number;
}

/** A mesh at one place. The matrix is 4×4 by columns, as glTF has it. */
export interface Placement {
  /** Its place in {@link SceneModel.meshes}. */
  readonly mesh: number;
  readonly matrix: readonly number[];
}

export interface Image {
  readonly width: number;
  readonly height: number;
  /** Four bytes a pixel, rows from the top. */
  readonly pixels: Uint8Array;
}

export const WRAPPING = ["repeat", "clamp", "mirror"] as const;
export type Wrapping = (typeof WRAPPING)[number];

/** An image as a material uses it. */
export interface TextureUse {
  /** Its place in {@link SceneModel.images}. */
  readonly image: number;
  readonly wrapU: Wrapping;
  readonly wrapV: Wrapping;
  readonly nearest: boolean;
  /** Whether its channels are coded as sRGB (colours are, other values not). */
  readonly srgb: boolean;
  readonly secondSet: boolean;
  /** From the vertex's coordinates to the texture's: the rows of u and of v. */
  readonly map: readonly [number, number, number, number, number, number];
}

export interface Material {
  readonly base: readonly [number, number, number, number];
  /** Radiance. */
  readonly emission: Vector;
  readonly metallic: number;
  readonly roughness: number;
  readonly alpha: "opaque" | "mask" | "blend";
  readonly alphaCutoff: number;
  readonly doubleSided: boolean;
  readonly unlit: boolean;
  readonly normalScale: number;
  readonly baseTexture: TextureUse | undefined;
  readonly metallicRoughnessTexture: TextureUse | undefined;
  readonly emissionTexture: TextureUse | undefined;
  readonly normalTexture: TextureUse | undefined;
}

/** What shines from far: radiance upwards, at the horizon and from below, with a sun that may have a glow around it. */
export interface Sky {
  readonly zenith: Vector;
  readonly horizon: Vector;
  readonly ground: Vector;
  readonly glow: Vector;
  readonly sun: Sun | undefined;
}

export interface Sun {
  /** Towards it; any length. */
  readonly direction: Vector;
  /** Radiance of its disc. */
  readonly radiance: Vector;
  /** Angle from its centre to its edge, in radians. */
  readonly radius: number;
}

export interface SceneCamera {
  readonly name: string;
  readonly camera: Camera;
}

export interface SceneModel {
  readonly meshes: readonly (readonly Primitive[])[];
  readonly placements: readonly Placement[];
  readonly materials: readonly Material[];
  readonly images: readonly Image[];
  readonly sky: Sky;
  readonly cameras: readonly SceneCamera[];
  /** Stops by which the picture is brightened. */
  readonly exposure: number;
}
