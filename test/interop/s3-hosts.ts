/**
 * One owner, many hosts, each a process on an address of its own /24: a file goes up by `aws s3 cp`, hosts are killed,
 * and the file is read and repaired. Bounded by its size: 32 MiB in the suite, 1 GiB by hand (test/soak/storage-hosts.ts).
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SeededRandom } from "#base/lib/random.ts";
import type { SlabHealth } from "#sharing/storage/file-store.ts";
import { S3Tools } from "./s3-clients.ts";
import { granted, SharingPeer } from "./s3-sharing-peer.ts";

const HOSTS = 16;
const SCHEME = { needed: 4, total: 12 };
/** Quick enough for a test; what is repaired and when does not hang on it. */
const FILES = { diversity: "strict", shards: SCHEME, auditEpoch: 2, awayAfter: 3, deadAfter: 6 } as const;
const BUCKET = "big";
const KEY = "file.bin";

export interface HostsRun {
  readonly megabytes: number;
  readonly seed: number;
  /** Most that one process may take, bytes. */
  readonly maxRss: number;
  readonly say: (line: string) => void;
}

/** @throws AssertionError where what was stored is not what comes back */
export async function storageHosts({ megabytes, seed, maxRss, say }: HostsRun): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "freehold-hosts-"));
  const circle = new Circle(folder, new SeededRandom(seed));
  try {
    await circle.open();
    say(`${HOSTS} hosts and their owner run, seed ${seed}`);
    await circle.upload(megabytes, say);
    await circle.killEight(say);
    await circle.repair(say);
    circle.checkMemory(maxRss, say);
  } catch (error) {
    say(`the owner said last:\n${circle.lastWords}`);
    throw error;
  } finally {
    await circle.close();
    await rm(folder, { recursive: true, force: true });
  }
}

class Circle {
  readonly #folder: string;
  readonly #random: SeededRandom;
  readonly #owner: SharingPeer;
  readonly #hosts = new Map<string, SharingPeer>();
  #link = "";
  #tools: S3Tools | undefined;
  #hash = "";

  constructor(folder: string, random: SeededRandom) {
    this.#folder = folder;
    this.#random = random;
    this.#owner = this.#peer("owner", 1);
  }

  #peer(name: string, network: number): SharingPeer {
    return new SharingPeer({
      name,
      folder: join(this.#folder, name),
      address: `127.0.${network}.1`,
      files: FILES,
    });
  }

