import { DecodeError } from "#base/lib/decode-error.ts";
import type { Camera, RenderJob, Tile, Vector } from "./render-job.ts";

/** "FHRT" as a little-endian word, the first of the params. */
const MAGIC = 0x5452_4846;
const VERSION = 1;
/** Bytes before the list of pairs. */
export const PARAMS_SIZE = 144;
const PAIR_SIZE = 12;

/** A batch of samples of one pixel of the picture, as checks name it. */
export interface Pair {
  readonly x: number;
  readonly y: number;
  readonly batch: number;
}

/**
 * The task's params for one tile: what part 0 of the kernel's input holds. Little endian.
 *
 * | at | what |
 * |---|---|
 * | 0 | u32 magic "FHRT", u32 version 1, u32 mode (0 tile, 1 pairs), u32 number of pairs |
 * | 16 | u32 picture width, height, u32 samples, u32 bounces |
 * | 32 | u32 tile x, y, width, height |
 * | 48 | u32 seed low, u32 seed high, f32 clamp, f32 exposure (for the requester) |
 * | 64 | f32×3 position, f32 lens radius |
 * | 80 | f32×3 right, f32 half width of the picture at distance 1 |
 * | 96 | f32×3 up, f32 half height of the picture at distance 1 |
 * | 112 | f32×3 forward, f32 focus distance |
 * | 128 | 16 bytes of 0 |
 * | 144 | the pairs: u32 x, u32 y (of the picture), u32 batch each |
 */
export function encodeTileParams(job: RenderJob, tile: Tile): Uint8Array {
  const bytes = new Uint8Array(PARAMS_SIZE);
  const view = new DataView(bytes.buffer);
  const picture = [job.width, job.height, job.samples, job.bounces];
  const words = [MAGIC, VERSION, 0, 0, ...picture, tile.x, tile.y, tile.width, tile.height, ...job.seed];
  for (const [i, word] of words.entries()) view.setUint32(4 * i, word, true);
  view.setFloat32(56, job.clamp, true);
  view.setFloat32(60, job.exposure, true);
  writeCamera(view, job.camera, job.width / job.height);
  return bytes;
}

/** Makes of a tile's params those that have the kernel give the sums of the listed pairs alone. */
export function encodePairsParams(tileParams: Uint8Array, pairs: readonly Pair[]): Uint8Array {
  const bytes = new Uint8Array(PARAMS_SIZE + PAIR_SIZE * pairs.length);
  bytes.set(tileParams.subarray(0, PARAMS_SIZE));
  const view = new DataView(bytes.buffer);
  view.setUint32(8, 1, true);
  view.setUint32(12, pairs.length, true);
  for (const [i, { x, y, batch }] of pairs.entries()) {
    for (const [k, value] of [x, y, batch].entries()) {
      view.setUint32(PARAMS_SIZE + PAIR_SIZE * i + 4 * k, value, true);
    }
  }
  return bytes;
}

function writeCamera(view: DataView, camera: Camera, aspect: number): void {
  const halfHeight = Math.tan(camera.fieldOfView / 2);
  const rows: readonly (readonly [Vector, number])[] = [
    [camera.position, camera.lensRadius],
    [camera.right, halfHeight * aspect],
    [camera.up, halfHeight],
    [camera.forward, camera.focusDistance],
  ];
  for (const [i, [vector, last]] of rows.entries()) {
    for (const [axis, value] of [...vector, last].entries()) {
      view.setFloat32(64 + 16 * i + 4 * axis, value, true);
    }
  }
}

/** What a tile's params say, but for the camera: enough to know the size of its result and to name it. */
export interface TileParams {
  readonly width: number;
  readonly height: number;
  readonly samples: number;
  readonly bounces: number;
  /** Stops. */
  readonly exposure: number;
  readonly tile: Omit<Tile, "index">;
}

/**
 * Reads the params of a tile.
 * @throws DecodeError where they are not such.
 */
export function decodeTileParams(bytes: Uint8Array): TileParams {
  if (bytes.length !== PARAMS_SIZE) throw new DecodeError("render params have another length");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const word = (at: number): number => view.getUint32(at, true);
  if (word(0) !== MAGIC || word(4) !== VERSION || word(8) !== 0 || word(12) !== 0) {
    throw new DecodeError("these are not the params of a tile");
  }
  const tile = { x: word(32), y: word(36), width: word(40), height: word(44) };
  const exposure = view.getFloat32(60, true);
  return { width: word(16), height: word(20), samples: word(24), bounces: word(28), exposure, tile };
}
