/**
 * Pairs of processes that are host, renter, provider and requester at once, of which one process or both are killed -9
 * at random instants of their puts, renders and audits, and started again. Whatever was acknowledged must be there at
 * the end: files that the S3 door took, jobs that the API took, receipts that were listed.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SeededRandom } from "#base/lib/random.ts";
import { echoCommand } from "#sharing/compute/core/test-modules.ts";
import { freePort } from "../../demo/free-port.ts";
import { type DemoPeer, until } from "../../demo/peer.ts";
import {
  befriend,
  lendDisks,
  PeerFolder,
  randomBytes,
  s3,
  s3Done,
  seesFriends,
} from "../e2e/words-restore-world.ts";
import { smallGlb } from "../support/render-scenes.ts";
import { sharingPidOf } from "../support/sharing-pid.ts";

const NAMES = ["Alice", "Bob", "Carol", "Dave"];
/** Audits all the time, and repair of what a dead host held. */
const OPTIONS = ["-auditepoch=3", "-hostaway=10", "-hostdead=30"];
/** Which process dies. */
const VICTIMS = ["main", "sharing", "both"] as const;
type Victim = (typeof VICTIMS)[number];
/** Seconds that anything may take while others die around it. */
const PATIENCE = 240;
/** Jobs of one peer that are under way at a time. */
const MOST_JOBS = 2;
/** Receipts that are remembered of each listing; the answer holds a thousand. */
const RECEIPTS = 400;
/** Jobs of each peer that are looked for: a node lists 200, among them some whose answer a death cut off. */
const JOBS = 150;
const LONGEST_CALM = 2500;
const SAMPLED = 3;

export interface KillsRun {
  readonly kills: number;
  readonly seed: number;
  readonly pairs: number;
  /** Pairs that may be dead at a time. */
  readonly hands: number;
  readonly say: (line: string) => void;
}

export interface KillsReport {
  readonly killed: Readonly<Record<Victim, number>>;
  readonly files: number;
  readonly overwritten: number;
  readonly jobs: number;
  readonly receipts: number;
  readonly seconds: number;
}

interface Job {
  readonly id: string;
  readonly state: string;
  readonly reason?: string;
  readonly outputs?: string;
}

/** @throws AssertionError that names what was acknowledged and is lost */
export async function sharingKills(options: KillsRun): Promise<KillsReport> {
  const parent = await mkdtemp(join(tmpdir(), "freehold-kills-"));
  const folder = new PeerFolder(parent);
  const run = new Kills(folder, options);
  try {
    return await run.run();
  } catch (error) {
    for (const line of await folder.lastWords()) options.say(line);
    throw error;
  } finally {
    run.end();
    await folder.close();
    await rm(parent, { recursive: true, force: true });
  }
}

class Kills {
  readonly #folder: PeerFolder;
  readonly #options: KillsRun;
  readonly #random: SeededRandom;
  readonly #killed: Record<Victim, number> = { main: 0, sharing: 0, both: 0 };
  readonly #ending = new AbortController();
  #pairs: Pair[] = [];
  readonly #dying = new Set<Pair>();

  constructor(folder: PeerFolder, options: KillsRun) {
    this.#folder = folder;
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
  }

  async run(): Promise<KillsReport> {
    const { kills, say, seed, pairs, hands } = this.#options;
    const started = performance.now();
    await this.#open(pairs);
    const working = this.#pairs.map((pair) => pair.work(this.#ending.signal));
    // A pair that finds something wrong ends the run.
    const wrong = Promise.all(working).then(() => new Promise<never>(() => {}));
    let begun = 0;
    let done = 0;
    const hand = async (): Promise<void> => {
      while (begun < kills) {
        begun++;
        await this.#killOne();
        done++;
        if (done % 10 === 0) say(`seed ${seed}: ${done} kills, ${this.#counts()}, ${seconds(started)} s`);
      }
    };
    await Promise.race([Promise.all(Array.from({ length: hands }, hand)), wrong]);
    this.end();
    await Promise.all(working);
    for (const pair of this.#pairs) await pair.checkAll();
    const sum = (count: (pair: Pair) => number) => this.#pairs.reduce((all, pair) => all + count(pair), 0);
    return {
      killed: this.#killed,
      files: sum((pair) => pair.files),
      overwritten: sum((pair) => pair.overwritten),
      jobs: sum((pair) => pair.jobs),
      receipts: sum((pair) => pair.receipts),
      seconds: seconds(started),
    };
  }

  /** Ends the pairs' work. */
  end(): void {
    this.#ending.abort();
  }

  #counts(): string {
    return this.#pairs.map((pair) => `${pair.name}: ${pair.files} files ${pair.jobs} jobs`).join(", ");
  }

