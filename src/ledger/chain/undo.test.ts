import assert from "node:assert/strict";
import { test } from "node:test";
import { concatBytes, hex, toHex } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { parseTxs } from "#protocol/bitcoin/tx-table.ts";
import { decodeUndo, UndoBuilder, undoPrevouts } from "./undo.ts";

const hash = "89abcdefabbaabbaabbaabbaabbaabbaabbaabba";

test("undo data is laid out as Core's CBlockUndo", () => {
  const builder = new UndoBuilder(2);
  builder.transaction(2);
  const script = hex(`ff76a914${hash}88acff`);
  // 50 BTC of the coinbase at height 170; 1 satoshi at height 0, which has no version byte.
  builder.coin(170, true, 5_000_000_000, script, 1, 26);
  builder.coin(0, false, 1, hex("51"), 0, 1);
  builder.transaction(0);
  const bytes = builder.finish();
  assert.equal(toHex(bytes), `0202${"8155"}0032${`00${hash}`}00010751${"00"}`);
  const undo = decodeUndo(bytes);
  assert.equal(undo.txCount, 2);
  assert.equal(undo.coinTotal, 2);
  assert.deepEqual([...undo.firstCoin], [0, 2, 2]);
  assert.deepEqual([...undo.heights], [170, 0]);
  assert.deepEqual([...undo.coinbases], [1, 0]);
  assert.deepEqual([...undo.amounts], [5_000_000_000, 1]);
  assert.equal(toHex(undo.scripts), `76a914${hash}88ac51`);
  assert.deepEqual([...undo.scriptOffsets], [0, 25, 26]);
});

interface Spent {
  readonly height: number;
  readonly coinbase: boolean;
  readonly amount: number;
  readonly script: Uint8Array;
}

function randomCoin(random: SeededRandom): Spent {
  const length = random.below(500) === 0 ? 10_000 : [0, 1, 22, 25, 34, 300][random.below(6)]!;
  return {
    height: random.below(2 ** random.below(31)),
    coinbase: random.below(4) === 0,
    amount: random.below(2 ** 32) * random.below(400_000),
    script: random.fill(new Uint8Array(length)),
  };
}

test("undo data of any shape comes back, large blocks included", () => {
  const random = new SeededRandom(5);
  for (const txCount of [0, 1, 3, 252, 253, 700]) {
    const spent: Spent[][] = [];
    for (let tx = 0; tx < txCount; tx++) {
      const inputs = random.below(50) === 0 ? 300 : 1 + random.below(3);
      spent.push(Array.from({ length: inputs }, () => randomCoin(random)));
    }
    const builder = new UndoBuilder(txCount);
    for (const coins of spent) {
      builder.transaction(coins.length);
      for (const { height, coinbase, amount, script } of coins) {
        builder.coin(height, coinbase, amount, script, 0, script.length);
      }
    }
    const undo = decodeUndo(builder.finish());
    const flat = spent.flat();
    assert.equal(undo.txCount, txCount);
    assert.deepEqual(
      [...undo.heights],
      flat.map((coin) => coin.height),
    );
    assert.deepEqual(
      [...undo.coinbases],
      flat.map((coin) => (coin.coinbase ? 1 : 0)),
    );
    assert.deepEqual(
      [...undo.amounts],
      flat.map((coin) => coin.amount),
    );
    assert.equal(toHex(undo.scripts), toHex(concatBytes(...flat.map((coin) => coin.script))));
    let coin = 0;
    spent.forEach((coins, tx) => {
      assert.equal(undo.firstCoin[tx], coin);
      coin += coins.length;
    });
  }
});

test("undo data that lies about its length, or ends early or late, is refused", () => {
  const builder = new UndoBuilder(1);
  builder.transaction(1);
  builder.coin(7, false, 12_345, hex("51"), 0, 1);
  const bytes = builder.finish();
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(() => decodeUndo(bytes.subarray(0, length)), DecodeError, `${length} bytes`);
  }
  assert.throws(() => decodeUndo(concatBytes(bytes, hex("00"))), DecodeError);
  assert.throws(() => decodeUndo(hex("fe00000002")), DecodeError);
  assert.throws(() => decodeUndo(hex("01fe00000002")), DecodeError);
});

/** A version-1 transaction with these many inputs and one output. */
function transaction(inputs: number): Uint8Array {
  const input = `${"11".repeat(32)}0000000000ffffffff`;
  return hex(
    `01000000${inputs.toString(16).padStart(2, "0")}${input.repeat(inputs)}01${"00".repeat(8)}015100000000`,
  );
}

test("prevouts from undo data stand in input order after the coinbase's empty slot", () => {
  const { table } = parseTxs(concatBytes(transaction(1), transaction(2), transaction(1)), 0, 3);
  const builder = new UndoBuilder(2);
  builder.transaction(2);
  builder.coin(1, false, 10, hex("51"), 0, 1);
  builder.coin(2, false, 20, hex("5252"), 0, 2);
  builder.transaction(1);
  builder.coin(3, true, 30, hex(""), 0, 0);
  const undo = decodeUndo(builder.finish());
  const prevouts = undoPrevouts(table, undo);
  assert.deepEqual([...prevouts.amounts], [0, 10, 20, 30]);
  assert.deepEqual(
    [0, 1, 2, 3].map((input) => toHex(prevouts.script(input))),
    ["", "51", "5252", ""],
  );
  const other = parseTxs(concatBytes(transaction(1), transaction(1), transaction(2)), 0, 3).table;
  assert.throws(() => undoPrevouts(other, undo), DecodeError);
  const fewer = parseTxs(concatBytes(transaction(1), transaction(2)), 0, 2).table;
  assert.throws(() => undoPrevouts(fewer, undo), DecodeError);
});
