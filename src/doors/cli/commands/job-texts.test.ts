import assert from "node:assert/strict";
import { test } from "node:test";
import type { TaskView } from "#doors/api/sharing-control.ts";
import { UsageError } from "../cli-context.ts";
import { workersText } from "./follow-job.ts";
import { parseCount } from "./parse-count.ts";
import { providerText } from "./provide-commands.ts";
import { parsePictureSize } from "./render-commands.ts";

test("a picture's size is two numbers, or an error that says how to write one", () => {
  assert.deepEqual(parsePictureSize("640x360"), { width: 640, height: 360 });
  assert.deepEqual(parsePictureSize("1×16384"), { width: 1, height: 16_384 });
  for (const wrong of ["640", "640x", "0x10", "20000x10", "-1x5", "640x360x2"]) {
    assert.throws(() => parsePictureSize(wrong), UsageError, wrong);
  }
});

test("a count is within its bounds, or an error that names the option", () => {
  assert.equal(parseCount("64", "--samples", 1, 100), 64);
  for (const wrong of ["0", "101", "1.5", "x", ""]) {
    assert.throws(() => parseCount(wrong, "--samples", 1, 100), /--samples/);
  }
});

test("who did how much, the busiest first, and no name plays with the terminal", () => {
  const task = (providerName: string): TaskView => ({
    index: 0,
    state: "verified",
    attempts: [],
    providerName,
  });
  assert.equal(workersText([task("Bob"), task("Eve"), task("Bob")]), "Bob 2, Eve 1");
  assert.equal(workersText([task("\u001b[2JEve")]), "?[2JEve 1");
});

test("a provider's funnel is told in order, with the reasons of its refusals", () => {
  const funnel = { seen: 9, refused: 2, matched: 7, ran: 7, verified: 6, "refused: no-terms": 2 };
  assert.equal(
    providerText({ on: true, running: 1, done: 7, refused: 2, funnel }),
    "Lending cores: 1 task runs.\nseen 9 → refused 2 → matched 7 → ran 7 → verified 6\n  refused: no-terms: 2",
  );
});
