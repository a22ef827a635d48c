import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { ManualClock } from "#base/lib/clock.ts";
import { silentLogger } from "#base/lib/logger.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import type { ContentFetcher } from "#sharing/content/content.ts";
import type { Deals } from "#sharing/deals/deal.ts";
import { type MemoryMesh, MemoryNetwork } from "#sharing/mesh/memory-mesh.ts";
import type { PeerId, RequestContext } from "#sharing/mesh/mesh.ts";
import { accept, type Outcome, refuse } from "#sharing/mesh/protocol.ts";
import { COMPUTE_PROTOCOL, type TaskState } from "../compute-protocol.ts";
import type { TaskId, TaskSpec } from "../core/task.ts";
import { failRun, type RunOutcome, type RunTask, type TaskRunner } from "../core/task-runner.ts";
import { MapContents } from "../test-world.ts";
import { MAX_KEPT, MAX_KEPT_EACH } from "./hosted-task.ts";
import { Provider, type ProviderOptions } from "./provider.ts";

const LIMITS = { memoryBytes: 2 ** 20, outputBytes: 100, traceBytes: 0, milliseconds: 1000 };
const CODE = { id: "aa".repeat(32), length: 10 };

function spec(number: number, change: Partial<TaskSpec> = {}): TaskSpec {
  const params = new Uint8Array(4);
  new DataView(params.buffer).setUint32(0, number);
  return {
    kind: "wasm",
    code: CODE,
    inputs: [],
    params,
    seed: new Uint8Array(32),
    limits: LIMITS,
    ...change,
  };
}

/** Gives the task's parameters back, or what it is told to. */
class PlainRunner implements TaskRunner {
  next: RunOutcome | undefined;
  runs = 0;

  async run(task: RunTask, signal: AbortSignal): Promise<RunOutcome> {
    this.runs++;
    if (signal.aborted) return failRun("cancelled", "cancelled");
    const { next } = this;
    this.next = undefined;
    const value = { output: task.params, trace: new Uint8Array(0), leafLength: 0, milliseconds: 1 };
    return next ?? { ok: true, value };
  }
}

interface Setup {
  readonly provider: Provider;
  readonly runner: PlainRunner;
  readonly clock: ManualClock;
  readonly network: MemoryNetwork;
  readonly disk: FaultWorld;
  /** A peer that hears progress; `told` holds all of it. */
  requester(): { readonly mesh: MemoryMesh; readonly from: RequestContext; readonly told: TaskState[] };
  /** Lets everything that is under way come to its end. */
  settle(): Promise<void>;
}

/** A provider whose terms are open with whoever is not in `strangers`. */
async function setUp(
  t: TestContext,
  options: Partial<ProviderOptions> = {},
  strangers: ReadonlySet<PeerId> = new Set(),
): Promise<Setup> {
  const clock = new ManualClock(1_000_000);
  const network = new MemoryNetwork({ clock, seed: 5 });
  const mesh = network.join();
  const disk = new FaultWorld();
  await disk.files.makeDirectory("/data");
  const runner = new PlainRunner();
  const require = (peer: PeerId) => (strangers.has(peer) ? refuse("no-terms", "none") : accept({}));
  const provider = await Provider.open(
    { lanes: 1, arch: "x64", tasksEach: 1000, tasksInAll: 1000, ...options },
    {
      mesh,
      disk,
      clock,
      runner,
      deals: { require } as unknown as Deals,
      store: new (class extends MapContents {
        override async has(): Promise<boolean> {
          return true;
        }
      })(),
      fetcher: { fetch: async () => ({ ok: true }) } satisfies ContentFetcher,
      log: silentLogger,
      folder: "/data",
    },
  );
  t.after(() => provider.close());
  await provider.start();
  const requester = () => {
    const peer = network.join();
    const told: TaskState[] = [];
    const handlers = {
      progress: async ({
        tasks,
      }: {
        tasks: readonly TaskState[];
      }): Promise<Outcome<{ unknown: TaskId[] }>> => {
        told.push(...tasks);
        return accept({ unknown: [] });
      },
    };
    peer.serve(COMPUTE_PROTOCOL, handlers as never);
    const { signal } = new AbortController();
    const from: RequestContext = {
      peer: peer.self,
      account: peer.account,
      standing: "friend",
      ip: undefined,
      signal,
    };
    return { mesh: peer, from, told };
  };
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
  };
  return { provider, runner, clock, network, disk, requester, settle };
}

const order = new Uint8Array(16);

test("who has no terms leaves no trace, however often it asks", async (t) => {
  const strangers = new Set<PeerId>();
  const { provider, requester } = await setUp(t, {}, strangers);
  for (let i = 0; i < 20; i++) {
    const { from } = requester();
    strangers.add(from.peer);
    const answer = provider.assign({ task: spec(i), order }, from);
    assert.ok(!answer.ok && answer.refusal.code === "no-terms");
  }
  assert.deepEqual(provider.remembered, { requesters: 0, tasks: 0 });
});

