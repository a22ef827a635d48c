import assert from "node:assert/strict";
import { test } from "node:test";
import { bitcoinText, decodeAmount, feeLine, groups, moneyText } from "./amount-text.ts";

test("amounts are read in satoshi and bitcoin, and nothing else", () => {
  assert.equal(decodeAmount("50000"), 50_000);
  assert.equal(decodeAmount("50000sat"), 50_000);
  assert.equal(decodeAmount("0.0005btc"), 50_000);
  assert.equal(decodeAmount("1BTC"), 100_000_000);
  assert.equal(decodeAmount("21000000btc"), 2_100_000_000_000_000);
  for (const text of [
    "",
    "0",
    "-1",
    "0.5",
    "1.5sat",
    "1e3",
    "0x10",
    "21000001btc",
    "0.000000001btc",
    "1 000",
    "NaN",
  ]) {
    assert.equal(decodeAmount(text), undefined, text);
  }
});

test("amounts are shown exactly", () => {
  assert.equal(groups(1_234_567), "1,234,567");
  assert.equal(bitcoinText(100_000_001), "1.00000001");
  assert.equal(bitcoinText(2_100_000_000_000_000), "21000000");
  assert.equal(moneyText(9999), "9,999 sat");
  assert.equal(moneyText(50_000), "50,000 sat (0.0005 BTC)");
});

test("a fee is shown as what it is of the amount", () => {
  const fee = (amount: number) => feeLine({ fee: 1410, feeRate: 10.0034, recipients: [{ amount }] });
  assert.equal(fee(50_000), "fee 1,410 sat (10 sat/vB, 2.8% of the amount)");
  assert.equal(fee(5_000), "fee 1,410 sat (10 sat/vB, 28% of the amount)");
  assert.equal(fee(500_000_000), "fee 1,410 sat (10 sat/vB, 0.0003% of the amount)");
  assert.equal(fee(2_100_000_000_000), "fee 1,410 sat (10 sat/vB, under 0.0001% of the amount)");
});
