import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "#base/lib/random.ts";
import { type EvictionCandidate, protectByRatio, selectPeerToEvict } from "./eviction.ts";
import type { NetworkName } from "./peer-info.ts";
import { shuffle } from "./random-draws.ts";

function candidate(id: number, changes: Partial<EvictionCandidate> = {}): EvictionCandidate {
  return {
    id,
    connected: id,
    minPing: id,
    lastBlock: 0,
    lastTransaction: 0,
    relevantServices: false,
    relaysTransactions: false,
    bloomFilter: false,
    keyedGroup: id,
    preferEvict: false,
    local: false,
    network: "ipv4",
    noBan: false,
    connectionType: "inbound",
    ...changes,
  };
}

/** Random candidates as in Core's denialofservice and net_peer_eviction_tests. */
function randomCandidates(count: number, random: SeededRandom): EvictionCandidate[] {
  const networks: NetworkName[] = ["not_publicly_routable", "ipv4", "ipv6", "onion", "i2p", "cjdns"];
  return Array.from({ length: count }, (_, id) =>
    candidate(id, {
      connected: random.below(100),
      minPing: random.below(100),
      lastBlock: random.below(100),
      lastTransaction: random.below(100),
      relevantServices: random.below(2) === 0,
      relaysTransactions: random.below(2) === 0,
      bloomFilter: random.below(2) === 0,
      keyedGroup: random.below(100),
      preferEvict: random.below(2) === 0,
      local: random.below(2) === 0,
      network: networks[random.below(networks.length)]!,
    }),
  );
}

/** Whether none of `protectedIds` is ever chosen among peers made by `setup`, in any order. */
function isProtected(
  count: number,
  setup: (peer: EvictionCandidate) => EvictionCandidate,
  ids: Set<number>,
): boolean {
  for (let seed = 0; seed < 20; seed++) {
    const random = new SeededRandom(seed * 1000 + count);
    const peers = shuffle(randomCandidates(count, random).map(setup), random);
    const victim = selectPeerToEvict(peers);
    if (victim !== undefined && ids.has(victim)) return false;
  }
  return true;
}

const range = (from: number, to: number): Set<number> =>
  new Set(Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i));

test("each measure protects as many peers as Core's tests say", () => {
  for (let count = 0; count < 120; count += 7) {
    const last = (k: number): Set<number> => range(count - k, count);
    assert.ok(
      isProtected(count, (peer) => ({ ...peer, keyedGroup: peer.id }), last(4)),
      `groups of ${count}`,
    );
    assert.ok(
      isProtected(count, (peer) => ({ ...peer, minPing: peer.id }), range(0, 8)),
      `pings of ${count}`,
    );
    assert.ok(
      isProtected(count, (peer) => ({ ...peer, lastTransaction: peer.id }), last(4)),
      `transactions of ${count}`,
    );
    assert.ok(
      isProtected(count, (peer) => ({ ...peer, lastBlock: peer.id }), last(4)),
      `blocks of ${count}`,
    );
    assert.ok(
      isProtected(
        count,
        (peer) => ({
          ...peer,
          lastBlock: peer.id,
          relaysTransactions: peer.id < count - 8,
          relevantServices: peer.id >= count - 8,
        }),
        last(8),
      ),
      `block-relay-only peers of ${count}`,
    );
  }
});

test("more than 28 peers without privileges: one goes; fewer than 21: none", () => {
  for (let count = 0; count < 200; count += 3) {
    for (let seed = 0; seed < 5; seed++) {
      const victim = selectPeerToEvict(randomCandidates(count, new SeededRandom(seed)));
      if (count >= 29) assert.notEqual(victim, undefined, `of ${count}`);
      if (count <= 20) assert.equal(victim, undefined, `of ${count}`);
    }
  }
});

test("outbound and noban peers never go", () => {
  const random = new SeededRandom(5);
  const peers = randomCandidates(100, random).map((peer) => ({ ...peer, noBan: peer.id % 2 === 0 }));
  for (let i = 0; i < 50; i++) assert.equal(selectPeerToEvict(shuffle([...peers], random))! % 2, 1);
  assert.equal(selectPeerToEvict(peers.map((peer) => ({ ...peer, noBan: true }))), undefined);
  assert.equal(
    selectPeerToEvict(peers.map((peer) => ({ ...peer, noBan: false, connectionType: "manual" }))),
    undefined,
  );
});

test("discouraged peers go before others", () => {
  const random = new SeededRandom(6);
  for (let i = 0; i < 30; i++) {
    const peers = randomCandidates(120, random).map((peer) => ({ ...peer, preferEvict: peer.id < 60 }));
    assert.ok(selectPeerToEvict(peers)! < 60);
  }
});

test("the youngest of the most crowded group goes", () => {
  // Peers that stand out in nothing else but their group and age.
  const peers = Array.from({ length: 100 }, (_, id) =>
    candidate(id, { keyedGroup: id < 70 ? 1000 + id : 1, minPing: 50, connected: 1000 + id }),
  );
  const victim = selectPeerToEvict(peers)!;
  assert.ok(victim >= 70, `peer ${victim} is of a group of its own`);
});

test("half of all is protected, a quarter by networks that others crowd out", () => {
  const onion = (id: number): boolean => id % 4 === 0;
  const peers = Array.from({ length: 40 }, (_, id) =>
    // The onion peers are the youngest.
    candidate(id, { network: onion(id) ? "onion" : "ipv4", connected: onion(id) ? 1000 + id : id }),
  );
  const left = protectByRatio(peers);
  assert.equal(left.length, 20);
  assert.equal(left.filter(({ network }) => network === "onion").length, 0);
  // Without that the onion peers would all have been among those left.
  const plain = protectByRatio(peers.map((peer) => ({ ...peer, network: "ipv4" as const })));
  assert.equal(plain.filter(({ id }) => onion(id)).length, 10);
});

test("places that a network does not need go to the next", () => {
  const kinds: NetworkName[] = ["cjdns", "i2p", "onion"];
  const peers = Array.from({ length: 40 }, (_, id) =>
    candidate(id, {
      network: id < 1 ? "cjdns" : id < 3 ? "i2p" : id < 30 ? "onion" : "ipv4",
      connected: 1000 - id,
    }),
  );
  const left = protectByRatio(peers);
  assert.equal(left.length, 20);
  const protectedOnes = peers.filter(({ id }) => !left.some((peer) => peer.id === id));
  assert.equal(protectedOnes.filter(({ network }) => network === "cjdns").length, 1);
  assert.equal(protectedOnes.filter(({ network }) => network === "i2p").length, 2);
  assert.ok(protectedOnes.filter(({ network }) => kinds.includes(network)).length >= 10);
});
