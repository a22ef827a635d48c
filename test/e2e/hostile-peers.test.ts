/**
 * Peers that break the protocol, and peers that keep to its letter to do harm. Each is refused as Bitcoin Core
 * refuses it, costs a bounded amount of memory, and does an honest peer no harm.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteWriter } from "#base/lib/byte-writer.ts";
import { concatBytes, equalBytes, writeU32 } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import {
  buildBlock,
  buildChain,
  CLOCK_TIME,
  genesisBlock,
  START_TIME,
  spend,
  type TestBlock,
} from "#ledger/chain/chain-fixture.ts";
import { ScriptedPeer, TestNode, until } from "#ledger/peers/peer-fixture.ts";
import { parseBlock } from "#protocol/bitcoin/block-table.ts";
import type { BlockHash } from "#protocol/bitcoin/hashes.ts";
import { regtest } from "#protocol/bitcoin/networks.ts";
import { encodeTransaction } from "#protocol/bitcoin/transaction.ts";
import { hashTxs } from "#protocol/bitcoin/txid.ts";
import { merkleRoot } from "#protocol/consensus/merkle.ts";
import { blockWork } from "#protocol/consensus/pow.ts";
import { InvType } from "#protocol/wire/inventory.ts";
import { V1Transport } from "#protocol/wire/transport-v1.ts";

const network = regtest();
const GENESIS = genesisBlock(network);
const WORK = blockWork(0x207f_ffff);

/** Blocks whose times lead up to the present, so that a node asks for the next as soon as its header comes. */
function recentChain(count: number, salt = 0): TestBlock[] {
  const blocks: TestBlock[] = [];
  for (let i = 0; i < count; i++) {
    const time = CLOCK_TIME - (count - i) * 60;
    blocks.push(buildBlock(network, blocks.at(-1) ?? GENESIS, { salt, time }));
  }
  return blocks;
}

function headersOf(blocks: readonly TestBlock[]): Uint8Array {
  return concatBytes(...blocks.map(({ raw }) => raw.subarray(0, 80)));
}

function frame(type: string, payload: Uint8Array): Uint8Array {
  const transport = new V1Transport(network.magic);
  transport.push(type, payload);
  return concatBytes(...transport.pull());
}

/** A peer that only looks on: it must stay connected and be answered throughout. */
async function isServed(peer: ScriptedPeer): Promise<void> {
  await peer.sync();
  assert.equal(peer.closed, false);
}

async function assertMisbehaved(node: TestNode, peer: ScriptedPeer, why: string): Promise<void> {
  await peer.untilClosed();
  assert.ok(
    node.log.some((line) => line.startsWith("Misbehaving: ") && line.endsWith(`: ${why}`)),
    `no "${why}" in the log`,
  );
}

test("garbage ends the connection at once", async (t) => {
  const node = await TestNode.open(t);
  const honest = await ScriptedPeer.connect(t, node);
  for (let seed = 0; seed < 5; seed++) {
    const peer = await ScriptedPeer.dial(t, node);
    peer.write(new SeededRandom(seed).fill(new Uint8Array(200_000)));
    await peer.untilClosed();
  }
  await isServed(honest);
});

test("a message with a wrong checksum is dropped, its sender stays", async (t) => {
  const node = await TestNode.open(t);
  const peer = await ScriptedPeer.connect(t, node);
  const bad = frame("ping", new Uint8Array(8).fill(3));
  bad[22]! ^= 1;
  peer.write(bad);
  await peer.sync();
  assert.ok(!peer.all("pong").some((pong) => pong.every((byte) => byte === 3)));
  assert.equal(node.peers.peers()[0]!.bytesRecvPerMessage["*other*"], bad.length);
});

test("a message over four million bytes ends the connection before its payload comes", async (t) => {
  const node = await TestNode.open(t);
  const honest = await ScriptedPeer.connect(t, node);
  const peer = await ScriptedPeer.connect(t, node);
  const header = frame("block", new Uint8Array(0));
  writeU32(header, 16, 4_000_001);
  peer.write(header);
  await peer.untilClosed();
  await isServed(honest);
});

