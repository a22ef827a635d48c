import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "#base/lib/random.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import { type MemoryMesh, MemoryNetwork } from "#sharing/mesh/memory-mesh.ts";
import { accept, refuse } from "#sharing/mesh/protocol.ts";
import { CHUNK_BYTES } from "./chunk-list.ts";
import { ChunkStore, ContentStoreFull } from "./chunk-store.ts";
import { CONTENT_PROTOCOL } from "./content-messages.ts";
import { ContentDownloads } from "./fetch-content.ts";
import { serveContents } from "./serve-contents.ts";

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

interface Peer {
  readonly mesh: MemoryMesh;
  readonly store: ChunkStore;
  readonly downloads: ContentDownloads;
}

async function peer(network: MemoryNetwork): Promise<Peer> {
  const mesh = network.join();
  const store = await openStore();
  serveContents({ mesh, store, mayFetch: ({ standing }) => standing === "friend" });
  return { mesh, store, downloads: new ContentDownloads(mesh, store) };
}

test("a content comes from several peers at once, also when some of them lie, die, or have none", async () => {
  const network = new MemoryNetwork();
  const [alice, bob, carol, dave] = await Promise.all([1, 2, 3, 4].map(() => peer(network)));
  const content = bytes(9 * CHUNK_BYTES + 1);
  const { id } = await bob!.store.add(content);
  await carol!.store.add(content);
  const liar = network.join();
  liar.serve(CONTENT_PROTOCOL, {
    describe: async () => accept(bob!.store.describe(id)!),
    chunk: async () => accept({ bytes: new Uint8Array(CHUNK_BYTES) }),
  });
  const dying = network.join();
  dying.serve(CONTENT_PROTOCOL, {
    describe: async () => accept(bob!.store.describe(id)!),
    chunk: async () => {
      network.kill(dying.self);
      return refuse("unavailable", "going");
    },
  });
  const peers = [liar, dying, dave!.mesh, bob!.mesh, carol!.mesh].map(({ self }) => self);
  const [first, second] = await Promise.all([
    alice!.downloads.fetch(id, peers, { maxLength: 2 ** 30 }),
    alice!.downloads.fetch(id, peers, { maxLength: 2 ** 30 }),
  ]);
  assert.deepEqual([first, second], [{ ok: true }, { ok: true }]);
  assert.deepEqual(await alice!.store.read(id), content);
});

test("what nobody has, is too long, or is described falsely is refused with a reason", async () => {
  const network = new MemoryNetwork();
  const [alice, bob] = await Promise.all([peer(network), peer(network)]);
  const { id } = await bob!.store.add(bytes(1000));
  const from = [bob!.mesh.self];
  const reason = async (...args: Parameters<ContentDownloads["fetch"]>) => {
    const outcome = await alice!.downloads.fetch(...args);
    return outcome.ok ? "" : outcome.reason;
  };
  assert.match(await reason("11".repeat(32), from, { maxLength: 1e6 }), /nobody has it/);
  assert.match(await reason(id, [], { maxLength: 1e6 }), /nobody to fetch/);
  assert.match(await reason(id, from, { maxLength: 999 }), /more than 999/);
  const liar = network.join();
  liar.serve(CONTENT_PROTOCOL, {
    describe: async () => accept({ length: 5, leaves: new Uint8Array(32) }),
    chunk: async () => accept({ bytes: new Uint8Array(5) }),
  });
  assert.match(await reason(id, [liar.self], { maxLength: 1e6 }), /false description/);
  assert.equal(await alice!.store.has(id), false);
  const aborted = AbortSignal.abort();
  assert.notEqual(await reason(id, from, { maxLength: 1e6, signal: aborted }), "");
});

test("contents are for friends alone", async () => {
  const network = new MemoryNetwork();
  const bob = await peer(network);
  const { id } = await bob.store.add(bytes(10));
  const stranger = network.join({ circle: undefined });
  const store = await openStore();
  const outcome = await new ContentDownloads(stranger, store).fetch(id, [bob.mesh.self], { maxLength: 100 });
  assert.ok(!outcome.ok);
  assert.match(outcome.reason, /friends/);
});
