/** Who the founder removes from a circle is no friend any more wherever its word came, over real sockets. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { sha256 } from "#base/crypto/sha256.ts";
import { hex } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { circleId, parseInvitationLink, type Signed, signStatement } from "./certificates.ts";
import { HostilePeer } from "./hostile-peer.ts";
import { type SigningKey, signingKeyFrom } from "./identity.ts";
import type { Libp2pMesh } from "./libp2p-mesh.ts";
import type { RequestContext } from "./mesh.ts";
import { ECHO, serveEcho } from "./mesh-suite.ts";
import { addressOf, openTestMesh, until } from "./mesh-world.ts";
import { signRemovals } from "./removal-list.ts";

const random = new SeededRandom(12);

let households = 0;

/**
 * Peers with a folder of their own each, that can be closed and opened again: at an address where nobody else on this
 * machine is given the port of one that is closed.
 */
async function household(
  context: TestContext,
  names: readonly string[],
): Promise<{ open(name: string): Promise<Libp2pMesh>; secretOf(name: string): Uint8Array }> {
  const folder = await mkdtemp(join(tmpdir(), "freehold-removals-"));
  const ip = `127.69.${++households}.1`;
  const secrets = new Map(names.map((name) => [name, random.fill(new Uint8Array(32))]));
  const opened: Libp2pMesh[] = [];
  const addresses = new Map<string, readonly string[]>();
  context.after(async () => {
    for (const mesh of opened) await mesh.close();
    await rm(folder, { recursive: true, force: true });
  });
  return {
    secretOf: (name) => secrets.get(name)!,
    async open(name) {
      const mesh = await openTestMesh(context, {
        directory: join(folder, name),
        accountSecret: secrets.get(name)!,
        name,
        // Where it listened before: those who were away at the same time find each other.
        listen: addresses.get(name) ?? [`/ip4/${ip}/tcp/0`],
      });
      addresses.set(name, mesh.listening);
      opened.push(mesh);
      return mesh;
    },
  };
}

function stands(mesh: Libp2pMesh, peer: string, standing: string): boolean {
  const view = mesh.view(peer);
  return view?.connected === true && view.standing === standing;
}

async function allMeet(meshes: readonly Libp2pMesh[]): Promise<void> {
  for (const mesh of meshes) {
    for (const other of meshes) if (other !== mesh) await until(() => stands(mesh, other.self, "friend"));
  }
}

test("who is removed is no friend at any member that heard, is told why, and comes back by a new word alone", async (context) => {
  const { open } = await household(context, ["founder", "alice", "bob", "carol"]);
  const founder = await open("founder");
  let [alice, bob] = [await open("alice"), await open("bob")];
  const carol = await open("carol");
  const { link } = await founder.createInvitation({ uses: 9, seconds: 600 });
  for (const mesh of [alice, bob, carol]) assert.ok((await mesh.acceptInvitation(link)).ok);
  await allMeet([founder, alice, bob, carol]);
  const open9 = await founder.createInvitation({ uses: 9, seconds: 600 });

  const notHers = await alice.removeMember(carol.self);
  assert.match(notHers.ok ? "" : notHers.refusal.text, /only its founder/);

  // Bob is away while it happens.
  await bob.close();
  assert.ok((await founder.removeMember(carol.self)).ok);
  assert.equal(founder.view(carol.self)?.standing, "stranger");
  await until(() => stands(alice, carol.self, "stranger"));
  assert.match(alice.view(carol.self)?.standingReason ?? "", /founder removed it/);
  const seen: RequestContext[] = [];
  serveEcho(alice, seen);
  assert.ok((await carol.call(alice.self, ECHO, ECHO.methods.echo, { data: new Uint8Array(1) })).ok);
  assert.equal(seen[0]?.standing, "stranger");
  // Carol knows it too, and why.
  await until(() => stands(carol, alice.self, "stranger"));
  assert.match(carol.view(alice.self)?.standingReason ?? "", /founder removed us/);

  // Bob hears of it from Alice: the founder is away.
  await founder.close();
  bob = await open("bob");
  await until(() => stands(bob, alice.self, "friend"));
  await until(() => bob.view(carol.self)?.standing === "stranger");

  // It is kept.
  await alice.close();
  alice = await open("alice");
  assert.equal(alice.view(carol.self)?.standing, "stranger");
  await until(() => stands(alice, bob.self, "friend"));
  assert.equal(alice.view(carol.self)?.standing, "stranger");

  // No old word lets her in again; a new one does, everywhere.
  const again = await open("founder");
  await until(() => stands(again, alice.self, "friend"));
  for (const old of [link, open9.link]) {
    const outcome = await carol.acceptInvitation(old);
    assert.match(outcome.ok ? "" : outcome.refusal.code, /not-found|not-allowed/);
  }
  const fresh = await again.createInvitation({ uses: 1, seconds: 600 });
  const back = await carol.acceptInvitation(fresh.link);
  assert.ok(back.ok, JSON.stringify(back));
  await allMeet([again, alice, bob, carol]);
  assert.equal(alice.view(carol.self)?.standingReason, undefined);
});

