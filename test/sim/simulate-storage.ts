import assert from "node:assert/strict";
import { silentLogger } from "#base/lib/logger.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import { MemoryNetwork } from "#sharing/mesh/memory-mesh.ts";
import { SlabCodec } from "#sharing/storage/codec/slab-codec.ts";
import { Files } from "#sharing/storage/files/files.ts";
import { FriendlyDeals } from "#sharing/storage/files/test-circle.ts";
import { EventClock } from "./event-clock.ts";
import { LightHost } from "./light-host.ts";

export interface StorageSimulation {
  readonly seed: number;
  readonly peers: number;
  readonly files: number;
  readonly days: number;
  /** Share of peers that leave and come back all the time. */
  readonly restless: number;
  /** Share of peers that leave for good, at some time. */
  readonly mortal: number;
  readonly epochHours: number;
}

export interface SimulationFigures {
  readonly files: number;
  readonly lost: number;
  readonly bytes: number;
  readonly storedBytes: number;
  readonly departures: number;
  readonly returns: number;
  readonly deaths: number;
  readonly repaired: number;
  readonly audits: number;
  readonly fewestSound: number;
  readonly restored: number;
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** A thousand peers keep one account's files while some of them come and go; then every file is read, and restored. */
export async function simulateStorage(plan: StorageSimulation): Promise<SimulationFigures> {
  const random = new SeededRandom(plan.seed ^ 0x51_0a6e);
  const clock = new EventClock(Date.UTC(2026, 0, 1));
  const network = new MemoryNetwork({ clock, seed: plan.seed });
  const hosts = Array.from({ length: plan.peers }, (_, i) => {
    return new LightHost(network.join({ name: `peer ${i}`, ip: `10.${i >> 8}.${i & 255}.1` }));
  });
  const codec = new SlabCodec({ random, workers: 0 });
  const owner = async () => {
    const mesh = network.join({ name: "owner", accountSecret: new Uint8Array(32).fill(7) });
    const files = new Files({
      ...{
        mesh,
        deals: new FriendlyDeals(mesh.self),
        disk: new FaultWorld(),
        folder: "/files",
        clock,
        random,
      },
      ...{ log: silentLogger, filesKey: new Uint8Array(32).fill(9), workers: 0, codec },
      policy: { epochSeconds: plan.epochHours * 3600, awaySeconds: 6 * 3600, deadSeconds: 24 * 3600 },
    });
    await files.start();
    return files;
  };
  const files = await owner();
  const bodies = await clock.until(putAll(files, plan, random));
  const moves = comeAndGo(plan, clock, network, hosts, random);
  let repaired = 0;
  let fewestSound = Number.POSITIVE_INFINITY;
  files.events.on((event) => {
    if (event.type !== "slab") return;
    if (event.health.shards.every(({ state }) => state !== "repairing")) return;
    repaired += event.health.shards.filter(({ state }) => state === "repairing").length;
    const sound = event.health.shards.filter(
      ({ state }) => state === "stored" || state === "unproven",
    ).length;
    fewestSound = Math.min(fewestSound, sound - event.health.needed);
  });
  for (let hour = 0; hour < 24 * plan.days; hour += plan.epochHours) {
    await clock.pass(plan.epochHours * HOUR);
    await clock.until(files.settled());
  }
  moves.stopped = true;
  const lost = await clock.until(countLost(files, bodies));
  // And once more from the words alone.
  const again = await owner();
  await clock.until(again.sync());
  const notRestored = await clock.until(countLost(again, bodies));
  await clock.until(files.stop());
  await clock.until(again.stop());
  await codec.close();
  const sum = (of: (host: LightHost) => number) => hosts.reduce((total, host) => total + of(host), 0);
  return {
    files: bodies.size,
    lost,
    bytes: [...bodies.values()].reduce((total, body) => total + body.length, 0),
    storedBytes: sum((host) => host.bytes),
    ...{ departures: moves.departures, returns: moves.returns, deaths: moves.deaths },
    repaired,
    audits: sum((host) => host.served.audit),
    fewestSound,
    restored: bodies.size - notRestored,
  };
}

async function putAll(
  files: Files,
  plan: StorageSimulation,
  random: SeededRandom,
): Promise<Map<string, Uint8Array>> {
  const bodies = new Map<string, Uint8Array>();
  await files.createBucket("sim");
  for (let i = 0; i < plan.files; i++) {
    // Most files are small; some fill a slab of several stripes.
    const length = 1 + random.below([3000, 20_000, 200_000, 900_000][random.below(4)]!);
    bodies.set(`file ${i}`, random.fill(new Uint8Array(length)));
  }
  const names = [...bodies.keys()];
  for (let at = 0; at < names.length; at += 20) {
    await Promise.all(
      names
        .slice(at, at + 20)
        .map((name) => files.put("sim", name, one(bodies.get(name)!), { metadata: { name } })),
    );
  }
  return bodies;
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

interface Moves {
  departures: number;
  returns: number;
  deaths: number;
  stopped: boolean;
}

/** Restless peers are up half a day and away a quarter of one, in the mean; mortal ones go once and stay away. */
function comeAndGo(
  plan: StorageSimulation,
  clock: EventClock,
  network: MemoryNetwork,
  hosts: readonly LightHost[],
  random: SeededRandom,
): Moves {
  const moves: Moves = { departures: 0, returns: 0, deaths: 0, stopped: false };
  const drawn = (mean: number) => -mean * Math.log(1 - random.below(1_000_000) / 1_000_000);
  const leave = (host: LightHost): void => {
    if (moves.stopped) return;
    network.setOnline(host.mesh.self, false);
    moves.departures++;
    clock.after(drawn(6 * HOUR), () => comeBack(host));
  };
  const comeBack = (host: LightHost): void => {
    if (moves.stopped) return;
    network.setOnline(host.mesh.self, true);
    moves.returns++;
    clock.after(drawn(12 * HOUR), () => leave(host));
  };
  for (const host of hosts) {
    const fate = random.below(1000) / 1000;
    if (fate < plan.restless) clock.after(drawn(12 * HOUR), () => leave(host));
    else if (fate < plan.restless + plan.mortal) {
      clock.after(random.below(plan.days * DAY), () => {
        if (moves.stopped) return;
        network.setOnline(host.mesh.self, false);
        moves.deaths++;
      });
    }
  }
  return moves;
}

async function countLost(files: Files, bodies: ReadonlyMap<string, Uint8Array>): Promise<number> {
  let lost = 0;
  for (const [name, body] of bodies) {
    try {
      const chunks: Uint8Array[] = [];
      for await (const chunk of files.read(await files.head("sim", name))) chunks.push(chunk);
      assert.equal(Buffer.compare(Buffer.concat(chunks), body), 0, `${name} holds other bytes`);
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      lost++;
    }
  }
  return lost;
}

export function describe(plan: StorageSimulation, figures: SimulationFigures): string {
  const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  return (
    `${plan.peers} peers, ${plan.days} days, seed ${plan.seed}: ${figures.files} files of ${mib(figures.bytes)} ` +
    `(${mib(figures.storedBytes)} at the hosts), ${figures.lost} lost; ${figures.departures} departures, ` +
    `${figures.returns} returns, ${figures.deaths} deaths; ${figures.repaired} shards made anew, ` +
    `${figures.audits} audits passed, fewest sound shards beyond k ${figures.fewestSound}; ` +
    `${figures.restored} files restored from the words`
  );
}
