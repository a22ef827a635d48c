import assert from "node:assert/strict";
import { test } from "node:test";
import { hex, toHex } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { decodeCbor, encodeCbor, MAX_DEPTH } from "./cbor.ts";
import { netgroupOf } from "./netgroup.ts";

test("values come back from their one encoding (RFC 8949, 4.2.1)", () => {
  const value = { b: [1, -1, 2 ** 40, 0.5, 1.1, true, false, null], a: Uint8Array.of(1, 2), aa: "text é" };
  const bytes = encodeCbor({ ...value, gone: undefined });
  assert.deepEqual(decodeCbor(bytes), value);
  assert.equal(toHex(encodeCbor({ b: 1, aa: 2, a: 3 })), "a361610361620162616102");
});

const REFUSED: Readonly<Record<string, string>> = {
  nothing: "",
  "bytes after the value": "0000",
  "an integer in a longer form": "1800",
  "a length in a longer form": "580100",
  "keys out of order": "a2616201616101",
  "a key twice": "a2616101616102",
  "a key that is no text": "a10102",
  "__proto__ as a key": `a1695f5f70726f746f5f5f01`,
  "indefinite length": "9fff",
  "a tag": "c000",
  undefined: "f7",
  "a simple value": "f8ff",
  NaN: "f97e00",
  infinity: "f97c00",
  "a whole number as a float": "f93c00",
  "a float in a longer form": "fb3fe0000000000000",
  "text that is not UTF-8": "6187",
  "a string beyond the end": "5aFFFFFFFF00",
  "an array beyond the end": "9b00FFFFFFFFFFFFFF",
  "an integer beyond 2^53": "1bffffffffffffffff",
  "too deep": `${"81".repeat(MAX_DEPTH + 1)}00`,
};

for (const [name, text] of Object.entries(REFUSED)) {
  test(`${name} is refused`, () => assert.throws(() => decodeCbor(hex(text)), DecodeError));
}

test("more items than allowed are refused before they are built", () => {
  assert.throws(() => decodeCbor(encodeCbor(new Array(100).fill(0)), 100), DecodeError);
  assert.deepEqual(decodeCbor(encodeCbor(new Array(99).fill(0)), 100), new Array(99).fill(0));
});

test("netgroups: /24 and /48, loopback as others, IPv4 in IPv6 as IPv4", () => {
  assert.equal(netgroupOf("10.1.2.3"), "10.1.2.0/24");
  assert.notEqual(netgroupOf("127.0.1.1"), netgroupOf("127.0.2.1"));
  assert.equal(netgroupOf("::ffff:10.1.2.9"), "10.1.2.0/24");
  assert.equal(netgroupOf("2001:db8:1:2::5"), "2001:db8:1::/48");
  assert.equal(netgroupOf("2001:0db8:0001:ffff:1:2:3:4"), "2001:db8:1::/48");
  assert.equal(netgroupOf("::1"), "0:0:0::/48");
  for (const none of [undefined, "", "a.b", "1.2.3", "gggg::"]) assert.equal(netgroupOf(none), "unknown");
});
