import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_MONEY } from "#protocol/bitcoin/amount.ts";
import { blockWeight, type HeaderFields, parseBlock } from "#protocol/bitcoin/block-table.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import { main, regtest, testnet4 } from "#protocol/bitcoin/networks.ts";
import { OP_CHECKMULTISIG, OP_CHECKSIG } from "#protocol/bitcoin/opcodes.ts";
import { pushNumber } from "#protocol/bitcoin/script.ts";
import type { Transaction, TransactionInput } from "#protocol/bitcoin/transaction.ts";
import { hashTxs } from "#protocol/bitcoin/txid.ts";
import { addCommitment, coinbaseOf, encodeBlock, mine } from "../../../test/support/small-block.ts";
import { firstHeader, type TestHeader } from "../../../test/support/test-header.ts";
import {
  type BlockCheckOptions,
  checkBlock,
  checkHeaderPow,
  contextualCheckBlock,
  contextualCheckHeader,
  isBlockMutated,
} from "./check-block.ts";
import { type Rejection, rejectionText } from "./rejection.ts";

const net = regtest();
const EMPTY = new Uint8Array(0);
const HEIGHT = 200;

let spent = 0;

function input(change: Partial<TransactionInput> = {}): TransactionInput {
  const txid = new Uint8Array(32).fill(7);
  return { txid, index: spent++, script: EMPTY, sequence: 0, witness: [], ...change };
}

function payment(change: Partial<Transaction> = {}): Transaction {
  return { version: 2, lockTime: 0, inputs: [input()], outputs: [{ value: 1, script: EMPTY }], ...change };
}

function coinbase(...outputs: Transaction["outputs"]): Transaction {
  return coinbaseOf(pushNumber(HEIGHT), outputs.length > 0 ? outputs : [{ value: 50, script: EMPTY }]);
}

function check(raw: Uint8Array, options?: BlockCheckOptions): Rejection | undefined {
  const block = parseBlock(raw);
  return checkBlock(block, hashTxs(block.txs), net, options);
}

const verdict = (...txs: Transaction[]) => {
  const refused = check(encodeBlock({ txs }), { pow: false });
  return refused === undefined ? "valid" : `${refused.result}: ${rejectionText(refused)}`;
};

test("proof of work", () => {
  const raw = encodeBlock({ txs: [coinbase()] });
  assert.equal(check(mine(raw, net)), undefined);
  const missed = check(mine(raw, net, true));
  assert.equal(missed?.result, "invalid-header");
  assert.equal(rejectionText(missed!), "high-hash, proof of work failed");
  assert.equal(check(raw, { pow: false }), undefined);
  assert.equal(checkHeaderPow(new Uint8Array(32), 0x207f_ffff, main)?.reason, "high-hash", "too easy");
});

test("the Merkle root, before all that the hash commits to", () => {
  const raw = encodeBlock({ txs: [], merkleRoot: new Uint8Array(32).fill(1) });
  assert.equal(rejectionText(check(raw, { pow: false })!), "bad-txnmrklroot, hashMerkleRoot mismatch");
  assert.equal(check(raw, { pow: false })?.result, "mutated");
  assert.equal(check(raw, { pow: false, merkle: false })?.reason, "bad-blk-length");
});

test("CVE-2012-2459: the same root from repeated transactions", () => {
  const [a, b, c] = [coinbase(), payment(), payment()];
  assert.equal(verdict(a, b, c), "valid");
  assert.equal(verdict(a, b, c, c), "mutated: bad-txns-duplicate, duplicate transaction");
});

test("size: no transaction, and a million bytes without witnesses", () => {
  assert.equal(verdict(), "consensus: bad-blk-length, size limits failed");
  const padded = (bytes: number) => coinbase({ value: 0, script: new Uint8Array(bytes) });
  const base = encodeBlock({ txs: [padded(900_000)] }).length - 900_000;
  assert.equal(verdict(padded(1_000_000 - base)), "valid");
  assert.equal(verdict(padded(1_000_001 - base)), "consensus: bad-blk-length, size limits failed");
  // The witness does not count here.
  const heavy = payment({ inputs: [input({ witness: [new Uint8Array(3_500_000)] })] });
  assert.equal(verdict(coinbase(), heavy), "valid");
});

