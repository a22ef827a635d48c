import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { systemClock } from "#base/lib/clock.ts";
import { encodeCbor } from "#sharing/mesh/cbor.ts";
import type { TaskLimits } from "../../core/task.ts";
import type { RunOutcome, RunTask } from "../../core/task-runner.ts";
import {
  echoCommand,
  echoKernel,
  endlessLoop,
  endlessRecursion,
  floodCommand,
  I32,
  i32,
  kernel,
  memoryHog,
  openCommand,
  outputFlood,
  trapAtLoad,
} from "../../core/test-modules.ts";
import { readCommandOutput } from "../../core/wasm-job.ts";
import { WasmChild } from "./wasm-child.ts";
import { WasmPool } from "./wasm-pool.ts";

const LIMITS: TaskLimits = { memoryBytes: 2 ** 24, outputBytes: 2 ** 20, traceBytes: 0, milliseconds: 5000 };
/** These look at processes through /proc. */
const NEEDS_PROC = process.platform === "linux" ? {} : { skip: "reads /proc, which is Linux's" };
const NO_ARGS = encodeCbor([]);

function newPool(t: TestContext, lanes = 1): WasmPool {
  const pool = new WasmPool({ lanes }, { clock: systemClock });
  // Neither children nor the clock's timers keep this process up.
  const alive = setInterval(() => {}, 1000);
  t.after(async () => {
    await pool.close();
    clearInterval(alive);
  });
  return pool;
}

let modules = 0;

function taskOf(
  code: Uint8Array,
  change: Partial<RunTask> & { limits?: TaskLimits; input?: Uint8Array } = {},
): RunTask {
  const { input, ...rest } = change;
  modules++;
  return {
    owner: "stranger",
    code: { id: `module ${modules}`, bytes: async () => code },
    inputs: input === undefined ? [] : [{ id: `input ${modules}`, bytes: async () => input }],
    params: NO_ARGS,
    seed: new Uint8Array(32),
    limits: LIMITS,
    ...rest,
  };
}

const never = new AbortController().signal;

function failure(outcome: RunOutcome): { code: string; text: string } {
  assert.ok(!outcome.ok, "it did not fail");
  return outcome.failure;
}

test("hostile modules end with their reason, and the pool goes on", async (t) => {
  const pool = newPool(t);
  const cases: [string, Uint8Array, string, RegExp][] = [
    ["an output flood of a kernel", outputFlood(2 ** 23), "output-limit", /8388608 bytes of output/],
    ["an output flood of a command", floodCommand, "output-limit", /more than its 1048576 bytes/],
    ["endless recursion", endlessRecursion, "trap", /call stack exhausted/],
    ["a trap at load", trapAtLoad, "trap", /unreachable/],
    ["a path above the root", openCommand("../etc/passwd"), "exit", /exit code 76/],
    ["a path out of /out", openCommand("out/../../etc/passwd"), "exit", /exit code 76/],
    ["an absolute path", openCommand("/etc/passwd"), "exit", /exit code 76/],
    ["a file made in /in", openCommand("in/x", 1), "exit", /exit code 69/],
    ["shared memory", kernel({ memory: [3, 1, 2] }), "refused-module", /threads/],
    ["atomic instructions", kernel({ run: [0xfe, 0x03, 0x00, ...i32(0)] }), "refused-module", /threads/],
    ["an output outside its memory", kernel({ at: -16 }), "bad-output", /outside its memory/],
    [
      "memory of 4 GiB to begin with",
      kernel({ memory: [0, 0x80, 0x80, 0x04] }),
      "memory-limit",
      /over the limit/,
    ],
    ["what is no module", Uint8Array.of(1, 2, 3), "refused-module", /not a WebAssembly module/],
    ["a module that ends early", echoCommand.slice(0, 60), "refused-module", /beyond the end/],
  ];
  for (const [name, code, expected, reason] of cases) {
    const { code: got, text } = failure(await pool.run(taskOf(code), never));
    assert.equal(got, expected, `${name}: ${text}`);
    assert.match(text, reason, name);
  }
  const after = await pool.run(taskOf(echoKernel(16), { params: Uint8Array.of(7) }), never);
  assert.ok(after.ok);
});

test("an endless loop is killed within a second of its limit", async (t) => {
  const pool = newPool(t);
  const limits = { ...LIMITS, milliseconds: 700 };
  const times: number[] = [];
  // Thrice, so that a machine that is held up once does not fail it.
  for (let i = 0; i < 3; i++) {
    // Its process is there: only the loop's own time is looked at.
    assert.ok((await pool.run(taskOf(echoKernel(16)), never)).ok);
    const began = performance.now();
    const outcome = failure(await pool.run(taskOf(endlessLoop, { limits }), never));
    times.push(performance.now() - began);
    assert.deepEqual(outcome, { code: "time-limit", text: "took longer than its 700 ms" });
    assert.equal(pool.processes.length, 0);
  }
  const soonest = Math.min(...times);
  assert.ok(soonest >= 690 && soonest < 1700, `killed after ${times.join(", ")} ms`);
});

test("a module that wants 100 GB gets its limit and no more", NEEDS_PROC, async (t) => {
  const pool = newPool(t);
  const outcome = failure(await pool.run(taskOf(memoryHog), never));
  // It ends with the number of pages it reached, growing by sixteen.
  const pages = Number(/code (\d+)/.exec(outcome.text)?.[1]);
  assert.ok(pages > 200 && pages * 65_536 <= LIMITS.memoryBytes, outcome.text);
  const [pid] = pool.processes;
  const resident = Number(readFileSync(`/proc/${pid}/statm`, "latin1").split(" ")[1]) * 4096;
  assert.ok(resident < 200 * 2 ** 20, `${resident} bytes resident`);
});

