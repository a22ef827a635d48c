import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { ManualClock } from "#base/lib/clock.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import { decodeCbor } from "#sharing/mesh/cbor.ts";
import { signingKeyFrom } from "#sharing/mesh/identity.ts";
import type { Outcome } from "#sharing/mesh/protocol.ts";
import { CELL_BYTES, MAX_SHARD_BYTES } from "../codec/scheme.ts";
import { verifyAudit, verifyCells } from "../codec/shard-proof.ts";
import { encodeHeadRecord } from "../head-record.ts";
import { storageProtocol } from "../messages.ts";
import { shardCharge } from "./space.ts";
import { makeShard, startHost, type TestShard, type TestWorldOptions } from "./test-host.ts";
import { DEFAULT_UPLOAD_LIMITS } from "./uploads.ts";

const { methods } = storageProtocol;

function value<T>(outcome: Outcome<T>): T {
  if (!outcome.ok) assert.fail(`refused: ${outcome.refusal.code}, ${outcome.refusal.text}`);
  return outcome.value;
}

function refusal(outcome: Outcome<unknown>): string {
  return outcome.ok ? "accepted" : outcome.refusal.code;
}

async function world(t: TestContext, options: Partial<TestWorldOptions> = {}) {
  const disk = options.disk ?? new FaultWorld();
  const made = await startHost({ disk, ...options });
  t.after(() => made.host.stop());
  return { ...made, disk: disk as FaultWorld, random: new SeededRandom(5) };
}

/** Changes one byte of every file that holds a shard's bytes of this length. */
async function spoil(disk: FaultWorld, length: number, at: number): Promise<number> {
  let spoiled = 0;
  for (const group of await disk.files.readDirectory("/host/shards")) {
    for (const name of await disk.files.readDirectory(`/host/shards/${group}`)) {
      const path = `/host/shards/${group}/${name}`;
      const size = (await disk.files.stat(path))!.size;
      if (size <= length) continue;
      const file = await disk.files.open(path, "write");
      const byte = new Uint8Array(1);
      await file.read(byte, at);
      await file.write(Uint8Array.of(byte[0]! ^ 1), at);
      await file.close();
      spoiled++;
    }
  }
  return spoiled;
}

test("a shard goes in and comes out, in cells with proofs, and answers audits", async (t) => {
  const { renter, random, host } = await world(t);
  const alice = renter();
  for (const length of [1, 16_384, CELL_BYTES, CELL_BYTES + 1, 5 * CELL_BYTES + 20_000]) {
    const shard = makeShard(random, length);
    value(await alice.store(shard));
    const cells = Math.ceil(length / CELL_BYTES);
    for (const [first, count] of [
      [0, 1],
      [cells - 1, 1],
      [0, cells],
    ] as const) {
      const { bytes, proof } = value(await alice.read(shard, first, count));
      assert.deepEqual(bytes, shard.bytes.subarray(first * CELL_BYTES, (first + count) * CELL_BYTES));
      assert.ok(verifyCells(shard, { first, count }, bytes, proof));
    }
    const challenge = random.fill(new Uint8Array(32));
    const answer = value(await alice.call(methods.audit, { root: shard.root, challenge, leaves: 3 }));
    assert.ok(verifyAudit(shard, challenge, 3, answer));
  }
  assert.equal(host.status().shards, 5);
  const quota = value(await alice.call(methods.quota, {}));
  assert.equal(quota.shards, 5);
  assert.equal(quota.usedBytes, host.status().usedBytes);
  const oversized = await alice.call(methods.begin, {
    upload: new Uint8Array(16),
    length: MAX_SHARD_BYTES + 1,
  });
  assert.equal(refusal(oversized), "bad-request");
});

