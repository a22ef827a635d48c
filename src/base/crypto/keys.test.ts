import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { sign, signRecoverable } from "tiny-secp256k1";
import { concatBytes, hex, toHex } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import {
  isValidPublicKey,
  isValidSecret,
  isValidXOnlyKey,
  publicKeyOf,
  recoverCompact,
  signCompact,
  signEcdsaLowR,
  signSchnorr,
  tweakSecret,
  tweakXOnly,
  uncompressedPublicKey,
  xOnlyPublicKeyOf,
} from "./keys.ts";
import { encodeDer, isLowS, parseLaxDer } from "./lax-der.ts";
import { verifier } from "./secp256k1.ts";
import { sha256d, taggedHash } from "./sha256.ts";

/** The prime of the field that coordinates are in. */
const FIELD_PRIME = "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f";
const ORDER = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
/** The two keys and the message of Core's key_tests.cpp. */
const SECRET1 = hex("12b004fff7f4b69ef8650e767f18f11ede158148b425660723b9f9a66e61f747");
const SECRET2 = hex("b524c28b61c9b2c49b2c7dd4c2d75887abb78768c054bd7c01af4029f6c0d117");
const DIGEST = sha256d(new TextEncoder().encode("Very deterministic message"));

function random32(random: SeededRandom): Uint8Array {
  const bytes = random.fill(new Uint8Array(32));
  bytes[0] = bytes[0]! & 0x7f;
  return bytes;
}

describe("signing (Core: key_tests.cpp)", () => {
  test("Core's deterministic ECDSA signatures", () => {
    assert.equal(
      toHex(signEcdsaLowR(SECRET1, DIGEST)),
      "304402205dbbddda71772d95ce91cd2d14b592cfbc1dd0aabd6a394b6c2d377bbe59d31d" +
        "022014ddda21494a4e221f0824f0b8b924c43fa43c0ad57dccdaa11f81a6bd4582f6",
    );
    assert.equal(
      toHex(signEcdsaLowR(SECRET2, DIGEST)),
      "3044022052d8a32079c11e79db95af63bb9600c5b04f21a9ca33dc129c2bfa8ac9dc1cd5" +
        "022061d8ae5e0f6c1a16bde3719c64c2fd70e404b6428ab9a69566962e8771b5944d",
    );
  });

  test("Core's deterministic compact signatures", () => {
    const body =
      "5dbbddda71772d95ce91cd2d14b592cfbc1dd0aabd6a394b6c2d377bbe59d31d" +
      "14ddda21494a4e221f0824f0b8b924c43fa43c0ad57dccdaa11f81a6bd4582f6";
    assert.equal(toHex(signCompact(SECRET1, DIGEST, false)), `1c${body}`);
    assert.equal(toHex(signCompact(SECRET1, DIGEST, true)), `20${body}`);
  });

  test("R is ground as Core grinds it: libsecp256k1 with the counter as extra entropy", () => {
    const random = new SeededRandom(17);
    const counters = new Set<number>();
    for (let i = 0; i < 60; i++) {
      const [secret, digest] = [random32(random), random.fill(new Uint8Array(32))];
      let expected = sign(digest, secret);
      let counter = 0;
      while (expected[0]! >= 0x80)
        expected = sign(
          digest,
          secret,
          new Uint8Array(Uint32Array.of(++counter, 0, 0, 0, 0, 0, 0, 0).buffer),
        );
      counters.add(counter);
      const der = signEcdsaLowR(secret, digest);
      assert.equal(toHex(der), toHex(encodeDer(expected)));
      assert.ok(der.length <= 70 && isLowS(der));
      const compact = new Uint8Array(64);
      parseLaxDer(der, compact);
      assert.ok(verifier.ecdsa(compact, publicKeyOf(secret), digest));
    }
    assert.ok(counters.has(0) && counters.has(1) && counters.has(2), [...counters].join());
  });

  test("Schnorr signatures verify", () => {
    const random = new SeededRandom(18);
    for (let i = 0; i < 10; i++) {
      const [secret, digest] = [random32(random), random.fill(new Uint8Array(32))];
      const signature = signSchnorr(secret, digest, random.fill(new Uint8Array(32)));
      assert.ok(verifier.schnorr(signature, xOnlyPublicKeyOf(secret), digest));
    }
  });
});

