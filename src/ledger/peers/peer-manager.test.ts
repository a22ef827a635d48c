import assert from "node:assert/strict";
import { test } from "node:test";
import { buildChain, genesisBlock, spend } from "#ledger/chain/chain-fixture.ts";
import { encodeTransaction } from "#protocol/bitcoin/transaction.ts";
import { parseTx } from "#protocol/bitcoin/tx-table.ts";
import { hashTxs, txidAt, wtxidAt } from "#protocol/bitcoin/txid.ts";
import { ScriptedPeer, TestNode, until } from "./peer-fixture.ts";

test("two nodes shake hands and see each other as getpeerinfo shows it", async (t) => {
  const a = await TestNode.open(t, { peers: { uaComments: ["testnode0"] } });
  const b = await TestNode.open(t, { peers: { uaComments: ["testnode1", "x"] } });
  await a.connectTo(b);
  const [mine] = a.peers.peers();
  const [theirs] = b.peers.peers();
  assert.equal(mine!.subver, "/Satoshi:29.0.0/Freehold:0.1.0(testnode1; x)/");
  assert.equal(theirs!.subver, a.peers.subversion);
  assert.equal(mine!.connectionType, "manual");
  assert.equal(theirs!.connectionType, "inbound");
  assert.equal(mine!.addr, b.address);
  assert.equal(mine!.version, 70016);
  assert.deepEqual(mine!.servicesNames, ["NETWORK", "WITNESS", "NETWORK_LIMITED"]);
  assert.equal(mine!.transportProtocolType, "v1");
  assert.equal(mine!.relayTxes, true);
  assert.ok(mine!.bytesRecvPerMessage["pong"]! >= 29);
  assert.deepEqual(a.peers.connectionCounts(), { total: 1, inbound: 0, outbound: 1 });
  assert.ok(a.peers.netTotals().totalBytesSent > 0);
});

test("a node syncs 300 blocks from another, and follows it", async (t) => {
  const a = await TestNode.open(t);
  const b = await TestNode.open(t);
  const blocks = buildChain(a.test.network, genesisBlock(a.test.network), 302);
  await a.mine(blocks.slice(0, 300));
  await b.connectTo(a);
  await until(() => b.height === 300, "300 blocks");
  await a.mine(blocks.slice(300));
  await until(() => b.height === 302, "the announced blocks");
  assert.equal(b.tip, a.tip);
});

test("the shorter chain gives way to the longer one, whoever connected", async (t) => {
  const a = await TestNode.open(t);
  const b = await TestNode.open(t);
  const { network } = a.test;
  await a.mine(buildChain(network, genesisBlock(network), 20, 1));
  await b.mine(buildChain(network, genesisBlock(network), 25, 2));
  await b.connectTo(a);
  await until(() => a.tip === b.tip, "one tip");
  assert.equal(a.height, 25);
});

test("a transaction is relayed to a second node and on to a third", async (t) => {
  const nodes = [await TestNode.open(t), await TestNode.open(t), await TestNode.open(t)] as const;
  const [a, b, c] = nodes;
  const { network } = a.test;
  const blocks = buildChain(network, genesisBlock(network), 110);
  for (const node of nodes) await node.mine(blocks);
  await a.connectTo(b);
  await b.connectTo(c);
  const table = parseTx(encodeTransaction(spend(blocks[0]!.txids[0]!, 0, [49e8, 50e6])));
  const result = await a.acceptor.accept(table);
  assert.ok(result.accepted, JSON.stringify(result));
  const hashes = hashTxs(table);
  // Let the timers of announcements run out.
  const forward = setInterval(() => {
    for (const { clock } of nodes) clock.forward(5_000);
  }, 100);
  t.after(() => clearInterval(forward));
  a.peers.broadcastTransaction(txidAt(hashes, 0), wtxidAt(hashes, 0));
  await until(() => c.mempool.size === 1, "the transaction");
  assert.ok(c.mempool.has(txidAt(hashes, 0)));
});

test("what is kept on disk is there after a restart", async (t) => {
  const a = await TestNode.open(t);
  assert.deepEqual(a.peers.addPeerAddress("1.2.3.4", 8333, true), { success: true });
  assert.deepEqual(a.peers.addPeerAddress("1.2.3.4", 8333, false), {
    success: false,
    error: "failed-adding-to-new",
  });
  assert.equal(a.peers.addPeerAddress("nobody", 8333, false), undefined);
  assert.equal(await a.peers.ban("10.0.0.0/8", 2_000_000_000), undefined);
  assert.equal(await a.peers.ban("10.0.0.0/8", 2_000_000_000), "already");
  assert.equal(await a.peers.ban("10.0.0.0/99", 2_000_000_000), "invalid");
  await a.close();
  const { directory } = a.peers.options;
  const b = await TestNode.open(t, { peers: { directory } });
  assert.deepEqual(
    b.peers.nodeAddresses(0, undefined).map(({ address, port, network }) => ({ address, port, network })),
    [{ address: "1.2.3.4", port: 8333, network: "ipv4" }],
  );
  assert.equal(b.peers.addressBookCounts()["ipv4"]!.tried, 1);
  assert.deepEqual(
    b.peers.bans().map(({ address, bannedUntil }) => ({ address, bannedUntil })),
    [{ address: "10.0.0.0/8", bannedUntil: 2_000_000_000 }],
  );
  await b.close();
});

test("everything a message triggers is sent before the second pong after it", async (t) => {
  const node = await TestNode.open(t);
  const { network } = node.test;
  const blocks = buildChain(network, genesisBlock(network), 5);
  const peer = await ScriptedPeer.connect(t, node);
  peer.send("headers", Uint8Array.from(blocks.flatMap(({ raw }) => [...raw.subarray(0, 80)])));
  await peer.sync();
  assert.deepEqual(
    peer
      .all("getdata")
      .flat()
      .map(({ hash }) => [...hash]),
    blocks.map(({ hash }) => [...hash]),
  );
  for (const { raw } of blocks) peer.send("block", raw);
  await peer.sync();
  assert.equal(node.height, 5);
});

test("a connection to oneself is noticed and ended", async (t) => {
  const node = await TestNode.open(t);
  await node.peers.connectOnce(node.address);
  await until(() => node.log.some((line) => line.startsWith("connected to self")), "the notice");
  await until(() => node.peers.peers().length === 0, "the end of both ends");
});

test("disconnectnode, setban and setnetworkactive end connections", async (t) => {
  const node = await TestNode.open(t);
  const peers = [
    await ScriptedPeer.connect(t, node),
    await ScriptedPeer.connect(t, node),
    await ScriptedPeer.connect(t, node),
  ] as const;
  const infos = node.peers.peers();
  assert.equal(node.peers.disconnectById(99), false);
  assert.equal(node.peers.disconnectById(infos[0]!.id), true);
  await peers[0].untilClosed();
  assert.equal(node.peers.disconnectByAddress(infos[1]!.addr), true);
  await peers[1].untilClosed();
  assert.equal(peers[2].closed, false);
  await node.peers.ban("127.0.0.1", 2_000_000_000);
  await peers[2].untilClosed();
  const refused = await ScriptedPeer.dial(t, node);
  await refused.untilClosed();
  await node.peers.clearBans();
  const back = await ScriptedPeer.connect(t, node);
  node.peers.setNetworkActive(false);
  await back.untilClosed();
  const dropped = await ScriptedPeer.dial(t, node);
  await dropped.untilClosed();
});
