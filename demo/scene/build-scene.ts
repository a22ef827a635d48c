/**
 * The picture that the demo renders: a small house of one's own on a hill, at dusk, as a model on a turned stand.
 * Everything is made by rule, so that the repository holds no model file: `buildScene()` gives the `.glb`.
 */
import { writeFileSync } from "node:fs";
import { Document, type Material, type Mesh, type Texture, WebIO } from "@gltf-transform/core";
import { SeededRandom } from "#base/lib/random.ts";
import { clouds, noise } from "./noise.ts";
import { ball, cone, type Point, pebble, Shape, turned } from "./shape.ts";
import { grass, lampWindow, slates, wall, wood } from "./textures.ts";

/** Radius of the ground on the stand. */
const RIM = 6;
const FLOOR = -1.7;
/** Where the pond lies. */
const POND = { x: 2.5, z: 2.6, radius: 1.5, level: -0.1 };
const HOUSE = { x: -0.9, z: -0.5, turn: 0.42 };

/** Height of the ground. */
function height(x: number, z: number): number {
  const hill =
    1.15 * Math.exp(-((x + 1.2) ** 2 + (z + 1.6) ** 2) / 7) +
    0.8 * Math.exp(-((x - 2.8) ** 2 + (z + 3.2) ** 2) / 4);
  const rolling = 0.35 * (clouds(0.45 * x + 7, 0.45 * z + 3) - 0.4);
  const house = smoothStep(1.1, 2.1, Math.hypot(x - HOUSE.x, z - HOUSE.z));
  const level = 0.92 + (hill + rolling - 0.92) * house;
  const bank = smoothStep(POND.radius * 0.7, POND.radius * 1.5, Math.hypot(x - POND.x, z - POND.z));
  const wet = -0.4 + (level + 0.4) * bank;
  return wet * (1 - 0.85 * smoothStep(4.6, RIM, Math.hypot(x, z)));
}

function smoothStep(low: number, high: number, x: number): number {
  const share = Math.min(1, Math.max(0, (x - low) / (high - low)));
  return share * share * (3 - 2 * share);
}

/** What the parts of the scene share while it is built. */
class Stage {
  readonly document = new Document();
  readonly buffer = this.document.createBuffer();
  readonly scene = this.document.createScene("freehold");
  readonly random = new SeededRandom(2009);

  material(
    name: string,
    colour: readonly [number, number, number],
    roughness: number,
    metallic = 0,
  ): Material {
    return this.document
      .createMaterial(name)
      .setBaseColorFactor([...colour, 1])
      .setRoughnessFactor(roughness)
      .setMetallicFactor(metallic);
  }

  texture(name: string, png: Uint8Array): Texture {
    return this.document.createTexture(name).setMimeType("image/png").setImage(new Uint8Array(png));
  }

  mesh(name: string, ...parts: readonly (readonly [Shape, Material])[]): Mesh {
    const mesh = this.document.createMesh(name);
    for (const [shape, material] of parts) {
      const primitive = this.document.createPrimitive().setMaterial(material);
      const accessor = (type: "VEC2" | "VEC3", values: number[]) =>
        this.document
          .createAccessor()
          .setType(type)
          .setArray(new Float32Array(values))
          .setBuffer(this.buffer);
      primitive.setAttribute("POSITION", accessor("VEC3", shape.positions));
      primitive.setAttribute("TEXCOORD_0", accessor("VEC2", shape.coordinates));
      if (shape.normals.length > 0) primitive.setAttribute("NORMAL", accessor("VEC3", shape.normals));
      if (shape.colours.length > 0) primitive.setAttribute("COLOR_0", accessor("VEC3", shape.colours));
      const indices = this.document
        .createAccessor()
        .setType("SCALAR")
        .setArray(new Uint32Array(shape.indices));
      mesh.addPrimitive(primitive.setIndices(indices.setBuffer(this.buffer)));
    }
    return mesh;
  }

