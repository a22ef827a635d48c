import assert from "node:assert/strict";
import { test } from "node:test";
import { hex, toHex } from "#base/lib/bytes.ts";
import { fromAsm, toAsm } from "./asm.ts";

/** Core's script_parse_tests.cpp. */
const TEXTS: readonly [string, string][] = [
  ["", ""],
  ["0", "00"],
  ["1", "51"],
  ["2", "52"],
  ["15", "5f"],
  ["16", "60"],
  ["17", "0111"],
  ["-1", "4f"],
  ["-9", "0189"],
  ["4294967295", "05ffffffff00"],
  ["-4294967295", "05ffffffff80"],
  ["0x17", "17"],
  ["0xABcd", "abcd"],
  ["'17'", "023137"],
  ["''", "00"],
  ["ELSE", "67"],
  ["OP_ELSE", "67"],
  ["RESERVED", "50"],
  ["NOP10", "b9"],
  ["CHECKLOCKTIMEVERIFY", "b1"],
];

test("scripts from text", () => {
  for (const [text, script] of TEXTS) assert.equal(toHex(fromAsm(text)), script, text);
  const all = TEXTS.map(([text]) => ` ${text} `).join("\t\n");
  assert.equal(toHex(fromAsm(all)), TEXTS.map(([, script]) => script).join(""));
});

test("text that is no script", () => {
  const range =
    "script parse error: decimal numeric value only allowed in the range -0xFFFFFFFF...0xFFFFFFFF";
  assert.throws(() => fromAsm("11111111111111111111"), { message: range });
  assert.throws(() => fromAsm("4294967296"), { message: range });
  for (const text of [
    "OP_CHECKSIGADD",
    "NOP11",
    "0x1",
    "0x",
    "0xzz",
    "'",
    "DUPDUP",
    "PUSHDATA1",
    "1x",
    "-",
  ]) {
    assert.throws(() => fromAsm(text), { message: "script parse error: unknown opcode" }, text);
  }
});

const SIGNATURE =
  "304402207fa7a6d1e0ee81132a269ad84e68d695483745cde8b541e3bf630749894e342a022054a6d15a8e6d5c0b0f4c4a2b2aafd1a5d9b3f0f1c0b2d3e4f5a6b7c8d9e0f102";

test("text of scripts", () => {
  const cases: [string, string][] = [
    ["", ""],
    ["0001ff4f5160", "0 -127 -1 1 16"],
    ["0180", "0"],
    ["04ffffff7f", "2147483647"],
    ["04ffffffff", "-2147483647"],
    ["0500000080ff", "00000080ff"],
    ["76a950ba", "OP_DUP OP_HASH160 OP_RESERVED OP_CHECKSIGADD"],
    ["bbfeff", "OP_UNKNOWN OP_UNKNOWN OP_INVALIDOPCODE"],
    ["4c0101", "1"],
    ["5102ff", "1 [error]"],
    ["4d", "[error]"],
    ["b1b2", "OP_CHECKLOCKTIMEVERIFY OP_CHECKSEQUENCEVERIFY"],
  ];
  for (const [script, text] of cases) assert.equal(toAsm(hex(script)), text, script);
});

test("hash types of signatures, in input scripts alone", () => {
  const types: [string, string][] = [
    ["01", "[ALL]"],
    ["02", "[NONE]"],
    ["03", "[SINGLE]"],
    ["81", "[ALL|ANYONECANPAY]"],
    ["82", "[NONE|ANYONECANPAY]"],
    ["83", "[SINGLE|ANYONECANPAY]"],
    ["00", "00"],
    ["04", "04"],
  ];
  assert.equal(SIGNATURE.length, 140);
  for (const [byte, shown] of types) {
    const script = hex(`47${SIGNATURE}${byte}`);
    assert.equal(toAsm(script, true), SIGNATURE + shown);
    assert.equal(toAsm(script), SIGNATURE + byte);
    assert.equal(toAsm(hex(`6a47${SIGNATURE}${byte}`), true), `OP_RETURN ${SIGNATURE}${byte}`);
  }
  const broken = SIGNATURE.replace(/^30/, "31");
  assert.equal(toAsm(hex(`47${broken}01`), true), `${broken}01`);
});