test("one coinbase, at the head", () => {
  assert.equal(verdict(payment()), "consensus: bad-cb-missing, first tx is not coinbase");
  assert.equal(verdict(payment(), coinbase()), "consensus: bad-cb-missing, first tx is not coinbase");
  assert.equal(
    verdict(coinbase(), payment(), coinbase({ value: 1, script: EMPTY })),
    "consensus: bad-cb-multiple, more than one coinbase",
  );
});

test("each transaction, its txid in the debug message", () => {
  const txid = "0".repeat(64).replace(/0/g, "[0-9a-f]");
  const failed = (reason: string) =>
    new RegExp(`^consensus: ${reason}, Transaction check failed \\(tx hash ${txid}\\) $`);
  assert.match(verdict(coinbase(), payment({ outputs: [] })), failed("bad-txns-vout-empty"));
  const rich = payment({ outputs: [{ value: MAX_MONEY + 1, script: EMPTY }] });
  assert.match(verdict(coinbase(), rich), failed("bad-txns-vout-toolarge"));
  assert.match(verdict(coinbaseOf(Uint8Array.of(1), [{ value: 0, script: EMPTY }])), failed("bad-cb-length"));
});

test("20,000 legacy signature operations, multisig as 20", () => {
  const ops = (count: number, opcode = OP_CHECKSIG) =>
    coinbase({ value: 0, script: new Uint8Array(count).fill(opcode) });
  const over = "consensus: bad-blk-sigops, out-of-bounds SigOpCount";
  assert.equal(verdict(ops(20_000)), "valid");
  assert.equal(verdict(ops(20_001)), over);
  assert.equal(verdict(ops(1000, OP_CHECKMULTISIG)), "valid");
  assert.equal(verdict(ops(1001, OP_CHECKMULTISIG)), over);
  const inInput = payment({ inputs: [input({ script: Uint8Array.of(OP_CHECKSIG) })] });
  assert.equal(verdict(ops(20_000), inInput), over);
});

/** A chain on regtest up to the block before {@link HEIGHT}. */
const chain = firstHeader({ time: 1_600_000_000 }).extend(HEIGHT - 1);
const MEDIAN = chain.medianTimePast();

function header(change: Partial<HeaderFields> = {}): HeaderFields {
  return {
    version: 4,
    prevHash: chain.hash,
    merkleRoot: new Uint8Array(32),
    time: chain.time + 600,
    bits: 0x207f_ffff,
    nonce: 0,
    ...change,
  };
}

function headerVerdict(
  change: Partial<HeaderFields>,
  network: Network = net,
  prev: TestHeader = chain,
): string {
  const refused = contextualCheckHeader(header(change), prev, network, 1_700_000_000);
  return refused === undefined ? "valid" : `${refused.result}: ${rejectionText(refused)}`;
}

test("headers: target and time", () => {
  assert.equal(headerVerdict({}), "valid");
  assert.equal(headerVerdict({ bits: 0x207f_fffe }), "invalid-header: bad-diffbits, incorrect proof of work");
  assert.equal(
    headerVerdict({ time: MEDIAN }),
    "invalid-header: time-too-old, block's timestamp is too early",
  );
  assert.equal(headerVerdict({ time: MEDIAN + 1 }), "valid");
  assert.equal(headerVerdict({ time: 1_700_007_200 }), "valid");
  assert.equal(
    headerVerdict({ time: 1_700_007_201 }),
    "time-future: time-too-new, block timestamp too far in the future",
  );
});

test("headers: outdated versions", () => {
  const rejected = (hex: string) => `invalid-header: bad-version(${hex}), rejected nVersion=${hex} block`;
  assert.equal(headerVerdict({ version: 3 }), rejected("0x00000003"));
  assert.equal(headerVerdict({ version: -1 }), rejected("0xffffffff"));
  assert.equal(headerVerdict({ version: 4 }), "valid");
  assert.equal(headerVerdict({ version: 0x7fff_ffff }), "valid");
  const by = { bip34: 100, dersig: 150, cltv: 250 };
  const slow = regtest({ activationHeights: by });
  const at = (height: number, version: number) =>
    headerVerdict({ version, time: chain.time + 100 }, slow, chain.ancestor(height - 1)!);
  assert.equal(at(99, 1), "valid");
  assert.equal(at(100, 1), rejected("0x00000001"));
  assert.equal(at(149, 2), "valid");
  assert.equal(at(150, 2), rejected("0x00000002"));
  assert.equal(at(200, 3), "valid");
});