test("an upload goes on where it broke off, with cells in any order and again", async (t) => {
  const { renter, random } = await world(t);
  const alice = renter();
  const shard = makeShard(random, 9 * CELL_BYTES + 77);
  assert.deepEqual(value(await alice.begin(shard)).have, Uint8Array.of(0, 0));
  value(await alice.put(shard, 9));
  value(await alice.put(shard, 2, 3));
  assert.deepEqual(value(await alice.begin(shard)).have, Uint8Array.of(0b11100, 0b10));
  assert.equal(refusal(await alice.finish(shard)), "conflict");
  value(await alice.put(shard, 0, 9));
  assert.deepEqual(value(await alice.begin(shard)).have, Uint8Array.of(0xff, 0b11));
  value(await alice.finish(shard));
  // The answer was lost, so the renter asks again.
  value(await alice.finish(shard));
  assert.equal(refusal(await alice.put(shard, 0)), "not-found");
});

test("cells that are not the root's make no shard, until they are mended", async (t) => {
  const { renter, random, host } = await world(t);
  const alice = renter();
  const shard = makeShard(random, 3 * CELL_BYTES);
  value(await alice.begin(shard));
  value(await alice.put(shard, 0, 3));
  const bent = shard.bytes.slice(CELL_BYTES, 2 * CELL_BYTES);
  bent[7]! ^= 1;
  value(await alice.call(methods.put, { upload: shard.upload, first: 1, bytes: bent }));
  assert.equal(refusal(await alice.finish(shard)), "conflict");
  assert.equal(host.status().shards, 0);
  value(await alice.put(shard, 1));
  value(await alice.finish(shard));
  assert.equal(host.status().shards, 1);
});

test("cells beyond the shard, or in part, are bad requests", async (t) => {
  const { renter, random, mesh } = await world(t);
  const alice = renter();
  const shard = makeShard(random, 2 * CELL_BYTES + 100);
  value(await alice.begin(shard));
  const put = (first: number, length: number) =>
    alice.call(methods.put, { upload: shard.upload, first, bytes: new Uint8Array(length) });
  assert.equal(refusal(await put(3, 1)), "bad-request");
  assert.equal(refusal(await put(0, 99)), "bad-request");
  assert.equal(refusal(await put(2, 101)), "bad-request");
  assert.equal(refusal(await put(1, 2 * CELL_BYTES)), "bad-request");
  assert.equal(refusal(await alice.call(methods.begin, { upload: shard.upload, length: 5 })), "conflict");
  // Who goes on is banned.
  assert.equal(mesh.view(alice.mesh.self)?.standing, "friend");
  for (let i = 0; i < 3; i++) assert.notEqual(refusal(await put(0, 1)), "accepted");
  assert.equal(mesh.view(alice.mesh.self)?.standing, "banned");
});

test("shards are their account's: no one else reads, drops or lists them", async (t) => {
  const { renter, random } = await world(t);
  const accountSecret = random.fill(new Uint8Array(32));
  const alice = renter({ accountSecret });
  const mallory = renter();
  const shard = makeShard(random, CELL_BYTES);
  value(await alice.store(shard));
  assert.equal(refusal(await mallory.read(shard, 0, 1)), "not-found");
  const challenge = new Uint8Array(32);
  assert.equal(
    refusal(await mallory.call(methods.audit, { root: shard.root, challenge, leaves: 1 })),
    "not-found",
  );
  assert.equal(value(await mallory.call(methods.drop, { roots: [shard.root] })).dropped, 0);
  assert.deepEqual(value(await mallory.call(methods.list, { limit: 10 })).shards, []);
  assert.equal(refusal(await mallory.finish(shard)), "not-found");
  // Another device of the same account does.
  const phone = renter({ accountSecret });
  value(await phone.read(shard, 0, 1));
  assert.equal(value(await phone.call(methods.list, { limit: 10 })).shards.length, 1);
  // The same upload id of another account is another upload.
  const other = { ...makeShard(random, 100), upload: shard.upload };
  value(await mallory.store(other));
});

