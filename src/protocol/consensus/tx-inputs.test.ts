import assert from "node:assert/strict";
import { test } from "node:test";
import { COIN, MAX_MONEY } from "#protocol/bitcoin/amount.ts";
import { prevoutsOf } from "#protocol/bitcoin/prevouts.ts";
import { type Transaction, tableOf } from "#protocol/bitcoin/transaction.ts";
import { firstHeader } from "../../../test/support/test-header.ts";
import {
  checkTxInputs,
  coinOrigin,
  formatMoney,
  isFinalTx,
  MISSING_COIN,
  sequenceLocks,
  sequenceLocksHold,
} from "./tx-inputs.ts";

const EMPTY = new Uint8Array(0);

function transaction(sequences: number[], change: Partial<Transaction> = {}): Transaction {
  return {
    version: 2,
    lockTime: 0,
    inputs: sequences.map((sequence, index) => ({
      txid: new Uint8Array(32).fill(1),
      index,
      script: EMPTY,
      sequence,
      witness: [],
    })),
    outputs: [{ value: 5 * COIN, script: EMPTY }],
    ...change,
  };
}

interface SpentCoin {
  readonly amount: number;
  readonly height?: number;
  readonly coinbase?: boolean;
  readonly missing?: boolean;
}

function verdict(spendHeight: number, outputs: number[], ...coins: SpentCoin[]) {
  const tx = transaction(
    coins.map(() => 0),
    { outputs: outputs.map((value) => ({ value, script: EMPTY })) },
  );
  const origins = Int32Array.from(coins, ({ height = 1, coinbase = false, missing = false }) =>
    missing ? MISSING_COIN : coinOrigin(height, coinbase),
  );
  const prevouts = prevoutsOf(coins.map(({ amount }) => ({ amount, script: EMPTY })));
  return checkTxInputs(tableOf(tx), 0, prevouts, origins, spendHeight);
}

test("the fee is what the outputs leave", () => {
  assert.equal(verdict(200, [3 * COIN, COIN], { amount: 4 * COIN }, { amount: 7 }), 7);
  assert.equal(verdict(200, [11], { amount: 11 }), 0);
});

test("missing inputs come before all else", () => {
  assert.deepEqual(
    verdict(101, [1], { amount: 5, height: 100, coinbase: true }, { amount: 0, missing: true }),
    {
      result: "missing-inputs",
      reason: "bad-txns-inputs-missingorspent",
      debug: "CheckTxInputs: inputs missing/spent",
    },
  );
});

test("a coinbase matures after 100 blocks", () => {
  const coin = { amount: 50 * COIN, height: 10, coinbase: true };
  assert.deepEqual(verdict(109, [1], coin), {
    result: "premature-spend",
    reason: "bad-txns-premature-spend-of-coinbase",
    debug: "tried to spend coinbase at depth 99",
  });
  assert.equal(verdict(110, [1], coin), 50 * COIN - 1);
  assert.equal(verdict(10, [1], { ...coin, coinbase: false }), 50 * COIN - 1);
});

test("input values, one by one and together", () => {
  const range = { result: "consensus", reason: "bad-txns-inputvalues-outofrange", debug: "" };
  assert.deepEqual(verdict(200, [1], { amount: MAX_MONEY + 1 }), range);
  assert.deepEqual(verdict(200, [1], { amount: MAX_MONEY }, { amount: 1 }), range);
  assert.deepEqual(verdict(200, [1], { amount: -1 }), range);
  assert.equal(verdict(200, [MAX_MONEY], { amount: MAX_MONEY }), 0);
});

test("no more out than in", () => {
  assert.deepEqual(verdict(200, [COIN, 1], { amount: COIN }), {
    result: "consensus",
    reason: "bad-txns-in-belowout",
    debug: "value in (1.00) < value out (1.00000001)",
  });
});

test("amounts print as Core's FormatMoney", () => {
  const rows: readonly [number, string][] = [
    [0, "0.00"],
    [1, "0.00000001"],
    [10, "0.0000001"],
    [1_000_000, "0.01"],
    [10_000_000, "0.10"],
    [COIN, "1.00"],
    [123_450_000, "1.2345"],
    [10 * COIN, "10.00"],
    [MAX_MONEY, "21000000.00"],
    [-COIN - 1, "-1.00000001"],
    [-1, "-0.00000001"],
  ];
  for (const [amount, text] of rows) assert.equal(formatMoney(amount), text);
});

