import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { systemClock } from "#base/lib/clock.ts";
import { COMPUTE_PROTOCOL } from "./compute-protocol.ts";
import { failRun, type RunOutcome, type RunTask, type TaskRunner } from "./core/task-runner.ts";
import { echoCommand, trapAtLoad } from "./core/test-modules.ts";
import type { JobView } from "./requester/job-view.ts";
import { type ComputePeer, ComputeWorld, DirectRunner, putFile } from "./test-world.ts";

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

test("inputs may have any names: nothing of the job is overwritten, and every output is there", async (t) => {
  const world = new ComputeWorld(t);
  const alice = await world.join({ lends: false });
  const names = ["task-1", "task-0", "job", "漢".repeat(200)];
  const paths = [await putFile(alice, "echo.wasm", echoCommand)];
  for (const name of names) paths.push(await putFile(alice, name, text(`this is ${name.slice(0, 9)}`)));
  const taken = await alice.requester.submit("wasm", { args: [], seed: 1 }, paths);
  assert.ok(taken.ok);
  const job = (await alice.requester.ended(taken.value.id))!;
  assert.equal(job.state, "done", job.reason);
  for (const name of [...names.slice(0, 3), "漢".repeat(33)]) {
    const output = await alice.disk.files.readFile(`${job.outputs}/${name}.out`);
    assert.equal(new TextDecoder().decode(output), `this is ${name.slice(0, 9)}`);
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
});

/** Does what it is given, and gets it wrong. */
class WrongRunner implements TaskRunner {
  readonly #honest = new DirectRunner();

  async run(task: RunTask, signal: AbortSignal): Promise<RunOutcome> {
    const outcome = await this.#honest.run(task, signal);
    if (!outcome.ok) return outcome;
    const output = outcome.value.output.slice();
    output[output.length - 1]! ^= 1;
    return { ok: true, value: { ...outcome.value, output } };
  }
}

async function outputsAreRight(peer: ComputePeer, job: JobView, inputs: number): Promise<void> {
  for (let i = 0; i < inputs; i++) {
    const output = await peer.disk.files.readFile(`${job.outputs}/input-${i}.out`);
    assert.equal(new TextDecoder().decode(output), `hello ${i}`);
  }
}

test("a provider of wrong results is caught in its first tasks, named, banned, and gets no receipt", async (t) => {
  const world = new ComputeWorld(t, 2);
  const alice = await world.join({ lends: false });
  const honest = await world.join();
  const cheat = await world.join({ runner: new WrongRunner() });
  const job = await echoJob(alice, 30);
  assert.equal(job.state, "done", job.reason);
  await outputsAreRight(alice, job, 30);
  const caught = alice.events.filter((event) => event.type === "cheat");
  assert.deepEqual([...new Set(caught.map(({ peer }) => peer))], [cheat.mesh.self]);
  assert.equal(alice.mesh.view(cheat.mesh.self)?.standing, "banned");
  assert.deepEqual(await receiptsOf(cheat, "seller"), []);
  assert.deepEqual(await receiptsOf(honest, "seller"), await receiptsOf(alice, "buyer"));
  // It gets nothing in the next job either.
  const before = alice.events.length;
  await echoJob(alice, 10);
  assert.ok(!JSON.stringify(alice.events.slice(before)).includes(cheat.mesh.self));
});

test("a provider that turns false after 25 good tasks is caught, and none of its false outputs is kept", async (t) => {
  const world = new ComputeWorld(t, 3);
  const alice = await world.join({ lends: false, requester: { lanes: 0 } });
  const cheat = await world.join({ runner: new TurningRunner(new WrongRunner(), 25) });
  await world.join();
  const job = await echoJob(alice, 120);
  assert.equal(job.state, "done", job.reason);
  await outputsAreRight(alice, job, 120);
  assert.ok(alice.events.some((event) => event.type === "cheat" && event.peer === cheat.mesh.self));
  const sold = await receiptsOf(cheat, "seller");
  assert.ok(sold.length > 10 && sold.length <= 25, `${sold.length} receipts for 25 good tasks`);
});

/** Honest for its first tasks. */
class TurningRunner implements TaskRunner {
  readonly #honest = new DirectRunner();
  readonly #later: TaskRunner;
  #left: number;

  constructor(later: TaskRunner, honestTasks: number) {
    this.#later = later;
    this.#left = honestTasks;
  }

  run(task: RunTask, signal: AbortSignal): Promise<RunOutcome> {
    return this.#left-- > 0 ? this.#honest.run(task, signal) : this.#later.run(task, signal);
  }
}

test("a module that traps fails its job with the reason, and nobody is blamed", async (t) => {
  const world = new ComputeWorld(t, 4);
  const alice = await world.join({ lends: false, requester: { lanes: 0 } });
  const bob = await world.join();
  const module = await putFile(alice, "trap.wasm", trapAtLoad);
  const taken = await alice.requester.submit("wasm", { args: [], seed: 1 }, [module]);
  assert.ok(taken.ok);
  const job = (await alice.requester.ended(taken.value.id))!;
  assert.equal(job.state, "failed");
  assert.match(job.reason ?? "", /1 of 1 tasks failed: failed: trap: unreachable/);
  assert.match(job.tasks[0]!.attempts[0]!.outcome, /failed: trap: unreachable/);
  assert.equal(job.tasks[0]!.attempts[0]!.provider, bob.mesh.self);
  assert.equal(alice.mesh.view(bob.mesh.self)?.standing, "friend");
});

test("what is wrong with a job is said at once, by name", async (t) => {
  const world = new ComputeWorld(t);
  const alice = await world.join({ lends: false });
  const submit = async (settings: object, paths: string[]): Promise<string> => {
    const taken = await alice.requester.submit("wasm", settings, paths);
    return taken.ok ? "taken" : taken.reason;
  };
  const settings = { args: [], seed: 1 };
  const notWasm = await putFile(alice, "text.wasm", text("no module"));
  assert.match(await submit(settings, ["/home/missing.wasm"]), /missing.wasm: no such file/);
  assert.match(await submit(settings, [notWasm]), /text.wasm not a WebAssembly module/);
  assert.match(await submit({ ...settings, seed: -1 }, [notWasm]), /settings that do not fit/);
  const echo = await putFile(alice, "echo.wasm", echoCommand);
  assert.match(await submit({ ...settings, memoryBytes: 2 ** 33 }, [echo]), /settings that do not fit/);
  assert.match(await submit(settings, [echo, "/home"]), /is a directory/);
  assert.equal(await submit(settings, [echo]), "taken");
});

test("a provider that is switched off kills what runs, and its tasks go elsewhere", async (t) => {
  const world = new ComputeWorld(t, 5);
  const alice = await world.join({ lends: false, requester: { lanes: 0 } });
  const bob = await world.join({ runner: new StuckRunner() });
  const paths = [await putFile(alice, "echo.wasm", echoCommand), await putFile(alice, "a", text("hello 0"))];
  const taken = await alice.requester.submit("wasm", { args: [], seed: 1 }, paths);
  assert.ok(taken.ok);
  while (bob.provider.status().running === 0) await bob.provider.changed.next();
  await bob.provider.stop();
  const job = (await alice.requester.ended(taken.value.id))!;
  assert.equal(job.state, "done", job.reason);
  assert.equal(job.tasks[0]!.provider, alice.mesh.self);
  assert.equal(bob.provider.status().running, 0);
  assert.equal(bob.provider.status().on, false);
  assert.match(job.tasks[0]!.attempts[0]!.outcome, /left: the provider was switched off/);
});

/** Never ends by itself. */
class StuckRunner implements TaskRunner {
  run(_task: RunTask, signal: AbortSignal): Promise<RunOutcome> {
    return new Promise((resolve) => {
      signal.addEventListener("abort", () => resolve(failRun("cancelled", "cancelled")));
    });
  }
}

test("who was slower than another is told so, and tasks are counted", async (t) => {
  const world = new ComputeWorld(t, 7);
  const alice = await world.join({ lends: false, requester: { lanes: 0 } });
  const stuck = await world.join({ runner: new StuckRunner() });
  await world.join();
  const job = await echoJob(alice, 8);
  assert.equal(job.state, "done", job.reason);
  assert.deepEqual(job.counts, { total: 8, verified: 8 });
  const outcomes = job.tasks
    .flatMap(({ attempts }) => attempts)
    .filter(({ provider }) => provider === stuck.mesh.self);
  assert.ok(outcomes.length > 0);
  assert.deepEqual([...new Set(outcomes.map(({ outcome }) => outcome))], ["slower than another"]);
});

test("a job is cancelled, and one past its deadline fails; providers are told", async (t) => {
  const world = new ComputeWorld(t, 6);
  const alice = await world.join({ lends: false, requester: { lanes: 0 } });
  const bob = await world.join({ runner: new StuckRunner() });
  const path = await putFile(alice, "echo.wasm", echoCommand);
  const settings = { args: [], seed: 1 };
  const first = await alice.requester.submit("wasm", settings, [path]);
  assert.ok(first.ok);
  while (bob.provider.status().running === 0) await bob.provider.changed.next();
  const cancelled = await alice.requester.cancel(first.value.id.slice(0, 8));
  assert.ok(cancelled.ok && cancelled.value.state === "cancelled");
  while (bob.provider.status().running > 0) await bob.provider.changed.next();
  const second = await alice.requester.submit("wasm", settings, [path], { deadlineSeconds: 1 });
  assert.ok(second.ok);
  const ended = (await alice.requester.ended(second.value.id))!;
  assert.deepEqual([ended.state, ended.reason], ["failed", "its deadline passed"]);
});

test("a job whose deadline passed while the machine slept ends soon after it woke", async (t) => {
  const world = new ComputeWorld(t, 12);
  // Timers stand still in a sleep, the time of day does not.
  let slept = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + slept };
  const alice = await world.join({ lends: false, ownRunner: new StuckRunner(), clock });
  const path = await putFile(alice, "echo.wasm", echoCommand);
  const options = { deadlineSeconds: 3600 };
  const taken = await alice.requester.submit("wasm", { args: [], seed: 1 }, [path], options);
  assert.ok(taken.ok);
  slept = 8 * 3_600_000;
  const patience = AbortSignal.timeout(30_000);
  const late = once(patience, "abort").then(() => assert.fail("it goes on"));
  const ended = await Promise.race([alice.requester.ended(taken.value.id), late]);
  assert.deepEqual([ended?.state, ended?.reason], ["failed", "its deadline passed"]);
});

