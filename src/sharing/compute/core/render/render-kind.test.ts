import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { PNG } from "pngjs";
import { newKernel } from "#base/crypto/kernel-file.ts";
import { leafHashes, MerkleTree, verifyMultiProof } from "#base/crypto/merkle-tree.ts";
import { sha256 } from "#base/crypto/sha256.ts";
import { toHex } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { smallGlb } from "../../../../../test/support/render-scenes.ts";
import type { Challenge, Evidence, JobPlan, PlannedTask, Rerun } from "../job-kind.ts";
import type { ContentRef } from "../task.ts";
import { floatsOf } from "./film.ts";
import { BATCH } from "./render-job.ts";
import { RenderKind, type RenderSettings } from "./render-kind.ts";
import { decodeTileParams } from "./tile-params.ts";
import { runTracer, type TracerExports, type TracerResult } from "./tracer-kernel.ts";
import { drawPairs, verifyTile } from "./verify-tile.ts";

const code = new Uint8Array(
  readFileSync(new URL("../../../../../kernels/tracer/tracer.wasm", import.meta.url)),
);
const kind = new RenderKind(code);
const kernel = newKernel<TracerExports>("tracer");
const settings: RenderSettings = { width: 80, height: 50, samples: 32, seed: 5, tileSize: 32 };
const contents = new Map<string, Uint8Array>();
const sink = {
  async add(bytes: Uint8Array): Promise<ContentRef> {
    const id = toHex(sha256(bytes));
    contents.set(id, bytes);
    return { id, length: bytes.length };
  },
};
const glb = await smallGlb();

function sceneFile(bytes: Uint8Array) {
  return {
    name: "small.glb",
    length: bytes.length,
    bytes: async () => bytes,
    content: () => sink.add(bytes),
  };
}

async function plan(changes: Partial<RenderSettings> = {}): Promise<JobPlan> {
  const split = await kind.split({ ...settings, ...changes }, [sceneFile(glb)], sink);
  if (!split.ok) assert.fail(split.reason);
  return split.plan;
}

function run(task: PlannedTask, params = task.spec.params): TracerResult {
  const outcome = runTracer(kernel, params, contents.get(task.spec.inputs[0]!.id)!);
  if (!outcome.ok) assert.fail(outcome.reason);
  return outcome.result;
}

function rerunOf(task: PlannedTask): Rerun {
  return async (params) => run(task, params).output;
}

/** What a provider reveals for a challenge, its proof checked against the root as the requester does. */
function evidenceOf({ output, trace, leaf }: TracerResult, { picks }: Challenge): Evidence {
  const hashes = leafHashes(trace, leaf);
  const tree = new MerkleTree(hashes);
  const indices = [...new Set(picks.map((pick) => pick.leaf))].sort((a, b) => a - b);
  const leaves = new Map(indices.map((i) => [i, trace.subarray(leaf * i, leaf * (i + 1))]));
  const proof = tree.multiProof(indices);
  const shown = indices.map((i) => hashes[i]!);
  assert.ok(verifyMultiProof(tree.root, tree.leafCount, indices, shown, proof));
  return { output, leafCount: tree.leafCount, leaves };
}

