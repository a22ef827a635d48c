import assert from "node:assert/strict";
import { test } from "node:test";
import { concatBytes, equalBytes, toHexReversed } from "#base/lib/bytes.ts";
import {
  buildBlock,
  buildChain,
  CLOCK_TIME,
  genesisBlock,
  spend,
  type TestBlock,
} from "#ledger/chain/chain-fixture.ts";
import type { BlockHash } from "#protocol/bitcoin/hashes.ts";
import { regtest } from "#protocol/bitcoin/networks.ts";
import { encodeTransaction, type Transaction } from "#protocol/bitcoin/transaction.ts";
import { parseTx, type TxTable } from "#protocol/bitcoin/tx-table.ts";
import { hashTxs, txidAt, wtxidAt } from "#protocol/bitcoin/txid.ts";
import { InvType } from "#protocol/wire/inventory.ts";
import { ScriptedPeer, TestNode, until } from "./peer-fixture.ts";

const network = regtest();
const GENESIS = genesisBlock(network);
const NO_HASH = new Uint8Array(32) as BlockHash;
/** Ten minutes, twenty times the longest mean delay of what is sent at random times: one in a billion is longer. */
const LATER = 600_000;

function headersOf(blocks: readonly TestBlock[]): Uint8Array {
  return concatBytes(...blocks.map(({ raw }) => raw.subarray(0, 80)));
}

function hashes(blocks: readonly TestBlock[]): string[] {
  return blocks.map(({ hash }) => toHexReversed(hash));
}

function table(tx: Transaction): TxTable {
  return parseTx(encodeTransaction(tx));
}

/** Blocks that lead up to the present. */
function recentChain(count: number, prev: TestBlock = GENESIS, salt = 0): TestBlock[] {
  const blocks: TestBlock[] = [];
  for (let i = 0; i < count; i++) {
    const time = CLOCK_TIME - (count - i) * 60;
    blocks.push(buildBlock(network, blocks.at(-1) ?? prev, { salt, time }));
  }
  return blocks;
}

test("getheaders is answered from the fork on, 2000 at most, and up to the stop", async (t) => {
  const node = await TestNode.open(t);
  const chain = buildChain(network, GENESIS, 2050);
  await node.mine(chain);
  const peer = await ScriptedPeer.connect(t, node);
  const ask = async (locator: Uint8Array[], stop: Uint8Array = NO_HASH): Promise<Uint8Array> => {
    const before = peer.all("headers").length;
    peer.send("getheaders", { version: 70016, locator: locator as BlockHash[], stop: stop as BlockHash });
    return peer.next("headers", before);
  };
  assert.ok(equalBytes(await ask([GENESIS.hash]), headersOf(chain.slice(0, 2000))));
  assert.ok(equalBytes(await ask([chain[1999]!.hash]), headersOf(chain.slice(2000))));
  assert.ok(
    equalBytes(await ask([NO_HASH, chain[9]!.hash], chain[14]!.hash), headersOf(chain.slice(10, 15))),
  );
  assert.equal((await ask([chain.at(-1)!.hash])).length, 0);
  // Nothing known: from genesis on.
  assert.ok(equalBytes(await ask([NO_HASH], chain[2]!.hash), headersOf(chain.slice(0, 3))));
  // No locator: that one block.
  assert.ok(equalBytes(await ask([], chain[70]!.hash), headersOf([chain[70]!])));
});

