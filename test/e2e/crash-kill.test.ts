/** A few of the kills that `npm run soak -- crash` does in full. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "#base/lib/random.ts";
import { buildStory, coinsByTip } from "../crash/crash-story.ts";
import { KillRun } from "../crash/kill-node.ts";
import { temporaryDirectory } from "./node-process.ts";

const KILLS = 4;

test("a node that is killed while it imports, reorganises and stops goes on to the same coins", async () => {
  const story = buildStory({ seed: 1, trunk: 150, depths: [3, 30] });
  const coins = await coinsByTip(story);
  const seed = Date.now() >>> 0;
  const run = new KillRun({ story, coins, random: new SeededRandom(seed), folder: temporaryDirectory() });
  await run.measure();
  // Chains that were told quicker than the one that was measured may all end before they are killed.
  for (let chain = 0; run.killed < (chain < KILLS ? KILLS : 1); chain++) await run.tellOnce(KILLS);
  assert.ok(run.compared > run.killed, `nothing was compared with seed ${seed}`);
});