test("a picture is cut into tiles, each checked, and put together", async () => {
  const { title, tasks } = await plan();
  assert.equal(title, "small.glb at 80×50, 32 samples");
  assert.equal(tasks.length, 6);
  assert.deepEqual(tasks.at(-1)!.tile, { x: 64, y: 32, width: 16, height: 18 });
  const random = new SeededRandom(1);
  const finished = [];
  for (const [index, task] of tasks.entries()) {
    const result = run(task);
    const { limits } = task.spec;
    assert.equal(result.output.length, limits.outputBytes);
    assert.equal(result.trace.length, limits.traceBytes);
    const challenge = kind.challenge(settings, task, random);
    assert.equal(challenge.picks.length, 64);
    const evidence = evidenceOf(result, challenge);
    assert.equal(kind.malformed(settings, task, result.output, evidence.leafCount), undefined);
    assert.deepEqual(await kind.verify(settings, task, evidence, challenge, rerunOf(task)), { ok: true });
    const preview = PNG.sync.read(Buffer.from(kind.preview(settings, task, result.output)));
    assert.deepEqual([preview.width, preview.height], [task.tile!.width, task.tile!.height]);
    finished.push({ ...task, index, output: async () => (index === 2 ? undefined : result.output) });
  }
  const [file, ...more] = await Array.fromAsync(kind.assemble(settings, finished));
  assert.equal(more.length, 0);
  const picture = PNG.sync.read(Buffer.from(file!.bytes));
  assert.deepEqual([picture.width, picture.height], [80, 50]);
  // The tile that failed stays black; the others hold the sky.
  assert.deepEqual([...picture.data.subarray(4 * 70, 4 * 70 + 4)], [0, 0, 0, 255]);
  assert.ok(picture.data[4 * 10 + 2]! > 100);
});

test("tasks fit their memory", async () => {
  const { tasks } = await plan();
  for (const task of tasks) {
    const fresh = newKernel<TracerExports>("tracer");
    runTracer(fresh, task.spec.params, contents.get(task.spec.inputs[0]!.id)!);
    assert.ok(fresh.memory.buffer.byteLength <= task.spec.limits.memoryBytes);
  }
});

test("samples are rounded up to batches, a camera is found by its name, and faults are named", async () => {
  assert.equal(decodeTileParams((await plan({ samples: 1 })).tasks[0]!.spec.params).samples, BATCH);
  assert.equal((await plan({ camera: "eye" })).tasks.length, 6);
  const reason = async (changes: Partial<RenderSettings>, bytes = glb): Promise<string> => {
    const split = await kind.split({ ...settings, ...changes }, [sceneFile(bytes)], sink);
    return split.ok ? "none" : split.reason;
  };
  assert.equal(await reason({ camera: "nose" }), "the scene has no camera nose; it has eye");
  assert.match(await reason({ samples: 65_536, tileSize: 256, width: 999, height: 999 }), /too many samples/);
  assert.match(await reason({}, new Uint8Array(4)), /small\.glb: this is no \.glb file/);
  const none = await kind.split(settings, [], sink);
  assert.ok(!none.ok);
});

test("scene and settings alone make the tasks: the same job has the same ones", async () => {
  assert.deepEqual(await plan(), await plan());
  assert.notDeepEqual((await plan({ seed: 6 })).tasks[0]!.spec.params, (await plan()).tasks[0]!.spec.params);
});

test("cheats are told by what they do", async () => {
  const { tasks } = await plan();
  const task = tasks[4]!;
  const honest = run(task);
  const challenge = kind.challenge(settings, task, new SeededRandom(9));
  const verdict = async (result: TracerResult) => {
    const outcome = await kind.verify(
      settings,
      task,
      evidenceOf(result, challenge),
      challenge,
      rerunOf(task),
    );
    return outcome.ok ? "fine" : outcome.reason;
  };
  const copy = (): TracerResult => ({
    ...honest,
    output: honest.output.slice(),
    trace: honest.trace.slice(),
  });
  assert.equal(await verdict(copy()), "fine");
  // One of sixteen samples left out, the rest scaled up: other sums everywhere.
  const lazy = copy();
  new Float32Array(lazy.trace.buffer).forEach((value, i, all) => {
    all[i] = Math.fround(value * (1 + 1e-6 * (i % 7)));
  });
  assert.match(await verdict(lazy), /do not add up/);
  const batches = floatsOf(lazy.trace);
  const sums = new Float32Array(lazy.output.buffer);
  sums.forEach((_, i) => {
    sums[i] = Math.fround(
      batches[6 * Math.floor(i / 3) + (i % 3)]! + batches[6 * Math.floor(i / 3) + 3 + (i % 3)]!,
    );
  });
  assert.match(await verdict(lazy), /samples are not what the scene gives at pixel \d+, \d+/);
  const other = run(tasks[3]!);
  assert.match(await verdict(other), /not what the scene gives/);
  const brighter = copy();
  brighter.output[4 * 3 * challenge.picks[10]!.leaf]! ^= 1;
  assert.match(await verdict(brighter), /do not add up/);
  const short = evidenceOf(honest, challenge);
  const first = challenge.picks[0]!.leaf;
  const missing = { ...short, leaves: new Map([...short.leaves].filter(([leaf]) => leaf !== first)) };
  assert.match(
    await reasonOf(verifyTile(task.spec.params, missing, challenge, rerunOf(task))),
    /not revealed/,
  );
  const cut = {
    ...short,
    leaves: new Map([...short.leaves].map(([leaf, bytes]) => [leaf, bytes.subarray(12)])),
  };
  assert.match(await reasonOf(verifyTile(task.spec.params, cut, challenge, rerunOf(task))), /another length/);
  assert.equal(kind.malformed(settings, task, honest.output.subarray(12), 576), "the tile has another size");
  assert.equal(kind.malformed(settings, task, honest.output, 575), "the trace is of another size");
});

