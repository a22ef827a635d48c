/** The scenario of Core's policyestimator_tests.cpp, and what it leaves out. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "#base/lib/random.ts";
import type { Txid } from "#protocol/bitcoin/hashes.ts";
import { bucketOf, FEE_BUCKETS } from "./confirmation-stats.ts";
import { FeeEstimator, type FeeSample, type HorizonName } from "./fee-estimator.ts";

const VSIZE = 188;
const BASE_FEE = 2000;
/** Satoshi per kvB of the lowest fee, and how far an estimate may be off. */
const BASE_RATE = Math.floor((BASE_FEE * 1000) / VSIZE);
const DELTA = 100;
const FEES = Array.from({ length: 10 }, (_, i) => BASE_FEE * (i + 1));

/** A chain with one miner, and transactions at ten rates. */
class World {
  readonly estimator: FeeEstimator;
  height: number;
  readonly random = new SeededRandom(1);
  /** By fee, the lowest first. */
  readonly waiting: FeeSample[][] = FEES.map(() => []);

  constructor(estimator = new FeeEstimator(), height = 0) {
    this.estimator = estimator;
    this.height = height;
  }

  /** Four transactions at each rate. */
  send(counts = true): void {
    for (const [i, fee] of FEES.entries()) {
      for (let k = 0; k < 4; k++) {
        const txid = this.random.fill(new Uint8Array(32)) as Txid;
        const sample = { txid, fee, vsize: VSIZE, height: this.height };
        this.estimator.added(sample, counts);
        this.waiting[i]!.push(sample);
      }
    }
  }

  /** The next block takes all that waits at the highest `rates` of the rates. */
  mine(rates: number): void {
    const mined = this.waiting.splice(10 - rates).flat();
    while (this.waiting.length < 10) this.waiting.push([]);
    this.estimator.blockConnected(++this.height, mined);
  }

  /** As Core's estimateFee: 95% over the medium horizon; 0 for no answer. */
  fee(target: number): number {
    if (target <= 1) return 0;
    const { perKvb } = this.estimator.raw("medium", target, 0.95)!;
    return perKvb < 0 ? 0 : Math.round(perKvb);
  }
}

function near(value: number, expected: number, what: string): void {
  assert.ok(Math.abs(value - expected) < DELTA, `${what}: ${value} is not near ${expected}`);
}

test("estimates follow what is mined: Core's scenario", () => {
  const world = new World();
  // The highest rate is in all blocks, the second in 9 of 10, and so on.
  while (world.height < 200) {
    world.send();
    world.mine((world.height % 10) + 1);
    if (world.height !== 3) continue;
    assert.equal(world.fee(1), 0);
    near(world.fee(2), 9 * BASE_RATE, "three buckets taken together, after three blocks");
  }
  const first: number[] = [];
  for (let target = 1; target < 10; target++) {
    first.push(world.fee(target));
    if (target > 2) assert.ok(first[target - 1]! <= first[target - 2]!, `${target} falls`);
    if (target % 2 === 0) near(first[target - 1]!, (11 - target) * BASE_RATE, `within ${target}`);
  }

  while (world.height < 250) world.mine(0);
  assert.equal(world.fee(1), 0);
  for (let target = 2; target < 10; target++)
    near(world.fee(target), first[target - 1]!, "after empty blocks");

  while (world.height < 265) {
    world.send();
    world.mine(0);
  }
  const notBelow = (why: string) => {
    for (let target = 2; target < 10; target++) {
      const fee = world.fee(target);
      assert.ok(fee === 0 || fee > first[target - 1]! - DELTA, `${why}, within ${target}: ${fee}`);
    }
  };
  notBelow("while nothing is mined");
  world.mine(10);
  assert.equal(world.height, 266);
  notBelow("all mined at once");

  world.height = 265;
  while (world.height < 665) {
    world.send();
    world.mine(10);
  }
  for (let target = 2; target < 9; target++) {
    assert.ok(world.fee(target) < first[target - 1]! - DELTA, `all is mined at once, within ${target}`);
  }
});

test("buckets: each bound is the last of its own", () => {
  assert.equal(FEE_BUCKETS[0], 100);
  assert.ok(FEE_BUCKETS.at(-2)! <= 1e7 && FEE_BUCKETS.at(-2)! * 1.05 > 1e7);
  assert.equal(bucketOf(0), 0);
  assert.equal(bucketOf(1e15), FEE_BUCKETS.length - 1);
  for (let i = 0; i < FEE_BUCKETS.length - 1; i++) {
    assert.equal(bucketOf(FEE_BUCKETS[i]!), i);
    assert.equal(bucketOf(FEE_BUCKETS[i]! * 1.0001), i + 1);
  }
});

