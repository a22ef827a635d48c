import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "#base/lib/logger.ts";
import type { HeaderNode } from "#ledger/chain/header-node.ts";
import { HeaderTree } from "#ledger/chain/header-tree.ts";
import { regtest } from "#protocol/bitcoin/networks.ts";
import { BlockRequests } from "./block-requests.ts";
import { ChainHealth, type OutboundTargets } from "./chain-health.ts";
import type { PeerContext } from "./context.ts";
import type { Peer } from "./peer.ts";
import type { ConnectionType } from "./peer-info.ts";

const START = 1_700_000_000;

function chainOf(count: number): HeaderNode[] {
  const tree = new HeaderTree();
  const { genesis } = regtest();
  const nodes: HeaderNode[] = [];
  for (let i = 0; i < count; i++) {
    nodes.push(tree.add(new Uint8Array(32).fill(i + 1), genesis, 0, nodes.at(-1) ?? null));
  }
  return nodes;
}

/** A peer as far as its chain and connection matter. */
function peer(
  id: number,
  changes: { type?: ConnectionType; network?: string; lastBlock?: number } = {},
): Peer {
  const type = changes.type ?? "outbound-full-relay";
  return {
    id,
    type,
    network: changes.network ?? "ipv4",
    connectedAt: START * 1000,
    lastBlock: changes.lastBlock ?? 0,
    disconnecting: undefined,
    isOutboundOrBlockRelay: type === "outbound-full-relay" || type === "block-relay-only",
    chain: {
      bestKnown: undefined,
      syncStarted: true,
      timeout: 0,
      workHeader: undefined,
      sentGetHeaders: false,
      protected: false,
      lastAnnouncement: 0,
    },
  } as unknown as Peer;
}

class World {
  now = START;
  readonly nodes = chainOf(30);
  tip = this.nodes[20]!;
  readonly asked: (HeaderNode | undefined)[] = [];
  readonly requests = new BlockRequests();
  readonly peers = new Map<number, Peer>();
  fetchesDirectly = false;
  readonly targets = {
    extraFullRelay: 0,
    extraBlockRelay: 0,
    automatic: true,
    tryExtraFullRelay: false,
    started: 0,
    startExtraBlockRelay(): void {
      this.started++;
    },
  };
  readonly health: ChainHealth;

  constructor() {
    const world = this;
    const context = {
      network: regtest(),
      log: silentLogger,
      peers: this.peers,
      chain: {
        get tip(): HeaderNode {
          return world.tip;
        },
      },
      view: {
        get canFetchDirectly(): boolean {
          return world.fetchesDirectly;
        },
      },
      blocks: { requests: this.requests },
      headers: { askFrom: (_peer: Peer, node: HeaderNode) => this.asked.push(node) },
      loadingBlocks: () => false,
      now: () => this.now * 1000,
      seconds: () => this.now,
      disconnect: (gone: Peer, why: string) => {
        gone.disconnecting = why;
      },
    };
    this.health = new ChainHealth(context as unknown as PeerContext, this.targets as OutboundTargets);
  }

  add(...peers: Peer[]): void {
    for (const each of peers) this.peers.set(each.id, each);
  }
}

test("an outbound peer whose chain is behind gets twenty minutes, a reminder, two minutes, and goes", () => {
  const world = new World();
  const lagging = peer(1);
  lagging.chain.bestKnown = world.nodes[10];
  world.health.check(lagging);
  world.now += 20 * 60;
  world.health.check(lagging);
  assert.equal(world.asked.length, 0);
  world.now += 1;
  world.health.check(lagging);
  assert.deepEqual(world.asked, [world.nodes[19]]);
  world.now += 120;
  world.health.check(lagging);
  assert.equal(lagging.disconnecting, undefined);
  world.now += 1;
  world.health.check(lagging);
  assert.match(lagging.disconnecting!, /^Outbound peer has old chain, best known block = 0b0b/);
});

