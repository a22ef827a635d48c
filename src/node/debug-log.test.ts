import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { ManualClock, systemClock } from "#base/lib/clock.ts";
import { dataPaths } from "#node/config/data-directory.ts";
import { Settings } from "#node/config/settings.ts";
import { regtest } from "#protocol/bitcoin/networks.ts";
import { DebugLog, type DebugLogOptions } from "./debug-log.ts";
import { openDebugLog } from "./open-debug-log.ts";

function makeFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "freehold-log-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

const OPTIONS: DebugLogOptions = {
  path: undefined,
  console: false,
  timestamps: false,
  micros: false,
  shrink: false,
};

test("lines are in the file by the next turn of the event loop", async (t) => {
  const path = join(makeFolder(t), "debug.log");
  const log = new DebugLog({ ...OPTIONS, path }, systemClock);
  assert.equal(statSync(path).size, 0);
  log.info("one");
  log.warn("two");
  log.error("three");
  log.debug("net", () => assert.fail("the category is off"));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(readFileSync(path, "utf8"), "one\n[warning] two\n[error] three\n");
  log.switch("net", true);
  log.debug("net", () => "four\u0007");
  log.close();
  assert.match(readFileSync(path, "utf8"), /\[net\] four\\x07\n$/);
});

test("times are those of the machine, beside a mocked one", (t) => {
  const path = join(makeFolder(t), "debug.log");
  const clock = new ManualClock(1_000_000_000_000);
  const log = new DebugLog({ ...OPTIONS, path, timestamps: true, micros: true }, clock);
  log.info("text");
  log.close();
  assert.match(
    readFileSync(path, "utf8"),
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z \(mocktime: 2001-09-09T01:46:40Z\) text\n$/,
  );
});

test("categories are switched one by one or together", () => {
  const log = new DebugLog(OPTIONS, systemClock);
  assert.equal(log.switch("net", true), true);
  assert.equal(log.isOn("net"), true);
  assert.equal(log.switch("all", true), true);
  assert.equal(log.isOn("zmq"), true);
  assert.equal(log.switch("net", false), true);
  assert.equal(log.isOn("net"), false);
  assert.equal(log.switch("nonsense", true), false);
});

test("a long file keeps its end, and a file that was moved away begins anew", (t) => {
  const path = join(makeFolder(t), "debug.log");
  writeFileSync(path, `${"a".repeat(2_000_000)}${"b".repeat(10_000_000)}`);
  const log = new DebugLog({ ...OPTIONS, path, shrink: true }, systemClock);
  assert.equal(readFileSync(path, "utf8"), "b".repeat(10_000_000));
  renameSync(path, `${path}.1`);
  log.reopen();
  log.info("fresh");
  log.close();
  assert.equal(readFileSync(path, "utf8"), "fresh\n");
});

test("-debug, -debugexclude and -loglevel as Core reads them", (t) => {
  const folder = makeFolder(t);
  const open = (...args: string[]) => {
    const settings = new Settings();
    settings.readCommandLine([...args, "-noprinttoconsole", `-debuglogfile=${join(folder, "debug.log")}`]);
    const log = openDebugLog(settings, dataPaths(settings, folder, regtest()), systemClock);
    t.after(() => log.close());
    return (["net", "mempool", "leveldb"] as const).map((name) => log.isOn(name));
  };
  assert.deepEqual(open(), [false, false, false]);
  assert.deepEqual(open("-debug"), [true, true, true]);
  assert.deepEqual(open("-debug=1", "-debugexclude=leveldb"), [true, true, false]);
  assert.deepEqual(open("-debug=net", "-debug=mempool"), [true, true, false]);
  assert.deepEqual(open("-debug=net", "-debug=none", "-debug=mempool"), [false, true, false]);
  assert.deepEqual(open("-debug=net", "-debug=0"), [false, false, false]);
  assert.deepEqual(open("-nodebug", "-loglevel=trace", "-loglevel=net:debug"), [false, false, false]);
  assert.throws(() => open("-debug=x"), /^ConfigError: Unsupported logging category -debug=x\.$/);
  assert.throws(() => open("-debugexclude=x"), /Unsupported logging category -debugexclude=x\./);
  assert.throws(() => open("-loglevel=x"), /Unsupported global logging level -loglevel=x\. Valid values: /);
  assert.throws(
    () => open("-loglevel=x:debug"),
    /Unsupported category-specific logging level -loglevel=x:debug\./,
  );
});
