import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteReader, MAX_SIZE } from "./byte-reader.ts";
import { ByteWriter, compactSizeLength } from "./byte-writer.ts";
import { hex, toHex } from "./bytes.ts";
import { DecodeError } from "./decode-error.ts";
import { SeededRandom } from "./random.ts";

test("what was written is read", () => {
  const writer = new ByteWriter(1)
    .u8(0xff)
    .u16(0x0102)
    .u16be(0x0304)
    .u32(0xffff_fffe)
    .u32(-2)
    .i64(-5)
    .bigU64(2n ** 64n - 1n)
    .varBytes(hex("aabb"))
    .bytes(hex("cc"));
  const bytes = writer.finish();
  assert.equal(writer.length, bytes.length);
  assert.equal(toHex(bytes.subarray(0, 5)), "ff02010304");
  const reader = new ByteReader(bytes);
  assert.equal(reader.u8(), 0xff);
  assert.equal(reader.u16(), 0x0102);
  assert.equal(reader.u16be(), 0x0304);
  assert.equal(reader.u32(), 0xffff_fffe);
  assert.equal(reader.i32(), -2);
  assert.equal(reader.i64(), -5);
  assert.equal(reader.bigU64(), 2n ** 64n - 1n);
  assert.deepEqual(reader.varBytes(), hex("aabb"));
  assert.equal(reader.remaining, 1);
  assert.throws(() => reader.end(), { message: "1 bytes left over" });
  assert.deepEqual(reader.copy(1), hex("cc"));
  reader.end();
});

test("nothing is read past the end, and a failed read moves nothing", () => {
  const reads: ((reader: ByteReader) => unknown)[] = [
    (reader) => reader.u8(),
    (reader) => reader.u16(),
    (reader) => reader.u16be(),
    (reader) => reader.u32(),
    (reader) => reader.i32(),
    (reader) => reader.i64(),
    (reader) => reader.bigU64(),
    (reader) => reader.view(9),
    (reader) => reader.copy(9),
  ];
  const sizes = [1, 2, 2, 4, 4, 8, 8, 9, 9];
  for (const [i, read] of reads.entries()) {
    const reader = new ByteReader(new Uint8Array(20), 21 - sizes[i]!);
    assert.throws(() => read(reader), DecodeError);
    assert.equal(reader.at, 21 - sizes[i]!);
    read(new ByteReader(new Uint8Array(20), 20 - sizes[i]!));
  }
});

test("compact sizes: every width, the shortest form alone, at most MAX_SIZE unless unranged", () => {
  const values = [
    0,
    1,
    0xfc,
    0xfd,
    0xffff,
    0x1_0000,
    MAX_SIZE,
    MAX_SIZE + 1,
    0xffff_ffff,
    2 ** 32,
    2 ** 53 - 1,
  ];
  for (const value of values) {
    const bytes = new ByteWriter().compactSize(value).finish();
    assert.equal(bytes.length, compactSizeLength(value));
    assert.equal(new ByteReader(bytes).compactSize(false), value);
    if (value <= MAX_SIZE) assert.equal(new ByteReader(bytes).compactSize(), value);
    else
      assert.throws(() => new ByteReader(bytes).compactSize(), {
        message: "ReadCompactSize(): size too large",
      });
  }
  for (const text of ["fdfc00", "feffff0000", "ffffffffff00000000"]) {
    assert.throws(() => new ByteReader(hex(text)).compactSize(false), {
      message: "non-canonical ReadCompactSize()",
    });
  }
  assert.throws(() => new ByteReader(hex("ff0000000000002000")).compactSize(false), DecodeError);
});

test("views share memory, copies do not", () => {
  const bytes = hex("0102");
  const reader = new ByteReader(bytes);
  const view = reader.view(1);
  const copy = reader.copy(1);
  bytes.fill(9);
  assert.deepEqual([view[0], copy[0]], [9, 2]);
});

test("a writer grows and can go on after finish", () => {
  const random = new SeededRandom(3);
  const writer = new ByteWriter(1);
  let expected = "";
  for (let i = 0; i < 200; i++) {
    const part = random.fill(new Uint8Array(random.below(700)));
    writer.bytes(part);
    expected += toHex(part);
    if (i === 100) assert.equal(toHex(writer.finish()), expected);
  }
  assert.equal(toHex(writer.finish()), expected);
});