describe("recovery", () => {
  test("a compact signature gives its key back, as libsecp256k1 makes it", () => {
    const random = new SeededRandom(19);
    const ids = new Set<number>();
    for (let i = 0; i < 20; i++) {
      const [secret, digest] = [random32(random), random.fill(new Uint8Array(32))];
      const compressed = i % 2 === 0;
      const signature = signCompact(secret, digest, compressed);
      const expected = signRecoverable(digest, secret);
      ids.add(expected.recoveryId);
      assert.equal(toHex(signature.subarray(1)), toHex(expected.signature));
      assert.equal(signature[0], 27 + expected.recoveryId + (compressed ? 4 : 0));
      assert.equal(toHex(recoverCompact(signature, digest)!), toHex(publicKeyOf(secret, compressed)));
      signature[0] = signature[0]! ^ 4;
      assert.equal(toHex(recoverCompact(signature, digest)!), toHex(publicKeyOf(secret, !compressed)));
      const other = recoverCompact(signature, random.fill(new Uint8Array(32)));
      assert.notEqual(other === undefined ? "" : toHex(other), toHex(publicKeyOf(secret, !compressed)));
    }
    assert.deepEqual([...ids].sort(), [0, 1]);
  });

  test("nothing comes of zero, the order, a wrong length or an x beyond the field", () => {
    const good = signCompact(SECRET1, DIGEST, true);
    const part = (r: string, s: string): Uint8Array => concatBytes(good.subarray(0, 1), hex(r), hex(s));
    const r = toHex(good.subarray(1, 33));
    const s = toHex(good.subarray(33));
    for (const bad of ["00".repeat(32), ORDER, "ff".repeat(32)]) {
      assert.equal(recoverCompact(part(bad, s), DIGEST), undefined);
      assert.equal(recoverCompact(part(r, bad), DIGEST), undefined);
    }
    assert.equal(recoverCompact(good.subarray(0, 64), DIGEST), undefined);
    assert.equal(recoverCompact(concatBytes(good, Uint8Array.of(0)), DIGEST), undefined);
    const beyond = good.slice();
    beyond[0] = beyond[0]! + 2;
    assert.equal(recoverCompact(beyond, DIGEST), undefined);
    assert.ok(recoverCompact(good, DIGEST) !== undefined);
  });
});

