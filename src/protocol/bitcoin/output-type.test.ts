import assert from "node:assert/strict";
import { test } from "node:test";
import { concatBytes, hex, toHex } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { multisigScript } from "./multisig.ts";
import { classifyOutput, isPubkeySize, matchMultisig } from "./output-type.ts";

const KEY = `02${"11".repeat(32)}`;
const LONG_KEY = `04${"22".repeat(64)}`;
const HASH = "33".repeat(20);
const WIDE = "44".repeat(32);

/** Script, type and solutions, as Core's `Solver` gives them (script_standard_tests.cpp). */
const CASES: readonly [string, string, string[]][] = [
  [`21${KEY}ac`, "pubkey", [KEY]],
  [`41${LONG_KEY}ac`, "pubkey", [LONG_KEY]],
  [`4106${"22".repeat(64)}ac`, "pubkey", [`06${"22".repeat(64)}`]],
  [`76a914${HASH}88ac`, "pubkeyhash", [HASH]],
  [`a914${HASH}87`, "scripthash", [HASH]],
  [`5121${KEY}21${KEY}52ae`, "multisig", ["01", KEY, KEY, "02"]],
  [`5241${LONG_KEY}21${KEY}21${KEY}53ae`, "multisig", ["02", LONG_KEY, KEY, KEY, "03"]],
  ["6a", "nulldata", []],
  ["6a00", "nulldata", []],
  ["6a50", "nulldata", []],
  ["6a4c0101", "nulldata", []],
  [`0014${HASH}`, "witness_v0_keyhash", [HASH]],
  [`0020${WIDE}`, "witness_v0_scripthash", [WIDE]],
  [`5120${WIDE}`, "witness_v1_taproot", [WIDE]],
  ["51024e73", "anchor", []],
  ["51024e74", "witness_unknown", ["01", "4e74"]],
  [`5220${WIDE}`, "witness_unknown", ["02", WIDE]],
  [`6020${WIDE}`, "witness_unknown", ["10", WIDE]],
  ["52024e73", "witness_unknown", ["02", "4e73"]],
  // Version 0 with a program of another size.
  ["00030102ff", "nonstandard", []],
  ["", "nonstandard", []],
  ["51", "nonstandard", []],
  ["51014e", "nonstandard", []],
  // A key whose first byte is none, a hash pushed with OP_PUSHDATA1.
  [`2105${"11".repeat(32)}ac`, "nonstandard", []],
  [`4c21${KEY}ac`, "nonstandard", []],
  [`a94c14${HASH}87`, "nonstandard", []],
  [`76a914${HASH}88ac61`, "nonstandard", []],
  ["6a02ff", "nonstandard", []],
  ["6aae", "nonstandard", []],
  // 0 of 1, 2 of 1, 1 of 2 with one key, no key, a key of the wrong size, something behind, OP_0 for the count.
  [`0021${KEY}51ae`, "nonstandard", []],
  [`5221${KEY}51ae`, "nonstandard", []],
  [`5121${KEY}52ae`, "nonstandard", []],
  ["5151ae", "nonstandard", []],
  [`5122${KEY}0051ae`, "nonstandard", []],
  [`5121${KEY}51aeae`, "nonstandard", []],
  [`5121${KEY}00ae`, "nonstandard", []],
  ["ae", "nonstandard", []],
];

test("every type of output and its near misses", () => {
  for (const [script, type, solutions] of CASES) {
    const output = classifyOutput(hex(script));
    assert.deepEqual([output.type, output.solutions.map(toHex)], [type, solutions], script);
  }
});

test("multisig of 17 to 20 keys counts with pushed numbers, in their shortest form alone", () => {
  const keys = Array.from({ length: 20 }, () => hex(KEY));
  assert.deepEqual(matchMultisig(multisigScript(17, keys)), { required: 17, keys });
  assert.equal(classifyOutput(multisigScript(1, keys)).type, "multisig");
  const body = concatBytes(...keys.map((key) => concatBytes(hex("21"), key)));
  // 17 as OP_PUSHDATA1, 17 with a needless zero, 21 of 21.
  for (const [head, tail] of [
    ["4c0111", "0114ae"],
    ["021100", "0114ae"],
    ["0111", "021400ae"],
    ["0111", "0115ae"],
  ] as const) {
    assert.equal(matchMultisig(concatBytes(hex(head), body, hex(tail))), undefined, head + tail);
  }
  assert.equal(matchMultisig(multisigScript(1, [...keys, hex(KEY)])), undefined);
});

test("sizes of keys by their first byte", () => {
  for (let first = 0; first < 256; first++) {
    const short = new Uint8Array(33);
    const long = new Uint8Array(65);
    short[0] = first;
    long[0] = first;
    assert.equal(isPubkeySize(short), first === 2 || first === 3);
    assert.equal(isPubkeySize(long), first === 4 || first === 6 || first === 7);
  }
  assert.equal(isPubkeySize(new Uint8Array(0)), false);
});

test("any bytes have a type", () => {
  const random = new SeededRandom(9);
  for (let i = 0; i < 20_000; i++) {
    const script = random.fill(new Uint8Array(random.below(50)));
    assert.notEqual(classifyOutput(script).type, undefined);
  }
});
