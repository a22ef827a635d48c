/**
 * The code: systematic Reed–Solomon in the form of Cauchy (Blömer et al., 1995). Row i of the generator is row i of
 * the identity for i < k, and 1 / ((255 + k − i) ⊕ j) in column j for k ≤ i < n: the two numbers are never equal, and
 * every square part of a Cauchy matrix has an inverse, so any k rows of the generator give the data back. Counting down
 * from 255 keeps the factor 1 out of k = 1: no shard is a plain copy of another.
 */
import { inverse, invert, type Matrix, multiplyMatrices } from "./gf256.ts";
import type { Scheme } from "./scheme.ts";

/** Rows `wanted` of the generator: what makes those shards' cells from the data cells. */
export function generatorRows(scheme: Scheme, wanted: readonly number[]): Matrix {
  const { needed } = scheme;
  const cells = new Uint8Array(wanted.length * needed);
  for (const [at, row] of wanted.entries()) {
    if (row < needed) cells[at * needed + row] = 1;
    else for (let j = 0; j < needed; j++) cells[at * needed + j] = inverse((255 + needed - row) ^ j);
  }
  return { rows: wanted.length, columns: needed, cells };
}

/** The rows of parity alone. */
export function parityRows(scheme: Scheme): Matrix {
  const { needed, total } = scheme;
  return generatorRows(
    scheme,
    Array.from({ length: total - needed }, (_, i) => needed + i),
  );
}

/** What makes the cells of shards `wanted` from those of the `needed` shards `from`. */
export function conversionRows(scheme: Scheme, from: readonly number[], wanted: readonly number[]): Matrix {
  return multiplyMatrices(generatorRows(scheme, wanted), invert(generatorRows(scheme, from)));
}