test("a peer that catches up, or comes as far as we were, stays", () => {
  const world = new World();
  const slow = peer(1);
  slow.chain.bestKnown = world.nodes[10];
  world.health.check(slow);
  world.now += 19 * 60;
  // We moved on, and it came to where we were: it has time anew.
  world.tip = world.nodes[25]!;
  slow.chain.bestKnown = world.nodes[20];
  world.health.check(slow);
  world.now += 20 * 60;
  world.health.check(slow);
  assert.equal(world.asked.length, 0);
  slow.chain.bestKnown = world.nodes[25];
  world.health.check(slow);
  assert.equal(slow.chain.timeout, 0);
  world.now += 24 * 3600;
  world.health.check(slow);
  assert.equal(slow.disconnecting, undefined);
});

test("protected, inbound and manual peers are left alone", () => {
  const world = new World();
  const spared = [peer(1), peer(2, { type: "inbound" }), peer(3, { type: "manual" })];
  spared[0]!.chain.protected = true;
  for (let i = 0; i < 5; i++) {
    for (const each of spared) world.health.check(each);
    world.now += 3600;
  }
  assert.ok(spared.every(({ disconnecting }) => disconnecting === undefined));
});

test("of outbound peers too many, the one goes whose last new block is oldest", () => {
  const world = new World();
  const peers = [1, 2, 3, 4].map((id) => peer(id));
  for (const [i, time] of [50, 20, 20, 70].entries()) peers[i]!.chain.lastAnnouncement = time;
  world.add(...peers);
  world.targets.extraFullRelay = 1;
  world.targets.tryExtraFullRelay = true;
  world.health.checkAll();
  assert.ok(
    peers.every(({ disconnecting }) => disconnecting === undefined),
    "too young to go",
  );
  world.now += 31;
  world.health.checkAll();
  // Of equals the newer connection.
  assert.deepEqual(
    peers.filter(({ disconnecting }) => disconnecting !== undefined).map(({ id }) => id),
    [3],
  );
  assert.equal(world.targets.tryExtraFullRelay, false);
});

test("neither the only peer of a network, nor one that sends us a block, is one too many", () => {
  const world = new World();
  const peers = [peer(1), peer(2), peer(3, { network: "onion" })];
  peers[0]!.chain.lastAnnouncement = 5;
  peers[1]!.chain.lastAnnouncement = 9;
  world.add(...peers);
  world.now += 31;
  world.targets.extraFullRelay = 1;
  world.requests.add(1, world.nodes[22]!, 0);
  world.health.checkAll();
  assert.ok(peers.every(({ disconnecting }) => disconnecting === undefined));
  world.requests.remove(world.nodes[22]!, 0);
  world.health.checkAll();
  assert.notEqual(peers[0]!.disconnecting, undefined);
});

test("of block-relay-only peers the youngest goes, unless it gave us the later block", () => {
  for (const [youngest, next, victim] of [
    [0, 0, 3],
    [10, 20, 3],
    [20, 10, 2],
  ] as const) {
    const world = new World();
    const peers = [
      peer(1, { type: "block-relay-only" }),
      peer(2, { type: "block-relay-only", lastBlock: next }),
      peer(3, { type: "block-relay-only", lastBlock: youngest }),
    ];
    world.add(...peers);
    world.now += 31;
    world.targets.extraBlockRelay = 1;
    world.health.checkAll();
    assert.deepEqual(
      peers.filter(({ disconnecting }) => disconnecting !== undefined).map(({ id }) => id),
      [victim],
    );
  }
});

test("thirty minutes without a block make us look for another peer, until a block comes", () => {
  const world = new World();
  world.health.checkAll();
  world.now += 29 * 60;
  world.health.checkAll();
  assert.equal(world.targets.tryExtraFullRelay, false);
  world.now += 11 * 60;
  world.health.checkAll();
  assert.equal(world.targets.tryExtraFullRelay, true);
  world.health.tipMoved();
  world.now += 11 * 60;
  world.health.checkAll();
  assert.equal(world.targets.tryExtraFullRelay, false);
});

test("peers for blocks alone are tried out once we have caught up, and that is said once", () => {
  const world = new World();
  world.health.checkAll();
  assert.equal(world.targets.started, 0);
  world.fetchesDirectly = true;
  world.health.checkAll();
  world.health.checkAll();
  assert.equal(world.targets.started, 1);
});
