import assert from "node:assert/strict";
import { test } from "node:test";
import type { RunFailureCode } from "../core/task-runner.ts";
import { type Failure, judgeFailures } from "./failure-verdict.ts";

const own = (code: RunFailureCode): Failure => ({
  peer: "self",
  account: "mine",
  arch: "x64",
  isSelf: true,
  code,
});
const by = (account: string, code: RunFailureCode): Failure => ({
  peer: `device of ${account}`,
  account,
  arch: "x64",
  isSelf: false,
  code,
});

test("no provider's word fails a task: whatever lies in the task itself, this machine runs", () => {
  for (const code of ["refused-module", "trap", "exit", "output-limit", "bad-output"] as const) {
    assert.equal(judgeFailures([by("a", code)], true), "self", code);
    assert.equal(judgeFailures([by("a", code), by("b", code), by("c", code)], true), "self", code);
  }
  assert.equal(judgeFailures([by("a", "crashed")], true), "anyone");
  assert.equal(judgeFailures([by("a", "crashed"), by("b", "time-limit")], true), "anyone");
  assert.equal(judgeFailures([by("a", "crashed"), by("b", "crashed"), by("c", "no-input")], true), "self");
  assert.equal(judgeFailures([by("a", "crashed")], false), "self", "nobody else is left");
  assert.equal(
    judgeFailures(
      ["1", "2", "3"].map((device) => ({ ...by("a", "crashed"), peer: device })),
      true,
    ),
    "anyone",
    "three machines of one account are one voice",
  );
});

test("this machine's own word counts with another account's, or with a second run of its own", () => {
  assert.equal(judgeFailures([own("refused-module")], false), "self");
  assert.equal(judgeFailures([own("refused-module"), own("refused-module")], true), "lost");
  assert.equal(judgeFailures([by("a", "trap"), own("trap")], true), "lost");
  assert.equal(judgeFailures([by("a", "trap"), own("exit")], true), "self");
  assert.equal(judgeFailures([by("a", "trap"), own("crashed")], true), "self");
  assert.equal(judgeFailures([own("trap"), own("crashed"), own("exit")], true), "lost", "it never ends well");
});

test("a machine that is too slow, too small or unlucky leaves the task to others while there are any", () => {
  assert.equal(judgeFailures([own("time-limit")], true), "anyone");
  assert.equal(judgeFailures([own("time-limit")], false), "lost");
  assert.equal(judgeFailures([own("crashed")], false), "self");
  assert.equal(judgeFailures([own("crashed"), own("crashed")], true), "anyone");
  assert.equal(judgeFailures([own("crashed"), own("crashed")], false), "lost");
  assert.equal(judgeFailures([by("a", "memory-limit"), own("memory-limit")], true), "anyone");
  assert.equal(judgeFailures([by("a", "memory-limit"), own("memory-limit")], false), "lost");
  const unlucky = [by("a", "crashed"), by("b", "crashed"), by("c", "crashed"), own("crashed")];
  assert.equal(judgeFailures(unlucky, true), "anyone", "its own turn is over");
});
