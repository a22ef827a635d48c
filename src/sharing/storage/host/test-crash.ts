/**
 * A host whose machine dies again and again, by kill and by power cut, while renters store, drop and put heads; after
 * each restart it is held to all that it ever acknowledged. For the tests of this folder and `npm run soak`.
 */
import assert from "node:assert/strict";
import { equalBytes, toHex } from "#base/lib/bytes.ts";
import { ManualClock } from "#base/lib/clock.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { isDiskFull } from "#base/store/disk-error.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import { PowerOffError, type SyncRequest } from "#base/store/power.ts";
import { signingKeyFrom } from "#sharing/mesh/identity.ts";
import { CELL_BYTES, cellCountOf } from "../codec/scheme.ts";
import { verifyCells } from "../codec/shard-proof.ts";
import { decodeHeadRecord, encodeHeadRecord } from "../head-record.ts";
import { storageProtocol } from "../messages.ts";
import { shardCharge } from "./space.ts";
import { makeShard, startHost, type TestRenter, type TestShard } from "./test-host.ts";

const { methods } = storageProtocol;

export interface HostCrashOptions {
  readonly seed: number;
  /** How often the machine dies. */
  readonly lives: number;
  /** Syncs that do nothing: the mutant that must be noticed. */
  readonly leaveOut?: (sync: SyncRequest) => boolean;
}

export interface HostCrashReport {
  cuts: number;
  kills: number;
  /** Shards and heads that were acknowledged, and found again after some death. */
  shardsHeld: number;
  headsHeld: number;
  /** Uploads that went on after a death with cells that were there. */
  resumed: number;
}

/** What renters know of a shard: `maybe` when no answer came. */
type Fate = "maybe" | "stored" | "dropping" | "gone";

interface Known {
  readonly shard: TestShard;
  fate: Fate;
}

interface Device {
  readonly id: Uint8Array;
  acknowledged: number;
  attempted: number;
}

const LIMIT = 6 * 1024 * 1024;
const RENTERS = 2;
const WORKERS = 3;

class HostCrash {
  readonly #random: SeededRandom;
  readonly #options: HostCrashOptions;
  readonly #clock = new ManualClock(1_700_000_000_000);
  readonly #accounts: readonly Uint8Array[];
  readonly #headKeys: readonly ReturnType<typeof signingKeyFrom>[];
  readonly #shards: Map<string, Known>[];
  /** Uploads that were begun and not ended. */
  readonly #unfinished: TestShard[][];
  readonly #devices: Device[][];
  readonly report: HostCrashReport = { cuts: 0, kills: 0, shardsHeld: 0, headsHeld: 0, resumed: 0 };

  constructor(options: HostCrashOptions) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
    const each = <T>(make: () => T): T[] => Array.from({ length: RENTERS }, make);
    this.#accounts = each(() => this.#bytes(32));
    this.#headKeys = each(() => signingKeyFrom(this.#bytes(32)));
    this.#shards = each(() => new Map<string, Known>());
    this.#unfinished = each(() => []);
    this.#devices = each(() =>
      Array.from({ length: 2 }, () => ({ id: this.#bytes(16), acknowledged: -1, attempted: -1 })),
    );
  }

  #bytes(length: number): Uint8Array {
    return this.#random.fill(new Uint8Array(length));
  }

