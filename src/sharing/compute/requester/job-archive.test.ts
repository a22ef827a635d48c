import assert from "node:assert/strict";
import { test } from "node:test";
import { queryObjects } from "node:v8";
import { silentLogger } from "#base/lib/logger.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import { PowerOffError } from "#base/store/power.ts";
import { writeAtomically } from "#base/store/write-atomically.ts";
import { decodeCbor, encodeCbor } from "#sharing/mesh/cbor.ts";
import { echoCommand } from "../core/test-modules.ts";
import { type ComputePeer, ComputeWorld, DirectRunner, putFile } from "../test-world.ts";
import { JobArchive } from "./job-archive.ts";
import { JobRun } from "./job-run.ts";
import { JobStore } from "./job-store.ts";
import type { JobView } from "./job-view.ts";
import { storedView } from "./stored-view.ts";

const FOLDER = "/data/jobs";
const ALL = { limit: 1000 };
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

async function submit(peer: ComputePeer): Promise<string> {
  const paths = [
    await putFile(peer, "echo.wasm", echoCommand),
    await putFile(peer, "input-0", text("hello")),
  ];
  const taken = await peer.requester.submit("wasm", { args: [], seed: 1 }, paths);
  assert.ok(taken.ok, JSON.stringify(taken));
  return taken.value.id;
}

/** A job that has ended and is put away. */
async function endedJob(peer: ComputePeer): Promise<JobView> {
  const job = (await peer.requester.ended(await submit(peer)))!;
  while (peer.requester.underWay().some(({ id }) => id === job.id)) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  return job;
}

async function listed(peer: ComputePeer): Promise<string[]> {
  return (await peer.requester.jobs(ALL)).map(({ id }) => id);
}

/** Counts jobs whose records are read; `seen` is called before each with its number. */
function countReads(disk: FaultWorld, seen: (read: number) => void = () => {}): () => number {
  const readFile = disk.files.readFile.bind(disk.files);
  let reads = 0;
  disk.files.readFile = async (path, length) => {
    if (path.endsWith("/job")) {
      seen(++reads);
    }
    return readFile(path, length);
  };
  return () => reads;
}

/** All ids, asked for two at a time. */
async function pagedIds(peer: ComputePeer): Promise<string[]> {
  const ids: string[] = [];
  let page = await peer.requester.jobs({ limit: 2 });
  while (page.length > 0) {
    ids.push(...page.map(({ id }) => id));
    const { created, id } = page.at(-1)!;
    page = await peer.requester.jobs({ limit: 2, after: { created, id } });
  }
  return ids;
}

test("every job that has a folder is listed page by page and shown, before and after a restart", async (t) => {
  const world = new ComputeWorld(t, 1);
  const alice = await world.join({ lends: false });
  const jobs: JobView[] = [];
  for (let i = 0; i < 5; i++) jobs.push(await endedJob(alice));
  const newestFirst = jobs.toSorted((a, b) => b.created - a.created || (b.id < a.id ? -1 : 1));
  const check = async (peer: ComputePeer): Promise<void> => {
    assert.deepEqual(
      await pagedIds(peer),
      newestFirst.map(({ id }) => id),
    );
    const [newest] = await peer.requester.jobs({ limit: 1 });
    assert.deepEqual([newest?.state, newest?.counts, newest?.tasks], ["done", { total: 1, verified: 1 }, []]);
    assert.ok(newest!.bytes! > 0);
    const shown = await peer.requester.job(newest!.id);
    assert.deepEqual(shown, { ok: true, value: { ...newestFirst[0]!, bytes: newest!.bytes } });
  };
  await check(alice);
  await check(await world.join({ lends: false, disk: alice.disk.kill() }));
});

