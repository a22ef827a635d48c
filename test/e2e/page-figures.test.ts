/** Figures of the page, as people read and type them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { time, typedAmount } from "../../web/src/text/format.ts";

test("what was not today bears its date", () => {
  const now = new Date(2026, 10, 23, 12, 0, 0).getTime();
  assert.equal(time(new Date(2026, 10, 23, 9, 5, 7).getTime(), now), "09:05:07");
  assert.equal(time(new Date(2026, 10, 22, 23, 59, 59).getTime(), now), "22 Nov, 23:59");
  assert.equal(time(new Date(2025, 10, 23, 9, 5, 7).getTime(), now), "23 Nov 2025, 09:05");
});

test("an amount is read only where it can mean one thing", () => {
  for (const [typed, satoshi] of [
    ["25000", 25_000],
    [" 25,000 ", 25_000],
    ["1 234 567", 1_234_567],
    ["1_000", 1000],
    ["2100000000000000", 2_100_000_000_000_000],
  ] as const) {
    assert.equal(typedAmount(typed), satoshi, typed);
  }
  for (const typed of [
    "",
    "0",
    "0.5",
    "1,5",
    "1,00",
    "1.000",
    "1e4",
    "-5",
    "0x10",
    "2100000000000001",
    "١٢",
  ]) {
    assert.equal(typedAmount(typed), undefined, typed);
  }
});
