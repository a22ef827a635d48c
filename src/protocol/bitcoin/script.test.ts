import assert from "node:assert/strict";
import { test } from "node:test";
import { hex, toHex } from "#base/lib/bytes.ts";
import * as op from "./opcodes.ts";
import {
  buildScript,
  decodeScriptNumber,
  encodeScriptNumber,
  findAndDelete,
  isMinimalPush,
  isPayToAnchor,
  isPayToPubkeyHash,
  isPayToScriptHash,
  isPayToTaproot,
  isPayToWitnessPubkeyHash,
  isPayToWitnessScriptHash,
  isPushOnly,
  isUnspendable,
  pushData,
  pushNumber,
  ScriptReader,
  smallIntegerOf,
  smallIntegerOpcode,
  witnessProgram,
  witnessVersion,
} from "./script.ts";

/** Each opcode with its data; "!" where reading fails. */
function read(script: string): string[] {
  const reader = new ScriptReader(hex(script));
  const found: string[] = [];
  while (reader.next()) found.push(`${reader.opcode.toString(16)}:${toHex(reader.data())}`);
  if (reader.more) found.push(`!${reader.dataStart}`);
  return found;
}

test("scripts are read opcode by opcode", () => {
  assert.deepEqual(read(""), []);
  assert.deepEqual(read("0051ac"), ["0:", "51:", "ac:"]);
  assert.deepEqual(read("02aabb4c01cc4d0100dd4e01000000ee"), ["2:aabb", "4c:cc", "4d:dd", "4e:ee"]);
  assert.deepEqual(read("4b"), ["!1"]);
  assert.deepEqual(read("5103aabb"), ["51:", "!2"]);
  assert.deepEqual(read("4c"), ["!1"]);
  assert.deepEqual(read("4c02aa"), ["!2"]);
  assert.deepEqual(read("4d01"), ["!1"]);
  assert.deepEqual(read("4d0200aa"), ["!3"]);
  assert.deepEqual(read("4e010000"), ["!1"]);
  assert.deepEqual(read("4effffffffaa"), ["!5"]);
});

test("script numbers, both ways", () => {
  const values: [number, string][] = [
    [0, ""],
    [1, "01"],
    [-1, "81"],
    [127, "7f"],
    [-127, "ff"],
    [128, "8000"],
    [-128, "8080"],
    [255, "ff00"],
    [-255, "ff80"],
    [256, "0001"],
    [32_767, "ff7f"],
    [32_768, "008000"],
    [2_147_483_647, "ffffff7f"],
    [-2_147_483_647, "ffffffff"],
    [2_147_483_648, "0000008000"],
    [4_294_967_295, "ffffffff00"],
    [549_755_813_887, "ffffffff7f"],
    [-549_755_813_887, "ffffffffff"],
  ];
  for (const [value, encoded] of values) {
    assert.equal(toHex(encodeScriptNumber(value)), encoded);
    assert.equal(decodeScriptNumber(hex(encoded), true, 5), value);
    const long = encoded.length > 8;
    assert.equal(decodeScriptNumber(hex(encoded), false), long ? undefined : value);
  }
});

test("numbers that are not the shortest have a value all the same, unless that is asked for", () => {
  for (const [encoded, value] of [
    ["00", 0],
    ["80", 0],
    ["0100", 1],
    ["0180", -1],
    ["ff0000", 255],
    ["ff0080", -255],
    ["0000", 0],
    ["0080", 0],
  ] as const) {
    assert.equal(decodeScriptNumber(hex(encoded), true), undefined, encoded);
    const found = decodeScriptNumber(hex(encoded), false);
    assert.ok(Object.is(found, value), `${encoded}: ${found}`);
  }
});

test("pushes take the shortest opcode for their length", () => {
  assert.equal(toHex(pushData(hex(""))), "00");
  assert.equal(toHex(pushData(hex("01"))), "0101");
  assert.equal(toHex(pushData(new Uint8Array(75))).slice(0, 4), "4b00");
  assert.equal(toHex(pushData(new Uint8Array(76))).slice(0, 4), "4c4c");
  assert.equal(toHex(pushData(new Uint8Array(255))).slice(0, 4), "4cff");
  assert.equal(toHex(pushData(new Uint8Array(256))).slice(0, 6), "4d0001");
  assert.equal(toHex(pushData(new Uint8Array(65_536))).slice(0, 10), "4e00000100");
  for (const length of [0, 1, 75, 76, 255, 256, 65_535, 65_536]) {
    const data = new Uint8Array(length).fill(0xaa);
    const reader = new ScriptReader(pushData(data));
    assert.ok(reader.next() && !reader.more);
    assert.equal(reader.dataLength, length);
    assert.ok(isMinimalPush(data, reader.opcode));
  }
  assert.equal(toHex(pushNumber(-1)), "4f");
  assert.equal(toHex(pushNumber(0)), "00");
  assert.equal(toHex(pushNumber(16)), "60");
  assert.equal(toHex(pushNumber(17)), "0111");
  assert.equal(toHex(pushNumber(-2)), "0182");
});

