/**
 * The renderer once more, the plain way: every ray against every triangle, in doubles, straight from the scene's
 * arrays. It draws the same random numbers as kernels/tracer and makes the same choices with them, so that both give
 * the same picture but for rounding. The oracle of the kernel's tests, and what its speed is measured beside.
 */
import { determinant, inverseRows, mapNormal, mapPoint } from "#sharing/compute/core/render/matrix.ts";
import type { RenderJob } from "#sharing/compute/core/render/render-job.ts";
import type { Material, SceneModel, TextureUse } from "#sharing/compute/core/render/scene-model.ts";

type V = [number, number, number];

const add = (a: V, b: V): V => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
const sub = (a: V, b: V): V => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
const scale = (a: V, s: number): V => [a[0] * s, a[1] * s, a[2] * s];
const times = (a: V, b: V): V => [a[0] * b[0], a[1] * b[1], a[2] * b[2]];
const dot = (a: V, b: V): number => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const cross = (a: V, b: V): V => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
];
const unit = (a: V): V => scale(a, 1 / Math.sqrt(dot(a, a)));
const luminance = (a: V): number => dot(a, [0.2126, 0.7152, 0.0722]);
const clamp01 = (x: number): number => Math.min(1, Math.max(0, x));

interface Triangle {
  readonly corner: V;
  readonly edge1: V;
  readonly edge2: V;
  readonly normals: readonly [V, V, V] | undefined;
  readonly coordinates: readonly (readonly [number, number])[][];
  readonly colours: readonly (readonly number[])[];
  readonly material: Material;
  readonly area: number;
  /** Area times mean luminance. */
  readonly power: number;
}

/** Lights that are chosen together: the shining triangles of one part at one place. */
interface Lamp {
  readonly lights: readonly Triangle[];
  readonly power: number;
  readonly centre: V;
  /** Squared. */
  readonly radius: number;
}

function lampOf(part: readonly Triangle[]): Lamp {
  const lights = part.filter(({ power }) => power > 0);
  const power = lights.reduce((sum, light) => sum + light.power, 0);
  let centre: V = [0, 0, 0];
  for (const { corner, edge1, edge2, power: own } of lights) {
    centre = add(centre, scale(add(corner, scale(add(edge1, edge2), 1 / 3)), own / power));
  }
  const corners = lights.flatMap(({ corner, edge1, edge2 }) => [
    corner,
    add(corner, edge1),
    add(corner, edge2),
  ]);
  const radius = Math.max(...corners.map((corner) => dot(sub(corner, centre), sub(corner, centre))));
  return { lights, power, centre, radius };
}

interface Hit {
  readonly triangle: Triangle;
  readonly distance: number;
  readonly u: number;
  readonly v: number;
  readonly front: boolean;
}

/** The random numbers of kernels/tracer/random.ts. */
class Numbers {
  #s0: number;
  #s1: number;
  readonly #pixel: number;
  readonly #batchSeed: number;
  readonly #first: number;
  sample = 0;

  constructor(seed: readonly [number, number], pixel: number, batch: number) {
    this.#pixel = hash(hash((hash(seed[0]) ^ seed[1]) >>> 0) + pixel);
    this.#batchSeed = hash(this.#pixel + Math.imul(batch, 0x9e37_79b9));
    this.#first = 16 * batch;
    this.#s0 = this.#batchSeed;
    this.#s1 = (hash(this.#batchSeed ^ 0x85eb_ca6b) | 1) >>> 0;
  }

