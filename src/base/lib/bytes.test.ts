import assert from "node:assert/strict";
import { test } from "node:test";
import {
  compareBytes,
  concatBytes,
  equalBytes,
  fromHex,
  fromHexReversed,
  hex,
  readBigU64,
  readI32,
  readI64,
  readU16,
  readU32,
  reversed,
  toHex,
  toHexReversed,
  writeBigU64,
  writeI64,
  writeU16,
  writeU32,
} from "./bytes.ts";

test("hex of every byte, there and back, both cases", () => {
  const all = Uint8Array.from({ length: 256 }, (_, i) => i);
  const text = Buffer.from(all).toString("hex");
  assert.equal(toHex(all), text);
  assert.deepEqual(fromHex(text), all);
  assert.deepEqual(fromHex(text.toUpperCase()), all);
  assert.deepEqual(fromHex(""), new Uint8Array(0));
});

test("what is not hex is refused", () => {
  for (const text of ["0", "0g", "g0", "0x", " 0", "0\u0130", "\uff10\uff10", "zz", "00 0"]) {
    assert.equal(fromHex(text), undefined, text);
    assert.equal(fromHexReversed(text), undefined, text);
    assert.throws(() => hex(text));
  }
});

test("display order is the other way round", () => {
  const bytes = hex("0102ff");
  assert.equal(toHexReversed(bytes), "ff0201");
  assert.deepEqual(fromHexReversed("ff0201"), bytes);
  assert.deepEqual(reversed(bytes), hex("ff0201"));
  assert.deepEqual(bytes, hex("0102ff"));
});

test("equality and order", () => {
  const sorted = ["", "00", "0000", "0001", "01", "0100", "7f", "80", "ff"].map(hex);
  for (const [i, a] of sorted.entries()) {
    for (const [j, b] of sorted.entries()) {
      assert.equal(equalBytes(a, b), i === j);
      assert.equal(Math.sign(compareBytes(a, b)), Math.sign(i - j), `${toHex(a)} ${toHex(b)}`);
    }
  }
});

test("joining copies", () => {
  const part = hex("01");
  const whole = concatBytes(part, hex(""), hex("0203"));
  part[0] = 9;
  assert.deepEqual(whole, hex("010203"));
  assert.deepEqual(concatBytes(), hex(""));
});

test("integers at their limits, at an offset, as DataView reads them", () => {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  for (const value of [0, 1, 0x7fff, 0x8000, 0xffff]) {
    writeU16(bytes, 3, value);
    assert.equal(view.getUint16(3, true), value);
    assert.equal(readU16(bytes, 3), value);
  }
  for (const value of [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x0102_0304]) {
    writeU32(bytes, 5, value);
    assert.equal(view.getUint32(5, true), value);
    assert.equal(readU32(bytes, 5), value);
    assert.equal(readI32(bytes, 5), value | 0);
  }
  for (const value of [0, 1, -1, 2 ** 31, 2 ** 32, -(2 ** 32), 21e14, 2 ** 53 - 1, -(2 ** 53 - 1)]) {
    writeI64(bytes, 7, value);
    assert.equal(view.getBigInt64(7, true), BigInt(value));
    assert.equal(readI64(bytes, 7), value);
  }
  for (const value of [0n, 1n, 2n ** 63n, 2n ** 64n - 1n, 0x0102_0304_0506_0708n]) {
    writeBigU64(bytes, 8, value);
    assert.equal(view.getBigUint64(8, true), value);
    assert.equal(readBigU64(bytes, 8), value);
  }
});

test("a 64-bit value beyond 2^53 is read as the nearest double, with its sign", () => {
  assert.equal(readI64(hex("ffffffffffffff7f"), 0), 2 ** 63);
  assert.equal(readI64(hex("0000000000000080"), 0), -(2 ** 63));
});
