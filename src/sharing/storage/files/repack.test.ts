/** Small files that were put one after another come to share slabs, and nothing of them changes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FaultWorld } from "#base/store/fault-world.ts";
import { FileError, type ObjectInfo } from "../file-store.ts";
import type { Files } from "./files.ts";
import { bodyOf, Circle, readAll } from "./test-circle.ts";

/**
 * Nothing waits for age, so that a round shows all at once. Stamps of quick writes run ahead of the clock by a little,
 * which is why not even zero is asked of them.
 */
const AT_ONCE = { repackSeconds: -60, garbageSeconds: -60 };

async function putMany(
  circle: Circle,
  files: Files,
  count: number,
  length: number,
): Promise<Map<string, Uint8Array>> {
  const bodies = new Map<string, Uint8Array>();
  for (let i = 0; i < count; i++) {
    const bytes = circle.random.fill(new Uint8Array(length));
    await files.put("box", `file ${i}`, bodyOf(bytes));
    bodies.set(`file ${i}`, bytes);
  }
  return bodies;
}

async function infosOf(files: Files): Promise<Map<string, ObjectInfo>> {
  const page = await files.listVersions("box", { limit: 1000 });
  return new Map(page.objects.map((object) => [`${object.key} ${object.versionId}`, object]));
}

async function checkBodies(
  files: Files,
  bodies: ReadonlyMap<string, Uint8Array>,
  when: string,
): Promise<void> {
  for (const [key, bytes] of bodies) {
    assert.deepEqual(await readAll(files.read(await files.head("box", key))), bytes, `${when}: ${key}`);
  }
}

function shardsAt(circle: Circle): number {
  return circle.hosts.reduce((sum, { host }) => sum + host.status().shards, 0);
}

/** Slabs that hold objects. */
async function bodySlabs(files: Files): Promise<number> {
  const slabs = new Set<string>();
  for (const object of (await infosOf(files)).values()) {
    if (!object.deleteMarker) for (const { slab } of await files.health(object)) slabs.add(slab);
  }
  return slabs.size;
}

test("200 files of 20 kB put one by one come to lie in one slab; versions, ETags and bytes are as before", async (t) => {
  const circle = await Circle.start({ hosts: 3, policy: AT_ONCE });
  const { files } = await circle.owner();
  await files.createBucket("box");
  await files.setVersioning("box", "enabled");
  const bodies = await putMany(circle, files, 200, 20_000);
  const before = await infosOf(files);
  const slabs = { before: await bodySlabs(files), after: 0 };
  const shards = { before: shardsAt(circle), after: 0 };
  for (let round = 0; round < 3; round++) await files.upkeep();
  slabs.after = await bodySlabs(files);
  shards.after = shardsAt(circle);
  t.diagnostic(
    `slabs ${slabs.before} → ${slabs.after}, shards at the hosts ${shards.before} → ${shards.after}`,
  );
  assert.equal(slabs.before, 200);
  assert.equal(slabs.after, 1);
  assert.ok(shards.after < shards.before / 20, JSON.stringify(shards));
  const after = await infosOf(files);
  assert.deepEqual([...after], [...before]);
  await checkBodies(files, bodies, "after repacking");
  const [first] = after.values();
  assert.deepEqual(
    await readAll(files.read(first!, { first: 100, last: 199 })),
    bodies.get(first!.key)!.slice(100, 200),
  );
  // The next round finds nothing to do.
  const totals = await files.status();
  await files.upkeep();
  assert.equal((await files.status()).slabs, totals.slabs);
  const fresh = await circle.owner();
  assert.equal((await fresh.files.sync()).unread, 0);
  await checkBodies(fresh.files, bodies, "an empty machine");
  await circle.stop();
});