test("blocks are served with witness and without, unknown ones not at all", async (t) => {
  const node = await TestNode.open(t);
  const chain = recentChain(102);
  await node.mine(chain);
  const funding = spend(chain[0]!.txids[0]!, 0, [49e8]);
  const block = buildBlock(network, chain.at(-1)!, { txs: [funding], fees: 1e8, time: CLOCK_TIME });
  await node.mine([block]);
  const peer = await ScriptedPeer.connect(t, node);
  peer.send("getdata", [
    { type: InvType.WITNESS_BLOCK, hash: block.hash },
    { type: InvType.BLOCK, hash: block.hash },
    { type: InvType.WITNESS_BLOCK, hash: NO_HASH },
    { type: InvType.COMPACT_BLOCK, hash: block.hash },
    { type: InvType.WITNESS_BLOCK, hash: chain[5]!.hash },
  ]);
  await peer.sync();
  const served = peer.all("block");
  assert.deepEqual(
    served.map(({ length }) => length),
    [block, block, block, chain[5]!].map(({ raw }) => raw.length),
  );
  assert.ok(served.every((raw, i) => equalBytes(raw, [block, block, block, chain[5]!][i]!.raw)));
  peer.send("getblocktxn", { block: block.hash as BlockHash, indexes: [1] });
  const { txs } = await peer.next("blocktxn");
  assert.ok(equalBytes(txs[0]!, encodeTransaction(funding)));
  // Deeper than ten blocks: the whole block.
  peer.send("getblocktxn", { block: chain[3]!.hash as BlockHash, indexes: [0] });
  assert.ok(equalBytes(await peer.next("block", 4), chain[3]!.raw));
  peer.send("getblocktxn", { block: block.hash as BlockHash, indexes: [2] });
  await peer.untilClosed();
});

test("getblocks is answered in batches of 500 that follow one another", async (t) => {
  const node = await TestNode.open(t);
  const chain = buildChain(network, GENESIS, 600);
  await node.mine(chain);
  const peer = await ScriptedPeer.connect(t, node);
  peer.send("getblocks", { version: 70016, locator: [GENESIS.hash as BlockHash], stop: NO_HASH });
  const first = await peer.next("inv");
  assert.deepEqual(
    first.map(({ hash }) => toHexReversed(hash)),
    hashes(chain.slice(0, 500)),
  );
  // The last of the batch is asked for: the tip is announced, so that the rest is asked for too.
  peer.send("getdata", [{ type: InvType.WITNESS_BLOCK, hash: chain[499]!.hash }]);
  await peer.next("block");
  const [tip] = await peer.next("inv", 1);
  assert.equal(toHexReversed(tip!.hash), node.tip);
  peer.send("getblocks", {
    version: 70016,
    locator: [chain[499]!.hash as BlockHash],
    stop: chain[520]!.hash as BlockHash,
  });
  const rest = await peer.next("inv", 2);
  assert.deepEqual(
    rest.map(({ hash }) => toHexReversed(hash)),
    hashes(chain.slice(500, 520)),
  );
});

test("a new block is announced by headers to who wants them and knows its parent, by inv to others", async (t) => {
  const node = await TestNode.open(t);
  const chain = recentChain(30);
  await node.mine(chain.slice(0, 10));
  const modern = await ScriptedPeer.connect(t, node);
  const old = await ScriptedPeer.connect(t, node);
  const ignorant = await ScriptedPeer.connect(t, node);
  modern.send("sendheaders", undefined);
  ignorant.send("sendheaders", undefined);
  for (const peer of [modern, old]) peer.send("headers", headersOf(chain.slice(0, 10)));
  for (const peer of [modern, old, ignorant]) await peer.sync();
  await node.mine([chain[10]!]);
  assert.ok(equalBytes(await modern.next("headers"), headersOf([chain[10]!])));
  const [inv] = await old.next("inv");
  assert.deepEqual(inv, { type: InvType.BLOCK, hash: chain[10]!.hash });
  // It was never told of the parent.
  assert.ok(equalBytes((await ignorant.next("inv"))[0]!.hash, chain[10]!.hash));
  await node.mine([chain[11]!]);
  assert.ok(equalBytes(await modern.next("headers", 1), headersOf([chain[11]!])));
  // What a peer announced itself is not announced to it.
  modern.send("headers", headersOf([chain[12]!]));
  const [asked] = await modern.next("getdata");
  assert.ok(equalBytes(asked!.hash, chain[12]!.hash));
  modern.send("block", chain[12]!.raw);
  assert.ok(equalBytes((await old.next("inv", 2))[0]!.hash, chain[12]!.hash));
  await modern.sync();
  assert.equal(modern.all("headers").length, 2);
  // Eight blocks of a reorganisation come as headers, nine as an inv of the tip alone.
  const branch = recentChain(8, chain[7]!, 3);
  await node.mine(branch);
  await until(() => modern.all("headers").length > 2 || modern.all("inv").length > 0, "the announcement");
  const deep = recentChain(12, chain[4]!, 4);
  await node.mine(deep);
  await until(() => node.height === 17, "the reorganisation");
  await until(
    () =>
      modern
        .all("inv")
        .flat()
        .some(({ hash }) => toHexReversed(hash) === node.tip),
    "the tip's inv",
  );
});

