/** A bounded few of `npm run soak -- render-cheats`. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { predicted, TileChecks } from "../support/cheat-statistics.ts";

const RUNS = 120;

test("false pairs are caught as often as predicted, skipped samples by the third tile, honest tiles never", async () => {
  const checks = await TileChecks.of({ width: 96, height: 64, samples: 64, seed: 3, tileSize: 16 }, 3);
  for (const share of [0.01, 0.05]) {
    const rate = (await checks.falsified(share, RUNS)) / RUNS;
    const expected = predicted(share);
    const sigma = Math.sqrt((expected * (1 - expected)) / RUNS);
    assert.ok(Math.abs(rate - expected) < 4 * sigma, `${share} false: ${rate}, predicted ${expected}`);
  }
  assert.deepEqual([checks.tiles.length, checks.plainSky.length], [8, 3]);
  const runs = await checks.skipping(RUNS);
  // Plain sky tells nothing of who skipped it, and is not counted.
  assert.ok(runs.some(({ plainPassed }) => plainPassed > 0));
  const late = runs.filter(({ caughtAt }) => caughtAt > 3);
  assert.ok(late.length <= RUNS / 50, `${late.length} of ${RUNS} were not caught by their third tile`);
  assert.equal(await checks.honestRefused(RUNS), 0);
});
