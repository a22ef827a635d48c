import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SeededRandom } from "#base/lib/random.ts";
import { ALL_DEPTHS, buildStory, coinsByTip } from "../crash/crash-story.ts";
import { KillRun } from "../crash/kill-node.ts";

/** Blocks that are imported. */
const TRUNK = 900;

/**
 * Kills nodes at random instants while they import blocks, are fed reorgs of depth 1 to 30, and stop, and holds each
 * to the coins of one that was never harmed.
 * @param args how many kills (100 when left out), and the seed (1).
 */
export async function run(args: string[]): Promise<void> {
  const wanted = Number(args[0] ?? 100);
  const seed = Number(args[1] ?? 1);
  const start = performance.now();
  const story = buildStory({ seed, trunk: TRUNK, depths: ALL_DEPTHS });
  const coins = await coinsByTip(story);
  // What a failed run leaves is to be looked at.
  const folder = mkdtempSync(join(tmpdir(), "freehold-crash-"));
  const run = new KillRun({ story, coins, random: new SeededRandom(seed), folder });
  await run.measure();
  const { durations, kills } = run;
  console.log(
    `${coins.size} blocks; unharmed, the import takes ${durations.import.toFixed(0)} ms, ` +
      `the reorgs ${durations.reorgs.toFixed(0)} ms, the stop ${durations.stop.toFixed(0)} ms`,
  );
  let chains = 0;
  for (; run.killed < wanted; chains++) {
    await run.tellOnce(wanted);
    console.log(`${run.killed} kills, ${seconds(start)} s`);
  }
  console.log(
    `${run.killed} kills of ${chains} chains (${kills.import} while importing, ${kills.reorgs} during reorgs, ` +
      `${kills.stop} while stopping): none lost, no reindex; ${run.starts} starts, coins compared ${run.compared} ` +
      `times; ${seconds(start)} s`,
  );
  rmSync(folder, { recursive: true });
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(0);
}