test("a start reads the jobs that the index lacks, one at a time, and no others", async (t) => {
  const world = new ComputeWorld(t, 2);
  const alice = await world.join({ lends: false });
  for (let i = 0; i < 8; i++) await endedJob(alice);
  const ids = await listed(alice);
  const known = alice.disk.kill();
  const none = countReads(known);
  const again = await world.join({ lends: false, disk: known });
  assert.deepEqual([await listed(again), none()], [ids, 0]);
  const bare = known.kill();
  await bare.destroyStore(`${FOLDER}/index`);
  const before = queryObjects(JobRun, { format: "count" });
  let held = 0;
  const all = countReads(bare, (read) => {
    // When the last is read, all others have been.
    if (read === 8) held = queryObjects(JobRun, { format: "count" }) - before;
  });
  const third = await world.join({ lends: false, disk: bare });
  assert.deepEqual([await listed(third), all()], [ids, 8]);
  assert.ok(held <= 2, `${held} jobs in memory at a time`);
});

test("a job that has ended is removed with its folder; one under way is not", async (t) => {
  const world = new ComputeWorld(t, 3);
  const gate = Promise.withResolvers<void>();
  const runner = new DirectRunner();
  let isHeld = false;
  const alice = await world.join({
    lends: false,
    ownRunner: {
      run: async (task, signal) => {
        if (isHeld) await gate.promise;
        return runner.run(task, signal);
      },
    },
  });
  const first = await endedJob(alice);
  const second = await endedJob(alice);
  isHeld = true;
  const running = await submit(alice);
  const refused = await alice.requester.remove(running);
  assert.ok(!refused.ok && /cancel it first/.test(refused.reason));
  const removed = await alice.requester.remove(first.id.slice(0, 10));
  assert.ok(removed.ok && removed.value.id === first.id && removed.value.outputs === undefined);
  assert.deepEqual(alice.events.at(-1), { type: "job-removed", job: first.id });
  assert.deepEqual(await listed(alice), [running, second.id]);
  assert.deepEqual(await alice.requester.remove(first.id), { ok: false, reason: `no job ${first.id}` });
  assert.deepEqual(await alice.requester.job(first.id), { ok: false, reason: `no job ${first.id}` });
  gate.resolve();
  await alice.requester.cancel(running);
  // Whoever asks twice at a time is told that it goes, not that it failed.
  const both = await Promise.all([alice.requester.remove(running), alice.requester.remove(running)]);
  assert.ok(both.some(({ ok }) => ok));
  const names = await alice.disk.files.readDirectory(FOLDER);
  assert.deepEqual(
    names.filter((name) => /^[0-9a-f]{8}/.test(name)),
    [second.id],
  );
  const again = await world.join({ lends: false, disk: alice.disk.kill() });
  assert.deepEqual(await listed(again), [second.id]);
});

test("a job that is removed while its end is being put away does not come back", async (t) => {
  const world = new ComputeWorld(t, 11);
  const disk = new FaultWorld();
  const stat = disk.files.stat.bind(disk.files);
  const gate = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  disk.files.stat = async (path) => {
    const found = await stat(path);
    if (path.endsWith("/input-0.out")) {
      asked.resolve();
      await gate.promise;
    }
    return found;
  };
  const alice = await world.join({ lends: false, disk });
  const job = (await alice.requester.ended(await submit(alice)))!;
  await asked.promise;
  const removing = alice.requester.remove(job.id);
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
  gate.resolve();
  assert.ok((await removing).ok);
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([await listed(alice), alice.requester.underWay()], [[], []]);
  const again = await world.join({ lends: false, disk: disk.kill() });
  assert.deepEqual(await listed(again), []);
});

test("a job is removed on a disk that is full", async (t) => {
  const world = new ComputeWorld(t, 4);
  const alice = await world.join({ lends: false });
  const job = await endedJob(alice);
  alice.disk.capacity = alice.disk.used;
  const removed = await alice.requester.remove(job.id);
  assert.ok(removed.ok, JSON.stringify(removed));
  assert.equal(await alice.disk.files.stat(job.outputs!), undefined);
  assert.deepEqual(await listed(alice), []);
});