test("BIP94: the first block of a period may be ten minutes before the last of the old one, no more", () => {
  for (const network of [testnet4, regtest({ enforceBip94: true })]) {
    const bits = network === testnet4 ? 0x1d00_ffff : 0x207f_ffff;
    const interval = network === testnet4 ? 2016 : 144;
    const old = firstHeader({ time: 1_600_000_000, bits }, interval).extend(interval - 2, () => ({}));
    const last = old.next({ time: old.time + 100_000 });
    const attack =
      "invalid-header: time-timewarp-attack, block's timestamp is too early on diff adjustment block";
    const at = (time: number) => headerVerdict({ time, bits }, network, last);
    assert.equal(at(last.time - 600), "valid", network.name);
    assert.equal(at(last.time - 601), attack, network.name);
    // Inside a period, and on a network without the rule, only the median counts.
    const inside = old.prev!.next({ time: old.time + 100_000 });
    assert.equal(headerVerdict({ time: inside.time - 5000, bits }, network, inside), "valid");
    const lax = { ...network, consensus: { ...network.consensus, enforceBip94: false } };
    assert.equal(headerVerdict({ time: last.time - 601, bits }, lax, last), "valid");
  }
});

function contextual(
  txs: readonly Transaction[],
  network: Network = net,
  prev: TestHeader | null = chain,
): string {
  const block = parseBlock(encodeBlock({ txs, time: MEDIAN + 5000 }));
  const refused = contextualCheckBlock(block, hashTxs(block.txs), prev, network);
  return refused === undefined ? "valid" : `${refused.result}: ${rejectionText(refused)}`;
}

test("lock times: by height, by the median time past since CSV, by the block's own time before", () => {
  const nonfinal = "consensus: bad-txns-nonfinal, non-final transaction";
  assert.equal(contextual([coinbase(), payment({ lockTime: HEIGHT - 1 })]), "valid");
  assert.equal(contextual([coinbase(), payment({ lockTime: HEIGHT })]), nonfinal);
  assert.equal(
    contextual([{ ...coinbase(), lockTime: HEIGHT }]),
    "valid",
    "the coinbase's sequence is final",
  );
  assert.equal(contextual([coinbase(), payment({ lockTime: MEDIAN - 1 })]), "valid");
  assert.equal(contextual([coinbase(), payment({ lockTime: MEDIAN })]), nonfinal);
  const before = regtest({ activationHeights: { csv: HEIGHT + 1 } });
  assert.equal(contextual([coinbase(), payment({ lockTime: MEDIAN + 4999 })], before), "valid");
  assert.equal(contextual([coinbase(), payment({ lockTime: MEDIAN + 5000 })], before), nonfinal);
});

test("BIP34: the coinbase starts with the height", () => {
  const mismatch = "consensus: bad-cb-height, block height mismatch in coinbase";
  const by = (...script: number[]) =>
    contextual([coinbaseOf(Uint8Array.from(script), [{ value: 0, script: EMPTY }])]);
  assert.equal(by(2, 0xc8, 0), "valid");
  assert.equal(by(2, 0xc8, 0, 9, 9), "valid");
  assert.equal(by(1, 0xc8, 0), mismatch, "two bytes, for the sign");
  assert.equal(by(2, 0xc9, 0), mismatch);
  assert.equal(by(3, 0xc8, 0, 0), mismatch);
  assert.equal(by(2, 0xc8), mismatch);
  const late = regtest({ activationHeights: { bip34: HEIGHT + 1 } });
  assert.equal(contextual([coinbaseOf(Uint8Array.of(1, 1), [])], late), "valid");
  // Up to sixteen the height is an opcode.
  const at16 = chain.ancestor(15)!;
  const low = (...script: number[]) => contextual([coinbaseOf(Uint8Array.from(script), [])], net, at16);
  assert.equal(low(0x60, 0), "valid");
  assert.equal(low(1, 16), mismatch);
});

