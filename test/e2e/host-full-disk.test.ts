/** A host on a real disk that fills up again and again, with LevelDB's own failures: nothing acknowledged is lost. */
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { equalBytes } from "#base/lib/bytes.ts";
import { ManualClock } from "#base/lib/clock.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { nodeDisk } from "#base/store/node-disk.ts";
import { cellCountOf } from "#sharing/storage/codec/scheme.ts";
import { makeShard, startHost, type TestRenter, type TestShard } from "#sharing/storage/host/test-host.ts";
import { storageProtocol } from "#sharing/storage/messages.ts";
import { SmallDisk } from "../crash/small-disk.ts";

const ROUNDS = 12;
const ACCOUNT = new Uint8Array(32).fill(1);
const clock = new ManualClock(1_700_000_000_000);
const random = new SeededRandom(3);

/** Opens what a killed process would have left, and holds it to what was acknowledged. */
async function checkCopy(t: TestContext, folder: string, stored: ReadonlySet<TestShard>): Promise<void> {
  const copy = mkdtempSync(join(tmpdir(), "freehold-copy-"));
  t.after(() => rmSync(copy, { recursive: true, force: true }));
  cpSync(folder, copy, { recursive: true });
  const { host, renter } = await startHost({
    disk: nodeDisk,
    clock,
    host: { folder: copy, limitBytes: 2 ** 40 },
  });
  const alice = renter({ accountSecret: ACCOUNT });
  for (const shard of stored) {
    const read = await alice.read(shard, 0, cellCountOf(shard.length));
    assert.ok(read.ok, "an acknowledged shard is read");
    assert.ok(equalBytes(read.value.bytes, shard.bytes), "bit for bit");
  }
  await host.stop();
  rmSync(copy, { recursive: true, force: true });
}

/** Stores until it is refused or enough is stored; several at a time. @returns refusals by their code. */
async function storeSome(renter: TestRenter, stored: Set<TestShard>, most: number): Promise<Set<string>> {
  const refusals = new Set<string>();
  let left = most;
  const work = async (): Promise<void> => {
    while (left-- > 0 && refusals.size === 0) {
      const shard = makeShard(random, 1 + random.below(60_000));
      const outcome = await renter.store(shard);
      if (outcome.ok) stored.add(shard);
      else refusals.add(outcome.refusal.code);
    }
  };
  await Promise.all([work(), work(), work()]);
  return refusals;
}

test("a real disk that fills up loses nothing, and is hosted on again when there is room", {
  skip: SmallDisk.unavailable,
}, async (t) => {
  const disk = SmallDisk.mount({ megabytes: 16 });
  t.after(() => disk[Symbol.dispose]());
  const folder = join(disk.path, "host");
  const { host, renter } = await startHost({ disk: nodeDisk, clock, host: { folder, limitBytes: 2 ** 40 } });
  t.after(() => host.stop());
  const alice = renter({ accountSecret: ACCOUNT });
  const stored = new Set<TestShard>();
  let filled = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const storing = storeSome(alice, stored, 40);
    // The ballast takes the room at some moment of the uploads.
    for (let i = random.below(200); i > 0; i--) await new Promise((resolve) => setImmediate(resolve));
    disk.fill();
    for (const code of await storing) assert.equal(code, "full");
    for (const code of await storeSome(alice, stored, 3)) assert.equal(code, "full");
    filled += host.status().trouble === "the disk is full" ? 1 : 0;
    await checkCopy(t, folder, stored);
    disk.drain();
    // What was opened anew is the same as what stands.
    clock.advance(61_000);
    const end = performance.now() + 30_000;
    while (!(await alice.call(storageProtocol.methods.quota, {})).ok && performance.now() < end) {
      clock.advance(1_000);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const after = makeShard(random, 500);
    const outcome = await alice.store(after);
    assert.ok(outcome.ok, "there is room again");
    stored.add(after);
    for (const shard of [...stored].slice(0, -60)) {
      const dropped = await alice.call(storageProtocol.methods.drop, { roots: [shard.root] });
      assert.ok(dropped.ok && dropped.value.dropped === 1);
      stored.delete(shard);
    }
  }
  assert.ok(filled > ROUNDS / 2, `the disk was found full in ${filled} rounds`);
});