  async #open(pairs: number): Promise<void> {
    const peers: DemoPeer[] = [];
    for (const name of NAMES.slice(0, pairs)) {
      // An address that outlives them: two that die together would not know where the other is now.
      const address = `-meshbind=/ip4/127.0.0.1/tcp/${await freePort()}`;
      peers.push(await this.#folder.peer(name, ...OPTIONS, address));
    }
    await befriend(peers);
    await lendDisks(peers);
    for (const peer of peers) await peer.api.post("/provider/start", {});
    for (const peer of peers) await seesFriends(peer, peers.length - 1, "storage");
    const scene = await smallGlb();
    this.#pairs = peers.map((peer) => new Pair(peer, new SeededRandom(this.#random.below(2 ** 32))));
    for (const pair of this.#pairs) await pair.prepare(scene);
  }

  /** One dies at a random instant of what all are doing, comes back, and is held to what it said. */
  async #killOne(): Promise<void> {
    await sleep(this.#random.below(LONGEST_CALM));
    const whole = this.#pairs.filter((pair) => !this.#dying.has(pair));
    const pair = whole[this.#random.below(whole.length)]!;
    this.#dying.add(pair);
    const victim = VICTIMS[this.#random.below(VICTIMS.length)]!;
    await pair.noteReceipts();
    await sleep(this.#random.below(500));
    await pair.kill(victim);
    this.#killed[victim]++;
    this.#dying.delete(pair);
    await pair.checkSome();
  }
}

/** One pair of processes, its work, and what it acknowledged. */
class Pair {
  readonly #peer: DemoPeer;
  readonly #random: SeededRandom;
  /** SHA-256 by path. */
  readonly #files = new Map<string, string>();
  /** By path of a file that is written again and again: the last number acknowledged, the last one sent. */
  readonly #counters = new Map<string, { acknowledged: number; sent: number }>();
  readonly #jobs = new Set<string>();
  readonly #receipts = new Set<string>();
  #next = 0;

  constructor(peer: DemoPeer, random: SeededRandom) {
    this.#peer = peer;
    this.#random = random;
  }

  get name(): string {
    return this.#peer.name;
  }

  get files(): number {
    return this.#files.size;
  }

  get overwritten(): number {
    return [...this.#counters.values()].reduce((sum, { acknowledged }) => sum + acknowledged, 0);
  }

  get jobs(): number {
    return this.#jobs.size;
  }

  get receipts(): number {
    return this.#receipts.size;
  }

  async prepare(scene: Uint8Array): Promise<void> {
    await writeFile(this.#path("scene.glb"), scene);
    await writeFile(this.#path("echo.wasm"), echoCommand);
    for (const name of ["input-0", "input-1"])
      await writeFile(this.#path(name), randomBytes(this.#random, 9000));
    await s3Done(this.#peer, "PUT", "/box");
  }

  #path(name: string): string {
    return join(this.#peer.folder, name);
  }

  /** Puts, gets and jobs until the signal; what fails because somebody is dead was not acknowledged. */
  async work(ended: AbortSignal): Promise<void> {
    while (!ended.aborted) {
      try {
        await this.#act();
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error;
      }
      await sleep(50 + this.#random.below(300));
    }
  }

  async #act(): Promise<void> {
    const dice = this.#random.below(10);
    if (dice < 4) await this.#put(1 + this.#random.below(dice === 0 ? 600_000 : 90_000));
    else if (dice < 6) await this.#count(`/box/counter-${this.#random.below(3)}`);
    else if (dice < 8) await this.#get();
    else await this.#submit(dice === 8 ? "render" : "run");
  }

  async #put(length: number): Promise<void> {
    const path = `/box/file-${this.#next++}`;
    const body = randomBytes(this.#random, length);
    const { status } = await s3(this.#peer, "PUT", path, { body });
    if (status === 200) this.#files.set(path, hashOf(body));
  }

  async #count(path: string): Promise<void> {
    const counter = this.#counters.get(path) ?? { acknowledged: 0, sent: 0 };
    this.#counters.set(path, counter);
    const number = ++counter.sent;
    const { status } = await s3(this.#peer, "PUT", path, { body: String(number) });
    if (status === 200) counter.acknowledged = number;
  }

  /** A read while others die may fail; it may not be false. */
  async #get(): Promise<void> {
    const paths = [...this.#files.keys()];
    if (paths.length === 0) return;
    const path = paths[this.#random.below(paths.length)]!;
    const { status, bytes, headers } = await s3(this.#peer, "GET", path);
    assert.notEqual(status, 404, `${this.name} lost ${path}`);
    if (status !== 200 || bytes.length !== Number(headers["content-length"])) return;
    assert.equal(hashOf(bytes), this.#files.get(path), `${this.name} ${path} is another`);
  }

  async #submit(kind: "render" | "run"): Promise<void> {
    const jobs = await this.#peer.api.get<readonly Job[]>("/jobs");
    for (const { id, state, reason } of jobs) {
      assert.ok(state !== "failed" && state !== "cancelled", `${this.name} job ${id}: ${reason}`);
    }
    const open = jobs.filter(({ state }) => state !== "done");
    if (open.length >= MOST_JOBS) return;
    const body =
      kind === "render"
        ? { scene: this.#path("scene.glb"), width: 40, height: 30, samples: 16 }
        : { module: this.#path("echo.wasm"), inputs: [this.#path("input-0"), this.#path("input-1")] };
    const job = await this.#peer.api.post<Job>(`/jobs/${kind}`, body);
    this.#jobs.add(job.id);
  }

  /** Takes note of what is listed now: it must be listed after any death. */
  async noteReceipts(): Promise<void> {
    const listed = await this.#listReceipts().catch(() => []);
    for (const name of listed.slice(0, RECEIPTS)) this.#receipts.add(name);
  }

  async #listReceipts(query: Record<string, string> = {}): Promise<string[]> {
    const receipts = await this.#peer.api.get<readonly Record<string, unknown>[]>("/receipts", {
      limit: 1000,
      ...query,
    });
    return receipts.map(({ deal, sequence, subject, proof }) => [deal, sequence, subject, proof].join(" "));
  }

  async kill(victim: Victim): Promise<void> {
    const main = await mainPid(this.#peer);
    switch (victim) {
      case "sharing": {
        const pid = sharingPidOf(main);
        if (pid !== undefined) end(pid);
        break;
      }
      case "main":
        end(main);
        await until(async () => (this.#peer.isRunning ? undefined : true), `${this.name}'s death`);
        await this.#peer.start();
        break;
      case "both":
        await this.#peer.kill();
        await this.#peer.start();
        break;
    }
    await until(() => this.#peer.sharing().catch(() => undefined), `${this.name} to share again`, PATIENCE);
  }

  /** Right after a death: receipts and jobs are listed, and a few files are there. */
  async checkSome(): Promise<void> {
    await this.#checkLists();
    const paths = [...this.#files.keys()];
    for (let i = 0; i < Math.min(SAMPLED, paths.length); i++) {
      await this.#checkFile(paths[this.#random.below(paths.length)]!);
    }
  }

  /** Everything that was ever acknowledged. */
  async checkAll(): Promise<void> {
    await this.#checkLists();
    for (const path of this.#files.keys()) await this.#checkFile(path);
    for (const [path, { acknowledged, sent }] of this.#counters) {
      if (acknowledged === 0) continue;
      const found = Number((await this.#read(path)).toString());
      assert.ok(
        found >= acknowledged && found <= sent,
        `${this.name} ${path}: ${found} of ${acknowledged}–${sent}`,
      );
    }
    for (const id of [...this.#jobs].slice(-JOBS)) await this.#checkJob(id);
  }

  async #checkLists(): Promise<void> {
    const [receipts, jobs] = await this.#patiently(
      async () => [await this.#listReceipts(), await this.#peer.api.get<readonly Job[]>("/jobs")] as const,
      "its lists",
    );
    const listed = new Set(receipts);
    // Beyond a thousand the oldest are not in the answer.
    const newest = [...this.#receipts].slice(-RECEIPTS);
    const isWhole = receipts.length < 1000;
    for (const name of isWhole ? this.#receipts : newest) {
      assert.ok(listed.has(name) || !isWhole, `${this.name} lost the receipt ${name}`);
    }
    const known = new Set(jobs.map(({ id }) => id));
    // Of hundreds, the oldest that have ended leave the list.
    for (const id of [...this.#jobs].slice(-JOBS))
      assert.ok(known.has(id), `${this.name} lost the job ${id}`);
  }

  async #checkFile(path: string): Promise<void> {
    assert.equal(hashOf(await this.#read(path)), this.#files.get(path), `${this.name} ${path} is another`);
  }

  /** Read while hosts come back: late is no loss, absent is. */
  #read(path: string): Promise<Buffer> {
    return this.#patiently(async () => {
      const { status, bytes, headers } = await s3(this.#peer, "GET", path);
      assert.notEqual(status, 404, `${this.name} lost ${path}`);
      const isWhole = status === 200 && bytes.length === Number(headers["content-length"]);
      return isWhole ? Buffer.from(bytes) : undefined;
    }, path);
  }

  async #checkJob(id: string): Promise<void> {
    const job = await this.#patiently(async () => {
      const now = await this.#peer.api.get<Job>(`/jobs/${id}`);
      assert.ok(now.state !== "failed" && now.state !== "cancelled", `${this.name} job ${id}: ${now.reason}`);
      return now.state === "done" ? now : undefined;
    }, `job ${id}`);
    const outputs = await readdir(job.outputs!);
    for (const name of outputs.filter((one) => one.endsWith(".out"))) {
      const input = await readFile(this.#path(name.replace(/\.out$/, "")));
      assert.ok(input.equals(await readFile(join(job.outputs!, name))), `${this.name} job ${id} ${name}`);
    }
  }

  /** Looks until it is there; a door that is shut for a moment is looked through again. */
  #patiently<T>(look: () => Promise<T | undefined>, what: string): Promise<T> {
    let last: unknown;
    const patient = async (): Promise<T | undefined> => {
      try {
        const found = await look();
        if (found === undefined) await sleep(200);
        return found;
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error;
        last = error;
        await sleep(200);
        return undefined;
      }
    };
    return until(patient, `${this.name}: ${what}`, PATIENCE).catch((error: Error) => {
      if (error instanceof assert.AssertionError) throw error;
      throw new Error(`${error.message}; last: ${String(last)}`);
    });
  }
}

function hashOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** The ledger's process of a peer, from its pid file. */
async function mainPid(peer: DemoPeer): Promise<number> {
  return Number(await readFile(join(peer.folder, "regtest", "bitcoind.pid"), "utf8"));
}

function end(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has just ended by itself.
  }
}

function seconds(since: number): number {
  return Math.round((performance.now() - since) / 1000);
}

/**
 * Kills pairs of processes at random instants.
 * @param args how many kills (200 when left out), the seed (1), how many pairs (4), and how many of
 *   them may be dead at a time (2)
 */
export async function run(args: string[]): Promise<void> {
  const [kills, seed, pairs, hands] = [
    args[0] ?? 200,
    args[1] ?? 1,
    args[2] ?? NAMES.length,
    args[3] ?? 2,
  ].map(Number) as [number, number, number, number];
  const report = await sharingKills({ kills, seed, pairs, hands, say: console.log });
  const { killed, files, overwritten, jobs, receipts } = report;
  console.log(
    `${kills} kills -9 (${killed.main} of main, ${killed.sharing} of sharing, ${killed.both} of both): nothing ` +
      `acknowledged is lost: ${files} files, ${overwritten} overwrites, ${jobs} jobs, ${receipts} receipts; ` +
      `${report.seconds} s`,
  );
}
