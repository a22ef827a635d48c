import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { readU32, writeU32 } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { outpointHash, sipHash, sipKey } from "./siphash.ts";

const MASK = (1n << 64n) - 1n;

/** The specification, word for word, with BigInt. */
function reference(key: Uint8Array, message: Uint8Array): bigint {
  const word = (bytes: Uint8Array, at: number): bigint => {
    let value = 0n;
    for (let i = 7; i >= 0; i--) value = (value << 8n) | BigInt(bytes[at + i] ?? 0);
    return value;
  };
  const rotate = (x: bigint, n: bigint): bigint => ((x << n) | (x >> (64n - n))) & MASK;
  let v0 = word(key, 0) ^ 0x736f6d6570736575n;
  let v1 = word(key, 8) ^ 0x646f72616e646f6dn;
  let v2 = word(key, 0) ^ 0x6c7967656e657261n;
  let v3 = word(key, 8) ^ 0x7465646279746573n;
  const round = (): void => {
    v0 = (v0 + v1) & MASK;
    v1 = rotate(v1, 13n) ^ v0;
    v0 = rotate(v0, 32n);
    v2 = (v2 + v3) & MASK;
    v3 = rotate(v3, 16n) ^ v2;
    v0 = (v0 + v3) & MASK;
    v3 = rotate(v3, 21n) ^ v0;
    v2 = (v2 + v1) & MASK;
    v1 = rotate(v1, 17n) ^ v2;
    v2 = rotate(v2, 32n);
  };
  const padded = new Uint8Array((message.length + 8) & ~7);
  padded.set(message);
  padded[padded.length - 1] = message.length;
  for (let at = 0; at < padded.length; at += 8) {
    const block = word(padded, at);
    v3 ^= block;
    round();
    round();
    v0 ^= block;
  }
  v2 ^= 0xffn;
  for (let i = 0; i < 4; i++) round();
  return v0 ^ v1 ^ v2 ^ v3;
}

function ours(key: Uint8Array, message: Uint8Array): bigint {
  const out = new Uint32Array(4);
  sipHash(sipKey(key), message, out, 1);
  assert.equal(out[0], 0);
  assert.equal(out[3], 0);
  return (BigInt(out[2]!) << 32n) | BigInt(out[1]!);
}

const COUNTING = Uint8Array.from({ length: 64 }, (_, i) => i);

describe("SipHash-2-4", () => {
  test("the paper's vector, and Core's (hash_tests.cpp)", () => {
    const key = COUNTING.subarray(0, 16);
    assert.equal(ours(key, COUNTING.subarray(0, 15)), 0xa129ca6149be45e5n);
    assert.equal(ours(key, new Uint8Array(0)), 0x726fdb47dd0e0e31n);
    assert.equal(ours(key, COUNTING.subarray(0, 1)), 0x74f839c593dc67fdn);
    assert.equal(ours(key, COUNTING.subarray(0, 8)), 0x93f5f5799a932462n);
    assert.equal(ours(key, COUNTING.subarray(0, 16)), 0x3f2acc7f57c29bdbn);
  });

  test("equals the specification at every length to 80, and beyond a chunk", () => {
    const random = new SeededRandom(12);
    const lengths = Array.from({ length: 81 }, (_, length) => length);
    for (const length of [...lengths, 1023, 1024, 1025, 1032, 2048, 5000]) {
      const key = random.fill(new Uint8Array(16));
      const message = random.fill(new Uint8Array(length));
      assert.equal(ours(key, message), reference(key, message), `${length}`);
    }
  });

  test("an outpoint's hash is the low word of the hash of its 36 bytes", () => {
    const random = new SeededRandom(13);
    for (let i = 0; i < 200; i++) {
      const key = random.fill(new Uint8Array(16));
      const bytes = random.fill(new Uint8Array(60));
      if (i % 3 === 0) writeU32(bytes, 7 + 32, 0xffff_ffff);
      const expected = reference(key, bytes.slice(7, 43)) & 0xffff_ffffn;
      const hash = outpointHash(sipKey(key), bytes, 7);
      assert.equal(BigInt(hash), expected);
      assert.ok(readU32(bytes, 39) >= 0 && hash >= 0);
    }
  });
});
