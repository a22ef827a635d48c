import assert from "node:assert/strict";
import { test } from "node:test";
import { FaultWorld } from "#base/store/fault-world.ts";
import type { Deal, Deals } from "#sharing/deals/deal.ts";
import { decodeCbor } from "#sharing/mesh/cbor.ts";
import { accept, refuse } from "#sharing/mesh/protocol.ts";
import { smallGlb } from "../../../../test/support/render-scenes.ts";
import {
  failRun,
  type RunFailureCode,
  type RunOutcome,
  type RunTask,
  type TaskRunner,
} from "../core/task-runner.ts";
import { echoCommand, trapAtLoad } from "../core/test-modules.ts";
import { type ComputePeer, ComputeWorld, DirectRunner, putFile } from "../test-world.ts";
import type { JobView } from "./job-view.ts";
import type { JobOptions } from "./requester.ts";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** Lets so much of what is under way happen. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

async function submit(
  peer: ComputePeer,
  inputs: number,
  options: JobOptions = {},
  module = echoCommand,
): Promise<string> {
  const paths = [await putFile(peer, "module.wasm", module)];
  for (let i = 0; i < inputs; i++) paths.push(await putFile(peer, `input-${i}`, text(`hello ${i}`)));
  const taken = await peer.requester.submit("wasm", { args: [], seed: 1 }, paths, options);
  assert.ok(taken.ok, JSON.stringify(taken));
  return taken.value.id;
}

async function jobOf(peer: ComputePeer, inputs: number, module?: Uint8Array): Promise<JobView> {
  return (await peer.requester.ended(await submit(peer, inputs, {}, module)))!;
}

async function checkOutputs(peer: ComputePeer, job: JobView, inputs: number): Promise<void> {
  assert.equal(job.state, "done", job.reason);
  for (let i = 0; i < inputs; i++) {
    const output = await peer.disk.files.readFile(`${job.outputs}/input-${i}.out`);
    assert.equal(new TextDecoder().decode(output), `hello ${i}`);
  }
}

/** Fails its first runs, or all, with a code of its own. */
class FailingRunner implements TaskRunner {
  readonly #honest = new DirectRunner();
  readonly #code: RunFailureCode;
  readonly seen: RunTask[] = [];
  #left: number;

  constructor(code: RunFailureCode, times = Number.POSITIVE_INFINITY) {
    this.#code = code;
    this.#left = times;
  }

  async run(task: RunTask, signal: AbortSignal): Promise<RunOutcome> {
    this.seen.push(task);
    return this.#left-- > 0 ? failRun(this.#code, "so it says") : this.#honest.run(task, signal);
  }
}

test("a bad moment of this machine ends no job: its own verdict is heard twice, from a fresh process", async (t) => {
  const world = new ComputeWorld(t, 1);
  for (const code of ["refused-module", "trap", "crashed", "no-input"] as const) {
    const ownRunner = new FailingRunner(code, 1);
    const alice = await world.join({ lends: false, ownRunner });
    const job = await jobOf(alice, 2);
    await checkOutputs(alice, job, 2);
    assert.deepEqual(
      ownRunner.seen.map(({ fresh }) => fresh === true).sort(),
      [false, false, true],
      "the run after a failure is a fresh one",
    );
  }
});

test("what fails twice here fails the job, and says with what", async (t) => {
  const world = new ComputeWorld(t, 2);
  const ownRunner = new FailingRunner("bad-output");
  const alice = await world.join({ lends: false, ownRunner });
  const job = await jobOf(alice, 1);
  assert.deepEqual(
    [job.state, job.reason],
    ["failed", "1 of 1 tasks failed: failed: bad-output: so it says"],
  );
  assert.equal(ownRunner.seen.length, 2);
});

test("a provider that calls every task impossible is disproved, left alone, and fails no job", async (t) => {
  const world = new ComputeWorld(t, 3);
  const alice = await world.join({ lends: false, requester: { lanes: 0 } });
  const runner = new FailingRunner("trap");
  const liar = await world.join({ runner });
  const honest = await world.join();
  const job = await jobOf(alice, 30);
  await checkOutputs(alice, job, 30);
  assert.ok(runner.seen.length <= 3, `it was given ${runner.seen.length} tasks`);
  assert.ok(job.tasks.filter(({ provider }) => provider === honest.mesh.self).length > 15);
  const told = job.tasks.flatMap(({ attempts }) => attempts).filter((one) => one.provider === liar.mesh.self);
  assert.ok(told.some(({ outcome }) => outcome === "left: told of a failure that is none (trap)"));
  assert.equal(alice.mesh.view(liar.mesh.self)?.standing, "friend", "a failure is no proof of cheating");
});

