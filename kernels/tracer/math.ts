// What WebAssembly has no instruction for, from polynomials and iterations of our own: the same bits everywhere.

export const PI: f32 = 3.14159265;

/** Results of `sinCosTurn`. */
export let sine: f32 = 0;
export let cosine: f32 = 1;

/** Sine and cosine of `turn` (0 … 1) of a full turn, to about 4e-7. */
export function sinCosTurn(turn: f32): void {
  const quarters = floor<f32>(turn * 4 + 0.5);
  const x = (turn * 4 - quarters) * (PI / 2);
  const x2 = x * x;
  const s = x * (1 + x2 * (-0.16666667 + x2 * (0.0083333310 + x2 * -0.00019840874)));
  const c: f32 = 1 + x2 * (-0.5 + x2 * (0.041666638 + x2 * (-0.0013888378 + x2 * 0.000024760495)));
  const quadrant = <i32>quarters & 3;
  const odd = (quadrant & 1) != 0;
  const a = odd ? c : s;
  const b = odd ? s : c;
  sine = quadrant >= 2 ? -a : a;
  cosine = quadrant == 1 || quadrant == 2 ? -b : b;
}

/** Linear value of an sRGB-coded channel (IEC 61966-2-1), both 0 … 1. */
export function linearOfSrgb(coded: f64): f64 {
  if (coded <= 0.04045) return coded / 12.92;
  const base = (coded + 0.055) / 1.055;
  // base^2.4 = base² · base^0.4; the fifth root of base² by Newton's method.
  const square = base * base;
  let root: f64 = 1;
  for (let i = 0; i < 40; i++) {
    const fourth = root * root * root * root;
    root = (4 * root + square / fourth) / 5;
  }
  return square * root;
}

export function min2(a: f32, b: f32): f32 {
  return a < b ? a : b;
}

export function max2(a: f32, b: f32): f32 {
  return a > b ? a : b;
}

/** `x` held within 0 … 1; what is no number becomes 0. */
export function unit(x: f32): f32 {
  return x > 0 ? (x < 1 ? x : 1) : 0;
}

/** Whether `x` is a number of a size that a scene may hold. */
export function isTame(x: f32): bool {
  return abs<f32>(x) <= 1e12;
}

export function luminance(r: f32, g: f32, b: f32): f32 {
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
