/** Files while hosts die, come back, lie and lose. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { queryObjects } from "node:v8";
import { type Clock, ManualClock, systemClock } from "#base/lib/clock.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import type { PeerId } from "#sharing/mesh/mesh.ts";
import { accept, refuse } from "#sharing/mesh/protocol.ts";
import { FileError, type ObjectInfo, type SlabHealth } from "../file-store.ts";
import { SlabUpload } from "../renter/upload-slab.ts";
import type { Files } from "./files.ts";
import { bodyOf, Circle, readAll } from "./test-circle.ts";

const SCHEME = { needed: 4, total: 12 };

async function putBytes(files: Files, bytes: Uint8Array, key = "file"): Promise<ObjectInfo> {
  if ((await files.buckets()).length === 0) await files.createBucket("box");
  return await files.put("box", key, bodyOf(bytes));
}

function hostsOf(health: readonly SlabHealth[]): PeerId[] {
  return [...new Set(health.flatMap(({ shards }) => shards.map(({ host }) => host)))];
}

test("with eight of twelve hosts gone a file of 4-of-12 still reads bit for bit; with nine it says so", async () => {
  const circle = await Circle.start({ hosts: 12, policy: { slabBytes: 1 << 20, hedgeMs: 100 } });
  const { files } = await circle.owner();
  const bytes = circle.random.fill(new Uint8Array(2_500_000));
  const object = await putBytes(files, bytes);
  circle.kill(0, 2, 3, 5, 6, 8, 9, 11);
  assert.deepEqual(await readAll(files.read(object)), bytes);
  circle.kill(1);
  await assert.rejects(readAll(files.read(object)), (error) => {
    return error instanceof FileError && error.code === "ServiceUnavailable";
  });
  await circle.stop();
});

test("with five of twelve hosts dead, repair fills all twelve places from the spares", async () => {
  const policy = { slabBytes: 1 << 20, scheme: SCHEME, awaySeconds: 0, deadSeconds: 0 };
  const circle = await Circle.start({ hosts: 17, policy });
  const { files } = await circle.owner();
  const bytes = circle.random.fill(new Uint8Array(2_500_000));
  const object = await putBytes(files, bytes);
  const before = hostsOf(await files.health(object));
  assert.equal(before.length >= 12, true);
  const dead = (await files.health(object))[0]!.shards.slice(3, 8).map(({ host }) => circle.indexOf(host));
  circle.kill(...dead);
  const states = new Set<string>();
  files.events.on((event) => {
    if (event.type === "slab") for (const { state } of event.health.shards) states.add(state);
  });
  await files.upkeep();
  const after = await files.health(object);
  for (const { shards } of after) {
    assert.deepEqual(new Set(shards.map(({ state }) => state)), new Set(["stored"]));
    assert.equal(new Set(shards.map(({ host }) => host)).size, 12, "one shard a host");
    for (const { host } of shards) assert.equal(dead.includes(circle.indexOf(host)), false);
  }
  assert.deepEqual(states.has("repairing"), true);
  // The repaired shards alone, where possible, give the file back.
  const kept = after[0]!.shards.filter((_, i) => i < 3 || i > 7).map(({ host }) => circle.indexOf(host));
  circle.kill(...kept.slice(0, 6));
  assert.deepEqual(await readAll(files.read(object)), bytes);
  await circle.stop();
});

test("a host away for a while is not replaced above the threshold, and counts again when it is back", async () => {
  const policy = { scheme: { needed: 2, total: 6 }, awaySeconds: 0, deadSeconds: 3600 };
  const circle = await Circle.start({ hosts: 9, policy });
  const { files } = await circle.owner();
  const object = await putBytes(files, circle.random.fill(new Uint8Array(100_000)));
  const places = (await files.health(object))[0]!.shards.map(({ host }) => circle.indexOf(host));
  circle.kill(places[0]!);
  await files.upkeep();
  const away = (await files.health(object))[0]!.shards;
  assert.equal(away[0]!.state, "lost");
  assert.equal(circle.indexOf(away[0]!.host), places[0]);
  circle.revive(places[0]!);
  await files.upkeep();
  assert.equal((await files.health(object))[0]!.shards[0]!.state, "stored");
  // Two away: four are left, which is the threshold k+(n−k)/2.
  circle.kill(places[0]!, places[1]!);
  await files.upkeep();
  const repaired = (await files.health(object))[0]!.shards;
  assert.deepEqual(new Set(repaired.map(({ state }) => state)), new Set(["stored"]));
  await circle.stop();
});

test("a host that answers an audit wrong is reported, and its shards are moved", async () => {
  const circle = await Circle.start({ hosts: 8, policy: { scheme: { needed: 2, total: 6 } } });
  const { files, mesh } = await circle.owner();
  const bytes = circle.random.fill(new Uint8Array(100_000));
  const object = await putBytes(files, bytes);
  const cheat = circle.hosts[circle.indexOf((await files.health(object))[0]!.shards[2]!.host)]!;
  // It threw the shard away and makes up what it is asked for.
  const call = mesh.call.bind(mesh) as typeof mesh.call;
  mesh.call = async (peer, protocol, method, request, options) => {
    const outcome = await call(peer, protocol, method, request, options);
    const isAudit = (request as { challenge?: unknown }).challenge !== undefined;
    if (!outcome.ok || !isAudit || peer !== cheat.mesh.self) return outcome;
    const { leaves, proof } = outcome.value as { leaves: Uint8Array[]; proof: Uint8Array };
    return accept({ leaves: leaves.map((leaf) => new Uint8Array(leaf.length)), proof }) as typeof outcome;
  };
  await files.upkeep();
  assert.equal(mesh.view(cheat.mesh.self)!.standing, "banned");
  const { shards } = (await files.health(object))[0]!;
  assert.deepEqual(new Set(shards.map(({ state }) => state)), new Set(["stored"]));
  assert.equal(
    shards.some(({ host }) => host === cheat.mesh.self),
    false,
  );
  assert.deepEqual(await readAll(files.read(object)), bytes);
  await circle.stop();
});

test("a cell that its proof does not hold for is not used, and its host is reported", async () => {
  // The honest are slower, so that the liars are asked first.
  const circle = await Circle.start({
    hosts: 6,
    policy: { scheme: { needed: 2, total: 6 } },
    hostOptions: (index) => (index < 3 ? {} : { latencyMs: 20 }),
  });
  const { files, mesh } = await circle.owner();
  const bytes = circle.random.fill(new Uint8Array(300_000));
  const object = await putBytes(files, bytes);
  const call = mesh.call.bind(mesh) as typeof mesh.call;
  const liars = new Set(circle.hosts.slice(0, 3).map((host) => host.mesh.self));
  mesh.call = async (peer, protocol, method, request, options) => {
    const outcome = await call(peer, protocol, method, request, options);
    const reply = outcome.ok ? (outcome.value as { bytes?: Uint8Array }) : {};
    if (reply.bytes !== undefined && liars.has(peer)) reply.bytes[7]! ^= 1;
    return outcome;
  };
  for (let i = 0; i < 3; i++) assert.deepEqual(await readAll(files.read(object)), bytes);
  const banned = circle.hosts.filter((host) => mesh.view(host.mesh.self)!.standing === "banned");
  assert.equal(banned.length > 0 && banned.every((host) => liars.has(host.mesh.self)), true);
  await circle.stop();
});

test("slow hosts are replaced by spares at the upload, and hedged at the read", async () => {
  const slow = [1, 4];
  const circle = await Circle.start({
    hosts: 10,
    policy: { scheme: { needed: 3, total: 8 }, hedgeMs: 60 },
    hostOptions: (index) => (slow.includes(index) ? { latencyMs: 20_000 } : {}),
  });
  const { files } = await circle.owner();
  const bytes = circle.random.fill(new Uint8Array(400_000));
  const began = performance.now();
  const object = await putBytes(files, bytes);
  assert.equal(performance.now() - began < 15_000, true);
  assert.deepEqual(await readAll(files.read(object)), bytes);
  assert.equal(performance.now() - began < 19_000, true);
  await circle.stop();
});

test("strict: one shard per account and netgroup; too few of them is an error that says so", async () => {
  const circle = await Circle.start({
    hosts: 6,
    policy: { scheme: { needed: 2, total: 4 } },
    hostOptions: (index) => ({ ip: `10.0.${index >> 1}.${index}` }),
  });
  const { files } = await circle.owner();
  const object = await putBytes(files, circle.random.fill(new Uint8Array(50_000)));
  const { shards } = (await files.health(object))[0]!;
  const groups = shards.filter(({ host }) => host !== "").map(({ host }) => circle.indexOf(host) >> 1);
  assert.deepEqual(groups.sort(), [0, 1, 2]);
  circle.kill(0, 1);
  await assert.rejects(putBytes(files, new Uint8Array(50_000), "more"), { code: "ServiceUnavailable" });
  await circle.stop();
});

test("relaxed: two hosts of one network hold several shards each", async () => {
  const circle = await Circle.start({
    hosts: 2,
    policy: { scheme: { needed: 2, total: 4 }, diversity: "relaxed" },
    hostOptions: (index) => ({ ip: `127.0.0.${index + 1}` }),
  });
  const { files } = await circle.owner();
  const bytes = circle.random.fill(new Uint8Array(200_000));
  const object = await putBytes(files, bytes);
  circle.kill(1);
  assert.deepEqual(await readAll(files.read(object)), bytes);
  await circle.stop();
});

test("four friends on one machine: one dies, the file reads, repair puts its shards with the others", async () => {
  const policy = { diversity: "relaxed", awaySeconds: 0, deadSeconds: 0 } as const;
  const circle = await Circle.start({ hosts: 4, policy, hostOptions: () => ({ ip: "127.0.0.1" }) });
  const { files } = await circle.owner();
  const bytes = circle.random.fill(new Uint8Array(700_000));
  const object = await putBytes(files, bytes);
  assert.deepEqual((await files.health(object))[0]!.needed, 2);
  circle.kill(2);
  assert.deepEqual(await readAll(files.read(object)), bytes);
  await files.upkeep();
  const { shards } = (await files.health(object))[0]!;
  assert.deepEqual(new Set(shards.map(({ state }) => state)), new Set(["stored"]));
  assert.deepEqual(await readAll(files.read(object)), bytes);
  await circle.stop();
});

test("a shard that its host declares lost is made anew elsewhere, without penalty", async () => {
  const circle = await Circle.start({ hosts: 8, policy: { scheme: { needed: 2, total: 6 } } });
  const { files, mesh } = await circle.owner();
  const bytes = circle.random.fill(new Uint8Array(100_000));
  const object = await putBytes(files, bytes);
  const { host } = (await files.health(object))[0]!.shards[1]!;
  const loser = circle.hosts[circle.indexOf(host)]!;
  await rot(loser.disk);
  // The first round begins anywhere and runs to the end; the second is a whole one.
  for (let round = 0; round < 2; round++) while ((await loser.host.scrubNext()) > 0);
  assert.match(loser.host.status().trouble ?? "", /lost/);
  await files.upkeep();
  const { shards } = (await files.health(object))[0]!;
  assert.equal(
    shards.every(({ state }) => state === "stored"),
    true,
  );
  assert.notEqual(shards[1]!.host, host);
  assert.notEqual(mesh.view(host)!.standing, "banned");
  assert.deepEqual(await readAll(files.read(object)), bytes);
  await circle.stop();
});

/** Turns bits in every large file of a host's disk. */
async function rot(disk: Circle["hosts"][number]["disk"], folder = "/host"): Promise<void> {
  for (const name of await disk.files.readDirectory(folder)) {
    const path = `${folder}/${name}`;
    const stat = await disk.files.stat(path);
    if (stat?.isDirectory === true && (await disk.hasStore(path)) === false) await rot(disk, path);
    if (stat === undefined || stat.isDirectory || stat.size < 4096) continue;
    const file = await disk.files.open(path, "write");
    await file.write(new Uint8Array(64).fill(0xaa), 100);
    await file.close();
  }
}

