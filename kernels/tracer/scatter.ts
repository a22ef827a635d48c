// How a surface scatters: glTF's metallic-roughness model. Over a diffuse ground lies a layer of GGX microfacets with
// Schlick's Fresnel; what they send back after more than one bounce among themselves is made up for (Turquin 2019),
// so that a white surface of any roughness sends back all light. Directions are in the surface's own frame, z up.

import { PI, cosine, luminance, max2, min2, sinCosTurn, sine } from "./math";
import { baseB, baseG, baseR, metallic, normalX, normalY, normalZ, roughness } from "./surface";

/** Smallest GGX width, a roughness of 0.03: what f32 still resolves. */
const SMALLEST_ALPHA: f32 = 0.001;
/** Reflectance of a dielectric seen straight on. */
const DIELECTRIC: f32 = 0.04;
/** Directions and roughnesses of the table. */
const STEPS: i32 = 32;
/** Reflectance of the layer at Fresnel 1 less its grazing part, and that part. */
const TABLE: usize = memory.data(32 * 32 * 8, 16);

/** The frame: two axes beside the normal. */
let tangentX: f32 = 0;
let tangentY: f32 = 0;
let tangentZ: f32 = 0;
let bitangentX: f32 = 0;
let bitangentY: f32 = 0;
let bitangentZ: f32 = 0;
/** Towards the viewer. */
let viewX: f32 = 0;
let viewY: f32 = 0;
let viewZ: f32 = 0;
let alpha: f32 = 0;
let viewLambda: f32 = 0;
/** Reflectance seen straight on and at grazing angles, with what makes up for many bounces among facets. */
let straightR: f32 = 0;
let straightG: f32 = 0;
let straightB: f32 = 0;
let grazingR: f32 = 0;
let grazingG: f32 = 0;
let grazingB: f32 = 0;
let diffuseR: f32 = 0;
let diffuseG: f32 = 0;
let diffuseB: f32 = 0;
/** Roughness of the surface as it scatters here. */
let rough: f32 = 0;
/** Share of the microfacets in choosing a direction. */
let mirrorShare: f32 = 0;

/** A half vector or direction drawn by the microfacets. */
let drawnX: f32 = 0;
let drawnY: f32 = 0;
let drawnZ: f32 = 0;

/** How spread out the direction is that was drawn last: the roughness of the facets, or 1 where the ground scattered. */
export let drawnSpread: f32 = 0;

/** Results: a direction in the world; what it carries (times the cosine); how likely it would be drawn. */
export let outX: f32 = 0;
export let outY: f32 = 0;
export let outZ: f32 = 0;
export let carriedR: f32 = 0;
export let carriedG: f32 = 0;
export let carriedB: f32 = 0;
export let density: f32 = 0;

/** Smith's Λ for GGX. */
function lambda(x: f32, y: f32, z: f32, width: f32): f32 {
  const tangent = (x * x + y * y) / (z * z);
  return (sqrt<f32>(1 + width * width * tangent) - 1) * 0.5;
}

/** Draws a visible facet's normal for the view (x, y, z) (Dupuy and Benyoub 2023). */
function drawFacet(x: f32, y: f32, z: f32, width: f32, u: f32, v: f32): void {
  const sx = x * width;
  const sy = y * width;
  const scale: f32 = 1 / sqrt<f32>(sx * sx + sy * sy + z * z);
  const vz = z * scale;
  sinCosTurn(u);
  const cz: f32 = (1 - v) * (1 + vz) - vz;
  const radius = sqrt<f32>(max2(1 - cz * cz, 0));
  const hx = (radius * cosine + sx * scale) * width;
  const hy = (radius * sine + sy * scale) * width;
  const hz = max2(cz + vz, 1e-7);
  const length: f32 = 1 / sqrt<f32>(hx * hx + hy * hy + hz * hz);
  drawnX = hx * length;
  drawnY = hy * length;
  drawnZ = hz * length;
}

