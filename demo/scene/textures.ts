/** The scene's textures, drawn pixel by pixel and kept as PNG. */
import { PNG } from "pngjs";
import { clouds, noise } from "./noise.ts";

type Colour = readonly [red: number, green: number, blue: number];

/** Draws a texture; `colour` takes 0 … 1 across and down, and gives 0 … 1 as on a screen. */
function draw(size: number, colour: (u: number, v: number) => Colour): Uint8Array {
  const png = new PNG({ width: size, height: size });
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const channels = colour((x + 0.5) / size, (y + 0.5) / size);
      for (const [i, value] of channels.entries()) {
        png.data[4 * (y * size + x) + i] = Math.round(255 * Math.min(1, Math.max(0, value)));
      }
      png.data[4 * (y * size + x) + 3] = 255;
    }
  }
  return new Uint8Array(PNG.sync.write(png));
}

function blend(a: Colour, b: Colour, share: number): Colour {
  return [a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share];
}

/** Walnut, its grain along v. */
export function wood(): Uint8Array {
  return draw(256, (u, v) => {
    const bend = 0.15 * clouds(4 * u, 2 * v, 0, 4);
    const ring = Math.abs(((8 * (u + bend)) % 1) - 0.5) * 2;
    const fibre = noise(96 * u, 6 * v, 5, 6);
    const colour = blend([0.45, 0.3, 0.19], [0.68, 0.5, 0.33], ring * 0.7 + 0.3 * fibre);
    return blend(colour, [0.3, 0.18, 0.11], 0.35 * clouds(8 * u, 8 * v, 9, 8));
  });
}

/** Rows of slates, each row laid over half of the next. */
export function slates(): Uint8Array {
  return draw(256, (u, v) => {
    const row = Math.floor(v * 8);
    const along = u * 8 + (row % 2) / 2;
    const slate = Math.floor(along);
    const [x, y] = [along - slate, v * 8 - row];
    const edge = Math.min(x, 1 - x) < 0.04 || y > 0.92;
    const tone = 0.75 + 0.5 * noise((slate % 8) + 0.5, row + 0.5, 3);
    const base: Colour = blend([0.5, 0.2, 0.15], [0.62, 0.3, 0.2], noise((slate % 8) + 0.5, row + 0.5, 8));
    const shade = (edge ? 0.45 : 1) * tone * (1 - 0.25 * (1 - y));
    return [base[0] * shade, base[1] * shade, base[2] * shade];
  });
}

/** Whitewashed stones. */
export function wall(): Uint8Array {
  return draw(256, (u, v) => {
    const row = Math.floor(v * 6);
    const along = u * 4 + (row % 2) / 2 + 0.12 * noise(6 * u, row + 0.5, 2, 6);
    const stone = Math.floor(along);
    const [x, y] = [along - stone, v * 6 - row];
    const joint = Math.min(x, 1 - x) < 0.05 || Math.min(y, 1 - y) < 0.08;
    const tone = 0.86 + 0.14 * noise((stone % 4) + 0.5, row + 0.5, 7);
    const rough = 0.93 + 0.07 * clouds(16 * u, 16 * v, 4, 16);
    const colour: Colour = joint ? [0.66, 0.62, 0.56] : [0.93 * tone, 0.89 * tone, 0.82 * tone];
    return [colour[0] * rough, colour[1] * rough, colour[2] * rough];
  });
}

/** Grass as seen from above. */
export function grass(): Uint8Array {
  return draw(256, (u, v) => {
    const blade = noise(64 * u, 64 * v, 1, 64);
    const patch = clouds(6 * u, 6 * v, 2, 6);
    return blend(blend([0.26, 0.42, 0.16], [0.5, 0.6, 0.24], patch), [0.18, 0.33, 0.12], 0.5 * blade);
  });
}

/** A window of four panes, lit from inside. */
export function lampWindow(): Uint8Array {
  return draw(64, (u, v) => {
    const frame =
      Math.min(u, 1 - u, v, 1 - v) < 0.07 || Math.abs(u - 0.5) < 0.035 || Math.abs(v - 0.5) < 0.035;
    if (frame) return [0.02, 0.015, 0.01];
    const glow = 1 - 0.5 * Math.hypot(u - 0.5, v - 0.6);
    return [glow, 0.86 * glow, 0.66 * glow];
  });
}
