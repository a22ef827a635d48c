import assert from "node:assert/strict";
import { test } from "node:test";
import { COIN, MAX_MONEY } from "#protocol/bitcoin/amount.ts";
import { main, regtest } from "#protocol/bitcoin/networks.ts";
import { blockSubsidy } from "./subsidy.ts";

test("the subsidy halves every 210,000 blocks and sums to just under 21 million", () => {
  assert.equal(blockSubsidy(0, main), 50 * COIN);
  assert.equal(blockSubsidy(209_999, main), 50 * COIN);
  assert.equal(blockSubsidy(210_000, main), 25 * COIN);
  assert.equal(blockSubsidy(840_000, main), 312_500_000);
  let total = 0;
  for (let height = 0; height < 14_000_000; height += 1000) total += blockSubsidy(height, main) * 1000;
  // subsidy_limit_test in Core's validation_tests.
  assert.equal(total, 2_099_999_997_690_000);
  assert.ok(total < MAX_MONEY);
  assert.equal(blockSubsidy(33 * 210_000, main), 0);
  assert.equal(blockSubsidy(64 * 210_000, main), 0);
});

test("regtest halves every 150 blocks", () => {
  assert.equal(blockSubsidy(149, regtest()), 50 * COIN);
  assert.equal(blockSubsidy(150, regtest()), 25 * COIN);
});