test("what was deleted is left out, what is deleted later frees the pack, and copies count", async () => {
  const circle = await Circle.start({ hosts: 6, policy: AT_ONCE });
  const { files } = await circle.owner();
  await files.createBucket("box");
  const bodies = await putMany(circle, files, 30, 20_000);
  const used = () => circle.hosts.reduce((sum, { host }) => sum + host.status().usedBytes, 0);
  for (let i = 0; i < 30; i++) {
    if (i % 3 === 0) continue;
    await files.delete("box", `file ${i}`);
    bodies.delete(`file ${i}`);
  }
  for (let round = 0; round < 3; round++) await files.upkeep();
  assert.equal(await bodySlabs(files), 1);
  await checkBodies(files, bodies, "the rest");
  // A copy shares the pack; its source goes.
  await files.copy(await files.head("box", "file 0"), "box", "copy");
  for (const key of bodies.keys()) await files.delete("box", key);
  for (let round = 0; round < 2; round++) await files.upkeep();
  assert.deepEqual(await readAll(files.read(await files.head("box", "copy"))), bodies.get("file 0"));
  await files.delete("box", "copy");
  await files.snapshot();
  for (let round = 0; round < 3; round++) await files.upkeep();
  assert.equal(await bodySlabs(files), 0);
  assert.ok(used() < 6 * 20_000, `${used()} bytes are left: the log alone`);
  await circle.stop();
});

/** 24 files of 5,000 bytes, 16 of which share a slab with another. */
async function putShared(circle: Circle, files: Files): Promise<Map<string, Uint8Array>> {
  const bodies = new Map<string, Uint8Array>();
  for (let i = 0; i < 8; i++) {
    // The first is on its way alone, the two after it share a slab.
    const three = [0, 1, 2].map(async (j) => {
      const bytes = circle.random.fill(new Uint8Array(5000));
      bodies.set(`file ${i} ${j}`, bytes);
      await files.put("box", `file ${i} ${j}`, bodyOf(bytes));
    });
    await Promise.all(three);
  }
  return bodies;
}

test("a reader that holds a deleted object still reads it, though what lies beside it was packed; it is copied no more", async () => {
  const circle = await Circle.start({ hosts: 3, policy: { ...AT_ONCE, garbageSeconds: 3600 } });
  const { files } = await circle.owner();
  await files.createBucket("box");
  const bodies = await putShared(circle, files);
  const held = await files.head("box", "file 5 2");
  const bytes = bodies.get("file 5 2")!;
  const [before] = await files.health(held);
  assert.equal(
    (await files.health(await files.head("box", "file 5 1")))[0]?.slab,
    before?.slab,
    "they share one",
  );
  await files.delete("box", "file 5 2");
  bodies.delete("file 5 2");
  await files.upkeep();
  assert.equal(await bodySlabs(files), 1);
  await checkBodies(files, bodies, "what lives");
  assert.deepEqual(await readAll(files.read(held)), bytes);
  await assert.rejects(files.copy(held, "box", "back"), (error) => {
    return error instanceof FileError && error.code === "NoSuchKey";
  });
  await circle.stop();
});

test("what one machine copied while another saw it deleted and left it behind is kept", async () => {
  const circle = await Circle.start({ hosts: 3, policy: AT_ONCE });
  const one = await circle.owner();
  await one.files.createBucket("box");
  const bodies = await putShared(circle, one.files);
  const two = await circle.owner();
  await two.files.sync();
  const source = await two.files.head("box", "file 5 2");
  await one.files.delete("box", "file 5 2");
  await one.files.upkeep();
  assert.equal(await bodySlabs(one.files), 1, "packed, without it");
  await two.files.copy(source, "box", "copy");
  bodies.set("copy", bodies.get("file 5 2")!);
  bodies.delete("file 5 2");
  for (let round = 0; round < 3; round++) await one.files.upkeep();
  await checkBodies(one.files, bodies, "who packed");
  for (let round = 0; round < 3; round++) await two.files.upkeep();
  await checkBodies(two.files, bodies, "who copied");
  const fresh = await circle.owner();
  await fresh.files.sync();
  await checkBodies(fresh.files, bodies, "an empty machine");
  await circle.stop();
});

test("two machines that pack the same slabs at once agree, and nothing is lost", async () => {
  const circle = await Circle.start({ hosts: 6, policy: { ...AT_ONCE } });
  const one = await circle.owner();
  await one.files.createBucket("box");
  const bodies = await putMany(circle, one.files, 12, 20_000);
  const two = await circle.owner();
  await two.files.sync();
  for (const [key, bytes] of await putMany(circle, two.files, 12, 20_000)) bodies.set(key, bytes);
  await one.files.sync();
  await Promise.all([one.files.upkeep(), two.files.upkeep()]);
  // A copy on one machine while the other drops.
  await one.files.copy(await one.files.head("box", "file 3"), "box", "copy");
  bodies.set("copy", bodies.get("file 3")!);
  for (let round = 0; round < 3; round++) {
    await one.files.upkeep();
    await two.files.upkeep();
  }
  for (const { files } of [one, two]) await checkBodies(files, bodies, "both machines");
  const fresh = await circle.owner();
  await fresh.files.sync();
  await checkBodies(fresh.files, bodies, "an empty machine");
  await circle.stop();
});

