import assert from "node:assert/strict";
import { createCipheriv } from "node:crypto";
import { test } from "node:test";
import { hex, toHex, writeU32 } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { chacha20Keystream } from "./chacha20.ts";

test("RFC 8439: the keystream of section 2.3.2", () => {
  const key = Uint8Array.from({ length: 32 }, (_, i) => i);
  const nonce = hex("000000090000004a00000000");
  assert.equal(
    toHex(chacha20Keystream(key, 64, nonce, 1)),
    "10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e" +
      "d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e",
  );
});

test("ChaCha20 equals OpenSSL at every length to 300 and across chunks", () => {
  const random = new SeededRandom(14);
  const lengths = Array.from({ length: 301 }, (_, length) => length);
  for (const length of [...lengths, 4095, 4096, 4097, 4160, 10_000]) {
    const key = random.fill(new Uint8Array(32));
    const iv = random.fill(new Uint8Array(16));
    const counter = random.below(1000);
    writeU32(iv, 0, counter);
    const expected = createCipheriv("chacha20", key, iv).update(new Uint8Array(length));
    assert.equal(
      toHex(chacha20Keystream(key, length, iv.subarray(4), counter)),
      expected.toString("hex"),
      `${length}`,
    );
  }
});

test("without nonce and counter both are zero", () => {
  const key = new Uint8Array(32).fill(5);
  chacha20Keystream(key, 64, new Uint8Array(12).fill(9), 77);
  assert.equal(
    toHex(chacha20Keystream(key, 100)),
    createCipheriv("chacha20", key, new Uint8Array(16)).update(new Uint8Array(100)).toString("hex"),
  );
});
