/** The sharing process as a process: it comes back by itself, and a false one gets refusals and nothing else. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { duplexPair } from "node:stream";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { z } from "zod";
import { ManualClock, systemClock } from "#base/lib/clock.ts";
import { type Logger, silentLogger } from "#base/lib/logger.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import { MemoryChain } from "#money/ports/test-support/memory-chain.ts";
import { FreeRail } from "#sharing/deals/free-rail.ts";
import type { PaymentRail } from "#sharing/deals/payment-rail.ts";
import { serveChain } from "./link/chain-link.ts";
import { serveRails } from "./link/rail-link.ts";
import { served } from "./link/served-calls.ts";
import { Link } from "./link.ts";
import { PaymentBudget } from "./payment-budget.ts";
import type { SharingStart } from "./sharing-start.ts";
import { type SharingChild, spawnSharing } from "./spawn-sharing.ts";
import { type SupervisedState, Supervisor } from "./supervisor.ts";

const PROGRAM = join(import.meta.dirname, "test-support/false-sharing.ts");
const START: SharingStart = {
  folder: "/nowhere",
  incoming: "/nowhere",
  network: "regtest",
  version: "0",
  name: "",
  meshBind: [],
  meshOrAny: true,
  mdns: false,
  s3Port: 0,
  s3OrNext: false,
  files: { diversity: "relaxed", auditEpoch: 1, awayAfter: 1, deadAfter: 1 },
  keys: { account: new Uint8Array(32), files: new Uint8Array(32) },
};

/** Pays whatever it is told to, as a rail with a funded channel would. */
class WillingRail implements PaymentRail {
  readonly name = "channel";
  paid = 0;
  async open(_peer: unknown, limitMsat: number): ReturnType<PaymentRail["open"]> {
    return { ok: true, value: { limitMsat } };
  }
  async pay(_peer: unknown, totalMsat: number): ReturnType<PaymentRail["pay"]> {
    this.paid = totalMsat;
    return { ok: true, value: { paidMsat: totalMsat, proof: new Uint8Array(0) } };
  }
  async receive(): ReturnType<PaymentRail["receive"]> {
    return { ok: true, value: { receivedMsat: 0 } };
  }
  async close(): ReturnType<PaymentRail["close"]> {
    return { ok: true, value: { paidMsat: 0 } };
  }
}

/** A method of ours with a mistake in it. */
const bug = served(z.null(), async () => {
  throw new TypeError("a bug\nthat says two lines");
});

/** A supervisor of children in one mode, and what they say. */
async function world(t: TestContext, mode: string) {
  const lines: string[] = [];
  const note = (text: string) => void lines.push(text);
  const log: Logger = { info: note, warn: note, error: note, debug() {} };
  const rail = new WillingRail();
  const budget = await PaymentBudget.open({ peerMsat: 500, dayMsat: 500 }, "/budget.json", {
    files: new FaultWorld().files,
    clock: systemClock,
  });
  const rails = budget.enforce([new FreeRail(() => true), rail]);
  const chain = new MemoryChain(5);
  const children: SharingChild[] = [];
  const supervisor = new Supervisor({
    clock: systemClock,
    log,
    spawn: (childLog) => {
      process.env["FREEHOLD_TEST_MODE"] = mode;
      const child = spawnSharing(childLog, PROGRAM);
      children.push(child);
      return child;
    },
    start: () => START,
    methods: () => ({ ...serveChain(chain).methods, ...serveRails(rails), bug }),
    limits: { stallMs: 1000 },
  });
  t.after(() => supervisor.stop());
  const until = async (what: string, test: () => boolean) => {
    const end = Date.now() + 20_000;
    while (!test()) {
      if (Date.now() > end) throw new Error(`waited in vain until ${what}:\n${lines.join("\n")}`);
      await sleep(10);
    }
  };
  const reached = (state: SupervisedState["state"]) =>
    until(`it is ${state}`, () => supervisor.state.state === state);
  /** What the child was answered, by line. */
  const told = () =>
    lines
      .filter((line) => line.startsWith("sharing: {"))
      .map((line) => JSON.parse(line.slice("sharing: ".length)) as Record<string, unknown>);
  return { supervisor, children, lines, rail, until, reached, told };
}

