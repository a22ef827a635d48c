import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "#base/lib/random.ts";
import {
  branchAndBound,
  type Selectable,
  type SelectionTask,
  selectCoins,
  shuffled,
} from "./coin-selection.ts";

const coin = (amount: number, fee = 68, longTermFee = 136): Selectable => ({ amount, fee, longTermFee });
const TASK: SelectionTask = {
  target: 100_000,
  changeFee: 31,
  changeSpendFee: 136,
  dust: 294,
  changeTarget: 50_000,
  subtractFee: false,
};
const sum = (coins: readonly Selectable[]) =>
  coins.reduce((total, { amount, fee }) => total + amount - fee, 0);

test("branch and bound finds the exact match among many coins", () => {
  const coins = [5, 9, 31_000, 44_068, 20_000, 56_068, 70_000, 3_000].map((amount) => coin(amount));
  const found = branchAndBound(coins, TASK);
  assert.deepEqual(found?.map(({ amount }) => amount).sort(), [44_068, 56_068]);
});

test("branch and bound agrees with trying all subsets", () => {
  const random = new SeededRandom(7);
  for (let round = 0; round < 300; round++) {
    const coins = Array.from({ length: 1 + random.below(10) }, () =>
      coin(1000 + random.below(40_000), 68, 30 + random.below(100)),
    );
    const task = { ...TASK, target: 20_000 + random.below(60_000), changeSpendFee: 2000, dust: 3000 };
    const upper = task.target + task.changeFee + task.changeSpendFee;
    let isPossible = false;
    for (let mask = 1; mask < 1 << coins.length; mask++) {
      const total = sum(coins.filter((_, i) => (mask >> i) & 1));
      if (total >= task.target && total <= upper) isPossible = true;
    }
    const found = branchAndBound(coins, task);
    assert.equal(found !== undefined, isPossible, `round ${round}`);
    if (found === undefined) continue;
    assert.equal(new Set(found).size, found.length);
    assert.ok(sum(found) >= task.target && sum(found) <= upper);
  }
});

test("what is chosen reaches the target, or there is not enough", () => {
  const random = new SeededRandom(3);
  const counts = { change: 0, none: 0, impossible: 0 };
  for (let round = 0; round < 2000; round++) {
    const coins = Array.from({ length: random.below(30) }, () =>
      coin(random.below(60_000), random.below(300)),
    );
    const task = {
      ...TASK,
      target: 1 + random.below(400_000),
      changeTarget: random.below(80_000),
      subtractFee: random.below(2) === 0,
    };
    const value = ({ amount, fee }: Selectable) => (task.subtractFee ? amount : amount - fee);
    const all = coins.filter((one) => value(one) > 0).reduce((total, one) => total + value(one), 0);
    const selection = selectCoins(coins, task, random);
    assert.equal(selection === undefined, all < task.target);
    if (selection === undefined) {
      counts.impossible++;
      continue;
    }
    const total = selection.coins.reduce((before, one) => before + value(one), 0);
    assert.ok(total >= task.target);
    assert.equal(new Set(selection.coins).size, selection.coins.length);
    assert.equal(selection.hasChange, total - task.target >= task.changeFee + task.dust);
    counts[selection.hasChange ? "change" : "none"]++;
  }
  assert.ok(
    Object.values(counts).every((count) => count > 50),
    JSON.stringify(counts),
  );
});

test("an exact match is preferred to change, and one large coin to many where fees are high", () => {
  const random = new SeededRandom(5);
  const exact = selectCoins([coin(100_070), coin(500_000), coin(900)], TASK, random);
  assert.deepEqual([exact?.hasChange, exact?.coins.length], [false, 1]);
  const dear = Array.from({ length: 40 }, () => coin(9_000, 3400, 680)).concat(coin(400_000, 3400, 680));
  const few = selectCoins(dear, { ...TASK, changeFee: 1550, changeSpendFee: 680 }, random);
  assert.equal(few?.coins.length, 1);
});

test("shuffled keeps all items", () => {
  const items = Array.from({ length: 50 }, (_, i) => i);
  const mixed = shuffled(items, new SeededRandom(1));
  assert.notDeepEqual(mixed, items);
  assert.deepEqual(
    mixed.sort((a, b) => a - b),
    items,
  );
});
