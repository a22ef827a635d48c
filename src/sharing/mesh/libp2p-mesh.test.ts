import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { meshSuite } from "./mesh-suite.ts";
import { addressOf, connected, openTestMesh, socketWorld } from "./mesh-world.ts";

meshSuite("libp2p", (context, errors) => socketWorld(context, errors));

test("peers meet over WebSocket too, from distinct loopback addresses", async (context) => {
  const a = await openTestMesh(context, { listen: ["/ip4/127.80.1.1/tcp/0/ws", "/ip4/127.80.1.1/tcp/0"] });
  const b = await openTestMesh(context, { listen: ["/ip4/127.80.2.1/tcp/0"] });
  const overWebSocket = a.listening.find((address) => address.endsWith("/ws"))!;
  assert.ok((await b.addPeer(`${overWebSocket}/p2p/${a.self}`)).ok);
  assert.equal(b.view(a.self)?.connected, true);
  const overTcp = await openTestMesh(context, { listen: ["/ip4/127.80.3.1/tcp/0"] });
  assert.ok((await overTcp.addPeer(addressOf(b))).ok);
  await connected(b, overTcp.self, "stranger");
  assert.equal(b.view(overTcp.self)?.ip, "127.80.3.1");
});

test("a ban, an identity and the friends outlive a restart", async (context) => {
  const directory = await mkdtemp(join(tmpdir(), "freehold-restart-"));
  const accountSecret = new Uint8Array(32).fill(5);
  const first = await openTestMesh(context, { directory, accountSecret });
  const [friend, foe] = [await openTestMesh(context), await openTestMesh(context)];
  const { link } = await first.createInvitation({ uses: 1, seconds: 600 });
  assert.ok((await friend.acceptInvitation(link)).ok);
  assert.ok((await foe.addPeer(addressOf(first))).ok);
  await connected(first, foe.self, "stranger");
  first.ban(foe.self, "spam");
  await first.close();
  const again = await openTestMesh(context, { directory, accountSecret });
  context.after(async () => {
    await again.close();
    await rm(directory, { recursive: true, force: true });
  });
  assert.equal(again.self, first.self);
  assert.equal(again.view(foe.self)?.standing, "banned");
  await connected(again, friend.self);
  assert.equal((await foe.addPeer(addressOf(again))).ok, false);
  assert.equal(await again.unban(foe.self), true);
  assert.ok((await foe.addPeer(addressOf(again))).ok);
  assert.equal(await again.forget(friend.self), true);
  assert.equal(again.view(friend.self)?.standing ?? "stranger", "stranger");
});

test("two friends that moved while both were away find each other through a third", async (context) => {
  const folders = await Promise.all([1, 2].map(() => mkdtemp(join(tmpdir(), "freehold-moved-"))));
  const secrets = [6, 7].map((byte) => new Uint8Array(32).fill(byte));
  const open = (i: number) => openTestMesh(context, { directory: folders[i]!, accountSecret: secrets[i]! });
  const third = await openTestMesh(context);
  const { link } = await third.createInvitation({ uses: 2, seconds: 600 });
  const [one, two] = [await open(0), await open(1)];
  for (const mesh of [one, two]) assert.ok((await mesh.acceptInvitation(link)).ok);
  await connected(one, two.self);
  await connected(two, one.self);
  const before = [one, two].map(({ listening }) => listening);
  await Promise.all([one.close(), two.close()]);
  const back = [await open(0), await open(1)] as const;
  context.after(async () => {
    await Promise.all(back.map((mesh) => mesh.close()));
    for (const folder of folders) await rm(folder, { recursive: true, force: true });
  });
  assert.notDeepEqual(
    back.map(({ listening }) => listening),
    before,
  );
  await connected(back[0], back[1].self);
  await connected(back[1], back[0].self);
});