  place(mesh: Mesh, place: Point, turn = 0, scale: Point = [1, 1, 1]): void {
    const node = this.document
      .createNode(mesh.getName())
      .setMesh(mesh)
      .setTranslation([...place]);
    this.scene.addChild(
      node.setRotation([0, Math.sin(turn / 2), 0, Math.cos(turn / 2)]).setScale([...scale]),
    );
  }

  /** In 0 … 1. */
  chance(): number {
    return this.random.u32() / 0x1_0000_0000;
  }
}

/** The demo's scene as a `.glb` file. */
export async function buildScene(): Promise<Uint8Array> {
  const stage = new Stage();
  addStand(stage);
  addGround(stage);
  addHouse(stage);
  addTrees(stage);
  addStones(stage);
  addLanterns(stage);
  addSpheres(stage);
  addCamera(stage);
  stage.scene.setExtras({
    exposure: 0.75,
    sky: {
      zenith: [0.1, 0.19, 0.46],
      horizon: [1.05, 0.62, 0.44],
      ground: [0.2, 0.16, 0.17],
      glow: [1.1, 0.5, 0.2],
      sun: { direction: [-0.88, 0.4, 0.28], radiance: [640, 370, 190], radius: 2.4 },
    },
  });
  stage.document.getRoot().setDefaultScene(stage.scene);
  return new WebIO().writeBinary(stage.document);
}

function addStand(stage: Stage): void {
  const floor = new Shape();
  floor.panel([-900, FLOOR, 900], [900, FLOOR, 900], [900, FLOOR, -900], [-900, FLOOR, -900]);
  stage.place(stage.mesh("floor", [floor, stage.material("lacquer", [0.045, 0.055, 0.085], 0.3)]), [0, 0, 0]);
  const walnut = stage.material("walnut", [1, 1, 1], 0.42).setBaseColorTexture(stage.texture("wood", wood()));
  const profile: [number, number][] = [
    ...([
      [6.02, 0.06],
      [6.12, 0.02],
      [6.16, -0.06],
      [6.16, -0.5],
      [6.1, -0.6],
      [5.95, -0.66],
    ] as [number, number][]),
    ...([
      [5.8, -0.75],
      [5.78, -1.1],
      [5.9, -1.25],
      [6.3, -1.34],
      [6.42, -1.42],
      [6.42, FLOOR],
    ] as [number, number][]),
  ];
  stage.place(stage.mesh("stand", [turned(profile, 128, 12), walnut]), [0, 0, 0]);
}

function addGround(stage: Stage): void {
  const shape = new Shape();
  const rings = 64;
  const sides = 160;
  const normal = (x: number, z: number): Point => {
    const e = 0.02;
    const slopeX = (height(x + e, z) - height(x - e, z)) / (2 * e);
    const slopeZ = (height(x, z + e) - height(x, z - e)) / (2 * e);
    const length = Math.hypot(slopeX, 1, slopeZ);
    return [-slopeX / length, 1 / length, -slopeZ / length];
  };
  for (let ring = 0; ring <= rings; ring++) {
    for (let side = 0; side <= sides; side++) {
      const angle = (2 * Math.PI * side) / sides;
      const x = ((RIM * ring) / rings) * Math.cos(angle);
      const z = -((RIM * ring) / rings) * Math.sin(angle);
      const up = normal(x, z);
      shape.corner([x, height(x, z), z], [x / 2, z / 2], up, groundTint(x, z, up[1]));
    }
  }
  for (let ring = 0; ring < rings; ring++) {
    for (let side = 0; side < sides; side++) {
      const a = ring * (sides + 1) + side;
      shape.quad(a, a + sides + 1, a + sides + 2, a + 1);
    }
  }
  const meadow = stage
    .material("meadow", [1, 1, 1], 0.95)
    .setBaseColorTexture(stage.texture("grass", grass()));
  stage.place(stage.mesh("ground", [shape, meadow]), [0, 0, 0]);
  const water = turned(
    [
      [0.001, POND.level],
      [POND.radius * 1.25, POND.level],
    ],
    48,
  );
  stage.place(stage.mesh("pond", [water, stage.material("water", [0.02, 0.05, 0.06], 0.04)]), [
    POND.x,
    0,
    POND.z,
  ]);
}