  next(): number {
    const product = Math.imul(this.#s0, 0x9e37_79bb);
    const word = Math.imul((product << 5) | (product >>> 27), 5);
    this.#s1 ^= this.#s0;
    this.#s0 = ((this.#s0 << 26) | (this.#s0 >>> 6)) ^ this.#s1 ^ (this.#s1 << 9);
    this.#s1 = (this.#s1 << 13) | (this.#s1 >>> 19);
    return fraction(word);
  }

  point(plane: number): [number, number] {
    const shuffle = hash(this.#batchSeed + Math.imul(plane, 0x632b_e5ab));
    let i = (this.sample ^ shuffle) & 15;
    i = Math.imul(i, (shuffle >>> 4) | 1) & 15;
    i ^= i >>> 2;
    i = (Math.imul(i, (shuffle >>> 8) | 1) + (shuffle >>> 12)) & 15;
    i ^= i >>> 3;
    const shift = hash(this.#pixel ^ Math.imul(plane, 0x85eb_ca6b));
    const index = this.#first + i;
    return [
      fraction(Math.imul(index, 3_242_174_889) + shift),
      fraction(Math.imul(index, 2_447_445_414) + hash(shift)),
    ];
  }
}

function hash(x: number): number {
  const state = (Math.imul(x, 747_796_405) + 2_891_336_453) >>> 0;
  const word = Math.imul((state >>> ((state >>> 28) + 4)) ^ state, 277_803_737) >>> 0;
  return ((word >>> 22) ^ word) >>> 0;
}

function fraction(word: number): number {
  return (word >>> 8) / 0x100_0000;
}

/** Smith's Λ of GGX. */
function lambda(w: V, alpha: number): number {
  return (Math.sqrt(1 + (alpha * alpha * (w[0] * w[0] + w[1] * w[1])) / (w[2] * w[2])) - 1) / 2;
}

function drawFacet(view: V, alpha: number, u: number, v: number): V {
  const stretched = unit([view[0] * alpha, view[1] * alpha, view[2]]);
  const z = (1 - v) * (1 + stretched[2]) - stretched[2];
  const radius = Math.sqrt(Math.max(0, 1 - z * z));
  const h = add([radius * Math.cos(2 * Math.PI * u), radius * Math.sin(2 * Math.PI * u), z], stretched);
  return unit([h[0] * alpha, h[1] * alpha, Math.max(h[2], 1e-7)]);
}

/** Reflectance of a layer of facets by sums over many of them: the part times the straight reflectance, and the rest. */
export function layerReflectance(z: number, roughness: number, steps = 24): [number, number] {
  const alpha = Math.max(roughness * roughness, 0.001);
  const view: V = [Math.sqrt(1 - z * z), 0, z];
  let whole = 0;
  let grazing = 0;
  for (let i = 0; i < steps * steps; i++) {
    const h = drawFacet(view, alpha, ((i % steps) + 0.5) / steps, (Math.floor(i / steps) + 0.5) / steps);
    const facing = dot(view, h);
    const out = sub(scale(h, 2 * facing), view);
    if (out[2] <= 0) continue;
    const weight = (1 + lambda(view, alpha)) / (1 + lambda(view, alpha) + lambda(out, alpha));
    whole += weight;
    grazing += weight * (1 - facing) ** 5;
  }
  return [(whole - grazing) / steps ** 2, grazing / steps ** 2];
}

/** A surface's scattering for one viewer, in its own frame (z up). */
export class Scatter {
  readonly view: V;
  readonly #alpha: number;
  readonly #straight: V;
  readonly #grazing: V;
  readonly #diffuse: V;
  readonly mirrorShare: number;

  constructor(view: V, base: V, metallic: number, roughness: number) {
    this.view = [view[0], view[1], Math.max(view[2], 1e-4)];
    this.#alpha = Math.max(roughness * roughness, 0.001);
    const [straight, grazing] = layerReflectance(Math.min(1, Math.max(0.001, this.view[2])), roughness, 16);
    const lost = 1 / Math.max(straight + grazing, 0.05) - 1;
    // Glaze over the ground, and metal, each made up for on its own.
    const glaze = 1 + 0.04 * lost;
    const blend = (ofGlaze: number, ofMetal: number): number => ofGlaze * (1 - metallic) + ofMetal * metallic;
    this.#straight = base.map((b) => blend(0.04 * glaze, b * (1 + b * lost))) as V;
    this.#grazing = base.map((b) => blend(glaze, 1 + b * lost)) as V;
    const below = (1 - metallic) * (1 - (0.04 * straight + grazing) * glaze);
    this.#diffuse = scale(base, below);
    const mirrored = luminance(this.#straight) * straight + luminance(this.#grazing) * grazing;
    const diffused = luminance(this.#diffuse);
    this.mirrorShare = diffused <= 1e-6 ? 1 : Math.min(0.9, Math.max(0.1, mirrored / (mirrored + diffused)));
  }

  draw(choice: number, u: number, v: number): V {
    if (choice < this.mirrorShare) {
      const h = drawFacet(this.view, this.#alpha, u, v);
      return sub(scale(h, 2 * dot(this.view, h)), this.view);
    }
    const radius = Math.sqrt(v);
    return [radius * Math.cos(2 * Math.PI * u), radius * Math.sin(2 * Math.PI * u), Math.sqrt(1 - v)];
  }

  /** What light from `w` brings, cosine included, and the density with which `draw` gives `w`. */
  weigh(w: V): { carried: V; density: number } {
    const h = unit(add(w, this.view));
    const facing = dot(this.view, h);
    const a2 = this.#alpha ** 2;
    const facets = 1 / (Math.PI * a2 * ((h[0] ** 2 + h[1] ** 2) / a2 + h[2] ** 2) ** 2);
    const own = lambda(this.view, this.#alpha);
    const shared = facets / (4 * this.view[2] * (1 + own + lambda(w, this.#alpha)));
    const grazing = Math.max(0, 1 - facing) ** 5;
    const carried = this.#straight.map(
      (f, i) => (f + (this.#grazing[i]! - f) * grazing) * shared + (this.#diffuse[i]! * w[2]) / Math.PI,
    ) as V;
    const mirrored = (this.mirrorShare * facets) / (4 * this.view[2] * (1 + own));
    return { carried, density: mirrored + ((1 - this.mirrorShare) * w[2]) / Math.PI };
  }
}

/** Light within a bound (0: none), of the same colour. */
function bounded(light: V, bound: number): V {
  const most = Math.max(...light);
  return bound > 0 && most > bound ? scale(light, bound / most) : light;
}

/** The two axes beside a normal, as the kernel lays them. */
function axesOf([x, y, z]: V): [V, V] {
  const sign = z < 0 || Object.is(z, -0) ? -1 : 1;
  const a = -1 / (sign + z);
  const b = x * y * a;
  return [
    [1 + sign * x * x * a, sign * b, -sign * x],
    [b, sign + y * y * a, -y],
  ];
}

export class ReferenceTracer {
  readonly #model: SceneModel;
  readonly #job: RenderJob;
  readonly #triangles: Triangle[];
  readonly #lamps: readonly Lamp[];
  readonly #power: number;
  readonly #meanRadius: number;

  constructor(model: SceneModel, job: RenderJob) {
    this.#model = model;
    this.#job = job;
    // The order in which lights are packed: by mesh, then by place.
    const places = model.placements.toSorted((a, b) => a.mesh - b.mesh);
    const parts = places.flatMap(({ mesh, matrix }) => this.#gather(mesh, matrix));
    this.#triangles = parts.flat();
    this.#lamps = parts.filter((part) => part.some(({ power }) => power > 0)).map(lampOf);
    this.#power = this.#lamps.reduce((sum, { power }) => sum + power, 0);
    this.#meanRadius = this.#lamps.reduce((sum, { power, radius }) => sum + power * radius, 0) / this.#power;
  }

  /** The sums of one batch of a pixel. */
  batch(x: number, y: number, batch: number): V {
    const numbers = new Numbers(this.#job.seed, y * this.#job.width + x, batch);
    let sum: V = [0, 0, 0];
    for (let sample = 0; sample < 16; sample++) {
      numbers.sample = sample;
      sum = add(sum, this.#path(x, y, numbers));
    }
    return sum;
  }

  #gather(mesh: number, matrix: readonly number[]): Triangle[][] {
    const inverse = inverseRows(matrix);
    const turned = determinant(matrix) < 0;
    const point = new Float32Array(3);
    return this.#model.meshes[mesh]!.map((primitive) => {
      const material = this.#model.materials[primitive.material]!;
      const triangles: Triangle[] = [];
      for (let i = 0; i < primitive.indices.length; i += 3) {
        const order = (turned ? [0, 2, 1] : [0, 1, 2]).map((k) => primitive.indices[i + k]!);
        const corners = order.map((vertex) => {
          mapPoint(matrix, primitive.positions, 3 * vertex, point, 0);
          return [...point] as V;
        });
        const normals = order.map((vertex) => {
          if (primitive.normals === undefined) return undefined;
          mapNormal(inverse, primitive.normals, 3 * vertex, point, 0);
          return [...point] as V;
        });
        const edge1 = sub(corners[1]!, corners[0]!);
        const edge2 = sub(corners[2]!, corners[0]!);
        const area = Math.sqrt(dot(cross(edge1, edge2), cross(edge1, edge2))) / 2;
        triangles.push({
          corner: corners[0]!,
          edge1,
          edge2,
          normals: normals[0] === undefined ? undefined : (normals as [V, V, V]),
          coordinates: primitive.coordinates.map((set) =>
            order.map((vertex) => [set?.[2 * vertex] ?? 0, set?.[2 * vertex + 1] ?? 0] as const),
          ),
          colours: order.map((vertex) =>
            primitive.colours === undefined
              ? [1, 1, 1, 1]
              : [...primitive.colours.subarray(4 * vertex, 4 * vertex + 4)],
          ),
          material,
          area,
          power: area * luminance([...material.emission] as V),
        });
      }
      return triangles;
    });
  }

  #path(x: number, y: number, numbers: Numbers): V {
    const { camera, width, height, bounces } = this.#job;
    const tent = (t: number): number => (t < 0.5 ? Math.sqrt(2 * t) - 1 : 1 - Math.sqrt(2 - 2 * t));
    const [jx, jy] = numbers.point(0);
    const half = Math.tan(camera.fieldOfView / 2);
    const right = ((2 * (x + 0.5 + 0.75 * tent(jx))) / width - 1) * half * (width / height);
    const up = (1 - (2 * (y + 0.5 + 0.75 * tent(jy))) / height) * half;
    let from: V = [...camera.position];
    let along = add([...camera.forward], add(scale([...camera.right], right), scale([...camera.up], up)));
    if (camera.lensRadius > 0) {
      const [u, v] = numbers.point(1);
      const radius = camera.lensRadius * Math.sqrt(v);
      const off = add(
        scale([...camera.right], radius * Math.cos(2 * Math.PI * u)),
        scale([...camera.up], radius * Math.sin(2 * Math.PI * u)),
      );
      from = add(from, off);
      along = sub(scale(along, camera.focusDistance), off);
    }
    const sums: [V, V, V] = [
      [0, 0, 0],
      [0, 0, 0],
      [0, 0, 0],
    ];
    this.#walk(from, unit(along), numbers, bounces, (bounce, light) => {
      const sum = sums[Math.min(bounce, 2)]!;
      for (let i = 0; i < 3; i++) sum[i]! += light[i]!;
    });
    const [seen, first, late] = sums;
    const { clamp } = this.#job;
    return add(add(bounded(seen, 2 * clamp), first), bounded(late, clamp));
  }

  #walk(
    start: V,
    towards: V,
    numbers: Numbers,
    bounces: number,
    found: (bounce: number, light: V) => void,
  ): void {
    let from = start;
    let along = towards;
    let weight: V = [1, 1, 1];
    let drawn = 0;
    let nearness = 0;
    let blur = 0;
    const pair = (bounce: number, which: number): [number, number] =>
      bounce < 4 ? numbers.point(2 + 3 * bounce + which) : [numbers.next(), numbers.next()];
    for (let bounce = 0; ; bounce++) {
      const hit = this.#nearest(from, along, Number.POSITIVE_INFINITY, bounce === 0);
      if (hit === undefined) {
        found(bounce, times(weight, this.#sky(along)));
        if (this.#isSun(along)) {
          const share = drawn > 0 ? drawn / (drawn + this.#sunDensity()) : 1;
          found(bounce, scale(times(weight, [...this.#model.sky.sun!.radiance]), share));
        }
        return;
      }
      const { triangle, distance } = hit;
      const { material } = triangle;
      const geometric = unit(cross(triangle.edge1, triangle.edge2));
      const flat = dot(geometric, along) > 0 ? scale(geometric, -1) : geometric;
      const surface = this.#surface(hit, flat, along);
      if (hit.front || material.doubleSided) {
        const facing = Math.max(1e-6, -dot(flat, along));
        const aimed = triangle.power > 0 ? this.#aimWeight(triangle, distance, facing, nearness) : 0;
        const share = drawn > 0 && aimed > 0 ? drawn / (drawn + aimed) : 1;
        found(bounce, scale(times(weight, this.#emission(hit)), share));
      }
      if (bounce === bounces) return;
      const place = add(from, scale(along, distance));
      const lift = 2e-5 * Math.max(...place.map(Math.abs), distance);
      from = add(place, scale(flat, lift));
      const { normal, base, metallic, roughness } = surface;
      const [tangent, bitangent] = axesOf(normal);
      const inward = (w: V): V => [dot(w, tangent), dot(w, bitangent), dot(w, normal)];
      const scatter = new Scatter(inward(scale(along, -1)), base, metallic, Math.max(roughness, blur));
      const [choice, lightChoice] = pair(bounce, 0);
      const [lu, lv] = pair(bounce, 1);
      const chances = this.#lamps.map(({ power, centre, radius }) => {
        const to = sub(centre, from);
        return power / (dot(to, to) + radius);
      });
      nearness = chances.reduce((sum, chance) => sum + chance, 0);
      const aim = this.#aim(from, lightChoice, lu, lv, chances);
      if (aim !== undefined && dot(aim.direction, flat) > 0 && dot(aim.direction, normal) > 1e-6) {
        if (this.#nearest(from, aim.direction, aim.distance * 0.9999, false) === undefined) {
          const { carried, density } = scatter.weigh(inward(aim.direction));
          found(
            bounce + 1,
            scale(
              times(times(weight, carried), aim.light),
              aim.weight / aim.density / (aim.weight + density),
            ),
          );
        }
      }
      const [u, v] = pair(bounce, 2);
      const out = scatter.draw(choice, u, v);
      if (!(out[2] > 1e-6)) return;
      const { carried, density } = scatter.weigh(out);
      along = add(add(scale(tangent, out[0]), scale(bitangent, out[1])), scale(normal, out[2]));
      if (dot(along, flat) <= 0) return;
      drawn = density;
      if (this.#job.clamp > 0) {
        blur = Math.max(blur, choice < scatter.mirrorShare ? 0.5 * Math.max(roughness, blur) : 0.5);
      }
      weight = scale(times(weight, carried), 1 / density);
      if (bounce >= 2) {
        const stay = Math.min(0.95, Math.max(...weight));
        if (!(numbers.next() < stay)) return;
        weight = scale(weight, 1 / stay);
      }
    }
  }

  #nearest(from: V, along: V, limit: number, camera: boolean): Hit | undefined {
    let best: Hit | undefined;
    for (const triangle of this.#triangles) {
      const p = cross(along, triangle.edge2);
      const det = dot(triangle.edge1, p);
      if (det === 0) continue;
      const to = sub(from, triangle.corner);
      const u = dot(to, p) / det;
      if (u < 0 || u > 1) continue;
      const q = cross(to, triangle.edge1);
      const v = dot(along, q) / det;
      if (v < 0 || u + v > 1) continue;
      const distance = dot(triangle.edge2, q) / det;
      if (!(distance > 0) || distance >= (best?.distance ?? limit)) continue;
      const front = det > 0;
      if (camera && !front && !triangle.material.doubleSided) continue;
      const hit = { triangle, distance, u, v, front };
      if (triangle.material.alpha === "mask" && this.#alpha(hit) < triangle.material.alphaCutoff) continue;
      best = hit;
    }
    return best;
  }

  #surface(hit: Hit, flat: V, along: V): { normal: V; base: V; metallic: number; roughness: number } {
    const { triangle, u, v } = hit;
    const { material } = triangle;
    let normal = flat;
    if (triangle.normals !== undefined) {
      const [a, b, c] = triangle.normals;
      normal = unit(add(add(scale(a, 1 - u - v), scale(b, u)), scale(c, v)));
      if (dot(normal, flat) < 0) normal = scale(normal, -1);
    }
    const facing = -dot(normal, along);
    if (facing < 0.02) normal = unit(sub(normal, scale(along, 0.02 - facing)));
    const colour = [0, 1, 2].map((i) => weighted(hit, (corner) => triangle.colours[corner]![i]!)) as V;
    const texel = this.#texel(material.baseTexture, hit);
    const gloss = this.#texel(material.metallicRoughnessTexture, hit);
    return {
      normal,
      base: [0, 1, 2].map((i) => clamp01(material.base[i]! * colour[i]! * texel[i]!)) as V,
      metallic: clamp01(material.metallic * gloss[2]!),
      roughness: clamp01(material.roughness * gloss[1]!),
    };
  }

  #alpha(hit: Hit): number {
    const { material, colours } = hit.triangle;
    const own = weighted(hit, (corner) => colours[corner]![3]!);
    return material.base[3] * own * this.#texel(material.baseTexture, hit)[3]!;
  }

  #emission(hit: Hit): V {
    const { material } = hit.triangle;
    const texel = this.#texel(material.emissionTexture, hit);
    return times([...material.emission], [texel[0]!, texel[1]!, texel[2]!]);
  }

  /** Linear colour and alpha of a texture where a ray hit. */
  #texel(use: TextureUse | undefined, hit: Hit): readonly number[] {
    if (use === undefined) return [1, 1, 1, 1];
    const set = hit.triangle.coordinates[use.secondSet ? 1 : 0]!;
    const s = weighted(hit, (corner) => set[corner]![0]);
    const t = weighted(hit, (corner) => set[corner]![1]);
    const u = use.map[0] * s + use.map[1] * t + use.map[2];
    const v = use.map[3] * s + use.map[4] * t + use.map[5];
    const { width, height, pixels } = this.#model.images[use.image]!;
    const folded = (x: number, size: number, mode: string): number => {
      if (mode === "clamp") return Math.min(size - 1, Math.max(0, x));
      const period = mode === "mirror" ? 2 * size : size;
      const inside = ((x % period) + period) % period;
      return inside < size ? inside : 2 * size - 1 - inside;
    };
    const texel = (x: number, y: number, channel: number): number => {
      const at = folded(y, height, use.wrapV) * width + folded(x, width, use.wrapU);
      const coded = pixels[4 * at + channel]! / 255;
      if (!use.srgb || channel === 3) return coded;
      return coded <= 0.04045 ? coded / 12.92 : ((coded + 0.055) / 1.055) ** 2.4;
    };
    const x = u * width - 0.5;
    const y = v * height - 0.5;
    const [x0, y0] = [Math.floor(x), Math.floor(y)];
    return [0, 1, 2, 3].map((channel) => {
      const upper = texel(x0, y0, channel) * (1 - x + x0) + texel(x0 + 1, y0, channel) * (x - x0);
      const lower = texel(x0, y0 + 1, channel) * (1 - x + x0) + texel(x0 + 1, y0 + 1, channel) * (x - x0);
      return upper * (1 - y + y0) + lower * (y - y0);
    });
  }

  #sunShare(): number {
    if (this.#model.sky.sun === undefined) return 0;
    return this.#power > 0 ? 0.5 : 1;
  }

  /** What an aim at a place is weighed by: the density as if the place were its lamp's centre. */
  #aimWeight(triangle: Triangle, distance: number, facing: number, nearness: number): number {
    const luminous = triangle.power / triangle.area;
    const square = distance * distance;
    return ((1 - this.#sunShare()) * luminous * square) / ((square + this.#meanRadius) * nearness * facing);
  }

  #sunDensity(): number {
    return this.#sunShare() / (2 * Math.PI * this.#sunDrop());
  }

  /** 1 − cosine of the sun's radius. */
  #sunDrop(): number {
    return 2 * Math.sin(this.#model.sky.sun!.radius / 2) ** 2;
  }

  #isSun(along: V): boolean {
    const { sun } = this.#model.sky;
    if (sun === undefined) return false;
    const away = sub(along, unit([...sun.direction]));
    return dot(away, away) / 2 < this.#sunDrop();
  }

  #sky(along: V): V {
    const { zenith, horizon, ground, glow, sun } = this.#model.sky;
    const up = along[1] >= 0;
    const share = up ? Math.sqrt(along[1]) : Math.min(1, -4 * along[1]);
    const far = up ? zenith : ground;
    const own = horizon.map((value, i) => value + (far[i]! - value) * share) as V;
    if (!up) return own;
    const c = clamp01(dot(along, unit([...(sun?.direction ?? ([0, 1, 0] as const))])));
    return add(own, scale([...glow], 0.2 * (c ** 8 + 4 * c ** 128)));
  }

  #aim(
    from: V,
    choice: number,
    u: number,
    v: number,
    chances: readonly number[],
  ): { direction: V; distance: number; light: V; density: number; weight: number } | undefined {
    const share = this.#sunShare();
    if (choice < share) {
      const drop = v * this.#sunDrop();
      const radius = Math.sqrt(drop * (2 - drop));
      const centre = unit([...this.#model.sky.sun!.direction]);
      const [a, b] = axesOf(centre);
      const direction = add(
        add(scale(a, radius * Math.cos(2 * Math.PI * u)), scale(b, radius * Math.sin(2 * Math.PI * u))),
        scale(centre, 1 - drop),
      );
      const light: V = [...this.#model.sky.sun!.radiance];
      const density = this.#sunDensity();
      return { direction, distance: 1e30, light, density, weight: density };
    }
    const nearness = chances.reduce((sum, chance) => sum + chance, 0);
    if (nearness === 0) return undefined;
    let wanted = ((choice - share) / (1 - share)) * nearness;
    let lamp = 0;
    for (; lamp + 1 < chances.length && chances[lamp]! <= wanted; lamp++) wanted -= chances[lamp]!;
    const { lights, power } = this.#lamps[lamp]!;
    wanted *= power / chances[lamp]!;
    let light = lights[0]!;
    for (light of lights) {
      if (wanted < light.power) break;
      wanted -= light.power;
    }
    const root = Math.sqrt(u);
    const [s, t] = [root * (1 - v), root * v];
    const to = sub(add(light.corner, add(scale(light.edge1, s), scale(light.edge2, t))), from);
    const distance = Math.sqrt(dot(to, to));
    const direction = scale(to, 1 / distance);
    const facing = -dot(unit(cross(light.edge1, light.edge2)), direction);
    if (facing <= 0 && !light.material.doubleSided) return undefined;
    const emission = this.#emission({ triangle: light, distance, u: s, v: t, front: true });
    const cosine = Math.max(1e-6, Math.abs(facing));
    const perArea = ((1 - share) * (chances[lamp]! / nearness) * (light.power / light.area)) / power;
    const density = (perArea * distance * distance) / cosine;
    const weight = this.#aimWeight(light, distance, cosine, nearness);
    return { direction, distance, light: emission, density, weight };
  }
}

/** A value between a triangle's corners. */
function weighted({ u, v }: Hit, value: (corner: number) => number): number {
  return (1 - u - v) * value(0) + u * value(1) + v * value(2);
}
