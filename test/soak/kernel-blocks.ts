import {
  type ComparisonResult,
  compareBlocks,
  newCounts,
  ruleTable,
} from "../interop/kernel/compare-blocks.ts";
import { NO_JUDGE } from "../interop/kernel/judge.ts";

const BLOCKS_PER_SEED = 2000;

/**
 * Gives Bitcoin Core's library and our chain the same blocks, and throws at the first difference.
 * @param args how many blocks (20,000 when left out), and the first seed (1).
 */
export async function run(args: string[]): Promise<void> {
  if (NO_JUDGE !== false) throw new Error(NO_JUDGE);
  const total = Number(args[0] ?? 20_000);
  const counts = newCounts();
  let blocks = 0;
  let reorgs = 0;
  for (let seed = Number(args[1] ?? 1); blocks < total; seed++) {
    const result: ComparisonResult = await compareBlocks(
      seed,
      Math.min(BLOCKS_PER_SEED, total - blocks),
      counts,
    );
    blocks += result.blocks;
    reorgs += result.reorgs;
    console.log(`seed ${seed}: ${result.blocks} blocks, ${result.reorgs} reorgs, no difference`);
  }
  console.log(ruleTable(counts));
  console.log(`${blocks} blocks, ${reorgs} reorgs among them, no difference`);
  const never = [...counts].filter(([, { broken }]) => broken === 0).map(([name]) => name);
  if (never.length > 0) throw new Error(`never tried: ${never.join(", ")}`);
}