test("strangers without terms are refused, and the funnel says why", async (t) => {
  const world = new ComputeWorld(t, 7);
  const alice = await world.join({ lends: false, mesh: { circle: "elsewhere" } });
  const bob = await world.join();
  const job = await echoJob(alice, 2);
  assert.equal(job.state, "done");
  assert.ok(job.tasks.every((task) => task.provider === alice.mesh.self));
  assert.equal(bob.provider.status().funnel["matched"], 0);
  const call = {
    kind: "wasm",
    limits: { memoryBytes: 1, outputBytes: 1, traceBytes: 0, milliseconds: 1 },
  } as const;
  const methods = COMPUTE_PROTOCOL.methods;
  const answer = await alice.mesh.call(bob.mesh.self, COMPUTE_PROTOCOL, methods.ask, call);
  assert.ok(!answer.ok && answer.refusal.code === "no-terms");
  const limits = { ...call.limits, memoryBytes: 2 ** 32 };
  const greedy = await alice.mesh.call(bob.mesh.self, COMPUTE_PROTOCOL, methods.ask, { ...call, limits });
  assert.ok(!greedy.ok && greedy.refusal.code === "limit" && /memoryBytes/.test(greedy.refusal.text));
  const unknown = { task: "ab".repeat(32), offset: 0 };
  const output = await alice.mesh.call(bob.mesh.self, COMPUTE_PROTOCOL, methods.output, unknown);
  assert.ok(!output.ok && output.refusal.code === "not-found");
  const { funnel } = bob.provider.status();
  assert.deepEqual([funnel["refused: no-terms"], funnel["refused: limit"]], [1, 1]);
});

