/** Kills a hosting process again and again, and holds what it left on the disk to what it acknowledged. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { equalBytes, toHex } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import type { Disk } from "#base/store/disk.ts";
import { nodeDisk } from "#base/store/node-disk.ts";
import { signingKeyFrom } from "#sharing/mesh/identity.ts";
import { CELL_BYTES, cellCountOf } from "../codec/scheme.ts";
import { decodeHeadRecord } from "../head-record.ts";
import { storageProtocol } from "../messages.ts";
import { makeShard, startHost, type TestRenter, type TestShard } from "./test-host.ts";
import { DEFAULT_UPLOAD_LIMITS } from "./uploads.ts";

export const ACCOUNT = new Uint8Array(32).fill(7);
export const DEVICE = new Uint8Array(16).fill(8);
export const HEAD_KEY = signingKeyFrom(new Uint8Array(32).fill(9));

const { methods } = storageProtocol;

/** The shard of a number: always the same. */
export function numberedShard(number: number): TestShard {
  const random = new SeededRandom(number);
  return makeShard(random, 1 + random.below(number % 4 === 0 ? 4 * CELL_BYTES : 20_000));
}

export function openKilledHost(disk: Disk, folder: string) {
  // What a killed renter leaves behind nobody goes on with: it is collected at the first occasion.
  const uploadLimits = { ...DEFAULT_UPLOAD_LIMITS, idleMs: 0 };
  return startHost({ disk, host: { folder, limitBytes: 2 ** 40, uploadLimits } });
}

interface Told {
  readonly stored: Set<number>;
  /** A drop was asked for, and perhaps done. */
  readonly doubtful: Set<number>;
  readonly dropped: Set<number>;
  head: number;
}

/** @returns shards and heads that were acknowledged before some kill and found after it. */
export async function killHosts(
  folder: string,
  options: { readonly kills: number; readonly seed: number },
): Promise<{ readonly shards: number; readonly heads: number }> {
  const random = new SeededRandom(options.seed);
  const told: Told = { stored: new Set(), doubtful: new Set(), dropped: new Set(), head: -1 };
  let shards = 0;
  let heads = 0;
  for (let kill = 0; kill < options.kills; kill++) {
    await liveAndDie(folder, kill * 1_000_000, 1 + random.below(60), told);
    shards += await check(folder, told);
    if (told.head >= 0) heads++;
  }
  return { shards, heads };
}

/** Lets a host tell so many things, and kills it in whatever it does then. */
async function liveAndDie(folder: string, first: number, most: number, told: Told): Promise<void> {
  const file = new URL("./test-host-process.ts", import.meta.url).pathname;
  const child = spawn(process.execPath, [file, folder, String(first)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const gone = once(child, "exit");
  let heard = 0;
  const lines = createInterface({ input: child.stdout });
  lines.on("line", (line) => {
    note(told, line);
    heard++;
    if (heard === most) child.kill("SIGKILL");
  });
  const ended = once(lines, "close");
  const [, signal] = await gone;
  await ended;
  assert.equal(signal, "SIGKILL", "it lived until it was killed");
}

function note(told: Told, line: string): void {
  const [what, text] = line.split(" ");
  const number = Number(text);
  if (what === "stored") told.stored.add(number);
  else if (what === "dropping") told.doubtful.add(number);
  else if (what === "dropped") told.dropped.add(number);
  else if (what === "head") told.head = Math.max(told.head, number);
}

async function check(folder: string, told: Told): Promise<number> {
  const { host, renter: join } = await openKilledHost(nodeDisk, folder);
  const renter = join({ accountSecret: ACCOUNT });
  try {
    await host.collectUploads();
    const listed = await listAll(renter);
    let found = 0;
    for (const number of told.stored) {
      const shard = numberedShard(number);
      const isThere = listed.has(toHex(shard.root));
      if (told.dropped.has(number)) assert.ok(!isThere, "what was dropped does not come back");
      else if (!told.doubtful.has(number)) assert.ok(isThere, "an acknowledged shard is listed");
      if (!isThere) continue;
      const read = await renter.read(shard, 0, cellCountOf(shard.length));
      assert.ok(read.ok && equalBytes(read.value.bytes, shard.bytes), "and read bit for bit");
      found++;
    }
    await checkHead(renter, told.head);
    const roots = [...told.stored].slice(0, -20).map((number) => numberedShard(number).root);
    // The folder stays small: most of what was held is dropped, in large messages.
    for (let at = 0; at < roots.length; at += 200) {
      assert.ok((await renter.call(methods.drop, { roots: roots.slice(at, at + 200) })).ok);
    }
    for (const number of [...told.stored].slice(0, -20)) told.stored.delete(number);
    return found;
  } finally {
    await host.stop();
  }
}

async function checkHead(renter: TestRenter, least: number): Promise<void> {
  const found = await renter.call(methods["get-heads"], { headKey: HEAD_KEY.publicKey });
  assert.ok(found.ok);
  const [record] = found.value.records.map(decodeHeadRecord);
  assert.ok((record?.sequence ?? -1) >= least, "the acknowledged head, or a later one, is there");
}

async function listAll(renter: TestRenter): Promise<Set<string>> {
  const roots = new Set<string>();
  let after: Uint8Array | undefined;
  for (let more = true; more; ) {
    const page = await renter.call(methods.list, { ...(after && { after }), limit: 500 });
    assert.ok(page.ok);
    for (const { root, state } of page.value.shards) {
      assert.equal(state, "stored", "no shard is lost");
      roots.add(toHex(root));
    }
    after = page.value.shards.at(-1)?.root;
    more = page.value.more;
  }
  return roots;
}