test("an inv of an unknown block makes us ask for headers, and then for the block", async (t) => {
  const node = await TestNode.open(t);
  const chain = recentChain(3);
  await node.mine(chain.slice(0, 2));
  const peer = await ScriptedPeer.connect(t, node);
  // The first sync's request is answered, so that another may follow.
  await peer.next("getheaders");
  peer.send("headers", headersOf(chain.slice(0, 2)));
  peer.send("inv", [{ type: InvType.BLOCK, hash: chain[2]!.hash }]);
  const { locator } = await peer.next("getheaders", 1);
  assert.ok(equalBytes(locator[0]!, chain[1]!.hash));
  peer.send("headers", headersOf([chain[2]!]));
  const [asked] = await peer.next("getdata");
  assert.deepEqual(asked, { type: InvType.WITNESS_BLOCK, hash: chain[2]!.hash });
});

test("once a peer has told all its headers and they end long ago, the next peer is asked", async (t) => {
  const node = await TestNode.open(t);
  const empty = await ScriptedPeer.connect(t, node);
  await empty.next("getheaders");
  const full = await ScriptedPeer.connect(t, node);
  await full.sync();
  assert.equal(full.all("getheaders").length, 0, "one at a time");
  empty.send("headers", new Uint8Array(0));
  await full.next("getheaders");
  const late = await ScriptedPeer.connect(t, node);
  await late.sync();
  assert.equal(late.all("getheaders").length, 0, "one at a time");
  const chain = buildChain(network, GENESIS, 2010);
  full.send("headers", headersOf(chain.slice(0, 2000)));
  await full.next("getheaders", 1);
  await late.sync();
  assert.equal(late.all("getheaders").length, 0, "there is more");
  full.send("headers", headersOf(chain.slice(2000)));
  await late.next("getheaders");
  assert.equal(empty.all("getheaders").length, 1);
});

test("headers that connect to nothing make us ask for what is between", async (t) => {
  const node = await TestNode.open(t);
  const chain = recentChain(9);
  await node.mine(chain.slice(0, 2));
  const peer = await ScriptedPeer.connect(t, node);
  await peer.next("getheaders");
  peer.send("headers", headersOf(chain.slice(0, 2)));
  peer.send("headers", headersOf(chain.slice(6, 7)));
  const { locator } = await peer.next("getheaders", 1);
  assert.ok(equalBytes(locator[0]!, chain[1]!.hash));
  peer.send("headers", headersOf(chain.slice(2)));
  await peer.sync();
  assert.deepEqual(
    peer
      .all("getdata")
      .flat()
      .map(({ hash }) => toHexReversed(hash)),
    hashes(chain.slice(2)),
  );
});

