/**
 * From linear light to the colours of a screen: Hill's fit of the ACES reference and output transforms, which lets
 * bright colours fade to white as film does, then sRGB, dithered: a dusky sky has fewer than one code a row, and would show
 * its steps as bands.
 */

/** sRGB to the fit's space, saturation included; rows. */
const INPUT = [0.59719, 0.35458, 0.04823, 0.076, 0.90834, 0.01566, 0.0284, 0.13383, 0.83777];
const OUTPUT = [1.60475, -0.53108, -0.07367, -0.10208, 1.10813, -0.00605, -0.00327, -0.07276, 1.07602];

/** Steps of the table that stands in for the sRGB curve. */
const STEPS = 16_384;
const CODES = Float32Array.from({ length: STEPS + 1 }, (_, i) => codeOf(i / STEPS));

function codeOf(linear: number): number {
  const coded = linear <= 0.0031308 ? 12.92 * linear : 1.055 * linear ** (1 / 2.4) - 0.055;
  return 255 * coded;
}

/** In 0 … 1, evenly spread among neighbours (Jimenez's interleaved gradient noise): what a pixel's codes are rounded up by. */
function ditherAt(x: number, y: number): number {
  const turn = 52.9829189 * ((0.06711056 * x + 0.00583715 * y) % 1);
  return turn % 1;
}

function curve(x: number): number {
  return (x * (x + 0.0245786) - 0.000090537) / (x * (0.983729 * x + 0.432951) + 0.238081);
}

function row(matrix: readonly number[], at: number, r: number, g: number, b: number): number {
  return matrix[at]! * r + matrix[at + 1]! * g + matrix[at + 2]! * b;
}

/**
 * Writes four bytes (red, green, blue, opaque) for each pixel.
 * @param linear three floats a pixel, each the sum over its samples.
 * @param scale what makes a sum a radiance as it is to appear: 2^exposure / samples.
 * @param place of the pixels in the whole picture, so that a tile looks as it will in there.
 */
export function toneMap(
  linear: Float32Array,
  scale: number,
  out: Uint8Array,
  place: { readonly x: number; readonly y: number; readonly width: number },
): void {
  for (let i = 0, to = 0; i < linear.length; i += 3, to += 4) {
    const pixel = i / 3;
    const dither = ditherAt(place.x + (pixel % place.width), place.y + Math.floor(pixel / place.width));
    // The fit lies lower than others by this factor.
    const r = linear[i]! * scale * 1.6;
    const g = linear[i + 1]! * scale * 1.6;
    const b = linear[i + 2]! * scale * 1.6;
    const x = curve(row(INPUT, 0, r, g, b));
    const y = curve(row(INPUT, 3, r, g, b));
    const z = curve(row(INPUT, 6, r, g, b));
    out[to] = code(row(OUTPUT, 0, x, y, z), dither);
    out[to + 1] = code(row(OUTPUT, 3, x, y, z), dither);
    out[to + 2] = code(row(OUTPUT, 6, x, y, z), dither);
    out[to + 3] = 255;
  }
}

function code(linear: number, dither: number): number {
  return Math.floor(CODES[Math.round(Math.min(1, Math.max(0, linear)) * STEPS)]! + dither);
}