test("a job that the disk has no room for is refused with the reason, and leaves no folder", async (t) => {
  const world = new ComputeWorld(t, 10);
  const alice = await world.join({ lends: false });
  const module = await putFile(alice, "echo.wasm", echoCommand);
  alice.disk.capacity = alice.disk.used + 10;
  const taken = await alice.requester.submit("wasm", { args: [], seed: 1 }, [module]);
  assert.ok(!taken.ok && /ENOSPC/.test(taken.reason), JSON.stringify(taken));
  const names = await alice.disk.files.readDirectory(FOLDER);
  assert.deepEqual(
    names.filter((name) => /^[0-9a-f]{8}/.test(name)),
    [],
  );
  assert.deepEqual(await listed(alice), []);
});

/** What is kept of a job that has ended. */
const RECORD = {
  kind: "wasm",
  title: "a.wasm",
  created: 1,
  order: new Uint8Array(16),
  settings: encodeCbor({ args: [], seed: 1 }),
  tasks: [],
} as const;
const ENDED = { type: "ended", state: "done", reason: "", time: 2 } as const;
const NAMES = ["input-0.out", "job", "journal"];

function openArchive(disk: FaultWorld): ReturnType<typeof JobArchive.open> {
  const store = new JobStore(disk, FOLDER);
  return JobArchive.open({ disk, store, log: silentLogger, nameOf: () => "" });
}

async function put(disk: FaultWorld, id: string): Promise<JobView> {
  const store = new JobStore(disk, FOLDER);
  const folder = await store.create(id, { ...RECORD, tasks: [] });
  await folder.write("input-0.out", text("hello"));
  await folder.append(ENDED);
  await folder.close();
  return storedView(id, (await store.look(id))!, store.pathOf(id), () => "", "");
}

test("a removal that is cut off anywhere leaves a whole job or none", async () => {
  const random = new SeededRandom(5);
  const base = new FaultWorld();
  const [gone, kept] = ["ab".repeat(16), "cd".repeat(16)];
  const { archive } = await openArchive(base);
  for (const id of [gone, kept]) await archive.ended(await put(base, id));
  const ends = { whole: 0, gone: 0 };
  for (let at = 1, isCut = true; isCut; at++) {
    const disk = base.kill();
    const opened = await openArchive(disk);
    disk.offAfter(at);
    const removed = await opened.archive.remove(gone).catch((error: unknown) => {
      assert.ok(error instanceof PowerOffError);
      return "cut off";
    });
    isCut = removed !== undefined;
    for (const after of [disk.powerCut(random), disk.kill()]) {
      const { archive: found, unread } = await openArchive(after);
      const names = await after.files.readDirectory(FOLDER);
      const isListed = found.find(gone) !== undefined || unread.includes(gone);
      assert.ok(found.find(kept) !== undefined || unread.includes(kept));
      assert.deepEqual(await after.files.readDirectory(`${FOLDER}/${kept}`), NAMES);
      assert.deepEqual(
        names.filter((name) => name.startsWith(gone)),
        isListed ? [gone] : [],
      );
      if (isListed) assert.deepEqual(await after.files.readDirectory(`${FOLDER}/${gone}`), NAMES);
      assert.ok(isCut || !isListed, "a removal that was acknowledged is undone");
      ends[isListed ? "whole" : "gone"]++;
    }
  }
  assert.ok(ends.whole > 0 && ends.gone > 2, JSON.stringify(ends));
});

