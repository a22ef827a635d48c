import assert from "node:assert/strict";
import { test } from "node:test";
import { toHex } from "./bytes.ts";
import { SeededRandom, secureRandom } from "./random.ts";

test("the same seed gives the same sequence, another seed another", () => {
  const draw = (seed: number): string => toHex(new SeededRandom(seed).fill(new Uint8Array(64)));
  assert.equal(draw(1), draw(1));
  assert.notEqual(draw(1), draw(2));
  assert.notEqual(draw(0), "00".repeat(64));
});

test("xoshiro128** as published, from a splitmix state", () => {
  // By a second implementation, in Python.
  const random = new SeededRandom(42);
  assert.deepEqual(
    [random.u32(), random.u32(), random.u32(), random.u32()],
    [2837322924, 544945897, 479756282, 3500138142],
  );
});

for (const [name, random] of [
  ["seeded", new SeededRandom(5)],
  ["secure", secureRandom],
] as const) {
  test(`${name}: numbers below a limit are spread over all of it`, () => {
    for (const limit of [1, 2, 3, 7, 256]) {
      const counts = new Array<number>(limit).fill(0);
      for (let i = 0; i < 300 * limit; i++) counts[random.below(limit)]!++;
      // 300 expected for each; further than seven standard deviations off is no accident.
      for (const count of counts)
        assert.ok(Math.abs(count - 300) < 7 * Math.sqrt(300) || limit === 1, `${count}`);
    }
    for (let i = 0; i < 100; i++) assert.ok(random.below(0x1_0000_0000) < 0x1_0000_0000);
  });

  test(`${name}: every byte is filled, of long arrays too`, () => {
    const bytes = random.fill(new Uint8Array(200_000));
    const counts = new Array<number>(256).fill(0);
    for (const byte of bytes) counts[byte]!++;
    for (const count of counts) assert.ok(Math.abs(count - 781) < 7 * Math.sqrt(781), `${count}`);
    assert.notEqual(toHex(bytes.subarray(-32)), "00".repeat(32));
  });
}
