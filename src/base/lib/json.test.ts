import assert from "node:assert/strict";
import { test } from "node:test";
import { formatNumber, JsonNumber, parseFixedPoint, stringify } from "./json.ts";

test("numbers print as C++ prints doubles with sixteen digits", () => {
  for (const [value, text] of [
    [0, "0"],
    [-0, "0"],
    [1, "1"],
    [-17, "-17"],
    [9_007_199_254_740_991, "9007199254740991"],
    [1e16, "1e+16"],
    [0.1, "0.1"],
    [1 / 3, "0.3333333333333333"],
    [4.656542373906925e-10, "4.656542373906925e-10"],
    [0.0001, "0.0001"],
    [0.00001, "1e-05"],
    [123_456.789, "123456.789"],
    [1.5e300, "1.5e+300"],
    [-2.5e-7, "-2.5e-07"],
    [0.999_999_999_999_999_9, "0.9999999999999999"],
  ] as const) {
    assert.equal(formatNumber(value), text);
  }
});

test("the layout is UniValue's", () => {
  const value = { a: [1, "x", null], b: {}, c: [], d: true, e: undefined, f: new JsonNumber("1.00000000") };
  assert.equal(stringify(value), '{"a":[1,"x",null],"b":{},"c":[],"d":true,"f":1.00000000}');
  assert.equal(
    stringify(value, 2),
    '{\n  "a": [\n    1,\n    "x",\n    null\n  ],\n  "b": {\n  },\n  "c": [\n  ],\n  "d": true,\n  "f": 1.00000000\n}',
  );
  assert.equal(stringify('"\n\u0001\u007f/é'), '"\\"\\n\\u0001\\u007f/é"');
});

test("fixed-point numbers are Core's (util_tests.cpp, test_ParseFixedPoint)", () => {
  const valid: [string, bigint][] = [
    ["0", 0n],
    ["1", 100_000_000n],
    ["0.0", 0n],
    ["-0.1", -10_000_000n],
    ["1.1", 110_000_000n],
    ["1.10000000000000000", 110_000_000n],
    ["1.1e1", 1_100_000_000n],
    ["1.1e-1", 11_000_000n],
    ["1000", 100_000_000_000n],
    ["-1000", -100_000_000_000n],
    ["0.00000001", 1n],
    ["0.0000000100000000", 1n],
    ["-0.00000001", -1n],
    ["0.00000001000000", 1n],
    ["1000000000.00000001", 100_000_000_000_000_001n],
    ["9999999999.99999999", 999_999_999_999_999_999n],
    ["-9999999999.99999999", -999_999_999_999_999_999n],
  ];
  for (const [text, value] of valid) assert.equal(parseFixedPoint(text, 8), value, text);
  for (const text of [
    "",
    "a-1000",
    "-a1000",
    "-1000a",
    "-01000",
    "00.1",
    ".1",
    "--0.1",
    "0.000000001",
    "-0.000000001",
    "0.00000001000000001",
    "-10000000000.00000000",
    "10000000000.00000000",
    "-10000000000.00000001",
    "10000000000.00000001",
    "10000000000.00000009",
    "10000000000.000000009",
    "-99999999999.99999999",
    "99999909999.09999999",
    "92233720368.54775807",
    "-92233720368.54775808",
    "1.1e",
    "1.1e-",
    "1.",
  ]) {
    assert.equal(parseFixedPoint(text, 8), undefined, text);
  }
});
