import assert from "node:assert/strict";
import { test } from "node:test";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { concatBytes, hex, toHex } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { COIN, MAX_MONEY } from "#protocol/bitcoin/amount.ts";
import {
  CoinReader,
  MAX_SCRIPT_SIZE,
  varintLength,
  writeAmount,
  writeScript,
  writeVarint,
} from "./coin-compression.ts";

function reader(bytes: Uint8Array): CoinReader {
  const made = new CoinReader();
  made.load(bytes);
  return made;
}

function varint(value: number): string {
  const out = new Uint8Array(12);
  const end = writeVarint(out, 0, value);
  assert.equal(end, varintLength(value));
  return toHex(out.subarray(0, end));
}

test("VARINT as in the table of serialize.h and serialize_tests.cpp", () => {
  const rows: [number, string][] = [
    [0, "00"],
    [1, "01"],
    [127, "7f"],
    [128, "8000"],
    [255, "807f"],
    [256, "8100"],
    [0x1234, "a334"],
    [16383, "fe7f"],
    [16384, "ff00"],
    [16511, "ff7f"],
    [0xffff, "82fe7f"],
    [65535, "82fe7f"],
    [0x123456, "c7e756"],
    [0x8012_3456, "86ffc7e756"],
    [2 ** 32, "8efefeff00"],
    [0xffff_ffff, "8efefefe7f"],
  ];
  for (const [value, expected] of rows) {
    assert.equal(varint(value), expected, `${value}`);
    if (value <= 0xffff_ffff) assert.equal(reader(hex(expected)).varint(), value);
  }
});

test("a VARINT beyond 32 bits, and a cut one, are refused", () => {
  assert.throws(() => reader(hex("8efefeff00")).varint(), DecodeError);
  assert.throws(() => reader(hex("ffffffffff7f")).varint(), DecodeError);
  assert.throws(() => reader(hex("8efefeff")).varint(), DecodeError);
  assert.throws(() => reader(hex("")).varint(), DecodeError);
});

function packedAmount(amount: number): string {
  const out = new Uint8Array(12);
  return toHex(out.subarray(0, writeAmount(out, 0, amount)));
}

test("amounts are packed as in compress_tests.cpp", () => {
  const rows: [number, number][] = [
    [0, 0x0],
    [1, 0x1],
    [COIN / 100, 0x7],
    [COIN, 0x9],
    [50 * COIN, 0x32],
    [21_000_000 * COIN, 0x140_6f40],
  ];
  for (const [amount, packed] of rows) assert.equal(packedAmount(amount), varint(packed), `${amount}`);
});

/** Core's CompressAmount, as written there, over 64-bit integers. */
function compressAmount(amount: bigint): bigint {
  let n = amount;
  if (n === 0n) return 0n;
  let e = 0n;
  while (n % 10n === 0n && e < 9n) {
    n /= 10n;
    e++;
  }
  if (e === 9n) return 1n + (n - 1n) * 10n + 9n;
  const d = n % 10n;
  n /= 10n;
  return 1n + (n * 9n + d - 1n) * 10n + e;
}

function bigVarint(value: bigint): string {
  const bytes: number[] = [];
  for (let n = value; ; n = (n >> 7n) - 1n) {
    bytes.unshift(Number(n & 0x7fn) | (bytes.length > 0 ? 0x80 : 0));
    if (n <= 0x7fn) break;
  }
  return toHex(new Uint8Array(bytes));
}

test("amounts of every size go there and back, packed as Core's 64-bit arithmetic would", () => {
  const random = new SeededRandom(3);
  const check = (amount: number): void => {
    const packed = packedAmount(amount);
    assert.equal(packed, bigVarint(compressAmount(BigInt(amount))), `${amount}`);
    assert.equal(reader(hex(packed)).amount(), amount, packed);
  };
  for (let i = 0; i < 3000; i++) check(i);
  for (let i = 0; i < 20_000; i++) {
    const digits = 10 ** random.below(17);
    check(Math.min(MAX_MONEY, Math.floor((random.u32() / 2 ** 32) * digits) * 10 ** random.below(3)));
  }
  for (let i = 0; i < 100; i++) for (const at of [2 ** 32, 2 ** 48, MAX_MONEY]) check(at - i);
});

