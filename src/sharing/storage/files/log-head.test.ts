import assert from "node:assert/strict";
import { test } from "node:test";
import { hex, toHex } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { type Random, SeededRandom } from "#base/lib/random.ts";
import { deriveFileKeys } from "./file-keys.ts";
import { decodeHead, encodeHead, hostMarksOf, type LogHead } from "./log-head.ts";

const peer = "12D3KooWAfPDpPRRRBrmqy9is2zjU5srQ4hKuZitiGmh4NTTpS2d";

function headOf(total: number, chains: number): LogHead {
  const record = {
    id: "ab".repeat(16),
    key: new Uint8Array(32).fill(1),
    scheme: { needed: Math.min(4, total), total },
    length: 1000,
    shards: Array.from({ length: total }, (_, i) => ({ root: new Uint8Array(32).fill(i), host: peer })),
  };
  const seen = Object.fromEntries(Array.from({ length: chains }, (_, i) => [`0${i}`.repeat(16), 1000 + i]));
  return {
    chain: "cd".repeat(16),
    sequence: 77,
    segment: { record, hash: new Uint8Array(32).fill(9) },
    seen,
  };
}

test("the head of the largest log slab fits a record, and comes back", () => {
  const keys = deriveFileKeys(new Uint8Array(32).fill(1));
  const head = headOf(16, 6);
  const bytes = encodeHead(head, 2 ** 42, keys, new SeededRandom(1));
  assert.deepEqual(decodeHead(bytes, keys, hostMarksOf([peer])), { head, number: 2 ** 42 });
  const elsewhere = decodeHead(bytes, keys, new Map()).head.segment.record.shards[3];
  assert.deepEqual(elsewhere, { root: new Uint8Array(32).fill(3), host: "" });
});

test("of more than six chains the latest are named", () => {
  const keys = deriveFileKeys(new Uint8Array(32).fill(1));
  const { head } = decodeHead(encodeHead(headOf(4, 9), 1, keys, new SeededRandom(1)), keys, new Map());
  assert.deepEqual(Object.values(head.seen), [1008, 1007, 1006, 1005, 1004, 1003]);
});

test("a head of other words does not open, nor one whose number was changed", () => {
  const keys = deriveFileKeys(new Uint8Array(32).fill(1));
  const others = deriveFileKeys(new Uint8Array(32).fill(2));
  const bytes = encodeHead(headOf(4, 0), 5, keys, new SeededRandom(1));
  assert.throws(() => decodeHead(bytes, others, new Map()), DecodeError);
  // Even who has the signing key alone can not take a body from one record to another.
  const false_ = { head: keys.head, headBody: others.headBody };
  assert.throws(() => decodeHead(bytes, false_, new Map()), DecodeError);
});

// The vectors of docs/protocols/files.md.
test("keys and a head from a known root", () => {
  const keys = deriveFileKeys(hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"));
  assert.equal(toHex(keys.head.publicKey), VECTORS.headKey);
  assert.equal(toHex(keys.headBody), VECTORS.bodyKey);
  const counting: Random = {
    fill: (bytes) => bytes.map((_, i) => i),
    below: () => 0,
  };
  const record = toHex(encodeHead(headOf(2, 1), 5, keys, counting));
  assert.equal(record, VECTORS.record);
  assert.equal(decodeHead(hex(record), keys, hostMarksOf([peer])).head.sequence, 77);
});

const VECTORS = {
  headKey: "5f441e1b903bc0ec83ad3d096661766d4720d0510fde1ca8efde1368d127c856",
  bodyKey: "dc9539eb76361ca2301ba42d1929e3568ee2bf8fe9ce3f3d8bf0b098a8f16f28",
  record:
    "a564626f6479590117000102030405060708090a0b50d80ca826a1443e07dfb26f1e88bd73d15cb2162389a634" +
    "3533216600309e61561d45a9ccf6eb4eee7aeecd0239efed216fb7a65e9a1537f21893b73cc270e8b97057bc9a" +
    "776a0ea921beb1d870271ea0cd71ed45f5309addaacdfe82ec73f99d2ed71a401b42c94fb79399ed879cb51c99" +
    "f80b6ba218ff28d63427ee7904770000ab2069a5ef037848d16c05965ec8863d609bacfcc146fa609714df0015" +
    "d225a21bfbfdf20bacd5fbe38ce7b7fe2e7c474a81a4b1db4918dbdc1d71541c1a840aeefbb7e1690240ad2e01" +
    "ec89aecbbbee2f270cbf6b7414be48d4de052ebf43df6838e0dd256c001477cb24ddc2c603d8036a406928fdca" +
    "c4ec8b77d5e48f91daa27e224d2feafacdef6664657669636550cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd676865" +
    "61644b657958205f441e1b903bc0ec83ad3d096661766d4720d0510fde1ca8efde1368d127c856687365717565" +
    "6e636505697369676e61747572655840b32cf76db4b3b65ed963b6d7e433d46089a0669d4485135b0572aa3c17" +
    "63df58ae70d38c07442221b6026e74b8df26baeea442000b415fa554e587007662a807",
};