test("without terms nothing is served but heads", async (t) => {
  const { renter, random, deals } = await world(t);
  const alice = renter();
  const shard = makeShard(random, 100);
  value(await alice.store(shard));
  deals.without.add(alice.mesh.self);
  for (const outcome of [
    await alice.begin(makeShard(random, 100)),
    await alice.read(shard, 0, 1),
    await alice.call(methods.list, { limit: 1 }),
    await alice.call(methods.quota, {}),
    await alice.call(methods.drop, { roots: [shard.root] }),
  ]) {
    assert.equal(refusal(outcome), "no-terms");
  }
  value(await alice.call(methods["get-heads"], { headKey: new Uint8Array(32) }));
});

test("a shard is kept once, and dropping gives the room back", async (t) => {
  const { renter, random, host, disk } = await world(t);
  const alice = renter();
  const shard = makeShard(random, 2 * CELL_BYTES);
  value(await alice.store(shard));
  const used = host.status().usedBytes;
  assert.equal(used, shardCharge(shard.length));
  value(await alice.store({ ...shard, upload: random.fill(new Uint8Array(16)) }));
  assert.equal(host.status().usedBytes, used);
  // Two uploads of one shard that end at once.
  const twins = [1, 2].map(() => ({ ...makeShard(random, 100), upload: random.fill(new Uint8Array(16)) }));
  const same = twins.map((twin) => ({ ...twins[0]!, upload: twin.upload }));
  for (const twin of same) {
    value(await alice.begin(twin));
    value(await alice.put(twin, 0));
  }
  for (const outcome of await Promise.all(same.map((twin) => alice.finish(twin)))) value(outcome);
  assert.equal(host.status().usedBytes, used + shardCharge(100));
  const roots = [shard.root, same[0]!.root, random.fill(new Uint8Array(32)), shard.root];
  assert.equal(value(await alice.call(methods.drop, { roots })).dropped, 2);
  const { usedBytes, shards } = host.status();
  assert.deepEqual({ usedBytes, shards }, { usedBytes: 0, shards: 0 });
  assert.deepEqual(await disk.files.readDirectory("/host/shards/0"), []);
  assert.equal(refusal(await alice.read(shard, 0, 1)), "not-found");
});

test("the list comes in pages, in the order of roots", async (t) => {
  const { renter, random } = await world(t);
  const alice = renter();
  const shards = Array.from({ length: 23 }, () => makeShard(random, 50));
  for (const shard of shards) value(await alice.store(shard));
  const expected = shards.map(({ root }) => Buffer.from(root).toString("hex")).sort();
  const seen: string[] = [];
  for (let after: Uint8Array | undefined, more = true; more; ) {
    const page = value(await alice.call(methods.list, { ...(after && { after }), limit: 7 }));
    assert.ok(page.shards.length <= 7);
    seen.push(...page.shards.map(({ root }) => Buffer.from(root).toString("hex")));
    after = page.shards.at(-1)?.root;
    more = page.more;
  }
  assert.deepEqual(seen, expected);
});

test("the limit is kept to the byte, over all and for each account", async (t) => {
  const charge = shardCharge(1_000);
  const limits = { limitBytes: 5 * charge, limitBytesPerAccount: 3 * charge };
  const { renter, random, host } = await world(t, { host: limits });
  const [alice, bob] = [renter(), renter()];
  const shards = Array.from({ length: 7 }, () => makeShard(random, 1_000));
  for (let i = 0; i < 3; i++) value(await alice.begin(shards[i]!));
  assert.equal(refusal(await alice.begin(shards[3]!)), "full");
  value(await bob.begin(shards[4]!));
  value(await bob.store(shards[5]!));
  assert.equal(host.status().usedBytes, 5 * charge);
  assert.equal(refusal(await bob.begin(makeShard(random, 1))), "full");
  // Giving up makes room for exactly one.
  value(await alice.call(methods.abandon, { upload: shards[0]!.upload }));
  assert.equal(host.status().usedBytes, 4 * charge);
  assert.equal(refusal(await bob.begin(makeShard(random, 1_001))), "full");
  value(await bob.begin(shards[6]!));
  // A smaller limit drops nothing.
  host.setLimit(charge);
  value(await bob.read(shards[5]!, 0, 1));
  assert.equal(value(await bob.call(methods.quota, {})).freeBytes, 0);
  assert.equal(refusal(await alice.begin(shards[0]!)), "full");
});

