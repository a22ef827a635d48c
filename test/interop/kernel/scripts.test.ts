import assert from "node:assert/strict";
import { test } from "node:test";
import { compareScripts, describeReport } from "./compare-scripts.ts";
import { Judge, NO_JUDGE } from "./judge.ts";

const RUNS = 4_000;

test(`${RUNS} random spends have the verdict of Bitcoin Core's own library`, {
  skip: NO_JUDGE,
}, async (context) => {
  const judge = new Judge("judge-scripts.py");
  const report = await compareScripts(judge, { runs: RUNS, seed: 20_261_123 });
  await judge.close();
  for (const line of describeReport(report)) context.diagnostic(line);
  assert.deepEqual(report.differences, []);
  assert.equal(report.spends, RUNS);
  assert.equal(report.flags.size, 64);
  assert.ok(report.signedValid > RUNS / 4, "a quarter or more are signed and verify");
  assert.ok(report.errors.size > 30, "most ways to fail are met");
});
