import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ManualClock } from "#base/lib/clock.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import {
  certifyMember,
  type Invitation,
  invitationLink,
  parseInvitationLink,
  type Signed,
} from "./certificates.ts";
import { Circles } from "./circles.ts";
import { accountIdOf, type SigningKey, signingKeyFrom } from "./identity.ts";
import type { Libp2pMesh } from "./libp2p-mesh.ts";
import { addressOf, connected, openTestMesh } from "./mesh-world.ts";
import { MAX_REMOVED, type RemovalList, signRemovals } from "./removal-list.ts";

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

/** A founder's circles with one member, and what it takes to let another in. */
async function founded(world = new FaultWorld()): Promise<{
  founder: SigningKey;
  circles: Circles;
  nonce: Uint8Array;
  secret: Uint8Array;
  member: SigningKey;
  membership: Signed;
}> {
  const founder = key();
  const circles = await open(world, founder);
  const { nonce, secret } = await circles.invite(place, 9, 60);
  const member = key();
  const admitted = await circles.admit(
    { founder: founder.publicKey, nonce },
    secret,
    accountIdOf(member.publicKey),
  );
  assert.ok(admitted.ok);
  return { founder, circles, nonce, secret, member, membership: admitted.value };
}

test("who was removed stays so through a power cut", async () => {
  for (let cut = 1; cut < 60; cut++) {
    const world = new FaultWorld();
    const { founder, circles, member, membership } = await founded(world);
    const account = accountIdOf(member.publicKey);
    world.offAfter(cut);
    const removed = await circles.remove(account).catch(() => undefined);
    const next = await open(world.powerCut(new SeededRandom(cut)), founder);
    if (removed?.ok !== true) continue;
    assert.equal(next.isFriend(account), false, `a friend again at ${cut}`);
    assert.equal(await next.learn([membership]), false, "the void certificate was taken up");
    assert.ok(cut > 1);
    return;
  }
  assert.fail("it never went through");
});

test("lists of removals that two devices of a founder signed become one that holds both", async () => {
  const { founder, circles, nonce, member, membership } = await founded();
  const [a, b] = [member.publicKey, key().publicKey];
  const circle = { founder: founder.publicKey, nonce };
  const second = await open(new FaultWorld(), founder);
  const theirs = [
    certifyMember(founder, nonce, circle.founder, 1),
    membership,
    certifyMember(founder, nonce, b, 1),
  ];
  await second.learn(theirs, true);
  await circles.learn(theirs);
  assert.ok((await circles.remove(accountIdOf(a))).ok);
  assert.ok((await second.remove(accountIdOf(b))).ok);
  const listOf = (one: Circles): RemovalList => one.circle(circle)!.removals!;
  const [ofFirst, ofSecond] = [listOf(circles), listOf(second)];
  assert.deepEqual([ofFirst.version, ofSecond.version], [1, 1]);
  assert.equal(await circles.learnRemovals(ofSecond), true);
  assert.equal(listOf(circles).version, 2);
  assert.equal(await second.learnRemovals(listOf(circles)), true);
  for (const one of [circles, second]) {
    assert.deepEqual([...listOf(one).removed.keys()].sort(), [accountIdOf(a), accountIdOf(b)].sort());
    assert.equal(await one.learnRemovals(ofFirst), false);
    assert.equal(await one.learnRemovals(ofSecond), false);
  }
  // A member takes the newest, whatever came before.
  const bystander = key();
  const member3 = await open(new FaultWorld(), bystander);
  await member3.learn([certifyMember(founder, nonce, bystander.publicKey, 1)], true);
  await member3.learn(theirs);
  assert.equal(await member3.learnRemovals(listOf(circles)), true);
  assert.equal(await member3.learnRemovals(ofFirst), false);
  assert.deepEqual(
    [a, b].map((account) => member3.isFriend(accountIdOf(account))),
    [false, false],
  );
});

test("a founder removes at most as many accounts as a list holds, and only members of its circle", async () => {
  const { founder, circles, nonce } = await founded();
  const code = async (account: string): Promise<string> => {
    const outcome = await circles.remove(account);
    return outcome.ok ? "removed" : outcome.refusal.code;
  };
  assert.equal(await code(accountIdOf(key().publicKey)), "not-found");
  assert.equal(await code(accountIdOf(founder.publicKey)), "conflict");
  const members = Array.from({ length: MAX_REMOVED + 1 }, () => random.fill(new Uint8Array(32)));
  const before = new Map(members.slice(1).map((member) => [accountIdOf(member), 5]));
  await circles.learn(members.slice(0, 2).map((member) => certifyMember(founder, nonce, member, 10)));
  assert.equal(await circles.learnRemovals(signRemovals(founder, nonce, 8, before)), true);
  // A membership newer than its removal stands, and can be removed again in a list that is full.
  assert.equal(circles.isFriend(accountIdOf(members[1]!)), true);
  assert.equal(await code(accountIdOf(members[1]!)), "removed");
  assert.equal(await code(accountIdOf(members[0]!)), "full");
  assert.equal(circles.isFriend(accountIdOf(members[0]!)), true);
});

test("a circle, and how many circles there are, are bounded whatever a founder signs", async () => {
  const founder = key();
  const self = key();
  const circles = await open(new FaultWorld(), self);
  const circle = { founder: founder.publicKey, nonce: new Uint8Array(16) };
  const member = (n: number): Uint8Array => Uint8Array.of(...new Uint8Array(30), n >> 8, n & 255);
  await circles.learn([certifyMember(founder, circle.nonce, self.publicKey, 1)], true);
  const many = Array.from({ length: 1100 }, (_, n) => certifyMember(founder, circle.nonce, member(n), 1));
  await circles.learn(many);
  assert.equal(circles.circle(circle)?.members.size, 1000);
  assert.equal(circles.isFriend(accountIdOf(member(0))), true);
  assert.equal(circles.isFriend(accountIdOf(member(1099))), false);
  const ours = Array.from({ length: 100 }, (_, n) =>
    certifyMember(founder, new Uint8Array(16).fill(n), self.publicKey, 1),
  );
  await circles.learn(ours, true);
  assert.equal(circles.all().length, 64);
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
      // Nobody else on this machine is given the port of one that is closed here.
      listen: [`/ip4/127.69.200.1/tcp/${port}`, "/ip4/127.69.200.1/tcp/0/ws"],
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
