import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ManualClock } from "#base/lib/clock.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import { certifyMember, type Invitation, invitationLink, parseInvitationLink } from "./certificates.ts";
import { Circles } from "./circles.ts";
import { accountIdOf, type SigningKey, signingKeyFrom } from "./identity.ts";
import type { Libp2pMesh } from "./libp2p-mesh.ts";
import { addressOf, connected, openTestMesh } from "./mesh-world.ts";

const random = new SeededRandom(3);
const key = (): SigningKey => signingKeyFrom(random.fill(new Uint8Array(32)));

function open(world: FaultWorld, account: SigningKey, clock = new ManualClock(1e12)): Promise<Circles> {
  return Circles.open({ directory: "/mesh", account }, { files: world.files, clock, random });
}

const place = { addresses: ["/ip4/127.0.0.1/tcp/1"], device: new Uint8Array(32) };

test("an invitation lets in as many accounts as it says, each once, until it expires", async () => {
  const clock = new ManualClock(1e12);
  const founder = key();
  const circles = await open(new FaultWorld(), founder, clock);
  const { founder: by, nonce, secret } = await circles.invite(place, 2, 60);
  const [a, b, c] = [key(), key(), key()].map(({ publicKey }) => accountIdOf(publicKey)) as [
    string,
    string,
    string,
  ];
  const circle = { founder: by, nonce };
  const admit = async (account: string, given = secret): Promise<string> => {
    const outcome = await circles.admit(circle, given, account);
    return outcome.ok ? "in" : outcome.refusal.code;
  };
  assert.equal(await admit(a, new Uint8Array(16)), "not-found");
  assert.equal(await admit(a), "in");
  assert.equal(await admit(a), "in");
  assert.equal(await admit(b), "in");
  assert.equal(await admit(c), "expired");
  assert.deepEqual(
    [a, b, c].map((account) => circles.isFriend(account)),
    [true, true, false],
  );
  const late = await circles.invite(place, 1, 60);
  clock.advance(61_000);
  const outcome = await circles.admit(circle, late.secret, c);
  assert.ok(!outcome.ok && outcome.refusal.code === "expired");
});

test("who was forgotten does not come back with the invitation it once took up, nor with another", async () => {
  const circles = await open(new FaultWorld(), key());
  const first = await circles.invite(place, 2, 60);
  const account = accountIdOf(key().publicKey);
  assert.ok((await circles.admit(first, first.secret, account)).ok);
  await circles.forget(account);
  const second = await circles.invite(place, 2, 60);
  for (const { founder, nonce, secret } of [first, second]) {
    const outcome = await circles.admit({ founder, nonce }, secret, account);
    assert.ok(!outcome.ok && outcome.refusal.code === "not-allowed");
  }
  assert.equal(circles.isFriend(account), false);
  await circles.befriend(account);
  assert.ok((await circles.admit(first, first.secret, account)).ok);
});

test("who was let in stays so through a power cut", async () => {
  const founder = key();
  const account = accountIdOf(key().publicKey);
  for (let cut = 1; cut < 60; cut++) {
    const world = new FaultWorld();
    const circles = await open(world, founder);
    const { nonce, secret, founder: by } = await circles.invite(place, 1, 60);
    world.offAfter(cut);
    const admitted = await circles.admit({ founder: by, nonce }, secret, account).catch(() => undefined);
    const next = await open(world.powerCut(new SeededRandom(cut)), founder);
    if (admitted?.ok === true) {
      assert.ok(next.isFriend(account), `lost at ${cut}`);
      assert.ok(cut > 1);
      return;
    }
    const again = await next.admit({ founder: by, nonce }, secret, account);
    assert.ok(again.ok, "an invitation was used up by nobody");
  }
  assert.fail("it never went through");
});

