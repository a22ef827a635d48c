/** The field GF(2^8) of the polynomial x^8 + x^4 + x^3 + x^2 + 1 (0x11d), and matrices over it. */

const EXP = new Uint8Array(510);
const LOG = new Uint8Array(256);
for (let i = 0, x = 1; i < 255; i++) {
  EXP[i] = x;
  EXP[i + 255] = x;
  LOG[x] = i;
  x <<= 1;
  if (x > 255) x ^= 0x11d;
}

export function multiply(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : EXP[LOG[a]! + LOG[b]!]!;
}

/** @throws RangeError for 0, which has none. */
export function inverse(a: number): number {
  if (a === 0) throw new RangeError("0 has no inverse");
  return EXP[255 - LOG[a]!]!;
}

/** A matrix, row by row. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly cells: Uint8Array;
}

/** row[target] ^= factor × row[source], from column 0. */
function addRow(cells: Uint8Array, columns: number, target: number, source: number, factor: number): void {
  if (factor === 0) return;
  for (let i = 0; i < columns; i++) {
    cells[target * columns + i]! ^= multiply(factor, cells[source * columns + i]!);
  }
}

function swapRows(cells: Uint8Array, columns: number, a: number, b: number): void {
  if (a === b) return;
  const row = cells.slice(a * columns, (a + 1) * columns);
  cells.copyWithin(a * columns, b * columns, (b + 1) * columns);
  cells.set(row, b * columns);
}

function scaleRow(cells: Uint8Array, columns: number, row: number, factor: number): void {
  for (let i = row * columns; i < (row + 1) * columns; i++) cells[i] = multiply(factor, cells[i]!);
}

/** The inverse of a square matrix, by Gauss and Jordan. @throws RangeError when it has none. */
export function invert(matrix: Matrix): Matrix {
  const size = matrix.rows;
  const left = matrix.cells.slice();
  const right = new Uint8Array(size * size);
  for (let i = 0; i < size; i++) right[i * size + i] = 1;
  for (let column = 0; column < size; column++) {
    let pivot = column;
    while (pivot < size && left[pivot * size + column] === 0) pivot++;
    if (pivot === size) throw new RangeError("a singular matrix");
    swapRows(left, size, pivot, column);
    swapRows(right, size, pivot, column);
    const factor = inverse(left[column * size + column]!);
    scaleRow(left, size, column, factor);
    scaleRow(right, size, column, factor);
    for (let row = 0; row < size; row++) {
      if (row === column) continue;
      const above = left[row * size + column]!;
      addRow(left, size, row, column, above);
      addRow(right, size, row, column, above);
    }
  }
  return { rows: size, columns: size, cells: right };
}

/** a × b. */
export function multiplyMatrices(a: Matrix, b: Matrix): Matrix {
  const cells = new Uint8Array(a.rows * b.columns);
  for (let i = 0; i < a.rows; i++) {
    for (let j = 0; j < a.columns; j++) {
      const factor = a.cells[i * a.columns + j]!;
      if (factor === 0) continue;
      for (let c = 0; c < b.columns; c++) {
        cells[i * b.columns + c]! ^= multiply(factor, b.cells[j * b.columns + c]!);
      }
    }
  }
  return { rows: a.rows, columns: b.columns, cells };
}
