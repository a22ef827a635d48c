import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "#base/lib/random.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import { openHostSwitch } from "./host-switch.ts";
import { openS3Keys } from "./s3-keys.ts";

async function write(world: FaultWorld, path: string, text: string): Promise<void> {
  const file = await world.files.open(path, "create");
  await file.write(new TextEncoder().encode(text), 0);
  await file.close();
}

test("S3 keys are made once and outlive a power cut; a damaged file makes no new ones", async () => {
  const world = new FaultWorld();
  const random = new SeededRandom(1);
  const keys = await openS3Keys(world.files, "/keys.json", random);
  assert.match(keys.accessKey, /^[A-Z2-7]{20}$/);
  assert.match(keys.secretKey, /^[A-Z2-7]{40}$/);
  const after = world.powerCut(random);
  assert.deepEqual(await openS3Keys(after.files, "/keys.json", random), keys);
  const fresh = new FaultWorld();
  assert.notDeepEqual(await openS3Keys(fresh.files, "/keys.json", random), keys);
  for (const text of ["", "{", '{"accessKey":"A","secretKey":"B"}']) {
    const damaged = new FaultWorld();
    await write(damaged, "/keys.json", text);
    await assert.rejects(openS3Keys(damaged.files, "/keys.json", random), /keys\.json is damaged/);
  }
});

test("hosting stays switched as it was, through a power cut", async () => {
  const world = new FaultWorld();
  const first = await openHostSwitch(world.files, "/host.json");
  assert.deepEqual(first.state, { on: false, limitBytes: 0 });
  await first.remember({ on: true, limitBytes: 5_000_000 });
  const limited = new FaultWorld();
  const rules = { on: true, limitBytes: 5_000_000, limitBytesPerAccount: 1_000_000, keepDays: 7 };
  await (await openHostSwitch(limited.files, "/host.json")).remember(rules);
  const kept = await openHostSwitch(limited.powerCut(new SeededRandom(3)).files, "/host.json");
  assert.deepEqual(kept.state, rules);
  const after = await openHostSwitch(world.powerCut(new SeededRandom(2)).files, "/host.json");
  assert.deepEqual(after.state, { on: true, limitBytes: 5_000_000 });
  const damaged = new FaultWorld();
  await write(damaged, "/host.json", '{"on":"yes"}');
  await assert.rejects(openHostSwitch(damaged.files, "/host.json"), /host\.json is damaged/);
});
