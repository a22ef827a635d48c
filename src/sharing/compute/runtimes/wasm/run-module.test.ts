import assert from "node:assert/strict";
import { test } from "node:test";
import { packModel } from "#sharing/compute/core/render/pack-model.ts";
import { encodePairsParams, encodeTileParams } from "#sharing/compute/core/render/tile-params.ts";
import { FIELD_CAMERA, fieldModel, hallModel, job } from "../../../../../test/support/render-scenes.ts";
import { TRACER } from "../../test-world.ts";
import { type LoadedModule, loadModule, runModule } from "./run-module.ts";

const LIMITS = { memoryBytes: 2 ** 26, outputBytes: 2 ** 20, traceBytes: 2 ** 20, milliseconds: 30_000 };
const work = job(FIELD_CAMERA, { width: 32, height: 16, tileSize: 16, samples: 32 });
const tiles = [0, 16].map((x, index) => encodeTileParams(work, { index, x, y: 0, width: 16, height: 16 }));
const pairs = [3, 7, 11].map((batch) => encodePairsParams(tiles[0]!, [{ x: batch, y: 2, batch: batch & 1 }]));

function loaded(): LoadedModule {
  const module = loadModule(TRACER, LIMITS.memoryBytes);
  if ("ok" in module) assert.fail("the tracer was refused");
  return module;
}

function bits(module: LoadedModule, params: Uint8Array, scene: Uint8Array, reuse: boolean): Uint8Array[] {
  const outcome = runModule(module, {
    params,
    inputs: [scene],
    seed: new Uint8Array(32),
    limits: LIMITS,
    reuse,
  });
  if (!outcome.ok) assert.fail(outcome.failure.text);
  return [outcome.value.output, outcome.value.trace];
}

test("an instance that serves many runs gives what a fresh one gives, whatever came before", () => {
  const scenes = [fieldModel(), hallModel()].map((model) => packModel(model, 2 ** 30)!);
  const kept = loaded();
  let instance: unknown;
  for (const scene of [scenes[0]!, scenes[1]!, scenes[0]!]) {
    for (const params of [tiles[0]!, ...pairs, tiles[1]!, pairs[0]!, tiles[0]!]) {
      assert.deepEqual(bits(kept, params, scene, true), bits(loaded(), params, scene, false));
      instance ??= kept.kept;
      assert.ok(instance !== undefined && kept.kept === instance);
    }
  }
});

test("nothing is kept of a stranger's run, nor of one that failed", () => {
  const scene = packModel(fieldModel(), 2 ** 30)!;
  const module = loaded();
  bits(module, pairs[0]!, scene, true);
  assert.ok(module.kept !== undefined);
  bits(module, pairs[0]!, scene, false);
  assert.equal(module.kept, undefined);
  bits(module, pairs[0]!, scene, true);
  const bad = runModule(module, {
    params: new Uint8Array(3),
    inputs: [scene],
    seed: new Uint8Array(32),
    limits: LIMITS,
    reuse: true,
  });
  assert.ok(!bad.ok && bad.failure.code === "exit");
  assert.equal(module.kept, undefined);
});
