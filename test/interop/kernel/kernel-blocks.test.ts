import assert from "node:assert/strict";
import { test } from "node:test";
import { compareBlocks, newCounts, ruleTable } from "./compare-blocks.ts";
import { NO_JUDGE } from "./judge.ts";

const SEEDS = [1, 2];
const BLOCKS_PER_SEED = 1200;

test(`Core's library judges ${SEEDS.length * BLOCKS_PER_SEED} blocks as we do`, {
  skip: NO_JUDGE,
}, async (t) => {
  const counts = newCounts();
  for (const seed of SEEDS) {
    const { blocks, reorgs } = await compareBlocks(seed, BLOCKS_PER_SEED, counts);
    t.diagnostic(`seed ${seed}: ${blocks} blocks, ${reorgs} reorgs`);
  }
  t.diagnostic(ruleTable(counts));
  for (const [name, { broken, kept }] of counts) assert.ok(broken > 0 && kept > 0, `${name} was never tried`);
});