test("a hundred peers that announce four million bytes and send none cost next to nothing", async (t) => {
  const node = await TestNode.open(t);
  const header = frame("block", new Uint8Array(0));
  writeU32(header, 16, 4_000_000);
  const before = process.memoryUsage().arrayBuffers;
  const peers: ScriptedPeer[] = [];
  for (let i = 0; i < 100; i++) {
    const peer = await ScriptedPeer.dial(t, node);
    peer.write(concatBytes(header, new Uint8Array(1)));
    peers.push(peer);
  }
  await until(() => node.peers.peers().every(({ bytesRecv }) => bytesRecv === 25), "the first bytes");
  const grown = process.memoryUsage().arrayBuffers - before;
  assert.ok(grown < 60e6, `${peers.length} peers took ${grown} bytes`);
});

test("lists that are too long, headers without work and headers in pieces are misbehaviour", async (t) => {
  const node = await TestNode.open(t);
  const honest = await ScriptedPeer.connect(t, node);
  const blocks = buildChain(network, GENESIS, 3);
  const entry = new ByteWriter().u32(InvType.TX).bytes(new Uint8Array(32)).finish();
  const many = (count: number, item: Uint8Array): Uint8Array => {
    const items = new Uint8Array(count * item.length);
    for (let i = 0; i < count; i++) items.set(item, i * item.length);
    return concatBytes(new ByteWriter().compactSize(count).finish(), items);
  };
  const weak = headersOf(blocks.slice(0, 1));
  for (let nonce = 0; nonce < 50; nonce++) {
    writeU32(weak, 76, nonce);
    if (parseWork(weak)) break;
  }
  const cases: [type: string, payload: Uint8Array, why: string][] = [
    ["inv", many(50_001, entry), "inv message size = 50001"],
    ["getdata", many(50_001, entry), "getdata message size = 50001"],
    ["addr", many(1001, new Uint8Array(30)), "addr message size = 1001"],
    ["headers", many(2001, new Uint8Array(81)), "headers message size = 2001"],
    ["headers", concatBytes(Uint8Array.of(1), weak, Uint8Array.of(0)), "header with invalid proof of work"],
    [
      "headers",
      concatBytes(
        Uint8Array.of(2),
        headersOf(blocks.slice(0, 1)),
        Uint8Array.of(0),
        headersOf(blocks.slice(2)),
        Uint8Array.of(0),
      ),
      "non-continuous headers sequence",
    ],
  ];
  for (const [type, payload, why] of cases) {
    const peer = await ScriptedPeer.connect(t, node);
    peer.sendRaw(type, payload);
    await assertMisbehaved(node, peer, why);
  }
  const peer = await ScriptedPeer.connect(t, node);
  const locator = Array.from({ length: 102 }, () => new Uint8Array(32) as BlockHash);
  peer.send("getheaders", { version: 70016, locator, stop: new Uint8Array(32) as BlockHash });
  await peer.untilClosed();
  await isServed(honest);
});

/** Whether a header does not meet its own target. */
function parseWork(header: Uint8Array): boolean {
  // Half of all hashes meet regtest's target: its top bit decides.
  const hash = hashOfHeader(header);
  return (hash[31]! & 0x80) !== 0;
}

function hashOfHeader(header: Uint8Array): Uint8Array {
  return genesisBlock({ ...network, genesis: concatBytes(header, GENESIS.raw.subarray(80)) }).hash;
}

test("messages out of turn are ignored or end the connection, as Core has it", async (t) => {
  const node = await TestNode.open(t);
  const early = await ScriptedPeer.dial(t, node);
  early.send("ping", 1n);
  early.send("getaddr", undefined);
  early.sendVersion();
  await early.next("verack");
  early.send("getheaders", { version: 70016, locator: [], stop: new Uint8Array(32) as BlockHash });
  early.sendRaw("nonsense", new Uint8Array(5));
  early.send("verack", undefined);
  early.sendVersion({ userAgent: "/another/" });
  await early.sync();
  assert.equal(early.all("headers").length, 0);
  assert.equal(early.all("version").length, 1);
  assert.equal(node.peers.peers()[0]!.subver, "/scripted:0.0.1/");
  const endings: [string, (peer: ScriptedPeer) => void][] = [
    ["wtxidrelay", (peer) => peer.send("wtxidrelay", undefined)],
    ["sendaddrv2", (peer) => peer.send("sendaddrv2", undefined)],
    ["mempool", (peer) => peer.send("mempool", undefined)],
    [
      "filterload",
      (peer) => peer.send("filterload", { filter: Uint8Array.of(1), functions: 1, tweak: 0, flags: 0 }),
    ],
    [
      "getcfilters",
      (peer) => peer.send("getcfilters", { filterType: 0, startHeight: 0, stop: GENESIS.hash as BlockHash }),
    ],
  ];
  for (const [name, act] of endings) {
    const peer = await ScriptedPeer.connect(t, node);
    act(peer);
    await peer.untilClosed();
    assert.ok(peer.closed, name);
  }
  const old = await ScriptedPeer.dial(t, node);
  old.sendVersion({ version: 31_799 });
  await old.untilClosed();
  await isServed(early);
});