async function reasonOf(verdict: ReturnType<typeof verifyTile>): Promise<string> {
  const outcome = await verdict;
  return outcome.ok ? "fine" : outcome.reason;
}

test("who falsifies a share of a tile's pairs is caught as often as chance has it", async (t) => {
  const { tasks } = await plan({ samples: 64 });
  const task = tasks[0]!;
  const params = decodeTileParams(task.spec.params);
  const honest = run(task);
  const leaf = 48;
  const pairs = (params.tile.width * params.tile.height * params.samples) / BATCH;
  // What we would render ourselves, looked up.
  const rerun: Rerun = async (asked) => {
    const view = new DataView(asked.buffer, asked.byteOffset);
    const out = new Uint8Array(12 * view.getUint32(12, true));
    for (let i = 0; i < out.length / 12; i++) {
      const [x, y, batch] = [144, 148, 152].map((at) => view.getUint32(12 * i + at, true)) as [
        number,
        number,
        number,
      ];
      const at = leaf * (y * params.tile.width + x) + 12 * batch;
      out.set(honest.trace.subarray(at, at + 12), 12 * i);
    }
    return out;
  };
  const random = new SeededRandom(7);
  for (const share of [0.01, 0.03, 0.1]) {
    let caught = 0;
    const runs = 1000;
    for (let i = 0; i < runs; i++) {
      const trace = honest.trace.slice();
      const output = honest.output.slice();
      const falsified = new Set<number>();
      while (falsified.size < share * pairs) falsified.add(random.below(pairs));
      for (const pair of falsified) trace[12 * pair]! ^= 1;
      const batches = new Float32Array(trace.buffer);
      const sums = new Float32Array(output.buffer);
      for (const pair of falsified) addUp(batches, sums, Math.floor(pair / 4));
      const challenge = drawPairs(params, random);
      const leaves = new Map(
        challenge.picks.map((pick) => [pick.leaf, trace.subarray(leaf * pick.leaf, leaf * (pick.leaf + 1))]),
      );
      const evidence = { output, leafCount: pairs / 4, leaves };
      if (!(await verifyTile(task.spec.params, evidence, challenge, rerun)).ok) caught++;
    }
    const predicted = 1 - (1 - share) ** 64;
    t.diagnostic(`share ${share}: caught ${(caught / runs).toFixed(3)}, predicted ${predicted.toFixed(3)}`);
    const deviation = Math.sqrt((predicted * (1 - predicted)) / runs);
    assert.ok(Math.abs(caught / runs - predicted) < 4 * deviation + 1e-3);
  }
});

/** Makes a pixel's output the sum of its four batches, as a clever cheat does. */
function addUp(batches: Float32Array, sums: Float32Array, pixel: number): void {
  for (let channel = 0; channel < 3; channel++) {
    let sum = 0;
    for (let batch = 0; batch < 4; batch++)
      sum = Math.fround(sum + batches[12 * pixel + 3 * batch + channel]!);
    sums[3 * pixel + channel] = sum;
  }
}
