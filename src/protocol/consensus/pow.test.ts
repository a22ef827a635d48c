import assert from "node:assert/strict";
import { test } from "node:test";
import { hex, reversed } from "#base/lib/bytes.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import { main, regtest, signet, testnet3, testnet4 } from "#protocol/bitcoin/networks.ts";
import { firstHeader, type TestHeader } from "../../../test/support/test-header.ts";
import {
  blockWork,
  checkProofOfWork,
  compactToTarget,
  deriveTarget,
  nextWorkRequired,
  permittedDifficultyTransition,
  powLimitBits,
  retargetInterval,
  targetToCompact,
} from "./pow.ts";

const SPAN = 14 * 24 * 60 * 60;

test("compact forms read and write as Core's arith_uint256 (bignum_SetCompact)", () => {
  const rows: readonly [number, bigint, number][] = [
    [0, 0n, 0],
    [0x0012_3456, 0n, 0],
    [0x0100_3456, 0n, 0],
    [0x0200_0056, 0n, 0],
    [0x0300_0000, 0n, 0],
    [0x0400_0000, 0n, 0],
    [0x0092_3456, 0n, 0],
    [0x0180_3456, 0n, 0],
    [0x0280_0056, 0n, 0],
    [0x0380_0000, 0n, 0],
    [0x0480_0000, 0n, 0],
    [0x0112_3456, 0x12n, 0x0112_0000],
    [0x0212_3456, 0x1234n, 0x0212_3400],
    [0x0312_3456, 0x12_3456n, 0x0312_3456],
    [0x0412_3456, 0x1234_5600n, 0x0412_3456],
    [0x0500_9234, 0x9234_0000n, 0x0500_9234],
    [0x2012_3456, 0x12_3456n << 232n, 0x2012_3456],
  ];
  for (const [bits, target, again] of rows) {
    assert.equal(compactToTarget(bits), target, bits.toString(16));
    assert.equal(targetToCompact(target), again, bits.toString(16));
  }
  // A mantissa with the sign bit is written a byte longer.
  assert.equal(targetToCompact(0x80n), 0x0200_8000);
});

test("no target: negative, zero, above 2^256, easier than the network allows", () => {
  const rules = main.consensus;
  for (const bits of [0x01fe_dcba, 0x0492_3456, 0x0180_0001, 0, 0x0300_0000, 0xff12_3456, 0x2200_ffff + 1]) {
    assert.equal(deriveTarget(bits, rules), undefined, bits.toString(16));
  }
  assert.equal(deriveTarget(0x1d01_0000, rules), undefined);
  assert.equal(deriveTarget(0x1d00_ffff, rules), 0xffffn << 208n);
  assert.equal(deriveTarget(0x207f_ffff, regtest().consensus), 0x7f_ffffn << 232n);
  assert.equal(deriveTarget(0x2080_0000, regtest().consensus), undefined);
  // 34 bytes fit when the mantissa has one.
  assert.equal(deriveTarget(0x2200_0001, regtest().consensus), 1n << 248n);
  assert.equal(deriveTarget(0x2200_0001, main.consensus), undefined);
});

test("a hash meets its target up to and including the target", () => {
  const rules = main.consensus;
  const genesis = reversed(hex("000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"));
  assert.equal(checkProofOfWork(genesis, 0x1d00_ffff, rules), true);
  const edge = reversed(hex(`00000000ffff${"00".repeat(26)}`));
  assert.equal(checkProofOfWork(edge, 0x1d00_ffff, rules), true);
  edge[0] = 1;
  assert.equal(checkProofOfWork(edge, 0x1d00_ffff, rules), false);
  assert.equal(checkProofOfWork(edge, 0x207f_ffff, rules), false, "too easy for main");
  assert.equal(checkProofOfWork(edge, 0x207f_ffff, regtest().consensus), true);
  assert.equal(checkProofOfWork(new Uint8Array(32), 0, rules), false);
  assert.equal(checkProofOfWork(new Uint8Array(32), 0x1d80_ffff, rules), false);
});

test("work of a block", () => {
  assert.equal(blockWork(0x1d00_ffff), 0x1_0001_0001n);
  assert.equal(blockWork(0x207f_ffff), 2n);
  assert.equal(blockWork(0), 0n);
  assert.equal(blockWork(0x1d80_ffff), 0n);
  assert.equal(blockWork(0xff12_3456), 0n);
});

/** A period whose last block is at `height`, its first and last times as given. */
function period(height: number, firstTime: number, lastTime: number, bits: number): TestHeader {
  const start = height - 2015;
  const step = Math.floor((lastTime - firstTime) / 2015);
  const first = firstHeader({ time: firstTime, bits }, start);
  return first.extend(2015, (at) => ({ time: at === height ? lastTime : firstTime + (at - start) * step }));
}

test("main retargets as in Core's pow_tests", () => {
  const rows: readonly [number, number, number, number, number][] = [
    [32255, 1261130161, 1262152739, 0x1d00_ffff, 0x1d00_d86a],
    // Held at the easiest target.
    [2015, 1231006505, 1233061996, 0x1d00_ffff, 0x1d00_ffff],
    // A quarter of the target at most, four times of it at most.
    [68543, 1279008237, 1279297671, 0x1c05_a3f4, 0x1c01_68fd],
    [46367, 1263163443, 1269211443, 0x1c38_7f6f, 0x1d00_e1fd],
  ];
  for (const [height, first, last, bits, next] of rows) {
    const tip = period(height, first, last, bits);
    assert.equal(nextWorkRequired(tip, last + 600, main), next, `after ${height}`);
    assert.ok(permittedDifficultyTransition(main, height + 1, bits, next));
  }
});