/** Fills the table of the layer's reflectance by drawing facets on a grid. */
export function prepareScatter(): void {
  for (let row = 0; row < STEPS; row++) {
    const rough = <f32>row / <f32>(STEPS - 1);
    const width = max2(rough * rough, SMALLEST_ALPHA);
    for (let column = 0; column < STEPS; column++) {
      const z = max2(<f32>column / <f32>(STEPS - 1), 0.01);
      const x = sqrt<f32>(1 - z * z);
      const own = lambda(x, 0, z, width);
      let whole: f32 = 0;
      let grazing: f32 = 0;
      for (let i = 0; i < 64; i++) {
        drawFacet(x, 0, z, width, (<f32>(i & 7) + 0.5) * 0.125, (<f32>(i >> 3) + 0.5) * 0.125);
        const facing = x * drawnX + z * drawnZ;
        const upward: f32 = 2 * facing * drawnZ - z;
        if (upward <= 0 || facing <= 0) continue;
        const away = lambda(2 * facing * drawnX - x, 2 * facing * drawnY, upward, width);
        const weight: f32 = (1 + own) / (1 + own + away);
        whole += weight;
        grazing += weight * fifth(1 - facing);
      }
      const at = TABLE + (<usize>(row * STEPS + column) << 3);
      store<f32>(at, (whole - grazing) / 64);
      store<f32>(at, grazing / 64, 4);
    }
  }
}

function fifth(x: f32): f32 {
  const clamped = max2(x, 0);
  const square = clamped * clamped;
  return square * square * clamped;
}

let layerStraight: f32 = 0;
let layerGrazing: f32 = 0;

/** Looks up the layer's reflectance: `layerStraight` times the straight reflectance, plus `layerGrazing`. */
function lookUp(z: f32, rough: f32): void {
  const x = min2(max2(z, 0), 1) * <f32>(STEPS - 1);
  const y = rough * <f32>(STEPS - 1);
  const column = min<i32>(<i32>x, STEPS - 2);
  const row = min<i32>(<i32>y, STEPS - 2);
  const fx = x - <f32>column;
  const fy = y - <f32>row;
  const at = TABLE + (<usize>(row * STEPS + column) << 3);
  const below = at + <usize>(STEPS << 3);
  const upperS = load<f32>(at) + (load<f32>(at, 8) - load<f32>(at)) * fx;
  const lowerS = load<f32>(below) + (load<f32>(below, 8) - load<f32>(below)) * fx;
  const upperG = load<f32>(at, 4) + (load<f32>(at, 12) - load<f32>(at, 4)) * fx;
  const lowerG = load<f32>(below, 4) + (load<f32>(below, 12) - load<f32>(below, 4)) * fx;
  layerStraight = upperS + (lowerS - upperS) * fy;
  layerGrazing = upperG + (lowerG - upperG) * fy;
}

/**
 * Readies the surface just met for a viewer in the direction against (dx, dy, dz).
 * @param least roughness that it has at least.
 */
