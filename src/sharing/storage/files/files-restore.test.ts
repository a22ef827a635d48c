/** The words and one peer bring everything back: restore, stale heads, several machines under the same words. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FaultWorld } from "#base/store/fault-world.ts";
import type { MemoryMesh } from "#sharing/mesh/memory-mesh.ts";
import { accept } from "#sharing/mesh/protocol.ts";
import { FileError } from "../file-store.ts";
import type { Files } from "./files.ts";
import { bodyOf, Circle, type Owner, readAll } from "./test-circle.ts";

/** Everything that a caller can see, with the bytes. */
async function everything(files: Files): Promise<unknown> {
  const all = [];
  for (const bucket of await files.buckets()) {
    const { objects } = await files.listVersions(bucket.name, { limit: 1000 });
    for (const object of objects) {
      const bytes = object.deleteMarker
        ? undefined
        : Buffer.from(await readAll(files.read(object))).toString("hex");
      all.push({ bucket, object: { ...object }, bytes });
    }
    all.push({ bucket, uploads: await files.uploads(bucket.name, { limit: 1000 }) });
  }
  return all;
}

async function writeStory(circle: Circle, { files }: Owner): Promise<void> {
  await files.createBucket("plain");
  await files.createBucket("kept");
  await files.createBucket("gone");
  await files.setVersioning("kept", "enabled");
  const random = (length: number) => bodyOf(circle.random.fill(new Uint8Array(length)));
  await files.put("plain", "tiny", random(100), { contentType: "text/plain", metadata: { a: "b" } });
  await files.put("plain", "tiny", random(200));
  await files.put("plain", "middle", random(60_000));
  await files.put("plain", "large", random(2_300_000));
  await files.put("plain", "empty", random(0));
  await files.put("plain", "deleted", random(70_000));
  await files.delete("plain", "deleted");
  for (const length of [10, 5000, 90_000]) await files.put("kept", "a", random(length));
  await files.delete("kept", "a");
  await files.copy(await files.head("plain", "large"), "kept", "copied");
  await files.deleteBucket("gone");
  const upload = await files.startUpload("plain", "parts");
  const parts = [
    await files.putPart(upload.id, 1, random(5 << 20)),
    await files.putPart(upload.id, 2, random(1000)),
  ];
  await files.completeUpload(upload.id, parts);
  const open = await files.startUpload("plain", "open", { contentType: "x/y" });
  await files.putPart(open.id, 3, random(5000));
}

async function synced(owner: Owner): Promise<void> {
  const report = await owner.files.sync();
  assert.equal(report.unread, 0);
}

test("an empty machine with the same words finds every bucket, version, part and byte", async () => {
  const circle = await Circle.start({ hosts: 12, policy: { slabBytes: 1 << 20 } });
  const first = await circle.owner();
  await writeStory(circle, first);
  const before = await everything(first.files);
  circle.network.kill(first.mesh.self);
  await first.files.stop();
  const second = await circle.owner();
  await synced(second);
  assert.deepEqual(await everything(second.files), before);
  // It goes on writing, and a third machine finds both.
  await second.files.put("plain", "after", bodyOf(new Uint8Array(10_000)));
  const now = await everything(second.files);
  const third = await circle.owner();
  await synced(third);
  assert.deepEqual(await everything(third.files), now);
  const other = await circle.owner({ filesKey: new Uint8Array(32).fill(1) });
  await synced(other);
  assert.deepEqual(await other.files.buckets(), []);
  await circle.stop();
});

test("nothing a caller can name or say makes a log that another machine refuses to read", async () => {
  const circle = await Circle.start({ hosts: 6 });
  const first = await circle.owner();
  await first.files.createBucket("kept");
  await first.files.setVersioning("kept", "enabled");
  const refused = (code: string) => (error: unknown) => error instanceof FileError && error.code === code;
  // The longest name that metadata has room for, and those that objects have of their own.
  const metadata = { ["m".repeat(2047)]: "1" };
  const put = (key: string, metadata: Record<string, string>) =>
    first.files.put("kept", key, bodyOf(new Uint8Array(1)), { metadata });
  await put("long name", metadata);
  await put("odd names", { constructor: "1", hasownproperty: "2", "": "3" });
  await assert.rejects(put("no name", { ["__proto__"]: "1" }), refused("InvalidArgument"));
  for (const key of ["k".repeat(1025), ""]) {
    await assert.rejects(first.files.delete("kept", key), refused("KeyTooLongError"));
  }
  await first.files.delete("kept", "half a letter \ud800");
  const second = await circle.owner();
  await synced(second);
  assert.deepEqual(await everything(second.files), await everything(first.files));
  assert.deepEqual((await second.files.head("kept", "long name")).metadata, metadata);
  await circle.stop();
});

test("after a snapshot, too, and with the segments before it dropped", async () => {
  const circle = await Circle.start({ hosts: 6, policy: { slabBytes: 1 << 20 } });
  const first = await circle.owner();
  await writeStory(circle, first);
  const shardsBefore = circle.hosts.reduce((sum, { host }) => sum + host.status().shards, 0);
  await first.files.snapshot();
  await first.files.put("plain", "after", bodyOf(new Uint8Array(3000)));
  await first.files.upkeep();
  const shardsAfter = circle.hosts.reduce((sum, { host }) => sum + host.status().shards, 0);
  assert.equal(shardsAfter < shardsBefore - 60, true, `${shardsBefore} shards, then ${shardsAfter}`);
  const before = await everything(first.files);
  const second = await circle.owner();
  await synced(second);
  assert.deepEqual(await everything(second.files), before);
  // The second machine takes its own, which covers the first one's chain.
  await second.files.snapshot();
  const third = await circle.owner();
  await synced(third);
  assert.deepEqual(await everything(third.files), before);
  await circle.stop();
});

