/** Real blocks with what they spend, and the same with one byte of one signature changed. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { ScriptChecks } from "#ledger/chain/script-checks.ts";
import { blockWeight } from "#protocol/bitcoin/block-table.ts";
import { MAX_BLOCK_SIGOPS_COST, MAX_BLOCK_WEIGHT } from "#protocol/consensus/limits.ts";
import { txSigOpCost } from "#protocol/consensus/sigops.ts";
import { witnessCommitmentOutput } from "#protocol/consensus/witness-commitment.ts";
import { describeFlips, flipSignatures, newFlipCounts, signaturesOf } from "../support/flip-signatures.ts";
import { haveRealBlocks, KNOWN_BLOCKS, RealBlock } from "../support/real-block.ts";
import { NO_SHARED } from "../vectors/vectors.ts";

/** Flips of each block; `npm run soak -- real-blocks` does all. */
const FLIPS = 40;

const skip = haveRealBlocks ? false : NO_SHARED;
const checks = new ScriptChecks(1);
after(() => checks.close());

for (const known of KNOWN_BLOCKS) {
  const { network, height } = known;
  test(`${network.name} block ${height} verifies, and not with a byte of a signature flipped`, {
    skip,
  }, async (t) => {
    const block = new RealBlock(known);
    const { txs, bytes } = block.block;
    assert.equal(txs.inputTotal - 1, known.inputs);
    assert.equal(blockWeight(block.block), known.weight);
    assert.ok(known.weight <= MAX_BLOCK_WEIGHT);
    let cost = 0;
    for (let tx = 0; tx < txs.txCount; tx++) cost += txSigOpCost(txs, tx, block.prevouts, block.flags);
    assert.equal(cost, known.sigOpCost);
    assert.ok(cost <= MAX_BLOCK_SIGOPS_COST);
    assert.equal(witnessCommitmentOutput(txs) >= 0, known.commits);
    assert.equal(block.check(), undefined);
    assert.equal(await block.connect(checks), undefined);

    const signatures = signaturesOf(txs);
    assert.equal(signatures.length, known.signatures);
    // Nothing but the byte changed: some hash does not fit.
    const { at } = signatures[0]!;
    bytes[at]! ^= 1;
    const mutated = await block.connect(checks);
    assert.equal(mutated?.result, "mutated");
    assert.match(mutated.reason, /^bad-(txnmrklroot|witness-merkle-match)$/);
    bytes[at]! ^= 1;

    const counts = newFlipCounts();
    const step = Math.floor(signatures.length / FLIPS);
    await flipSignatures(block, { step, wholeStep: FLIPS }, counts, checks);
    assert.ok(counts.flips >= FLIPS);
    t.diagnostic(describeFlips(counts));
  });
}
