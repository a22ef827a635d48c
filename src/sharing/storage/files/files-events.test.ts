/** What is told of hosts and repair while they come and go: the page's picture of shards stands on it alone. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "#base/lib/clock.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import type { FilesEvent } from "./file-events.ts";
import { bodyOf, Circle, type Owner } from "./test-circle.ts";

const SCHEME = { needed: 2, total: 6 };
const POLICY = {
  scheme: SCHEME,
  slabBytes: 1 << 20,
  awaySeconds: 600,
  deadSeconds: 3600,
  epochSeconds: 7200,
};

/** Lets what is under way come to its end, while the clock stands. */
async function rest(): Promise<void> {
  for (let i = 0; i < 300; i++) await new Promise((resolve) => setImmediate(resolve));
}

class Told {
  readonly #events: FilesEvent[] = [];
  readonly #clock: ManualClock;

  constructor({ files }: Owner, clock: ManualClock) {
    this.#clock = clock;
    files.events.on((event) => void this.#events.push(event));
  }

  /** What was told since the last call, once `seconds` have passed. */
  async after(seconds: number): Promise<FilesEvent[]> {
    await rest();
    this.#clock.advance(1000 * seconds);
    await rest();
    this.#clock.advance(300);
    await rest();
    return this.#events.splice(0);
  }
}

function holders(events: readonly FilesEvent[]): string[] {
  return events.flatMap((event) => (event.type === "holder" ? [`${event.name} ${event.state}`] : []));
}

/** The last that was told of any slab's shards. */
function lastStates(events: readonly FilesEvent[]): string[] {
  const slab = events.findLast((event) => event.type === "slab");
  return slab?.type === "slab" ? slab.health.shards.map(({ state }) => state).sort() : [];
}

test("a host that goes, is missed, dies and comes back is told each time, with the shards it had", async () => {
  const clock = new ManualClock(1_700_000_000_000);
  const circle = await Circle.start({ hosts: 6, clock, policy: POLICY });
  const owner = await circle.owner();
  const told = new Told(owner, clock);
  await owner.files.createBucket("box");
  await owner.files.put("box", "key", bodyOf(circle.random.fill(new Uint8Array(100_000))));
  await told.after(3);
  circle.kill(2);
  const gone = await told.after(1);
  assert.deepEqual(holders(gone), ["host 2 away"]);
  assert.deepEqual(lastStates(gone), ["stored", "stored", "stored", "stored", "stored", "unproven"]);
  assert.deepEqual(await told.after(500), [], "nothing changes until it counts as missing");
  const missed = await told.after(100);
  assert.deepEqual(holders(missed), ["host 2 missing"]);
  assert.deepEqual(lastStates(missed), ["lost", "stored", "stored", "stored", "stored", "stored"]);
  circle.revive(2);
  const back = await told.after(1);
  assert.deepEqual(holders(back), ["host 2 ready"]);
  assert.deepEqual(lastStates(back), ["stored", "stored", "stored", "stored", "stored", "stored"]);
  circle.kill(2);
  await told.after(1);
  const dead = await told.after(3600);
  assert.deepEqual(holders(dead).at(-1), "host 2 dead");
  // A seventh host: the lost shards find a place there.
  await circle.addHost();
  const repaired = await told.after(1);
  const repairs = repaired.filter((event) => event.type === "repair");
  const { state, slabs } = repairs[0]!;
  assert.deepEqual([state, slabs > 0], ["begun", true]);
  assert.deepEqual(repairs.at(-1), {
    type: "repair",
    state: "ended",
    slabs,
    repaired: slabs,
    waiting: 0,
    unreadable: 0,
  });
  assert.deepEqual(lastStates(repaired), ["stored", "stored", "stored", "stored", "stored", "stored"]);
  await circle.stop();
});

test("a machine that starts while a host is away tells when it is missed", async () => {
  const clock = new ManualClock(1_700_000_000_000);
  const circle = await Circle.start({ hosts: 6, clock, policy: POLICY });
  const disk = new FaultWorld();
  const peer = { deviceSecret: new Uint8Array(32).fill(5) };
  const first = await circle.owner({ disk, peer });
  await first.files.createBucket("box");
  await first.files.put("box", "key", bodyOf(circle.random.fill(new Uint8Array(100_000))));
  await rest();
  await first.files.stop();
  circle.network.kill(first.mesh.self);
  circle.kill(4);
  const again = await circle.owner({ disk: disk.kill(), peer });
  const told = new Told(again, clock);
  assert.deepEqual(
    holders(await told.after(500)).filter((text) => text.startsWith("host 4")),
    [],
  );
  assert.deepEqual(holders(await told.after(101)), ["host 4 missing"]);
  assert.equal((await again.files.status()).hosts.find(({ name }) => name === "host 4")?.state, "missing");
  await circle.stop();
});

test("more slabs than an event stream can hold are told by their host, not one by one", async () => {
  const clock = new ManualClock(1_700_000_000_000);
  const circle = await Circle.start({ hosts: 6, clock, policy: { ...POLICY, slabBytes: 5000 } });
  const owner = await circle.owner();
  const told = new Told(owner, clock);
  await owner.files.createBucket("box");
  await owner.files.put("box", "key", bodyOf(circle.random.fill(new Uint8Array(600_000))));
  await told.after(3);
  circle.kill(0);
  const gone = await told.after(1);
  const [holder] = gone.filter((event) => event.type === "holder");
  assert.ok(holder!.shards >= 120);
  const slabs = gone.filter((event) => event.type === "slab").length;
  assert.ok(slabs > 0 && slabs <= 64, `${slabs} slabs were told`);
  await circle.stop();
});