test("providers that crash fail no job, not even all that there are and a machine that only checks", async (t) => {
  const world = new ComputeWorld(t, 4);
  const alice = await world.join({ lends: false, requester: { lanes: 0 }, ownRunner: new DirectRunner() });
  await world.join({ runner: new FailingRunner("crashed") });
  await world.join({ runner: new FailingRunner("time-limit") });
  const job = await jobOf(alice, 4);
  await checkOutputs(alice, job, 4);
  assert.ok(job.tasks.every(({ provider }) => provider === alice.mesh.self));
});

test("what this machine is too slow for is left to a provider that is not", async (t) => {
  const world = new ComputeWorld(t, 5);
  const ownRunner = new FailingRunner("time-limit", 1);
  const alice = await world.join({ lends: false, ownRunner });
  const bob = await world.join();
  const job = await jobOf(alice, 8);
  await checkOutputs(alice, job, 8);
  const failed = job.tasks.find(({ attempts }) =>
    attempts.some(({ outcome }) => outcome === "failed: time-limit: so it says"),
  );
  assert.ok(failed !== undefined, "this machine had its turn");
  assert.ok(failed.attempts.some(({ provider }) => provider === bob.mesh.self));
});

test("a module that really traps is known by one run here and one elsewhere, or two here", async (t) => {
  const world = new ComputeWorld(t, 6);
  const alice = await world.join({ lends: false });
  const alone = await jobOf(alice, 1, trapAtLoad);
  assert.match(alone.reason ?? "", /failed: trap: unreachable/);
  assert.equal(alone.tasks[0]!.attempts.length, 2);
  const carol = await world.join({ lends: false, requester: { lanes: 0 } });
  await world.join();
  const both = await jobOf(carol, 1, trapAtLoad);
  assert.match(both.reason ?? "", /failed: trap: unreachable/);
  assert.equal(both.tasks[0]!.attempts.length, 2);
});

/** Every task costs 1000 msat, whatever the terms of friends say; settling can be held up, and is counted. */
class PricedDeals {
  readonly book: Deals;
  settled = 0;
  /** What `settle` waits for. */
  gate: () => Promise<void> = async () => {};
  refuses = false;
  /** Somebody asks for a receipt. */
  readonly asked = Promise.withResolvers<void>();

  constructor(book: Deals) {
    this.book = book;
  }

  get face(): Deals {
    const { book } = this;
    return {
      open: async (...args) => {
        const deal = await book.open(...args);
        if (!deal.ok) return deal;
        return accept({ ...deal.value, terms: { ...deal.value.terms, prices: { task: 1000 } } });
      },
      require: (...args) => book.require(...args),
      settle: async (deal: Deal, step) => {
        this.asked.resolve();
        await this.gate();
        if (this.refuses) return refuse("unavailable", "not now");
        const outcome = await book.settle(deal, step);
        if (outcome.ok) this.settled++;
        return outcome;
      },
      close: (deal) => book.close(deal),
      list: () => book.list(),
      receipts: (query) => book.receipts(query),
      totals: () => book.totals(),
    };
  }
}

test("a budget holds while receipts are on their way", async (t) => {
  const world = new ComputeWorld(t, 7);
  let priced!: PricedDeals;
  const alice = await world.join({
    lends: false,
    dealsSeen: (book) => {
      priced = new PricedDeals(book);
      // Others end meanwhile, and more would be given out, were the price of this one forgotten.
      priced.gate = () => turns(200);
      return priced.face;
    },
  });
  await world.join();
  await world.join();
  const scene = await putFile(alice, "scene.glb", await smallGlb());
  const settings = { width: 64, height: 48, samples: 16, seed: 1, tileSize: 16 };
  const taken = await alice.requester.submit("render", settings, [scene], { budgetMsat: 3000 });
  assert.ok(taken.ok);
  const job = (await alice.requester.ended(taken.value.id))!;
  assert.deepEqual([job.state, job.counts], ["done", { total: 12, verified: 12 }]);
  assert.ok(priced.settled >= 1 && priced.settled <= 3, `${priced.settled} receipts of 1000 msat under 3000`);
});

