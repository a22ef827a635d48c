/** Many nodes in one process, on one clock that moves only when told to: what no two nodes alone show. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { ManualClock } from "#base/lib/clock.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import { buildBlock, CLOCK_TIME, genesisBlock, spend, type TestBlock } from "#ledger/chain/chain-fixture.ts";
import type { PeerOptions } from "#ledger/peers/options.ts";
import { TestNode } from "#ledger/peers/peer-fixture.ts";
import { regtest } from "#protocol/bitcoin/networks.ts";
import { encodeTransaction } from "#protocol/bitcoin/transaction.ts";
import { parseTx } from "#protocol/bitcoin/tx-table.ts";
import { hashTxs, txidAt, wtxidAt } from "#protocol/bitcoin/txid.ts";
import { MemoryNetwork } from "./memory-network.ts";

const network = regtest();

interface Cleanup {
  after(action: () => void | Promise<void>): void;
}

class Simulation {
  readonly clock = new ManualClock(CLOCK_TIME * 1000);
  readonly net = new MemoryNetwork(this.clock);
  readonly nodes: TestNode[] = [];
  readonly #test: Cleanup;

  constructor(t: Cleanup) {
    this.#test = t;
  }

  async add(address: string, peers: Partial<PeerOptions> = {}): Promise<TestNode> {
    const { connect, ...rest } = peers;
    const node = await TestNode.open(this.#test, {
      clock: this.clock,
      // The machine's disk would take time that is not this clock's.
      chain: { disk: new FaultWorld() },
      sockets: this.net.host(address),
      seed: this.nodes.length + 1,
      peers: { bind: [`${address}:18444`], connect, ...rest } as Partial<PeerOptions>,
    });
    this.nodes.push(node);
    return node;
  }

  /** Lets time pass, and everything that it brings about be done. */
  async pass(seconds: number, step = 0.1): Promise<void> {
    for (let at = 0; at < seconds; at += step) {
      this.clock.advance(step * 1000);
      for (let i = 0; i < 3; i++) await setImmediate();
    }
  }

  async until(holds: () => boolean, what: string, seconds: number, step = 0.1): Promise<void> {
    for (let at = 0; at < seconds; at += 1) {
      if (holds()) return;
      await this.pass(1, step);
    }
    assert.ok(holds(), `${what} did not come about in ${seconds} seconds`);
  }
}

function recent(count: number, salt = 0): TestBlock[] {
  const blocks: TestBlock[] = [];
  for (let i = 0; i < count; i++) {
    const time = CLOCK_TIME - (count - i) * 60;
    blocks.push(buildBlock(network, blocks.at(-1) ?? genesisBlock(network), { salt, time }));
  }
  return blocks;
}

/** Addresses of which no two share a group. */
function addressOf(i: number): string {
  return `250.${i + 1}.1.1`;
}

test("a node fills its places from its address book, no two in one group, and syncs", {
  timeout: 300_000,
}, async (t) => {
  const sim = new Simulation(t);
  const chain = recent(30);
  // Two of them in the group of the first.
  const hosts = [...Array.from({ length: 14 }, (_, i) => addressOf(i)), "250.1.1.2", "250.1.200.3"];
  for (const host of hosts) await (await sim.add(host, { connect: [] })).mine(chain);
  const newcomer = await sim.add("251.9.9.9");
  for (const host of hosts) newcomer.peers.addPeerAddress(host, 18444, false);
  const connected = (type: string): number =>
    newcomer.peers.peers().filter(({ connectionType }) => connectionType === type).length;
  await sim.until(
    () =>
      newcomer.height === 30 && connected("outbound-full-relay") === 8 && connected("block-relay-only") === 2,
    "eight peers and two for blocks alone",
    400,
  );
  const groups = newcomer.peers
    .peers()
    .filter(({ inbound, connectionType }) => !inbound && connectionType !== "feeler")
    .map(({ addr }) => addr.split(".").slice(0, 2).join("."));
  assert.equal(new Set(groups).size, groups.length, groups.join());
  // Peers for blocks alone are told no addresses and no transactions.
  for (const peer of newcomer.peers.peers()) {
    if (peer.connectionType !== "block-relay-only") continue;
    assert.equal(peer.addrRelayEnabled, false);
    assert.equal(peer.bytesSentPerMessage["getaddr"], undefined);
    assert.equal(peer.relayTxes, false);
  }
  // Feelers come and go, and what they reach becomes a tried address.
  const { tried } = newcomer.peers.addressBookCounts()["all_networks"]!;
  assert.ok(tried >= 10);
  await sim.until(
    () => newcomer.peers.addressBookCounts()["all_networks"]!.tried > tried,
    "an address tried by a feeler",
    1800,
    0.5,
  );
  assert.ok(newcomer.log.some((line) => line.startsWith("feeler connection completed, disconnecting")));
  // The block-relay-only peers are the anchors of the next start.
  const anchors = newcomer.peers
    .peers()
    .filter(({ connectionType }) => connectionType === "block-relay-only")
    .map(({ addr }) => addr)
    .sort();
  await newcomer.close();
  const again = await sim.add("251.9.9.9", { directory: newcomer.peers.options.directory });
  await sim.until(() => again.peers.peers().length >= 2, "the first connections", 20);
  const first = again.peers
    .peers()
    .filter(({ id }) => id < 2)
    .map(({ addr, connectionType }) => `${connectionType} ${addr}`)
    .sort();
  assert.deepEqual(
    first,
    anchors.map((addr) => `block-relay-only ${addr}`),
  );
  await again.close();
});

