import assert from "node:assert/strict";
import { concatBytes, equalBytes } from "#base/lib/bytes.ts";
import { blockWeight, parseBlock, strippedBlockSize } from "#protocol/bitcoin/block-table.ts";
import { main, testnet4 } from "#protocol/bitcoin/networks.ts";
import { encodeTransaction, type Transaction } from "#protocol/bitcoin/transaction.ts";
import { hashTxs } from "#protocol/bitcoin/txid.ts";
import type { FuzzTarget } from "./fuzz.ts";

const SPEND: Transaction = {
  version: 2,
  inputs: [
    {
      txid: new Uint8Array(32).fill(7),
      index: 1,
      script: new Uint8Array(0),
      sequence: 0,
      witness: [Uint8Array.of(1, 2), new Uint8Array(0)],
    },
  ],
  outputs: [{ value: 1, script: Uint8Array.of(0x51) }],
  lockTime: 5,
};

const spend = encodeTransaction(SPEND);

export const target: FuzzTarget = {
  name: "block parser",
  seeds: [
    main.genesis,
    testnet4.genesis,
    concatBytes(main.genesis.subarray(0, 80), Uint8Array.of(3), main.genesis.subarray(81), spend, spend),
  ],
  run(input) {
    const block = parseBlock(input);
    const { txs } = block;
    let end = txs.txCount === 0 ? input.length : txs.start(0);
    for (let tx = 0; tx < txs.txCount; tx++) {
      assert.equal(txs.start(tx), end);
      end = txs.end(tx);
      const last = txs.firstInput(tx) + txs.inputCount(tx);
      for (let i = txs.firstInput(tx); i < last; i++) {
        for (const item of txs.witness(i)) assert.ok(item.byteOffset + item.length <= input.byteOffset + end);
      }
    }
    assert.equal(end, input.length);
    assert.equal(blockWeight(block), 3 * strippedBlockSize(block) + input.length);
    const { txids, wtxids } = hashTxs(txs);
    assert.equal(txids.length, 32 * txs.txCount);
    for (let tx = 0; tx < txs.txCount; tx++) {
      const at = 32 * tx;
      const same = equalBytes(txids.subarray(at, at + 32), wtxids.subarray(at, at + 32));
      assert.equal(same, !txs.hasWitness(tx));
    }
  },
};