test("a transaction is announced by the id its peer speaks, handed out once announced, and not found before", async (t) => {
  const node = await TestNode.open(t);
  const chain = recentChain(110);
  await node.mine(chain);
  const modern = await ScriptedPeer.connect(t, node);
  const silent = await ScriptedPeer.connect(t, node, { relay: false });
  const old = await ScriptedPeer.dial(t, node);
  old.sendVersion({ version: 70013 });
  await old.next("verack");
  old.send("verack", undefined);
  await old.next("ping");
  node.clock.forward(LATER);
  for (const peer of [modern, silent, old]) await peer.sync();
  const tx = table(spend(chain[0]!.txids[0]!, 0, [49e8, 50e6]));
  const ids = hashTxs(tx);
  const [txid, wtxid] = [txidAt(ids, 0), wtxidAt(ids, 0)];
  assert.ok((await node.acceptor.accept(tx)).accepted);
  // Before it was announced nobody is told that we have it.
  modern.send("getdata", [{ type: InvType.WTX, hash: wtxid }]);
  assert.deepEqual(await modern.next("notfound"), [{ type: InvType.WTX, hash: wtxid }]);
  node.peers.broadcastTransaction(txid, wtxid);
  node.clock.forward(LATER);
  assert.deepEqual(await modern.next("inv"), [{ type: InvType.WTX, hash: wtxid }]);
  assert.deepEqual(await old.next("inv"), [{ type: InvType.TX, hash: txid }]);
  modern.send("getdata", [
    { type: InvType.WTX, hash: wtxid },
    { type: InvType.WITNESS_TX, hash: NO_HASH },
  ]);
  assert.ok(equalBytes(await modern.next("tx"), tx.raw(0)));
  assert.equal((await modern.next("notfound", 1)).length, 1);
  await silent.sync();
  assert.equal(silent.all("inv").length, 0);
  // Who asked not to hear of transactions gets none either, and no answer.
  silent.send("getdata", [{ type: InvType.WTX, hash: wtxid }]);
  await silent.sync();
  assert.equal(silent.all("tx").length + silent.all("notfound").length, 0);
});

test("a fee filter keeps back what pays less", async (t) => {
  const node = await TestNode.open(t);
  const chain = recentChain(110);
  await node.mine(chain);
  const peer = await ScriptedPeer.connect(t, node);
  node.clock.forward(LATER);
  await peer.sync();
  peer.send("feefilter", 1_000_000);
  await peer.sync();
  assert.equal(node.peers.peers()[0]!.minFeeFilter, 1_000_000);
  const cheap = table(spend(chain[0]!.txids[0]!, 0, [49e8, 100_000_000 - 1000]));
  const dear = table(spend(chain[1]!.txids[0]!, 0, [49e8, 100_000_000 - 1_000_000]));
  for (const tx of [cheap, dear]) {
    assert.ok((await node.acceptor.accept(tx)).accepted);
    const ids = hashTxs(tx);
    node.peers.broadcastTransaction(txidAt(ids, 0), wtxidAt(ids, 0));
  }
  node.clock.forward(LATER);
  const [announced, ...more] = await peer.next("inv");
  assert.ok(equalBytes(announced!.hash, wtxidAt(hashTxs(dear), 0)));
  assert.equal(more.length, 0);
});

test("a child that comes before its parent waits for it, and both get in", async (t) => {
  const node = await TestNode.open(t);
  const chain = recentChain(110);
  await node.mine(chain);
  const peer = await ScriptedPeer.connect(t, node);
  const parent = spend(chain[0]!.txids[0]!, 0, [49e8, 50e6]);
  const parentTable = table(parent);
  const parentId = txidAt(hashTxs(parentTable), 0);
  const child = table(spend(parentId, 0, [48e8, 50e6]));
  peer.send("tx", child.raw(0));
  await peer.sync();
  const [orphan] = node.peers.orphans();
  assert.deepEqual(orphan!.from, [0]);
  node.clock.forward(LATER);
  // The parent is asked for by its txid.
  const [asked] = await peer.next("getdata");
  assert.deepEqual(asked, { type: InvType.WITNESS_TX, hash: parentId });
  peer.send("tx", encodeTransaction(parent));
  await peer.sync();
  assert.equal(node.mempool.size, 2);
  assert.equal(node.peers.orphans().length, 0);
});