test("a founder that comes back with its words alone forgets nobody whom it removed", async (context) => {
  const { open, secretOf } = await household(context, ["founder", "alice", "bob", "carol"]);
  const founder = await open("founder");
  const [alice, bob, carol] = [await open("alice"), await open("bob"), await open("carol")];
  const { link } = await founder.createInvitation({ uses: 3, seconds: 600 });
  for (const mesh of [alice, bob, carol]) assert.ok((await mesh.acceptInvitation(link)).ok);
  await allMeet([founder, alice, bob, carol]);
  assert.ok((await founder.removeMember(carol.self)).ok);
  for (const mesh of [alice, bob]) await until(() => stands(mesh, carol.self, "stranger"));
  await founder.close();

  const restored = await openTestMesh(context, { accountSecret: secretOf("founder"), name: "restored" });
  assert.ok((await restored.addPeer(addressOf(alice))).ok);
  await until(() => stands(restored, bob.self, "friend"));
  assert.ok((await restored.removeMember(bob.self)).ok);
  // It may not have heard of its own earlier list by then: the two become one.
  const both = (): boolean => [bob, carol].every(({ self }) => alice.view(self)?.standing === "stranger");
  await until(() => both() && restored.view(carol.self)?.standing !== "friend");
  assert.ok(stands(alice, bob.self, "stranger"));
});

interface Siege {
  readonly victim: Libp2pMesh;
  readonly bob: Libp2pMesh;
  readonly founderKey: SigningKey;
  readonly nonce: Uint8Array;
  /** The hostile member tells the victim of a version and, asked for it, hands out this list. */
  attack(version: number, list: Signed): Promise<void>;
  /** Requests of `removals` that the hostile member got. */
  asked(): number;
  hostile(): string | undefined;
}

/** A founder, two members, and a third that is hostile. */
async function siege(context: TestContext, ip: string): Promise<Siege> {
  const { open, secretOf } = await household(context, ["founder", "victim", "bob"]);
  const founder = await open("founder");
  const [victim, bob] = [await open("victim"), await open("bob")];
  const { link } = await founder.createInvitation({ uses: 3, seconds: 600 });
  for (const mesh of [victim, bob]) assert.ok((await mesh.acceptInvitation(link)).ok);
  await allMeet([founder, victim, bob]);
  const mallory = await HostilePeer.start(context, ip);
  let handedOut: Signed | undefined;
  let asked = 0;
  await mallory.serve({
    ping: () => ({}),
    removals: () => {
      asked++;
      return handedOut === undefined ? undefined : { list: handedOut };
    },
  });
  await mallory.join(addressOf(founder), link);
  const connection = await mallory.meet(addressOf(victim));
  await until(() => stands(victim, mallory.peer, "friend"));
  const { nonce } = parseInvitationLink(link)!;
  const founderKey = signingKeyFrom(secretOf("founder"));
  const circle = hex(circleId({ founder: founderKey.publicKey, nonce }));
  return {
    victim,
    bob,
    founderKey,
    nonce,
    async attack(version, list) {
      handedOut = list;
      const removals = [{ circle, version, digest: sha256(list.body) }];
      const news = { name: "Mallory", addresses: [], offers: {}, removals };
      await mallory.ask(connection, "update", news).catch(() => undefined);
    },
    asked: () => asked,
    hostile: () => victim.view(mallory.peer)?.standing,
  };
}

test("a list that the founder did not sign removes nobody and costs its bearer", async (context) => {
  const { victim, bob, nonce, founderKey, ...of } = await siege(context, "127.67.1.1");
  const impostor = signingKeyFrom(random.fill(new Uint8Array(32)));
  const removed = [{ member: hex(bob.account), before: 2 ** 40 }];
  const forged = signStatement(impostor, "removals/1", {
    founder: founderKey.publicKey,
    nonce,
    version: 5,
    removed,
  });
  const otherCircle = signRemovals(impostor, nonce, 6, new Map([[bob.account, 2 ** 40]])).signed;
  await of.attack(5, forged);
  await until(() => of.asked() === 1);
  await of.attack(6, otherCircle);
  await until(() => of.hostile() === "banned");
  assert.equal(victim.view(bob.self)?.standing, "friend");
});

test("an older list takes the place of no newer one, and who names a newer one must have it", async (context) => {
  const { victim, bob, nonce, founderKey, ...of } = await siege(context, "127.67.2.1");
  const list = (version: number, accounts: readonly string[]): Signed =>
    signRemovals(founderKey, nonce, version, new Map(accounts.map((account) => [account, 2 ** 40]))).signed;
  const other = "ab".repeat(32);
  await of.attack(3, list(3, [bob.account]));
  await until(() => victim.view(bob.self)?.standing === "stranger");
  assert.equal(of.asked(), 1);
  await of.attack(2, list(2, [other]));
  await of.attack(3, list(3, [bob.account]));
  assert.equal(of.asked(), 1, "an old version was asked for");
  for (let i = 0; of.hostile() !== "banned"; i++) {
    await of.attack(4 + i, list(2, [other]));
    const before = 2 + i;
    await until(() => of.asked() === before || of.hostile() === "banned");
    assert.ok(i < 3);
  }
  assert.equal(victim.view(bob.self)?.standing, "stranger");
});

test("an oversized list is not read, and costs its bearer", async (context) => {
  const { victim, bob, nonce, founderKey, ...of } = await siege(context, "127.67.3.1");
  const removed = [{ member: hex(bob.account), before: 2 ** 40 }];
  const body = { founder: founderKey.publicKey, nonce, version: 2, removed };
  const long = signStatement(founderKey, "removals/1", { ...body, note: new Uint8Array(33 * 1024) });
  const longer = signStatement(founderKey, "removals/1", { ...body, note: new Uint8Array(300 * 1024) });
  await of.attack(2, long);
  await until(() => of.asked() === 1);
  for (let i = 0; of.hostile() !== "banned"; i++) {
    await of.attack(3 + i, longer);
    const before = 2 + i;
    await until(() => of.asked() === before || of.hostile() === "banned");
    assert.ok(i < 6);
  }
  assert.equal(victim.view(bob.self)?.standing, "friend");
});
