/**
 * Products of a matrix over GF(2^8) with rows of bytes, by the WebAssembly kernel (kernels/erasure) or, where there is
 * no SIMD, by portable code; a test holds them equal. An instance works on its own memory and belongs to one thread.
 */
import { newKernel } from "#base/crypto/kernel-file.ts";
import { growMemory } from "#base/crypto/sha256-kernel.ts";
import { equalBytes } from "#base/lib/bytes.ts";
import { type Matrix, multiply } from "./gf256.ts";

export interface RowProduct {
  readonly name: "relaxed" | "plain" | "portable";
  /**
   * Makes room for a product of rows of `length` bytes.
   * @returns views of its inputs (`matrix.columns`), to be filled by the caller, and after them its outputs
   * (`matrix.rows`); good until the next call. What they hold before is undefined.
   */
  begin(matrix: Matrix, length: number): readonly Uint8Array[];
  /** Fills the outputs with matrix × inputs. */
  multiply(): void;
}

/** What kernels/erasure exports; addresses and lengths in bytes. See there. */
interface ErasureKernel {
  readonly memory: WebAssembly.Memory;
  heapBase(): number;
  makeTables(coefficients: number, count: number, tables: number): void;
  product(
    tables: number,
    inputs: number,
    inputCount: number,
    outputs: number,
    outputCount: number,
    stride: number,
    length: number,
  ): void;
}

const KERNELS = { relaxed: "erasure-relaxed", plain: "erasure" } as const;

function roundUp(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}

const NOTHING: Matrix = { rows: 0, columns: 0, cells: new Uint8Array(0) };

class KernelRowProduct implements RowProduct {
  readonly name: "relaxed" | "plain";
  readonly #kernel: ErasureKernel;
  readonly #tables: number;
  /** Whose tables are in memory. */
  #matrix: Matrix = NOTHING;
  #length = 0;
  #stride = 0;

  constructor(name: "relaxed" | "plain") {
    this.name = name;
    this.#kernel = newKernel<ErasureKernel>(KERNELS[name]);
    this.#tables = roundUp(this.#kernel.heapBase(), 16);
  }

  begin(matrix: Matrix, length: number): readonly Uint8Array[] {
    this.#length = roundUp(length, 32);
    // Rows of 64 KiB end to end would all fall on the same lines of the cache.
    this.#stride = roundUp(length, 64) + 192;
    const count = matrix.columns + matrix.rows;
    const first = this.#prepare(matrix, count * this.#stride);
    const { buffer } = this.#kernel.memory;
    const rows: Uint8Array[] = [];
    for (let i = 0; i < count; i++) rows.push(new Uint8Array(buffer, first + i * this.#stride, length));
    return rows;
  }

  multiply(): void {
    const { rows, columns } = this.#matrix;
    const inputs = this.#firstRow(this.#matrix);
    const outputs = inputs + columns * this.#stride;
    this.#kernel.product(this.#tables, inputs, columns, outputs, rows, this.#stride, this.#length);
  }

  /** The tables stand first, 32 bytes a coefficient, then the coefficients, then the rows. */
  #firstRow(matrix: Matrix): number {
    return roundUp(this.#tables + 33 * matrix.cells.length, 64);
  }

  /** Makes room, and the tables unless they are those of the last call. @returns where the rows begin. */
  #prepare(matrix: Matrix, rowBytes: number): number {
    const first = this.#firstRow(matrix);
    growMemory(this.#kernel.memory, first + rowBytes);
    const before = this.#matrix;
    this.#matrix = matrix;
    if (before.columns === matrix.columns && equalBytes(matrix.cells, before.cells)) return first;
    const count = matrix.cells.length;
    const coefficients = this.#tables + 32 * count;
    new Uint8Array(this.#kernel.memory.buffer, coefficients, count).set(matrix.cells);
    this.#kernel.makeTables(coefficients, count, this.#tables);
    return first;
  }
}

class PortableRowProduct implements RowProduct {
  readonly name = "portable";
  readonly #table = new Uint8Array(256);
  #matrix: Matrix = NOTHING;
  #rows: Uint8Array[] = [];

  begin(matrix: Matrix, length: number): readonly Uint8Array[] {
    this.#matrix = matrix;
    this.#rows = Array.from({ length: matrix.columns + matrix.rows }, () => new Uint8Array(length));
    return this.#rows;
  }

  multiply(): void {
    const { rows, columns, cells } = this.#matrix;
    for (let i = 0; i < rows; i++) {
      const output = this.#rows[columns + i]!.fill(0);
      for (let j = 0; j < columns; j++) this.#addProduct(output, this.#rows[j]!, cells[i * columns + j]!);
    }
  }

  #addProduct(output: Uint8Array, input: Uint8Array, coefficient: number): void {
    const table = this.#table;
    for (let i = 0; i < 256; i++) table[i] = multiply(coefficient, i);
    for (let i = 0; i < input.length; i++) output[i]! ^= table[input[i]!]!;
  }
}

/** The fastest that this engine can run, or the one asked for. @throws Error when it can not run that one. */
export function newRowProduct(name?: RowProduct["name"]): RowProduct {
  if (name === "portable") return new PortableRowProduct();
  if (name !== undefined) return new KernelRowProduct(name);
  for (const kernel of ["relaxed", "plain"] as const) {
    try {
      return new KernelRowProduct(kernel);
    } catch {
      // This engine has no such instructions.
    }
  }
  return new PortableRowProduct();
}
