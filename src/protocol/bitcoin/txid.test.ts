import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { sha256d } from "#base/crypto/sha256.ts";
import { Sha256Batch } from "#base/crypto/sha256-batch.ts";
import { concatBytes, equalBytes, hex, toHex, toHexReversed } from "#base/lib/bytes.ts";
import { NO_SHARED, sharedVector } from "../../../test/vectors/vectors.ts";
import { parseBlock } from "./block-table.ts";
import { main } from "./networks.ts";
import { encodeTransaction, transactionAt } from "./transaction.ts";
import { parseTx, type TxTable } from "./tx-table.ts";
import { blockHash, hashAt, hashTxs, type TxHashes, txidAt, wtxidAt } from "./txid.ts";

/** The Merkle root of hashes end to end, by the rule of the block header. */
function merkleRootOf(hashes: Uint8Array): Uint8Array {
  let row = Array.from({ length: hashes.length / 32 }, (_, i) => hashAt(hashes, i));
  while (row.length > 1) {
    const next: Uint8Array[] = [];
    for (let i = 0; i < row.length; i += 2) next.push(sha256d(concatBytes(row[i]!, row[i + 1] ?? row[i]!)));
    row = next;
  }
  return row[0]!;
}

/** Each hash once more by itself, from the transaction as objects. */
function checkHashes(table: TxTable, hashes: TxHashes): void {
  for (let tx = 0; tx < table.txCount; tx++) {
    const stripped = encodeTransaction(transactionAt(table, tx), { witness: false });
    assert.equal(toHex(txidAt(hashes, tx)), toHex(sha256d(stripped)));
    assert.equal(toHex(wtxidAt(hashes, tx)), toHex(sha256d(table.raw(tx))));
    assert.equal(equalBytes(txidAt(hashes, tx), wtxidAt(hashes, tx)), !table.hasWitness(tx));
  }
}

test("the genesis transaction", () => {
  const block = parseBlock(main.genesis);
  const hashes = hashTxs(block.txs);
  assert.equal(
    toHexReversed(txidAt(hashes, 0)),
    "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b",
  );
  checkHashes(block.txs, hashes);
  assert.equal(
    toHexReversed(blockHash(main.genesis)),
    "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f",
  );
});

test("a transaction with a witness: BIP143's P2WPKH example, signed", () => {
  const signed = hex(
    "01000000000102fff7f7881a8099afa6940d42d1e7f6362bec38171ea3edf433541db4e4ad969f00000000494830450221008b9d1dc26ba6a9cb62127b02742fa9d754cd3bebf337f7a55d114c8e5cdd30be022040529b194ba3f9281a99f2b1c0a19c0489bc22ede944ccf4ecbab4cc618ef3ed01eeffffffef51e1b804cc89d182d279655c3aa89e815b1b309fe287d9b2b55d57b90ec68a0100000000ffffffff02202cb206000000001976a9148280b37df378db99f66f85c95a783a76ac7a6d5988ac9093510d000000001976a9143bde42dbee7e4dbe6a21b2d50ce2f0167faa815988ac000247304402203609e17b84f6a7d30c80bfa610b5b4542f32a8a0d5447a12fb1366d7f01cc44a0220573a954c4518331561406f90300e8f3358f51928d43c212a8caed02de67eebee0121025476c2e83188368da1ff3e292e7acafcdb3566bb0ad253f62fc70f07aeee635711000000",
  );
  const table = parseTx(signed);
  const hashes = hashTxs(table);
  assert.equal(
    toHexReversed(txidAt(hashes, 0)),
    "e8151a2af31c368a35053ddd4bdb285a8595c769a3ad83e0fa02314a602d4609",
  );
  checkHashes(table, hashes);
});

for (const name of ["block482683.raw", "block413567.raw", "block1087400.raw"]) {
  const path = sharedVector(`blocks/${name}`);
  test(`${name}: Merkle root and every hash`, { skip: path === undefined && NO_SHARED }, (t) => {
    const block = parseBlock(readFileSync(path!));
    const hashes = hashTxs(block.txs, new Sha256Batch());
    assert.equal(toHex(merkleRootOf(hashes.txids)), toHex(block.header.merkleRoot));
    checkHashes(block.txs, hashes);
    t.diagnostic(`${block.txs.txCount} transactions`);
  });
}

test("the hashes of one call stay when the next is made", () => {
  const { txs } = parseBlock(main.genesis);
  const first = hashTxs(txs);
  const copy = first.txids.slice();
  hashTxs(parseTx(encodeTransaction({ version: 2, inputs: [], outputs: [], lockTime: 1 }), false));
  assert.deepEqual(first.txids, copy);
});

test("no transactions have no hashes", () => {
  const { txs } = parseBlock(concatBytes(main.genesis.subarray(0, 80), Uint8Array.of(0)));
  assert.deepEqual(hashTxs(txs), { txids: new Uint8Array(0), wtxids: new Uint8Array(0) });
});
