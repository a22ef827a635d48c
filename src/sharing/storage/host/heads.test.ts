import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { SeededRandom } from "#base/lib/random.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import { type SigningKey, signingKeyFrom } from "#sharing/mesh/identity.ts";
import type { Outcome } from "#sharing/mesh/protocol.ts";
import { decodeHeadRecord, encodeHeadRecord } from "../head-record.ts";
import { MAX_HEADS_A_KEY, storageProtocol } from "../messages.ts";
import { HeadDirectory } from "./head-directory.ts";
import { MAX_HEADS_AN_ACCOUNT } from "./heads.ts";
import { HEAD_CHARGE } from "./space.ts";
import { startHost, type TestRenter, type TestWorldOptions } from "./test-host.ts";

const { methods } = storageProtocol;
const random = new SeededRandom(11);

function bytes(length: number): Uint8Array {
  return random.fill(new Uint8Array(length));
}

function record(key: SigningKey, device: Uint8Array, sequence: number, body = bytes(20)): Uint8Array {
  return encodeHeadRecord({ headKey: key.publicKey, device, sequence, body }, key);
}

function refusal(outcome: Outcome<unknown>): string {
  return outcome.ok ? "accepted" : outcome.refusal.code;
}

async function world(t: TestContext, options: Partial<TestWorldOptions> = {}) {
  const made = await startHost({ disk: new FaultWorld(), ...options });
  t.after(() => made.host.stop());
  const put = (renter: TestRenter, bytes: Uint8Array) => renter.call(methods["put-head"], { record: bytes });
  const get = async (renter: TestRenter, key: SigningKey) => {
    const found = await renter.call(methods["get-heads"], { headKey: key.publicKey });
    assert.ok(found.ok);
    return found.value.records;
  };
  return { ...made, put, get };
}

test("the highest sequence of each device is kept, across a restart", async (t) => {
  const { renter, put, get, host } = await world(t);
  const [alice, anyone] = [renter(), renter()];
  const key = signingKeyFrom(bytes(32));
  const [laptop, phone] = [bytes(16), bytes(16)];
  const second = record(key, laptop, 7);
  assert.equal(refusal(await put(alice, record(key, laptop, 3))), "accepted");
  assert.equal(refusal(await put(alice, second)), "accepted");
  assert.equal(refusal(await put(alice, second)), "accepted", "the same again is no harm");
  assert.equal(refusal(await put(alice, record(key, laptop, 7))), "conflict");
  assert.equal(refusal(await put(alice, record(key, laptop, 6))), "conflict");
  const other = record(key, phone, 0);
  assert.equal(refusal(await put(alice, other)), "accepted");
  assert.deepEqual(new Set(await get(anyone, key)), new Set([second, other]));
  assert.equal(host.status().usedBytes, 2 * HEAD_CHARGE);
  await host.stop();
  await host.start();
  assert.deepEqual(new Set(await get(anyone, key)), new Set([second, other]));
  assert.equal(host.status().usedBytes, 2 * HEAD_CHARGE);
  assert.deepEqual(await get(anyone, signingKeyFrom(bytes(32))), []);
});

test("a record under another's key, or bent, is refused", async (t) => {
  const { renter, put, get } = await world(t);
  const mallory = renter();
  const key = signingKeyFrom(bytes(32));
  const forged = signingKeyFrom(bytes(32));
  const good = record(key, bytes(16), 1);
  for (let i = 0; i < 3; i++) {
    const bent = good.slice();
    bent[random.below(bent.length)]! ^= 1 << random.below(8);
    assert.notEqual(refusal(await put(mallory, bent)), "accepted");
  }
  const lying = { publicKey: key.publicKey, sign: forged.sign };
  assert.notEqual(refusal(await put(mallory, record(lying, bytes(16), 9))), "accepted");
  assert.deepEqual(await get(renter(), key), []);
  assert.throws(() => encodeHeadRecord({ ...decodeHeadRecord(good), sequence: 2 }, forged), /another key/);
});