test("an invalid transaction costs its sender nothing, and is not asked for again", async (t) => {
  const node = await TestNode.open(t);
  const chain = recentChain(110);
  await node.mine(chain);
  const peer = await ScriptedPeer.connect(t, node);
  const bad = table(spend(chain[0]!.txids[0]!, 0, [51e8, 50e6]));
  peer.send("tx", bad.raw(0));
  await peer.sync();
  assert.equal(node.mempool.size, 0);
  peer.send("inv", [{ type: InvType.WTX, hash: wtxidAt(hashTxs(bad), 0) }]);
  node.clock.forward(LATER);
  await peer.sync();
  assert.equal(peer.all("getdata").length, 0);
});

test("what permissions allow is allowed, and only with them", async (t) => {
  const work = 1n << 60n;
  const node = await TestNode.open(t, {
    chain: { minimumChainWork: work },
    peers: { whitelist: ["noban,mempool@127.0.0.1"] },
  });
  const peer = await ScriptedPeer.connect(t, node);
  assert.deepEqual(node.peers.peers()[0]!.permissions, ["noban", "mempool", "download"]);
  // noban: misbehaviour is forgiven, and headers need no proof that they are worth it.
  const chain = recentChain(105);
  peer.send("headers", headersOf([chain[0]!, chain[2]!]));
  await peer.sync();
  assert.ok(node.log.includes("Warning: not punishing noban peer 0!"));
  peer.send("headers", headersOf(chain));
  await peer.sync();
  assert.equal(node.test.chain.headers.size, 106);
  // download: headers of a chain with too little work.
  await node.mine(chain);
  const before = peer.all("headers").length;
  peer.send("getheaders", { version: 70016, locator: [GENESIS.hash as BlockHash], stop: NO_HASH });
  assert.equal((await peer.next("headers", before)).length, 105 * 80);
  // mempool: all of it.
  const tx = table(spend(chain[0]!.txids[0]!, 0, [49e8, 50e6]));
  assert.ok((await node.acceptor.accept(tx)).accepted);
  peer.send("mempool", undefined);
  const announced = await peer.next("inv");
  assert.ok(equalBytes(announced[0]!.hash, wtxidAt(hashTxs(tx), 0)));
});

test("without the download permission a chain with too little work is not shown", async (t) => {
  const node = await TestNode.open(t, { chain: { minimumChainWork: 1n << 60n } });
  await node.mine(recentChain(5));
  const peer = await ScriptedPeer.connect(t, node);
  peer.send("getheaders", { version: 70016, locator: [GENESIS.hash as BlockHash], stop: NO_HASH });
  assert.equal((await peer.next("headers")).length, 0);
});

test("with -blocksonly the relay permission lets transactions in", async (t) => {
  const node = await TestNode.open(t, { peers: { blocksOnly: true, whitelist: ["relay@127.0.0.1"] } });
  const chain = recentChain(110);
  await node.mine(chain);
  const peer = await ScriptedPeer.connect(t, node);
  assert.equal(peer.all("feefilter").length, 0);
  peer.send("tx", encodeTransaction(spend(chain[0]!.txids[0]!, 0, [49e8, 50e6])));
  await peer.sync();
  assert.equal(node.mempool.size, 1);
});

