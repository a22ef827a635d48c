import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "#base/lib/random.ts";
import { conversionRows, generatorRows, parityRows } from "./erasure-matrix.ts";
import { inverse, invert, type Matrix, multiply, multiplyMatrices } from "./gf256.ts";
import { newRowProduct } from "./row-product.ts";

/** A product in the field by shifts alone, as it is defined. */
function definedProduct(a: number, b: number): number {
  let sum = 0;
  for (let bit = 7; bit >= 0; bit--) {
    sum = (sum << 1) ^ (sum & 0x80 ? 0x11d : 0);
    if ((b >> bit) & 1) sum ^= a;
  }
  return sum & 255;
}

function shuffled(count: number, random: SeededRandom): number[] {
  const list = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [list[i], list[j]] = [list[j]!, list[i]!];
  }
  return list;
}

test("all products of the field, and all inverses", () => {
  for (let a = 0; a < 256; a++) {
    for (let b = 0; b < 256; b++) assert.equal(multiply(a, b), definedProduct(a, b));
    if (a > 0) assert.equal(multiply(a, inverse(a)), 1);
  }
  assert.throws(() => inverse(0), RangeError);
});

test("a matrix times its inverse is the identity; a singular one has none", () => {
  const random = new SeededRandom(1);
  for (const needed of [1, 2, 4, 10, 33, 128]) {
    const scheme = { needed, total: Math.min(255, 2 * needed) };
    const matrix = generatorRows(scheme, shuffled(scheme.total, random).slice(0, needed));
    const identity = multiplyMatrices(matrix, invert(matrix));
    assert.deepEqual(identity, generatorRows(scheme, [...Array(needed).keys()]));
  }
  const twice: Matrix = { rows: 2, columns: 2, cells: Uint8Array.of(3, 5, 3, 5) };
  assert.throws(() => invert(twice), RangeError);
});

test("any k of n rows give the data back: every choice of small schemes", () => {
  for (let total = 1; total <= 8; total++) {
    for (let needed = 1; needed <= total; needed++) {
      for (let choice = 0; choice < 1 << total; choice++) {
        const rows = [...Array(total).keys()].filter((i) => (choice >> i) & 1);
        if (rows.length === needed) invert(generatorRows({ needed, total }, rows));
      }
    }
  }
});

test("kernels and portable code make the same, at all shapes and lengths", () => {
  const random = new SeededRandom(2);
  const products = [newRowProduct("portable"), newRowProduct("plain"), newRowProduct("relaxed")];
  for (let trial = 0; trial < 150; trial++) {
    const columns = 1 + random.below(trial % 10 === 0 ? 60 : 12);
    const rows = random.below(trial % 10 === 0 ? 60 : 14);
    const length = 1 + random.below(trial % 3 === 0 ? 5_000 : 100);
    const matrix = { rows, columns, cells: random.fill(new Uint8Array(rows * columns)) };
    const inputs = Array.from({ length: columns }, () => random.fill(new Uint8Array(length)));
    const outputs = products.map((product) => {
      const views = product.begin(matrix, length);
      for (const [i, input] of inputs.entries()) views[i]!.set(input);
      product.multiply();
      return views.slice(columns).map((view) => view.slice());
    });
    assert.equal(outputs[0]!.length, rows);
    assert.deepEqual(outputs[1], outputs[0], `plain, ${rows} × ${columns} × ${length}`);
    assert.deepEqual(outputs[2], outputs[0], `relaxed, ${rows} × ${columns} × ${length}`);
  }
});

test("the portable product is the sum of products", () => {
  const random = new SeededRandom(3);
  const matrix = { rows: 3, columns: 4, cells: random.fill(new Uint8Array(12)) };
  const product = newRowProduct("portable");
  const views = product.begin(matrix, 50);
  for (const view of views) random.fill(view);
  product.multiply();
  for (let i = 0; i < 3; i++) {
    for (let at = 0; at < 50; at++) {
      let sum = 0;
      for (let j = 0; j < 4; j++) sum ^= definedProduct(matrix.cells[4 * i + j]!, views[j]![at]!);
      assert.equal(views[4 + i]![at], sum);
    }
  }
});

test("tables are made anew when only the shape of the matrix changes", () => {
  const cells = Uint8Array.of(1, 2, 3, 4, 5, 6);
  for (const name of ["plain", "relaxed"] as const) {
    const reused = newRowProduct(name);
    for (const [rows, columns] of [
      [2, 3],
      [3, 2],
      [2, 3],
    ] as const) {
      const run = (product: typeof reused): Uint8Array[] => {
        const views = product.begin({ rows, columns, cells }, 40);
        for (let i = 0; i < columns; i++) views[i]!.fill(7 * i + 1);
        product.multiply();
        return views.slice(columns).map((view) => view.slice());
      };
      assert.deepEqual(run(reused), run(newRowProduct("portable")));
    }
  }
});

test("shards are remade alike from whatever shards there are", () => {
  const random = new SeededRandom(4);
  const product = newRowProduct();
  for (const scheme of [
    { needed: 4, total: 12 },
    { needed: 10, total: 30 },
    { needed: 1, total: 3 },
    { needed: 100, total: 255 },
  ]) {
    const { needed, total } = scheme;
    const data = Array.from({ length: needed }, () => random.fill(new Uint8Array(96)));
    const apply = (matrix: Matrix, inputs: readonly Uint8Array[]): Uint8Array[] => {
      const views = product.begin(matrix, 96);
      for (const [i, input] of inputs.entries()) views[i]!.set(input);
      product.multiply();
      return views.slice(matrix.columns).map((view) => view.slice());
    };
    const shards = [...data, ...apply(parityRows(scheme), data)];
    for (let trial = 0; trial < 4; trial++) {
      const order = shuffled(total, random);
      const from = order.slice(0, needed);
      const wanted = order.slice(needed - 1);
      const made = apply(
        conversionRows(scheme, from, wanted),
        from.map((i) => shards[i]!),
      );
      assert.deepEqual(
        made,
        wanted.map((i) => shards[i]!),
      );
    }
  }
});
