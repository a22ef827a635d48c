import assert from "node:assert/strict";
import { mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { equalBytes, toHex } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { FaultWorld } from "./fault-world.ts";
import type { BatchOperation, Entry, KeyRange, KeyValueReader, KeyValueStore } from "./key-value-store.ts";
import { openLevelStore } from "./level-store.ts";
import { MemoryStore } from "./memory-store.ts";

/** The suite that every back end passes. */
const BACK_ENDS: Record<string, (t: TestContext) => Promise<KeyValueStore>> = {
  async level(t) {
    const path = await mkdtemp(join(tmpdir(), "freehold-store-"));
    const store = await openLevelStore(path, { writeBufferBytes: 65_536 });
    t.after(async () => {
      await store.close();
      await rm(path, { recursive: true });
    });
    return store;
  },
  async memory() {
    return new MemoryStore();
  },
  async fault() {
    return new FaultWorld({ logBytes: 1000 }).openStore("/data/store");
  },
};

const bytes = (...values: number[]): Uint8Array => new Uint8Array(values);
const put = (key: Uint8Array, value: Uint8Array): BatchOperation => ({ type: "put", key, value });
const del = (key: Uint8Array): BatchOperation => ({ type: "del", key });

async function list(reader: KeyValueReader, range?: KeyRange): Promise<string[]> {
  const found: string[] = [];
  for await (const [key, value] of reader.iterate(range)) found.push(`${toHex(key)}=${toHex(value)}`);
  return found;
}

for (const [name, open] of Object.entries(BACK_ENDS)) {
  test(`${name} store: a batch is applied in order, whole, and read back`, async (t) => {
    const store = await open(t);
    assert.equal(await store.get(bytes(1)), undefined);
    await store.batch([
      put(bytes(1), bytes(10)),
      put(bytes(2), bytes(20)),
      put(bytes(1), bytes(11)),
      del(bytes(2)),
    ]);
    assert.deepEqual(new Uint8Array((await store.get(bytes(1)))!), bytes(11));
    assert.equal(await store.get(bytes(2)), undefined);
    await store.batch([del(bytes(7)), put(bytes(3), bytes())], { sync: true });
    assert.equal((await store.get(bytes(3)))!.length, 0);
    const many = await store.getMany([bytes(3), bytes(2), bytes(1), bytes(3)]);
    assert.deepEqual(
      many.map((value) => value && toHex(value)),
      ["", undefined, "0b", ""],
    );
    assert.deepEqual(await store.getMany([]), []);
  });

  test(`${name} store: keys and values are copied when they are handed over`, async (t) => {
    const store = await open(t);
    const key = bytes(5);
    const value = bytes(50, 51);
    const batch = store.newBatch();
    batch.put(key, value.subarray(0, 1));
    key[0] = 6;
    value[0] = 60;
    batch.put(key, value);
    key[0] = 7;
    batch.del(key);
    assert.equal(batch.length, 3);
    assert.equal(batch.byteLength, 2 + 3 + 1);
    await batch.write({ sync: true });
    assert.deepEqual(await list(store), ["05=32", "06=3c33"]);
    const got = (await store.get(bytes(5)))!;
    got[0] = 99;
    assert.equal((await store.get(bytes(5)))![0], 50, "what was read is the reader's own");
    await assert.rejects(async () => batch.write());
  });

  test(`${name} store: ranges are half open, in byte order, limited, and reversed on demand`, async (t) => {
    const store = await open(t);
    const keys = [
      bytes(0),
      bytes(0, 0),
      bytes(0, 255),
      bytes(1),
      bytes(127),
      bytes(128),
      bytes(255),
      bytes(255, 0),
    ];
    await store.batch([...keys].reverse().map((key) => put(key, key)));
    const named = (...some: Uint8Array[]): string[] => some.map((key) => `${toHex(key)}=${toHex(key)}`);
    assert.deepEqual(await list(store), named(...keys));
    assert.deepEqual(await list(store, { gte: bytes(0, 0), lt: bytes(128) }), named(...keys.slice(1, 5)));
    assert.deepEqual(await list(store, { gte: bytes(0, 1), limit: 2 }), named(...keys.slice(2, 4)));
    assert.deepEqual(
      await list(store, { lt: bytes(255), reverse: true, limit: 3 }),
      named(...keys.slice(3, 6).reverse()),
    );
    assert.deepEqual(await list(store, { gte: bytes(9), lt: bytes(3) }), []);
    const sizes: number[] = [];
    for await (const chunk of store.chunks({}, 3)) sizes.push(chunk.length);
    assert.equal(
      sizes.reduce((a, b) => a + b, 0),
      keys.length,
    );
    assert.ok(sizes.every((size) => size <= 3));
  });

  test(`${name} store: iterators and snapshots see one instant`, async (t) => {
    const store = await open(t);
    await store.batch([put(bytes(1), bytes(1)), put(bytes(2), bytes(2))]);
    const snapshot = store.snapshot();
    const iterated = store.iterate();
    await store.batch([del(bytes(1)), put(bytes(2), bytes(9)), put(bytes(3), bytes(3))]);
    assert.deepEqual(await list(snapshot), ["01=01", "02=02"]);
    assert.deepEqual(new Uint8Array((await snapshot.get(bytes(1)))!), bytes(1));
    assert.equal((await snapshot.getMany([bytes(3)]))[0], undefined);
    const seen: Entry[] = [];
    for await (const entry of iterated) seen.push(entry);
    assert.equal(seen.length, 2);
    await snapshot.close();
    assert.deepEqual(await list(store), ["02=09", "03=03"]);
  });

  test(`${name} store: leaving an iteration early, and reading after close`, async (t) => {
    const store = await open(t);
    await store.batch([put(bytes(1), bytes(1)), put(bytes(2), bytes(2))]);
    for await (const [key] of store.iterate()) {
      assert.equal(key[0], 1);
      break;
    }
    await store.close();
    await assert.rejects(async () => store.get(bytes(1)));
    await assert.rejects(async () => store.batch([put(bytes(1), bytes(1))]));
  });

  test(`${name} store: a thousand random operations leave what a map would hold`, async (t) => {
    const store = await open(t);
    const random = new SeededRandom(7);
    const model = new Map<string, string>();
    for (let round = 0; round < 50; round++) {
      const operations: BatchOperation[] = [];
      for (let i = 0; i < 20; i++) {
        const key = random.fill(new Uint8Array(1 + random.below(2))).map((value) => value & 0x9f);
        const value = random.fill(new Uint8Array(random.below(200)));
        const gone = random.below(3) === 0;
        operations.push(gone ? del(key) : put(key, value));
        if (gone) model.delete(toHex(key));
        else model.set(toHex(key), toHex(value));
      }
      await store.batch(operations, { sync: random.below(2) === 0 });
    }
    const expected = [...model].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => `${key}=${value}`);
    assert.deepEqual(await list(store), expected);
    assert.ok((await store.approximateSize(bytes(0), bytes(255, 255))) >= 0);
  });
}

