import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { SeededRandom } from "#base/lib/random.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import type { Mesh } from "#sharing/mesh/mesh.ts";
import { accept, type Outcome } from "#sharing/mesh/protocol.ts";
import { CELL_BYTES } from "../codec/scheme.ts";
import { FriendlyDeals } from "../files/test-circle.ts";
import { makeShard, startHost } from "../host/test-host.ts";
import { HostBook } from "./host-book.ts";
import { HostClient } from "./host-client.ts";
import { DEFAULT_POLICY } from "./policy.ts";

async function openPair(t: TestContext) {
  const random = new SeededRandom(3);
  const world = await startHost({ disk: new FaultWorld() });
  t.after(() => world.host.stop());
  const { mesh } = world.renter();
  const { clock } = world.network;
  const served: { host: string; bytes: number; evidence: string }[] = [];
  const client = new HostClient({
    ...{ mesh, deals: new FriendlyDeals(mesh.self), clock, random, policy: DEFAULT_POLICY },
    book: new HostBook({ mesh, clock, policy: DEFAULT_POLICY }),
    served: (host, bytes, evidence) =>
      void served.push({ host, bytes, evidence: Buffer.from(evidence).toString("hex") }),
  });
  return { client, random, served, mesh, host: world.mesh.self };
}

test("a host is credited with cells that it sent and that their proof holds for, and with nothing else", async (t) => {
  const { client, random, served, host } = await openPair(t);
  const shard = makeShard(random, 3 * CELL_BYTES + 5);
  assert.ok((await client.store(host, shard.upload, shard.bytes, shard.root)).ok);
  assert.ok((await client.read(host, shard, 1, 2)).ok);
  assert.ok((await client.read(host, shard, 3, 1)).ok);
  assert.deepEqual(
    served.map(({ host: by, bytes }) => [by, bytes]),
    [
      [host, 2 * CELL_BYTES],
      [host, 5],
    ],
  );
  assert.notEqual(served[0]?.evidence, served[1]?.evidence);
  assert.equal(
    (await client.read(host, { ...shard, root: random.fill(new Uint8Array(32)) }, 0, 1)).ok,
    false,
  );
  const gone = new AbortController();
  gone.abort();
  assert.equal((await client.read(host, shard, 0, 1, gone.signal)).ok, false);
  assert.equal(served.length, 2);
  // For a shard half as long the proof does not hold.
  assert.equal((await client.read(host, { ...shard, length: 2 * CELL_BYTES }, 0, 1)).ok, false);
  assert.equal(served.length, 2);
});

test("a host that lists lost shards without end is believed no further than it can have some", async (t) => {
  const { client, random, mesh, host } = await openPair(t);
  let pages = 0;
  mesh.call = (async (): Promise<Outcome<unknown>> => {
    pages++;
    const shards = Array.from({ length: 500 }, () => ({
      ...{ root: random.fill(new Uint8Array(32)), length: 1, state: "lost" },
    }));
    return accept({ shards, more: true });
  }) as Mesh["call"];
  const lost = await client.lost(host, 1_000);
  assert.ok(lost !== undefined && lost.length > 1_000 && lost.length < 12_000, `${lost?.length} shards`);
  assert.ok(pages < 24, `${pages} pages`);
});
