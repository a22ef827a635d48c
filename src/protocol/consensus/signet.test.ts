import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { publicKeyOf, signEcdsaLowR } from "#base/crypto/keys.ts";
import { ByteWriter } from "#base/lib/byte-writer.ts";
import { concatBytes, hex } from "#base/lib/bytes.ts";
import { parseBlock } from "#protocol/bitcoin/block-table.ts";
import { multisigScript, wrapScript } from "#protocol/bitcoin/multisig.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import { DEFAULT_SIGNET_CHALLENGE, regtest, signet } from "#protocol/bitcoin/networks.ts";
import { OP_0, OP_1 } from "#protocol/bitcoin/opcodes.ts";
import { prevoutsOf } from "#protocol/bitcoin/prevouts.ts";
import { buildScript, pushData, pushNumber } from "#protocol/bitcoin/script.ts";
import { legacySighash, SIGHASH_ALL, SighashMidstates, segwitV0Sighash } from "#protocol/bitcoin/sighash.ts";
import { type Transaction, tableOf } from "#protocol/bitcoin/transaction.ts";
import { hashTxs } from "#protocol/bitcoin/txid.ts";
import { addCommitment, coinbaseOf, encodeBlock, mine } from "../../../test/support/small-block.ts";
import { checkBlock } from "./check-block.ts";
import { checkSignetSolution, signetTransactions } from "./signet.ts";

const FILE = join(import.meta.dirname, "../../../test/vectors/signet-blocks.json");
const BLOCKS = (JSON.parse(readFileSync(FILE, "utf8")) as { blocks: string[] }).blocks.map((text) =>
  hex(text),
);

function solves(raw: Uint8Array, network: Network): boolean {
  const block = parseBlock(raw);
  return checkSignetSolution(block, hashTxs(block.txs), network);
}

test("the first blocks of the default signet, a 1-of-2 challenge", () => {
  const network = signet();
  for (const raw of BLOCKS) {
    const block = parseBlock(raw);
    assert.equal(checkBlock(block, hashTxs(block.txs), network), undefined);
  }
  assert.equal(solves(network.genesis, network), true);
});

test("the same blocks by other challenges: anyone's passes, two of the same keys do not", () => {
  for (const raw of BLOCKS) {
    assert.equal(solves(raw, signet(Uint8Array.of(OP_1))), true);
    const both = DEFAULT_SIGNET_CHALLENGE.slice();
    both[0] = 0x52;
    assert.equal(solves(raw, signet(both)), false);
  }
});

test("each byte that the solution signs, changed, is refused", () => {
  const network = signet();
  const raw = BLOCKS[0]!;
  const changed = (at: number) => {
    const copy = raw.slice();
    copy[at]! ^= 1;
    return solves(copy, network);
  };
  for (const at of [0, 4, 68]) assert.equal(changed(at), false, `header byte ${at}`);
  // The solution is found before there is a nonce; nor can it sign the target.
  for (const at of [72, 76]) assert.equal(changed(at), true, `header byte ${at}`);
  const { txs } = parseBlock(raw);
  assert.equal(changed(txs.outputStart(0)), false, "the coinbase's value");
  const commitment = txs.outputScriptStart(1);
  assert.equal(changed(commitment + 10), false, "the witness commitment");
  const signature = commitment + txs.outputScriptLength(1) - 20;
  assert.equal(changed(signature), false, "the signature");
});

const SECRETS = [1, 2, 3].map((fill) => new Uint8Array(32).fill(fill));
const KEYS = SECRETS.map((secret) => publicKeyOf(secret, true));
const ONE_OF_TWO = multisigScript(1, [KEYS[0]!, KEYS[1]!]);

/** A signet of ours that costs two hashes a block. */
function easySignet(challenge: Uint8Array): Network {
  const network = signet(challenge);
  return { ...network, consensus: { ...network.consensus, powLimit: regtest().consensus.powLimit } };
}

/** Signs what is to be signed; returns the input's script and witness. */
type Signer = (toSign: Transaction) => { script: Uint8Array; witness: Uint8Array[] };

const HEADER = hex("ecc7daa2");