test("getaddr is answered once, to those who came to us, and alike for a day", async (t) => {
  const node = await TestNode.open(t);
  for (let i = 0; i < 100; i++) node.peers.addPeerAddress(`250.${i}.1.1`, 8333, false);
  const known = node.peers.addressBookCounts()["ipv4"]!.total;
  const answers: string[][] = [];
  for (let i = 0; i < 2; i++) {
    const peer = await ScriptedPeer.connect(t, node);
    peer.send("getaddr", undefined);
    node.clock.forward(LATER);
    const entries = await peer.next("addrv2");
    answers.push(entries.map(({ endpoint }) => endpoint.toString()).sort());
    peer.send("getaddr", undefined);
    node.clock.forward(LATER);
    await peer.sync();
    assert.equal(peer.all("addrv2").length, 1);
  }
  assert.equal(answers[0]!.length, Math.floor((known * 23) / 100));
  assert.deepEqual(answers[1], answers[0]);
});

test("while we catch up no transaction is asked for, announced or taken", async (t) => {
  const node = await TestNode.open(t, { chain: { maxTipAge: 86_400 } });
  await node.mine(buildChain(network, GENESIS, 110));
  assert.ok(node.test.chain.isInitialBlockDownload());
  const peer = await ScriptedPeer.connect(t, node);
  assert.ok((await peer.next("feefilter")) > 9_000_000);
  const tx = spend(GENESIS.txids[0]!, 0, [1]);
  peer.send("inv", [{ type: InvType.WTX, hash: new Uint8Array(32).fill(5) }]);
  peer.send("tx", encodeTransaction(tx));
  node.clock.forward(LATER);
  await peer.sync();
  assert.equal(peer.all("getdata").length, 0);
  assert.equal(node.peers.orphans().length, 0);
});

test("beyond the upload target old blocks are not served, but to who may download", async (t) => {
  const node = await TestNode.open(t, { peers: { maxUploadTarget: 1_000_000 } });
  const chain = recentChain(3);
  const old = buildChain(network, GENESIS, 2, 9);
  await node.mine(old);
  await node.mine(chain);
  const peer = await ScriptedPeer.connect(t, node);
  // A recent one is.
  peer.send("getdata", [{ type: InvType.WITNESS_BLOCK, hash: chain[2]!.hash }]);
  await peer.next("block");
  assert.equal(node.height, 3);
  peer.send("getdata", [{ type: InvType.WITNESS_BLOCK, hash: GENESIS.hash }]);
  await peer.untilClosed();
  assert.ok(
    node.log.some((line) => line.startsWith("historical block serving limit reached, disconnecting")),
  );
});

test("a node that keeps few blocks says so, and serves no older ones", async (t) => {
  const node = await TestNode.open(t, { peers: { pruned: true } });
  const chain = buildChain(network, GENESIS, 300);
  await node.mine(chain);
  const peer = await ScriptedPeer.connect(t, node);
  assert.deepEqual(node.peers.localServices, (1n << 10n) | (1n << 3n));
  peer.send("getdata", [{ type: InvType.WITNESS_BLOCK, hash: chain[9]!.hash }]);
  assert.ok(equalBytes(await peer.next("block"), chain[9]!.raw));
  peer.send("getdata", [{ type: InvType.WITNESS_BLOCK, hash: chain[8]!.hash }]);
  await peer.untilClosed();
});

test("while blocks are read in from files, peers are neither asked for any nor told of ours", async (t) => {
  let loading = true;
  const node = await TestNode.open(t, { loadingBlocks: () => loading });
  const chain = recentChain(5);
  await node.mine(chain.slice(0, 3));
  const peer = await ScriptedPeer.connect(t, node);
  peer.send("headers", headersOf(chain));
  peer.send("block", chain[3]!.raw);
  peer.send("inv", [{ type: InvType.BLOCK, hash: chain[4]!.hash }]);
  peer.send("getheaders", { version: 70016, locator: [GENESIS.hash as BlockHash], stop: NO_HASH });
  await peer.sync();
  assert.equal(peer.all("getheaders").length + peer.all("headers").length + peer.all("getdata").length, 0);
  assert.equal(node.test.chain.headers.size, 4);
  loading = false;
  await peer.next("getheaders");
  peer.send("headers", headersOf(chain));
  assert.equal((await peer.next("getdata")).length, 2);
});