test("an account at its own limit is told what to do, keeps its heads going, and has room again when the limit grows", async (t) => {
  const charge = shardCharge(1_000);
  const { renter, random, host } = await world(t, {
    host: { limitBytes: 100 * charge, limitBytesPerAccount: 2 * charge },
  });
  const [alice, bob] = [renter(), renter()];
  for (let i = 0; i < 2; i++) value(await alice.store(makeShard(random, 1_000)));
  const shard = makeShard(random, 1_000);
  const refused = await alice.begin(shard);
  assert.equal(refusal(refused), "full");
  const text = refused.ok ? "" : refused.refusal.text;
  assert.match(text, new RegExp(`${2 * charge} bytes`), "how much it may fill");
  assert.match(text, /drop .* or ask .* --limit-per-account/, "what to do");
  // Without its head nothing could be dropped either, as the log says what is dropped.
  const key = signingKeyFrom(new Uint8Array(32).fill(3));
  const head = { headKey: key.publicKey, device: new Uint8Array(16), sequence: 1, body: new Uint8Array(9) };
  value(await alice.call(methods["put-head"], { record: encodeHeadRecord(head, key) }));
  value(await bob.store(makeShard(random, 1_000)));
  host.setLimit(100 * charge, 5 * charge);
  assert.equal(host.status().limitBytesPerAccount, 5 * charge);
  value(await alice.store(shard));
  // Hosting that is switched off and on has the same rule.
  await host.stop();
  await host.start();
  assert.equal(value(await alice.call(methods.quota, {})).freeBytes < 2 * charge, true);
  host.setLimit(100 * charge);
  assert.equal(host.status().limitBytesPerAccount, undefined);
  assert.equal(value(await alice.call(methods.quota, {})).freeBytes > 50 * charge, true);
});

test("many uploads at once never pass the limit together", async (t) => {
  const charge = shardCharge(5_000);
  const { renter, random, host } = await world(t, { host: { limitBytes: 10 * charge } });
  const alice = renter();
  const outcomes = await Promise.all(Array.from({ length: 40 }, () => alice.store(makeShard(random, 5_000))));
  assert.equal(outcomes.filter(({ ok }) => ok).length, 10);
  assert.equal(host.status().usedBytes, 10 * charge);
  assert.equal(host.status().shards, 10);
});

test("uploads that end together share the syncs of folder and index, and wait for no other", async (t) => {
  const disk = new FaultWorld();
  const { renter, random } = await world(t, { disk });
  const alice = renter();
  const syncs = { file: 0, directory: 0, store: 0 };
  const shards = Array.from({ length: 40 }, () => makeShard(random, 3_000));
  for (const shard of shards) {
    value(await alice.begin(shard));
    value(await alice.put(shard, 0));
  }
  disk.leaveOutSyncs(({ kind }) => {
    syncs[kind]++;
    return false;
  });
  for (const outcome of await Promise.all(shards.map((shard) => alice.finish(shard)))) value(outcome);
  assert.equal(syncs.file, 40);
  assert.ok(syncs.directory <= 10 && syncs.store <= 10, JSON.stringify(syncs));
  const roots = shards.map(({ root }) => root);
  syncs.store = 0;
  assert.equal(value(await alice.call(methods.drop, { roots })).dropped, 40);
  assert.ok(syncs.store <= 10, JSON.stringify(syncs));
});

