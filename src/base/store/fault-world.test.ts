import assert from "node:assert/strict";
import { test } from "node:test";
import { toHex } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { isDiskFull } from "./disk-error.ts";
import { FaultWorld } from "./fault-world.ts";
import { PowerOffError, type SyncRequest } from "./power.ts";
import { readIfThere, writeAtomically } from "./write-atomically.ts";

const RUNS = 300;
const bytes = (...values: number[]): Uint8Array => new Uint8Array(values);

/** What a directory `/d` looks like after each of many power cuts: `name:content` for each file. */
async function outcomes(prepare: (world: FaultWorld) => Promise<void>): Promise<Set<string>> {
  const seen = new Set<string>();
  for (let seed = 0; seed < RUNS; seed++) {
    const world = new FaultWorld({ logBytes: 100 });
    await world.files.makeDirectory("/d");
    await prepare(world);
    seen.add(await describe(world.powerCut(new SeededRandom(seed))));
  }
  return seen;
}

async function describe({ files }: FaultWorld): Promise<string> {
  const parts: string[] = [];
  for (const name of await files.readDirectory("/d")) {
    parts.push(`${name}:${toHex(await files.readFile(`/d/${name}`))}`);
  }
  return parts.join(" ");
}

test("what was not synced is kept, lost or torn; what was synced stays", async () => {
  const seen = await outcomes(async ({ files }) => {
    const file = await files.open("/d/f", "create");
    await file.write(bytes(1, 1, 1), 0);
    await file.sync();
    await files.syncDirectory("/d");
    await file.write(bytes(2, 2), 3);
    await file.write(bytes(3, 3), 5);
  });
  for (const content of [
    "010101",
    "0101010202",
    "01010102020303",
    "01010102",
    "01010100000303",
    "01010100",
  ]) {
    assert.ok(seen.has(`f:${content}`), `${content} among ${[...seen].join(", ")}`);
  }
  for (const content of seen) assert.match(content, /^f:010101/);
});

test("a new file vanishes without a sync of its directory, a renamed one without a sync of its content is empty", async () => {
  const made = await outcomes(async ({ files }) => {
    const file = await files.open("/d/f", "create");
    await file.write(bytes(1), 0);
    await file.sync();
  });
  assert.deepEqual([...made].sort(), ["", "f:01"]);
  const renamed = await outcomes(async ({ files }) => {
    const file = await files.open("/d/f", "create");
    await file.write(bytes(1), 0);
    await files.rename("/d/f", "/d/g");
    await files.syncDirectory("/d");
  });
  assert.deepEqual([...renamed].sort(), ["g:", "g:00", "g:01"]);
});

/** Cuts the power at every operation of replacing a file; the contents found afterwards. */
async function contentsAfterCuts(leaveOut: (sync: SyncRequest) => boolean): Promise<Set<string>> {
  const seen = new Set<string>();
  for (let seed = 0; seed < RUNS; seed++) {
    const world = new FaultWorld();
    await world.files.makeDirectory("/d");
    await writeAtomically(world.files, "/d/f", bytes(1, 1, 1));
    world.leaveOutSyncs(leaveOut);
    world.offAfter(1 + (seed % 6));
    let acknowledged = false;
    try {
      await writeAtomically(world.files, "/d/f", bytes(2, 2, 2));
      acknowledged = true;
    } catch (error) {
      assert.ok(error instanceof PowerOffError);
    }
    const { files } = world.powerCut(new SeededRandom(seed));
    const content = await readIfThere(files, "/d/f");
    seen.add(`${acknowledged ? "done" : "cut"}:${content === undefined ? "none" : toHex(content)}`);
  }
  return seen;
}

test("an atomic write leaves the old content or the new one, and the new one once it resolved", async () => {
  const seen = await contentsAfterCuts(() => false);
  assert.deepEqual([...seen].sort(), ["cut:010101", "cut:020202", "done:020202"]);
});

test("an atomic write without one of its syncs is found out", async () => {
  const withoutFile = await contentsAfterCuts((sync) => sync.kind === "file");
  assert.ok(withoutFile.has("cut:") || withoutFile.has("done:"), "torn content seen");
  const withoutDirectory = await contentsAfterCuts((sync) => sync.kind === "directory");
  assert.ok(withoutDirectory.has("done:010101"), "an acknowledged write was lost");
});

