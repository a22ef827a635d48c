/** What one peer may cost: hellos, strangers' places, lists without end. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Connection } from "@libp2p/interface";
import { sha256 } from "#base/crypto/sha256.ts";
import { certifyMember, invitationLink, parseInvitationLink } from "./certificates.ts";
import { HostilePeer } from "./hostile-peer.ts";
import { invitationProof } from "./invitation-proof.ts";
import type { Hello } from "./mesh-protocol.ts";
import { ECHO, serveEcho } from "./mesh-suite.ts";
import { addressOf, connected, LoggedErrors, openTestMesh, until } from "./mesh-world.ts";

const { small } = ECHO.methods;

test("a flood of hellos is refused after the first few, and the connection stays", async (context) => {
  const victim = await openTestMesh(context);
  const mallory = await HostilePeer.start(context, "127.68.1.1");
  const connection = await mallory.meet(addressOf(victim));
  // Each hello may show sixteen certificates, and each costs a signature to check.
  const nonce = new Uint8Array(16);
  const shown = Array.from({ length: 16 }, (_, i) =>
    certifyMember(mallory.account, nonce, new Uint8Array(32).fill(i), 1),
  );
  const began = performance.now();
  const answers = [];
  for (let i = 0; i < 40; i++) {
    answers.push(await mallory.ask(connection, "hello", mallory.hello({ circles: shown })));
  }
  const taken = answers.filter(({ kind }) => kind === "reply").length;
  const refilled = 1 + (performance.now() - began) / 5000;
  assert.ok(taken <= 7 + refilled, `${taken} hellos were taken`);
  const refused = answers.flatMap((one) => (one.kind === "refusal" ? [one.refusal.code] : []));
  assert.deepEqual([...new Set(refused)], ["limit"]);
  assert.equal(connection.status, "open");
  await connected(victim, mallory.peer, "stranger");
});

test("strangers have only so many places, and friends come in when these are taken", async (context) => {
  const victim = await openTestMesh(context, { maxStrangers: 2 });
  serveEcho(victim);
  const strangers = await Promise.all([1, 2, 3].map((i) => HostilePeer.start(context, `127.68.2.${i}`)));
  const connections: Connection[] = [];
  for (const stranger of strangers) connections.push(await stranger.meet(addressOf(victim)));
  await until(() => connections[2]!.status !== "open");
  assert.deepEqual(
    strangers.map(({ peer }) => victim.view(peer)?.connected ?? false),
    [true, true, false],
  );
  const friend = await openTestMesh(context);
  const { link } = await victim.createInvitation({ uses: 1, seconds: 600 });
  assert.ok((await friend.acceptInvitation(link)).ok, "who was invited finds a place");
  const another = await openTestMesh(context);
  assert.equal((await another.addPeer(addressOf(victim))).ok, false, "the places are taken");
  assert.ok((await friend.call(victim.self, ECHO, small, { n: 1 })).ok);
});

test("who shows an invitation finds a place among strangers; no false, worn or borrowed proof does", async (context) => {
  const victim = await openTestMesh(context, { maxStrangers: 1 });
  const address = addressOf(victim);
  const peers = await Promise.all([1, 2, 3, 4, 5].map((i) => HostilePeer.start(context, `127.68.4.${i}`)));
  const [stranger, guest, second, borrower, liar] = peers as [
    HostilePeer,
    HostilePeer,
    HostilePeer,
    HostilePeer,
    HostilePeer,
  ];
  assert.equal((await stranger.meet(address)).status, "open");
  await connected(victim, stranger.peer, "stranger");
  const { link } = await victim.createInvitation({ uses: 1, seconds: 600 });
  const { founder, nonce, secret, device } = parseInvitationLink(link)!;
  const shown = (caller: HostilePeer, key = secret) => {
    const parties = { caller: caller.device.publicKey, answerer: device };
    return { invited: { founder, nonce, proof: invitationProof(sha256(key), parties) } };
  };
  const greet = async (peer: HostilePeer, changes: Partial<Hello>) => {
    const connection = await peer.dial(address);
    await peer.ask(connection, "hello", peer.hello(changes));
    return connection;
  };
  const refused = async (peer: HostilePeer, changes: Partial<Hello>) => {
    const connection = await greet(peer, changes);
    await until(() => connection.status !== "open");
    assert.notEqual(victim.view(peer.peer)?.connected, true);
  };
  await refused(liar, shown(liar, new Uint8Array(16)));
  await refused(borrower, shown(guest));
  const connection = await greet(guest, shown(guest));
  await connected(victim, guest.peer, "stranger");
  await refused(second, shown(second));
  assert.equal((await guest.ask(connection, "join", { founder, nonce, secret })).kind, "reply");
  await connected(victim, guest.peer, "friend");
  await refused(second, shown(second));
});

test("a founder whose list of members never ends is asked for so many pages and no more", async (context) => {
  const errors = new LoggedErrors();
  const victim = await openTestMesh(context, {}, errors);
  serveEcho(victim);
  const mallory = await HostilePeer.start(context, "127.68.3.1");
  const nonce = new Uint8Array(16).fill(9);
  const member = (n: number): Uint8Array => {
    const account = new Uint8Array(32);
    new DataView(account.buffer).setUint32(0, n);
    return account;
  };
  let pages = 0;
  let members = 0;
  const page = () => {
    pages++;
    const list = Array.from({ length: 64 }, () => ({
      membership: certifyMember(mallory.account, nonce, member(members++), 1),
      devices: [],
    }));
    return { members: list, more: true };
  };
  await mallory.serve({
    hello: () => mallory.hello(),
    ping: () => ({}),
    join: () => ({
      membership: certifyMember(
        mallory.account,
        nonce,
        Uint8Array.from(Buffer.from(victim.account, "hex")),
        1,
      ),
    }),
    members: page,
  });
  const invitation = {
    addresses: mallory.node.getMultiaddrs().map((address) => address.toString().replace(/\/p2p\/.*/, "")),
    device: mallory.device.publicKey,
    founder: mallory.account.publicKey,
    nonce,
    secret: new Uint8Array(16),
    uses: 1,
    expires: 2 ** 32,
  };
  const joined = await victim.acceptInvitation(invitationLink(mallory.account, invitation));
  assert.ok(joined.ok, JSON.stringify(joined));
  // Joining asks once or twice for the members, twenty pages each.
  assert.ok(pages >= 20, `${pages} pages`);
  const friend = await openTestMesh(context);
  const { link } = await victim.createInvitation({ uses: 1, seconds: 600 });
  assert.ok((await friend.acceptInvitation(link)).ok);
  assert.ok((await friend.call(victim.self, ECHO, small, { n: 1 })).ok);
  assert.ok(pages <= 60, `${pages} pages`);
  assert.deepEqual(errors.errors, []);
});