test("who is killed comes back, and who is stopped does not", async (t) => {
  const { supervisor, children, until, reached, lines } = await world(t, "honest");
  supervisor.start();
  await reached("running");
  for (let kill = 1; kill <= 3; kill++) {
    children.at(-1)!.kill("SIGKILL");
    await until("it is another", () => children.length > kill);
    await reached("running");
  }
  assert.equal(supervisor.restarts, 3);
  const waits = lines.flatMap((line) => /starts again in ([\d.]+) s/.exec(line)?.[1] ?? []);
  assert.deepEqual(waits, ["0.25", "0.5", "1"]);
  const { state } = supervisor;
  assert.ok(state.state === "running");
  assert.deepEqual(await state.control.peers(), []);
  await supervisor.stop("enough");
  assert.deepEqual(supervisor.state, { state: "off", reason: "enough" });
  assert.match(await children.at(-1)!.ended, /it ended with code 0/);
  assert.equal(children.length, 4);
});

test("a debugger of this process is none of the child's", async (t) => {
  const own = process.execArgv;
  t.after(() => {
    process.execArgv = own;
  });
  process.execArgv = ["--inspect=127.0.0.1:0", "--max-old-space-size=100", "--no-warnings"];
  const { supervisor, told, reached } = await world(t, "honest");
  supervisor.start();
  await reached("running");
  const [{ flags, inspector } = {}] = told();
  assert.equal(inspector, "none");
  const kept = ["--inspect", "--max-old-space-size", "--no-warnings"].filter((name) =>
    (flags as string[]).some((flag) => flag.startsWith(name)),
  );
  assert.deepEqual(kept, ["--no-warnings"]);
});

test("a process that finds a bug of ours can not fill the log with it, also when it begins anew", async (t) => {
  const { supervisor, lines, until, children } = await world(t, "provokes");
  supervisor.start();
  await until("it has come back twice", () => children.length >= 3);
  await supervisor.stop();
  const errors = lines.filter((line) => line.startsWith("link: bug"));
  assert.ok(errors.length > 0 && errors.length <= 220, `${errors.length} lines of 600 calls`);
  assert.ok(errors.every((line) => !line.includes("\n")));
});

test("a process that asks for more than its budget, or for another's key, is refused", async (t) => {
  const { supervisor, told, until, rail, reached } = await world(t, "greedy");
  supervisor.start();
  await reached("running");
  await until("it has asked for everything", () => told().some(({ done }) => done === true));
  const answers = told().map(({ method, ok, code, value }) => {
    const outcome = value as { ok?: boolean; reason?: string } | undefined;
    return [method, ok === false ? code : outcome?.ok === false ? outcome.reason : "done"];
  });
  assert.deepEqual(answers.slice(0, 12), [
    // What it was given at its start, and all of it.
    [undefined, "done"],
    ["rail.pay", "over-budget"],
    ["rail.open", "over-budget"],
    ["rail.pay", "over-budget"],
    ["rail.pay", "done"],
    ["rail.pay", "over-budget"],
    ["rail.pay", "not-allowed"],
    ["keys", "unknown-method"],
    ["keys.derive", "unknown-method"],
    ["start", "unknown-method"],
    ["wallet.seed", "unknown-method"],
    // A name that looks like a wallet's is a follower of its own.
    ["chain.watch", "done"],
  ]);
  assert.deepEqual(told()[0]!["keys"], ["account", "files"]);
  // Blocks, and no transaction of anyone.
  assert.equal(told().find(({ method }) => method === "chain.scan")?.["items"], 7);
  assert.equal(rail.paid, 500);
  assert.equal(supervisor.state.state, "running");
});

test("a process that lies about its start, or never gets through it, is started again later", async (t) => {
  for (const [mode, why] of [
    ["refuses", /the port is in use/],
    ["nonsense", /it answered its start with nonsense/],
  ] as const) {
    const { supervisor, lines, until } = await world(t, mode);
    supervisor.start();
    await until("it was started again", () => supervisor.restarts > 0);
    assert.match(lines.join("\n"), why);
    assert.notEqual(supervisor.state.state, "running");
    await supervisor.stop();
  }
});

test("answers that are none reach no door", async (t) => {
  const { supervisor, reached } = await world(t, "liar");
  supervisor.start();
  await reached("running");
  const { state } = supervisor;
  assert.ok(state.state === "running");
  await assert.rejects(state.control.peers(), /answered peers with nonsense/);
  const verdict = await state.control.job({ id: "x" });
  assert.equal(verdict.ok, false);
});