test("a block and a transaction reach everyone in a ring, and a split heals to the longer side", {
  timeout: 300_000,
}, async (t) => {
  const sim = new Simulation(t);
  const chain = recent(110);
  const count = 8;
  for (let i = 0; i < count; i++) await (await sim.add(addressOf(i), { connect: [] })).mine(chain);
  const join = async (a: number, b: number): Promise<void> => {
    const dialled = sim.nodes[a]!.peers.connectOnce(`${addressOf(b)}:18444`);
    await sim.pass(1);
    await dialled;
  };
  for (let i = 0; i < count; i++) await join(i, (i + 1) % count);
  await sim.pass(5);
  // A transaction.
  const table = parseTx(encodeTransaction(spend(chain[0]!.txids[0]!, 0, [49e8, 50e6])));
  assert.ok((await sim.nodes[0]!.acceptor.accept(table)).accepted);
  const hashes = hashTxs(table);
  sim.nodes[0]!.peers.broadcastTransaction(txidAt(hashes, 0), wtxidAt(hashes, 0));
  await sim.until(
    () => sim.nodes.every(({ mempool }) => mempool.size === 1),
    "the transaction everywhere",
    120,
  );
  // A block with it.
  const tx = spend(chain[0]!.txids[0]!, 0, [49e8, 50e6]);
  const block = buildBlock(network, chain.at(-1)!, { txs: [tx], fees: 5e7, time: CLOCK_TIME + 5 });
  await sim.nodes[3]!.mine([block]);
  await sim.until(() => sim.nodes.every(({ height }) => height === 111), "the block everywhere", 30);
  assert.ok(sim.nodes.every(({ mempool }) => mempool.size === 0));
  // A split: 0–3 and 4–7.
  for (const node of sim.nodes) for (const { id } of node.peers.peers()) node.peers.disconnectById(id);
  await sim.pass(2);
  for (const [a, b] of [
    [0, 1],
    [1, 2],
    [2, 3],
    [4, 5],
    [5, 6],
    [6, 7],
  ] as const)
    await join(a, b);
  const left = [block];
  const right = [block];
  for (let i = 0; i < 3; i++)
    left.push(buildBlock(network, left.at(-1)!, { salt: 1, time: CLOCK_TIME + 10 + i }));
  for (let i = 0; i < 5; i++)
    right.push(buildBlock(network, right.at(-1)!, { salt: 2, time: CLOCK_TIME + 10 + i }));
  await sim.nodes[0]!.mine(left.slice(1));
  await sim.nodes[7]!.mine(right.slice(1));
  await sim.until(
    () => sim.nodes.every(({ height }, i) => height === (i < 4 ? 114 : 116)),
    "each side its own chain",
    30,
  );
  await join(3, 4);
  await sim.until(() => new Set(sim.nodes.map(({ tip }) => tip)).size === 1, "one tip", 60);
  assert.equal(sim.nodes[0]!.height, 116);
});