test("who says nothing, or does not finish the handshake, has a minute", async (t) => {
  const node = await TestNode.open(t);
  const honest = await ScriptedPeer.connect(t, node);
  const silent = await ScriptedPeer.dial(t, node);
  const half = await ScriptedPeer.dial(t, node);
  half.sendVersion();
  await half.next("verack");
  // The node's clock goes on with the machine's, which may stand still for seconds.
  node.clock.forward(40_000);
  await isServed(honest);
  assert.equal(silent.closed || half.closed, false);
  node.clock.forward(22_000);
  await silent.untilClosed();
  await half.untilClosed();
  await isServed(honest);
});

test("who stops answering pings is let go after twenty minutes", async (t) => {
  const node = await TestNode.open(t);
  const honest = await ScriptedPeer.connect(t, node);
  const dead = await ScriptedPeer.connect(t, node);
  dead.answersPings = false;
  node.clock.forward(121_000);
  await dead.next("ping", 1);
  await honest.next("ping", 1);
  await honest.sync();
  node.clock.forward(20 * 60_000 + 1000);
  await dead.untilClosed();
});

test("blocks nobody asked for are taken only where they may make a better chain", async (t) => {
  const node = await TestNode.open(t);
  const chain = buildChain(network, GENESIS, 300);
  await node.mine(chain.slice(0, 2));
  const peer = await ScriptedPeer.connect(t, node);
  // A fork with less work than the tip: its header is remembered, the block is not stored.
  const fork = buildBlock(network, GENESIS, { salt: 7 });
  peer.send("block", fork.raw);
  await peer.sync();
  assert.equal(node.test.chain.headers.lookup(fork.hash)?.hasData, false);
  // As much work as the tip: stored.
  const twin = buildBlock(network, chain[0]!, { salt: 8 });
  peer.send("block", twin.raw);
  await peer.sync();
  assert.equal(node.test.chain.headers.lookup(twin.hash)?.hasData, true);
  assert.ok(equalBytes(node.test.chain.tip.hash, chain[1]!.hash));
  // The next block: connected.
  peer.send("block", chain[2]!.raw);
  await peer.sync();
  assert.equal(node.height, 3);
  // Without its parents a block's header connects to nothing: the peer is at fault.
  const orphan = await ScriptedPeer.connect(t, node);
  orphan.send("block", chain[299]!.raw);
  await orphan.untilClosed();
  // More than 288 blocks ahead: not stored, though its header is known.
  const ahead = await ScriptedPeer.connect(t, node);
  ahead.send("headers", headersOf(chain));
  await ahead.sync();
  assert.equal(node.test.chain.headers.lookup(chain[299]!.hash)?.hasData, false);
  ahead.send("block", chain[299]!.raw);
  await ahead.sync();
  assert.equal(node.test.chain.headers.lookup(chain[299]!.hash)?.hasData, false);
  assert.equal(node.height, 3);
});

