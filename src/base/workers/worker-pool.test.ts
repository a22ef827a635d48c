import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import type { TestJob, TestResult } from "./test-support/worker.ts";
import { WorkerCrashError, WorkerPool, type WorkerPoolOptions } from "./worker-pool.ts";

const file = new URL("./test-support/worker.ts", import.meta.url);

function pool(t: TestContext, options: Partial<WorkerPoolOptions> = {}): WorkerPool<TestJob, TestResult> {
  const made = new WorkerPool<TestJob, TestResult>({ file, size: 2, name: "test", ...options });
  t.after(() => made.close());
  return made;
}

/** A gate that holds workers until it is opened, and tells how many stand before it. */
function gate(): { view: Int32Array; entered(count: number): Promise<void>; open(): void } {
  const view = new Int32Array(new SharedArrayBuffer(8));
  return {
    view,
    async entered(count) {
      for (let seen = Atomics.load(view, 1); seen < count; seen = Atomics.load(view, 1)) {
        await Atomics.waitAsync(view, 1, seen).value;
      }
    },
    open() {
      Atomics.store(view, 0, 1);
      Atomics.notify(view, 0);
    },
  };
}

test("many jobs over two threads, each with its own result", async (t) => {
  const workers = pool(t);
  const jobs = Array.from({ length: 500 }, (_, i) => workers.run({ do: "add", a: i, b: 1000 }));
  assert.equal(workers.pending, 500);
  assert.deepEqual(
    await Promise.all(jobs),
    Array.from({ length: 500 }, (_, i) => i + 1000),
  );
  assert.equal(workers.pending, 0);
  const held = gate();
  const both = [workers.run({ do: "wait", gate: held.view }), workers.run({ do: "wait", gate: held.view })];
  await held.entered(2);
  held.open();
  await Promise.all(both);
});

test("shared memory is seen by all, transferred buffers move both ways", async (t) => {
  const workers = pool(t, { data: "handed over" });
  const shared = new Int32Array(new SharedArrayBuffer(4));
  await Promise.all(Array.from({ length: 20 }, () => workers.run({ do: "fill", shared, value: 3 })));
  assert.equal(shared[0], 60);
  const bytes = new Uint8Array([1, 2, 3]);
  const doubled = await workers.run({ do: "double", bytes }, [bytes.buffer]);
  assert.deepEqual(doubled, new Uint8Array([2, 4, 6]));
  assert.equal(bytes.length, 0, "moved, not copied");
  assert.equal(await workers.run({ do: "data" }), "handed over");
});

test("a job that throws rejects alone, with name, message and the worker's stack", async (t) => {
  const workers = pool(t, { size: 1 });
  const failing = workers.run({ do: "fail", message: "too far" });
  const adding = workers.run({ do: "add", a: 1, b: 2 });
  await assert.rejects(failing, (error: Error) => {
    assert.equal(error.name, "RangeError");
    assert.equal(error.message, "too far");
    assert.match(error.stack ?? "", /worker\.ts/);
    return true;
  });
  assert.equal(await adding, 3);
  await assert.rejects(workers.run({ do: "unsendable" }), /could not be cloned/);
  const unsendable = (() => {}) as unknown as TestJob;
  await assert.rejects(workers.run(unsendable), /could not be cloned/);
  assert.equal(await workers.run({ do: "add", a: 2, b: 2 }), 4);
});

test("a thread that dies rejects its jobs, and another takes its place", async (t) => {
  const workers = pool(t, { size: 1 });
  const before = await workers.run({ do: "who" });
  const crash = workers.run({ do: "crash" });
  const beside = workers.run({ do: "crash" });
  const after = workers.run({ do: "who" });
  await assert.rejects(crash, (error) => {
    assert.ok(error instanceof WorkerCrashError);
    assert.match(error.message, /test: a worker died: crashed on purpose/);
    return true;
  });
  await assert.rejects(beside, WorkerCrashError);
  assert.notEqual(await after, before);
  await assert.rejects(workers.run({ do: "exit" }), /exit code 3/);
  assert.equal(await workers.run({ do: "add", a: 1, b: 1 }), 2);
});

test("a worker that can not start rejects every job and does not spin", async (t) => {
  const missing = new URL("./no-such-worker.ts", import.meta.url);
  const workers = pool(t, { file: missing, size: 1, depth: 1 });
  for (let i = 0; i < 3; i++) {
    await assert.rejects(workers.run({ do: "who" }), WorkerCrashError);
  }
});

test("waiting jobs are bounded, and can be taken back to be run here", async (t) => {
  const workers = pool(t, { size: 1, depth: 1, maxQueued: 2 });
  const held = gate();
  const first = workers.run({ do: "wait", gate: held.view });
  const second = workers.run({ do: "add", a: 1, b: 1 });
  const third = workers.run({ do: "add", a: 5, b: 5 });
  assert.equal(workers.queued, 2);
  await assert.rejects(workers.run({ do: "who" }), /more than 2 jobs wait/);
  const taken = workers.takeQueued()!;
  assert.deepEqual(taken.job, { do: "add", a: 5, b: 5 });
  taken.resolve(10);
  assert.equal(await third, 10);
  held.open();
  assert.equal(await first, 0);
  assert.equal(await second, 2);
  assert.equal(workers.takeQueued(), undefined);
});

test("close rejects what was not settled, and stops threads in the middle of a job", async (t) => {
  const workers = pool(t, { size: 1, depth: 1 });
  const held = gate();
  const running = assert.rejects(workers.run({ do: "wait", gate: held.view }), /the pool was closed/);
  const waiting = assert.rejects(workers.run({ do: "who" }), /the pool was closed/);
  await held.entered(1);
  await workers.close();
  await Promise.all([running, waiting]);
  await assert.rejects(workers.run({ do: "who" }), /the pool is closed/);
});

test("an idle pool lets the process end, a busy one does not", async () => {
  const module = new URL("./worker-pool.ts", import.meta.url).href;
  const code = `
    const { WorkerPool } = await import(${JSON.stringify(module)});
    const pool = new WorkerPool({ file: new URL(${JSON.stringify(file.href)}), size: 1, name: "test" });
    console.log(await pool.run({ do: "add", a: 20, b: 22 }));
  `;
  const { stdout } = await promisify(execFile)(process.execPath, ["-e", code]);
  assert.equal(stdout, "42\n");
});
