import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateSync } from "node:zlib";
import * as jpeg from "jpeg-js";
import { newKernel } from "#base/crypto/kernel-file.ts";
import { checkedPng, smallGlb } from "../../../../../test/support/render-scenes.ts";
import { decodeImage, imageSize } from "./decode-image.ts";
import { type PackedScene, packScene } from "./pack-scene.ts";
import { type RenderJob, tilesOf } from "./render-job.ts";
import { SCENE_LIMITS, type SceneLimits } from "./scene-limits.ts";
import { encodeTileParams } from "./tile-params.ts";
import { runTracer, type TracerExports } from "./tracer-kernel.ts";

interface Json {
  // biome-ignore lint/suspicious/noExplicitAny: a test bends any part of the document
  [name: string]: any;
}

/** A `.glb` of this JSON and binary part. */
function glbOf(json: unknown, binary: Uint8Array): Uint8Array {
  const text = new TextEncoder().encode(typeof json === "string" ? json : JSON.stringify(json));
  const padded = (length: number): number => Math.ceil(length / 4) * 4;
  const bytes = new Uint8Array(12 + 8 + padded(text.length) + 8 + padded(binary.length)).fill(0x20);
  const view = new DataView(bytes.buffer);
  for (const [i, word] of [0x4654_6c67, 2, bytes.length, padded(text.length), 0x4e4f_534a].entries()) {
    view.setUint32(4 * i, word, true);
  }
  bytes.set(text, 20);
  view.setUint32(20 + padded(text.length), padded(binary.length), true);
  view.setUint32(24 + padded(text.length), 0x004e_4942, true);
  bytes.set(binary, 28 + padded(text.length));
  return bytes;
}

function partsOf(glb: Uint8Array): { json: Json; binary: Uint8Array } {
  const view = new DataView(glb.buffer, glb.byteOffset, glb.length);
  const length = view.getUint32(12, true);
  const json = JSON.parse(new TextDecoder().decode(glb.subarray(20, 20 + length))) as Json;
  return { json, binary: glb.slice(28 + length) };
}

/** The small scene with its JSON bent. */
async function bent(change: (json: Json) => void): Promise<Uint8Array> {
  const { json, binary } = partsOf(await smallGlb());
  change(json);
  return glbOf(json, binary);
}

async function packed(glb: Uint8Array): Promise<PackedScene> {
  const outcome = await packScene(glb);
  if (!outcome.ok) assert.fail(outcome.reason);
  return outcome.scene;
}

async function refusal(glb: Uint8Array, limits?: Partial<SceneLimits>): Promise<string> {
  const outcome = await packScene(glb, { ...SCENE_LIMITS, ...limits });
  assert.ok(!outcome.ok, "was packed");
  return outcome.reason;
}

function picture(scene: PackedScene): Float32Array {
  const job: RenderJob = {
    width: 24,
    height: 18,
    samples: 16,
    bounces: 3,
    seed: [3, 0],
    camera: scene.cameras[0]!.camera,
    tileSize: 64,
    clamp: 0,
    exposure: 0,
  };
  const params = encodeTileParams(job, tilesOf(job)[0]!);
  const outcome = runTracer(newKernel<TracerExports>("tracer"), params, scene.bytes);
  if (!outcome.ok) assert.fail(outcome.reason);
  return new Float32Array(outcome.result.output.slice().buffer);
}

test("a file becomes a scene: triangles, camera, lens, sky, exposure", async () => {
  const scene = await packed(await smallGlb());
  assert.equal(scene.triangles, 2 + 2 * 24);
  assert.equal(scene.exposure, 0.5);
  const [{ name, camera }] = scene.cameras as [PackedScene["cameras"][number]];
  assert.equal(name, "eye");
  assert.deepEqual(camera.position, [0, 1, 6]);
  assert.ok(camera.forward[2] < -0.999);
  assert.equal(camera.lensRadius, 0.01);
  assert.equal(camera.focusDistance, 5);
  assert.ok(picture(scene).some((value) => value > 0));
});

test("the same file gives the same bytes", async () => {
  const glb = await smallGlb();
  assert.deepEqual((await packed(glb)).bytes, (await packed(glb)).bytes);
});

test("a scene without a camera or a sky gets them", async () => {
  const glb = await bent((json) => {
    delete json["cameras"];
    for (const node of json["nodes"]) delete node.camera;
    delete json["scenes"][0].extras;
  });
  const scene = await packed(glb);
  assert.equal(scene.cameras[0]!.name, "overview");
  assert.ok(picture(scene).every((value) => value > 0));
});