/** Batches 1 … n, the `synced` ones with a sync; which of them are there after each of many power cuts. */
async function batchesLeft(
  count: number,
  synced: readonly number[],
  valueBytes: number,
): Promise<Set<string>> {
  const seen = new Set<string>();
  for (let seed = 0; seed < RUNS; seed++) {
    const world = new FaultWorld({ logBytes: 300 });
    const store = await world.openStore("/d/store");
    for (let i = 1; i <= count; i++) {
      const batch = store.newBatch();
      batch.put(bytes(0, i), new Uint8Array(valueBytes));
      batch.put(bytes(1, i), new Uint8Array(0));
      await batch.write({ sync: synced.includes(i) });
    }
    const after = await world.powerCut(new SeededRandom(seed)).openStore("/d/store");
    let first = "";
    let second = "";
    for await (const [key] of after.iterate()) {
      if (key[0] === 0) first += key[1];
      else second += key[1];
    }
    assert.equal(first, second, "a batch is there whole or not at all");
    seen.add(first);
  }
  return seen;
}

test("a store keeps synced batches, and of the later ones a prefix", async () => {
  assert.deepEqual([...(await batchesLeft(4, [2], 10))].sort(), ["12", "123", "1234"]);
});

test("a store that left a log unsynced may lose its end although a later batch is synced", async () => {
  // Two batches fill a log; the fourth is in the second log.
  const seen = await batchesLeft(4, [1, 4], 200);
  assert.deepEqual([...seen].sort(), ["1234", "134"]);
  // Two logs later the first one is surely in sorted files.
  assert.deepEqual(
    [...(await batchesLeft(6, [6], 200))].filter((left) => !left.startsWith("12")),
    [],
  );
});

test("a killed program's writes are there, and can still be lost in a power cut", async () => {
  const world = new FaultWorld();
  const store = await world.openStore("/d/store");
  await store.batch([{ type: "put", key: bytes(1), value: bytes(1) }]);
  const file = await world.files.open("/d/f", "create");
  await file.write(bytes(7), 0);
  const killed = world.kill();
  await assert.rejects(file.write(bytes(8), 0), PowerOffError);
  await assert.rejects(store.get(bytes(1)), PowerOffError);
  // Opening a store makes it safe: in a copy, then.
  const reopened = await world.kill().openStore("/d/store");
  assert.deepEqual(await reopened.get(bytes(1)), bytes(1));
  assert.deepEqual(await killed.files.readFile("/d/f"), bytes(7));
  const left = new Set<string>();
  for (let seed = 0; seed < RUNS; seed++) {
    const cut = killed.kill().powerCut(new SeededRandom(seed));
    const value = await (await cut.openStore("/d/store")).get(bytes(1));
    left.add(`${value === undefined ? "-" : "store"} ${await readIfThere(cut.files, "/d/f")}`);
  }
  assert.ok(left.has("- undefined") && left.has("store 7"), [...left].join(", "));
});

test("what a killed program wrote to a store is safe once the store was opened again", async () => {
  const world = new FaultWorld({ logBytes: 30 });
  const store = await world.openStore("/d/store");
  for (let i = 0; i < 5; i++) await store.batch([{ type: "put", key: bytes(i), value: bytes(i) }]);
  for (let seed = 0; seed < RUNS; seed++) {
    const killed = world.kill();
    await killed.openStore("/d/store");
    const cut = await killed.powerCut(new SeededRandom(seed)).openStore("/d/store");
    for (let i = 0; i < 5; i++) assert.deepEqual(await cut.get(bytes(i)), bytes(i));
  }
});

test("power off ends everything, the operation in progress included", async () => {
  const world = new FaultWorld();
  await world.files.makeDirectory("/d");
  const store = await world.openStore("/d/store");
  const file = await world.files.open("/d/f", "create");
  world.offAfter(2);
  await file.write(bytes(1), 0);
  await assert.rejects(file.sync(), PowerOffError);
  await assert.rejects(file.read(new Uint8Array(1), 0), PowerOffError);
  await assert.rejects(world.files.readDirectory("/d"), PowerOffError);
  await assert.rejects(store.batch([{ type: "del", key: bytes(1) }]), PowerOffError);
  await store.close();
  await file.close();
});

test("a full disk refuses what does not fit, takes the rest, and lives on when there is room again", async () => {
  const world = new FaultWorld({ capacity: 100 });
  const file = await world.files.open("/f", "create");
  await file.write(new Uint8Array(90), 0);
  await assert.rejects(file.write(new Uint8Array(20), 90), { code: "ENOSPC" });
  await file.write(new Uint8Array(20), 70);
  assert.equal(await world.files.freeSpace(), 10);
  const store = await world.openStore("/store");
  const write = (): Promise<void> => store.batch([{ type: "put", key: bytes(1), value: bytes(2) }]);
  await assert.rejects(write, isDiskFull);
  assert.equal(await store.get(bytes(1)), undefined);
  world.capacity = 200;
  await write();
  assert.equal(world.used, 92);
  await world.files.remove("/f");
  assert.equal(world.used, 2);
  assert.ok(isDiskFull(new Error("wrapped", { cause: new Error("IO error: x: No space left on device") })));
  assert.ok(!isDiskFull(new Error("other")));
});