test("a folder that nobody was told of goes at the next start; any other is listed, and goes when it is removed", async (t) => {
  const world = new ComputeWorld(t, 6);
  const alice = await world.join({ lends: false });
  const job = await endedJob(alice);
  const disk = alice.disk.kill();
  const { files } = disk;
  const folder = (digits: string): string => `${FOLDER}/${digits.repeat(16)}`;
  const make = async (digits: string, name: string, bytes: Uint8Array): Promise<void> => {
    await files.makeDirectory(folder(digits));
    await writeAtomically(files, `${folder(digits)}/${name}`, bytes);
  };
  await make("00", "journal", new Uint8Array(0));
  await make("00", "job.new", text("cut off"));
  await make("11", "result.txt", text("a user's"));
  await make("22", "job", text("damaged"));
  const record = decodeCbor(await files.readFile(`${job.outputs}/job`)) as object;
  await make("33", "job", encodeCbor({ ...record, settings: encodeCbor({ later: true }) }));
  const again = await world.join({ lends: false, disk });
  assert.equal(await again.disk.files.stat(folder("00")), undefined);
  assert.equal((await listed(again)).length, 4);
  const shown = async (digits: string): Promise<JobView> => {
    const found = await again.requester.job(digits.repeat(16));
    assert.ok(found.ok);
    return found.value;
  };
  assert.match((await shown("11")).reason!, /record cannot be read: it is missing/);
  assert.match((await shown("22")).reason!, /record cannot be read/);
  const later = await shown("33");
  assert.deepEqual([later.kind, later.state, later.title], ["wasm", "waiting", job.title]);
  assert.match(later.reason!, /not known to this version/);
  const cancelled = await again.requester.cancel(later.id);
  assert.ok(!cancelled.ok && /not known to this version/.test(cancelled.reason));
  for (const digits of ["11", "22", "33"]) {
    assert.ok(await again.disk.files.stat(folder(digits)));
    assert.ok((await again.requester.remove(digits.repeat(16))).ok);
    assert.equal(await again.disk.files.stat(folder(digits)), undefined);
  }
  assert.deepEqual(await listed(again), [job.id]);
});

test("a folder that the user removed by hand is no job any more", async (t) => {
  const world = new ComputeWorld(t, 7);
  const alice = await world.join({ lends: false });
  const [first, second] = [await endedJob(alice), await endedJob(alice)];
  await alice.disk.files.removeTree(first.outputs!);
  assert.equal((await alice.requester.job(first.id)).ok, false);
  assert.deepEqual(await listed(alice), [second.id]);
  const disk = alice.disk.kill();
  await disk.files.removeTree(second.outputs!);
  const again = await world.join({ lends: false, disk });
  assert.deepEqual(await listed(again), []);
});

test("an index that is damaged is made anew from the folders", async (t) => {
  const world = new ComputeWorld(t, 8);
  const alice = await world.join({ lends: false });
  const job = await endedJob(alice);
  const disk = alice.disk.kill();
  const openStore = disk.openStore.bind(disk);
  let tries = 0;
  disk.openStore = async (path) => {
    if (path === `${FOLDER}/index` && tries++ === 0) throw new Error("Corruption: a checksum");
    return openStore(path);
  };
  const again = await world.join({ lends: false, disk });
  assert.deepEqual([tries, await listed(again)], [2, [job.id]]);
});

test("what another version wrote into the index is read from the folders", async (t) => {
  const world = new ComputeWorld(t, 9);
  const alice = await world.join({ lends: false });
  const jobs = [await endedJob(alice), await endedJob(alice)];
  const disk = alice.disk.kill();
  const index = await disk.openStore(`${FOLDER}/index`);
  const keys: Uint8Array[] = [];
  for await (const [key] of index.iterate()) keys.push(key);
  // Of one the key is another's, of the other what is kept.
  const value = encodeCbor({ later: true });
  await index.batch([
    { type: "del", key: keys[0]! },
    { type: "put", key: Uint8Array.of(9, ...keys[0]!), value },
    { type: "put", key: keys[1]!, value },
  ]);
  await index.close();
  const again = await world.join({ lends: false, disk });
  const found = await again.requester.jobs(ALL);
  assert.deepEqual(found.map(({ id }) => id).sort(), jobs.map(({ id }) => id).sort());
  assert.ok(found.every(({ state, title }) => state === "done" && title === jobs[0]!.title));
});