export function openScatter(dx: f32, dy: f32, dz: f32, least: f32): void {
  // A frame without branches (Duff and others 2017).
  const sign = copysign<f32>(1, normalZ);
  const a: f32 = -1 / (sign + normalZ);
  const b = normalX * normalY * a;
  tangentX = 1 + sign * normalX * normalX * a;
  tangentY = sign * b;
  tangentZ = -sign * normalX;
  bitangentX = b;
  bitangentY = sign + normalY * normalY * a;
  bitangentZ = -normalY;
  viewX = -(dx * tangentX + dy * tangentY + dz * tangentZ);
  viewY = -(dx * bitangentX + dy * bitangentY + dz * bitangentZ);
  viewZ = max2(-(dx * normalX + dy * normalY + dz * normalZ), 1e-4);
  rough = max2(roughness, least);
  alpha = max2(rough * rough, SMALLEST_ALPHA);
  viewLambda = lambda(viewX, viewY, viewZ, alpha);
  lookUp(viewZ, rough);
  const lost: f32 = 1 / max2(layerStraight + layerGrazing, 0.05) - 1;
  const glaze: f32 = (1 - metallic) * (1 + DIELECTRIC * lost);
  grazingR = glaze + metallic * (1 + baseR * lost);
  grazingG = glaze + metallic * (1 + baseG * lost);
  grazingB = glaze + metallic * (1 + baseB * lost);
  straightR = glaze * DIELECTRIC + metallic * baseR * (1 + baseR * lost);
  straightG = glaze * DIELECTRIC + metallic * baseG * (1 + baseG * lost);
  straightB = glaze * DIELECTRIC + metallic * baseB * (1 + baseB * lost);
  const below: f32 = 1 - metallic - glaze * (DIELECTRIC * layerStraight + layerGrazing);
  diffuseR = baseR * below;
  diffuseG = baseG * below;
  diffuseB = baseB * below;
  const mirrored =
    luminance(straightR, straightG, straightB) * layerStraight +
    luminance(grazingR, grazingG, grazingB) * layerGrazing;
  const diffused = luminance(diffuseR, diffuseG, diffuseB);
  mirrorShare = diffused <= 1e-6 ? 1 : min2(max2(mirrored / (mirrored + diffused), 0.1), 0.9);
}

/** Draws a direction into `out`, by the microfacets or the cosine as `choice` falls. False when it goes inwards. */
export function drawDirection(choice: f32, u: f32, v: f32): bool {
  let x: f32;
  let y: f32;
  let z: f32;
  if (choice < mirrorShare) {
    drawFacet(viewX, viewY, viewZ, alpha, u, v);
    const facing: f32 = 2 * (viewX * drawnX + viewY * drawnY + viewZ * drawnZ);
    x = facing * drawnX - viewX;
    y = facing * drawnY - viewY;
    z = facing * drawnZ - viewZ;
    drawnSpread = rough;
  } else {
    sinCosTurn(u);
    const radius = sqrt<f32>(v);
    x = radius * cosine;
    y = radius * sine;
    z = sqrt<f32>(1 - v);
    drawnSpread = 1;
  }
  if (!(z > 1e-6)) return false;
  outX = x * tangentX + y * bitangentX + z * normalX;
  outY = x * tangentY + y * bitangentY + z * normalY;
  outZ = x * tangentZ + y * bitangentZ + z * normalZ;
  weigh(x, y, z);
  return density > 0;
}

/** Sets `carried` and `density` for light from a direction in the world. False when it comes from inside. */
export function weighDirection(wx: f32, wy: f32, wz: f32): bool {
  const z = wx * normalX + wy * normalY + wz * normalZ;
  if (!(z > 1e-6)) return false;
  const x = wx * tangentX + wy * tangentY + wz * tangentZ;
  const y = wx * bitangentX + wy * bitangentY + wz * bitangentZ;
  weigh(x, y, z);
  return true;
}

function weigh(x: f32, y: f32, z: f32): void {
  let hx = x + viewX;
  let hy = y + viewY;
  let hz = z + viewZ;
  const length: f32 = 1 / sqrt<f32>(hx * hx + hy * hy + hz * hz);
  hx *= length;
  hy *= length;
  hz *= length;
  const facing = viewX * hx + viewY * hy + viewZ * hz;
  // GGX over x² + y², which keeps its digits where 1 − z² would lose them.
  const spread = (hx * hx + hy * hy) / (alpha * alpha) + hz * hz;
  const facets: f32 = 1 / (PI * alpha * alpha * spread * spread);
  const shared = facets / (4 * viewZ * (1 + viewLambda + lambda(x, y, z, alpha)));
  const grazing = fifth(1 - facing);
  const ground = z / PI;
  carriedR = (straightR + (grazingR - straightR) * grazing) * shared + diffuseR * ground;
  carriedG = (straightG + (grazingG - straightG) * grazing) * shared + diffuseG * ground;
  carriedB = (straightB + (grazingB - straightB) * grazing) * shared + diffuseB * ground;
  density = (mirrorShare * facets) / (4 * viewZ * (1 + viewLambda)) + (1 - mirrorShare) * ground;
}
