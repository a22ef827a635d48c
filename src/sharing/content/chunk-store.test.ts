import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "#base/lib/random.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import type { FileSystem } from "#base/store/file-system.ts";
import { CHUNK_BYTES } from "./chunk-list.ts";
import { ChunkStore, ContentStoreFull, type PartialContent } from "./chunk-store.ts";

const LIMIT = 8 * 2 ** 20;
const FOLDER = "/content";

function bytes(length: number, seed = 1): Uint8Array {
  return new SeededRandom(seed).fill(new Uint8Array(length));
}

function openStore(world = new FaultWorld(), limit = LIMIT): Promise<ChunkStore> {
  return ChunkStore.open(world.files, FOLDER, limit);
}

test("contents of any length are kept under an id that is theirs alone", async () => {
  const store = await openStore();
  const ids = new Set<string>();
  for (const length of [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 17]) {
    const content = bytes(length);
    const { id } = await store.add(content);
    ids.add(id);
    assert.deepEqual(await store.read(id), content);
    assert.equal((await store.add(content)).id, id);
  }
  assert.equal(ids.size, 6);
  await assert.rejects(store.read([...ids].at(-1)!, 100), /more than 100/);
  await assert.rejects(store.read("00".repeat(32)), /not here/);
});

test("bytes that come in pieces are the same content", async () => {
  const store = await openStore();
  const content = bytes(2 * CHUNK_BYTES + 5);
  async function* pieces() {
    for (let at = 0; at < content.length; at += 100_001) yield content.subarray(at, at + 100_001);
  }
  assert.equal((await store.add(pieces())).id, (await store.add(content)).id);
});

test("the store keeps within its limit: what was used longest ago goes, what is pinned stays", async () => {
  const store = await openStore(new FaultWorld(), 4 * CHUNK_BYTES);
  const [a, b, c] = [1, 2, 3].map((seed) => bytes(CHUNK_BYTES, seed)) as [Uint8Array, Uint8Array, Uint8Array];
  const ids = [];
  for (const content of [a, b, c]) ids.push((await store.add(content)).id);
  for (const id of ids) store.unpin(id);
  await store.read(ids[0]!);
  const pinned = (await store.add(bytes(CHUNK_BYTES, 4))).id;
  assert.deepEqual(await Promise.all(ids.map((id) => store.has(id))), [true, false, true]);
  assert.ok(store.usedBytes <= store.limitBytes);
  await assert.rejects(store.add(bytes(4 * CHUNK_BYTES, 5)), ContentStoreFull);
  assert.equal(await store.has(pinned), true);
});

test("a power cut leaves whole contents or none", async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = new SeededRandom(seed);
    const world = new FaultWorld();
    const store = await openStore(world);
    const { id } = await store.add(bytes(CHUNK_BYTES + 9, seed));
    world.offAfter(1 + random.below(8));
    await store.add(bytes(2 * CHUNK_BYTES, seed + 100)).catch(() => undefined);
    const after = world.powerCut(random);
    const again = await openStore(after);
    assert.deepEqual(await again.read(id), bytes(CHUNK_BYTES + 9, seed));
    const names = await after.files.readDirectory(FOLDER);
    assert.ok(names.every((name) => !name.endsWith(".part")));
  }
});

test("a file that was changed on disk is not taken for the content", async () => {
  const world = new FaultWorld();
  const { id } = await (await openStore(world)).add(bytes(1000));
  const file = await world.files.open(`${FOLDER}/${id}`, "write");
  await file.write(Uint8Array.of(1, 2, 3), 1000);
  await file.close();
  assert.equal(await (await openStore(world)).has(id), false);
});

/** A content of one chunk, written but not finished. */
async function partOf(store: ChunkStore, content: Uint8Array): Promise<PartialContent> {
  const part = await store.begin();
  await part.write(0, content);
  return part;
}

/** Everything that can be done without `held` is done. */
async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** A disk whose next call of one method waits until it is let go. */
function gated(
  files: FileSystem,
  method: "remove" | "rename" | "open",
): { files: FileSystem; hold(): void; letGo(): void } {
  let gate: Promise<void> | undefined;
  let letGo = (): void => {};
  const pass = async <T>(action: () => Promise<T>): Promise<T> => {
    const closed = gate;
    gate = undefined;
    await closed;
    return await action();
  };
  return {
    files: new Proxy(files, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        const bound = (...args: unknown[]) => Reflect.apply(value, target, args);
        return name === method ? (...args: unknown[]) => pass(async () => await bound(...args)) : bound;
      },
    }),
    hold() {
      gate = new Promise((resolve) => {
        letGo = resolve;
      });
    },
    letGo: () => letGo(),
  };
}

