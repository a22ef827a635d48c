import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { blockWeight, parseBlock } from "#protocol/bitcoin/block-table.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import { main, testnet3 } from "#protocol/bitcoin/networks.ts";
import { blockHash, hashTxs } from "#protocol/bitcoin/txid.ts";
import { firstHeader } from "../../../test/support/test-header.ts";
import { readUndoFile } from "../../../test/support/undo-file.ts";
import { NO_SHARED, sharedVector } from "../../../test/vectors/vectors.ts";
import { checkBlock, contextualCheckBlock, isBlockMutated } from "./check-block.ts";
import { scriptFlagsFor } from "./deployments.ts";
import { legacySigOps, txSigOpCost } from "./sigops.ts";
import { blockSubsidy } from "./subsidy.ts";
import { checkTxInputs, coinOrigin, outputTotal } from "./tx-inputs.ts";
import { checkWitnessMalleation, witnessCommitmentOutput } from "./witness-commitment.ts";

interface RealBlock {
  readonly network: Network;
  readonly height: number;
  readonly txs: number;
  readonly weight: number;
  readonly legacySigOps: number;
  readonly commits: boolean;
  /** Where the spent outputs are at hand. */
  readonly sigOpCost?: number;
}

function real(
  network: Network,
  height: number,
  txs: number,
  weight: number,
  legacy: number,
  commits: boolean,
  sigOpCost?: number,
): RealBlock {
  const block = { network, height, txs, weight, legacySigOps: legacy, commits };
  return sigOpCost === undefined ? block : { ...block, sigOpCost };
}

const BLOCKS: readonly RealBlock[] = [
  real(testnet3, 928816, 889, 3_568_200, 109, true, 9109),
  real(testnet3, 928828, 201, 2_481_560, 123, false, 23_236),
  real(testnet3, 928831, 915, 3_992_382, 5, true, 10_035),
  real(testnet3, 928848, 676, 3_992_537, 25, true, 11_319),
  real(testnet3, 928849, 993, 3_682_105, 136, true, 9137),
  real(testnet3, 928927, 914, 3_992_391, 7, true, 10_015),
  real(testnet3, 1087400, 97, 193_331, 133, true, 1298),
  real(main, 300025, 461, 1_136_924, 1321, false, 5284),
  real(main, 413567, 1557, 3_999_548, 2841, false),
  real(main, 426884, 409, 3_985_776, 649, false),
  real(main, 482683, 12, 35_715, 20, true),
  real(main, 898352, 10, 20_492, 16, false),
];

for (const known of BLOCKS) {
  const path = sharedVector(`blocks/block${known.height}.raw`);
  const name = `${known.network.name} block ${known.height}`;
  test(`${name}: shape, size, Merkle roots`, { skip: path === undefined && NO_SHARED }, () => {
    const block = parseBlock(readFileSync(path!));
    const hashes = hashTxs(block.txs);
    assert.equal(block.txs.txCount, known.txs);
    assert.equal(blockWeight(block), known.weight);
    let legacy = 0;
    for (let tx = 0; tx < known.txs; tx++) legacy += legacySigOps(block.txs, tx);
    assert.equal(legacy, known.legacySigOps);
    assert.equal(checkBlock(block, hashes, known.network), undefined);
    assert.equal(witnessCommitmentOutput(block.txs) >= 0, known.commits);
    const prev = firstHeader({ time: block.header.time - 600 }, known.height - 1);
    assert.equal(contextualCheckBlock(block, hashes, prev, known.network), undefined);
    const atWrongHeight = firstHeader({ time: block.header.time - 600 }, known.height);
    const wrong = contextualCheckBlock(block, hashes, atWrongHeight, known.network);
    assert.equal(wrong?.reason, "bad-cb-height");
    assert.equal(isBlockMutated(block, hashes, known.commits), false);
  });

  if (known.sigOpCost === undefined) continue;
  const undo = sharedVector(`blocks/block${known.height}-undo.raw`);
  test(`${name}: sigops, and fees to the satoshi`, { skip: undo === undefined && NO_SHARED }, () => {
    const block = parseBlock(readFileSync(path!));
    const { txs } = block;
    const prevouts = readUndoFile(undo!, block.txs);
    const flags = scriptFlagsFor(known.network, blockHash(block.bytes), known.height);
    const origins = new Int32Array(txs.inputTotal).fill(coinOrigin(known.height - 1, false));
    let cost = txSigOpCost(txs, 0, prevouts, flags);
    let fees = 0;
    for (let tx = 1; tx < txs.txCount; tx++) {
      cost += txSigOpCost(txs, tx, prevouts, flags);
      const fee = checkTxInputs(txs, tx, prevouts, origins, known.height);
      assert.ok(typeof fee === "number");
      fees += fee;
    }
    assert.equal(cost, known.sigOpCost);
    // These miners claimed all that there was.
    assert.equal(outputTotal(txs, 0), fees + blockSubsidy(known.height, known.network));
  });
}

const SEGWIT_BLOCK = "blocks/block1087400.raw";

test("a byte changed anywhere is a mutation, told by the rule it breaks", {
  skip: sharedVector(SEGWIT_BLOCK) === undefined && NO_SHARED,
}, () => {
  const bytes = new Uint8Array(readFileSync(sharedVector(SEGWIT_BLOCK)!));
  const { txs } = parseBlock(bytes);
  const reasons = new Set<string>();
  for (let tx = 1; tx < txs.txCount; tx++) {
    const at = txs.outputStart(txs.firstOutput(tx));
    const places = [{ at, reason: "bad-txnmrklroot" }];
    const input = txs.firstInput(tx);
    if (txs.hasWitness(tx) && txs.witness(input)[0]?.length) {
      places.push({
        at: txs.witness(input)[0]!.byteOffset - bytes.byteOffset,
        reason: "bad-witness-merkle-match",
      });
    }
    for (const place of places) {
      bytes[place.at]! ^= 1;
      const block = parseBlock(bytes);
      const hashes = hashTxs(block.txs);
      const refused = checkBlock(block, hashes, testnet3) ?? checkWitnessMalleation(block, hashes, true);
      assert.deepEqual([refused?.result, refused?.reason], ["mutated", place.reason]);
      assert.equal(isBlockMutated(block, hashes, true), true);
      reasons.add(place.reason);
      bytes[place.at]! ^= 1;
    }
  }
  assert.deepEqual([...reasons].sort(), ["bad-txnmrklroot", "bad-witness-merkle-match"]);
});