test("strips, fans, unindexed and quantized meshes, sparse accessors and vertex colours are read", async () => {
  const floats = new Float32Array([0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 1, 0]);
  const shorts = new Uint16Array([0, 0, 0, 0, 65_535, 0, 0, 0, 0, 65_535, 0, 0, 65_535, 65_535, 0, 0]);
  const colours = new Uint8Array([255, 0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255, 9, 9, 9, 255]);
  const sparse = new Uint8Array(16);
  sparse[0] = 3;
  new DataView(sparse.buffer).setFloat32(4, 5, true);
  const views = [floats, shorts, colours, sparse].map((array) => new Uint8Array(array.buffer));
  const offsets = [0, 48, 80, 96];
  const binary = new Uint8Array(112);
  for (const [i, view] of views.entries()) binary.set(view, offsets[i]);
  const json = (mode: number, position: number) => ({
    asset: { version: "2.0" },
    extensionsRequired: ["KHR_mesh_quantization"],
    buffers: [{ byteLength: 112 }],
    bufferViews: [
      { buffer: 0, byteOffset: 0, byteLength: 48 },
      { buffer: 0, byteOffset: 48, byteLength: 32, byteStride: 8 },
      { buffer: 0, byteOffset: 80, byteLength: 16 },
      { buffer: 0, byteOffset: 96, byteLength: 4 },
      { buffer: 0, byteOffset: 100, byteLength: 12 },
    ],
    accessors: [
      { bufferView: 0, componentType: 5126, count: 4, type: "VEC3" },
      { bufferView: 1, componentType: 5123, normalized: true, count: 4, type: "VEC3" },
      { bufferView: 2, componentType: 5121, normalized: true, count: 4, type: "VEC4" },
      {
        bufferView: 0,
        componentType: 5126,
        count: 4,
        type: "VEC3",
        sparse: { count: 1, indices: { bufferView: 3, componentType: 5121 }, values: { bufferView: 4 } },
      },
    ],
    meshes: [{ primitives: [{ attributes: { POSITION: position, COLOR_0: 2 }, mode }] }],
    nodes: [{ mesh: 0 }],
  });
  const pack = async (mode: number, position: number) => packed(glbOf(json(mode, position), binary));
  assert.equal((await pack(4, 0)).triangles, 1);
  assert.equal((await pack(5, 0)).triangles, 2);
  assert.equal((await pack(6, 0)).triangles, 2);
  const plain = await pack(5, 0);
  const quantized = await pack(5, 1);
  assert.deepEqual(quantized.bytes, plain.bytes);
  assert.notDeepEqual((await pack(5, 3)).bytes, plain.bytes);
  assert.equal(await refusal(glbOf(json(1, 0), binary)), "the scene shows no triangles");
});

test("what is no scene is refused by its fault", async () => {
  const good = await smallGlb();
  assert.match(await refusal(new Uint8Array(10)), /no \.glb/);
  assert.match(await refusal(good.subarray(0, good.length - 5)), /cut short/);
  assert.match(await refusal(good, { file: 1000 }), /longer than 1000 bytes/);
  assert.match(await refusal(good, { json: 100 }), /longer than 100 bytes/);
  assert.match(await refusal(glbOf("{", new Uint8Array(4))), /malformed/);
  assert.match(await refusal(glbOf([], new Uint8Array(4))), /glTF/);
  const cases: [(json: Json) => void, RegExp][] = [
    [(json) => (json["asset"].version = "1.0"), /asset\.version/],
    [(json) => (json["extensionsRequired"] = ["KHR_draco_mesh_compression"]), /KHR_draco_mesh_compression/],
    [(json) => (json["buffers"][0].uri = "http://example.com/a.bin"), /self-contained/],
    [(json) => (json["images"][0] = { uri: "file:///etc/passwd" }), /not inside/],
    [(json) => (json["bufferViews"][0].byteLength = 1e6), /outside its buffer/],
    [(json) => (json["accessors"][0].count = 4_000_000), /outside its buffer view/],
    [(json) => (json["accessors"][0] = { componentType: 5126, count: 4e9, type: "VEC3" }), /numbers/],
    [(json) => (json["nodes"][0].children = [0]), /ancestor|two parents/],
    [(json) => json["nodes"].push({ children: [0] }, { children: [0] }), /two parents/],
    [(json) => (json["nodes"][0].mesh = 99), /no mesh 99/],
    [(json) => (json["textures"][0].source = 7), /no image 7/],
    [(json) => (json["meshes"][0].primitives[0].indices = 99), /no accessor 99/],
    [
      (json) => (json["meshes"][0].primitives[0].attributes.NORMAL = json["meshes"][0].primitives[0].indices),
      /NORMAL/,
    ],
    [(json) => (json["scenes"][0].extras.sky.zenith = [1, -1, 0]), /extras of the scene/],
    [
      (json) =>
        (json["nodes"] = Array.from({ length: 300 }, (_, i) => ({ children: [i + 1] })).concat({
          children: [],
        })),
      /deep/,
    ],
  ];
  for (const [change, reason] of cases) {
    assert.match(await refusal(await bent(change)), reason);
  }
});