/** Grass, earthier where it is steep, sandy at the water. */
function groundTint(x: number, z: number, upward: number): Point {
  const shore = 1 - smoothStep(0.02, 0.16, height(x, z) - POND.level);
  const nearPond = 1 - smoothStep(POND.radius, POND.radius * 1.6, Math.hypot(x - POND.x, z - POND.z));
  const sand = shore * nearPond;
  const steep = 1 - smoothStep(0.75, 0.95, upward);
  const light = 0.85 + 0.3 * noise(1.3 * x + 50, 1.3 * z);
  return [
    Math.min(1, light * (0.8 + 0.2 * steep + 0.2 * sand)),
    Math.min(1, light * (0.88 - 0.3 * steep)),
    Math.min(1, light * (0.62 + 0.25 * sand)),
  ];
}

function addHouse(stage: Stage): void {
  const stone = stage.material("wall", [1, 1, 1], 0.85).setBaseColorTexture(stage.texture("wall", wall()));
  const roofing = stage
    .material("roof", [1, 1, 1], 0.7)
    .setBaseColorTexture(stage.texture("slates", slates()));
  const timber = stage.material("timber", [0.16, 0.09, 0.05], 0.6);
  const lit = stage
    .material("window", [0.05, 0.04, 0.03], 0.15)
    .setEmissiveTexture(stage.texture("window", lampWindow()))
    .setEmissiveFactor([1, 0.72, 0.38]);
  brighten(stage, lit, 9);
  const [walls, roof, wood, windows] = [new Shape(), new Shape(), new Shape(), new Shape()];
  walls.box([-1.1, -0.3, -0.75], [1.1, 0.95, 0.75]);
  for (const side of [-1, 1]) gable(walls, side);
  // Two slopes, a hand thick, standing out over the walls.
  for (const side of [-1, 1]) slope(roof, side);
  walls.box([0.45, 1.0, -0.42], [0.75, 2.05, -0.12]);
  wood.box([-0.2, -0.05, 0.74], [0.2, 0.62, 0.78]);
  wood.box([-0.34, -0.1, 0.75], [0.34, 0.0, 1.05]);
  for (const x of [-0.68, 0.68]) window(windows, wood, [x, 0.42, 0.765], 0.34, 0.4);
  sideWindow(windows, wood, 1.115, 0.42);
  sideWindow(windows, wood, 1.115, 1.12, 0.26);
  const mesh = stage.mesh("house", [walls, stone], [roof, roofing], [wood, timber], [windows, lit]);
  stage.place(mesh, [HOUSE.x, 0.95, HOUSE.z], HOUSE.turn);
}

/** The triangle of wall under the roof at one end. */
function gable(shape: Shape, side: number): void {
  const x = 1.1 * side;
  const low: Point = [x, 0.95, 0.75 * side];
  const back: Point = [x, 0.95, -0.75 * side];
  shape.triangle(
    shape.corner(low, [0, 1]),
    shape.corner(back, [1.5, 1]),
    shape.corner([x, 1.75, 0], [0.75, 0]),
  );
}

function slope(shape: Shape, side: number): void {
  const [out, eave, ridge] = [1.32, 0.72, 1.8];
  const reach = 0.98 * side;
  const a: Point = [-out * side, eave, reach];
  const b: Point = [out * side, eave, reach];
  const c: Point = [out * side, ridge, 0];
  const d: Point = [-out * side, ridge, 0];
  const lift = (point: Point): Point => [point[0], point[1] + 0.1, point[2]];
  shape.panel(lift(a), lift(b), lift(c), lift(d), 2.6, 1.4);
  shape.panel(b, a, d, c);
  shape.panel(a, b, lift(b), lift(a), 2.6, 0.1);
  shape.panel(b, c, lift(c), lift(b), 1.4, 0.1);
  shape.panel(d, a, lift(a), lift(d), 1.4, 0.1);
}

