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