test("devices under a key, and records of an account, are bounded", async (t) => {
  const { renter, put, get, host } = await world(t);
  const alice = renter();
  const key = signingKeyFrom(bytes(32));
  const devices = Array.from({ length: MAX_HEADS_A_KEY + 1 }, () => bytes(16));
  for (const device of devices) assert.equal(refusal(await put(alice, record(key, device, 1))), "accepted");
  const kept = (await get(alice, key)).map(decodeHeadRecord);
  assert.equal(kept.length, MAX_HEADS_A_KEY);
  const newest = devices.at(-1)!;
  assert.ok(kept.some(({ device }) => Buffer.compare(device, newest) === 0));
  for (let i = MAX_HEADS_A_KEY; i < MAX_HEADS_AN_ACCOUNT; i++) {
    assert.equal(refusal(await put(alice, record(signingKeyFrom(bytes(32)), newest, 1))), "accepted");
  }
  assert.equal(refusal(await put(alice, record(signingKeyFrom(bytes(32)), newest, 1))), "limit");
  // What is there can still go on.
  assert.equal(refusal(await put(alice, record(key, newest, 2))), "accepted");
  assert.equal(host.status().usedBytes, MAX_HEADS_AN_ACCOUNT * HEAD_CHARGE);
});

test("records take room of the limit", async (t) => {
  const { renter, put } = await world(t, { host: { limitBytes: HEAD_CHARGE } });
  const alice = renter();
  const key = signingKeyFrom(bytes(32));
  assert.equal(refusal(await put(alice, record(key, bytes(16), 1))), "accepted");
  assert.equal(refusal(await put(alice, record(key, bytes(16), 1))), "full");
});

test("who knows one peer finds the holders of a head", async (t) => {
  const { renter, put, network, mesh, host } = await world(t);
  const alice = renter();
  const key = signingKeyFrom(bytes(32));
  // A peer that stores nothing but listens; one that comes later.
  const early = new HeadDirectory(network.join());
  assert.equal(refusal(await put(alice, record(key, bytes(16), 1))), "accepted");
  const lateMesh = network.join();
  const late = await startHost({ disk: new FaultWorld(), mesh: lateMesh });
  t.after(() => late.host.stop());
  t.after(() => early.close());
  const find = async () => {
    const outcome = await alice.mesh.call(lateMesh.self, storageProtocol, methods["find-heads"], {
      headKey: key.publicKey,
    });
    assert.ok(outcome.ok);
    return outcome.value.holders.map(({ peer }) => peer);
  };
  // Whoever was connected before learns of it when the host says so again.
  await host.stop();
  await host.start();
  assert.deepEqual(await find(), [mesh.self]);
  await host.stop();
  assert.deepEqual(await find(), [], "a host that is off takes its announcement back");
  await host.start();
  assert.deepEqual(await find(), [mesh.self]);
  // A connection made anew is told, too.
  network.setOnline(lateMesh.self, false);
  network.setOnline(lateMesh.self, true);
  assert.deepEqual(await find(), [mesh.self]);
});

test("announcements are bounded, and replaced by the first of a new round", async () => {
  const { network, host } = await startHost({ disk: new FaultWorld() });
  const mesh = network.join();
  const directory = new HeadDirectory(mesh);
  const keys = Array.from({ length: 9_000 }, () => bytes(32));
  for (let at = 0; at < keys.length; at += 500)
    directory.announced("peer", at === 0, keys.slice(at, at + 500));
  assert.equal(directory.holders(keys[0]!).length, 1);
  assert.equal(directory.holders(keys[8_999]!).length, 0);
  directory.announced("peer", true, [keys[8_999]!]);
  assert.equal(directory.holders(keys[0]!).length, 0);
  assert.equal(directory.holders(keys[8_999]!).length, 1);
  for (let i = 0; i < 1_024; i++) directory.announced(`other ${i}`, true, [keys[1]!]);
  assert.equal(directory.holders(keys[8_999]!).length, 0, "who spoke first is forgotten first");
  assert.equal(directory.holders(keys[1]!).length, 32);
  directory.close();
  await host.stop();
});