test("lock time by height and by time; final sequences switch it off", () => {
  const final = (lockTime: number, sequence: number, height: number, time: number) =>
    isFinalTx(tableOf(transaction([0xffff_ffff, sequence], { lockTime })), 0, height, time);
  assert.equal(final(0, 0, 0, 0), true);
  assert.equal(final(100, 0, 100, 0), false);
  assert.equal(final(100, 0, 101, 0), true);
  assert.equal(final(100, 0xffff_ffff, 100, 0), true);
  assert.equal(final(100, 0xffff_fffe, 100, 0), false);
  assert.equal(final(499_999_999, 0, 499_999_999, 2 ** 32), false);
  assert.equal(final(500_000_000, 0, 600_000_000, 500_000_000), false);
  assert.equal(final(500_000_000, 0, 0, 500_000_001), true);
  assert.equal(final(0xffff_ffff, 0, 0, 0xffff_ffff), false);
});

const TYPE = 0x40_0000;
const DISABLE = 0x8000_0000;

/** Heights 0 … 50, ten minutes apart, from 1,000,000 on. */
const chain = firstHeader({ time: 1_000_000 }).extend(50);
const medianAt = (height: number) => chain.ancestor(height)!.medianTimePast();

function locksOf(sequences: number[], heights: number[], version = 2) {
  const origins = Int32Array.from(heights, (height) => coinOrigin(height, false));
  return sequenceLocks(tableOf(transaction(sequences, { version })), 0, origins, chain);
}

test("BIP68 locks by height: the last height at which it may not be", () => {
  assert.deepEqual(locksOf([10, 3], [20, 30]), { height: 32, time: -1, maxInputHeight: 30 });
  assert.deepEqual(locksOf([0], [40]), { height: 39, time: -1, maxInputHeight: 40 });
  assert.deepEqual(locksOf([0xffff], [7]), { height: 65_541, time: -1, maxInputHeight: 7 });
  // Bits beyond the type and the low sixteen mean nothing.
  assert.deepEqual(locksOf([0x7fbf_0001], [20]), { height: 20, time: -1, maxInputHeight: 20 });
});

test("BIP68 locks by time count from the median time before the coin's block", () => {
  assert.deepEqual(locksOf([TYPE | 2], [20]), {
    height: -1,
    time: medianAt(19) + 1024 - 1,
    maxInputHeight: 20,
  });
  assert.deepEqual(locksOf([TYPE | 0xffff], [0]), {
    height: -1,
    time: medianAt(0) + 65_535 * 512 - 1,
    maxInputHeight: 0,
  });
  // A coin of the same block, or of the mempool, is as high as the next block.
  assert.equal(locksOf([TYPE], [51]).time, medianAt(50) - 1);
  assert.equal(locksOf([TYPE], [51]).maxInputHeight, 0);
});

test("BIP68 is for version 2 and up, and not for inputs that switch it off", () => {
  for (const version of [0, 1]) assert.equal(locksOf([10], [20], version).height, -1);
  for (const version of [2, 3, 0xffff_ffff]) assert.equal(locksOf([10], [20], version).height, 29);
  assert.deepEqual(locksOf([DISABLE | 10, 2], [40, 20]), { height: 21, time: -1, maxInputHeight: 20 });
  assert.deepEqual(locksOf([DISABLE | 10], [40]), { height: -1, time: -1, maxInputHeight: 0 });
});

test("locks hold when the block is above them, and its parent's median time too", () => {
  const hold = (sequence: number, height: number) => sequenceLocksHold(locksOf([sequence], [height]), chain);
  assert.equal(hold(11, 40), true, "height 51 is 40 + 11");
  assert.equal(hold(12, 40), false);
  const elapsed = medianAt(50) - medianAt(39);
  assert.equal(elapsed, 11 * 600);
  assert.equal(hold(TYPE | Math.floor(elapsed / 512), 40), true);
  assert.equal(hold(TYPE | (Math.floor(elapsed / 512) + 1), 40), false);
  assert.equal(hold(DISABLE, 50), true);
});

test("a time lock of exactly the elapsed time holds", () => {
  const tip = firstHeader({ time: 0 }).extend(30, (height) => ({ time: height * 512 }));
  const table = tableOf(transaction([TYPE | 10]));
  const origins = Int32Array.of(coinOrigin(21, false));
  assert.equal(sequenceLocksHold(sequenceLocks(table, 0, origins, tip), tip), true);
  const later = Int32Array.of(coinOrigin(22, false));
  assert.equal(sequenceLocksHold(sequenceLocks(table, 0, later, tip), tip), false);
});