for (const [mode, why] of [
  ["garbage", /it broke the protocol: a frame of \d+ bytes/],
  ["oversized", /it broke the protocol: a frame of 536870912 bytes, of \d+ allowed/],
  ["calls", /it broke the protocol: too many refused calls|it does not read/],
] as const) {
  test(`a process that floods the link is ended, and costs no memory: ${mode}`, {
    timeout: 30_000,
  }, async (t) => {
    const { supervisor, children, lines, until } = await world(t, mode);
    globalThis.gc?.();
    const before = process.memoryUsage.rss();
    let most = before;
    const watch = setInterval(() => {
      most = Math.max(most, process.memoryUsage.rss());
    }, 5);
    supervisor.start();
    await until("it was ended", () => supervisor.restarts > 0);
    clearInterval(watch);
    assert.match(lines.join("\n"), why);
    assert.match(await children[0]!.ended, /SIGKILL|code 1/);
    const grown = (most - before) / 2 ** 20;
    t.diagnostic(`${grown.toFixed(1)} MiB at most`);
    assert.ok(grown < 64, `${grown} MiB`);
  });
}

/** Children in this process, under a clock of their own; `alive` are those that have not ended. */
function smallWorld(t: TestContext, spawning: () => void = () => {}) {
  const clock = new ManualClock();
  const alive = new Set<SharingChild>();
  let started = 0;
  const spawn = (): SharingChild => {
    spawning();
    const [pipe, theirs] = duplexPair();
    const { promise: ended, resolve } = Promise.withResolvers<string>();
    const end = (how: string) => {
      alive.delete(child);
      theirs.destroy();
      resolve(how);
    };
    const child: SharingChild = { pid: ++started, pipe, ended, kill: () => end("it was ended by SIGKILL") };
    alive.add(child);
    const methods = {
      start: served(z.unknown(), async () => ({ ok: true })),
      stop: served(z.null(), async () => {
        setImmediate(() => end("it ended with code 0"));
        return null;
      }),
    };
    new Link(theirs, methods, { clock, log: silentLogger });
    return child;
  };
  const supervisor = new Supervisor({
    ...{ clock, log: silentLogger, spawn },
    start: () => START,
    methods: () => ({}),
  });
  t.after(() => supervisor.stop());
  const reached = async (state: SupervisedState["state"]) => {
    while (supervisor.state.state !== state) await new Promise((resolve) => setImmediate(resolve));
  };
  return { supervisor, clock, alive, reached, started: () => started };
}

test("who is wanted again while it is stopped is started once, however often it was stopped", async (t) => {
  const { supervisor, clock, alive, reached, started } = smallWorld(t);
  supervisor.start();
  await reached("running");
  for (const stops of [1, 2, 3]) {
    const before = started();
    const stopped = Array.from({ length: stops }, () => supervisor.stop("locked"));
    supervisor.start();
    await Promise.all(stopped);
    await reached("running");
    // Whatever is to come later comes now.
    clock.advance(60_000);
    await reached("running");
    assert.equal(started(), before + 1, `${stops} stops`);
    assert.equal(alive.size, 1);
  }
  supervisor.start();
  await Promise.all([supervisor.stop("locked"), supervisor.stop("locked again")]);
  assert.equal(supervisor.state.state, "off");
  assert.equal(alive.size, 0);
});

test("a process that the system does not give is tried again, and ends nobody", async (t) => {
  let fails = 2;
  const { supervisor, clock, reached, started } = smallWorld(t, () => {
    if (fails-- > 0) throw new Error("spawn EMFILE");
  });
  supervisor.start();
  assert.match(JSON.stringify(supervisor.state), /"starting".*spawn EMFILE/);
  clock.advance(250);
  assert.match(JSON.stringify(supervisor.state), /"starting".*spawn EMFILE/);
  clock.advance(500);
  await reached("running");
  assert.equal(started(), 1);
});

test("no descriptors left: the sharing process is not started, and nothing is thrown later", {
  skip: process.platform === "win32" && "needs a shell's ulimit",
}, async () => {
  const script = `
    import { openSync } from "node:fs";
    import { spawnSharing } from ${JSON.stringify(join(import.meta.dirname, "spawn-sharing.ts"))};
    const log = { info() {}, warn() {}, error() {}, debug() {} };
    try { for (;;) openSync("/dev/null", "r"); } catch {}
    try { spawnSharing(log, "/nowhere"); } catch (error) { process.stdout.write(error.message + "; "); }
    setImmediate(() => process.stdout.write("alive"));`;
  const run = `ulimit -n 64; exec "$0" --input-type=module -e "$1"`;
  const { stdout } = await promisify(execFile)("bash", ["-c", run, process.execPath, script], {
    cwd: join(import.meta.dirname, "../.."),
  });
  assert.equal(stdout, "the system gives no process; alive");
});