test("who has filled what hosts give an account is told so, and what to do", async () => {
  const circle = await Circle.start({ hosts: 4, limitBytesPerAccount: 300_000 });
  const { files } = await circle.owner();
  await putBytes(files, circle.random.fill(new Uint8Array(300_000)), "first");
  await assert.rejects(putBytes(files, circle.random.fill(new Uint8Array(2_000_000)), "second"), (error) => {
    assert.equal(error instanceof FileError && error.code, "ServiceUnavailable");
    assert.match(
      (error as Error).message,
      /host \d: your account may fill 300000 bytes here .*--limit-per-account/,
    );
    return true;
  });
  await circle.stop();
});

test("writes that come to nothing leave no shards in memory", async () => {
  const circle = await Circle.start({ hosts: 4 });
  const { files, mesh } = await circle.owner();
  await files.createBucket("box");
  const before = queryObjects(SlabUpload, { format: "count" });
  const call = mesh.call.bind(mesh) as typeof mesh.call;
  mesh.call = async (peer, protocol, method, request, options) => {
    const { upload, root } = request as { upload?: unknown; root?: unknown };
    // The end of every upload is refused.
    if (upload !== undefined && root !== undefined) return refuse("limit", "busy");
    return call(peer, protocol, method, request, options);
  };
  for (let i = 0; i < 8; i++) {
    await assert.rejects(putBytes(files, circle.random.fill(new Uint8Array(100_000))), /hosts took a shard/);
  }
  await files.settled();
  const held = queryObjects(SlabUpload, { format: "count" }) - before;
  assert.ok(held < 4, `${held} uploads are held`);
  await circle.stop();
});

