/** The picture as its tiles come in, and what is made of it. */
import { PNG } from "pngjs";
import type { RenderJob, Tile } from "./render-job.ts";
import { toneMap } from "./tone-map.ts";

/** Bytes of a pixel's sums. */
export const PIXEL_BYTES = 12;

export class Film {
  readonly #job: Pick<RenderJob, "width" | "height" | "samples">;
  /** Sums, three floats a pixel. */
  readonly #sums: Float32Array;

  constructor(job: Pick<RenderJob, "width" | "height" | "samples">) {
    this.#job = job;
    this.#sums = new Float32Array(3 * job.width * job.height);
  }

  /** Three floats a pixel, sums over its samples; 0 where no tile is in. */
  get sums(): Float32Array {
    return this.#sums;
  }

  /** Puts in a tile's output. */
  add(tile: Omit<Tile, "index">, output: Uint8Array): void {
    const floats = floatsOf(output);
    for (let row = 0; row < tile.height; row++) {
      const to = 3 * ((tile.y + row) * this.#job.width + tile.x);
      this.#sums.set(floats.subarray(3 * row * tile.width, 3 * (row + 1) * tile.width), to);
    }
  }

  /** The picture as a PNG file. @param exposure stops by which it is brightened. */
  png(exposure: number): Uint8Array {
    const { width, height, samples } = this.#job;
    return encodePng(this.#sums, { x: 0, y: 0, width, height }, 2 ** exposure / samples);
  }
}

/** One tile as a PNG file. */
export function tileImage(
  tile: Omit<Tile, "index">,
  samples: number,
  output: Uint8Array,
  exposure: number,
): Uint8Array {
  return encodePng(floatsOf(output), tile, 2 ** exposure / samples);
}

/** A tile's output as floats, whatever its place in memory. */
export function floatsOf(output: Uint8Array): Float32Array {
  return new Float32Array(output.slice().buffer);
}

function encodePng(sums: Float32Array, place: Omit<Tile, "index">, scale: number): Uint8Array {
  const { width, height } = place;
  const png = new PNG({ width, height, colorType: 2, inputHasAlpha: true });
  toneMap(sums, scale, png.data, place);
  return new Uint8Array(PNG.sync.write(png, { colorType: 2, inputHasAlpha: true }));
}
