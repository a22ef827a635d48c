import { ScriptChecks } from "#ledger/chain/script-checks.ts";
import { describeFlips, flipSignatures, newFlipCounts } from "../support/flip-signatures.ts";
import { haveRealBlocks, KNOWN_BLOCKS, RealBlock } from "../support/real-block.ts";
import { NO_SHARED } from "../vectors/vectors.ts";

export const name = "real-blocks";

/**
 * Flips one byte in every signature of the real blocks in turn, and throws where one is not refused as it must be.
 * @param args 1 for every signature (when left out), n for every n-th; and how many flips there are to one whole
 * block that is taken in (500).
 */
export async function run(args: string[]): Promise<void> {
  if (!haveRealBlocks) throw new Error(NO_SHARED);
  const plan = { step: Number(args[0] ?? 1), wholeStep: Number(args[1] ?? 500) };
  const total = newFlipCounts();
  // Whole blocks on two threads: their verdict must be that of one.
  const checks = new ScriptChecks(2);
  try {
    for (const known of KNOWN_BLOCKS) {
      const block = new RealBlock(known);
      const refused = block.check() ?? (await block.connect(checks));
      if (refused !== undefined) throw new Error(`block ${known.height} is refused: ${refused.reason}`);
      const before = total.flips;
      await flipSignatures(block, plan, total, checks);
      console.log(`${known.network.name} block ${known.height}: ${total.flips - before} flips, all refused`);
    }
  } finally {
    await checks.close();
  }
  console.log(describeFlips(total));
}
