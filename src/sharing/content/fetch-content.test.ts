import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "#base/lib/random.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import { type MemoryMesh, MemoryNetwork } from "#sharing/mesh/memory-mesh.ts";
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