describe("keys", () => {
  test("secrets are in 1 … n − 1", () => {
    assert.equal(isValidSecret(SECRET1), true);
    assert.equal(isValidSecret(hex(`${ORDER.slice(0, 62)}40`)), true);
    assert.equal(isValidSecret(hex(ORDER)), false);
    assert.equal(isValidSecret(new Uint8Array(32)), false);
    assert.equal(isValidSecret(new Uint8Array(32).fill(0xff)), false);
    assert.equal(isValidSecret(SECRET1.subarray(1)), false);
    assert.throws(() => publicKeyOf(new Uint8Array(32)));
  });

  test("public keys of every form, and what is none", () => {
    const key = publicKeyOf(SECRET1);
    const long = publicKeyOf(SECRET1, false);
    assert.ok(isValidPublicKey(key) && isValidPublicKey(long));
    assert.equal(toHex(uncompressedPublicKey(key)!), toHex(long));
    const hybrid = long.slice();
    hybrid[0] = 6 + (long[64]! & 1);
    assert.ok(isValidPublicKey(hybrid));
    assert.equal(toHex(uncompressedPublicKey(hybrid)!), toHex(long));
    hybrid[0] = 7 - (long[64]! & 1);
    assert.equal(isValidPublicKey(hybrid), false);
    for (const bad of ["", "02", `02${"00".repeat(31)}05`, `05${toHex(key).slice(2)}`, `${toHex(key)}00`]) {
      assert.equal(isValidPublicKey(hex(bad)), false, bad);
      assert.equal(uncompressedPublicKey(hex(bad)), undefined);
    }
    assert.ok(isValidXOnlyKey(key.subarray(1)));
    assert.equal(isValidXOnlyKey(hex(`${"00".repeat(31)}05`)), false);
    assert.equal(isValidXOnlyKey(new Uint8Array(32).fill(0xff)), false);
    assert.equal(isValidXOnlyKey(key), false);
  });

  test("noble finds the same points, in more bad keys than a leak would survive", () => {
    const random = new SeededRandom(22);
    const { Point } = secp256k1;
    const edges = ["00", "01", "02", "2d", "2e", "2f", "30"].map(
      (end) => `${FIELD_PRIME.slice(0, -2)}${end}`,
    );
    let bad = 0;
    for (let i = 0; bad < 4000; i++) {
      const x = i < edges.length ? hex(edges[i]!) : random.fill(new Uint8Array(32));
      const valid = isValidXOnlyKey(x);
      if (!valid) bad++;
      if (i > 200) continue;
      const key = concatBytes(Uint8Array.of(2 + (i & 1)), x);
      let long: Uint8Array | undefined;
      try {
        long = Point.fromBytes(key).toBytes(false);
      } catch {
        // No point has this x.
      }
      assert.equal(valid, long !== undefined, toHex(x));
      assert.equal(isValidPublicKey(key), valid);
      assert.deepEqual(uncompressedPublicKey(key), long);
      if (long === undefined) continue;
      assert.ok(isValidPublicKey(long));
      long[64] = long[64]! ^ 1;
      assert.equal(isValidPublicKey(long), false);
      long.fill(0xff, 33);
      assert.equal(isValidPublicKey(long), false, "y is not below the prime");
    }
    assert.ok(isValidPublicKey(publicKeyOf(SECRET1)));
  });

  test("BIP341: the tweaked secret is that of the tweaked key", () => {
    const random = new SeededRandom(20);
    for (let i = 0; i < 12; i++) {
      const secret = random32(random);
      const internal = xOnlyPublicKeyOf(secret);
      const tweak = taggedHash("TapTweak", internal);
      const { key, parity } = tweakXOnly(internal, tweak)!;
      const tweaked = tweakSecret(secret, tweak)!;
      assert.equal(toHex(publicKeyOf(tweaked)), `0${2 + parity}${toHex(key)}`);
      assert.ok(verifier.tweakAddCheck(key, parity, internal, tweak));
    }
  });

  test("BIP341's first key path vector", () => {
    const internal = hex("d6889cb081036e0faefa3a35157ad71086b123b2b144b649798b494c300a961d");
    const { key } = tweakXOnly(internal, taggedHash("TapTweak", internal))!;
    assert.equal(toHex(key), "53a1f6e454df1aa2776a2814a721372d6258050de330b3c6d10ee8f4e0dda343");
  });

  test("tweaks of the order and more, and those that lead to zero, give nothing", () => {
    const internal = xOnlyPublicKeyOf(SECRET1);
    assert.equal(tweakXOnly(internal, hex(ORDER)), undefined);
    assert.equal(tweakSecret(SECRET1, hex(ORDER)), undefined);
    assert.equal(tweakXOnly(hex(`${"00".repeat(31)}05`), DIGEST), undefined);
    const odd = (publicKeyOf(SECRET1)[0]! & 1) === 1;
    const own = BigInt(`0x${toHex(SECRET1)}`);
    const opposite = hex((odd ? own : BigInt(`0x${ORDER}`) - own).toString(16).padStart(64, "0"));
    assert.equal(tweakXOnly(internal, opposite), undefined);
    assert.equal(tweakSecret(SECRET1, opposite), undefined);
    assert.equal(toHex(tweakXOnly(internal, new Uint8Array(32))!.key), toHex(internal));
  });
});
