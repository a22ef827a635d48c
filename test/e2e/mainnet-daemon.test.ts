/**
 * The first 4,313 blocks of the real chain in the daemon: from a file, from another node, from files that a kill
 * left torn, from files of another node, and anew from its own.
 */
import assert from "node:assert/strict";
import { copyFileSync, cpSync, existsSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { hex, readU32, toHex, writeU32 } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { NO_SHARED, sharedVector } from "../vectors/vectors.ts";
import { type NodeProcess, type Reply, startNode, temporaryDirectory, until } from "./node-process.ts";

const FILE = sharedVector("chain/mainnet-0-4312.blk.dat");
const HEIGHT = 4312;
/** What gettxoutsetinfo says at the end, in part. */
const COINS = {
  height: HEIGHT,
  bestblock: "00000000a9da635727dce622d78361b153ce3334e6a60d4377fad529abfc7863",
  txouts: 4149,
  total_amount: 215_600,
  hash_serialized_3: "fa5670424a993c1c40c2ec80fdac5deaf80f14f3857ea2e16a1339ee7a596e62",
};
/** The chain's work is little and its tip old, which a node does not take for the real thing unless told. */
const LENIENT = ["-minimumchainwork=0", "-maxtipage=999999999"];
const MAGIC = hex("f9beb4d9");

const skip = FILE === undefined ? NO_SHARED : false;

function start(args: readonly string[], datadir?: string): Promise<NodeProcess> {
  return startNode({ network: "", networkFolder: "", args, ...(datadir !== undefined && { datadir }) });
}

/** Arguments that make `peer` the only one it connects to. */
function connectTo(peer: NodeProcess): string[] {
  return ["-noconnect", `-connect=127.0.0.1:${peer.port}`];
}

async function untilHeight(node: NodeProcess, height = HEIGHT): Promise<void> {
  await until(`it is at height ${height}`, async () => (await node.rpc("getblockcount")) === height);
}

/** Enough passes over the file that no machine is through with them when it is told to stop. */
const PASSES = 500;

test("a node that takes blocks in from disk stops at once, and one that cannot start does not go on", {
  skip,
}, async () => {
  const load = Array<string>(PASSES).fill(`-loadblock=${FILE}`);
  const passes = (log: string) => log.split("Importing blocks file").length - 1;
  const node = await startNode({ network: "", networkFolder: "", wait: false, args: [...LENIENT, ...load] });
  const log = join(node.folder, "debug.log");
  await until("it takes blocks in", () => existsSync(log) && passes(node.debugLog) > 0);
  const datadir = node.keep();
  assert.deepEqual(await node.kill("SIGTERM"), { code: 0, signal: null, stdout: "", stderr: "" });
  assert.ok(passes(node.debugLog) < PASSES / 2, `${passes(node.debugLog)} passes`);

  const failing = await startNode({
    network: "",
    networkFolder: "",
    wait: false,
    datadir,
    args: [...LENIENT, ...load, "-bind=1.2.3.4.5"],
  });
  const { code, stderr } = await failing.ended;
  assert.deepEqual([code, stderr], [1, "Error: Cannot resolve -bind address: '1.2.3.4.5'\n"]);
  assert.doesNotMatch(failing.debugLog, /\[error\]/);
  assert.ok(passes(failing.debugLog) < PASSES / 2);

  await using again = await start([...LENIENT, `-loadblock=${FILE}`], datadir);
  await untilHeight(again);
  await assertCoins(again);
});

async function assertCoins(node: NodeProcess): Promise<void> {
  const found: Reply = await node.rpc("gettxoutsetinfo");
  const picked = Object.fromEntries(Object.keys(COINS).map((name) => [name, found[name]]));
  assert.deepEqual(picked, COINS);
}

async function stop(node: NodeProcess): Promise<void> {
  const { code, stderr } = await node.stop();
  assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
}

/** The blocks of a data directory as its files hold them. */
interface StoredBlocks {
  /** Where each whole frame (magic, length, block) starts, from the file's start on without a gap. */
  readonly frames: number[];
  /** One after the last frame. */
  readonly end: number;
}

function blockFile(datadir: string): string {
  return join(datadir, "blocks", "blk00000.dat");
}

function xorKey(datadir: string): Uint8Array {
  return new Uint8Array(readFileSync(join(datadir, "blocks", "xor.dat")));
}

/** Applies the key, which repeats from the start of the file, to bytes that stand at `offset`. */
function obfuscate(bytes: Uint8Array, key: Uint8Array, offset: number): Uint8Array {
  return bytes.map((byte, i) => byte ^ key[(offset + i) % key.length]!);
}

function readBlockFile(datadir: string): StoredBlocks {
  assert.ok(!existsSync(join(datadir, "blocks", "blk00001.dat")), "there is one file");
  const plain = obfuscate(new Uint8Array(readFileSync(blockFile(datadir))), xorKey(datadir), 0);
  const frames: number[] = [];
  let end = 0;
  while (toHex(plain.subarray(end, end + 4)) === toHex(MAGIC)) {
    frames.push(end);
    end += 8 + readU32(plain, end + 4);
  }
  return { frames, end };
}

/** The node that has the chain from the file. */
let first: NodeProcess;
/** Data directory of a node that was killed after it had taken in the file, before it wrote anything but blocks. */
let killed: string;
/** Data directory of a node that synced from the first. */
let synced: string;

before(async () => {
  if (FILE === undefined) return;
  first = await start([...LENIENT, `-loadblock=${FILE}`]);
});

after(async () => {
  await first?.[Symbol.asyncDispose]();
});

test("-loadblock takes the chain in from a file", { skip }, async () => {
  assert.equal(await first.rpc("getblockcount"), HEIGHT);
  await assertCoins(first);
  const info = await first.rpc("getblockchaininfo");
  assert.equal(info.headers, HEIGHT);
  assert.equal(info.initialblockdownload, false);
});

test("an empty node syncs it from that node", { skip }, async () => {
  synced = temporaryDirectory();
  const second = await start([...LENIENT, ...connectTo(first)], synced);
  await untilHeight(second);
  await assertCoins(second);
  await stop(second);
});

test("a node that was told nothing refuses the chain for its little work, and its peer keeps it", {
  skip,
}, async () => {
  await using third = await start(["-debug=net", ...connectTo(first)]);
  await until("the presync ends", () =>
    / incomplete headers message at height=4312 \(presync phase\)/.test(third.debugLog),
  );
  const [peer] = await third.rpc("getpeerinfo");
  const pongs = peer.bytesrecv_per_msg.pong;
  await third.rpc("ping");
  // Headers that were taken would be known when the next message is answered.
  await until(
    "the peer answers",
    async () => (await third.rpc("getpeerinfo"))[0].bytesrecv_per_msg.pong > pongs,
  );
  const { blocks, headers, initialblockdownload } = await third.rpc("getblockchaininfo");
  assert.deepEqual(
    { blocks, headers, initialblockdownload },
    { blocks: 0, headers: 0, initialblockdownload: true },
  );
  assert.equal((await third.rpc("getchaintips")).length, 1);
  const peers: Reply[] = await third.rpc("getpeerinfo");
  assert.deepEqual(
    peers.map(({ id, presynced_headers, synced_headers }) => ({ id, presynced_headers, synced_headers })),
    [{ id: peer.id, presynced_headers: -1, synced_headers: -1 }],
  );
  assert.equal(await first.rpc("getconnectioncount"), 1);
});

test("a kill loses no block that was written", { skip }, async () => {
  killed = temporaryDirectory();
  const victim = await start([...LENIENT, `-loadblock=${FILE}`], killed);
  assert.equal(await victim.rpc("getblockcount"), HEIGHT);
  await victim.kill("SIGKILL");
  assert.equal(readBlockFile(killed).frames.length, HEIGHT + 1);

  const datadir = copyOf(killed);
  const again = await start(LENIENT, datadir);
  await untilHeight(again);
  await assertCoins(again);
  await stop(again);
});

/** A copy of a data directory, without the lock of the process that had it. */
function copyOf(datadir: string): string {
  const copy = temporaryDirectory();
  cpSync(datadir, copy, { recursive: true });
  return copy;
}

/** How a file ends after a cut: what is left is given by how many whole frames. */
const TAILS: Readonly<Record<string, (file: string, blocks: StoredBlocks, key: Uint8Array) => number>> = {
  "a block that is cut off in the middle": (file, { frames }) => {
    truncateSync(file, frames[4000]! + 100);
    return 4000;
  },
  "garbage in place of the last blocks": (file, { frames, end }, key) => {
    const bytes = new Uint8Array(readFileSync(file));
    const from = frames[4200]!;
    new SeededRandom(1).fill(bytes.subarray(from, end));
    // And what reads as a frame, with a length that leads nowhere.
    const frame = new Uint8Array(8);
    frame.set(MAGIC);
    writeU32(frame, 4, 0x00ff_ffff);
    bytes.set(obfuscate(frame, key, from + 1000), from + 1000);
    writeFileSync(file, bytes);
    return 4200;
  },
  "a block whose second half was never written": (file, { frames }, key) => {
    const bytes = new Uint8Array(readFileSync(file));
    const from = frames[4100]!;
    bytes.set(obfuscate(new Uint8Array(150), key, from + 100), from + 100);
    writeFileSync(file, bytes.subarray(0, from + 250));
    return 4100;
  },
};

for (const [name, tear] of Object.entries(TAILS)) {
  test(`a file that ends in ${name} is taken up to there and written on from there`, { skip }, async () => {
    const datadir = copyOf(killed);
    const left = tear(blockFile(datadir), readBlockFile(datadir), xorKey(datadir));
    const node = await start(LENIENT, datadir);
    await untilHeight(node, left - 1);
    await node.rpc("addnode", [`127.0.0.1:${first.port}`, "onetry"]);
    await untilHeight(node);
    await assertCoins(node);
    await stop(node);
    assert.equal(
      readBlockFile(datadir).frames.length,
      HEIGHT + 1,
      "the files have each block once, without a gap",
    );
    const restarted = await start(LENIENT, datadir);
    await assertCoins(restarted);
    await stop(restarted);
  });
}

test("block files are obfuscated unless told otherwise, and a folder of them can be taken in", {
  skip,
}, async () => {
  const key = xorKey(synced);
  assert.equal(key.length, 8);
  assert.notEqual(toHex(key), "0000000000000000");
  const start4 = new Uint8Array(readFileSync(blockFile(synced)).subarray(0, 4));
  assert.notEqual(toHex(start4), toHex(MAGIC));
  assert.equal(toHex(obfuscate(start4, key, 0)), toHex(MAGIC));

  const plain = temporaryDirectory();
  const folder = await start([...LENIENT, "-blocksxor=0", `-loadblock=${join(synced, "blocks")}`], plain);
  await assertCoins(folder);
  await stop(folder);
  assert.equal(toHex(xorKey(plain)), "0000000000000000");
  assert.equal(toHex(new Uint8Array(readFileSync(blockFile(plain)).subarray(0, 4))), toHex(MAGIC));

  await using single = await start([...LENIENT, `-loadblock=${blockFile(synced)}`]);
  await assertCoins(single);
});

test("a file of obfuscated blocks tells nothing without its key", { skip }, async () => {
  const alone = join(temporaryDirectory(), "blk00000.dat");
  copyFileSync(blockFile(synced), alone);
  await using node = await start([...LENIENT, `-loadblock=${alone}`]);
  assert.equal(await node.rpc("getblockcount"), 0);
});

test("-reindex and -reindex-chainstate lead to the same coins", { skip }, async () => {
  // Blocks of the network stand there in the order in which they came.
  for (const option of ["-reindex", "-reindex-chainstate"]) {
    const node = await start([...LENIENT, option], synced);
    await untilHeight(node);
    await assertCoins(node);
    const log = node.debugLog;
    const since = log.slice(log.lastIndexOf("Freehold version"));
    assert.equal(since.includes("Reindexing block file blk00000.dat (1 of 1)"), option === "-reindex");
    assert.ok(
      since.includes(`new best=${COINS.bestblock} height=${HEIGHT} `),
      "the blocks are connected anew",
    );
    await stop(node);
  }
});