  /** @throws AssertionError when something acknowledged is lost. */
  async run(): Promise<void> {
    let world = new FaultWorld({ logBytes: 1_500 });
    for (let life = 0; life < this.#options.lives; life++) {
      if (this.#options.leaveOut !== undefined) world.leaveOutSyncs(this.#options.leaveOut);
      // Some die while they start.
      world.offAfter(this.#random.below(life % 5 === 0 ? 25 : 220));
      // Some run out of room before.
      const room = this.#random.below(4) === 0 ? this.#random.below(100_000) : Number.POSITIVE_INFINITY;
      world.capacity = world.used + room;
      await this.#live(world);
      if (this.#random.below(4) === 0) {
        this.report.kills++;
        world = world.kill();
      } else {
        this.report.cuts++;
        world = world.powerCut(this.#random);
      }
      world = await this.#check(world);
    }
  }

  /** One life: until the power goes off, or everyone has done enough. */
  async #live(world: FaultWorld): Promise<void> {
    const opened = await this.#start(world).catch((error) => {
      if (error instanceof PowerOffError || isDiskFull(error)) return undefined;
      throw error;
    });
    if (opened === undefined) return;
    const work: Promise<void>[] = [];
    for (let i = 0; i < WORKERS * RENTERS; i++) {
      work.push(this.#work(world, opened.renters[i % RENTERS]!, i % RENTERS));
    }
    await Promise.all(work);
    await opened.host.stop().catch((error) => {
      if (!(error instanceof PowerOffError)) throw error;
    });
  }

  async #start(world: FaultWorld) {
    const opened = await startHost({ disk: world, clock: this.#clock, host: { limitBytes: LIMIT } });
    const renters = this.#accounts.map((accountSecret) => opened.renter({ accountSecret }));
    return { ...opened, renters };
  }

  async #work(world: FaultWorld, renter: TestRenter, who: number): Promise<void> {
    for (let i = 0; i < 40 && !world.isOff; i++) {
      // So that a host whose index failed opens it anew.
      if (this.#random.below(6) === 0) this.#clock.advance(500);
      const choice = this.#random.below(10);
      if (choice < 5) await this.#store(renter, who);
      else if (choice < 7) await this.#drop(renter, who);
      else if (choice < 9) await this.#putHead(renter, who);
      else await this.#abandon(renter, who);
    }
  }

  async #store(renter: TestRenter, who: number): Promise<void> {
    const length = 1 + this.#random.below(this.#random.below(3) === 0 ? 3 * CELL_BYTES : 3_000);
    const shard = makeShard(this.#random, length);
    if (!(await renter.begin(shard)).ok) return;
    this.#unfinished[who]!.push(shard);
    for (let cell = 0; cell < cellCountOf(length); cell++) {
      // Some uploads stay as they are.
      if (this.#random.below(8) === 0 || !(await renter.put(shard, cell)).ok) return;
    }
    await this.#finish(renter, who, shard);
  }

  async #finish(renter: TestRenter, who: number, shard: TestShard): Promise<void> {
    const known: Known = { shard, fate: "maybe" };
    this.#shards[who]!.set(toHex(shard.root), known);
    const ended = await renter.finish(shard);
    if (ended.ok) known.fate = "stored";
    if (ended.ok) this.#unfinished[who] = this.#unfinished[who]!.filter((other) => other !== shard);
  }

  async #drop(renter: TestRenter, who: number): Promise<void> {
    const known = [...this.#shards[who]!.values()].filter(({ fate }) => fate === "stored");
    if (known.length < 3) return;
    const chosen = known[this.#random.below(known.length)]!;
    chosen.fate = "dropping";
    const dropped = await renter.call(methods.drop, { roots: [chosen.shard.root] });
    if (dropped.ok) chosen.fate = "gone";
  }

  async #abandon(renter: TestRenter, who: number): Promise<void> {
    const shard = this.#unfinished[who]!.pop();
    if (shard !== undefined) await renter.call(methods.abandon, { upload: shard.upload });
  }

  async #putHead(renter: TestRenter, who: number): Promise<void> {
    const device = this.#devices[who]![this.#random.below(2)]!;
    const key = this.#headKeys[who]!;
    const sequence = ++device.attempted;
    const body = new TextEncoder().encode(`${toHex(device.id)} ${sequence}`);
    const record = encodeHeadRecord({ headKey: key.publicKey, device: device.id, sequence, body }, key);
    const put = await renter.call(methods["put-head"], { record });
    if (put.ok) device.acknowledged = Math.max(device.acknowledged, sequence);
  }

  /** Starts the machine again and holds it to what it acknowledged. @returns the world to go on with. */
  async #check(world: FaultWorld): Promise<FaultWorld> {
    world.capacity = Number.POSITIVE_INFINITY;
    const { host, renters } = await this.#start(world);
    let counted = 0;
    for (const [who, renter] of renters.entries()) {
      counted += await this.#checkShards(renter, who);
      await this.#checkHeads(renter, who);
      await this.#resume(renter, who);
    }
    const { usedBytes } = host.status();
    assert.ok(usedBytes <= LIMIT, "the limit holds after a crash");
    assert.ok(counted <= usedBytes, "what is stored is counted");
    assert.ok((await bytesBelow(world, "/host/shards")) <= usedBytes, "no file is left uncounted");
    await host.stop();
    // The check itself is no death: what it wrote is there.
    return world.kill();
  }