test("an index beyond the vertices, and positions that are no place, are refused", async () => {
  const { json, binary } = partsOf(await smallGlb());
  const at = (accessor: Json): number =>
    (json["bufferViews"][accessor["bufferView"]].byteOffset ?? 0) + (accessor["byteOffset"] ?? 0);
  const primitive = json["meshes"][0].primitives[0];
  const far = binary.slice();
  new DataView(far.buffer).setUint16(at(json["accessors"][primitive.indices]), 60_000, true);
  assert.match(await refusal(glbOf(json, far)), /beyond the vertices/);
  const lost = binary.slice();
  new DataView(lost.buffer).setFloat32(
    at(json["accessors"][primitive.attributes.POSITION]),
    Number.NaN,
    true,
  );
  assert.match(await refusal(glbOf(json, lost)), /no place/);
});

test("a scene of too much is refused before memory is spent on it", async () => {
  const good = await smallGlb();
  assert.match(await refusal(good, { triangles: 20 }), /triangles/);
  assert.match(await refusal(good, { vertices: 20 }), /vertices/);
  assert.match(await refusal(good, { placements: 1 }), /places/);
  assert.match(await refusal(good, { entries: 1 }), /more than 1/);
  assert.match(await refusal(good, { numbers: 100 }), /more than 100 numbers/);
  assert.match(await refusal(good, { imageEdge: 4 }), /8×8/);
  assert.match(await refusal(good, { pixels: 63 }), /63 pixels/);
  assert.match(await refusal(good, { packed: 1000 }), /1000 bytes packed/);
});

/** A PNG of this size whose data is `data`, compressed; checksums and all. */
function pngOf(width: number, height: number, data: Uint8Array, interlaced = false): Uint8Array {
  const crcs = Uint32Array.from({ length: 256 }, (_, n) => {
    let c = n;
    for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb8_8320 ^ (c >>> 1) : c >>> 1;
    return c;
  });
  const chunk = (type: string, body: Uint8Array): Uint8Array => {
    const bytes = new Uint8Array(12 + body.length);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, body.length);
    bytes.set(new TextEncoder().encode(type), 4);
    bytes.set(body, 8);
    let c = 0xffff_ffff;
    for (const byte of bytes.subarray(4, 8 + body.length)) c = crcs[(c ^ byte) & 255]! ^ (c >>> 8);
    view.setUint32(8 + body.length, (c ^ 0xffff_ffff) >>> 0);
    return bytes;
  };
  const header = new Uint8Array(13);
  new DataView(header.buffer).setUint32(0, width);
  new DataView(header.buffer).setUint32(4, height);
  header.set([8, 6, 0, 0, interlaced ? 1 : 0], 8);
  const parts = [
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    chunk("IHDR", header),
    chunk("IDAT", new Uint8Array(deflateSync(data))),
    chunk("IEND", new Uint8Array(0)),
  ];
  return new Uint8Array(Buffer.concat(parts));
}

test("images: PNG and JPEG are decoded, bombs are not", async () => {
  const png = await decodeImage(checkedPng());
  assert.deepEqual([png.width, png.height, png.pixels.length], [8, 8, 256]);
  const data = new Uint8Array(16 * 16 * 4).fill(200);
  const coded = new Uint8Array(jpeg.encode({ width: 16, height: 16, data }, 90).data);
  assert.deepEqual(imageSize(coded), { width: 16, height: 16 });
  assert.ok(Math.abs((await decodeImage(coded)).pixels[0]! - 200) < 3);
  assert.deepEqual(imageSize(pngOf(40_000, 40_000, new Uint8Array(10))), { width: 40_000, height: 40_000 });
  const padded = new Uint8Array(50_000_000);
  // Much more data than the header says, and less: no pixel may come from whatever lay in memory.
  for (const data of [padded, new Uint8Array(17), new Uint8Array(0)]) {
    await assert.rejects(decodeImage(pngOf(2, 2, data)), /too little data|decoded/);
  }
  assert.deepEqual((await decodeImage(pngOf(2, 2, new Uint8Array(18)))).pixels, new Uint8Array(16));
  assert.throws(() => imageSize(pngOf(2, 2, padded, true)), /interlaced/);
  assert.throws(() => imageSize(Uint8Array.of(1, 2, 3)), /neither PNG nor JPEG/);
  assert.throws(() => imageSize(coded.subarray(0, 30)), /no frame/);
  const scan = [0xff, 0xda, 0x00, 0x02];
  const scans = Uint8Array.from([...coded.subarray(0, coded.length - 2), ...Array(40).fill(scan).flat()]);
  assert.throws(() => imageSize(scans), /too many scans/);
});
