import assert from "node:assert/strict";
import { test } from "node:test";
import { encode } from "cborg";
import { ManualClock } from "#base/lib/clock.ts";
import type { PeerInfo } from "#ledger/peers/peer-info.ts";
import type { PeerView } from "#sharing/mesh/mesh.ts";
import { FriendLinks } from "./friend-links.ts";
import { decodeLedgerOffer, encodeLedgerOffer, type LedgerOffer } from "./ledger-offer.ts";

const MAGIC = Uint8Array.of(1, 2, 3, 4);

function viewOf(
  peer: string,
  offer: Partial<LedgerOffer> | Uint8Array | undefined,
  more: Partial<PeerView> = {},
) {
  const bytes =
    offer === undefined || offer instanceof Uint8Array
      ? offer
      : encodeLedgerOffer({ magic: MAGIC, host: "127.0.0.1", port: 18_444, ...offer });
  const view: PeerView = {
    ...{ peer, account: undefined, name: "", standing: "friend", connected: true, addresses: [] },
    // Where its ledger is, it is itself, unless a test says otherwise.
    ip: offer === undefined || offer instanceof Uint8Array ? "127.0.0.1" : (offer.host ?? "127.0.0.1"),
    ...{ latencyMs: undefined, bytesSent: 0, bytesReceived: 0 },
    offers: bytes === undefined ? {} : { ledger: bytes },
    ...more,
  };
  return view;
}

/** Friends of a ledger that remembers whom it dialled and trusts. */
function world(self: { peer: string; reachable: boolean } = { peer: "m", reachable: true }) {
  const clock = new ManualClock();
  const dialled: string[] = [];
  const trusted: string[][] = [];
  const connections: { addr: string; inbound: boolean }[] = [];
  const friends = new FriendLinks({
    clock,
    magic: MAGIC,
    peers: {
      connectFriend: async (address) => void dialled.push(address),
      setFriendHosts: (hosts) => void trusted.push([...hosts].sort()),
      peers: () => connections as unknown as PeerInfo[],
    },
  });
  friends.self = self;
  return { clock, dialled, trusted, connections, friends };
}

test("the one with the smaller peer id dials, the other when nothing comes", () => {
  const { clock, dialled, connections, friends, trusted } = world();
  friends.seen(viewOf("z", { host: "1.2.3.4" }));
  friends.seen(viewOf("a", { host: "5.6.7.8" }));
  assert.deepEqual(trusted.at(-1), ["1.2.3.4", "5.6.7.8"]);
  assert.deepEqual(dialled, []);
  clock.advance(300);
  assert.deepEqual(dialled, ["1.2.3.4:18444"]);
  connections.push({ addr: "1.2.3.4:18444", inbound: false });
  clock.advance(15_000);
  assert.deepEqual(dialled, ["1.2.3.4:18444", "5.6.7.8:18444"]);
  connections.push({ addr: "5.6.7.8:50000", inbound: true });
  clock.advance(60_000);
  assert.equal(dialled.length, 2);
  // It went, so it is dialled again.
  connections.shift();
  clock.advance(5000);
  assert.deepEqual(dialled.slice(2), ["1.2.3.4:18444"]);
});

test("who can not be dialled dials", () => {
  const { clock, dialled, friends } = world({ peer: "z", reachable: false });
  friends.seen(viewOf("a", { host: "::", port: 5 }, { ip: "2001:db8::1" }));
  clock.advance(300);
  assert.deepEqual(dialled, ["[2001:db8::1]:5"]);
});

test("only friends of our own network, at addresses that are theirs", () => {
  const { clock, dialled, trusted, friends } = world();
  const views = [
    viewOf("n", { host: "1.1.1.1" }, { standing: "stranger" }),
    viewOf("o", { magic: Uint8Array.of(9, 9, 9, 9), host: "1.1.1.1" }),
    viewOf("p", Uint8Array.of(0xff)),
    viewOf("q", undefined),
    // Another machine's loopback.
    viewOf("r", { host: "127.0.0.1" }, { ip: "1.1.1.1" }),
    viewOf("t", { host: "192.168.1.1" }, { ip: "1.1.1.1" }),
    viewOf("u", { host: "192.168.1.1" }, { ip: "127.0.0.1" }),
    viewOf("s", { host: "0.0.0.0" }, { ip: undefined }),
  ];
  for (const view of views) friends.seen(view);
  clock.advance(60_000);
  assert.deepEqual([dialled, trusted], [[], []]);
});

test("a friend that is one no longer is trusted no longer, and no more than a few are believed", () => {
  const { clock, dialled, trusted, friends } = world();
  for (let i = 0; i < 40; i++) friends.seen(viewOf(`n${i}`, { host: `1.1.1.${i}` }));
  clock.advance(300);
  assert.equal(dialled.length, 32);
  assert.equal(trusted.at(-1)!.length, 32);
  friends.seen(viewOf("n0", { host: "1.1.1.0" }, { standing: "banned" }));
  assert.equal(trusted.at(-1)!.includes("1.1.1.0"), false);
  friends.stop();
  clock.advance(60_000);
  assert.equal(dialled.length, 32);
});

test("an offer is taken whole or not at all", () => {
  const offer = { magic: MAGIC, host: "2001:db8::1", port: 8333 };
  assert.deepEqual(decodeLedgerOffer(encodeLedgerOffer(offer)), offer);
  for (const wrong of [
    { ...offer, host: "example.com" },
    { ...offer, port: 0 },
    { ...offer, port: 65_536 },
    { ...offer, magic: Uint8Array.of(1, 2, 3) },
    { ...offer, more: 1 },
    { host: offer.host, port: 1 },
    [],
  ]) {
    assert.equal(decodeLedgerOffer(encode(wrong)), undefined, JSON.stringify(wrong));
  }
});