/** A window in the front, with a sill. */
function window(glass: Shape, wood: Shape, [x, y, z]: Point, width: number, tall: number): void {
  glass.panel(
    [x - width / 2, y - tall / 2, z],
    [x + width / 2, y - tall / 2, z],
    [x + width / 2, y + tall / 2, z],
    [x - width / 2, y + tall / 2, z],
  );
  wood.box(
    [x - width / 2 - 0.05, y - tall / 2 - 0.05, z - 0.02],
    [x + width / 2 + 0.05, y - tall / 2, z + 0.06],
  );
}

function sideWindow(glass: Shape, wood: Shape, x: number, y: number, size = 0.38): void {
  const half = size / 2;
  glass.panel([x, y - half, half], [x, y - half, -half], [x, y + half, -half], [x, y + half, half]);
  wood.box([x - 0.02, y - half - 0.05, -half - 0.05], [x + 0.06, y - half, half + 0.05]);
}

/** KHR_materials_emissive_strength is an extension that the library alone does not write; factors go beyond 1 instead. */
function brighten(_stage: Stage, material: Material, strength: number): void {
  const [r, g, b] = material.getEmissiveFactor();
  material.setEmissiveFactor([r * strength, g * strength, b * strength]);
}

function addTrees(stage: Stage): void {
  const bark = stage.material("bark", [0.17, 0.1, 0.06], 0.9);
  const greens = [
    stage.material("fir", [0.05, 0.16, 0.09], 0.85),
    stage.material("pine", [0.08, 0.2, 0.08], 0.85),
    stage.material("larch", [0.36, 0.24, 0.05], 0.85),
  ];
  const kinds = greens.map((green, i) => {
    const crown = new Shape();
    for (let tier = 0; tier < 5; tier++) {
      const bottom = 0.32 + 0.3 * tier;
      cone(crown, 0.52 - 0.085 * tier, bottom, bottom + 0.62, 11, () => 2 * stage.chance() - 1);
    }
    const trunk = turned(
      [
        [0.05, 0.6],
        [0.07, 0],
        [0.1, -0.25],
      ],
      8,
    );
    return stage.mesh(`tree ${i}`, [crown, green], [trunk, bark]);
  });
  let planted = 0;
  for (let attempt = 0; attempt < 4_000 && planted < 120; attempt++) {
    const angle = 2 * Math.PI * stage.chance();
    const distance = 5.6 * Math.sqrt(stage.chance());
    const [x, z] = [distance * Math.cos(angle), distance * Math.sin(angle)];
    if (!mayGrow(x, z)) continue;
    const kind = kinds[stage.chance() < 0.12 ? 2 : stage.random.below(2)]!;
    const size = 0.45 + 0.55 * stage.chance();
    stage.place(kind, [x, height(x, z), z], 6.28 * stage.chance(), [
      size,
      size * (0.9 + 0.3 * stage.chance()),
      size,
    ]);
    planted++;
  }
}

/** Woods behind and at the sides; the house, the pond and the way between stay free. */
function mayGrow(x: number, z: number): boolean {
  if (Math.hypot(x - HOUSE.x, z - HOUSE.z) < 1.9) return false;
  if (Math.hypot(x - POND.x, z - POND.z) < POND.radius * 1.45) return false;
  const inFront = z > -0.2 && x > -2.6 && x < 4;
  return !inFront && clouds(0.7 * x + 20, 0.7 * z) > 0.36;
}

function addStones(stage: Stage): void {
  const granite = stage.material("granite", [0.36, 0.34, 0.33], 0.8);
  const stone = pebble(1, ([x, y, z]) => {
    const size = 0.75 + 0.5 * clouds(1.7 * x + 9, 1.7 * y, 1.7 * z);
    return [x * size, 0.7 * y * size, z * size];
  });
  const mesh = stage.mesh("stone", [stone, granite]);
  for (let i = 0; i < 34; i++) {
    const angle = 2 * Math.PI * stage.chance();
    const far = POND.radius * (1.05 + 0.3 * stage.chance());
    const [x, z] = [POND.x + far * Math.cos(angle), POND.z + far * Math.sin(angle)];
    const size = 0.06 + 0.13 * stage.chance() ** 2;
    if (Math.hypot(x, z) < 5.6)
      stage.place(mesh, [x, height(x, z), z], 6.28 * stage.chance(), [size, size, size]);
  }
  for (const { x, z } of wayFromDoor()) {
    const size = 0.17 + 0.05 * stage.chance();
    stage.place(mesh, [x, height(x, z) + 0.005, z], 6.28 * stage.chance(), [size, 0.04, size]);
  }
}

