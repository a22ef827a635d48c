/** What a scene file may hold. Beyond it the file is refused with a reason, before memory is spent on it. */
export interface SceneLimits {
  /** Bytes of the file, and of the JSON inside. */
  readonly file: number;
  readonly json: number;
  /** Entries of each of the file's lists. */
  readonly entries: number;
  /** Numbers in all accessors together. */
  readonly numbers: number;
  /** Triangles and vertices as they are stored. */
  readonly triangles: number;
  readonly vertices: number;
  /** Meshes' places, and the triangles of those that stand once or are copied to each place. */
  readonly placements: number;
  readonly nodeDepth: number;
  readonly images: number;
  /** Pixels along an image's edge, and of all images together. */
  readonly imageEdge: number;
  readonly pixels: number;
  /** Bytes of the packed scene. */
  readonly packed: number;
}

export const SCENE_LIMITS: SceneLimits = {
  file: 256 * 2 ** 20,
  json: 64 * 2 ** 20,
  entries: 200_000,
  numbers: 64 * 2 ** 20,
  triangles: 4_000_000,
  vertices: 6_000_000,
  placements: 200_000,
  nodeDepth: 256,
  images: 512,
  imageEdge: 8_192,
  pixels: 32 * 2 ** 20,
  packed: 384 * 2 ** 20,
};