test("witness commitment", () => {
  const others = [payment({ inputs: [input({ witness: [Uint8Array.of(1)] })] }), payment()];
  const good = coinbase();
  addCommitment(good, others);
  assert.equal(contextual([good, ...others]), "valid");
  const malleation = (reason: string, text: string) => `mutated: ${reason}, CheckWitnessMalleation : ${text}`;
  const size = malleation("bad-witness-nonce-size", "invalid witness reserved value size");
  const withReserved = (...witness: Uint8Array[]) => {
    const changed = { ...good, inputs: [{ ...good.inputs[0]!, witness }] };
    return contextual([changed, ...others]);
  };
  assert.equal(withReserved(), size);
  assert.equal(withReserved(new Uint8Array(31)), size);
  assert.equal(withReserved(new Uint8Array(33)), size);
  assert.equal(withReserved(new Uint8Array(32), EMPTY), size);
  const match = malleation("bad-witness-merkle-match", "witness merkle commitment mismatch");
  assert.equal(withReserved(new Uint8Array(32).fill(1)), match);
  assert.equal(contextual([good, others[1]!, others[0]!]), match);
  const unexpected = malleation("unexpected-witness", "unexpected witness data found");
  assert.equal(contextual([coinbase(), ...others]), unexpected);
  assert.equal(contextual([coinbase(), others[1]!]), "valid", "nothing to commit to");
  // Before segwit a commitment is any output, and witnesses are refused.
  const before = regtest({ activationHeights: { segwit: HEIGHT + 1 } });
  assert.equal(contextual([good, ...others], before), unexpected);
});

test("the last commitment output counts", () => {
  const others = [payment({ inputs: [input({ witness: [Uint8Array.of(1)] })] })];
  const twice = coinbase();
  addCommitment(twice, []);
  addCommitment(twice, others);
  assert.equal(contextual([twice, ...others]), "valid");
  twice.outputs.reverse();
  assert.match(contextual([twice, ...others]), /bad-witness-merkle-match/);
  // A longer script still commits, a shorter one does not.
  const longer = coinbase();
  addCommitment(longer, others);
  const script = longer.outputs[1]!.script;
  longer.outputs[1]!.script = new Uint8Array([...script, 1, 2]);
  assert.equal(contextual([longer, ...others]), "valid");
  longer.outputs[1]!.script = script.subarray(0, 37);
  assert.match(contextual([longer, ...others]), /unexpected-witness/);
});

test("weight: four million with witnesses, judged last", () => {
  const padded = (bytes: number) => {
    const others = [payment({ inputs: [input({ witness: [new Uint8Array(bytes)] })] })];
    const head = coinbase();
    addCommitment(head, others);
    return [head, ...others];
  };
  const probe = parseBlock(encodeBlock({ txs: padded(3_900_000) }));
  const exact = 3_900_000 + 4_000_000 - blockWeight(probe);
  assert.equal(contextual(padded(exact)), "valid");
  assert.equal(
    contextual(padded(exact + 1)),
    "consensus: bad-blk-weight, ContextualCheckBlock : weight limit failed",
  );
  const stuffed = padded(exact + 1);
  stuffed[0]!.inputs[0]!.witness = [new Uint8Array(40)];
  assert.match(contextual(stuffed), /^mutated: bad-witness-nonce-size/);
});

test("genesis of regtest passes as the first block", () => {
  const block = parseBlock(net.genesis);
  const hashes = hashTxs(block.txs);
  assert.equal(checkBlock(block, hashes, net), undefined);
  assert.equal(contextualCheckBlock(block, hashes, null, net), undefined);
});

test("mutated blocks, for the peer that sends one", () => {
  const mutated = (txs: readonly Transaction[], merkleRoot?: Uint8Array, witness = true) => {
    const block = parseBlock(encodeBlock(merkleRoot === undefined ? { txs } : { txs, merkleRoot }));
    return isBlockMutated(block, hashTxs(block.txs), witness);
  };
  assert.equal(mutated([coinbase()]), false);
  assert.equal(mutated([coinbase()], new Uint8Array(32)), true);
  const twin = payment();
  assert.equal(mutated([coinbase(), payment(), twin, twin]), true);
  const witnessed = payment({ inputs: [input({ witness: [Uint8Array.of(1)] })] });
  assert.equal(mutated([coinbase(), witnessed]), true);
  const head = coinbase();
  addCommitment(head, [witnessed]);
  assert.equal(mutated([head, witnessed]), false);
  assert.equal(mutated([head, witnessed], undefined, false), true, "before segwit");
  // Without a coinbase, 64 bytes may be two hashes of the tree.
  const sized = (bytes: number) => payment({ outputs: [{ value: 1, script: new Uint8Array(bytes - 60) }] });
  assert.equal(mutated([sized(64)]), true);
  assert.equal(mutated([sized(63)]), false);
  assert.equal(mutated([coinbase(), sized(64)]), false);
  assert.equal(mutated([]), false);
});
