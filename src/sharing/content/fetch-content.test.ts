import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "#base/lib/clock.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import { type MemoryMesh, MemoryNetwork } from "#sharing/mesh/memory-mesh.ts";
import { playUntil } from "#sharing/mesh/memory-time.ts";
import { accept, refuse } from "#sharing/mesh/protocol.ts";
import { CHUNK_BYTES } from "./chunk-list.ts";
import { ChunkStore } from "./chunk-store.ts";
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

/** A holder that describes a content when told to, and brings chunks by `chunk`. */
function holder(
  network: MemoryNetwork,
  list: { readonly length: number; readonly leaves: Uint8Array },
  chunk: (index: number) => Promise<Uint8Array | undefined>,
): { readonly self: string; describe(): void } {
  const mesh = network.join();
  const described = Promise.withResolvers<void>();
  mesh.serve(CONTENT_PROTOCOL, {
    describe: async () => {
      await described.promise;
      return accept(list);
    },
    chunk: async ({ index }) => {
      const bytes = await chunk(index);
      return bytes === undefined ? refuse("unavailable", "gone") : accept({ bytes });
    },
  });
  return { self: mesh.self, describe: described.resolve };
}

test("a peer that stays silent holds nobody up: the first true description begins", async () => {
  // Nobody moves this clock: what waits for a time-out waits for ever.
  const network = new MemoryNetwork({ clock: new ManualClock() });
  const [alice, bob] = await Promise.all([peer(network), peer(network)]);
  const content = bytes(2 * CHUNK_BYTES + 1);
  const { id } = await bob.store.add(content);
  const silent = holder(network, bob.store.describe(id)!, async () => undefined);
  const outcome = await alice.downloads.fetch(id, [silent.self, bob.mesh.self], { maxLength: 2 ** 30 });
  assert.deepEqual(outcome, { ok: true });
  assert.deepEqual(await alice.store.read(id), content);
});

test("who describes a content later joins in, also when all before it have failed", async () => {
  const network = new MemoryNetwork({ clock: new ManualClock() });
  const [alice, bob] = await Promise.all([peer(network), peer(network)]);
  const content = bytes(20 * CHUNK_BYTES);
  const { id } = await bob.store.add(content);
  const list = bob.store.describe(id)!;
  let brought = 0;
  const late = holder(network, list, async (index) => {
    brought++;
    return await bob.store.chunk(id, index);
  });
  const early = holder(network, list, async (index) => {
    if (index < 4) return await bob.store.chunk(id, index);
    late.describe();
    return undefined;
  });
  early.describe();
  const outcome = await alice.downloads.fetch(id, [early.self, late.self], { maxLength: 2 ** 30 });
  assert.deepEqual(outcome, { ok: true });
  assert.deepEqual(await alice.store.read(id), content);
  assert.equal(brought, 16);
});

test("a chunk that one is slow to bring is asked of another", async () => {
  const clock = new ManualClock();
  const network = new MemoryNetwork({ clock });
  const [, bob] = await Promise.all([peer(network), peer(network)]);
  const mesh = network.join();
  const store = await openStore();
  const content = bytes(6 * CHUNK_BYTES);
  const { id } = await bob.store.add(content);
  const asked = new Set<number>();
  const slow = holder(network, bob.store.describe(id)!, (index) => {
    asked.add(index);
    return new Promise(() => {});
  });
  slow.describe();
  const peers = [slow.self, bob.mesh.self];
  const fetching = new ContentDownloads(mesh, store, clock).fetch(id, peers, { maxLength: 2 ** 30 });
  assert.deepEqual(await playUntil(clock, fetching), { ok: true });
  assert.ok(asked.size > 0);
  assert.ok(clock.monotonic() < 10_000, `${clock.monotonic()} ms`);
  assert.deepEqual(await store.read(id), content);
});

test("a disk without room ends a fetch, and nothing of it stays", async () => {
  const network = new MemoryNetwork();
  const bob = await peer(network);
  const { id } = await bob.store.add(bytes(12 * CHUNK_BYTES));
  const world = new FaultWorld();
  const store = await openStore(world, 4 * CHUNK_BYTES);
  const downloads = new ContentDownloads(network.join(), store);
  const outcome = await downloads.fetch(id, [bob.mesh.self], { maxLength: 2 ** 30 });
  assert.match(outcome.ok ? "" : outcome.reason, /are in use/);
  assert.deepEqual(await world.files.readDirectory(FOLDER), []);
  assert.equal((await store.add(bytes(3 * CHUNK_BYTES))).length, 3 * CHUNK_BYTES, "its room is free again");
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
