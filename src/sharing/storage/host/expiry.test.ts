import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "#base/lib/clock.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import { PowerOffError } from "#base/store/power.ts";
import type { Outcome } from "#sharing/mesh/protocol.ts";
import { storageProtocol } from "../messages.ts";
import { type Expired, SWEEP_MS } from "./expiry.ts";
import { shardCharge } from "./space.ts";
import { makeShard, startHost, type TestRenter } from "./test-host.ts";

const DAY = 86_400_000;
const { methods } = storageProtocol;

function value<T>(outcome: Outcome<T>): T {
  if (!outcome.ok) assert.fail(`refused: ${outcome.refusal.code}, ${outcome.refusal.text}`);
  return outcome.value;
}

async function shardsOf(renter: TestRenter): Promise<number> {
  return value(await renter.call(methods.list, { limit: 500 })).shards.length;
}

/** Lets time pass, an hour at a time, and everything be done that it brings about. */
async function pass(clock: ManualClock, milliseconds: number): Promise<void> {
  for (let left = milliseconds; left > 0; left -= SWEEP_MS) {
    clock.advance(Math.min(SWEEP_MS, left));
    for (let i = 0; i < 8; i++) await new Promise((resolve) => setImmediate(resolve));
  }
}

async function openWorld(keepMs: number, disk = new FaultWorld()) {
  const clock = new ManualClock(1_700_000_000_000);
  const lines: string[] = [];
  const log = { info: (line: string) => void lines.push(line), warn() {}, error() {}, debug() {} };
  const made = await startHost({ disk, clock, host: { keepMs, scrubBytesPerSecond: 2 ** 40, log } });
  const expired: Expired[] = [];
  made.host.expired.on((what) => void expired.push(what));
  return { ...made, clock, disk, expired, lines, random: new SeededRandom(8) };
}

test("shards go when their account had no terms for the grace, and not before; others stay", async () => {
  const { renter, random, clock, deals, host, expired, lines } = await openWorld(3 * DAY);
  const [alice, bob] = [renter(), renter()];
  for (let i = 0; i < 3; i++) value(await alice.store(makeShard(random, 5_000)));
  value(await bob.store(makeShard(random, 5_000)));
  deals.agree(alice.mesh.account, clock.now() + 2 * DAY);
  deals.agree(bob.mesh.account, clock.now() + 60 * DAY);
  await pass(clock, 5 * DAY - 2 * SWEEP_MS);
  assert.equal(await shardsOf(alice), 3, "three days from the end of the terms");
  await pass(clock, 3 * SWEEP_MS);
  assert.equal(await shardsOf(alice), 0);
  assert.equal(await shardsOf(bob), 1);
  assert.deepEqual(expired, [{ account: alice.mesh.account, shards: 3, bytes: 3 * shardCharge(5_000) }]);
  assert.ok(lines.some((line) => line.includes("removed 3 shards") && line.includes("3 days")));
  assert.equal(host.status().usedBytes, shardCharge(5_000));
  await pass(clock, 40 * DAY);
  assert.equal(await shardsOf(bob), 1);
  await host.stop();
});

test("terms that are agreed again begin the grace anew", async () => {
  const { renter, random, clock, deals, host } = await openWorld(3 * DAY);
  const alice = renter();
  value(await alice.store(makeShard(random, 5_000)));
  await pass(clock, 2.5 * DAY);
  deals.agree(alice.mesh.account, clock.now() + DAY);
  await pass(clock, 3.5 * DAY);
  assert.equal(await shardsOf(alice), 1);
  await pass(clock, DAY);
  assert.equal(await shardsOf(alice), 0);
  await host.stop();
});

test("terms that are agreed in the middle of a removal keep what is still there", async () => {
  const { renter, random, clock, deals, host, expired } = await openWorld(DAY);
  const alice = renter();
  for (let i = 0; i < 4; i++) value(await alice.store(makeShard(random, 5_000)));
  await pass(clock, DAY - 2 * SWEEP_MS);
  const list = deals.list.bind(deals);
  let looks = 0;
  deals.list = () => {
    // One look by each sweep, then one for each shard.
    if (++looks === 4) deals.agree(alice.mesh.account, clock.now() + 9 * DAY);
    return list();
  };
  await pass(clock, 9 * SWEEP_MS);
  assert.equal(expired.length, 1);
  const left = await shardsOf(alice);
  assert.ok(left > 0 && left < 4, `${left} of 4 shards are left`);
  await pass(clock, 5 * DAY);
  assert.equal(await shardsOf(alice), left);
  await host.stop();
});

test("time counts while the host runs: a clock that jumps and a host that is off take nothing away", async () => {
  const { renter, random, clock, host, disk, network } = await openWorld(3 * DAY);
  const alice = renter();
  value(await alice.store(makeShard(random, 5_000)));
  clock.advance(400 * DAY);
  await pass(clock, SWEEP_MS);
  assert.equal(await shardsOf(alice), 1, "a jump counts as two hours");
  await pass(clock, 2 * DAY);
  await host.stop();
  clock.advance(400 * DAY);
  await host.start();
  await pass(clock, 10 * SWEEP_MS);
  assert.equal(await shardsOf(alice), 1);
  // What was counted is remembered over the restart.
  await pass(clock, DAY);
  assert.equal(await shardsOf(alice), 0);
  await host.stop();
  assert.ok(disk !== undefined && network !== undefined);
});

test("thirty days unless told, and another grace at once", async () => {
  const { renter, random, clock, host } = await openWorld(30 * DAY);
  assert.equal(host.status().keepDays, 30);
  const alice = renter();
  value(await alice.store(makeShard(random, 100)));
  await pass(clock, 2 * DAY);
  host.setKeep(DAY);
  assert.equal(host.status().keepDays, 1);
  await pass(clock, SWEEP_MS);
  assert.equal(await shardsOf(alice), 0);
  await host.stop();
});

test("a power cut at any step of the removal leaves whole shards or none, and the next sweep ends it", async () => {
  let cuts = 0;
  for (let step = 1; step <= 40; step++) {
    const { renter, random, clock, host, disk } = await openWorld(DAY);
    const accountSecret = random.fill(new Uint8Array(32));
    const alice = renter({ accountSecret });
    const shards = Array.from({ length: 4 }, () => makeShard(random, 3_000));
    for (const shard of shards) value(await alice.store(shard));
    await pass(clock, DAY - 2 * SWEEP_MS);
    disk.offAfter(step);
    await pass(clock, 4 * SWEEP_MS);
    if (disk.isOff) cuts++;
    await host.stop().catch((error) => {
      if (!(error instanceof PowerOffError)) throw error;
    });
    const again = await startHost({ disk: disk.powerCut(random), clock, host: { keepMs: DAY } });
    const same = again.renter({ accountSecret });
    const { shards: left } = value(await same.call(methods.list, { limit: 500 }));
    for (const { root, state } of left) {
      assert.equal(state, "stored", `step ${step}: nothing counts as lost`);
      const shard = shards.find((one) => Buffer.compare(one.root, root) === 0)!;
      value(await same.read(shard, 0, 1));
    }
    assert.equal(again.host.status().usedBytes, left.length * shardCharge(3_000));
    await pass(clock, DAY + 4 * SWEEP_MS);
    assert.equal(await shardsOf(same), 0);
    assert.equal(again.host.status().usedBytes, 0);
    await again.host.stop();
  }
  assert.ok(cuts > 5, `${cuts} cuts`);
});
