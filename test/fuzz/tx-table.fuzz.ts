import assert from "node:assert/strict";
import { equalBytes, hex } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { main } from "#protocol/bitcoin/networks.ts";
import { encodeTransaction, transactionAt } from "#protocol/bitcoin/transaction.ts";
import { parseTx, type TxTable } from "#protocol/bitcoin/tx-table.ts";
import { hashTxs } from "#protocol/bitcoin/txid.ts";
import type { FuzzTarget } from "./fuzz.ts";

/** Whatever parses has one serialisation: its own bytes. */
function check(table: TxTable, allowWitness: boolean): void {
  const { bytes } = table;
  assert.equal(table.txCount, 1);
  assert.equal(table.end(0), bytes.length);
  assert.ok(table.strippedSize(0) <= table.size(0) && table.strippedSize(0) >= 10);
  const tx = transactionAt(table, 0);
  // Values beyond 2^53 are read as the nearest double, so they do not come back.
  if (!tx.outputs.every(({ value }) => Number.isSafeInteger(value))) return;
  assert.ok(equalBytes(encodeTransaction(tx), bytes), allowWitness ? "with witness" : "before BIP144");
}

function attempt(input: Uint8Array): TxTable | undefined {
  try {
    return parseTx(input, false);
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

export const target: FuzzTarget = {
  name: "transaction parser",
  seeds: [
    main.genesis.subarray(81),
    hex(
      "01000000000102fff7f7881a8099afa6940d42d1e7f6362bec38171ea3edf433541db4e4ad969f00000000494830450221008b9d1dc26ba6a9cb62127b02742fa9d754cd3bebf337f7a55d114c8e5cdd30be022040529b194ba3f9281a99f2b1c0a19c0489bc22ede944ccf4ecbab4cc618ef3ed01eeffffffef51e1b804cc89d182d279655c3aa89e815b1b309fe287d9b2b55d57b90ec68a0100000000ffffffff02202cb206000000001976a9148280b37df378db99f66f85c95a783a76ac7a6d5988ac9093510d000000001976a9143bde42dbee7e4dbe6a21b2d50ce2f0167faa815988ac000247304402203609e17b84f6a7d30c80bfa610b5b4542f32a8a0d5447a12fb1366d7f01cc44a0220573a954c4518331561406f90300e8f3358f51928d43c212a8caed02de67eebee0121025476c2e83188368da1ff3e292e7acafcdb3566bb0ad253f62fc70f07aeee635711000000",
    ),
    hex("01000000000000000000"),
  ],
  run(input) {
    // Both readings, as RPCs try them; only when both fail is the input refused.
    const legacy = attempt(input);
    if (legacy !== undefined) check(legacy, false);
    const table = parseTx(input);
    check(table, true);
    assert.equal(hashTxs(table).wtxids.length, 32);
  },
};
