/** A picture in the terminal that fills up tile by tile: two pixels a character, in half blocks. */

/** How many colours the terminal shows. */
export type ColourDepth = "truecolor" | "256" | "none";

export function colourDepth(
  stream: { readonly isTTY?: boolean },
  env: Readonly<Record<string, string | undefined>>,
): ColourDepth {
  if (stream.isTTY !== true || (env["NO_COLOR"] ?? "") !== "" || env["TERM"] === "dumb") return "none";
  if (/truecolor|24bit/i.test(env["COLORTERM"] ?? "")) return "truecolor";
  return /256/.test(env["TERM"] ?? "") ? "256" : "none";
}

export interface TilePicture {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  /** RGBA, row by row. */
  readonly pixels: Uint8Array;
}

/** Sums of the pixels under each cell, and how many there are. */
export class Mosaic {
  readonly columns: number;
  /** Rows of characters; each is two rows of cells. */
  readonly rows: number;
  readonly #width: number;
  readonly #height: number;
  readonly #sums: Float64Array;
  readonly #counts: Uint32Array;

  /** @param room columns and rows of characters that may be used. */
  constructor(
    picture: { readonly width: number; readonly height: number },
    room: { readonly columns: number; readonly rows: number },
  ) {
    const scale = Math.max(picture.width / room.columns, picture.height / (2 * room.rows), 1);
    this.#width = picture.width;
    this.#height = picture.height;
    this.columns = Math.max(1, Math.round(picture.width / scale));
    this.rows = Math.max(1, Math.round(picture.height / scale / 2));
    const cells = this.columns * this.rows * 2;
    this.#sums = new Float64Array(3 * cells);
    this.#counts = new Uint32Array(cells);
  }

  add(tile: TilePicture): void {
    for (let y = 0; y < tile.height; y++) {
      const row = Math.min(2 * this.rows - 1, Math.floor(((tile.y + y) * 2 * this.rows) / this.#height));
      for (let x = 0; x < tile.width; x++) {
        const column = Math.min(this.columns - 1, Math.floor(((tile.x + x) * this.columns) / this.#width));
        const cell = row * this.columns + column;
        const at = 4 * (y * tile.width + x);
        for (let i = 0; i < 3; i++) this.#sums[3 * cell + i]! += tile.pixels[at + i]!;
        this.#counts[cell]!++;
      }
    }
  }

  /** Its lines, each complete in itself. */
  lines(depth: "truecolor" | "256"): string[] {
    return Array.from({ length: this.rows }, (_, row) => {
      let line = "";
      for (let column = 0; column < this.columns; column++) {
        line += half(this.#cell(2 * row, column), this.#cell(2 * row + 1, column), depth);
      }
      return `${line}\u001b[0m`;
    });
  }

  /** The mean colour of a cell; undefined where no tile is yet. */
  #cell(row: number, column: number): readonly [number, number, number] | undefined {
    const cell = row * this.columns + column;
    const count = this.#counts[cell]!;
    if (count === 0) return undefined;
    const mean = (i: number): number => Math.round(this.#sums[3 * cell + i]! / count);
    return [mean(0), mean(1), mean(2)];
  }
}

type Colour = readonly [number, number, number];

/** The upper half in the foreground, the lower one in the background. */
function half(upper: Colour | undefined, lower: Colour | undefined, depth: "truecolor" | "256"): string {
  if (upper === undefined && lower === undefined) return "\u001b[0;2m·";
  if (upper === undefined) return `\u001b[0;${paint(38, lower!, depth)}m▄`;
  if (lower === undefined) return `\u001b[0;${paint(38, upper, depth)}m▀`;
  return `\u001b[0;${paint(38, upper, depth)};${paint(48, lower, depth)}m▀`;
}

function paint(ground: 38 | 48, [red, green, blue]: Colour, depth: "truecolor" | "256"): string {
  if (depth === "truecolor") return `${ground};2;${red};${green};${blue}`;
  const step = (value: number): number => Math.round((value / 255) * 5);
  return `${ground};5;${16 + 36 * step(red) + 6 * step(green) + step(blue)}`;
}