test("after two days off, who comes first is not given the shards of those who come next", async () => {
  let slept = 0;
  const clock: Clock = { ...systemClock, now: () => systemClock.now() + slept };
  const policy = { scheme: { needed: 1, total: 3 }, diversity: "relaxed" } as const;
  const circle = await Circle.start({ hosts: 3, clock, policy });
  const disk = new FaultWorld();
  const before = await circle.owner({ disk });
  const bytes = circle.random.fill(new Uint8Array(100_000));
  const places = hostsOf(await before.files.health(await putBytes(before.files, bytes)));
  assert.equal(places.length, 3);
  await before.files.upkeep();
  await before.files.stop();
  slept = 2 * 86_400_000;
  circle.kill(1, 2);
  const { files } = await circle.owner({ disk });
  await files.upkeep();
  const object = await files.head("box", "file");
  assert.deepEqual(new Set(hostsOf(await files.health(object))), new Set(places));
  assert.deepEqual(await readAll(files.read(object)), bytes);
  await circle.stop();
});

test("an epoch that outlasts its time is not joined by further ones", async () => {
  const clock = new ManualClock(1_700_000_000_000);
  const circle = await Circle.start({ hosts: 3, clock, policy: { epochSeconds: 10 } });
  const { mesh, files } = await circle.owner();
  await putBytes(files, circle.random.fill(new Uint8Array(100_000)));
  // Every audit waits for as long as this says.
  const held = Promise.withResolvers<void>();
  let audits = 0;
  const call = mesh.call.bind(mesh) as typeof mesh.call;
  mesh.call = async (peer, protocol, method, request, options) => {
    if ((request as { challenge?: unknown }).challenge !== undefined) {
      audits++;
      await held.promise;
    }
    return call(peer, protocol, method, request, options);
  };
  for (let i = 0; i < 50; i++) {
    clock.advance(1000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(audits > 0 && audits <= 3, `${audits} audits of three hosts wait`);
  held.resolve();
  for (let i = 0; i < 50 && audits <= 3; i++) {
    clock.advance(1000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(audits > 3, "the next epoch has begun");
  await circle.stop();
});

test("a reader that stops early calls off what is on its way, and the rest is not asked for", async () => {
  const circle = await Circle.start({ hosts: 4, policy: { scheme: { needed: 2, total: 4 } } });
  const { files, mesh } = await circle.owner();
  const bytes = circle.random.fill(new Uint8Array(6_000_000));
  const object = await putBytes(files, bytes);
  const signals = new Set<AbortSignal>();
  let asked = 0;
  const call = mesh.call.bind(mesh) as typeof mesh.call;
  mesh.call = async (peer, protocol, method, request, options) => {
    if ((request as { count?: unknown }).count !== undefined) {
      asked++;
      signals.add(options!.signal!);
    }
    return call(peer, protocol, method, request, options);
  };
  for await (const chunk of files.read(object)) {
    assert.deepEqual(chunk, bytes.subarray(0, chunk.length));
    break;
  }
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok([...signals].every(({ aborted }) => aborted));
  assert.ok(asked >= 2 && asked <= 8, `${asked} requests for the first piece of twelve`);
  assert.deepEqual(await readAll(files.read(object)), bytes);
  await circle.stop();
});

test("what is to be dropped at a host stays when repair puts it there again", async () => {
  const scheme = { needed: 2, total: 6 };
  const policy = { scheme, awaySeconds: 0, deadSeconds: 3600 };
  const circle = await Circle.start({ hosts: 8, policy });
  const { files, mesh } = await circle.owner();
  const bytes = circle.random.fill(new Uint8Array(100_000));
  const object = await putBytes(files, bytes);
  const placesNow = async () =>
    (await files.health(object))[0]!.shards.map(({ host }) => circle.indexOf(host));
  const before = await placesNow();
  const spares = [...Array(8).keys()].filter((index) => !before.includes(index));
  // Two go: their shards move to the spares, and are to be dropped where they were.
  circle.kill(before[0]!, before[1]!);
  await files.upkeep();
  assert.deepEqual(new Set(await placesNow()), new Set([...before.slice(2), ...spares]));
  circle.kill(...spares);
  circle.revive(before[0]!, before[1]!);
  // Whenever a shard has come to its host, and before the index knows, what is pending is cleared.
  const rounds: Promise<unknown>[] = [];
  const call = mesh.call.bind(mesh) as typeof mesh.call;
  let drops = 0;
  mesh.call = async (peer, protocol, method, request, options) => {
    const outcome = await call(peer, protocol, method, request, options);
    const { upload, root, roots } = request as { upload?: unknown; root?: unknown; roots?: unknown };
    if (roots !== undefined) drops++;
    if (upload !== undefined && root !== undefined) {
      rounds.push(files.upkeep());
      const seen = drops;
      for (let i = 0; i < 200 && drops === seen; i++) await new Promise((resolve) => setImmediate(resolve));
    }
    return outcome;
  };
  while (!(await placesNow()).every((index) => before.includes(index))) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await Promise.all(rounds);
  assert.ok(rounds.length >= 2, "each shard that came back was met by a round");
  mesh.call = call;
  // The two that it came back to are enough to read it.
  circle.kill(...before.slice(2));
  assert.deepEqual(await readAll(files.read(object)), bytes);
  await circle.stop();
});
