import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock, systemClock, unixTime } from "./clock.ts";

test("actions run at their own time, in the order of time, then of request", () => {
  const clock = new ManualClock(1000);
  const seen: string[] = [];
  const note = (name: string) => () => seen.push(`${name}@${clock.now()}`);
  clock.after(20, note("b"));
  clock.after(10, note("a"));
  clock.after(20, note("c"));
  clock.after(31, note("late"));
  assert.equal(clock.next, 1010);
  clock.advance(30);
  assert.deepEqual(seen, ["a@1010", "b@1020", "c@1020"]);
  assert.equal(clock.now(), 1030);
  assert.equal(clock.monotonic(), 30);
  clock.advance(1);
  assert.equal(seen.at(-1), "late@1031");
  assert.equal(clock.next, undefined);
});

test("an action may ask for another, which runs in the same advance if it falls due", () => {
  const clock = new ManualClock();
  const times: number[] = [];
  const tick = (): void => {
    times.push(clock.now());
    clock.after(10, tick);
  };
  clock.after(10, tick);
  clock.advance(35);
  assert.deepEqual(times, [10, 20, 30]);
});

test("an action taken back does not run, nor does taking it back twice hurt", () => {
  const clock = new ManualClock();
  let runs = 0;
  const cancel = clock.after(5, () => runs++);
  const other = clock.after(5, () => cancel());
  cancel();
  cancel();
  clock.advance(10);
  assert.equal(runs, 0);
  other();
  // One may take back another that is due at the same time.
  const second = [() => {}];
  clock.after(5, () => second[0]!());
  second[0] = clock.after(5, () => runs++);
  clock.advance(5);
  assert.equal(runs, 0);
});

test("a delay below zero runs at once in the next advance, and time does not go back", () => {
  const clock = new ManualClock(50);
  let at = 0;
  clock.after(-10, () => {
    at = clock.now();
  });
  clock.advance(0);
  assert.equal(at, 50);
});

test("the system's clock: time in seconds, a timer, one taken back", async () => {
  const before = Math.floor(Date.now() / 1000);
  const time = unixTime(systemClock);
  assert.ok(time >= before && time <= before + 1);
  const start = systemClock.monotonic();
  let runs = 0;
  const cancel = systemClock.after(1, () => runs++);
  cancel();
  // The process would end here without something that keeps it alive.
  const keep = setInterval(() => {}, 1000);
  await new Promise<void>((resolve) => systemClock.after(20, resolve));
  clearInterval(keep);
  assert.equal(runs, 0);
  // Timers count whole milliseconds of a coarser clock.
  assert.ok(systemClock.monotonic() - start >= 15);
});

test("the system's clock takes a time that is past for now, and one that is years away for what it is", async (t) => {
  const warnings: string[] = [];
  const hear = ({ name }: Error) => void warnings.push(name);
  process.on("warning", hear);
  t.after(() => process.off("warning", hear));
  const keep = setInterval(() => {}, 1000);
  let early = 0;
  const cancel = systemClock.after(400 * 86_400_000, () => early++);
  await new Promise<void>((resolve) => systemClock.after(-1000, resolve));
  await new Promise<void>((resolve) => systemClock.after(10, resolve));
  clearInterval(keep);
  cancel();
  assert.deepEqual(warnings, []);
  assert.equal(early, 0);
});

test("what waits longer than a timer can is done at its time, unless it is taken back on the way", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const start = performance.now();
  t.mock.method(performance, "now", () => start + passed);
  let passed = 0;
  const pass = (delay: number) => {
    passed += delay;
    t.mock.timers.tick(delay);
  };
  const seen: string[] = [];
  systemClock.after(60 * 86_400_000, () => seen.push("sixty"));
  const cancel = systemClock.after(50 * 86_400_000, () => seen.push("fifty"));
  for (let day = 0; day < 59; day++) {
    if (day === 40) cancel();
    pass(86_400_000);
  }
  assert.deepEqual(seen, []);
  pass(86_400_000);
  assert.deepEqual(seen, ["sixty"]);
});