test("a slow or idle upload is collected, and its room given back", async (t) => {
  const clock = new ManualClock(1_700_000_000_000);
  const uploadLimits = { ...DEFAULT_UPLOAD_LIMITS, uploadsPerAccount: 3, uploads: 4 };
  const { renter, random, host } = await world(t, { clock, host: { uploadLimits } });
  const [alice, bob] = [renter(), renter()];
  const idle = makeShard(random, 5 * CELL_BYTES);
  const slow = makeShard(random, 5 * CELL_BYTES);
  value(await alice.begin(idle));
  value(await alice.begin(slow));
  value(await alice.begin(makeShard(random, 10)));
  assert.equal(refusal(await alice.begin(makeShard(random, 10))), "limit");
  value(await bob.begin(makeShard(random, 10)));
  assert.equal(refusal(await bob.begin(makeShard(random, 10))), "limit");
  // A trickle keeps it from being idle, but not for ever.
  for (let passed = 0; passed < DEFAULT_UPLOAD_LIMITS.totalMs - 20 * 60_000; passed += 20 * 60_000) {
    value(await alice.put(slow, passed % 5));
    clock.advance(20 * 60_000);
    await host.collectUploads();
    assert.equal(refusal(await alice.put(slow, 0)), "accepted");
  }
  assert.equal(refusal(await alice.put(idle, 0)), "not-found");
  assert.equal(host.status().usedBytes, shardCharge(slow.length));
  clock.advance(60 * 60_000);
  await host.collectUploads();
  assert.equal(refusal(await alice.put(slow, 0)), "not-found");
  assert.equal(host.status().usedBytes, 0);
});

test("rot is found by the scrub, declared, and never sent", async (t) => {
  const { renter, random, host, disk } = await world(t);
  const alice = renter();
  const sound = makeShard(random, 100);
  const rotten = makeShard(random, 3 * CELL_BYTES);
  value(await alice.store(sound));
  value(await alice.store(rotten));
  let read = 0;
  for (let i = 0; i < 3; i++) read += await host.scrubNext();
  assert.equal(read, sound.length + rotten.length);
  assert.equal(await spoil(disk, 1_000, 2 * CELL_BYTES + 5), 1);
  value(await alice.read(rotten, 0, 2));
  for (let i = 0; i < 3; i++) await host.scrubNext();
  assert.equal(refusal(await alice.read(rotten, 0, 1)), "not-found");
  const lost = value(await alice.call(methods.list, { limit: 10, lostOnly: true }));
  assert.deepEqual(lost.shards, [{ root: rotten.root, length: rotten.length, state: "lost" }]);
  assert.match(host.status().trouble ?? "", /1 shards are lost/);
  assert.equal(value(await alice.call(methods.quota, {})).lost, 1);
  assert.equal(host.status().usedBytes, shardCharge(sound.length));
  // The same shard can be stored again.
  value(await alice.store({ ...rotten, upload: random.fill(new Uint8Array(16)) }));
  value(await alice.read(rotten, 0, 3));
  assert.equal(host.status().trouble, undefined);
});

