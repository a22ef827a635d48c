import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { hex, toHex } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { NO_SHARED, sharedVector } from "../../../test/vectors/vectors.ts";
import { decodeBase58, decodeBase58Check, encodeBase58, encodeBase58Check } from "./base58.ts";

const path = sharedVector("core/base58_encode_decode.json");

test("base58_encode_decode.json", { skip: path === undefined && NO_SHARED }, (t) => {
  const rows = JSON.parse(readFileSync(path!, "utf8")) as [string, string][];
  for (const [bytes, text] of rows) {
    assert.equal(encodeBase58(hex(bytes)), text);
    assert.equal(toHex(decodeBase58(text, 256)!), bytes.toLowerCase());
  }
  t.diagnostic(`${rows.length} rows`);
});

test("spaces around a text are ignored, inside they are not", () => {
  assert.equal(toHex(decodeBase58(" \t\n\v\f\r skip \r\f\v\n\t ", 3)!), "971a55");
  assert.equal(decodeBase58(" \t\n\v\f\r skip \r\f\v\n\t a", 3), undefined);
  assert.equal(decodeBase58("sk ip", 3), undefined);
});

test("characters outside of the alphabet are refused", () => {
  for (const text of ["invalid", "0", "O", "I", "l", "good\0", "bad0IOl", "ü", "Ā"]) {
    assert.equal(decodeBase58(text, 100), undefined, text);
  }
});

test("more bytes than allowed are refused, zeroes counted", () => {
  assert.equal(toHex(decodeBase58("111", 3)!), "000000");
  assert.equal(decodeBase58("1111", 3), undefined);
  assert.equal(decodeBase58("2g", 0), undefined);
  assert.equal(decodeBase58("z".repeat(1_000_000), 78), undefined);
});

test("any bytes come back, and a changed checksum does not", () => {
  const random = new SeededRandom(58);
  for (let i = 0; i < 500; i++) {
    const bytes = random.fill(new Uint8Array(random.below(90)));
    bytes.fill(0, 0, random.below(3));
    assert.deepEqual(decodeBase58(encodeBase58(bytes), bytes.length), bytes);
    const text = encodeBase58Check(bytes);
    assert.deepEqual(decodeBase58Check(text, bytes.length), bytes);
    assert.equal(decodeBase58Check(text, bytes.length - 1), undefined);
    const at = random.below(text.length);
    const changed = text.slice(0, at) + (text[at] === "z" ? "y" : "z") + text.slice(at + 1);
    assert.equal(decodeBase58Check(changed, 100), undefined);
  }
});