  async open(): Promise<void> {
    await this.#owner.start();
    this.#link = granted(await this.#owner.control.invite({ uses: HOSTS + 1, seconds: 3600 })).link;
    for (let i = 0; i < HOSTS; i++) await this.#join(i);
    const keys = granted(await this.#owner.control.s3Keys());
    const { accessKey, secretKey, region, endpoint: url } = keys;
    this.#tools = new S3Tools({ url, region, accessKey, secretKey }, this.#folder);
  }

  /** A host starts, joins by the invitation and lends space. */
  async #join(index: number): Promise<SharingPeer> {
    const host = this.#peer(`host-${index}`, 10 + index);
    await host.start();
    granted(await host.control.addPeer({ link: this.#link }));
    granted(await host.control.startHost({ limitBytes: 4e9 }));
    this.#hosts.set((await host.control.status()).peer, host);
    return host;
  }

  async upload(megabytes: number, say: (line: string) => void): Promise<void> {
    const source = join(this.#folder, "source.bin");
    await writeRandom(source, megabytes, this.#random);
    this.#hash = await hashOf(source);
    const started = performance.now();
    await this.#aws("mb", `s3://${BUCKET}`);
    await this.#aws("cp", "--no-progress", source, `s3://${BUCKET}/${KEY}`);
    const seconds = (performance.now() - started) / 1000;
    const rate = `${(megabytes / seconds).toFixed(1)} MiB/s`;
    say(`${megabytes} MiB up in ${seconds.toFixed(1)} s, ${rate}; ${this.#ownersMemory()}`);
    // A write is acknowledged once enough hosts have it; the last ones follow.
    const end = performance.now() + 60_000;
    for (;;) {
      const placed = (await this.#health()).map(({ shards }) =>
        shards.filter(({ state }) => state !== "lost").map(({ host }) => host),
      );
      for (const hosts of placed) {
        assert.equal(new Set(hosts).size, hosts.length, "each shard of a slab is at another host");
      }
      if (placed.every((hosts) => hosts.length === SCHEME.total)) return;
      assert.ok(
        performance.now() < end,
        `of ${SCHEME.total} shards are placed: ${placed.map(({ length }) => length)}`,
      );
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  /** Any eight of the twelve may go: the four that are left of each slab, at least, are enough. */
  async killEight(say: (line: string) => void): Promise<void> {
    const { shards } = (await this.#health())[0]!;
    const doomed = this.#draw(
      shards.map(({ host }) => host),
      SCHEME.total - SCHEME.needed,
    );
    for (const host of doomed) await this.#hosts.get(host)!.kill();
    const started = performance.now();
    await this.#fetchAndCompare();
    const seconds = (performance.now() - started) / 1000;
    say(
      `${doomed.length} hosts killed -9; the file came back bit for bit in ${seconds.toFixed(1)} s; ${this.#ownersMemory()}`,
    );
  }

  /**
   * All but five of the dead come back, and a newcomer joins: with five of sixteen gone for good, eleven hosts alone
   * could not hold twelve places.
   */
  async repair(say: (line: string) => void): Promise<void> {
    const dead = [...this.#hosts.values()].filter((host) => !host.isRunning);
    for (const host of dead.slice(5)) await host.start();
    await this.#join(HOSTS);
    const gone = new Set([...this.#hosts].filter(([, host]) => !host.isRunning).map(([peer]) => peer));
    assert.equal(gone.size, 5);
    const started = performance.now();
    // A quarter of what was stored is made anew, by all the processes on one machine.
    const patience = 300 + 20 * (await this.#health()).length;
    for (;;) {
      const health = await this.#health();
      const whole = health.filter((slab) => {
        const live = slab.shards.filter(({ host, state }) => state === "stored" && !gone.has(host));
        return new Set(live.map(({ host }) => host)).size === SCHEME.total;
      });
      if (whole.length === health.length) break;
      const seconds = (performance.now() - started) / 1000;
      assert.ok(
        seconds < patience,
        `${health.length - whole.length} slabs still miss shards:\n${this.#owner.lines.join("\n")}`,
      );
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    const seconds = (performance.now() - started) / 1000;
    say(
      `${gone.size} hosts gone: all ${SCHEME.total} places of every slab are back after ${seconds.toFixed(1)} s`,
    );
    await this.#fetchAndCompare();
  }

  checkMemory(maxRss: number, say: (line: string) => void): void {
    const peaks = [this.#owner, ...this.#hosts.values()].map((peer) => ({
      name: peer.name,
      rss: peer.peakRss,
    }));
    const [most] = peaks.toSorted((a, b) => b.rss - a.rss);
    const owner = peaks[0]!;
    const text = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`;
    say(`largest RSS: owner ${text(owner.rss)}, of all ${most!.name} ${text(most!.rss)}`);
    assert.ok(most!.rss > 0 && most!.rss <= maxRss, `${most!.name} took ${text(most!.rss)}`);
  }

  #ownersMemory(): string {
    return `the owner's largest RSS so far ${Math.round(this.#owner.peakRss / 2 ** 20)} MiB`;
  }

  /** What the owner's process wrote, for a run that failed. */
  get lastWords(): string {
    return this.#owner.lines.join("\n");
  }

  async close(): Promise<void> {
    await Promise.all([this.#owner, ...this.#hosts.values()].map((peer) => peer.kill()));
  }

  async #health(): Promise<readonly SlabHealth[]> {
    return granted(await this.#owner.control.fileHealth({ bucket: BUCKET, key: KEY }));
  }

  async #fetchAndCompare(): Promise<void> {
    const back = join(this.#folder, "back.bin");
    await this.#aws("cp", "--no-progress", `s3://${BUCKET}/${KEY}`, back);
    assert.equal(await hashOf(back), this.#hash);
    await rm(back);
  }

  #aws(...args: string[]): Promise<string> {
    return this.#tools!.run("aws2", ["s3", ...args]);
  }

  #draw<T>(from: readonly T[], count: number): T[] {
    const left = [...from];
    return Array.from({ length: count }, () => left.splice(this.#random.below(left.length), 1)[0]!);
  }
}

async function writeRandom(path: string, megabytes: number, random: SeededRandom): Promise<void> {
  const block = random.fill(new Uint8Array(1 << 20));
  const file = await open(path, "w");
  try {
    for (let i = 0; i < megabytes; i++) {
      // Each MiB differs from the others.
      random.fill(block.subarray(0, 4096));
      await file.write(block);
    }
  } finally {
    await file.close();
  }
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest("hex");
}