test("amounts above all money are refused", () => {
  for (const amount of [BigInt(MAX_MONEY) + 1n, 2n ** 53n, 2n ** 60n, 10n ** 18n]) {
    const packed = hex(bigVarint(compressAmount(amount)));
    assert.throws(() => reader(packed).amount(), DecodeError, `${amount}`);
  }
  assert.throws(() => reader(hex("ffffffffffffffffffffffff00")).amount(), DecodeError);
});

function packedScript(script: Uint8Array): Uint8Array {
  // In the middle of other bytes, so that offsets matter.
  const source = concatBytes(hex("aabb"), script, hex("cc"));
  const out = new Uint8Array(script.length + 12);
  const end = writeScript(out, 3, source, 2, 2 + script.length);
  return out.slice(3, end);
}

function unpackedScript(packed: Uint8Array): Uint8Array {
  const from = reader(packed);
  from.scriptHeader();
  const out = new Uint8Array(from.scriptLength + 1);
  from.script(out, 1);
  assert.equal(from.remaining, 0);
  return out.subarray(1);
}

const hash = "89abcdefabbaabbaabbaabbaabbaabbaabbaabba";
const secret = new Uint8Array(32).fill(7);
const compressed = toHex(secp256k1.getPublicKey(secret, true));
const uncompressed = toHex(secp256k1.getPublicKey(secret, false));

test("the six common scripts become a type and 20 or 32 bytes", () => {
  const rows: [script: string, packed: string][] = [
    [`76a914${hash}88ac`, `00${hash}`],
    [`a914${hash}87`, `01${hash}`],
    [`21${compressed}ac`, compressed],
    [`2102${"ff".repeat(32)}ac`, `02${"ff".repeat(32)}`],
    [
      `41${uncompressed}ac`,
      (Number.parseInt(uncompressed.slice(-1), 16) & 1 ? "05" : "04") + compressed.slice(2),
    ],
  ];
  for (const [script, packed] of rows) {
    assert.equal(toHex(packedScript(hex(script))), packed, script);
    assert.equal(toHex(unpackedScript(hex(packed))), script, packed);
  }
});

test("every other script keeps its bytes", () => {
  const scripts = [
    "",
    "51",
    `0014${hash}`,
    `76a914${hash}88ad`,
    `76a915${hash}88ac`,
    `a914${hash}88`,
    `2104${compressed.slice(2)}ac`,
    `21${compressed}ad`,
    // Off the curve: kept whole, as its y could not be found again.
    `41${uncompressed.slice(0, -2)}00ac`,
    `4106${uncompressed.slice(2)}ac`,
    `5120${"ab".repeat(32)}`,
    "6a04deadbeef",
    "ab".repeat(MAX_SCRIPT_SIZE),
  ];
  for (const script of scripts) {
    const packed = packedScript(hex(script));
    assert.equal(toHex(packed), varint(script.length / 2 + 6) + script);
    assert.equal(toHex(unpackedScript(packed)), script);
  }
});

test("both parities of many keys come back, by an independent library's word", () => {
  const random = new SeededRandom(11);
  const parities = [0, 0];
  for (let i = 0; i < 40; i++) {
    const key = secp256k1.getPublicKey(random.fill(new Uint8Array(32)), false);
    const script = concatBytes(hex("41"), key, hex("ac"));
    const packed = packedScript(script);
    assert.equal(packed.length, 33);
    parities[packed[0]! - 4]!++;
    assert.equal(toHex(unpackedScript(packed)), toHex(script));
  }
  assert.ok(parities[0]! > 5 && parities[1]! > 5);
});

test("scripts that Core reads in a way of its own", () => {
  // A key that no point has gives an empty script; one too long becomes OP_RETURN.
  assert.equal(toHex(unpackedScript(hex(`04${"00".repeat(31)}05`))), "");
  assert.equal(toHex(unpackedScript(hex(`05${"ff".repeat(32)}`))), "");
  const long = concatBytes(hex(varint(MAX_SCRIPT_SIZE + 7)), new Uint8Array(MAX_SCRIPT_SIZE + 1));
  assert.equal(toHex(unpackedScript(long)), "6a");
});

test("scripts cut short are refused before anything is made of them", () => {
  for (const packed of [
    "",
    "00",
    `00${hash.slice(2)}`,
    "0201",
    `04${"00".repeat(31)}`,
    "0a010203",
    "8efefefe7f",
  ]) {
    assert.throws(() => reader(hex(packed)).scriptHeader(), DecodeError, packed);
  }
});
