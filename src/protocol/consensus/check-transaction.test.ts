import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_MONEY } from "#protocol/bitcoin/amount.ts";
import { encodeTransaction, type Transaction, type TransactionInput } from "#protocol/bitcoin/transaction.ts";
import { parseTx } from "#protocol/bitcoin/tx-table.ts";
import { checkTransaction } from "./check-transaction.ts";

const NULL_INPUT: TransactionInput = {
  txid: new Uint8Array(32),
  index: 0xffff_ffff,
  script: Uint8Array.of(1, 2),
  sequence: 0,
  witness: [],
};

function input(id: number, index = 0): TransactionInput {
  return { txid: new Uint8Array(32).fill(id), index, script: new Uint8Array(0), sequence: 0, witness: [] };
}

function reasonOf(change: Partial<Transaction>): string | undefined {
  const plain = {
    version: 2,
    lockTime: 0,
    inputs: [input(1)],
    outputs: [{ value: 1, script: new Uint8Array(0) }],
  };
  const tx: Transaction = { ...plain, ...change };
  const table = parseTx(encodeTransaction(tx), tx.inputs.length > 0);
  const refused = checkTransaction(table, 0);
  if (refused !== undefined) assert.deepEqual([refused.result, refused.debug], ["consensus", ""]);
  return refused?.reason;
}

const pay = (...values: number[]) => values.map((value) => ({ value, script: new Uint8Array(0) }));

test("an ordinary transaction passes", () => {
  assert.equal(reasonOf({}), undefined);
  assert.equal(reasonOf({ outputs: pay(0, 0), version: 0xffff_ffff }), undefined);
});

test("no inputs, no outputs", () => {
  assert.equal(reasonOf({ inputs: [] }), "bad-txns-vin-empty");
  assert.equal(reasonOf({ outputs: [] }), "bad-txns-vout-empty");
});

test("size without witness", () => {
  const script = (length: number) => [{ value: 0, script: new Uint8Array(length) }];
  // 10 bytes around, 41 an input, 8 and 5 an output.
  assert.equal(reasonOf({ outputs: script(1_000_000 - 64) }), undefined);
  assert.equal(reasonOf({ outputs: script(1_000_000 - 63) }), "bad-txns-oversize");
  const witness = [{ ...input(1), witness: [new Uint8Array(2_000_000)] }];
  assert.equal(reasonOf({ inputs: witness }), undefined);
});

test("output values", () => {
  assert.equal(reasonOf({ outputs: pay(-1) }), "bad-txns-vout-negative");
  assert.equal(reasonOf({ outputs: pay(MAX_MONEY + 1, -1) }), "bad-txns-vout-toolarge");
  assert.equal(reasonOf({ outputs: pay(MAX_MONEY) }), undefined);
  assert.equal(reasonOf({ outputs: pay(MAX_MONEY - 1, 1) }), undefined);
  assert.equal(reasonOf({ outputs: pay(MAX_MONEY, 1, -1) }), "bad-txns-txouttotal-toolarge");
  assert.equal(reasonOf({ outputs: pay(2 ** 53 - 1) }), "bad-txns-vout-toolarge");
});

test("the ends of the 64-bit range", () => {
  for (const [byte, reason] of [
    [0x7f, "bad-txns-vout-toolarge"],
    [0x80, "bad-txns-vout-negative"],
  ] as const) {
    const bytes = encodeTransaction({ version: 1, lockTime: 0, inputs: [input(1)], outputs: pay(0) });
    const table = parseTx(bytes);
    bytes[table.outputStart(0) + 7] = byte;
    assert.equal(checkTransaction(table, 0)?.reason, reason);
  }
});

test("an outpoint twice, for any number of inputs", () => {
  for (const count of [2, 3, 8, 9, 40, 1000]) {
    const inputs = Array.from({ length: count }, (_, i) => input(7, i));
    assert.equal(reasonOf({ inputs }), undefined, `${count}`);
    inputs[count - 1] = input(7, 0);
    assert.equal(reasonOf({ inputs }), "bad-txns-inputs-duplicate", `${count}`);
    inputs[count - 1] = input(8, 0);
    assert.equal(reasonOf({ inputs }), undefined, `${count}, another txid`);
  }
});

test("the null outpoint makes a coinbase alone, and nothing beside others", () => {
  assert.equal(reasonOf({ inputs: [NULL_INPUT] }), undefined);
  assert.equal(reasonOf({ inputs: [input(1), NULL_INPUT] }), "bad-txns-prevout-null");
  assert.equal(reasonOf({ inputs: [input(1), input(2), NULL_INPUT] }), "bad-txns-prevout-null");
  assert.equal(reasonOf({ inputs: [NULL_INPUT, NULL_INPUT] }), "bad-txns-inputs-duplicate");
  assert.equal(reasonOf({ inputs: [input(0, 1)] }), undefined, "a zero txid with an index is none");
});

test("the coinbase's script has 2 to 100 bytes", () => {
  for (const [length, reason] of [
    [0, "bad-cb-length"],
    [1, "bad-cb-length"],
    [2, undefined],
    [100, undefined],
    [101, "bad-cb-length"],
  ] as const) {
    assert.equal(reasonOf({ inputs: [{ ...NULL_INPUT, script: new Uint8Array(length) }] }), reason);
  }
});