test("the scrub comes round by itself, once an hour", async (t) => {
  const clock = new ManualClock();
  const { renter, random, host, disk } = await world(t, { clock });
  const alice = renter();
  const shards = Array.from({ length: 3 }, () => makeShard(random, 40_000));
  for (const shard of shards) value(await alice.store(shard));
  const pass = async (milliseconds: number) => {
    for (let left = milliseconds; left > 0; left -= 100) {
      clock.advance(Math.min(100, left));
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  // From wherever it began to the end, and once round.
  await pass(70_000);
  assert.equal(await spoil(disk, 39_000, 17), 3);
  await pass(3_400_000);
  assert.equal(host.status().shards, 3, "not before its time");
  await pass(300_000);
  assert.equal(host.status().shards, 0);
  assert.match(host.status().trouble ?? "", /3 shards are lost/);
});

test("rot that a read or an audit meets first is declared as well", async (t) => {
  const { renter, random, disk } = await world(t);
  const alice = renter();
  for (const meet of ["read", "audit", "table"] as const) {
    const shard = makeShard(random, 2 * CELL_BYTES);
    value(await alice.store(shard));
    assert.equal(await spoil(disk, 100, meet === "table" ? shard.length + 33 : 70_000), 1);
    const challenge = random.fill(new Uint8Array(32));
    const outcome =
      meet === "audit"
        ? await alice.call(methods.audit, { root: shard.root, challenge, leaves: 32 })
        : await alice.read(shard, 0, 2);
    assert.equal(refusal(outcome), "not-found");
    assert.equal(value(await alice.call(methods.list, { limit: 9, lostOnly: true })).shards.length, 1);
    assert.equal(value(await alice.call(methods.drop, { roots: [shard.root] })).dropped, 1);
  }
});

test("a full disk is declared, refused, and forgotten when there is room again", async (t) => {
  const disk = new FaultWorld();
  const { renter, random, host } = await world(t, { disk });
  const alice = renter();
  const first = makeShard(random, CELL_BYTES);
  value(await alice.store(first));
  const second = makeShard(random, 4 * CELL_BYTES);
  value(await alice.begin(second));
  disk.capacity = disk.used + CELL_BYTES;
  assert.equal(refusal(await alice.put(second, 0, 2)), "full");
  assert.equal(refusal(await alice.finish(second)), "conflict");
  assert.equal(host.status().trouble, "the disk is full");
  assert.equal(refusal(await alice.begin(makeShard(random, CELL_BYTES))), "full");
  value(await alice.read(first, 0, 1));
  assert.equal(value(await alice.call(methods.quota, {})).trouble, "the disk is full");
  disk.capacity = Number.POSITIVE_INFINITY;
  value(await alice.begin(second));
  value(await alice.put(second, 0, 4));
  value(await alice.finish(second));
  assert.equal(host.status().trouble, undefined);
});

test("when the index can not be written, nothing is until it is opened anew", async (t) => {
  const clock = new ManualClock();
  const disk = new FaultWorld();
  const { renter, random, host } = await world(t, { disk, clock });
  const alice = renter();
  const settle = async (milliseconds: number) => {
    clock.advance(milliseconds);
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
  };
  const kept = makeShard(random, 5_000);
  value(await alice.store(kept));
  const [first, second] = [makeShard(random, 5_000), makeShard(random, 5_000)];
  for (const shard of [first, second]) {
    value(await alice.begin(shard));
    value(await alice.put(shard, 0));
  }
  disk.capacity = disk.used + 50;
  assert.equal(refusal(await alice.finish(first)), "full");
  disk.capacity = Number.POSITIVE_INFINITY;
  assert.notEqual(refusal(await alice.finish(second)), "accepted", "a later write would not be safe");
  value(await alice.read(kept, 0, 1));
  assert.equal(host.status().on, true);
  await settle(1_000);
  // All that was acknowledged is there, and what was not can go on.
  value(await alice.read(kept, 0, 1));
  for (const shard of [first, second]) {
    assert.deepEqual(value(await alice.begin(shard)).have, Uint8Array.of(1));
    value(await alice.finish(shard));
  }
  assert.equal(host.status().usedBytes, 3 * shardCharge(5_000));
  assert.equal(host.status().trouble, undefined);
});

test("switched off it refuses; on again all is there, uploads and all", async (t) => {
  const { renter, random, host, mesh } = await world(t);
  const alice = renter();
  const shard = makeShard(random, 2 * CELL_BYTES);
  const half: TestShard = makeShard(random, 2 * CELL_BYTES);
  value(await alice.store(shard));
  value(await alice.begin(half));
  value(await alice.put(half, 1));
  assert.notEqual(alice.mesh.view(mesh.self)?.offers["storage"], undefined);
  await host.stop();
  assert.equal(alice.mesh.view(mesh.self)?.offers["storage"], undefined);
  assert.equal(host.status().on, false);
  assert.equal(refusal(await alice.read(shard, 0, 1)), "unavailable");
  await host.start();
  value(await alice.read(shard, 0, 2));
  assert.deepEqual(value(await alice.begin(half)).have, Uint8Array.of(0b10));
  value(await alice.put(half, 0));
  value(await alice.finish(half));
  assert.equal(host.status().usedBytes, 2 * shardCharge(2 * CELL_BYTES));
});

test("peers are told how much is free, when it matters", async (t) => {
  const { renter, random, host, mesh } = await world(t, { host: { limitBytes: 1_000_000 } });
  const alice = renter();
  const free = () => (decodeCbor(alice.mesh.view(mesh.self)!.offers["storage"]!) as { free: number }).free;
  assert.equal(free(), 1_000_000);
  value(await alice.store(makeShard(random, 10)));
  await host.collectUploads();
  host.setLimit(1_000_001);
  assert.equal(free(), 1_000_000, "a little less is no news");
  host.setLimit(900_000);
  assert.equal(free(), 900_000 - shardCharge(10));
  host.setLimit(10);
  assert.equal(free(), 0);
});

test("status is told when it changes", async (t) => {
  const clock = new ManualClock();
  const { renter, random, host } = await world(t, { clock });
  const told: number[] = [];
  host.changed.on(({ usedBytes }) => void told.push(usedBytes));
  const shard = makeShard(random, 10);
  value(await renter().store(shard));
  clock.advance(1_000);
  clock.advance(1_000);
  assert.deepEqual(told, [shardCharge(10)]);
});

for (const reader of ["a read", "the scrub"] as const) {
  test(`a shard that is dropped and put again under ${reader} is not declared lost`, async (t) => {
    const { renter, random, host, disk } = await world(t);
    const alice = renter();
    const shard = makeShard(random, 2 * CELL_BYTES);
    value(await alice.store(shard));
    // The reader has looked the shard up, and its file is gone before it is opened.
    const { files } = disk;
    const open = files.open.bind(files);
    const [reached, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    files.open = async (path, mode) => {
      if (mode === "read" && path.includes("/shards/")) {
        files.open = open;
        reached.resolve();
        await gate.promise;
      }
      return open(path, mode);
    };
    const scrub = async () => {
      // A round begins anywhere: the first may meet nothing.
      while ((await host.scrubNext()) === 0);
    };
    const reading: Promise<unknown> = reader === "a read" ? alice.read(shard, 0, 1) : scrub();
    await reached.promise;
    value(await alice.call(methods.drop, { roots: [shard.root] }));
    value(await alice.store(shard));
    gate.resolve();
    await reading;
    assert.equal(value(await alice.call(methods.quota, {})).lost, 0);
    assert.deepEqual(value(await alice.read(shard, 0, 2)).bytes, shard.bytes);
  });
}

test("a file that can not be closed does not keep the folder from being opened again", async (t) => {
  const { renter, random, host, disk } = await world(t);
  const alice = renter();
  const shard = makeShard(random, 2 * CELL_BYTES);
  const { files } = disk;
  const open = files.open.bind(files);
  files.open = async (path, mode) => {
    const file = await open(path, mode);
    if (mode === "create" && path.includes("/shards/")) {
      file.close = async () => {
        throw Object.assign(new Error("i/o error"), { code: "EIO" });
      };
    }
    return file;
  };
  value(await alice.begin(shard));
  files.open = open;
  await assert.rejects(host.stop(), /i\/o error/);
  await host.start();
  value(await alice.store(shard));
  assert.deepEqual(value(await alice.read(shard, 0, 2)).bytes, shard.bytes);
});

test("an upload whose file could not be removed gives its room back when it can", async (t) => {
  const { renter, random, host, disk } = await world(t);
  const alice = renter();
  const shard = makeShard(random, 2 * CELL_BYTES);
  value(await alice.begin(shard));
  value(await alice.put(shard, 0));
  const { files } = disk;
  const remove = files.remove.bind(files);
  files.remove = async () => {
    throw Object.assign(new Error("i/o error"), { code: "EIO" });
  };
  assert.equal(refusal(await alice.call(methods.abandon, { upload: shard.upload })), "unavailable");
  await assert.rejects(host.collectUploads(), /i\/o error/);
  assert.ok(host.status().usedBytes > 0, "its file is still there");
  files.remove = remove;
  assert.equal(await host.collectUploads(), 1);
  assert.equal(host.status().usedBytes, 0);
  assert.equal(await host.collectUploads(), 0);
  assert.equal(host.status().usedBytes, 0);
  const groups = await files.readDirectory("/host/shards");
  for (const group of groups) assert.deepEqual(await files.readDirectory(`/host/shards/${group}`), []);
});
