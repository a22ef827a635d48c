/** Jobs as their owner keeps house with them: listed and removed by command, over a kill -9. */
import assert from "node:assert/strict";
import { readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { echoCommand } from "#sharing/compute/core/test-modules.ts";
import type { DemoPeer } from "../../demo/peer.ts";
import { withPeers } from "./words-restore-world.ts";

interface Job {
  readonly id: string;
  readonly state: string;
  readonly outputs?: string;
  readonly bytes?: number;
}

async function run(peer: DemoPeer): Promise<Job> {
  const module = join(peer.folder, "echo.wasm");
  const input = join(peer.folder, "input");
  await writeFile(module, echoCommand);
  await writeFile(input, "hello");
  const { stdout } = await peer.freehold(["run", module, "--each", input, "--json"]);
  const job = JSON.parse(stdout) as Job;
  assert.equal(job.state, "done");
  return job;
}

test("jobs are listed and removed by command, and stay so when the node is killed", (t) =>
  withPeers(t, async (folder) => {
    const alice = await folder.peer("Alice");
    await alice.api.post("/wallet/new", {});
    await alice.sharing();
    const jobs = [await run(alice), await run(alice), await run(alice)];
    const listed = () => alice.ask<readonly Job[]>("jobs");
    const ids = (all: readonly Job[]) => all.map(({ id }) => id);
    const newest = ids(jobs).reverse();
    assert.deepEqual(ids(await listed()), newest);
    const { stdout: short } = await alice.freehold(["jobs", "--limit", "2"]);
    assert.match(short, /^(.+ 1 of 1.*\n){2}There are older ones: freehold jobs --limit 20\n$/);
    const gone = jobs[1]!;
    const { stdout: said } = await alice.freehold(["job", gone.id.slice(0, 8), "--remove"]);
    assert.match(said, /^Removed echo\.wasm over 1 input \([0-9a-f]{8}\): \d+ B\.\n$/);
    await assert.rejects(stat(gone.outputs!), { code: "ENOENT" });
    await assert.rejects(alice.freehold(["job", gone.id, "--remove"]), /no job/);
    await alice.kill();
    await alice.start();
    await alice.sharing();
    const left = newest.filter((id) => id !== gone.id);
    const found = await listed();
    assert.deepEqual(ids(found), left);
    assert.ok(found.every(({ bytes = 0 }) => bytes > 0));
    for (const { outputs } of found) assert.ok((await readdir(outputs!)).includes("input.out"));
  }));
