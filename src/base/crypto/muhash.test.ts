import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { toHex, toHexReversed } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { MuHash3072 } from "./muhash.ts";
import { sha256 } from "./sha256.ts";

/** Core's `FromInt`: the element of 32 bytes that starts with `value`. */
function element(value: number): Uint8Array {
  const bytes = new Uint8Array(32);
  bytes[0] = value;
  return bytes;
}

const EMPTY = new MuHash3072().finalize();

describe("MuHash3072 (Core: crypto_tests.cpp)", () => {
  test("Core's vector: 0 and 1 inserted, 2 removed", () => {
    const hash = new MuHash3072();
    hash.insert(element(0));
    hash.insert(element(1));
    hash.remove(element(2));
    assert.equal(
      toHexReversed(hash.finalize()),
      "10d312b100cbd32ada024a6646e40d3482fcff103668d2625f10002a607d5863",
    );
    // What was divided already can go on.
    hash.insert(element(2));
    hash.remove(element(0));
    hash.remove(element(1));
    assert.equal(toHex(hash.finalize()), toHex(EMPTY));
  });

  test("Core's vector: a serialised number above the modulus", () => {
    const bytes = new Uint8Array(768).fill(0xff, 0, 384);
    bytes[384] = 1;
    assert.equal(
      toHex(MuHash3072.deserialize(bytes).finalize()),
      "3a31e6903aff0de9f62f9a9f7f8b861de76ce2cda09822b90014319ae5dc2271",
    );
    assert.equal(bytes[0], 0xff);
  });

  test("Core's vector: the serialisation of 1 and 2 inserted", () => {
    const hash = new MuHash3072();
    hash.insert(element(1));
    hash.insert(element(2));
    const bytes = hash.serialize();
    assert.equal(bytes.length, 768);
    assert.ok(
      toHex(bytes).startsWith("1fa093295ea30a6a3acdc7b3f770fa538eff537528e990e2910e40bbcfd7f6696b1256901"),
    );
    assert.equal(toHex(MuHash3072.deserialize(bytes).finalize()), toHex(hash.finalize()));
  });

  test("the order does not matter", () => {
    const random = new SeededRandom(11);
    const elements = Array.from({ length: 40 }, () => random.fill(new Uint8Array(random.below(200))));
    const forward = new MuHash3072();
    for (const one of elements) forward.insert(one);
    const backward = new MuHash3072();
    for (const one of elements.toReversed()) backward.insert(one);
    assert.equal(toHex(backward.finalize()), toHex(forward.finalize()));
    forward.remove(elements[3]!);
    assert.notEqual(toHex(forward.finalize()), toHex(backward.finalize()));
    for (const one of elements) if (one !== elements[3]) forward.remove(one);
    assert.equal(toHex(forward.finalize()), toHex(EMPTY));
  });

  test("the empty set hashes the number one", () => {
    const one = new Uint8Array(384);
    one[0] = 1;
    assert.equal(toHex(EMPTY), toHex(sha256(one)));
  });
});
