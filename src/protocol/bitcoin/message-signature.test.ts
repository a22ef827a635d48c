import assert from "node:assert/strict";
import { test } from "node:test";
import { publicKeyOf } from "#base/crypto/keys.ts";
import { hash160 } from "#base/crypto/sha256.ts";
import { hex } from "#base/lib/bytes.ts";
import { encodeAddress, payToPubkeyHash } from "./address.ts";
import { signMessage, verifyMessage } from "./message-signature.ts";
import { main, regtest } from "./networks.ts";
import { decodeWif } from "./wif.ts";

// Core's util_tests.cpp, message_sign and message_verify.
const ADDRESS = "15CRxFdyRpGZLW9w8HnHvVduizdL5jKNbs";
const MESSAGE = "Trust no one";
const SIGNATURE = "IPojfrX2dfPnH26UegfbGQQLrdK844DlHq5157/P6h57WyuS/Qsl+h/WSVGDF4MUi4rWSswW38oimDYfNNUBUOk=";

test("a message is signed as Core signs it", () => {
  const secret = hex("d97f5108f11cda6eeebaaa420fef0726b1f898060b98489fa3098463c0032866");
  const hash = hash160(publicKeyOf(secret, true));
  assert.equal(encodeAddress(payToPubkeyHash(hash), main), ADDRESS);
  assert.equal(signMessage(MESSAGE, { secret, compressed: true }), SIGNATURE);
  // rpc_signmessagewithprivkey.py
  const key = decodeWif("cUeKHd5orzT3mz8P9pxyREHfsWtVfgsfDjiZZBcjUBAaGk1BTj7N", regtest())!;
  assert.equal(
    signMessage("This is just a test message", key),
    "INbVnW4e6PeRmsv2Qgu8NuopvrVjkcxob+sX8OcZG0SALhWybUjzMLPdAsXI46YZGb0KQTRii+wWIQzRpG/U+S0=",
  );
});

test("each outcome of a check", () => {
  const cases: [string, string, string, string][] = [
    [ADDRESS, SIGNATURE, MESSAGE, "ok"],
    [
      "11canuhp9X2NocwCq7xNrQYTmUgZAnLK3",
      "IIcaIENoYW5jZWxsb3Igb24gYnJpbmsgb2Ygc2Vjb25kIGJhaWxvdXQgZm9yIGJhbmtzIAaHRtbCeDZINyavx14=",
      "Trust me",
      "ok",
    ],
    ["invalid address", "signature should be irrelevant", "message too", "invalid-address"],
    [
      "3B5fQsEXEaV8v6U3ejYc8XaKXAkyQj2MjV",
      "signature should be irrelevant",
      "message too",
      "address-without-key",
    ],
    [
      "1KqbBpLy5FARmTPD4VZnDDpYjkUvkr82Pm",
      "invalid signature, not in base64 encoding",
      "message should be irrelevant",
      "malformed-signature",
    ],
    [
      "1KqbBpLy5FARmTPD4VZnDDpYjkUvkr82Pm",
      "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
      "message should be irrelevant",
      "pubkey-not-recovered",
    ],
    [ADDRESS, SIGNATURE, "I never signed this", "not-signed"],
    [ADDRESS, "", MESSAGE, "pubkey-not-recovered"],
    [ADDRESS, `${SIGNATURE} `, MESSAGE, "malformed-signature"],
    [ADDRESS, SIGNATURE.slice(0, -1), MESSAGE, "malformed-signature"],
  ];
  for (const [address, signature, message, outcome] of cases) {
    assert.equal(verifyMessage(address, signature, message, main), outcome, signature);
  }
});

test("keys compressed and not have their own signatures", () => {
  const secret = new Uint8Array(32).fill(5);
  for (const compressed of [true, false]) {
    const address = encodeAddress(payToPubkeyHash(hash160(publicKeyOf(secret, compressed))), main)!;
    const signature = signMessage("to 😀", { secret, compressed });
    assert.equal(verifyMessage(address, signature, "to 😀", main), "ok");
    const other = encodeAddress(payToPubkeyHash(hash160(publicKeyOf(secret, !compressed))), main)!;
    assert.equal(verifyMessage(other, signature, "to 😀", main), "not-signed");
  }
});
