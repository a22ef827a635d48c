// Products of a matrix over GF(2^8) with rows of bytes: the heart of Reed–Solomon, for encoding, decoding and repair
// alike. A byte times a constant is the sum of two table entries, one for each nibble; a swizzle looks sixteen of them
// up at once. The field is that of 0x11d.
//
// Four rows of output, 32 bytes of each, stay in registers while all inputs pass; the inputs are taken in strips of
// 2 KiB, so that they are still in the nearest cache when the next four rows need them.

/** Products of two bytes by way of logarithms: exp twice over, so that sums of logarithms need no reduction. */
const EXP: usize = memory.data(512, 16);
const LOG: usize = memory.data(256, 16);

const STRIP: usize = 2048;

/** First address that is the caller's to use. */
export function heapBase(): usize {
  return __heap_base;
}

function prepare(): void {
  let x: u32 = 1;
  for (let i: usize = 0; i < 255; i++) {
    store<u8>(EXP + i, <u8>x);
    store<u8>(EXP + i + 255, <u8>x);
    store<u8>(LOG + x, <u8>i);
    x <<= 1;
    if (x > 255) x ^= 0x11d;
  }
}
prepare();

function multiply(a: u32, b: u32): u32 {
  if (a == 0 || b == 0) return 0;
  return load<u8>(EXP + <usize>load<u8>(LOG + a) + <usize>load<u8>(LOG + b));
}

/**
 * Makes the tables of `count` coefficients (a byte each, at `coefficients`): 32 bytes each at `tables`, the products
 * with 0 … 15 and those with 0, 16 … 240.
 */
export function makeTables(coefficients: usize, count: usize, tables: usize): void {
  for (let i: usize = 0; i < count; i++) {
    const c: u32 = load<u8>(coefficients + i);
    const at = tables + (i << 5);
    for (let nibble: u32 = 0; nibble < 16; nibble++) {
      store<u8>(at + nibble, <u8>multiply(c, nibble));
      store<u8>(at + nibble, <u8>multiply(c, nibble << 4), 16);
    }
  }
}

function lookUp(table: v128, nibbles: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i8x16.relaxed_swizzle(table, nibbles);
  return i8x16.swizzle(table, nibbles);
}

/** The product of 16 bytes with the coefficient of the tables at `table`. */
function times(table: usize, low: v128, high: v128): v128 {
  return v128.xor(lookUp(v128.load(table), low), lookUp(v128.load(table, 16), high));
}

/** Four rows of output at once, over one strip: bytes `from` to `to` of each row. */
function fourRows(
  tables: usize,
  inputs: usize,
  inputCount: usize,
  outputs: usize,
  stride: usize,
  from: usize,
  to: usize,
): void {
  const rowTables = inputCount << 5;
  const mask = i8x16.splat(15);
  for (let at = from; at < to; at += 32) {
    let a0 = i64x2.splat(0);
    let a1 = a0;
    let b0 = a0;
    let b1 = a0;
    let c0 = a0;
    let c1 = a0;
    let d0 = a0;
    let d1 = a0;
    let input = inputs + at;
    let table = tables;
    for (let j: usize = 0; j < inputCount; j++) {
      const x0 = v128.load(input);
      const x1 = v128.load(input, 16);
      const low0 = v128.and(x0, mask);
      const low1 = v128.and(x1, mask);
      const high0 = i8x16.shr_u(x0, 4);
      const high1 = i8x16.shr_u(x1, 4);
      let row = table;
      a0 = v128.xor(a0, times(row, low0, high0));
      a1 = v128.xor(a1, times(row, low1, high1));
      row += rowTables;
      b0 = v128.xor(b0, times(row, low0, high0));
      b1 = v128.xor(b1, times(row, low1, high1));
      row += rowTables;
      c0 = v128.xor(c0, times(row, low0, high0));
      c1 = v128.xor(c1, times(row, low1, high1));
      row += rowTables;
      d0 = v128.xor(d0, times(row, low0, high0));
      d1 = v128.xor(d1, times(row, low1, high1));
      input += stride;
      table += 32;
    }
    let out = outputs + at;
    v128.store(out, a0);
    v128.store(out, a1, 16);
    out += stride;
    v128.store(out, b0);
    v128.store(out, b1, 16);
    out += stride;
    v128.store(out, c0);
    v128.store(out, c1, 16);
    out += stride;
    v128.store(out, d0);
    v128.store(out, d1, 16);
  }
}

/** One row of output over one strip. */
function oneRow(
  tables: usize,
  inputs: usize,
  inputCount: usize,
  output: usize,
  stride: usize,
  from: usize,
  to: usize,
): void {
  const mask = i8x16.splat(15);
  for (let at = from; at < to; at += 32) {
    let a0 = i64x2.splat(0);
    let a1 = a0;
    let input = inputs + at;
    let table = tables;
    for (let j: usize = 0; j < inputCount; j++) {
      const x0 = v128.load(input);
      const x1 = v128.load(input, 16);
      a0 = v128.xor(a0, times(table, v128.and(x0, mask), i8x16.shr_u(x0, 4)));
      a1 = v128.xor(a1, times(table, v128.and(x1, mask), i8x16.shr_u(x1, 4)));
      input += stride;
      table += 32;
    }
    v128.store(output + at, a0);
    v128.store(output + at, a1, 16);
  }
}

/**
 * outputs[i] = the sum over j of coefficient[i][j] × inputs[j], byte by byte.
 * @param tables of {@link makeTables}, `outputCount` × `inputCount` coefficients row by row.
 * @param inputs `inputCount` rows, `stride` bytes apart; as the outputs are.
 * @param length bytes of each row, a multiple of 32, at most `stride`. All addresses are multiples of 16.
 */
export function product(
  tables: usize,
  inputs: usize,
  inputCount: usize,
  outputs: usize,
  outputCount: usize,
  stride: usize,
  length: usize,
): void {
  const rowTables = inputCount << 5;
  for (let from: usize = 0; from < length; from += STRIP) {
    const to = min(length, from + STRIP);
    let i: usize = 0;
    for (; i + 4 <= outputCount; i += 4) {
      fourRows(tables + i * rowTables, inputs, inputCount, outputs + i * stride, stride, from, to);
    }
    for (; i < outputCount; i++) {
      oneRow(tables + i * rowTables, inputs, inputCount, outputs + i * stride, stride, from, to);
    }
  }
}