test("an invalid block under a valid header costs its sender the connection, and nobody else", async (t) => {
  const node = await TestNode.open(t);
  const chain = recentChain(10);
  await node.mine(chain);
  const honest = await ScriptedPeer.connect(t, node);
  const hostile = await ScriptedPeer.connect(t, node);
  const bad = buildBlock(network, chain[9]!, { fees: 1, time: CLOCK_TIME });
  hostile.send("headers", headersOf([bad]));
  const [asked] = await hostile.next("getdata");
  assert.ok(equalBytes(asked!.hash, bad.hash));
  hostile.send("block", bad.raw);
  await hostile.untilClosed();
  assert.equal(node.height, 10);
  // Whoever builds on it is refused as well.
  const next = await ScriptedPeer.connect(t, node);
  next.send("headers", headersOf([buildBlock(network, bad, { time: CLOCK_TIME + 60 })]));
  await assertMisbehaved(node, next, "invalid header received");
  // An inbound peer that tells its header once more may not know better.
  honest.send("headers", headersOf([bad]));
  await isServed(honest);
  const good = buildBlock(network, chain[9]!, { time: CLOCK_TIME, salt: 5 });
  honest.send("headers", headersOf([good]));
  await honest.next("getdata");
  honest.send("block", good.raw);
  await honest.sync();
  assert.equal(node.height, 11);
});

test("a mutated block does not harm the true one with the same header", async (t) => {
  const node = await TestNode.open(t);
  const chain = recentChain(105);
  await node.mine(chain);
  const txs = [0, 1].map((i) => spend(chain[i]!.txids[0]!, 0, [49e8]));
  const good = buildBlock(network, chain[104]!, { txs, fees: 2e8, time: CLOCK_TIME });
  // Three transactions hash to the same root as four of which the last stands twice (CVE-2012-2459).
  const last = encodeTransaction(txs[1]!);
  const mutated = concatBytes(good.raw.subarray(0, 80), Uint8Array.of(4), good.raw.subarray(81), last);
  const { txs: table } = parseBlock(mutated);
  const root = merkleRoot(hashTxs(table).txids, table.txCount);
  assert.ok(root.mutated && equalBytes(root.root, good.raw.subarray(36, 68)));
  const honest = await ScriptedPeer.connect(t, node);
  const hostile = await ScriptedPeer.connect(t, node);
  hostile.send("headers", headersOf([good]));
  await hostile.next("getdata");
  hostile.send("block", mutated);
  await assertMisbehaved(node, hostile, "mutated block");
  assert.equal(node.height, 105);
  // A transaction swapped for another: the root does not fit.
  const swapped = good.raw.slice();
  swapped[swapped.length - 5]! ^= 1;
  const second = await ScriptedPeer.connect(t, node);
  second.send("block", swapped);
  await second.untilClosed();
  honest.send("headers", headersOf([good]));
  await honest.next("getdata");
  honest.send("block", good.raw);
  await honest.sync();
  assert.equal(node.height, 106);
});

test("a flood of headers with little work is not stored, however long it lasts", async (t) => {
  const enough = 1n << 70n;
  const node = await TestNode.open(t, { chain: { minimumChainWork: enough } });
  const honest = await ScriptedPeer.connect(t, node);
  const hostile = await ScriptedPeer.connect(t, node);
  const blocks: TestBlock[] = [];
  for (let i = 0; i < 6000; i++)
    blocks.push(buildBlock(network, blocks.at(-1) ?? GENESIS, { time: START_TIME + i }));
  // A part of a message is ignored: its chain ends there.
  hostile.send("headers", headersOf(blocks.slice(0, 1999)));
  await hostile.sync();
  assert.equal(node.peers.peers()[1]!.presyncedHeaders, -1);
  for (let from = 0; from < 6000; from += 2000) {
    hostile.send("headers", headersOf(blocks.slice(from, from + 2000)));
    await hostile.sync();
    assert.equal(node.peers.peers()[1]!.presyncedHeaders, from + 2000);
  }
  assert.equal(node.test.chain.headers.size, 1);
  // It is asked on each time, from where it was.
  const asked = hostile.all("getheaders");
  assert.ok(equalBytes(asked.at(-1)!.locator[0]!, blocks[5999]!.hash));
  // The same blocks whole: not stored either.
  hostile.send("block", blocks[0]!.raw);
  await hostile.sync();
  assert.equal(node.test.chain.headers.size, 1);
  hostile.send("headers", new Uint8Array(0));
  await hostile.sync();
  assert.equal(node.peers.peers()[1]!.presyncedHeaders, -1);
  await isServed(honest);
});

