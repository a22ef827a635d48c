import { MAX_MONEY } from "#protocol/bitcoin/amount.ts";
import type { Transaction, TransactionInput } from "#protocol/bitcoin/transaction.ts";
import { type BlockForge, NULL_TXID } from "./block-forge.ts";
import type { BlockRule } from "./block-rules.ts";
import { changedTransaction, rule, twins } from "./trials.ts";

const setValue = (value: (forge: BlockForge) => number) => (tx: Transaction, forge: BlockForge) => {
  const outputs = tx.outputs;
  outputs[forge.random.below(outputs.length)]!.value = value(forge);
};

const negative = (forge: BlockForge) => (forge.oneIn(2) ? -1 : -forge.between(1, 2 ** 31) * 2 ** 20);
const tooLarge = (forge: BlockForge) => (forge.oneIn(2) ? MAX_MONEY + 1 : 2 ** 53 - 1);

/** Not even an input: its count reads as BIP144's marker, with a flag of zero. */
const EMPTY_TX: Transaction = { version: 2, lockTime: 0, inputs: [], outputs: [] };

const NULL_INPUT: TransactionInput = {
  txid: NULL_TXID,
  index: 0xffff_ffff,
  sequence: 0,
  script: new Uint8Array(0),
  witness: [],
};

const repeatInput = (tx: Transaction, forge: BlockForge) => {
  const { inputs } = tx;
  const last = inputs.length - 1;
  const { txid, index } = inputs[forge.random.below(last)]!;
  Object.assign(inputs[last]!, { txid, index });
};

const addNull = (tx: Transaction, forge: BlockForge) => {
  tx.inputs.splice(forge.random.below(tx.inputs.length + 1), 0, { ...NULL_INPUT });
};

const overTotal = (tx: Transaction, forge: BlockForge) => {
  const { script } = tx.outputs[0]!;
  const part = forge.between(1, 1000);
  tx.outputs = [
    { value: MAX_MONEY - part + 1, script },
    { value: part, script },
  ];
};

export const TRANSACTION_RULES: readonly BlockRule[] = [
  rule(
    "bad-txns-vin-empty",
    twins((draft, forge) => {
      draft.txs.splice(forge.random.below(draft.txs.length + 1), 0, EMPTY_TX);
      draft.commit = "never";
      return true;
    }),
  ),
  rule(
    "bad-txns-vout-empty",
    changedTransaction((tx) => {
      tx.outputs = [];
    }),
  ),
  rule(
    "bad-txns-vout-empty",
    twins(
      (draft) => {
        draft.coinbase.outputs = [];
        draft.commit = "never";
        return true;
      },
      { txs: 0 },
    ),
    "bad-txns-vout-empty: coinbase",
  ),
  rule("bad-txns-vout-negative", changedTransaction(setValue(negative))),
  rule(
    "bad-txns-vout-negative",
    twins((draft, forge) => {
      draft.coinbase.outputs[0]!.value = negative(forge);
      return true;
    }),
    "bad-txns-vout-negative: coinbase",
  ),
  rule("bad-txns-vout-toolarge", changedTransaction(setValue(tooLarge))),
  rule("bad-txns-txouttotal-toolarge", changedTransaction(overTotal)),
  rule("bad-txns-inputs-duplicate", changedTransaction(repeatInput, 2), "bad-txns-inputs-duplicate: 2"),
  rule(
    "bad-txns-inputs-duplicate",
    changedTransaction(repeatInput, 12),
    "bad-txns-inputs-duplicate: 12",
    1 / 2,
  ),
  rule("bad-txns-prevout-null", changedTransaction(addNull), "bad-txns-prevout-null: 2"),
  rule("bad-txns-prevout-null", changedTransaction(addNull, 3), "bad-txns-prevout-null: 4"),
];