  async #checkShards(renter: TestRenter, who: number): Promise<number> {
    const page = await renter.call(methods.list, { limit: 500 });
    assert.ok(page.ok, "the list is answered");
    assert.equal(page.value.more, false);
    let charge = 0;
    const listed = new Set<string>();
    for (const { root, length, state } of page.value.shards) {
      const known = this.#shards[who]!.get(toHex(root));
      assert.ok(
        known !== undefined && known.fate !== "gone",
        "nothing is listed that was dropped or never stored",
      );
      assert.equal(state, "stored", "no shard is lost");
      listed.add(toHex(root));
      charge += shardCharge(length);
    }
    for (const [name, known] of this.#shards[who]!) {
      const isThere = listed.has(name);
      if (known.fate === "stored") assert.ok(isThere, "an acknowledged shard is listed");
      if (isThere) await this.#checkShard(renter, known.shard);
      if (known.fate === "stored") this.report.shardsHeld++;
      // What was in doubt is settled now, for good.
      known.fate = isThere ? "stored" : "gone";
    }
    return charge;
  }

  async #checkShard(renter: TestRenter, shard: TestShard): Promise<void> {
    const count = cellCountOf(shard.length);
    const read = await renter.read(shard, 0, count);
    assert.ok(read.ok, "a listed shard is read");
    assert.ok(equalBytes(read.value.bytes, shard.bytes), "bit for bit");
    assert.ok(verifyCells(shard, { first: 0, count }, read.value.bytes, read.value.proof));
  }

  async #checkHeads(renter: TestRenter, who: number): Promise<void> {
    const { publicKey } = this.#headKeys[who]!;
    const found = await renter.call(methods["get-heads"], { headKey: publicKey });
    assert.ok(found.ok, "heads are answered");
    const records = found.value.records.map(decodeHeadRecord);
    for (const device of this.#devices[who]!) {
      const record = records.find(({ device: id }) => equalBytes(id, device.id));
      const sequence = record?.sequence ?? -1;
      assert.ok(sequence >= device.acknowledged, "an acknowledged head, or a later one, is there");
      assert.ok(sequence <= device.attempted);
      if (device.acknowledged >= 0) this.report.headsHeld++;
      device.acknowledged = sequence;
    }
  }

  /** Goes on with what was under way; whatever the crash left of it, it can be ended. */
  async #resume(renter: TestRenter, who: number): Promise<void> {
    for (const shard of this.#unfinished[who]!.splice(0)) {
      const begun = await renter.begin(shard);
      if (!begun.ok) continue;
      const { have } = begun.value;
      if (have.some((bits) => bits !== 0)) this.report.resumed++;
      for (let cell = 0; cell < cellCountOf(shard.length); cell++) {
        const isThere = (have[cell >> 3]! >> (cell & 7)) & 1;
        if (!isThere) assert.ok((await renter.put(shard, cell)).ok);
      }
      await this.#finish(renter, who, shard);
      const { fate } = this.#shards[who]!.get(toHex(shard.root))!;
      assert.equal(fate, "stored", "an upload that went on is ended");
    }
  }
}

async function bytesBelow(world: FaultWorld, path: string): Promise<number> {
  let sum = 0;
  for (const name of await world.files.readDirectory(path)) {
    const below = `${path}/${name}`;
    const stat = (await world.files.stat(below))!;
    sum += stat.isDirectory ? await bytesBelow(world, below) : stat.size;
  }
  return sum;
}

/** Lets a host die as often as told. @throws AssertionError when something acknowledged is lost. */
export async function sufferHostCrashes(options: HostCrashOptions): Promise<HostCrashReport> {
  const crash = new HostCrash(options);
  await crash.run();
  return crash.report;
}

/** What happens when one kind of sync is left out. */
export const HOST_MUTANTS: Readonly<Record<string, (sync: SyncRequest) => boolean>> = {
  "content of shard files": ({ kind, path }) => kind === "file" && path.includes("/shards/"),
  "entries of shard folders": ({ kind, path }) => kind === "directory" && /\/shards\/\d+$/.test(path),
  index: ({ kind, path }) => kind === "store" && path.endsWith("/index"),
};
