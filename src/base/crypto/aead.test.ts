import assert from "node:assert/strict";
import { test } from "node:test";
import { concatBytes, hex, toHex } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { seal, sealInto, unseal } from "./aead.ts";

test("the example of RFC 8439, 2.8.2", () => {
  const key = hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
  const nonce = hex("070000004041424344454647");
  const associated = hex("50515253c0c1c2c3c4c5c6c7");
  const plaintext = new TextEncoder().encode(
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
  );
  const sealed = seal(key, nonce, plaintext, associated);
  assert.equal(
    toHex(sealed),
    "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b" +
      "1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc" +
      "3ff4def08e4b7a9de576d26586cec64b6116" +
      "1ae10b594f09e26a7e902ecbd0600691",
  );
  assert.deepEqual(unseal(key, nonce, sealed, associated), plaintext);
  assert.equal(unseal(key, nonce, sealed), undefined);
});

test("any change of what was sealed is noticed", () => {
  const random = new SeededRandom(1);
  for (let trial = 0; trial < 50; trial++) {
    const key = random.fill(new Uint8Array(32));
    const nonce = random.fill(new Uint8Array(12));
    const plaintext = random.fill(new Uint8Array(random.below(200)));
    const out = new Uint8Array(7 + plaintext.length + 16);
    sealInto(key, nonce, plaintext, out, 7);
    const sealed = out.subarray(7);
    assert.deepEqual(sealed, seal(key, nonce, plaintext));
    assert.deepEqual(unseal(key, nonce, sealed), plaintext);
    const bent = sealed.slice();
    bent[random.below(bent.length)]! ^= 1 << random.below(8);
    assert.equal(unseal(key, nonce, bent), undefined);
    assert.equal(unseal(key, nonce, sealed.subarray(1)), undefined);
    assert.equal(unseal(key, nonce, concatBytes(sealed, Uint8Array.of(0))), undefined);
    assert.equal(unseal(random.fill(new Uint8Array(32)), nonce, sealed), undefined);
  }
  assert.equal(unseal(new Uint8Array(32), new Uint8Array(12), new Uint8Array(15)), undefined);
});