test("presync: the target may move by no more than four times, and only at a new period", () => {
  const permitted = (height: number, old: number, next: number, network: Network = main) =>
    permittedDifficultyTransition(network, height, old, next);
  assert.equal(permitted(68544, 0x1c05_a3f4, 0x1c01_68fc), false);
  assert.equal(permitted(46368, 0x1c38_7f6f, 0x1d00_e1fe), false);
  assert.equal(permitted(2016, 0x1d00_ffff, 0x1d01_0000), false, "easier than the limit");
  assert.equal(permitted(2017, 0x1c05_a3f4, 0x1c05_a3f4), true);
  assert.equal(permitted(2017, 0x1c05_a3f4, 0x1c05_a3f5), false);
  assert.equal(
    permitted(2017, 0x1c05_a3f4, 0x1d00_ffff, testnet4),
    true,
    "testnets allow easy blocks anywhere",
  );
});

test("main's clamps: a period in no time is worth a quarter, one of a year four times", () => {
  const bits = 0x1b04_04cb;
  const target = compactToTarget(bits);
  const fast = period(4031, 1_600_000_000, 1_600_000_001, bits);
  assert.equal(nextWorkRequired(fast, 1_600_000_600, main), targetToCompact(target / 4n));
  const slow = period(4031, 1_600_000_000, 1_631_536_000, bits);
  assert.equal(nextWorkRequired(slow, 1_631_536_600, main), targetToCompact(target * 4n));
  // Time that runs backwards counts as a quarter too.
  const back = period(4031, 1_600_000_000, 1_599_999_000, bits);
  assert.equal(nextWorkRequired(back, 1_600_000_600, main), targetToCompact(target / 4n));
  // Exactly two weeks change nothing: 2,015 steps are counted over 2,016 blocks' time.
  const even = period(4031, 1_600_000_000, 1_600_000_000 + SPAN, bits);
  assert.equal(nextWorkRequired(even, 0, main), bits);
  assert.equal(nextWorkRequired(even.next(), 0, main), bits, "and inside a period nothing does");
});

for (const network of [testnet3, testnet4]) {
  test(`${network.name}: a block after 20 minutes is easy, the next goes by the last ordinary one`, () => {
    const bits = 0x1b04_04cb;
    const easy = 0x1d00_ffff;
    const tip = firstHeader({ time: 1_600_000_000, bits }, 4032).extend(5);
    assert.equal(nextWorkRequired(tip, tip.time + 1200, network), bits, "20 minutes are not over 20");
    assert.equal(nextWorkRequired(tip, tip.time + 1201, network), easy);
    const late = tip.next({ time: tip.time + 1201, bits: easy }).next({ time: tip.time + 2500, bits: easy });
    assert.equal(nextWorkRequired(late, late.time + 600, network), bits);
    assert.equal(nextWorkRequired(late, late.time + 1201, network), easy);
    // Back to the first of the period at most.
    const only = firstHeader({ time: 1_600_000_000, bits: easy }, 4032).extend(3, () => ({ bits: easy }));
    assert.equal(nextWorkRequired(only, only.time + 1, network), easy);
  });
}

/** A whole period of 1-second blocks whose last is an easy one after a long wait. */
function periodWithEasyEnd(bits: number): TestHeader {
  const first = firstHeader({ time: 1_600_000_000, bits }, 2016);
  return first.extend(2014, () => ({})).next({ bits: 0x1d00_ffff, time: 1_600_000_000 + SPAN });
}

test("testnet4 retargets from the first block of the period, testnet3 from the last", () => {
  const bits = 0x1b04_04cb;
  const tip = periodWithEasyEnd(bits);
  assert.equal(nextWorkRequired(tip, tip.time + 1, testnet4), bits);
  assert.equal(nextWorkRequired(tip, tip.time + 1, testnet3), 0x1d00_ffff, "the easy block poisons it");
  // The first block of a period is never easy, however late it is.
  assert.equal(nextWorkRequired(tip, tip.time + 100_000, testnet4), bits);
});

test("signet retargets like main under its own limit, regtest never", () => {
  const limit = powLimitBits(signet().consensus);
  assert.equal(limit, 0x1e03_77ae);
  const slow = period(2015, 1_600_000_000, 1_600_000_000 + 3 * SPAN, limit);
  assert.equal(nextWorkRequired(slow, 0, signet()), limit);
  const fast = period(2015, 1_600_000_000, 1_600_000_000 + SPAN / 2, limit);
  assert.equal(nextWorkRequired(fast, 0, signet()), targetToCompact(compactToTarget(limit) / 2n));
  assert.equal(retargetInterval(regtest().consensus), 144);
  const tip = firstHeader({ time: 0, bits: 0x207f_ffff }, 0).extend(143, () => ({ time: 5 }));
  assert.equal(nextWorkRequired(tip, 10, regtest()), 0x207f_ffff);
});
