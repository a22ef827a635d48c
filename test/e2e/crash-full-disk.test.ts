/** A disk that is full ends the node with the reason, and loses nothing that it had taken. */
import assert from "node:assert/strict";
import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, type TestContext, test } from "node:test";
import { toHex, toHexReversed } from "#base/lib/bytes.ts";
import type { TestBlock } from "#ledger/chain/chain-fixture.ts";
import { blockFile, blocksOf, buildStory, type CrashStory, coinsByTip } from "../crash/crash-story.ts";
import { SmallDisk } from "../crash/small-disk.ts";
import { type Ended, type NodeProcess, startNode, temporaryDirectory, until } from "./node-process.ts";

/** The node writes nothing when fewer megabytes than these are free, as Core. */
const LEAST_FREE = 50;
const TOO_LOW = /^Error: Disk space is too low!\n$/;
const NO_SPACE = /^Error: .*no space left on device.*\n$/i;
const NO_COOKIE = /\[error\] Unable to write cookie file .*no space left on device.*\n.*\n$/i;
const SEE_LOG = /^Error: Unable to start HTTP server. See debug log for details.\n$/;
const SMALL = ["-dbcache=4", "-dbbatchsize=20000", "-fastprune"];

const skip = SmallDisk.unavailable;

let story: CrashStory;
let blocks: TestBlock[];
let importFile: string;
/** What a node has that had room all along. */
let expected: { tip: string; coins: string };

before(async () => {
  if (skip !== false) return;
  story = buildStory({ seed: 5, trunk: 190, depths: [2, 20] });
  blocks = blocksOf(story);
  importFile = join(temporaryDirectory(), "story.dat");
  writeFileSync(importFile, blockFile(blocks));
  const tip = toHexReversed(story.tip.hash);
  expected = { tip, coins: (await coinsByTip(story)).get(tip)! };
});

function smallDisk(t: TestContext, megabytes: number, files?: number): SmallDisk {
  const disk = SmallDisk.mount({ megabytes, ...(files === undefined ? {} : { files }) });
  t.after(() => disk[Symbol.dispose]());
  return disk;
}

function assertEnded(end: Ended, reason: RegExp): void {
  assert.equal(end.signal, null);
  assert.equal(end.code, 1);
  assert.match(end.stderr, reason);
}

/** With room again: the node comes up as if nothing had been, and reaches the end of the story. */
async function assertUnharmed(datadir: string, args: readonly string[], kept = 0): Promise<void> {
  await using node = await startNode({ datadir, args: [...SMALL, ...args] });
  assert.ok((await node.rpc("getblockcount")) >= kept, `had ${kept} blocks`);
  for (const block of blocks) await node.rpc("submitblock", [toHex(block.raw)]);
  const { bestblock, hash_serialized_3: coins } = await node.rpc("gettxoutsetinfo");
  assert.deepEqual({ tip: bestblock, coins }, expected);
  const end = await node.stop();
  assert.deepEqual([end.code, end.stderr], [0, ""]);
  assert.doesNotMatch(node.debugLog, /Reindexing/);
}

/** Hands in blocks until the node takes no more. @returns how many it took */
async function feedUntilRefused(node: NodeProcess, from = 0): Promise<number> {
  for (let i = from; i < blocks.length; i++) {
    try {
      await node.rpc("submitblock", [toHex(blocks[i]!.raw)]);
    } catch {
      return i;
    }
  }
  assert.fail("the disk did not fill up");
}

test("an import that fills the disk stops, and goes on in a larger place", { skip }, async (t) => {
  const disk = smallDisk(t, LEAST_FREE + 3);
  const args = [`-loadblock=${importFile}`];
  const node = await startNode({ datadir: disk.path, args: [...SMALL, ...args], wait: false });
  assertEnded(await node.ended, TOO_LOW);
  assert.match(node.debugLog, /\[error\] .*Disk space is too low!/);
  assert.match(node.debugLog, /Shutdown done\n$/);
  const larger = join(temporaryDirectory(), "datadir");
  cpSync(disk.path, larger, { recursive: true });
  await assertUnharmed(larger, args);
});

test("a disk that is too small from the start is refused with the reason", { skip }, async (t) => {
  const disk = smallDisk(t, 8);
  const node = await startNode({ datadir: disk.path, args: SMALL, wait: false });
  assertEnded(await node.ended, TOO_LOW);
  const larger = join(temporaryDirectory(), "datadir");
  cpSync(disk.path, larger, { recursive: true });
  await assertUnharmed(larger, []);
});