test("a chain with enough work is stored after it was shown twice", async (t) => {
  const node = await TestNode.open(t, { chain: { minimumChainWork: WORK * 3000n } });
  const peer = await ScriptedPeer.connect(t, node);
  const blocks: TestBlock[] = [];
  for (let i = 0; i < 4500; i++)
    blocks.push(buildBlock(network, blocks.at(-1) ?? GENESIS, { time: START_TIME + i }));
  const send = async (from: number): Promise<void> => {
    peer.send("headers", headersOf(blocks.slice(from, from + 2000)));
    await peer.sync();
  };
  await send(0);
  await send(2000);
  assert.equal(node.test.chain.headers.size, 1);
  // Now it is asked for from the start.
  assert.ok(equalBytes(peer.all("getheaders").at(-1)!.locator[0]!, GENESIS.hash));
  await send(0);
  await send(2000);
  assert.equal(node.test.chain.headers.size, 4001);
  await send(4000);
  assert.equal(node.test.chain.headers.size, 4501);
});

test("a peer that keeps the download from moving is dropped for one that does not", async (t) => {
  const source = await TestNode.open(t);
  const chain = recentChain(1100);
  await source.mine(chain);
  const node = await TestNode.open(t);
  const staller = await ScriptedPeer.connect(t, node);
  staller.send("headers", headersOf(chain));
  await staller.next("getdata");
  assert.equal(node.peers.peers()[0]!.inflight.length, 16);
  await node.connectTo(source);
  // The whole window but for its first sixteen blocks comes from the other.
  await until(
    () => node.log.some((line) => line === "Stall started peer=0"),
    "the stall to be noticed",
    60_000,
  );
  assert.equal(node.height, 0);
  node.clock.forward(1_000);
  assert.equal(staller.closed, false);
  node.clock.forward(1_500);
  await staller.untilClosed();
  await until(() => node.height === 1100, "all blocks", 60_000);
  assert.ok(node.log.some((line) => line.startsWith("Increased stalling timeout temporarily to 4 seconds")));
});

test("a block that does not come in ten minutes ends the connection", async (t) => {
  const node = await TestNode.open(t);
  const peer = await ScriptedPeer.connect(t, node);
  peer.send("headers", headersOf(recentChain(1)));
  await peer.next("getdata");
  node.clock.forward(580_000);
  await peer.sync();
  node.clock.forward(22_000);
  await peer.untilClosed();
  assert.ok(node.log.some((line) => line.startsWith("Timeout downloading block ")));
});

test("who asks for a gigabyte and reads nothing costs a few megabytes, and is served when it reads", async (t) => {
  const node = await TestNode.open(t);
  const big: TestBlock[] = [];
  for (let i = 0; i < 3; i++) {
    const coinbase = (tx: { outputs: { value: number; script: Uint8Array }[] }): void => {
      tx.outputs.push({ value: 0, script: new Uint8Array(900_000).fill(0x6a) });
    };
    big.push(buildBlock(network, big.at(-1) ?? GENESIS, { coinbase }));
  }
  await node.mine(big);
  const honest = await ScriptedPeer.connect(t, node);
  const greedy = await ScriptedPeer.connect(t, node);
  await greedy.sync();
  greedy.pause();
  const before = process.memoryUsage().arrayBuffers;
  for (let round = 0; round < 5; round++) {
    const entries = Array.from({ length: 200 }, (_, i) => ({
      type: InvType.WITNESS_BLOCK,
      hash: big[i % 3]!.hash,
    }));
    greedy.send("getdata", entries);
  }
  for (let i = 0; i < 20; i++) await isServed(honest);
  const grown = process.memoryUsage().arrayBuffers - before;
  assert.ok(grown < 40e6, `${grown} bytes more for 900 megabytes asked`);
  greedy.resume();
  await until(
    () => greedy.received.filter(({ type }) => type === "block").length >= 50,
    "the blocks",
    60_000,
  );
  assert.equal(greedy.closed, false);
});

test("who sends faster than we handle is held up, not buffered", async (t) => {
  const node = await TestNode.open(t);
  const hostile = await ScriptedPeer.connect(t, node);
  const payload = new Uint8Array(100_000);
  let release = (): void => {};
  const busy = node.test.chain.lock.run(() => new Promise<void>((resolve) => (release = resolve)));
  // The block waits for the chain, and all that follows waits for the block.
  hostile.send("block", buildBlock(network, GENESIS).raw);
  for (let i = 0; i < 600; i++) hostile.sendRaw("nonsense", payload);
  let pending = Number.NaN;
  await until(() => {
    const before = pending;
    pending = hostile.pendingBytes;
    return before === pending && pending < 60_000_000;
  }, "the sockets to fill up");
  assert.ok(pending > 40_000_000, `all but ${pending} of 60 million bytes were taken in`);
  release();
  await busy;
  await hostile.sync();
  assert.equal(node.height, 1);
  assert.equal(node.peers.peers()[0]!.bytesRecvPerMessage["*other*"], 600 * 100_024);
});

