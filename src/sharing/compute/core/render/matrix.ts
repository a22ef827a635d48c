/** 4×4 matrices by columns, as glTF has them. */
export type Matrix = readonly number[];

export const IDENTITY: Matrix = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];

/** Determinant of the upper 3×3. */
export function determinant(m: Matrix): number {
  const [a, b, c, , d, e, f, , g, h, i] = m as number[];
  return a! * (e! * i! - f! * h!) - d! * (b! * i! - c! * h!) + g! * (b! * f! - c! * e!);
}

/** Three rows of four: the affine map as the kernel reads it. */
export function rowsOf(m: Matrix): number[] {
  return [0, 1, 2].flatMap((row) => [m[row]!, m[4 + row]!, m[8 + row]!, m[12 + row]!]);
}

/** Rows of the inverse affine map. The determinant must not be 0. */
export function inverseRows(m: Matrix): number[] {
  const [a, b, c, , d, e, f, , g, h, i] = m as number[];
  const det = determinant(m);
  const rows = [
    [e! * i! - f! * h!, g! * f! - d! * i!, d! * h! - g! * e!],
    [h! * c! - b! * i!, a! * i! - g! * c!, g! * b! - a! * h!],
    [b! * f! - e! * c!, d! * c! - a! * f!, a! * e! - d! * b!],
  ].map((row) => row.map((value) => value / det));
  return rows.flatMap((row) => [...row, -(row[0]! * m[12]! + row[1]! * m[13]! + row[2]! * m[14]!)]);
}

/** Writes the map of a point into `out` at `to`. */
export function mapPoint(
  m: Matrix,
  from: ArrayLike<number>,
  at: number,
  out: Float32Array,
  to: number,
): void {
  const x = from[at]!;
  const y = from[at + 1]!;
  const z = from[at + 2]!;
  for (let row = 0; row < 3; row++) {
    out[to + row] = m[row]! * x + m[4 + row]! * y + m[8 + row]! * z + m[12 + row]!;
  }
}

/** Writes a normal mapped by the inverse transpose, given as {@link inverseRows}, at length 1. */
export function mapNormal(
  inverse: readonly number[],
  from: ArrayLike<number>,
  at: number,
  out: Float32Array,
  to: number,
): void {
  const x = from[at]!;
  const y = from[at + 1]!;
  const z = from[at + 2]!;
  const mapped = [0, 1, 2].map((i) => inverse[i]! * x + inverse[4 + i]! * y + inverse[8 + i]! * z);
  const length = Math.sqrt(mapped[0]! ** 2 + mapped[1]! ** 2 + mapped[2]! ** 2);
  const scale = length > 0 ? 1 / length : 0;
  for (let i = 0; i < 3; i++) out[to + i] = mapped[i]! * scale;
}