/** Makes a host answer `get-heads` with what it held at this moment, for good. */
async function freezeHeads(asker: MemoryMesh, host: MemoryMesh): Promise<void> {
  const call = asker.call.bind(asker) as typeof asker.call;
  let frozen: unknown;
  asker.call = async (peer, protocol, method, request, options) => {
    const isHeads = peer === host.self && method === protocol.methods["get-heads"];
    if (isHeads && frozen !== undefined) return accept(frozen) as never;
    const outcome = await call(peer, protocol, method, request, options);
    if (isHeads && outcome.ok) frozen = outcome.value;
    return outcome;
  };
}

test("a host that serves a stale head does not win", async () => {
  const circle = await Circle.start({ hosts: 6 });
  const first = await circle.owner();
  await first.files.createBucket("box");
  await first.files.put("box", "old", bodyOf(new Uint8Array(10)));
  const second = await circle.owner();
  // Five of the six tell what was true once.
  for (const { mesh } of circle.hosts.slice(0, 5)) await freezeHeads(second.mesh, mesh);
  await synced(second);
  assert.equal((await second.files.list("box", { limit: 10 })).objects.length, 1);
  await first.files.put("box", "new", bodyOf(new Uint8Array(20)));
  await synced(second);
  assert.deepEqual(
    (await second.files.list("box", { limit: 10 })).objects.map(({ key }) => key),
    ["new", "old"],
  );
  await circle.stop();
});

test("two machines write under the same words, and both end with the same", async () => {
  const circle = await Circle.start({ hosts: 6 });
  const one = await circle.owner();
  const two = await circle.owner();
  await one.files.createBucket("box");
  await synced(two);
  const write = async ({ files }: Owner, name: string) => {
    for (let i = 0; i < 5; i++) {
      await files.put("box", `${name}-${i}`, bodyOf(circle.random.fill(new Uint8Array(3000 * i))));
      await files.put("box", "both", bodyOf(new TextEncoder().encode(`${name} ${i}`)));
    }
    await files.delete("box", `${name}-3`);
  };
  await Promise.all([write(one, "one"), write(two, "two")]);
  await synced(one);
  await synced(two);
  const seen = await everything(one.files);
  assert.deepEqual(await everything(two.files), seen);
  // What one deletes, the other does not bring back.
  await two.files.delete("box", "one-0");
  await one.files.snapshot();
  await synced(one);
  await synced(two);
  await assert.rejects(one.files.head("box", "one-0"), { code: "NoSuchKey" });
  const third = await circle.owner();
  await synced(third);
  assert.deepEqual(await everything(third.files), await everything(one.files));
  await assert.rejects(third.files.head("box", "one-0"), { code: "NoSuchKey" });
  await circle.stop();
});

test("one peer is enough to begin: the others are found through it", async () => {
  const circle = await Circle.start({ hosts: 4 });
  const first = await circle.owner();
  await first.files.createBucket("box");
  const bytes = circle.random.fill(new Uint8Array(30_000));
  await first.files.put("box", "file", bodyOf(bytes));
  await first.files.stop();
  circle.network.kill(first.mesh.self);
  // At first it reaches one host alone: it learns that there is something, and gets it when the others come.
  circle.kill(1, 2, 3);
  const second = await circle.owner();
  assert.equal((await second.files.sync()).unread, 1);
  assert.deepEqual(await second.files.buckets(), []);
  circle.revive(2, 3);
  await synced(second);
  assert.deepEqual(await readAll(second.files.read(await second.files.head("box", "file"))), bytes);
  await circle.stop();
});

test("shards that were moved since the record was written are found after a restore", async () => {
  const policy = { scheme: { needed: 2, total: 4 }, awaySeconds: 0, deadSeconds: 0 };
  const circle = await Circle.start({ hosts: 9, policy });
  const first = await circle.owner();
  await first.files.createBucket("box");
  const bytes = circle.random.fill(new Uint8Array(200_000));
  const object = await first.files.put("box", "file", bodyOf(bytes));
  const old = (await first.files.health(object))[0]!.shards.map(({ host }) => circle.indexOf(host));
  circle.kill(old[0]!, old[1]!);
  await first.files.upkeep();
  circle.kill(old[2]!);
  await first.files.upkeep();
  const second = await circle.owner();
  await synced(second);
  assert.deepEqual(await readAll(second.files.read(await second.files.head("box", "file"))), bytes);
  await circle.stop();
});

test("a directory older than what was written under its name begins a new chain and merges its own", async () => {
  const circle = await Circle.start({ hosts: 4 });
  const peer = { deviceSecret: new Uint8Array(32).fill(3) };
  const first = await circle.owner({ peer });
  await first.files.createBucket("box");
  await first.files.stop();
  const world = first.disk as FaultWorld;
  const backup = world.kill();
  // The same directory, once as it went on and once as it was backed up.
  circle.network.kill(first.mesh.self);
  const onward = await circle.owner({ peer, disk: copyOf(backup) });
  await onward.files.put("box", "later", bodyOf(new Uint8Array(10)));
  await onward.files.stop();
  circle.network.kill(onward.mesh.self);
  const back = await circle.owner({ peer, disk: backup });
  await synced(back);
  await back.files.put("box", "latest", bodyOf(new Uint8Array(10)));
  const third = await circle.owner();
  await synced(third);
  const keys = (await third.files.list("box", { limit: 10 })).objects.map(({ key }) => key);
  assert.deepEqual(keys, ["later", "latest"]);
  await circle.stop();
});

/** A second world with the same content. */
function copyOf(world: FaultWorld): FaultWorld {
  return new FaultWorld({}, world.files.copyTree());
}