/** A block on `network` whose commitment carries the solution that `sign` makes, then `after`. */
function solved(network: Network, sign: Signer, after: Uint8Array = new Uint8Array(0)): Uint8Array {
  const challenge = hex(network.consensus.signetChallenge!);
  const coinbase = coinbaseOf(Uint8Array.of(...pushNumber(1), OP_0), [
    { value: 50, script: new Uint8Array(0) },
  ]);
  addCommitment(coinbase, []);
  const bare = coinbase.outputs[1]!.script;
  coinbase.outputs[1]!.script = concatBytes(bare, pushData(HEADER));
  const block = parseBlock(encodeBlock({ txs: [coinbase] }));
  const { toSign } = signetTransactions(block, hashTxs(block.txs), challenge)!;
  const { script, witness } = sign(toSign);
  const solution = new ByteWriter().bytes(HEADER).varBytes(script).compactSize(witness.length);
  for (const item of witness) solution.varBytes(item);
  coinbase.outputs[1]!.script = concatBytes(bare, pushData(concatBytes(solution.finish(), after)));
  return mine(encodeBlock({ txs: [coinbase] }), network);
}

const signedBy =
  (secret: Uint8Array): Signer =>
  (toSign) => {
    const digest = legacySighash(tableOf(toSign), 0, 0, ONE_OF_TWO, SIGHASH_ALL);
    const signature = concatBytes(signEcdsaLowR(secret, digest), Uint8Array.of(SIGHASH_ALL));
    return { script: buildScript(OP_0, signature), witness: [] };
  };

test("a 1-of-2 signet of ours: either key, and no other", () => {
  const network = easySignet(ONE_OF_TWO);
  for (const [i, valid] of [true, true, false].entries()) {
    const raw = solved(network, signedBy(SECRETS[i]!));
    const block = parseBlock(raw);
    const refused = checkBlock(block, hashTxs(block.txs), network);
    assert.equal(refused?.reason, valid ? undefined : "bad-signet-blksig");
    if (!valid) assert.equal(refused?.debug, "signet block signature validation failure");
    assert.equal(checkBlock(block, hashTxs(block.txs), network, { pow: false }), undefined);
  }
});

test("a solution in the witness", () => {
  const network = easySignet(wrapScript(ONE_OF_TWO, "bech32"));
  const sign =
    (secret: Uint8Array): Signer =>
    (toSign) => {
      const prevouts = prevoutsOf([{ amount: 0, script: wrapScript(ONE_OF_TWO, "bech32") }]);
      const midstates = new SighashMidstates(tableOf(toSign), 0, prevouts);
      const digest = segwitV0Sighash(midstates, 0, ONE_OF_TWO, 0, SIGHASH_ALL);
      const signature = concatBytes(signEcdsaLowR(secret, digest), Uint8Array.of(SIGHASH_ALL));
      return { script: new Uint8Array(0), witness: [new Uint8Array(0), signature, ONE_OF_TWO] };
    };
  assert.equal(solves(solved(network, sign(SECRETS[1]!)), network), true);
  assert.equal(solves(solved(network, sign(SECRETS[2]!)), network), false);
});

test("malformed solutions, and none", () => {
  const network = easySignet(Uint8Array.of(OP_1));
  const nothing: Signer = () => ({ script: new Uint8Array(0), witness: [] });
  assert.equal(solves(solved(network, nothing), network), true);
  assert.equal(solves(solved(network, nothing, Uint8Array.of(0)), network), false, "bytes left over");
  const coinbase = coinbaseOf(Uint8Array.of(OP_1, OP_0), [{ value: 1, script: new Uint8Array(0) }]);
  assert.equal(solves(encodeBlock({ txs: [coinbase] }), network), false, "no commitment");
  addCommitment(coinbase, []);
  assert.equal(solves(encodeBlock({ txs: [coinbase] }), network), true, "no solution, but none is needed");
  assert.equal(solves(encodeBlock({ txs: [coinbase] }), easySignet(ONE_OF_TWO)), false);
  for (const cut of ["ecc7daa205", "ecc7daa200fd", "ecc7daa20002", "ecc7daa2fd0000"]) {
    const broken = coinbaseOf(Uint8Array.of(OP_1, OP_0), [{ value: 1, script: new Uint8Array(0) }]);
    addCommitment(broken, []);
    broken.outputs[1]!.script = concatBytes(broken.outputs[1]!.script, pushData(hex(cut)));
    assert.equal(solves(encodeBlock({ txs: [broken] }), network), false, cut);
  }
});