test("a power cut at any step of repacking loses nothing, and the next rounds end it", async (t) => {
  let cuts = 0;
  for (let step = 1; step <= 27; step += 2) {
    const circle = await Circle.start({ hosts: 2, seed: step, policy: AT_ONCE });
    const peer = { deviceSecret: new Uint8Array(32).fill(5) };
    const world = new FaultWorld();
    const owner = await circle.owner({ peer, disk: world });
    await owner.files.createBucket("box");
    const bodies = await putMany(circle, owner.files, 9, 6_000);
    const before = await infosOf(owner.files);
    world.offAfter(step);
    await owner.files.upkeep().catch(() => {});
    await owner.files.upkeep().catch(() => {});
    if (world.isOff) cuts++;
    circle.network.kill(owner.mesh.self);
    await owner.files.stop().catch(() => {});
    const { files } = await circle.owner({ peer, disk: world.powerCut(circle.random) });
    await checkBodies(files, bodies, `step ${step}, from the directory alone`);
    for (let round = 0; round < 4; round++) await files.upkeep();
    await checkBodies(files, bodies, `step ${step}, after the next rounds`);
    assert.deepEqual([...(await infosOf(files))], [...before]);
    assert.equal(await bodySlabs(files), 1, `step ${step}`);
    const fresh = await circle.owner();
    assert.equal((await fresh.files.sync()).unread, 0);
    await checkBodies(fresh.files, bodies, `step ${step}, an empty machine`);
    await circle.stop();
  }
  t.diagnostic(`${cuts} cuts`);
  assert.ok(cuts >= 8, `${cuts} cuts`);
});

test("the log of a retired machine is removed once another's snapshot holds it", async () => {
  const circle = await Circle.start({ hosts: 6, policy: { ...AT_ONCE, retiredSeconds: -60 } });
  const device = { deviceSecret: new Uint8Array(32).fill(6) };
  const old = await circle.owner({ peer: device });
  await old.files.createBucket("box");
  const bodies = await putMany(circle, old.files, 20, 1000);
  await old.files.stop();
  circle.network.kill(old.mesh.self);
  const shardsBefore = shardsAt(circle);
  const next = await circle.owner();
  await next.files.sync();
  for (let round = 0; round < 3; round++) await next.files.upkeep();
  assert.ok(shardsAt(circle) < shardsBefore / 3, `${shardsBefore} shards → ${shardsAt(circle)}`);
  await checkBodies(next.files, bodies, "the machine after it");
  const fresh = await circle.owner();
  assert.equal((await fresh.files.sync()).unread, 0);
  await checkBodies(fresh.files, bodies, "an empty machine");
  // The old machine comes back after all, and writes on.
  const again = await circle.owner({ disk: (old.disk as FaultWorld).kill(), peer: device });
  await again.files.sync();
  const late = circle.random.fill(new Uint8Array(900));
  await again.files.put("box", "late", bodyOf(late));
  bodies.set("late", late);
  const last = await circle.owner();
  assert.equal((await last.files.sync()).unread, 0);
  await checkBodies(last.files, bodies, "after its return");
  await circle.stop();
});

test("more retired machines than a head can name do not keep an empty one from reading all", async () => {
  const circle = await Circle.start({ hosts: 3, policy: { ...AT_ONCE, retiredSeconds: -60 } });
  const bodies = new Map<string, Uint8Array>();
  for (let i = 0; i < 9; i++) {
    const { files, mesh } = await circle.owner();
    await files.sync();
    if (i === 0) await files.createBucket("box");
    const bytes = circle.random.fill(new Uint8Array(1000));
    await files.put("box", `of machine ${i}`, bodyOf(bytes));
    bodies.set(`of machine ${i}`, bytes);
    await files.stop();
    circle.network.kill(mesh.self);
  }
  const last = await circle.owner();
  await last.files.sync();
  for (let round = 0; round < 3; round++) await last.files.upkeep();
  await checkBodies(last.files, bodies, "the last machine");
  const fresh = await circle.owner();
  assert.equal((await fresh.files.sync()).unread, 0);
  await checkBodies(fresh.files, bodies, "an empty machine");
  await circle.stop();
});