test("certificates of others let nobody in", async () => {
  const circles = await open(new FaultWorld(), key());
  const { founder, nonce } = await circles.invite(place, 1, 60);
  const [stranger, falseFounder] = [key(), key()];
  const selfMade = certifyMember(falseFounder, nonce, stranger.publicKey, 0);
  assert.equal(await circles.learn([selfMade], true), false);
  assert.equal(circles.isFriend(accountIdOf(stranger.publicKey)), false);
  const forged = { body: selfMade.body, signature: new Uint8Array(64) };
  assert.equal(await circles.learn([forged], true), false);
  assert.ok(circles.circle({ founder, nonce }));
});

test("an invitation is read from its link, and from no altered one", () => {
  const founder = key();
  const invitation: Invitation = {
    ...place,
    founder: founder.publicKey,
    nonce: new Uint8Array(16).fill(1),
    secret: new Uint8Array(16).fill(2),
    uses: 5,
    expires: 1_900_000_000,
  };
  const link = invitationLink(founder, invitation);
  assert.deepEqual(parseInvitationLink(` ${link}\n`), invitation);
  for (const at of [20, 60, link.length - 3]) {
    const altered = `${link.slice(0, at)}${link[at] === "A" ? "B" : "A"}${link.slice(at + 1)}`;
    assert.equal(parseInvitationLink(altered), undefined);
  }
  for (const text of ["", "freehold:join/", "freehold:join/AAAA", "http://x", link.slice(0, -8)]) {
    assert.equal(parseInvitationLink(text), undefined, text);
  }
  assert.equal(parseInvitationLink(invitationLink(key(), invitation)), undefined);
});

test("five peers of one invitation all meet, and meet again after a restart", async (context) => {
  const folder = await mkdtemp(join(tmpdir(), "freehold-five-"));
  const opened: Libp2pMesh[] = [];
  context.after(async () => {
    for (const mesh of opened) await mesh.close();
    await rm(folder, { recursive: true, force: true });
  });
  const secrets = Array.from({ length: 5 }, () => random.fill(new Uint8Array(32)));
  const start = async (i: number, port = 0): Promise<Libp2pMesh> => {
    const mesh = await openTestMesh(context, {
      directory: join(folder, String(i)),
      accountSecret: secrets[i]!,
      name: `peer ${i}`,
      listen: [`/ip4/127.0.0.1/tcp/${port}`, "/ip4/127.0.0.1/tcp/0/ws"],
    });
    opened.push(mesh);
    return mesh;
  };
  const meshes = await Promise.all(secrets.map((_, i) => start(i)));
  const { link } = await meshes[0]!.createInvitation({ uses: 4, seconds: 600 });
  const joined = await Promise.all(meshes.slice(1).map((mesh) => mesh.acceptInvitation(link)));
  for (const outcome of joined) assert.ok(outcome.ok, JSON.stringify(outcome));
  const allMeet = async (): Promise<void> => {
    for (const mesh of meshes) {
      for (const other of meshes) if (other !== mesh) await connected(mesh, other.self);
    }
  };
  await allMeet();
  assert.equal(meshes[1]!.view(meshes[4]!.self)?.name, "peer 4");
  assert.notEqual(meshes[1]!.view(meshes[4]!.self)?.latencyMs, 0);

  const port = Number(/\/tcp\/(\d+)/.exec(meshes[2]!.listening[0]!)?.[1]);
  await meshes[2]!.close();
  meshes[2] = await start(2, port);
  await allMeet();
  assert.equal(meshes[2]!.self, meshes[0]!.peers().find(({ name }) => name === "peer 2")?.peer);

  // The words alone: another device of the account, with nothing on disk, learns all from one member.
  const restored = await openTestMesh(context, { accountSecret: secrets[3]!, name: "restored" });
  const added = await restored.addPeer(addressOf(meshes[1]!));
  assert.ok(added.ok, JSON.stringify(added));
  for (const other of meshes) await connected(restored, other.self);
  for (const other of meshes) await connected(other, restored.self);
});