test("a disk that is full to the last byte lets no node start, and does no harm", { skip }, async (t) => {
  const disk = smallDisk(t, LEAST_FREE + 40);
  await using first = await startNode({ datadir: disk.path, args: SMALL });
  for (const { raw } of blocks.slice(0, 130)) await first.rpc("submitblock", [toHex(raw)]);
  assert.equal((await first.stop()).code, 0);
  disk.fill();
  const second = await startNode({ datadir: disk.path, args: SMALL, wait: false });
  assertEnded(await second.ended, NO_SPACE);
  disk.drain();
  await assertUnharmed(disk.path, [], 130);
});

test("a disk that fills up under submitblock stops the node with the reason", { skip }, async (t) => {
  const disk = smallDisk(t, LEAST_FREE + 40);
  await using node = await startNode({ datadir: disk.path, args: SMALL });
  const half = 150;
  for (const { raw } of blocks.slice(0, half)) await node.rpc("submitblock", [toHex(raw)]);
  disk.fill();
  const taken = await feedUntilRefused(node, half);
  assertEnded(await node.ended, NO_SPACE);
  disk.drain();
  await assertUnharmed(disk.path, [], taken);
});

test("a disk that fills up while blocks come from a peer stops the node with the reason", {
  skip,
}, async (t) => {
  await using source = await startNode({ args: [`-loadblock=${importFile}`] });
  const disk = smallDisk(t, LEAST_FREE + 40);
  const connect = [`-connect=127.0.0.1:${source.port}`];
  await using node = await startNode({ datadir: disk.path, args: SMALL });
  disk.fill();
  await node.rpc("addnode", [`127.0.0.1:${source.port}`, "onetry"]);
  assertEnded(await node.ended, NO_SPACE);
  disk.drain();
  await using again = await startNode({ datadir: disk.path, args: [...SMALL, ...connect] });
  await until("it has all blocks", async () => (await again.rpc("getbestblockhash")) === expected.tip);
  assert.equal((await again.rpc("gettxoutsetinfo")).hash_serialized_3, expected.coins);
  assert.equal((await again.stop()).code, 0);
});

test("a node that is told to stop when the disk is full says why it could not save all", {
  skip,
}, async (t) => {
  const disk = smallDisk(t, LEAST_FREE + 40);
  await using node = await startNode({ datadir: disk.path, args: SMALL });
  for (const { raw } of blocks.slice(0, 150)) await node.rpc("submitblock", [toHex(raw)]);
  disk.fill();
  assertEnded(await node.stop(), TOO_LOW);
  disk.drain();
  await assertUnharmed(disk.path, [], 150);
});

test("a database that finds no room stops the node with the reason", { skip }, async (t) => {
  const disk = smallDisk(t, LEAST_FREE + 40);
  await using node = await startNode({ datadir: disk.path, args: SMALL });
  for (const { raw } of blocks.slice(0, 150)) await node.rpc("submitblock", [toHex(raw)]);
  const best = await node.rpc("getbestblockhash");
  disk.fill();
  // The mark that is to be saved takes more than the rest of the last page.
  await assert.rejects(node.rpc("invalidateblock", [toHexReversed(blocks[50]!.hash)]));
  assertEnded(await node.ended, NO_SPACE);
  disk.drain();
  await using again = await startNode({ datadir: disk.path, args: SMALL });
  await again.rpc("reconsiderblock", [toHexReversed(blocks[50]!.hash)]);
  assert.equal(await again.rpc("getbestblockhash"), best);
  assert.equal((await again.stop()).code, 0);
  await assertUnharmed(disk.path, [], 150);
});

test("where there is room for a few more files alone, a node starts or says why not", { skip }, async (t) => {
  const disk = smallDisk(t, LEAST_FREE + 40, 200);
  await using first = await startNode({ datadir: disk.path, args: [...SMALL, "-fastprune=0"] });
  for (const { raw } of blocks.slice(0, 150)) await first.rpc("submitblock", [toHex(raw)]);
  assert.equal((await first.stop()).code, 0);
  let started = false;
  for (let left = 0; !started && left < 60; left += 3) {
    disk.drain();
    disk.fillFiles(left);
    const node = await startNode({ datadir: disk.path, args: SMALL, wait: false });
    started = await node.waitForRpc().then(
      () => true,
      () => false,
    );
    if (started) await node.kill("SIGKILL");
    else assertEnded(await node.ended, NO_COOKIE.test(node.debugLog) ? SEE_LOG : NO_SPACE);
  }
  assert.ok(started);
  disk.drain();
  await assertUnharmed(disk.path, [], 150);
});