/** Stepping stones from the door down to the rim. */
function wayFromDoor(): { x: number; z: number }[] {
  return Array.from({ length: 14 }, (_, i) => {
    const share = i / 13;
    return { x: -0.42 + 0.5 * Math.sin(3 * share) - 0.35 * share, z: 0.75 + 4.6 * share };
  });
}

function addLanterns(stage: Stage): void {
  const iron = stage.material("iron", [0.03, 0.03, 0.035], 0.45, 1);
  const flame = stage.material("flame", [0, 0, 0], 1).setEmissiveFactor([1, 0.62, 0.28]);
  brighten(stage, flame, 34);
  const post = turned(
    [
      [0.0, 0.72],
      [0.1, 0.66],
      [0.02, 0.64],
      [0.016, 0.5],
      [0.016, 0.02],
      [0.05, 0],
    ],
    12,
  );
  const light = ball(5);
  light.positions.forEach((value, i) => {
    light.positions[i] = 0.062 * value + (i % 3 === 1 ? 0.575 : 0);
  });
  const mesh = stage.mesh("lantern", [post, iron], [light, flame]);
  for (const [i, { x, z }] of wayFromDoor().entries()) {
    if (i % 4 !== 1) continue;
    const side = x + (i % 8 === 1 ? 0.36 : -0.36);
    stage.place(mesh, [side, height(side, z), z]);
  }
  for (const [x, z] of [
    [1.15, 1.4],
    [4.15, 2.1],
  ] as const)
    stage.place(mesh, [x, height(x, z), z]);
}

function addSpheres(stage: Stage): void {
  const round = ball(48);
  const spheres = [
    { name: "gold", colour: [1, 0.72, 0.29], roughness: 0.12, radius: 1.15, place: [8.0, 0.6] },
    { name: "steel", colour: [0.78, 0.79, 0.81], roughness: 0.02, radius: 0.72, place: [7.5, 2.75] },
    { name: "copper", colour: [0.95, 0.5, 0.36], roughness: 0.3, radius: 0.5, place: [6.6, 4.0] },
  ] as const;
  for (const { name, colour, roughness, radius, place } of spheres) {
    const mesh = stage.mesh(name, [round, stage.material(name, colour, roughness, 1)]);
    stage.place(mesh, [place[0], FLOOR + radius, place[1]], 0, [radius, radius, radius]);
  }
}

function addCamera(stage: Stage): void {
  const position: Point = [6.0, 5.5, 17.4];
  const target: Point = [1.15, 0.1, 0.4];
  const to = target.map((value, i) => value - position[i]!) as unknown as Point;
  const distance = Math.hypot(...to);
  const yaw = Math.atan2(-to[0], -to[2]);
  const pitch = Math.asin(to[1] / distance);
  const camera = stage.document.createCamera("view").setYFov(0.49).setZNear(0.1);
  camera.setExtras({ lensRadius: 0.09, focusDistance: distance - 1.2 });
  const [cy, sy, cp, sp] = [Math.cos(yaw / 2), Math.sin(yaw / 2), Math.cos(pitch / 2), Math.sin(pitch / 2)];
  const node = stage.document
    .createNode("view")
    .setCamera(camera)
    .setTranslation([...position]);
  stage.scene.addChild(node.setRotation([cy * sp, sy * cp, -sy * sp, cy * cp]));
}

if (import.meta.main) {
  const path = process.argv[2] ?? "scene.glb";
  const glb = await buildScene();
  writeFileSync(path, glb);
  console.log(`${path}: ${glb.length} bytes`);
}
