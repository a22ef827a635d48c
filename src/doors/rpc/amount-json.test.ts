import assert from "node:assert/strict";
import { test } from "node:test";
import { amountJson } from "./amount-json.ts";

test("amounts have eight decimals, exactly", () => {
  for (const [satoshi, text] of [
    [0, "0.00000000"],
    [1, "0.00000001"],
    [-1, "-0.00000001"],
    [100_000_000, "1.00000000"],
    [-250_000_000, "-2.50000000"],
    [2_099_999_997_690_000, "20999999.97690000"],
    [9_223_372_036_854_775_807n, "92233720368.54775807"],
    [-9_223_372_036_854_775_808n, "-92233720368.54775808"],
  ] as const) {
    assert.equal(amountJson(satoshi).text, text);
  }
});