test("what a budget does not reach for, this machine does itself, even where it only checks", async (t) => {
  const world = new ComputeWorld(t, 14);
  let priced!: PricedDeals;
  const alice = await world.join({
    lends: false,
    requester: { lanes: 0 },
    dealsSeen: (book) => {
      priced = new PricedDeals(book);
      return priced.face;
    },
  });
  await world.join();
  const id = await submit(alice, 8, { budgetMsat: 2500 });
  const job = (await alice.requester.ended(id))!;
  await checkOutputs(alice, job, 8);
  assert.equal(priced.settled, 2);
});

test("a job that is called off while a receipt is on its way stays called off, and asks for no other", async (t) => {
  const world = new ComputeWorld(t, 8);
  const gate = Promise.withResolvers<void>();
  let priced!: PricedDeals;
  const alice = await world.join({
    lends: false,
    requester: { lanes: 0 },
    dealsSeen: (book) => {
      priced = new PricedDeals(book);
      priced.gate = () => gate.promise;
      return priced.face;
    },
  });
  await world.join();
  await world.join();
  const id = await submit(alice, 12);
  await priced.asked.promise;
  const cancelled = await alice.requester.cancel(id);
  assert.ok(cancelled.ok && cancelled.value.state === "cancelled");
  gate.resolve();
  const job = async (): Promise<JobView> => (await alice.requester.jobs({ limit: 1 }))[0]!;
  while ((await job()).counts.verified === 0) await turns(1);
  assert.equal((await job()).state, "cancelled");
  assert.ok(priced.settled <= 2, `${priced.settled} receipts were under way`);
});

test("a process that ends while a receipt is on its way fails no job: the next start has it", async (t) => {
  const world = new ComputeWorld(t, 9);
  const gate = Promise.withResolvers<void>();
  const key = new Uint8Array(32).fill(9);
  const mesh = { deviceSecret: key, accountSecret: key };
  let priced!: PricedDeals;
  const alice = await world.join({
    lends: false,
    mesh,
    dealsSeen: (book) => {
      priced = new PricedDeals(book);
      priced.gate = () => gate.promise;
      return priced.face;
    },
  });
  await world.join();
  const id = await submit(alice, 6);
  await priced.asked.promise;
  await alice.requester.close();
  gate.resolve();
  while (priced.settled === 0) await new Promise((resolve) => setImmediate(resolve));
  await turns(20);
  assert.equal(alice.requester.underWay()[0]!.state, "waiting");
  world.network.kill(alice.mesh.self);
  const again = await world.join({ lends: false, mesh, disk: alice.disk.kill() });
  again.requester.resume();
  const job = (await again.requester.ended(id))!;
  await checkOutputs(again, job, 6);
  const bought = await again.deals.receipts({ service: "compute", role: "buyer" });
  assert.equal(new Set(bought.map(({ subject }) => subject)).size, bought.length, "no task was paid twice");
});

test("a receipt that nobody gives holds up its own task alone after a restart", async (t) => {
  const world = new ComputeWorld(t, 10);
  const gate = Promise.withResolvers<void>();
  const key = new Uint8Array(32).fill(10);
  const mesh = { deviceSecret: key, accountSecret: key };
  const all: PricedDeals[] = [];
  const options = {
    lends: false,
    mesh,
    dealsSeen: (book: Deals) => {
      const priced = new PricedDeals(book);
      priced.gate = () => gate.promise;
      all.push(priced);
      return priced.face;
    },
  };
  const alice = await world.join(options);
  const bob = await world.join();
  const id = await submit(alice, 6);
  await all[0]!.asked.promise;
  await alice.requester.close();
  await bob.provider.stop();
  world.network.kill(alice.mesh.self);
  const again = await world.join({ ...options, disk: alice.disk.kill() });
  again.requester.resume();
  await all[1]!.asked.promise;
  const { total } = again.requester.underWay()[0]!.counts;
  while (again.requester.underWay()[0]!.counts.verified < total - 1) await again.requester.events.next();
  assert.ok(again.requester.underWay()[0]!.tasks.some(({ state }) => state === "verifying"));
  gate.resolve();
  await checkOutputs(again, (await again.requester.ended(id))!, 6);
});

