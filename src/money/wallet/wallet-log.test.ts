import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "#base/lib/logger.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import { decodeLog, WalletLog } from "./wallet-log.ts";

const FOLDER = "/w";
const KEY = new Uint8Array(32).fill(3);
const record = (text: string) => new TextEncoder().encode(text);
const texts = (records: readonly Uint8Array[]) => records.map((bytes) => new TextDecoder().decode(bytes));

async function open(world: FaultWorld, seed = 1) {
  await world.files.makeDirectory(FOLDER);
  const random = new SeededRandom(seed);
  return WalletLog.open({ files: world.files, folder: FOLDER, key: KEY, random, log: silentLogger });
}

test("what was appended is read back, snapshot first; two generations are kept", async () => {
  const world = new FaultWorld();
  const first = await open(world);
  assert.deepEqual(first.stored, { records: [], isDamaged: false });
  await first.log.begin([record("a"), record("b")]);
  await first.log.append(record("c"), record("d"));
  await first.log.append(record("e"));
  await first.log.close();
  for (let generation = 2; generation < 6; generation++) {
    const again = await open(world, generation);
    assert.deepEqual(texts(again.stored.records), ["a", "b", "c", "d", "e"]);
    await again.log.begin(again.stored.records);
    await again.log.close();
  }
  assert.deepEqual(await world.files.readDirectory(FOLDER), ["log.4", "log.5"]);
});

test("another key reads nothing, and nothing stands in the clear", async () => {
  const world = new FaultWorld();
  const { log } = await open(world);
  await log.begin([record("a fine and telling label")]);
  await log.close();
  const file = await world.files.readFile(`${FOLDER}/log.1`);
  assert.ok(!Buffer.from(file).toString("latin1").includes("label"));
  assert.equal(decodeLog(file, new Uint8Array(32)), undefined);
  assert.deepEqual(texts(decodeLog(file, KEY)!.records), ["a fine and telling label"]);
});

test("records that were swapped, left out or changed end the log there", async () => {
  const world = new FaultWorld();
  const { log } = await open(world);
  await log.begin([record("snap")]);
  for (const text of ["aaaa", "bbbb", "cccc"]) await log.append(record(text));
  await log.close();
  const file = await world.files.readFile(`${FOLDER}/log.1`);
  const frame = 4 + 4 + 16;
  const start = file.length - 3 * frame;
  const cut = (from: number) => file.subarray(start + from * frame, start + (from + 1) * frame);
  const build = (...frames: number[]) =>
    decodeLog(
      new Uint8Array([...file.subarray(0, start), ...frames.flatMap((each) => [...cut(each)])]),
      KEY,
    )!;
  assert.deepEqual(texts(build(0, 1, 2).records), ["snap", "aaaa", "bbbb", "cccc"]);
  assert.equal(build(0, 1, 2).isTorn, false);
  for (const [frames, kept] of [
    [[1, 0, 2], 0],
    [[0, 2], 1],
    [[0, 0, 1], 1],
  ] as const) {
    const decoded = build(...frames);
    assert.equal(decoded.records.length, 1 + kept);
    assert.equal(decoded.isTorn, true);
  }
  for (let at = 0; at < file.length; at++) {
    const damaged = file.slice();
    damaged[at]! ^= 0x10;
    const decoded = decodeLog(damaged, KEY);
    assert.ok(decoded === undefined || decoded.records.length < 4, `byte ${at}`);
  }
});

test("a newer generation that cannot be read gives way to the one before", async () => {
  const world = new FaultWorld();
  const { log } = await open(world);
  await log.begin([record("old")]);
  await log.append(record("more"));
  await log.begin([record("new")]);
  await log.close();
  const file = await world.files.open(`${FOLDER}/log.2`, "write");
  await file.write(Uint8Array.of(255), 50);
  await file.close();
  const again = await open(world, 2);
  assert.deepEqual(texts(again.stored.records), ["old", "more"]);
  assert.equal(again.stored.isDamaged, true);
  await again.log.begin([record("newest")]);
  await again.log.close();
  assert.deepEqual(texts((await open(world, 3)).stored.records), ["newest"]);
});

/** Appends, syncs and begins anew at random until the power goes. @returns what was synced, and all that was written */
async function workUntilCut(world: FaultWorld, random: SeededRandom) {
  const written: string[] = [];
  let safe = 0;
  try {
    const { log, stored } = await open(world, random.below(1000));
    written.push(...texts(stored.records));
    await log.begin(stored.records);
    safe = written.length;
    for (let step = 0; ; step++) {
      const dice = random.below(10);
      if (dice < 6) {
        const text = `${step}`.padEnd(1 + random.below(300), "x");
        written.push(text);
        await log.append(record(text));
      } else if (dice < 9) {
        await log.sync();
        safe = written.length;
      } else {
        await log.begin(written.map(record));
        safe = written.length;
      }
    }
  } catch {
    return { written, safe };
  }
}

test("the power goes at any instant: nothing that was synced is lost, and what is left is a beginning", async () => {
  for (const mutant of [undefined, "file", "directory"] as const) {
    let lost = 0;
    for (let seed = 1; seed <= 150; seed++) {
      const random = new SeededRandom(seed);
      let world = new FaultWorld();
      await world.files.makeDirectory(FOLDER);
      for (let life = 0; life < 3; life++) {
        if (mutant !== undefined) world.leaveOutSyncs(({ kind }) => kind === mutant);
        world.offAfter(1 + random.below(60));
        const { written, safe } = await workUntilCut(world, random);
        world = world.powerCut(random);
        const { stored } = await open(world);
        const found = texts(stored.records);
        const isSound = found.length >= safe && found.every((text, i) => text === written[i]);
        if (mutant === undefined)
          assert.ok(isSound, `seed ${seed}, life ${life}: ${found.length} of ${safe}`);
        if (!isSound) lost++;
      }
    }
    assert.ok(mutant === undefined ? lost === 0 : lost > 0, `without ${mutant ?? "nothing"}: ${lost} lost`);
  }
});