test("memory is rewritten, not trusted: a declared maximum above the limit changes nothing", async (t) => {
  const pool = newPool(t);
  const greedy = kernel({
    memory: [1, 1, 0x80, 0x80, 0x04],
    run: [...i32(1000), 0x40, 0, ...i32(-1), 0x46],
    locals: [I32],
  });
  const outcome = failure(await pool.run(taskOf(greedy), never));
  assert.match(outcome.text, /code 1/, "memory.grow was refused");
});

test("cancelling kills a run at once", async (t) => {
  const pool = newPool(t);
  const controller = new AbortController();
  const running = pool.run(taskOf(endlessLoop), controller.signal);
  setTimeout(() => controller.abort(), 100);
  assert.equal(failure(await running).code, "cancelled");
  assert.equal(pool.processes.length, 0);
});

test("a child is used again by its owner alone", async (t) => {
  const pool = newPool(t);
  const run = async (owner: string): Promise<number[]> => {
    assert.ok((await pool.run(taskOf(echoKernel(16), { owner }), never)).ok);
    return [...pool.processes];
  };
  const [first] = await run("alice");
  assert.deepEqual(await run("alice"), [first]);
  const both = await run("bob");
  assert.equal(both.length, 2);
  assert.ok(both.includes(first!));
  const third = await run("carol");
  assert.ok(!third.includes(first!), "the longest idle one gave way");
});

test("code and inputs are sent once to a child that still holds them", async (t) => {
  const pool = newPool(t);
  let reads = 0;
  const bytes = async (): Promise<Uint8Array> => {
    reads++;
    return echoCommand;
  };
  const input = { id: "the input", bytes: async () => new TextEncoder().encode("again") };
  for (let i = 0; i < 5; i++) {
    const task = { ...taskOf(echoCommand), code: { id: "the code", bytes }, inputs: [input, input] };
    const outcome = await pool.run(task, never);
    assert.ok(outcome.ok, JSON.stringify(outcome));
    assert.equal(new TextDecoder().decode(readCommandOutput(outcome.value.output)?.stdout), "again");
  }
  assert.equal(reads, 1);
});

test("a run called off while its code is read leaves no false memory of what the child holds", async (t) => {
  const pool = newPool(t);
  for (const before of [undefined, taskOf(echoKernel(16))]) {
    if (before !== undefined) assert.ok((await pool.run(before, never)).ok);
    const task = taskOf(echoCommand, { input: Uint8Array.of(1, 2, 3) });
    const controller = new AbortController();
    const bytes = async (): Promise<Uint8Array> => {
      controller.abort();
      return await task.code.bytes();
    };
    const off = await pool.run({ ...task, code: { id: task.code.id, bytes } }, controller.signal);
    assert.equal(failure(off).code, "cancelled");
    const outcome = await pool.run(task, never);
    assert.ok(outcome.ok, outcome.ok ? "" : outcome.failure.text);
    assert.deepEqual([...readCommandOutput(outcome.value.output)!.stdout], [1, 2, 3]);
  }
});

test("a run that is to be fresh gets a process of its own", async (t) => {
  const pool = newPool(t);
  const task = taskOf(echoKernel(16));
  assert.ok((await pool.run(task, never)).ok);
  assert.ok((await pool.run(task, never)).ok);
  assert.equal(pool.processes.length, 1, "the same one serves its owner again");
  assert.ok((await pool.run({ ...task, fresh: true }, never)).ok);
  assert.equal(pool.processes.length, 2);
});

test("a trace of too many leaves, or of too long ones, is the task's own fault", async (t) => {
  const pool = newPool(t);
  const limits = { ...LIMITS, traceBytes: 2 ** 20 };
  const pages = [0, 40];
  const run = async (length: number, leaf: number): Promise<RunOutcome> =>
    pool.run(taskOf(kernel({ memory: pages, trace: { at: 0, length, leaf } }), { limits }), never);
  assert.ok((await run(2 ** 18, 1)).ok);
  const many = failure(await run(2 ** 18 + 1, 1));
  assert.deepEqual([many.code, many.text], ["bad-output", "more than 262144 leaves"]);
  assert.ok((await run(2 ** 18, 2 ** 18)).ok);
  assert.equal(failure(await run(2 ** 19, 2 ** 19)).code, "bad-output");
});

test("a system that gives no process ends the run, and not this process", async () => {
  assert.equal(WasmChild.start(systemClock, "/no/such/program"), undefined);
  // The error is told once more, on a later turn.
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
});

test("what waits for a lane can be cancelled, and the lane goes to the next", async (t) => {
  const pool = newPool(t, 1);
  const limits = { ...LIMITS, milliseconds: 300 };
  const first = pool.run(taskOf(endlessLoop, { limits }), never);
  const controller = new AbortController();
  const second = pool.run(taskOf(echoKernel(16)), controller.signal);
  const third = pool.run(taskOf(echoKernel(16)), never);
  controller.abort();
  assert.equal(failure(await second).code, "cancelled");
  assert.equal(failure(await first).code, "time-limit");
  assert.ok((await third).ok);
});

test("a child dies with its parent, even in the middle of an endless loop", NEEDS_PROC, async () => {
  const script = fileURLToPath(new URL("orphan.ts", import.meta.url));
  const parent = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
  const pid = await new Promise<number>((resolve) => {
    parent.stdout.once("data", (data: Buffer) => resolve(Number(data.toString())));
  });
  assert.ok(isAlive(pid));
  parent.kill("SIGKILL");
  const deadline = performance.now() + 30_000;
  while (isAlive(pid) && performance.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 20));
  assert.ok(!isAlive(pid), "the child outlived its parent");
});

function isAlive(pid: number): boolean {
  try {
    // A killed process that nobody has waited for yet is a zombie.
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false;
  }
}