/** Right, but only when it is told that nobody waits for it any more. */
class LateRunner implements TaskRunner {
  readonly #honest = new DirectRunner();
  readonly nobodyWaits = Promise.withResolvers<void>();
  answered = 0;

  async run(task: RunTask): Promise<RunOutcome> {
    await this.nobodyWaits.promise;
    this.answered++;
    return this.#honest.run(task, new AbortController().signal);
  }
}

test("a result after the deadline changes nothing and gets no receipt", async (t) => {
  const world = new ComputeWorld(t, 9);
  const alice = await world.join({ lends: false, requester: { lanes: 0 } });
  const runner = new LateRunner();
  const bob = await world.join({ runner });
  const path = await putFile(alice, "echo.wasm", echoCommand);
  const taken = await alice.requester.submit("wasm", { args: [], seed: 1 }, [path], { deadlineSeconds: 3 });
  assert.ok(taken.ok);
  const job = (await alice.requester.ended(taken.value.id))!;
  assert.deepEqual([job.state, job.reason], ["failed", "its deadline passed"]);
  assert.equal(bob.provider.status().running, 1);
  runner.nobodyWaits.resolve();
  while (bob.provider.status().running > 0) await bob.provider.changed.next();
  assert.equal(runner.answered, 1);
  const seen = await alice.requester.job(job.id);
  assert.ok(seen.ok && seen.value.tasks[0]!.state === "waiting");
  assert.deepEqual(await receiptsOf(alice, "buyer"), []);
  assert.deepEqual(await receiptsOf(bob, "seller"), []);
});

test("a provider that was on is on after a restart, and one that never was is off", async (t) => {
  const world = new ComputeWorld(t, 8);
  const bob = await world.join();
  const again = await world.join({ disk: bob.disk.kill(), lends: false });
  assert.equal(again.provider.status().on, true);
  await again.provider.stop();
  const off = await world.join({ disk: again.disk.kill(), lends: false });
  assert.equal(off.provider.status().on, false);
});

test("results that a job left when its process was killed go at the next start", async (t) => {
  const world = new ComputeWorld(t, 11);
  const alice = await world.join({ lends: false });
  const { outputs = "" } = await echoJob(alice, 1);
  // Its end was on disk, its results not removed yet.
  const disk = alice.disk.kill();
  for (const name of [".task-0", ".task-7.new"]) {
    await (await disk.files.open(`${outputs}/${name}`, "create")).close();
  }
  const again = await world.join({ lends: false, disk });
  const names = await again.disk.files.readDirectory(outputs);
  assert.deepEqual(names.toSorted(), ["input-0.out", "job", "journal"]);
});
