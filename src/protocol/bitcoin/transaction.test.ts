import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fromHex, hex, toHex } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { bitcoreVector, NO_SHARED, sharedVector } from "../../../test/vectors/vectors.ts";
import { MAX_MONEY } from "./amount.ts";
import { parseBlock } from "./block-table.ts";
import {
  decodeTransaction,
  encodeTransaction,
  hasWitness,
  SEQUENCE_FINAL,
  type Transaction,
  tableOf,
  transactionAt,
} from "./transaction.ts";

/** Serialised transactions that stand in Core's transaction vectors. */
function transactionsIn(path: string): Uint8Array[] {
  const rows = JSON.parse(readFileSync(path, "utf8")) as unknown[][];
  return rows.filter((row) => Array.isArray(row[0])).map((row) => fromHex(row[1] as string)!);
}

function checkRoundTrip(bytes: Uint8Array): void {
  assert.equal(toHex(encodeTransaction(decodeTransaction(bytes))), toHex(bytes));
}

for (const path of [sharedVector("core/tx_valid.json"), bitcoreVector("bitcoind/tx_valid.json")]) {
  test(`transactions of ${path ?? "core/tx_valid.json"} come back`, {
    skip: path === undefined && NO_SHARED,
  }, (t) => {
    const transactions = transactionsIn(path!);
    for (const bytes of transactions) checkRoundTrip(bytes);
    t.diagnostic(`${transactions.length} transactions`);
    assert.ok(transactions.length >= 50);
  });
}

const blockPath = sharedVector("blocks/block482683.raw");

test("transactions of a block come back", { skip: blockPath === undefined && NO_SHARED }, () => {
  const { txs } = parseBlock(readFileSync(blockPath!));
  for (let tx = 0; tx < txs.txCount; tx++) {
    assert.equal(toHex(encodeTransaction(transactionAt(txs, tx))), toHex(txs.raw(tx)));
  }
});

const SAMPLE: Transaction = {
  version: 0xffff_ffff,
  inputs: [
    { txid: new Uint8Array(32).fill(1), index: 0xffff_ffff, script: hex("51"), sequence: 7, witness: [] },
    {
      txid: new Uint8Array(32).fill(2),
      index: 3,
      script: new Uint8Array(300),
      sequence: SEQUENCE_FINAL,
      witness: [new Uint8Array(0), new Uint8Array(253).fill(9)],
    },
  ],
  outputs: [
    { value: MAX_MONEY, script: new Uint8Array(0) },
    { value: -1, script: hex("6a") },
  ],
  lockTime: 0x8000_0001,
};

test("every field comes back, unsigned and signed", () => {
  assert.deepEqual(decodeTransaction(encodeTransaction(SAMPLE)), SAMPLE);
  assert.equal(hasWitness(SAMPLE), true);
  const stripped = decodeTransaction(encodeTransaction(SAMPLE, { witness: false }));
  assert.equal(hasWitness(stripped), false);
  assert.deepEqual(stripped.outputs, SAMPLE.outputs);
});

test("no inputs and one output: read as before BIP144 it is that", () => {
  const tx: Transaction = { version: 1, inputs: [], outputs: [{ value: 5, script: hex("51") }], lockTime: 0 };
  const bytes = encodeTransaction(tx);
  assert.deepEqual(decodeTransaction(bytes, false), tx);
  assert.throws(() => decodeTransaction(bytes), DecodeError);
  assert.equal(tableOf(tx).outputTotal, 1);
});

test("objects hold no view of the bytes", () => {
  const bytes = encodeTransaction(SAMPLE);
  const tx = decodeTransaction(bytes);
  bytes.fill(0);
  assert.deepEqual(tx, SAMPLE);
});
