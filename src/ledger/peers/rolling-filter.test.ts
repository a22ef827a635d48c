import assert from "node:assert/strict";
import { test } from "node:test";
import { hex, writeU32 } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { murmurHash3 } from "./murmur-hash.ts";
import { RollingFilter } from "./rolling-filter.ts";

test("murmurhash3 is Core's (hash_tests)", () => {
  const vectors: [number, number, string][] = [
    [0x00000000, 0x00000000, ""],
    [0x6a396f08, 0xfba4c795, ""],
    [0x81f16f39, 0xffffffff, ""],
    [0x514e28b7, 0x00000000, "00"],
    [0xea3f0b17, 0xfba4c795, "00"],
    [0xfd6cf10d, 0x00000000, "ff"],
    [0x16c6b7ab, 0x00000000, "0011"],
    [0x8eb51c3d, 0x00000000, "001122"],
    [0xb4471bf8, 0x00000000, "00112233"],
    [0xe2301fa8, 0x00000000, "0011223344"],
    [0xfc2e4a15, 0x00000000, "001122334455"],
    [0xb074502c, 0x00000000, "00112233445566"],
    [0x8034d2a0, 0x00000000, "0011223344556677"],
    [0xb4698def, 0x00000000, "001122334455667788"],
  ];
  for (const [hash, seed, data] of vectors) assert.equal(murmurHash3(seed, hex(data)), hash, data);
});

function item(n: number): Uint8Array {
  const bytes = new Uint8Array(32);
  writeU32(bytes, 0, n);
  return bytes;
}

test("the last items are always found, others hardly ever, and old ones are forgotten", () => {
  const filter = new RollingFilter(1000, 0.01, new SeededRandom(1));
  for (let n = 0; n < 20_000; n++) {
    filter.insert(item(n));
    if (n % 997 === 0)
      for (let i = Math.max(0, n - 999); i <= n; i++) assert.ok(filter.has(item(i)), `${i} of ${n}`);
  }
  let found = 0;
  for (let n = 0; n < 10_000; n++) if (filter.has(item(n))) found++;
  assert.ok(found < 200, `${found} of 10000 long gone are found`);
  filter.reset();
  assert.ok(!filter.has(item(19_999)));
});

test("one in a million is one in a million", () => {
  const filter = new RollingFilter(5000, 0.000001, new SeededRandom(2));
  for (let n = 0; n < 7000; n++) filter.insert(item(n));
  let found = 0;
  for (let n = 100_000; n < 400_000; n++) if (filter.has(item(n))) found++;
  assert.ok(found <= 5, `${found} of 300000 are found that never went in`);
});
