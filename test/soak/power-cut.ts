import type { SyncRequest } from "#base/store/power.ts";
import { ALL_DEPTHS, buildStory, coinsByTip } from "../crash/crash-story.ts";
import { countOperations, type PowerCutTrial, sufferCuts } from "../crash/power-cuts.ts";

/** Blocks before the reorgs. */
const TRUNK = 160;
/** Chains that each mutant is tried on, and how many more while none of them is lost. */
const MUTANT_TRIALS = 10;
const MORE_TRIALS = 60;

/** What happens when one kind of sync is left out. */
const MUTANTS: Readonly<Record<string, (sync: SyncRequest) => boolean>> = {
  "block files": ({ path }) => /blk\d+\.dat$/.test(path),
  "undo files": ({ path }) => /rev\d+\.dat$/.test(path),
  "entries of the blocks folder": ({ kind, path }) => kind === "directory" && path.endsWith("/blocks"),
  "block index": ({ kind, path }) => kind === "store" && path.endsWith("/index"),
  coins: ({ kind, path }) => kind === "store" && path.endsWith("/chainstate"),
};

/**
 * Cuts the power at random instants while a chain imports blocks and goes through reorgs of depth 1 to 30, and holds
 * it to the coins of one that was never harmed. The same with one kind of sync left out must fail.
 * @param args how many cuts (500 when left out), and the first seed (1).
 */
export async function run(args: string[]): Promise<void> {
  const wanted = Number(args[0] ?? 500);
  const seed = Number(args[1] ?? 1);
  const start = performance.now();
  const story = buildStory({ seed, trunk: TRUNK, depths: ALL_DEPTHS });
  const coins = await coinsByTip(story);
  const operations = await countOperations({ story, coins, seed });
  console.log(`${coins.size} blocks, reorgs of depth 1 to 30; unharmed ${operations} writes and syncs`);
  const total = { chains: 0, cuts: 0, kills: 0, compared: 0, replays: 0 };
  for (let chain = seed; total.cuts < wanted; chain++) {
    const { loss, ...outcome } = await sufferCuts({ story, coins, seed: chain }, operations);
    if (loss !== undefined) throw new Error(`chain of seed ${chain} was lost`, { cause: loss });
    total.chains++;
    total.cuts += outcome.cuts;
    total.kills += outcome.kills;
    total.compared += outcome.compared;
    total.replays += outcome.replays;
    if (total.chains % 10 === 0) console.log(`${total.cuts} cuts, ${seconds(start)} s`);
  }
  console.log(
    `${total.cuts} power cuts and ${total.kills} kills of ${total.chains} chains: none lost; ` +
      `coins compared ${total.compared} times, ${total.replays} cut flushes made good; ${seconds(start)} s`,
  );
  for (const [name, leaveOut] of Object.entries(MUTANTS)) {
    await requireLoss(name, { story, coins, seed, leaveOut }, operations);
  }
  console.log(`${Object.keys(MUTANTS).length} mutants, all caught; ${seconds(start)} s in all`);
}

/** @throws Error when no chain is lost though some syncs are left out. */
async function requireLoss(name: string, mutant: PowerCutTrial, operations: number): Promise<void> {
  let cuts = 0;
  const losses: unknown[] = [];
  let trial = 0;
  for (; trial < MUTANT_TRIALS || (losses.length === 0 && trial < MORE_TRIALS); trial++) {
    const outcome = await sufferCuts({ ...mutant, seed: mutant.seed + trial }, operations);
    cuts += outcome.cuts;
    if (outcome.loss !== undefined) losses.push(outcome.loss);
  }
  if (losses.length === 0) throw new Error(`without sync of ${name} ${cuts} cuts did no harm`);
  const counts = `${losses.length} of ${trial} chains lost in ${cuts} cuts`;
  console.log(`without sync of ${name}: ${counts}, the first by ${String(losses[0])}`);
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(0);
}