/** Ends its runs when it is told to. */
class HeldRunner implements TaskRunner {
  readonly #honest = new DirectRunner();
  readonly released = Promise.withResolvers<void>();

  async run(task: RunTask, signal: AbortSignal): Promise<RunOutcome> {
    await Promise.race([
      this.released.promise,
      new Promise((resolve) => signal.addEventListener("abort", resolve)),
    ]);
    return this.#honest.run(task, signal);
  }
}

test("calling off one job leaves another's equal task at the same provider alone", async (t) => {
  const world = new ComputeWorld(t, 11);
  const alice = await world.join({ lends: false, requester: { lanes: 0 }, ownRunner: new DirectRunner() });
  const runner = new HeldRunner();
  const bob = await world.join({ runner });
  const first = await submit(alice, 1);
  const second = await submit(alice, 1);
  const states = (): string[] => alice.requester.underWay().map(({ tasks }) => tasks[0]!.state);
  while (!states().every((state) => state === "running")) await alice.requester.events.next();
  const running = (id: string): JobView => alice.requester.underWay().find((job) => job.id === id)!;
  while (running(second).tasks[0]!.providerName === undefined) await alice.requester.events.next();
  while (bob.provider.status().running === 0) await bob.provider.changed.next();
  await alice.requester.cancel(first);
  runner.released.resolve();
  const job = (await alice.requester.ended(second))!;
  await checkOutputs(alice, job, 1);
  assert.deepEqual(
    job.tasks[0]!.attempts.filter(({ outcome }) => outcome.startsWith("left")),
    [],
  );
  assert.equal(bob.provider.status().funnel["ran"], 1);
});

test("a job that has ended holds no file open", async (t) => {
  const world = new ComputeWorld(t, 12);
  const disk = new FaultWorld();
  const open = disk.files.open.bind(disk.files);
  const held = new Set<string>();
  disk.files.open = async (path, mode) => {
    const file = await open(path, mode);
    const close = file.close.bind(file);
    held.add(path);
    file.close = async () => {
      held.delete(path);
      await close();
    };
    return file;
  };
  const alice = await world.join({ lends: false, disk });
  const job = await jobOf(alice, 2);
  await checkOutputs(alice, job, 2);
  const journals = (): string[] => [...held].filter((path) => path.endsWith("/journal"));
  while (journals().length > 0) await new Promise((resolve) => setImmediate(resolve));
  assert.equal((await alice.requester.jobs({ limit: 1 }))[0]!.state, "done");
});

test("a provider's record grows by the checks that its results passed, not by those it was spared", async (t) => {
  const world = new ComputeWorld(t, 13);
  const alice = await world.join({ lends: false, requester: { lanes: 0 } });
  const bob = await world.join();
  const job = await jobOf(alice, 60);
  await checkOutputs(alice, job, 60);
  const bytes = await alice.disk.files.readFile("/data/jobs/providers");
  const [record] = decodeCbor(bytes) as { account: string; passed: number }[];
  assert.equal(record!.account, bob.mesh.account);
  const receipts = await bob.deals.receipts({ service: "compute", role: "seller", limit: 1000 });
  assert.equal(receipts.length, 60);
  assert.ok(record!.passed >= 10 && record!.passed < 60, `${record!.passed} of 60 were checked`);
});

test("a result that was held is receipted once, however many checks of its provider pass at a time", async (t) => {
  const world = new ComputeWorld(t, 15);
  const disk = new FaultWorld();
  const read = disk.files.readFile.bind(disk.files);
  disk.files.readFile = async (path, limit) => {
    // A disk that takes its time: another check passes meanwhile.
    if (path.includes("/.task-")) await turns(10);
    return limit === undefined ? read(path) : read(path, limit);
  };
  const alice = await world.join({ lends: false, disk, requester: { lanes: 4 } });
  const bob = await world.join({ provider: { lanes: 4 } });
  const job = await jobOf(alice, 80);
  await checkOutputs(alice, job, 80);
  for (const { attempts } of job.tasks) {
    const verified = attempts.filter(
      ({ provider, outcome }) => provider === bob.mesh.self && outcome === "verified",
    );
    assert.ok(verified.length <= 1, JSON.stringify(attempts));
  }
});
