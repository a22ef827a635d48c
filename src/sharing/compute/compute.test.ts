import assert from "node:assert/strict";
import { test } from "node:test";
import { echoCommand } from "./core/test-modules.ts";
import { readCommandOutput } from "./core/wasm-job.ts";
import type { JobView } from "./requester/job-view.ts";
import { type ComputePeer, ComputeWorld, putFile } from "./test-world.ts";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

async function echoJob(peer: ComputePeer, inputs: number): Promise<JobView> {
  const paths = [await putFile(peer, "echo.wasm", echoCommand)];
  for (let i = 0; i < inputs; i++) paths.push(await putFile(peer, `input-${i}`, text(`hello ${i}`)));
  const taken = await peer.requester.submit("wasm", { args: [], seed: 1 }, paths);
  assert.ok(taken.ok, JSON.stringify(taken));
  return (await peer.requester.ended(taken.value.id))!;
}

async function receiptsOf(peer: ComputePeer, role: "buyer" | "seller"): Promise<string[]> {
  const receipts = await peer.deals.receipts({ service: "compute", role, limit: 10_000 });
  return receipts.map(({ subject, sequence, deal }) => `${deal} ${sequence} ${subject}`).sort();
}

test("a run job without any provider is done by this machine", async (t) => {
  const world = new ComputeWorld(t);
  const alice = await world.join({ lends: false });
  const job = await echoJob(alice, 3);
  assert.equal(job.state, "done", job.reason);
  for (let i = 0; i < 3; i++) {
    const output = await alice.disk.files.readFile(`${job.outputs}/input-${i}.out`);
    assert.equal(new TextDecoder().decode(output), `hello ${i}`);
  }
});

test("a run job over three providers: receipts equal verified tasks on both sides", async (t) => {
  const world = new ComputeWorld(t);
  const alice = await world.join({ lends: false, requester: { lanes: 0 } });
  const providers = [await world.join(), await world.join(), await world.join()];
  const job = await echoJob(alice, 40);
  assert.equal(job.state, "done", job.reason);
  assert.ok(job.tasks.every((task) => task.state === "verified"));
  const bought = await receiptsOf(alice, "buyer");
  const sold = (await Promise.all(providers.map((peer) => receiptsOf(peer, "seller")))).flat().sort();
  assert.deepEqual(sold, bought);
  const byOthers = job.tasks.filter((task) => task.provider !== alice.mesh.self);
  assert.ok(byOthers.length > 20, `${byOthers.length} of 40 by others`);
  assert.ok(bought.length >= byOthers.length);
  assert.ok(readCommandOutput(new Uint8Array(0)) === undefined);
});
