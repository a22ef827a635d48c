/** A render over six providers: one dies, one cheats, one is ten times slower. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { RunOutcome, RunTask, TaskRunner } from "#sharing/compute/core/task-runner.ts";
import type { JobView } from "#sharing/compute/requester/job-view.ts";
import { type ComputePeer, ComputeWorld, DirectRunner, putFile } from "#sharing/compute/test-world.ts";
import { TAMPERING_TEXT, TAMPERINGS, TamperedRunner, type Tampering } from "../../demo/tampering.ts";
import { smallGlb } from "../support/render-scenes.ts";

const SETTINGS = { width: 96, height: 64, samples: 64, seed: 5, tileSize: 16 };

/** Milliseconds: later than the whole render. */
const LATE = 20_000;

class SlowRunner implements TaskRunner {
  readonly #honest = new DirectRunner();

  async run(task: RunTask, signal: AbortSignal): Promise<RunOutcome> {
    const began = performance.now();
    const outcome = await this.#honest.run(task, signal);
    await new Promise((resolve) => setTimeout(resolve, 9 * (performance.now() - began)));
    return outcome;
  }
}

async function render(peer: ComputePeer): Promise<{ job: JobView; picture: Uint8Array }> {
  const scene = await putFile(peer, "scene.glb", await smallGlb());
  const taken = await peer.requester.submit("render", SETTINGS, [scene]);
  assert.ok(taken.ok, JSON.stringify(taken));
  const job = (await peer.requester.ended(taken.value.id))!;
  assert.equal(job.state, "done", job.reason);
  return { job, picture: await peer.disk.files.readFile(`${job.outputs}/picture.png`) };
}

async function receiptsOf(peer: ComputePeer, role: "buyer" | "seller"): Promise<string[]> {
  const receipts = await peer.deals.receipts({ service: "compute", role, limit: 1000 });
  return receipts.map(({ subject, deal }) => `${deal} ${subject}`).sort();
}

async function renderOverSix(t: TestContext, cheat: Tampering): Promise<void> {
  const world = new ComputeWorld(t, 6);
  const single = await render(await world.join({ mesh: { circle: "alone" }, lends: false }));
  const erin = await world.join({ lends: false, requester: { lanes: 0 } });
  const honest = [await world.join(), await world.join(), await world.join()];
  const slow = await world.join({ runner: new SlowRunner() });
  const dies = await world.join();
  const cheats = await world.join({ runner: new TamperedRunner(new DirectRunner(), cheat, LATE) });
  dies.provider.changed.on(({ done }) => {
    if (done === 1) world.network.kill(dies.mesh.self);
  });
  const { job, picture } = await render(erin);
  assert.deepEqual(picture, single.picture, "the picture is that of one machine");

  const verified = job.tasks.filter((task) => task.state === "verified");
  assert.equal(verified.length, 24);
  const bought = await receiptsOf(erin, "buyer");
  const others = verified.filter((task) => task.provider !== erin.mesh.self);
  assert.equal(bought.length, others.length, "a receipt for each verified task, and no other");
  const providers = [...honest, slow, dies, cheats];
  const sold = (await Promise.all(providers.map((peer) => receiptsOf(peer, "seller")))).flat().sort();
  assert.deepEqual(sold, bought, "receipts are equal on both sides");

  const caught = erin.events.filter((event) => event.type === "cheat");
  if (cheat === "late") assert.equal(caught.length, 0, "late is not false");
  else {
    assert.deepEqual([...new Set(caught.map(({ peer }) => peer))], [cheats.mesh.self], "the cheat is named");
    assert.equal(erin.mesh.view(cheats.mesh.self)?.standing, "banned");
  }
  assert.equal((await receiptsOf(cheats, "seller")).length, 0, "the cheat got nothing");
}

for (const cheat of TAMPERINGS) {
  test(`over six providers with one that ${TAMPERING_TEXT[cheat]}, the picture is exact and the receipts are equal`, (t) =>
    renderOverSix(t, cheat));
}
