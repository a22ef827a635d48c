import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "#base/lib/logger.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import type { Txid } from "#protocol/bitcoin/hashes.ts";
import { decodeEstimates, encodeEstimates, loadEstimates, saveEstimates } from "./fee-estimates-file.ts";
import { FeeEstimator } from "./fee-estimator.ts";

const PATH = "/fee-estimates.dat";
const TIME = 1_800_000_000;
const HOUR = 3600;

/** Half of what comes is mined at once, the other half in the block after. */
function learn(estimator: FeeEstimator, from: number, blocks: number): void {
  const random = new SeededRandom(from + 1);
  let late: Parameters<FeeEstimator["blockConnected"]>[1] = [];
  for (let height = from; height < from + blocks; height++) {
    const come = [500, 2000].flatMap((fee) =>
      [1, 2, 3, 4].map(() => ({ txid: random.fill(new Uint8Array(32)) as Txid, fee, vsize: 200, height })),
    );
    for (const sample of come) estimator.added(sample, true);
    estimator.blockConnected(height + 1, [...late, ...come.slice(4)]);
    late = come.slice(0, 4);
  }
}

function world(time = TIME) {
  const lines: string[] = [];
  const log = {
    ...silentLogger,
    info: (line: string) => void lines.push(line),
    warn: (line: string) => void lines.push(line),
  };
  return { lines, dependencies: { files: new FaultWorld().files, log, now: () => time } };
}

test("what was learnt is there after a start, and goes on", async () => {
  const { dependencies } = world();
  const before = new FeeEstimator();
  learn(before, 100, 60);
  before.giveUpWaiting();
  await saveEstimates(before, PATH, dependencies);
  const after = await loadEstimates(PATH, dependencies);
  assert.equal(after.maxUsableTarget, 29);
  for (const target of [2, 6, 29]) {
    for (const conservative of [false, true]) {
      assert.deepEqual(after.estimate(target, conservative), before.estimate(target, conservative));
      assert.notEqual(after.estimate(target, conservative).perKvb, undefined);
    }
  }
  // Saved again before there is more to tell, it holds as much as before.
  learn(after, 160, 10);
  assert.equal(after.maxUsableTarget, 29);
  const again = decodeEstimates(encodeEstimates(after, TIME)).estimator;
  assert.equal(again.maxUsableTarget, 29);
  learn(after, 170, 60);
  assert.equal(decodeEstimates(encodeEstimates(after, TIME)).estimator.maxUsableTarget, 34);
});

test("what still waits at the end counts as not mined", () => {
  const [stopped, running] = [new FeeEstimator(), new FeeEstimator()];
  for (const estimator of [stopped, running]) {
    learn(estimator, 1, 60);
    const random = new SeededRandom(9);
    for (let i = 0; i < 100; i++) {
      estimator.added(
        { txid: random.fill(new Uint8Array(32)) as Txid, fee: 2000, vsize: 200, height: 61 },
        true,
      );
    }
    for (let height = 62; height < 70; height++) estimator.blockConnected(height, []);
  }
  stopped.giveUpWaiting();
  assert.equal(stopped.size, 0);
  assert.equal(stopped.raw("short", 4, 0.95)!.pass.inMempool, 0);
  const kept = decodeEstimates(encodeEstimates(stopped, TIME)).estimator;
  const fail = kept.raw("short", 4, 0.95)!.fail;
  assert.equal(fail.leftMempool, 100);
});

test("no file, an old one, a damaged one: estimates are learnt anew, and it is told", async () => {
  const { dependencies, lines } = world();
  assert.equal((await loadEstimates(PATH, dependencies)).maxUsableTarget, 0);
  assert.deepEqual(lines, []);
  const learnt = new FeeEstimator();
  learn(learnt, 0, 60);
  await saveEstimates(learnt, PATH, dependencies);
  const later = { ...dependencies, now: () => TIME + 60 * HOUR };
  assert.equal((await loadEstimates(PATH, later)).maxUsableTarget, 29);
  const late = { ...dependencies, now: () => TIME + 60 * HOUR + 1 };
  assert.equal((await loadEstimates(PATH, late)).maxUsableTarget, 0);
  assert.match(lines.splice(0).join(), /too old/);
  const bytes = encodeEstimates(learnt, TIME);
  for (const damage of [bytes.slice(1), bytes.slice(0, -1), new Uint8Array(0), flipped(bytes, 100)]) {
    const file = await dependencies.files.open(PATH, "create");
    await file.truncate(0);
    await file.write(damage, 0);
    await file.close();
    assert.equal((await loadEstimates(PATH, dependencies)).maxUsableTarget, 0);
    assert.match(lines.splice(0).join(), /could not be read: it/);
  }
});

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = bytes.slice();
  copy[at]! ^= 1;
  return copy;
}

test("a power cut while it is written leaves the one before, or the new one", async () => {
  const [old, fresh] = [new FeeEstimator(), new FeeEstimator()];
  learn(old, 0, 21);
  learn(fresh, 0, 61);
  for (let cut = 1; cut < 12; cut++) {
    const disk = new FaultWorld();
    const of = (files: FaultWorld["files"]) => ({ files, log: silentLogger, now: () => TIME });
    await saveEstimates(old, PATH, of(disk.files));
    disk.offAfter(cut);
    await saveEstimates(fresh, PATH, of(disk.files)).catch(() => {});
    const { files } = disk.powerCut(new SeededRandom(cut));
    assert.ok([10, 30].includes((await loadEstimates(PATH, of(files))).maxUsableTarget), `cut ${cut}`);
  }
});
