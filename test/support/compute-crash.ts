/** Jobs whose requester or provider dies at a random instant, over and over, on disks that lose power. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { SeededRandom } from "#base/lib/random.ts";
import { echoCommand } from "#sharing/compute/core/test-modules.ts";
import { type ComputePeer, ComputeWorld, putFile } from "#sharing/compute/test-world.ts";

const TASKS = 12;
export type Victim = "requester" | "provider";

/** What one round was, for the report. */
export interface CrashRound {
  readonly victim: Victim;
  readonly powerCut: boolean;
  /** Tasks that were verified when it died. */
  readonly verified: number;
}

/** One job of which a side dies somewhere; it must end right, with as many receipts on both sides. */
export async function crashRound(t: Pick<TestContext, "after">, round: number): Promise<CrashRound> {
  const random = new SeededRandom(round);
  const world = new ComputeWorld(t, 1000 + round);
  const victim: Victim = random.below(2) === 0 ? "requester" : "provider";
  const powerCut = random.below(2) === 0;
  const [aliceKey, bobKey] = [7, 8].map((byte) => new Uint8Array(32).fill(byte)) as [Uint8Array, Uint8Array];
  let bob = await world.join({ mesh: { deviceSecret: bobKey, accountSecret: bobKey } });
  const forAlice = {
    lends: false,
    requester: { lanes: 0 },
    mesh: { deviceSecret: aliceKey, accountSecret: aliceKey },
  };
  let alice = await world.join(forAlice);
  const id = await submit(alice);
  // An instant somewhere in the job: after so many of its events, and some turns of the loop.
  const events = random.below(5 * TASKS);
  for (let i = 0; i < events && stateOf(alice) === "running"; i++) await alice.requester.events.next();
  for (let i = random.below(20); i > 0; i--) await new Promise((resolve) => setImmediate(resolve));
  const verified = alice.requester.underWay()[0]?.counts.verified ?? TASKS;

  const dies = victim === "requester" ? alice : bob;
  const disk = powerCut ? dies.disk.powerCut(random) : dies.disk.kill();
  world.network.kill(dies.mesh.self);
  if (victim === "requester") {
    alice = await world.join({ ...forAlice, disk });
    alice.requester.resume();
  } else {
    bob = await world.join({ mesh: { deviceSecret: bobKey, accountSecret: bobKey }, disk, lends: false });
    assert.equal(bob.provider.status().on, true, "it is on again by itself");
  }
  const job = await alice.requester.ended(id);
  assert.equal(job?.state, "done", `round ${round}: ${job?.reason}`);
  await checkOutputs(alice, `${job.outputs}`);
  await checkReceipts(alice, bob, round);
  return { victim, powerCut, verified };
}

function stateOf(alice: ComputePeer): string {
  return alice.requester.underWay()[0]?.state ?? "done";
}

async function submit(alice: ComputePeer): Promise<string> {
  const paths = [await putFile(alice, "echo.wasm", echoCommand)];
  for (let i = 0; i < TASKS; i++) {
    paths.push(await putFile(alice, `input-${i}`, new TextEncoder().encode(`hello ${i}`)));
  }
  const taken = await alice.requester.submit("wasm", { args: [], seed: 1 }, paths);
  assert.ok(taken.ok, JSON.stringify(taken));
  return taken.value.id;
}

async function checkOutputs(alice: ComputePeer, folder: string): Promise<void> {
  for (let i = 0; i < TASKS; i++) {
    const output = await alice.disk.files.readFile(`${folder}/input-${i}.out`);
    assert.equal(new TextDecoder().decode(output), `hello ${i}`);
  }
}

async function checkReceipts(alice: ComputePeer, bob: ComputePeer, round: number): Promise<void> {
  const lines = async (peer: ComputePeer, role: "buyer" | "seller"): Promise<string[]> => {
    const receipts = await peer.deals.receipts({ service: "compute", role, limit: 1000 });
    return receipts.map(({ deal, sequence, subject }) => `${deal} ${sequence} ${subject}`).sort();
  };
  const bought = await lines(alice, "buyer");
  assert.deepEqual(bought, await lines(bob, "seller"), `round ${round}: receipts differ`);
  const subjects = new Set(bought.map((line) => line.split(" ")[2]));
  assert.equal(subjects.size, bought.length, `round ${round}: a task was paid twice`);
}
