import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "#base/lib/clock.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import { FileError } from "../file-store.ts";
import { sufferCrashes } from "./crash-story.ts";
import { bodyOf, Circle, readAll } from "./test-circle.ts";

test("nothing acknowledged is lost by power cuts and kills at random instants", async () => {
  let acknowledged = 0;
  for (const seed of [1, 2]) {
    const outcome = await sufferCrashes({ seed, deaths: 5, hosts: 5 });
    assert.equal(outcome.cuts + outcome.kills, 5);
    acknowledged += outcome.acknowledged;
  }
  assert.equal(acknowledged > 30, true, `${acknowledged} writes were acknowledged`);
});

test("parts that were acknowledged outlive the machine's death, and the upload is completed after it", async () => {
  for (const death of ["kill", "power cut"] as const) {
    const circle = await Circle.start({ hosts: 6, policy: { slabBytes: 1 << 20 } });
    const peer = { deviceSecret: new Uint8Array(32).fill(5) };
    const world = new FaultWorld();
    const owner = await circle.owner({ peer, disk: world });
    await owner.files.createBucket("box");
    const upload = await owner.files.startUpload("box", "long", { contentType: "video/mp4" });
    const bytes = circle.random.fill(new Uint8Array(15 << 20));
    const piece = (part: number) => bytes.subarray((part - 1) * (5 << 20), part * (5 << 20));
    await owner.files.putPart(upload.id, 1, bodyOf(piece(1)));
    await owner.files.putPart(upload.id, 2, bodyOf(piece(2)));
    // The third is half on its way.
    const dead = Promise.withResolvers<void>();
    const third = owner.files.putPart(upload.id, 3, half(piece(3), dead.promise)).then(
      () => true,
      () => false,
    );
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
    circle.network.kill(owner.mesh.self);
    const after = death === "kill" ? world.kill() : world.powerCut(circle.random);
    await owner.files.stop().catch(() => {});
    dead.resolve();
    assert.equal(await third, false);
    const { files, mesh } = await circle.owner({ peer, disk: after });
    await files.upkeep();
    assert.deepEqual(
      (await files.uploads("box", { limit: 9 })).map(({ id, key }) => [id, key]),
      [[upload.id, "long"]],
    );
    const parts = await files.parts(upload.id, { after: 0, limit: 9 });
    assert.deepEqual(
      parts.map(({ part, size }) => [part, size]),
      [
        [1, 5 << 20],
        [2, 5 << 20],
      ],
    );
    const last = await files.putPart(upload.id, 3, bodyOf(piece(3)));
    const object = await files.completeUpload(upload.id, [...parts, last]);
    assert.equal(object.contentType, "video/mp4");
    assert.deepEqual(await readAll(files.read(object)), bytes);
    // The answer got lost with the machine: asked again it is the same, here and on a machine that has a snapshot of it.
    circle.network.kill(mesh.self);
    await files.stop();
    const again = await circle.owner({ peer, disk: after.kill() });
    assert.deepEqual(await again.files.completeUpload(upload.id, [...parts, last]), object);
    await again.files.snapshot();
    const elsewhere = await circle.owner();
    await elsewhere.files.sync();
    assert.deepEqual(await elsewhere.files.completeUpload(upload.id, [...parts, last]), object);
    await circle.stop();
  }
});

/** Half of a body, and no more of it before its writer is dead. */
async function* half(bytes: Uint8Array, dead: Promise<void>): AsyncGenerator<Uint8Array> {
  yield* bodyOf(bytes.subarray(0, bytes.length / 2));
  await dead;
  throw new Error("the sender is gone");
}

test("a put whose body ends after the files were closed is told that they are, as a verdict", async () => {
  const circle = await Circle.start({ hosts: 4 });
  const { files } = await circle.owner();
  await files.createBucket("box");
  const closed = Promise.withResolvers<void>();
  const late = files.put("box", "key", slow(closed.promise)).then(
    () => undefined,
    (error: unknown) => error,
  );
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
  await files.stop();
  closed.resolve();
  const error = await late;
  assert.equal(error instanceof FileError && error.code, "ServiceUnavailable");
  await assert.rejects(files.buckets(), FileError);
  await circle.stop();
});

async function* slow(end: Promise<void>): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(100);
  await end;
}

test("a write that the hosts' log has and this machine not yet is whole when it comes true", async () => {
  const clock = new ManualClock(1_700_000_000_000);
  const policy = { scheme: { needed: 1, total: 3 }, epochSeconds: 10 };
  const circle = await Circle.start({ hosts: 3, clock, policy });
  const peer = { deviceSecret: circle.random.fill(new Uint8Array(32)) };
  const world = new FaultWorld();
  const before = await circle.owner({ peer, disk: world });
  await before.files.createBucket("box");
  // The process ends when enough hosts have the head of the log, before its own index has the file.
  let left: FaultWorld | undefined;
  let finished = 0;
  let heads = 0;
  const call = before.mesh.call.bind(before.mesh) as typeof before.mesh.call;
  before.mesh.call = async (to, protocol, method, request, options) => {
    const outcome = await call(to, protocol, method, request, options);
    const { root, upload, record } = request as { root?: unknown; upload?: unknown; record?: unknown };
    if (root !== undefined && upload !== undefined) finished++;
    // Three shards of the file, and two at least of the log's segment, are there before its head is.
    if (record !== undefined && finished >= 5 && ++heads === 2) left = world.kill();
    return outcome;
  };
  const bytes = circle.random.fill(new Uint8Array(100_000));
  await assert.rejects(before.files.put("box", "file", bodyOf(bytes)));
  circle.network.kill(before.mesh.self);
  await before.files.stop().catch(() => {});
  const after = await circle.owner({ peer, disk: left! });
  // The hosts are slow to tell of their heads, and an epoch comes first.
  const held = Promise.withResolvers<void>();
  const ask = after.mesh.call.bind(after.mesh) as typeof after.mesh.call;
  let drops = 0;
  after.mesh.call = async (to, protocol, method, request, options) => {
    if ((request as { roots?: unknown }).roots !== undefined) drops++;
    if ((request as { headKey?: unknown }).headKey !== undefined) await held.promise;
    return ask(to, protocol, method, request, options);
  };
  for (let i = 0; i < 40; i++) {
    clock.advance(500);
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(drops, 0);
  held.resolve();
  await after.files.upkeep();
  assert.deepEqual(await readAll(after.files.read(await after.files.head("box", "file"))), bytes);
  await circle.stop();
});
