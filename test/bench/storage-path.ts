import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "#base/lib/clock.ts";
import { silentLogger } from "#base/lib/logger.ts";
import { SeededRandom, secureRandom } from "#base/lib/random.ts";
import { nodeDisk } from "#base/store/node-disk.ts";
import { Files } from "#sharing/storage/files/files.ts";
import { openPeer } from "./storage-path-peer.ts";

export const name = "storage path: files up to 12 hosts over loopback (4 of 12) and down, ranges, small";

const HOSTS = 12;
const RANGES = 200;
const SMALL = 100;

/** @param args MiB of the file (256 when left out). */
export async function run(args: readonly string[]): Promise<void> {
  const size = Number(args[0] ?? 256) << 20;
  const directory = await mkdtemp(join(tmpdir(), "freehold-path-"));
  const { mesh, deals } = await openPeer(join(directory, "renter"), "renter", "127.2.0.1");
  const { link } = await mesh.createInvitation({ uses: HOSTS, seconds: 600 });
  const peer = join(import.meta.dirname, "storage-path-peer.ts");
  const hosts = spawn(process.execPath, [peer, "--hosts", directory, link, String(HOSTS)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await new Promise((resolve) => hosts.stdout.once("data", resolve));
  const files = new Files({
    ...{ mesh, deals, disk: nodeDisk, folder: join(directory, "renter", "files"), clock: systemClock },
    ...{ random: secureRandom, log: silentLogger, filesKey: new Uint8Array(32).fill(1), workers: 1 },
  });
  await files.start();
  while (mesh.peers().filter((view) => view.connected && view.offers["storage"]).length < HOSTS) {
    await mesh.changed.next();
  }
  const peak = watchMemory();
  try {
    await files.createBucket("bench");
    await wholeFile(files, size);
    await ranges(files, size);
    await smallFiles(files);
    const { shards, hosts: holders } = await files.status();
    console.log(
      `shards ${JSON.stringify(shards)} at ${holders.length} hosts; peak RSS of the renter ${peak()} MiB`,
    );
    console.log(`receipts kept: ${(await deals.totals()).map(({ receipts }) => receipts).join(", ")}`);
  } finally {
    await files.stop();
    hosts.stdin.end();
    await mesh.close();
    await deals.stop();
    hosts.kill();
    await rm(directory, { recursive: true, force: true });
  }
}

async function wholeFile(files: Files, size: number): Promise<void> {
  const sent = createHash("sha256");
  const up = performance.now();
  const object = await files.put("bench", "whole", randomBody(size, sent));
  report("up", size, performance.now() - up);
  const got = createHash("sha256");
  const down = performance.now();
  for await (const chunk of files.read(object)) got.update(chunk);
  report("down", size, performance.now() - down);
  if (sent.digest("hex") !== got.digest("hex")) throw new Error("the file came back changed");
}

function report(what: string, bytes: number, ms: number): void {
  console.log(
    `${what}: ${(bytes / 1e6 / (ms / 1000)).toFixed(1)} MB/s (${bytes / 2 ** 20} MiB in ${(ms / 1000).toFixed(1)} s)`,
  );
}

async function* randomBody(size: number, hash: ReturnType<typeof createHash>): AsyncGenerator<Uint8Array> {
  const random = new SeededRandom(1);
  const block = random.fill(new Uint8Array(1 << 20));
  for (let at = 0; at < size; at += block.length) {
    const chunk = block.slice(0, Math.min(block.length, size - at));
    // No two chunks are alike.
    new DataView(chunk.buffer).setFloat64(0, at);
    hash.update(chunk);
    yield chunk;
  }
}

async function ranges(files: Files, size: number): Promise<void> {
  const object = await files.head("bench", "whole");
  const random = new SeededRandom(2);
  const times: number[] = [];
  for (let i = 0; i < RANGES; i++) {
    const first = random.below(size - 65_536);
    const start = performance.now();
    const body = files.read(object, { first, last: first + 65_535 })[Symbol.asyncIterator]();
    await body.next();
    times.push(performance.now() - start);
    await body.return?.();
  }
  console.log(`first byte of a range of 64 KiB: ${percentiles(times)}`);
}

async function smallFiles(files: Files): Promise<void> {
  const times: number[] = [];
  for (let i = 0; i < SMALL; i++) {
    const start = performance.now();
    await files.put("bench", `small ${i}`, one(new Uint8Array(1000).fill(i)));
    times.push(performance.now() - start);
  }
  console.log(`files of 1 kB, one after the other: ${percentiles(times)}`);
  const start = performance.now();
  await Promise.all(
    Array.from({ length: SMALL }, (_, i) =>
      files.put("bench", `many ${i}`, one(new Uint8Array(20_000).fill(i))),
    ),
  );
  console.log(`${SMALL} files of 20 kB at once: ${(performance.now() - start).toFixed(0)} ms`);
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function percentiles(times: readonly number[]): string {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!.toFixed(1);
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`;
}

/** Highest resident memory since the call, MiB. */
function watchMemory(): () => number {
  let peak = 0;
  const look = () => {
    peak = Math.max(peak, process.memoryUsage.rss());
  };
  const timer = setInterval(look, 50);
  return () => {
    clearInterval(timer);
    look();
    return Math.round(peak / 2 ** 20);
  };
}
