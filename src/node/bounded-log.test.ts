import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "#base/lib/clock.ts";
import { BoundedLog } from "./bounded-log.ts";

function bounded(characters = 20) {
  const lines: string[] = [];
  const note = (text: string) => void lines.push(text);
  const clock = new ManualClock();
  const log = new BoundedLog({ info: note, warn: note, error: note, debug() {} }, clock, {
    burst: 3,
    aMinute: 2,
    characters,
  });
  return { lines, clock, log };
}

test("lines beyond the burst are left out, and counted in the next that is written", () => {
  const { lines, clock, log } = bounded();
  for (let i = 0; i < 10; i++) log.error(`line ${i}`);
  assert.deepEqual(lines.splice(0), ["line 0", "line 1", "line 2"]);
  clock.advance(29_000);
  log.info("too soon");
  assert.deepEqual(lines, []);
  clock.advance(1000);
  log.warn("again");
  log.warn("and no more");
  assert.deepEqual(lines.splice(0), ["8 lines of the sharing process were left out", "again"]);
  clock.advance(3_600_000);
  for (let i = 0; i < 10; i++) log.error(`line ${i}`);
  assert.equal(lines.length, 4, "what was not used does not add up beyond the burst");
});

test("a line is cut, and forges no other", () => {
  const { lines, log } = bounded(30);
  log.error("Error: a\n    at b\r\n\x1b[2K\u202e");
  log.error("x".repeat(1_000_000));
  assert.deepEqual(lines, ["Error: a | at b | ?[2K?", "x".repeat(30)]);
});
