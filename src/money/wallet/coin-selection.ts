/**
 * Which coins pay. Three ways are tried and the least wasteful result wins (Core: wallet/coinselection.cpp; Erhardt,
 * "An Evaluation of Coin Selection Strategies"):
 *
 * - branch and bound: an exact match, which needs no change and so saves its cost and tells an observer less;
 * - the smallest single coin that is enough;
 * - single random draw: coins in random order until they are enough, which keeps the wallet's coins mixed in size.
 *
 * Waste is what spending these coins now costs more than spending them at the long-term rate, and the cost of change, or
 * what is given away without it.
 */
import type { Random } from "#base/lib/random.ts";

export interface Selectable {
  /** Satoshi. */
  readonly amount: number;
  /** Satoshi that spending it costs at the rate of this payment. */
  readonly fee: number;
  /** Satoshi that spending it would cost at the long-term rate. */
  readonly longTermFee: number;
}

export interface SelectionTask {
  /** Satoshi to reach after each coin's own fee: the payments, and the fee of all but inputs and change. */
  readonly target: number;
  /** Fee of the change output now, and of spending it one day. */
  readonly changeFee: number;
  readonly changeSpendFee: number;
  /** Satoshi below which change is not made. */
  readonly dust: number;
  /** Change that is aimed at where coins are drawn: large enough to be of use, and of random size. */
  readonly changeTarget: number;
  /** Fees are taken from the payment: a coin counts in full. */
  readonly subtractFee: boolean;
}

export interface Selection<Coin> {
  readonly coins: readonly Coin[];
  /** Whether enough is left over to make change of it. */
  readonly hasChange: boolean;
  /** Satoshi, lower is better; negative when now is a good time to spend many coins. */
  readonly waste: number;
}

const MAX_TRIES = 100_000;

/** The best selection, `undefined` when all coins together are not enough. */
export function selectCoins<Coin extends Selectable>(
  coins: readonly Coin[],
  task: SelectionTask,
  random: Random,
): Selection<Coin> | undefined {
  // A coin that costs more than it is worth only makes the payment dearer.
  const useful = coins.filter((coin) => worthOf(coin, task) > 0);
  const candidates: Selection<Coin>[] = [];
  const exact = branchAndBound(useful, task);
  if (exact !== undefined) candidates.push(rated(exact, task));
  const withChange = task.target + task.changeFee + task.changeTarget;
  const single = smallestEnough(useful, withChange, task);
  if (single !== undefined) candidates.push(rated([single], task));
  const drawn =
    draw(useful, withChange, task, random) ??
    draw(useful, task.target + task.changeFee + task.dust, task, random) ??
    draw(useful, task.target, task, random);
  if (drawn !== undefined) candidates.push(rated(drawn, task));
  return candidates.reduce<Selection<Coin> | undefined>(
    (best, one) => (best === undefined || one.waste < best.waste ? one : best),
    undefined,
  );
}

/** What a coin adds towards the target. */
function worthOf(coin: Selectable, { subtractFee }: SelectionTask): number {
  return subtractFee ? coin.amount : coin.amount - coin.fee;
}

function sumOf(coins: readonly Selectable[], task: SelectionTask): number {
  return coins.reduce((sum, coin) => sum + worthOf(coin, task), 0);
}

function rated<Coin extends Selectable>(coins: readonly Coin[], task: SelectionTask): Selection<Coin> {
  const over = sumOf(coins, task) - task.target;
  const hasChange = over >= task.changeFee + task.dust;
  const timing = coins.reduce((sum, coin) => sum + coin.fee - coin.longTermFee, 0);
  return { coins, hasChange, waste: timing + (hasChange ? task.changeFee + task.changeSpendFee : over) };
}

/**
 * Searches the tree of taking and leaving each coin, largest first, for the least wasteful sum between the target and
 * the target plus the cost of change.
 */
export function branchAndBound<Coin extends Selectable>(
  coins: readonly Coin[],
  task: SelectionTask,
): Coin[] | undefined {
  const sorted = [...coins].sort((a, b) => worthOf(b, task) - worthOf(a, task));
  const values = sorted.map((coin) => worthOf(coin, task));
  const timings = sorted.map((coin) => coin.fee - coin.longTermFee);
  const upper = task.target + Math.min(task.changeFee + task.changeSpendFee, task.changeFee + task.dust - 1);
  const isDear = (timings[0] ?? 0) > 0;
  let left = values.reduce((sum, value) => sum + value, 0);
  let [value, waste] = [0, 0];
  let taken: number[] = [];
  let best: { taken: number[]; waste: number } | undefined;
  let index = 0;
  for (let tries = 0; tries < MAX_TRIES; tries++, index++) {
    const isHopeless =
      value + left < task.target || value > upper || (best !== undefined && waste > best.waste && isDear);
    if (!isHopeless && value >= task.target) {
      const total = waste + value - task.target;
      if (best === undefined || total <= best.waste) best = { taken: [...taken], waste: total };
    }
    if (isHopeless || value >= task.target || index >= values.length) {
      const last = taken.at(-1);
      if (last === undefined) break;
      // Back to the coin taken last: what was passed over since may be taken again, and it is left.
      for (index--; index > last; index--) left += values[index]!;
      taken = taken.slice(0, -1);
      value -= values[last]!;
      waste -= timings[last]!;
      index = last;
      continue;
    }
    left -= values[index]!;
    const previous = taken.at(-1);
    // Of equal coins the later is only taken with the earlier: any other choice was tried already.
    const isRepeat = index > 0 && previous !== index - 1 && values[index] === values[index - 1];
    if (isRepeat && timings[index] === timings[index - 1]) continue;
    taken.push(index);
    value += values[index]!;
    waste += timings[index]!;
  }
  return best?.taken.map((i) => sorted[i]!);
}

function smallestEnough<Coin extends Selectable>(
  coins: readonly Coin[],
  enough: number,
  task: SelectionTask,
): Coin | undefined {
  let best: Coin | undefined;
  for (const coin of coins) {
    if (worthOf(coin, task) < enough) continue;
    if (best === undefined || worthOf(coin, task) < worthOf(best, task)) best = coin;
  }
  return best;
}

function draw<Coin extends Selectable>(
  coins: readonly Coin[],
  enough: number,
  task: SelectionTask,
  random: Random,
): Coin[] | undefined {
  const drawn: Coin[] = [];
  let sum = 0;
  for (const coin of shuffled(coins, random)) {
    drawn.push(coin);
    sum += worthOf(coin, task);
    if (sum >= enough) return drawn;
  }
  return undefined;
}

/** In random order (Fisher–Yates). */
export function shuffled<T>(items: readonly T[], random: Random): T[] {
  const order = [...items];
  for (let i = order.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
