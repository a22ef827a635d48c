/**
 * A walk through a packed scene's trees in plain TypeScript, one box and one triangle after another: what the kernel's
 * tests of two boxes and four triangles at once are measured beside. For scenes without instances.
 */
export class PlainWalk {
  readonly #floats: Float32Array;
  readonly #words: Int32Array;
  readonly #nodes: number;
  readonly #blocks: number;
  readonly #root: number;
  readonly #stack = new Int32Array(64);

  constructor(scene: Uint8Array) {
    const copy = scene.slice().buffer;
    this.#floats = new Float32Array(copy);
    this.#words = new Int32Array(copy);
    this.#nodes = this.#words[4]! / 4;
    this.#blocks = this.#words[6]! / 4;
    const instance = this.#words[(16 + 8 * 7) / 4]! / 4;
    this.#root = this.#words[instance + 24]!;
  }

  /** Distance of the nearest triangle along a ray; infinite where there is none. */
  nearest(ox: number, oy: number, oz: number, dx: number, dy: number, dz: number): number {
    const f = this.#floats;
    const [ix, iy, iz] = [1 / dx, 1 / dy, 1 / dz];
    let best = Number.POSITIVE_INFINITY;
    let top = 0;
    this.#stack[top++] = this.#root;
    while (top > 0) {
      const ref = this.#stack[--top]!;
      if (ref < 0) {
        best = this.#block(this.#blocks + 40 * ~ref, ox, oy, oz, dx, dy, dz, best);
        continue;
      }
      const at = this.#nodes + 16 * ref;
      for (let side = 0; side < 2; side++) {
        const ax = (f[at + side]! - ox) * ix;
        const bx = (f[at + side + 2]! - ox) * ix;
        const ay = (f[at + side + 4]! - oy) * iy;
        const by = (f[at + side + 6]! - oy) * iy;
        const az = (f[at + side + 8]! - oz) * iz;
        const bz = (f[at + side + 10]! - oz) * iz;
        const near = Math.max(0, Math.min(ax, bx), Math.min(ay, by), Math.min(az, bz));
        const far = Math.min(best, Math.max(ax, bx), Math.max(ay, by), Math.max(az, bz));
        if (near <= far) this.#stack[top++] = this.#words[at + 12 + side]!;
      }
    }
    return best;
  }

  #block(
    at: number,
    ox: number,
    oy: number,
    oz: number,
    dx: number,
    dy: number,
    dz: number,
    limit: number,
  ): number {
    const f = this.#floats;
    let best = limit;
    for (let lane = at; lane < at + 4; lane++) {
      const [e1x, e1y, e1z] = [f[lane + 12]!, f[lane + 16]!, f[lane + 20]!];
      const [e2x, e2y, e2z] = [f[lane + 24]!, f[lane + 28]!, f[lane + 32]!];
      const [px, py, pz] = [dy * e2z - dz * e2y, dz * e2x - dx * e2z, dx * e2y - dy * e2x];
      const inverse = 1 / (e1x * px + e1y * py + e1z * pz);
      const [tx, ty, tz] = [ox - f[lane]!, oy - f[lane + 4]!, oz - f[lane + 8]!];
      const u = (tx * px + ty * py + tz * pz) * inverse;
      if (!(u >= 0 && u <= 1)) continue;
      const [qx, qy, qz] = [ty * e1z - tz * e1y, tz * e1x - tx * e1z, tx * e1y - ty * e1x];
      const v = (dx * qx + dy * qy + dz * qz) * inverse;
      const t = (e2x * qx + e2y * qy + e2z * qz) * inverse;
      if (v >= 0 && u + v <= 1 && t > 0 && t < best) best = t;
    }
    return best;
  }
}