test("a requester that never tells its verdicts is remembered up to a bound, and not for ever", async (t) => {
  const { provider, requester, clock, settle } = await setUp(t);
  const { from, told } = requester();
  for (let i = 0; i < MAX_KEPT_EACH; i++) {
    const answer = provider.assign({ task: spec(i), order }, from);
    assert.ok(answer.ok, `task ${i}`);
    if (i % 50 === 0) await settle();
  }
  while (told.filter(({ state }) => state === "done").length < MAX_KEPT_EACH) await settle();
  const more = provider.assign({ task: spec(MAX_KEPT_EACH), order }, from);
  assert.ok(!more.ok && more.refusal.code === "limit" && /512 tasks of yours/.test(more.refusal.text));
  assert.equal(provider.remembered.tasks, MAX_KEPT_EACH);
  // A verdict makes room.
  provider.verdict({ task: told[0]!.task, verified: true, reason: "" }, from);
  assert.ok(provider.assign({ task: spec(MAX_KEPT_EACH), order }, from).ok);
  await settle();
  for (let i = 0; i < 130; i++) {
    clock.advance(5_000);
    await settle();
  }
  assert.deepEqual(provider.remembered, { requesters: 0, tasks: 0 });
});

test("all requesters together are remembered up to a bound: what ended first goes", async (t) => {
  const { provider, requester, settle } = await setUp(t);
  const each = MAX_KEPT_EACH;
  const first = requester();
  for (let i = 0; i < MAX_KEPT / each + 1; i++) {
    const { from, told } = i === 0 ? first : requester();
    for (let j = 0; j < each; j++) assert.ok(provider.assign({ task: spec(j), order }, from).ok);
    while (told.filter(({ state }) => state === "done").length < each) await settle();
  }
  assert.equal(provider.remembered.tasks, MAX_KEPT);
  const gone = provider.output({ task: first.told[0]!.task, offset: 0 }, first.from);
  assert.ok(!gone.ok && gone.refusal.code === "not-found");
});

test("tasks that are given and taken back while the lanes are full leave nothing behind", async (t) => {
  const { provider, runner, requester, settle } = await setUp(t);
  const { from } = requester();
  runner.run = (_, signal) =>
    new Promise((resolve) => {
      signal.addEventListener("abort", () => resolve(failRun("cancelled", "cancelled")));
    });
  assert.ok(provider.assign({ task: spec(0), order }, from).ok);
  await settle();
  for (let i = 1; i <= 20; i++) {
    const answer = provider.assign({ task: spec(i), order }, from);
    assert.ok(answer.ok);
    await settle();
    assert.equal(provider.waiting, 1);
    provider.cancel({ tasks: [answer.value.task] }, from);
    assert.equal(provider.waiting, 0);
  }
  assert.deepEqual(provider.remembered, { requesters: 1, tasks: 1 });
  // One that waits while another is taken back has its turn.
  const taken = provider.assign({ task: spec(21), order }, from);
  assert.ok(taken.ok && provider.assign({ task: spec(22), order }, from).ok);
  await settle();
  provider.cancel({ tasks: [taken.value.task] }, from);
  assert.equal(provider.waiting, 1);
});

test("a task that failed and is given again is heard of as it stands now, not as it stood", async (t) => {
  const { provider, runner, requester, network, settle } = await setUp(t);
  const { from, told, mesh } = requester();
  runner.next = failRun("crashed", "once");
  // What it is told waits on its way until it is partitioned away: the failure is not heard.
  const answer = provider.assign({ task: spec(1), order }, from);
  assert.ok(answer.ok);
  network.partition([], [mesh.self]);
  await settle();
  network.heal();
  const again = provider.assign({ task: spec(1), order }, from);
  assert.ok(again.ok && again.value.state === "fetching");
  await settle();
  assert.ok(!told.some(({ state }) => state === "failed"), "the old failure is not told of the new attempt");
  assert.equal(told.at(-1)?.state, "done");
});

test("a result that had to make room is made again, and not promised for ever", async (t) => {
  const { provider, runner, requester, settle } = await setUp(t, { cacheBytes: 1 });
  const { from } = requester();
  for (const number of [1, 2]) {
    assert.ok(provider.assign({ task: spec(number), order }, from).ok);
    await settle();
  }
  const again = provider.assign({ task: spec(1), order }, from);
  assert.ok(again.ok && again.value.state === "fetching");
  await settle();
  const output = provider.output({ task: again.value.task, offset: 0 }, from);
  assert.ok(output.ok && output.value.bytes.length === 4);
  assert.equal(runner.runs, 3);
});

test("switched on and off at once, it ends as it was last told, on disk too", async (t) => {
  const { provider, disk } = await setUp(t);
  const views = await Promise.all([provider.stop(), provider.start(), provider.stop(), provider.start()]);
  assert.deepEqual(
    views.map(({ on }) => on),
    [false, true, false, true],
  );
  assert.deepEqual([...(await disk.files.readFile("/data/provider-on"))], [1]);
});