test("a content that is kept again while it is made to go stays", async () => {
  const disk = gated(new FaultWorld().files, "remove");
  const store = await ChunkStore.open(disk.files, FOLDER, 3 * CHUNK_BYTES + 1000);
  const content = bytes(CHUNK_BYTES);
  const { id } = await store.add(content);
  store.unpin(id);
  const again = await partOf(store, content);
  disk.hold();
  const other = store.add(bytes(CHUNK_BYTES + 2000, 2));
  await settle();
  const kept = again.finish();
  await settle();
  disk.letGo();
  await Promise.all([kept, other]);
  assert.equal(await store.has(id), true);
  assert.deepEqual(await store.read(id), content);
});

test("one content kept twice at the same time counts once", async () => {
  const world = new FaultWorld();
  const store = await openStore(world);
  const parts = await Promise.all([1, 2].map(() => partOf(store, bytes(1000))));
  const [id, same] = await Promise.all(parts.map((part) => part.finish()));
  assert.equal(id, same);
  assert.deepEqual(await world.files.readDirectory(FOLDER), [id]);
  const { size } = (await world.files.stat(`${FOLDER}/${id}`))!;
  assert.equal(store.usedBytes, size);
});

test("the limit holds at every moment, also while a content is finished", async () => {
  const disk = gated(new FaultWorld().files, "rename");
  const store = await ChunkStore.open(disk.files, FOLDER, 1.5 * CHUNK_BYTES);
  disk.hold();
  const adding = store.add(bytes(CHUNK_BYTES));
  await settle();
  const second = store.add(bytes(CHUNK_BYTES, 2)).then(
    () => "kept",
    (error: unknown) => (error instanceof ContentStoreFull ? "full" : String(error)),
  );
  await settle();
  disk.letGo();
  await adding;
  assert.equal(await second, "full");
  assert.ok(store.usedBytes <= store.limitBytes);
});

test("a read that an eviction overtakes reads all or says that it is not here", async () => {
  const disk = gated(new FaultWorld().files, "open");
  const store = await ChunkStore.open(disk.files, FOLDER, 2 * CHUNK_BYTES + 1000);
  const content = bytes(CHUNK_BYTES);
  const { id } = await store.add(content);
  store.unpin(id);
  const part = await partOf(store, bytes(1000, 2));
  disk.hold();
  const reading = store.chunk(id, 0);
  const waiting = store.read(id);
  await settle();
  const evicting = part.write(1, bytes(CHUNK_BYTES, 3));
  await settle();
  disk.letGo();
  assert.deepEqual(await reading, content);
  await waiting.then(
    (whole) => assert.deepEqual(whole, content),
    (error: Error) => assert.match(error.message, /not here/),
  );
  await evicting;
  await part.abandon();
  assert.equal(await store.has(id), false);
  assert.equal(await store.chunk(id, 0), undefined);
});

for (const [damage, spoil] of Object.entries({
  "was cut short": (file: Spoilt) => file.truncate(CHUNK_BYTES + 1),
  "has a flipped bit": (file: Spoilt) => file.write(Uint8Array.of(1), CHUNK_BYTES + 5),
})) {
  test(`a content whose file ${damage} while it was held is an error, not other bytes`, async () => {
    for (const read of ["whole", "chunk"]) {
      const world = new FaultWorld();
      const store = await openStore(world);
      const content = new Uint8Array(2 * CHUNK_BYTES);
      const { id } = await store.add(content);
      const file = await world.files.open(`${FOLDER}/${id}`, "write");
      await spoil(file);
      await file.close();
      if (read === "whole") await assert.rejects(store.read(id), /damaged/);
      else assert.equal(await store.chunk(id, 1), undefined);
      assert.equal(await store.has(id), false, "it is not held for whole any more");
      assert.equal(store.usedBytes, 0);
      assert.equal((await store.add(content)).id, id);
      assert.deepEqual(await store.read(id), content);
    }
  });
}

type Spoilt = Awaited<ReturnType<FileSystem["open"]>>;

test("a disk that fails to remove costs no room in the books", async () => {
  const world = new FaultWorld();
  let failing = false;
  const remove = (path: string): Promise<void> =>
    failing ? Promise.reject(new Error("EIO")) : world.files.remove(path);
  const files = new Proxy(world.files, {
    get(target, name) {
      if (name === "remove") return remove;
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const store = await ChunkStore.open(files, FOLDER, 2 * CHUNK_BYTES + 1000);
  const { id } = await store.add(bytes(CHUNK_BYTES));
  store.unpin(id);
  const part = await partOf(store, bytes(CHUNK_BYTES, 2));
  failing = true;
  await assert.rejects(part.write(1, bytes(CHUNK_BYTES, 3)), /EIO/);
  failing = false;
  assert.equal(await store.has(id), true);
  await part.write(1, bytes(CHUNK_BYTES, 3));
  await part.abandon();
  assert.equal(store.usedBytes, 0);
  const fits = await store.add(bytes(2 * CHUNK_BYTES, 4));
  assert.ok(fits.length > 0);
});
