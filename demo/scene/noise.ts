/** Value noise: smooth, the same for the same place, 0 … 1. */

function lattice(x: number, y: number, z: number): number {
  let h = Math.imul(x, 0x27d4_eb2d) ^ Math.imul(y, 0x1656_67b1) ^ Math.imul(z, 0x9e37_79b1);
  h = Math.imul(h ^ (h >>> 15), 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 0x1_0000_0000;
}

function smooth(x: number): number {
  return x * x * (3 - 2 * x);
}

function mix(a: number, b: number, share: number): number {
  return a + (b - a) * share;
}

/** @param period after so many units it repeats along x and y, for textures; 0 never. */
export function noise(x: number, y: number, z = 0, period = 0): number {
  const [ix, iy, iz] = [Math.floor(x), Math.floor(y), Math.floor(z)];
  const [fx, fy, fz] = [smooth(x - ix), smooth(y - iy), smooth(z - iz)];
  const wrap = (i: number): number => (period === 0 ? i : ((i % period) + period) % period);
  const at = (dx: number, dy: number, dz: number): number => lattice(wrap(ix + dx), wrap(iy + dy), iz + dz);
  const near = mix(mix(at(0, 0, 0), at(1, 0, 0), fx), mix(at(0, 1, 0), at(1, 1, 0), fx), fy);
  const far = mix(mix(at(0, 0, 1), at(1, 0, 1), fx), mix(at(0, 1, 1), at(1, 1, 1), fx), fy);
  return mix(near, far, fz);
}

/** Noise of four sizes on top of each other, 0 … 1. */
export function clouds(x: number, y: number, z = 0, period = 0): number {
  let sum = 0;
  let weight = 0.5;
  for (let octave = 0; octave < 4; octave++) {
    const scale = 2 ** octave;
    sum += weight * noise(x * scale, y * scale, z * scale + 31 * octave, period * scale);
    weight /= 2;
  }
  return sum / 0.9375;
}
