import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import { hex, toHex } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { hash160, ripemd160, Sha256Stream, sha1, sha256, sha256d, taggedHash } from "./sha256.ts";

function openssl(algorithm: string, bytes: Uint8Array): string {
  return createHash(algorithm).update(bytes).digest("hex");
}

const text = new TextEncoder();

describe("hashes", () => {
  test("FIPS 180-4: the examples of SHA-256", () => {
    assert.equal(
      toHex(sha256(text.encode("abc"))),
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
    assert.equal(
      toHex(sha256(text.encode("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"))),
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
    );
  });

  test("RIPEMD-160: the examples of its authors", () => {
    assert.equal(toHex(ripemd160(new Uint8Array(0))), "9c1185a5c5e9fc54612808977ee8f548b2258d31");
    assert.equal(toHex(ripemd160(text.encode("abc"))), "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc");
    assert.equal(
      toHex(ripemd160(text.encode("a".repeat(1_000_000)))),
      "52783243c1697bdbe16d37f97f68f08325dc1528",
    );
  });

  test("the genesis block's header hashes to its hash", () => {
    const header = hex(
      "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e" +
        "67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c",
    );
    assert.equal(
      toHex(sha256d(header).reverse()),
      "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f",
    );
  });

  test("equal OpenSSL at every length to 300, and at block edges beyond", () => {
    const random = new SeededRandom(1);
    const lengths = Array.from({ length: 301 }, (_, length) => length);
    for (const length of [...lengths, 1023, 1024, 1025, 2047, 2048, 2049, 4096, 100_000]) {
      const bytes = random.fill(new Uint8Array(length));
      assert.equal(toHex(sha256(bytes)), openssl("sha256", bytes), `sha256 of ${length}`);
      assert.equal(toHex(sha256d(bytes)), openssl("sha256", sha256(bytes)), `sha256d of ${length}`);
      assert.equal(toHex(ripemd160(bytes)), openssl("ripemd160", bytes), `ripemd160 of ${length}`);
      assert.equal(toHex(sha1(bytes)), openssl("sha1", bytes), `sha1 of ${length}`);
      assert.equal(toHex(hash160(bytes)), openssl("ripemd160", sha256(bytes)), `hash160 of ${length}`);
    }
  });

  test("a result is the caller's own", () => {
    const first = sha256(Uint8Array.of(1));
    const copy = toHex(first);
    sha256(Uint8Array.of(2));
    assert.equal(toHex(first), copy);
  });

  test("read a view at any offset", () => {
    const bytes = new SeededRandom(2).fill(new Uint8Array(200));
    for (let at = 0; at < 9; at++) {
      assert.equal(toHex(sha256(bytes.subarray(at, at + 33))), openssl("sha256", bytes.slice(at, at + 33)));
    }
  });

  test("BIP340: a tagged hash is SHA-256 of the tag's hash twice and the message", () => {
    const tag = createHash("sha256").update("TapLeaf").digest();
    const message = Uint8Array.of(0xc0, 1, 0x51);
    const expected = openssl("sha256", Buffer.concat([tag, tag, message]));
    assert.equal(toHex(taggedHash("TapLeaf", message)), expected);
    assert.equal(toHex(taggedHash("TapLeaf", message.subarray(0, 1), message.subarray(1))), expected);
  });

  test("a stream equals one call, however the message is cut", () => {
    const random = new SeededRandom(4);
    const message = random.fill(new Uint8Array(400_000));
    for (const most of [1_000, 70_000, 200_000]) {
      const stream = new Sha256Stream();
      for (let at = 0; at < message.length; ) {
        const end = Math.min(message.length, at + random.below(most));
        stream.update(message.subarray(at, end));
        at = end;
      }
      assert.equal(toHex(stream.digest()), openssl("sha256", message));
    }
  });
});