test("nodes that the user named are connected to again and again", { timeout: 300_000 }, async (t) => {
  const sim = new Simulation(t);
  const target = await sim.add(addressOf(0), { connect: [] });
  const connecting = await sim.add(addressOf(1), { connect: [`${addressOf(0)}:18444`] });
  const adding = await sim.add(addressOf(2), { connect: [], addNodes: [`${addressOf(0)}:18444`] });
  const times = (node: TestNode): number => node.log.filter((line) => line.startsWith("New manual ")).length;
  await sim.until(() => times(connecting) === 1 && times(adding) === 1, "the connections", 10);
  assert.deepEqual(adding.peers.addedNodes(), [
    {
      addedNode: `${addressOf(0)}:18444`,
      connected: true,
      addresses: [{ address: `${addressOf(0)}:18444`, connected: "outbound" }],
    },
  ]);
  for (const { id } of target.peers.peers()) target.peers.disconnectById(id);
  await sim.until(() => times(connecting) === 2 && times(adding) === 2, "the connections again", 120);
  assert.equal(adding.peers.removeNode(`${addressOf(0)}:18444`), true);
  assert.equal(adding.peers.removeNode(`${addressOf(0)}:18444`), false);
  sim.net.setReachable(addressOf(0), false);
  for (const { id } of target.peers.peers()) target.peers.disconnectById(id);
  await sim.pass(120, 0.5);
  assert.equal(connecting.peers.connectionCounts().total, 0);
  sim.net.setReachable(addressOf(0), true);
  await sim.until(() => connecting.peers.connectionCounts().total === 1, "the connection once more", 60);
  assert.equal(adding.peers.connectionCounts().total, 0);
});

test("addresses spread from node to node, and a node's own with them", { timeout: 300_000 }, async (t) => {
  const sim = new Simulation(t);
  const chain = recent(3);
  for (let i = 0; i < 5; i++) {
    const node = await sim.add(addressOf(i), { connect: [], externalIps: [addressOf(i)] });
    await node.mine(chain);
  }
  for (const i of [1, 2, 3, 0]) {
    const dialled = sim.nodes[i]!.peers.connectOnce(`${addressOf(i + 1)}:18444`);
    await sim.pass(1);
    await dialled;
    // Own addresses go out first; what a peer may send next is saved up.
    await sim.pass(i === 3 ? 100 : 1, 0.5);
  }
  const knows = (node: TestNode, address: string): boolean =>
    node.peers.nodeAddresses(0, undefined).some((known) => known.address === address);
  // The first two are linked directly; the ends hear of each other over three hops.
  await sim.until(() => knows(sim.nodes[1]!, addressOf(0)), "the neighbour's address", 300, 0.5);
  await sim.until(
    () => sim.nodes.some((node, i) => i > 1 && knows(node, addressOf(0))),
    "an address passed on",
    600,
    0.5,
  );
});

test("who misbehaves from afar is discouraged: not dialled again, and first to give way", {
  timeout: 300_000,
}, async (t) => {
  const sim = new Simulation(t);
  const chain = recent(3);
  const victim = await sim.add(addressOf(0), { connect: [] });
  const hostile = await sim.add(addressOf(1), { connect: [] });
  await victim.mine(chain);
  await hostile.mine(chain);
  const dialled = hostile.peers.connectOnce(`${addressOf(0)}:18444`);
  await sim.pass(2);
  await dialled;
  assert.equal(victim.peers.connectionCounts().inbound, 1);
  // More inventory than a message may hold.
  const count = Uint8Array.of(0xfd, 0x51, 0xc3);
  const payload = new Uint8Array(3 + 50_001 * 36);
  payload.set(count);
  hostile.peers.sendMessage(0, "inv", payload);
  await sim.until(() => victim.peers.connectionCounts().total === 0, "the end of the connection", 10);
  assert.ok(victim.log.includes("Disconnecting and discouraging peer 0!"));
  // It may come back while there is room.
  const back = hostile.peers.connectOnce(`${addressOf(0)}:18444`);
  await sim.pass(2);
  await back;
  assert.equal(victim.peers.connectionCounts().inbound, 1);
});