test("small integers and their opcodes", () => {
  for (let value = 0; value <= 16; value++) assert.equal(smallIntegerOf(smallIntegerOpcode(value)), value);
  assert.equal(smallIntegerOf(op.OP_1NEGATE), undefined);
  assert.equal(smallIntegerOf(op.OP_NOP), undefined);
});

test("FindAndDelete, as Core's own tests have it", () => {
  // script, pattern, what is left (script_tests.cpp, script_FindAndDelete)
  for (const [script, pattern, left] of [
    ["5152", "", "5152"],
    ["515253", "52", "5153"],
    ["535153535453", "53", "5154"],
    ["0302ff03", "0302ff03", ""],
    ["0302ff030302ff03", "0302ff03", ""],
    ["0302ff030302ff03", "02", "0302ff030302ff03"],
    ["0302ff030302ff03", "ff", "0302ff030302ff03"],
    // It matches at opcodes alone, and bytes at will once it does.
    ["0302ff030302ff03", "03", "02ff0302ff03"],
    ["02feed5169", "feed51", "02feed5169"],
    ["02feed5169", "02feed51", "69"],
    ["516902feed5169", "feed51", "516902feed5169"],
    ["516902feed5169", "02feed51", "516969"],
    // In one pass: what then comes together is left.
    ["00005151", "0051", "0051"],
    ["000051005151", "0051", "0051"],
    ["0003feed", "03feed", "00"],
    ["0003feed", "00", "03feed"],
  ] as const) {
    const bytes = hex(script);
    const result = findAndDelete(bytes, hex(pattern));
    assert.equal(toHex(result), left, `${script} without ${pattern}`);
    if (left === script) assert.equal(result, bytes);
  }
});

test("push only", () => {
  for (const script of ["", "00", "51", "4f", "50", "60", "02aabb", "4c02aabb"])
    assert.ok(isPushOnly(hex(script)));
  for (const script of ["61", "51ac", "02aa", "4c"]) assert.ok(!isPushOnly(hex(script)), script);
  assert.ok(isPushOnly(hex("6a51"), 1));
});

test("the shapes that consensus knows", () => {
  const h20 = new Uint8Array(20);
  const h32 = new Uint8Array(32);
  const p2sh = buildScript(op.OP_HASH160, h20, op.OP_EQUAL);
  assert.ok(isPayToScriptHash(p2sh));
  // The same by a longer push is another script.
  assert.ok(!isPayToScriptHash(hex(`a94c14${"00".repeat(20)}87`)));
  assert.ok(isPayToPubkeyHash(buildScript(op.OP_DUP, op.OP_HASH160, h20, op.OP_EQUALVERIFY, op.OP_CHECKSIG)));
  assert.ok(isPayToWitnessPubkeyHash(buildScript(op.OP_0, h20)));
  assert.ok(isPayToWitnessScriptHash(buildScript(op.OP_0, h32)));
  assert.ok(isPayToTaproot(buildScript(op.OP_1, h32)));
  assert.ok(isPayToAnchor(hex("51024e73")));
  assert.ok(!isPayToAnchor(hex("51024e74")));
  for (const [script, version] of [
    [buildScript(op.OP_0, h20), 0],
    [buildScript(op.OP_16, h32), 16],
    [hex("51024e73"), 1],
    [buildScript(op.OP_1, new Uint8Array(40)), 1],
    [buildScript(op.OP_1, new Uint8Array(41)), -1],
    [hex("510100"), -1],
    [hex("4f021234"), -1],
    [hex("500212344" + "0"), -1],
    [hex("514c021234"), -1],
    [hex("5102123456"), -1],
    [p2sh, -1],
  ] as const) {
    assert.equal(witnessVersion(script), version, toHex(script));
    if (version >= 0) assert.equal(witnessProgram(script).length, script.length - 2);
  }
});

test("what can never be spent", () => {
  assert.ok(isUnspendable(hex("6a")));
  assert.ok(isUnspendable(new Uint8Array(10_001)));
  assert.ok(!isUnspendable(new Uint8Array(10_000)));
  assert.ok(!isUnspendable(hex("")));
});

test("names of opcodes", () => {
  const names = [
    [0, "0"],
    [0x4c, "OP_PUSHDATA1"],
    [0x4f, "-1"],
    [0x50, "OP_RESERVED"],
    [0x51, "1"],
    [0x60, "16"],
    [0x61, "OP_NOP"],
    [0x76, "OP_DUP"],
    [0xac, "OP_CHECKSIG"],
    [0xae, "OP_CHECKMULTISIG"],
    [0xb1, "OP_CHECKLOCKTIMEVERIFY"],
    [0xb2, "OP_CHECKSEQUENCEVERIFY"],
    [0xb9, "OP_NOP10"],
    [0xba, "OP_CHECKSIGADD"],
    [0xbb, "OP_UNKNOWN"],
    [0x20, "OP_UNKNOWN"],
    [0xff, "OP_INVALIDOPCODE"],
  ] as const;
  for (const [opcode, name] of names) assert.equal(op.opcodeName(opcode), name);
});
