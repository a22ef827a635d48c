import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { concatBytes, hex, toHexReversed } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { NO_SHARED, sharedVector } from "../../../test/vectors/vectors.ts";
import { blockWeight, parseBlock, parseHeader, strippedBlockSize } from "./block-table.ts";
import { main } from "./networks.ts";
import { encodeTransaction, transactionAt } from "./transaction.ts";

test("the genesis block", () => {
  const { header, txs } = parseBlock(main.genesis);
  assert.equal(header.version, 1);
  assert.equal(toHexReversed(header.prevHash), "00".repeat(32));
  assert.equal(
    toHexReversed(header.merkleRoot),
    "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b",
  );
  assert.deepEqual([header.time, header.bits, header.nonce], [1231006505, 0x1d00ffff, 2083236893]);
  assert.equal(txs.txCount, 1);
  assert.equal(txs.value(0), 50e8);
  assert.equal(txs.isCoinbase(0), true);
  assert.equal(main.genesis.length, 285);
});

test("a header at an offset, its version signed", () => {
  const bytes = concatBytes(hex("0000"), main.genesis.subarray(0, 80));
  bytes.fill(0xff, 2, 6);
  assert.equal(parseHeader(bytes, 2).version, -1);
  assert.throws(() => parseHeader(bytes, 3), DecodeError);
});

test("every truncation and a byte too many are refused", () => {
  for (let length = 0; length < main.genesis.length; length++) {
    assert.throws(() => parseBlock(main.genesis.subarray(0, length)), DecodeError);
  }
  assert.throws(() => parseBlock(concatBytes(main.genesis, hex("00"))), DecodeError);
});

test("a block without transactions parses; its check is another's", () => {
  const block = parseBlock(concatBytes(main.genesis.subarray(0, 80), hex("00")));
  assert.equal(block.txs.txCount, 0);
  assert.equal(strippedBlockSize(block), 81);
  assert.equal(blockWeight(block), 324);
});

for (const name of ["block300025.raw", "block1087400.raw", "block482683.raw", "block898352.raw"]) {
  const path = sharedVector(`blocks/${name}`);
  test(`${name}: sizes`, { skip: path === undefined && NO_SHARED }, (t) => {
    const bytes = readFileSync(path!);
    const block = parseBlock(bytes);
    const { txs } = block;
    let stripped = txs.start(0);
    for (let tx = 0; tx < txs.txCount; tx++) {
      stripped += encodeTransaction(transactionAt(txs, tx), { witness: false }).length;
    }
    assert.equal(strippedBlockSize(block), stripped);
    assert.equal(blockWeight(block), 3 * stripped + bytes.length);
    t.diagnostic(`${txs.txCount} transactions, ${bytes.length} bytes, weight ${blockWeight(block)}`);
  });
}