test("a level store keeps what was written, refuses a second opener, and tells what is wrong", async (t) => {
  const path = await mkdtemp(join(tmpdir(), "freehold-store-"));
  t.after(() => rm(path, { recursive: true }));
  const store = await openLevelStore(join(path, "a"));
  await store.batch([put(bytes(1), bytes(2))]);
  await assert.rejects(openLevelStore(join(path, "a")), /cannot open the database .*lock/is);
  await store.close();
  const again = await openLevelStore(join(path, "a"));
  assert.ok(equalBytes((await again.get(bytes(1)))!, bytes(2)));
  await again.close();
});

test("a level store that failed to write takes no more until it is opened anew, and is read meanwhile", async (t) => {
  const parent = await mkdtemp(join(tmpdir(), "freehold-store-"));
  t.after(() => rm(parent, { recursive: true }));
  const [path, aside] = [join(parent, "a"), join(parent, "aside")];
  const store = await openLevelStore(path, { writeBufferBytes: 65_536 });
  await store.batch([put(bytes(1), bytes(1))], { sync: true });
  // LevelDB can not make the log file that comes next: for one write only, as on a disk that is full for a moment.
  await rename(path, aside);
  const filling = put(bytes(2), new Uint8Array(40_000));
  const fail = async () => {
    for (let i = 0; i < 20; i++) await store.batch([filling]);
  };
  await assert.rejects(fail, /IO error|No such file/i);
  await rename(aside, path);

  await assert.rejects(store.batch([put(bytes(3), bytes(3))]), /failed before/);
  const batch = store.newBatch();
  batch.put(bytes(3), bytes(3));
  await assert.rejects(batch.write({ sync: true }), /failed before/);
  assert.deepEqual(
    (await list(store)).filter((entry) => !entry.startsWith("02")),
    ["01=01"],
  );
  await store.close();

  const again = await openLevelStore(path);
  await again.batch([put(bytes(3), bytes(3))], { sync: true });
  assert.deepEqual(
    (await list(again)).filter((entry) => !entry.startsWith("02")),
    ["01=01", "03=03"],
  );
  await again.close();
});
