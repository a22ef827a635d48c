/**
 * Three pairs of processes, each host, renter, provider and requester at once: all put and get files and run jobs at
 * the same time; every job completes, every file is what it was, and the three make the same picture.
 */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { SeededRandom } from "#base/lib/random.ts";
import { echoCommand } from "#sharing/compute/core/test-modules.ts";
import { type DemoPeer, until } from "../../demo/peer.ts";
import { smallGlb } from "../support/render-scenes.ts";
import {
  befriend,
  lendDisks,
  PATIENCE,
  randomBytes,
  s3Done,
  seesFriends,
  withPeers,
} from "./words-restore-world.ts";

const NAMES = ["Alice", "Bob", "Carol"];
const SIZES = [0, 200, 70_000, 1_500_000];
const INPUTS = 4;
const PICTURE = { width: 64, height: 48, samples: 32, seed: 5 };

interface Job {
  readonly id: string;
  readonly state: string;
  readonly reason?: string;
  readonly outputs?: string;
  readonly tasks: readonly { readonly state: string; readonly providerName?: string }[];
}

async function finished(peer: DemoPeer, { id }: Job): Promise<Job> {
  return await until(
    async () => {
      const job = await peer.api.get<Job>(`/jobs/${id}`);
      if (job.state === "failed" || job.state === "cancelled") throw new Error(`${peer.name}: ${job.reason}`);
      return job.state === "done" ? job : undefined;
    },
    `${peer.name}'s job`,
    PATIENCE,
  );
}

/** Puts, and reads back. */
async function files(peer: DemoPeer, random: SeededRandom): Promise<void> {
  await s3Done(peer, "PUT", "/box");
  const written = SIZES.map((size, i) => ({ path: `/box/${i}`, body: randomBytes(random, size) }));
  await Promise.all(written.map(({ path, body }) => s3Done(peer, "PUT", path, { body })));
  for (const { path, body } of written) {
    const { bytes } = await s3Done(peer, "GET", path);
    assert.ok(Buffer.from(body).equals(bytes), `${peer.name} ${path}`);
  }
}

async function module(peer: DemoPeer, random: SeededRandom): Promise<Job> {
  const path = (name: string) => join(peer.folder, name);
  await writeFile(path("echo.wasm"), echoCommand);
  const inputs = [];
  for (let i = 0; i < INPUTS; i++) {
    await writeFile(path(`input-${i}`), randomBytes(random, 20_000 + i));
    inputs.push(path(`input-${i}`));
  }
  const job = await finished(
    peer,
    await peer.api.post<Job>("/jobs/run", { module: path("echo.wasm"), inputs }),
  );
  for (let i = 0; i < INPUTS; i++) {
    const output = await readFile(join(job.outputs!, `input-${i}.out`));
    assert.ok(output.equals(await readFile(inputs[i]!)), `${peer.name}: output ${i}`);
  }
  return job;
}

async function picture(peer: DemoPeer): Promise<{ job: Job; bytes: Uint8Array }> {
  const scene = join(peer.folder, "scene.glb");
  await writeFile(scene, await smallGlb());
  const job = await finished(peer, await peer.api.post<Job>("/jobs/render", { scene, ...PICTURE }));
  return { job, bytes: await readFile(join(job.outputs!, "picture.png")) };
}

test("three pairs are host, renter, provider and requester at once: all jobs complete, all files are equal", (t) =>
  withPeers(t, async (folder) => {
    const peers = await Promise.all(NAMES.map((name) => folder.peer(name, "-auditepoch=5")));
    await befriend(peers);
    await lendDisks(peers);
    for (const peer of peers) await peer.api.post("/provider/start", {});
    for (const peer of peers) await seesFriends(peer, peers.length - 1, "storage");
    for (const peer of peers) await seesFriends(peer, peers.length - 1, "compute");
    const started = performance.now();
    const pictures = await Promise.all(
      peers.map(async (peer, i) => {
        const random = new SeededRandom(100 + i);
        const [, ran, rendered] = await Promise.all([
          files(peer, random),
          module(peer, new SeededRandom(200 + i)),
          picture(peer),
        ]);
        return { name: peer.name, jobs: [ran, rendered.job], bytes: rendered.bytes };
      }),
    );
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    for (const { bytes } of pictures) assert.deepEqual(bytes, pictures[0]!.bytes);
    const tasks = pictures.flatMap(({ name, jobs }) =>
      jobs.flatMap((job) =>
        job.tasks.map((task) => ({ own: task.providerName === name, state: task.state })),
      ),
    );
    assert.ok(tasks.every(({ state }) => state === "verified"));
    for (const peer of peers) {
      const hosted = await peer.api.get<{ sharing: { host: { shards: number } } }>("/status");
      assert.ok(hosted.sharing.host.shards > 0, `${peer.name} hosts nothing`);
    }
    t.diagnostic(
      `${tasks.length} tasks (${tasks.filter(({ own }) => !own).length} on others' machines), ` +
        `${NAMES.length * SIZES.length} files, in ${seconds} s`,
    );
  }));