test("addresses beyond one in ten seconds are not taken in", async (t) => {
  const node = await TestNode.open(t);
  const peer = await ScriptedPeer.connect(t, node);
  const { parseEndpoint } = await import("#protocol/wire/net-address.ts");
  const entries = Array.from({ length: 1000 }, (_, i) => ({
    time: CLOCK_TIME,
    services: 9n,
    endpoint: parseEndpoint(`250.${i >> 8}.${i & 255}.1:8333`, 0)!,
  }));
  peer.send("addrv2", entries);
  await peer.sync();
  let [info] = node.peers.peers();
  assert.equal(info!.addrProcessed, 1);
  assert.equal(info!.addrRateLimited, 999);
  node.clock.forward(100_000);
  peer.send("addrv2", entries);
  await peer.sync();
  [info] = node.peers.peers();
  assert.equal(info!.addrProcessed, 11);
});

test("transactions in violation of -blocksonly end the connection", async (t) => {
  const node = await TestNode.open(t, { peers: { blocksOnly: true } });
  const announcing = await ScriptedPeer.connect(t, node);
  assert.equal(announcing.all("version")[0]!.relay, false);
  announcing.send("inv", [{ type: InvType.WTX, hash: new Uint8Array(32) }]);
  await announcing.untilClosed();
  const sending = await ScriptedPeer.connect(t, node);
  sending.send("tx", encodeTransaction(spend(GENESIS.txids[0]!, 0, [1])));
  await sending.untilClosed();
});

test("with all places taken the youngest of the crowd gives way, and those that do work stay", async (t) => {
  const node = await TestNode.open(t, { peers: { maxConnections: 41 } });
  const chain = recentChain(1);
  const worker = await ScriptedPeer.connect(t, node);
  worker.send("headers", headersOf(chain));
  await worker.next("getdata");
  worker.send("block", chain[0]!.raw);
  await worker.sync();
  const crowd: ScriptedPeer[] = [];
  for (let i = 0; i < 60; i++) crowd.push(await ScriptedPeer.dial(t, node));
  await until(() => crowd.filter(({ closed }) => closed).length >= 30, "the crowd to be thinned out");
  assert.ok(node.peers.connectionCounts().inbound <= 30);
  await isServed(worker);
});

test("while all of this goes on, an honest node syncs and is synced from", async (t) => {
  const node = await TestNode.open(t);
  const chain = recentChain(400);
  await node.mine(chain.slice(0, 200));
  const honest = await TestNode.open(t);
  const random = new SeededRandom(9);
  const stop = new AbortController();
  const hostility = (async () => {
    while (!stop.signal.aborted) {
      const peer = await ScriptedPeer.dial(t, node);
      peer.sendVersion();
      peer.send("verack", undefined);
      const low = buildChain(network, GENESIS, 1 + random.below(5), random.below(1000));
      const acts = [
        () => peer.write(random.fill(new Uint8Array(1000))),
        () => peer.sendRaw("headers", random.fill(new Uint8Array(500))),
        () => peer.send("block", low.at(-1)!.raw),
        () => peer.send("headers", headersOf(low)),
        () => peer.send("inv", [{ type: InvType.BLOCK, hash: random.fill(new Uint8Array(32)) }]),
        () => peer.send("getdata", [{ type: InvType.WTX, hash: random.fill(new Uint8Array(32)) }]),
      ];
      for (let i = 0; i < 3; i++) acts[random.below(acts.length)]!();
      await new Promise((resolve) => setTimeout(resolve, 10));
      if (random.below(2) === 0) peer.close();
    }
  })();
  await honest.connectTo(node);
  await until(() => honest.height === 200, "the honest node's sync");
  await honest.mine(chain.slice(200));
  await until(() => node.height === 400, "the sync from the honest node");
  stop.abort();
  await hostility;
  assert.equal(node.tip, honest.tip);
});