/** A busy chain: the higher the rate, the sooner mined. */
function busy(blocks: number, world = new World()): World {
  for (let i = 0; i < blocks; i++) {
    world.send();
    world.mine((world.height % 10) + 1);
  }
  return world;
}

test("an estimate needs something that was seen, and reaches no further than half of it", () => {
  const { estimator } = new World();
  assert.deepEqual(estimator.estimate(6), { perKvb: undefined, blocks: 0 });
  assert.deepEqual(busy(2).estimator.estimate(6), { perKvb: undefined, blocks: 0 });
  assert.equal(busy(5).estimator.estimate(6).blocks, 2);
  const seen = busy(41).estimator;
  assert.equal(seen.maxUsableTarget, 20);
  assert.equal(seen.estimate(1008).blocks, 20);
  assert.equal(seen.estimate(1).blocks, 2);
  assert.deepEqual(seen.estimate(1), seen.estimate(2));
});

test("estimates fall with the target, and conservative ones are no lower", () => {
  const { estimator } = busy(2100);
  assert.equal(estimator.maxUsableTarget, 1008);
  for (const isConservative of [false, true]) {
    let last = Number.POSITIVE_INFINITY;
    for (const target of [2, 3, 4, 6, 12, 13, 24, 48, 49, 144, 504, 1008]) {
      const { perKvb, blocks } = estimator.estimate(target, isConservative);
      assert.equal(blocks, target);
      assert.ok(perKvb !== undefined && perKvb <= last, `${target}: ${perKvb} after ${last}`);
      assert.ok(perKvb >= estimator.estimate(target).perKvb!);
      last = perKvb;
    }
  }
  // Of those at eight times the base 90% are in one of two blocks, at seven times 80%.
  near(estimator.estimate(2).perKvb!, 8 * BASE_RATE, "85% within two blocks");
});

test("a quiet hour lowers an economical estimate, and a conservative one less", () => {
  const world = busy(400);
  const before = world.estimator.estimate(2, true).perKvb!;
  for (let i = 0; i < 30; i++) {
    world.send();
    world.mine(10);
  }
  const economical = world.estimator.estimate(2).perKvb!;
  const conservative = world.estimator.estimate(2, true).perKvb!;
  near(economical, before - 2 * BASE_RATE, "an hour is in the short horizon");
  near(conservative, before - BASE_RATE, "and less so in the others");
});

test("what does not tell of fees is not followed: dependent, by other limits, while the chain is behind", () => {
  const world = new World();
  world.mine(0);
  world.send(false);
  assert.equal(world.estimator.size, 0);
  world.height += 1;
  world.send();
  assert.equal(world.estimator.size, 0, "at another height than the estimator's");
  world.height -= 1;
  world.send();
  assert.equal(world.estimator.size, 40);
});

test("what leaves unmined counts against its rate, and what leaves at once does not", () => {
  const share = (leave: boolean, blocks: number) => {
    const world = busy(100);
    const dropped = world.waiting.flatMap((samples) => samples.splice(0));
    for (const { txid } of dropped) world.estimator.removed(txid);
    for (let i = 0; i < 20; i++) {
      world.send();
      const [lowest] = world.waiting.splice(9, 1, []);
      for (let k = 0; k < blocks; k++) world.mine(0);
      for (const { txid } of leave ? lowest! : []) world.estimator.removed(txid);
    }
    return world.estimator.raw("short", 1, 0.5)!;
  };
  const kept = share(true, 0);
  assert.equal(kept.pass.leftMempool, 0);
  const failed = share(true, 2);
  assert.ok(Math.max(failed.pass.leftMempool, failed.fail.leftMempool) > 0);
});

test("a reorganisation counts nothing twice, and leaves nothing behind", () => {
  const world = busy(60);
  world.send();
  const before = world.estimator.estimate(6);
  const [branch] = [world.waiting.flat()];
  // Two blocks are taken back; the two in their place mine what waited.
  world.estimator.blockConnected(world.height - 1, []);
  world.estimator.blockConnected(world.height, branch);
  assert.equal(world.estimator.size, 0);
  assert.deepEqual(world.estimator.estimate(6), before);
  // Those come back by the rules of a reorganisation: they do not count, whatever becomes of them.
  for (const sample of branch) world.estimator.added(sample, false);
  world.estimator.blockConnected(world.height + 1, branch);
  assert.equal(world.estimator.size, 0);
  for (const horizon of ["short", "medium", "long"] as HorizonName[]) {
    const { pass, fail } = world.estimator.raw(horizon, 6, 0.85)!;
    assert.equal(pass.inMempool + fail.inMempool, 0, horizon);
  }
});
