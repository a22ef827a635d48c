import { DecodeError } from "#base/lib/decode-error.ts";

/** Samples that share one stream of random numbers and one leaf entry: the unit in which renders are checked. */
export const BATCH = 16;
/** Edge of a tile in pixels, unless a job says otherwise. */
export const TILE_SIZE = 64;
/** Scattering events of a path, unless a job says otherwise. */
export const DEFAULT_BOUNCES = 6;

/** What a job may ask for; the kernel holds to the same. */
export const RENDER_LIMITS = {
  /** Pixels along an edge of the picture. */
  edge: 16_384,
  /** Pixels along an edge of a tile. */
  tileEdge: 256,
  samples: 65_536,
  bounces: 64,
  /** Bytes of a tile's trace, all its pixels and batches. */
  trace: 1 << 26,
} as const;

export type Vector = readonly [x: number, y: number, z: number];

/** A perspective camera with a thin lens, in the scene's world coordinates (glTF: y up, metres). */
export interface Camera {
  readonly position: Vector;
  /** Orthonormal: where the picture's right, its top and the look itself point. */
  readonly right: Vector;
  readonly up: Vector;
  readonly forward: Vector;
  /** Vertical field of view in radians. */
  readonly fieldOfView: number;
  /** Radius of the lens in metres; 0 has everything sharp. */
  readonly lensRadius: number;
  /** Distance at which everything is sharp, in metres. */
  readonly focusDistance: number;
}

/** A picture to render of a packed scene. The same job gives the same picture, bit for bit, everywhere. */
export interface RenderJob {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** Paths per pixel, a multiple of {@link BATCH}. */
  readonly samples: number;
  readonly bounces: number;
  /** Of the random numbers: two words of 32 bits. */
  readonly seed: readonly [low: number, high: number];
  readonly camera: Camera;
  readonly tileSize: number;
  /**
   * Largest radiance of any colour that a single path may bring after its first bounce, and half of what it may bring
   * from a lamp that is seen; beyond it light is dimmed in its own colour. Where it is set, what mirrors throw on dull
   * surfaces is blurred, too. 0: neither, for light exactly as it is.
   */
  readonly clamp: number;
  /** Stops by which the finished picture is brightened: no part of tracing, it travels with the tasks. */
  readonly exposure: number;
}

/** A rectangle of the picture, in pixels from its top left corner. */
export interface Tile {
  /** Its place among the job's tiles, row by row. */
  readonly index: number;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** The job's tiles row by row from the top left; those at the right and lower edge may be smaller. */
export function tilesOf(job: Pick<RenderJob, "width" | "height" | "tileSize">): Tile[] {
  const tiles: Tile[] = [];
  for (let y = 0; y < job.height; y += job.tileSize) {
    for (let x = 0; x < job.width; x += job.tileSize) {
      const width = Math.min(job.tileSize, job.width - x);
      const height = Math.min(job.tileSize, job.height - y);
      tiles.push({ index: tiles.length, x, y, width, height });
    }
  }
  return tiles;
}

/** Batches of every pixel of a job. */
export function batchesOf(job: Pick<RenderJob, "samples">): number {
  return job.samples / BATCH;
}

/**
 * Refuses a job that is out of bounds.
 * @throws DecodeError naming what is wrong.
 */
export function checkRenderJob(job: RenderJob): void {
  const { edge, tileEdge, samples, bounces, trace } = RENDER_LIMITS;
  within("width", job.width, 1, edge);
  within("height", job.height, 1, edge);
  within("samples", job.samples, BATCH, samples);
  if (job.samples % BATCH !== 0) throw new DecodeError(`samples must be a multiple of ${BATCH}`);
  within("bounces", job.bounces, 0, bounces);
  within("tile size", job.tileSize, 1, tileEdge);
  const tile = Math.min(job.tileSize, job.width) * Math.min(job.tileSize, job.height);
  if (tile * batchesOf(job) * 12 > trace) throw new DecodeError("too many samples for tiles of this size");
  for (const word of job.seed) within("seed", word, 0, 0xffff_ffff);
  if (!(Number.isFinite(job.clamp) && job.clamp >= 0)) throw new DecodeError("clamp must be 0 or more");
  if (!(Math.abs(job.exposure) <= 40)) throw new DecodeError("exposure must be within 40 stops");
  checkCamera(job.camera);
}

function checkCamera(camera: Camera): void {
  const numbers = [...camera.position, ...camera.right, ...camera.up, ...camera.forward];
  if (!numbers.every((value) => Math.abs(value) <= 1e9)) throw new DecodeError("camera is out of bounds");
  if (!(camera.fieldOfView > 0.001 && camera.fieldOfView < 3.1)) {
    throw new DecodeError("field of view must be between 0.001 and 3.1 radians");
  }
  if (!(camera.lensRadius >= 0 && camera.lensRadius <= 1e6)) throw new DecodeError("lens is out of bounds");
  if (!(camera.focusDistance > 0 && camera.focusDistance <= 1e9)) {
    throw new DecodeError("focus distance is out of bounds");
  }
}

function within(what: string, value: number, low: number, high: number): void {
  if (!Number.isInteger(value) || value < low || value > high) {
    throw new DecodeError(`${what} must be a whole number from ${low} to ${high}`);
  }
}
