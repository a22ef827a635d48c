import assert from "node:assert/strict";
import { test } from "node:test";
import { concatBytes } from "#base/lib/bytes.ts";
import {
  OP_0,
  OP_1,
  OP_2,
  OP_16,
  OP_CHECKMULTISIG,
  OP_CHECKMULTISIGVERIFY,
  OP_CHECKSIG,
  OP_CHECKSIGADD,
  OP_CHECKSIGVERIFY,
  OP_ENDIF,
  OP_EQUAL,
  OP_HASH160,
  OP_IF,
  OP_NOP,
  OP_PUSHDATA1,
  OP_PUSHDATA4,
} from "#protocol/bitcoin/opcodes.ts";
import { prevoutsOf } from "#protocol/bitcoin/prevouts.ts";
import { buildScript, pushData } from "#protocol/bitcoin/script.ts";
import { tableOf } from "#protocol/bitcoin/transaction.ts";
import { SCRIPT_VERIFY_P2SH, SCRIPT_VERIFY_WITNESS } from "./script-flags.ts";
import { legacySigOps, scriptSigOps, txSigOpCost } from "./sigops.ts";

const BOTH = SCRIPT_VERIFY_P2SH | SCRIPT_VERIFY_WITNESS;
const KEY = new Uint8Array(33).fill(2);
const P2SH = buildScript(OP_HASH160, new Uint8Array(20), OP_EQUAL);
const P2WPKH = buildScript(OP_0, new Uint8Array(20));
const P2WSH = buildScript(OP_0, new Uint8Array(32));
const TWO_OF_TWO = buildScript(OP_2, KEY, KEY, OP_2, OP_CHECKMULTISIG);

function count(script: Uint8Array, accurate: boolean): number {
  // In the middle of other bytes, as scripts lie in a block.
  const bytes = concatBytes(Uint8Array.of(OP_CHECKSIG), script, Uint8Array.of(OP_CHECKSIG));
  return scriptSigOps(bytes, 1, 1 + script.length, accurate);
}

function spend(
  script: Uint8Array,
  spent: Uint8Array,
  witness: Uint8Array[] = [],
  output: Uint8Array = new Uint8Array(0),
) {
  const input = { txid: new Uint8Array(32).fill(1), index: 0, sequence: 0 };
  const other = { ...input, index: 1, script: new Uint8Array(0), witness: [Uint8Array.of(1)] };
  const tx = tableOf({
    version: 1,
    lockTime: 0,
    inputs: [{ ...input, script, witness }, other],
    outputs: [{ value: 0, script: output }],
  });
  const prevouts = prevoutsOf([
    { amount: 0, script: spent },
    { amount: 0, script: new Uint8Array(0) },
  ]);
  return { tx, cost: (flags: number) => txSigOpCost(tx, 0, prevouts, flags) };
}

test("scripts, by Core's sigopcount_tests and a few more", () => {
  const dummy = new Uint8Array(20);
  assert.equal(count(new Uint8Array(0), true), 0);
  const script = buildScript(OP_1, dummy, dummy, OP_2, OP_CHECKMULTISIG);
  assert.equal(count(script, true), 2);
  assert.equal(count(script, false), 20);
  const longer = concatBytes(script, Uint8Array.of(OP_IF, OP_CHECKSIG, OP_ENDIF));
  assert.equal(count(longer, true), 3);
  assert.equal(count(longer, false), 21);
  assert.equal(count(Uint8Array.of(OP_CHECKSIGVERIFY, OP_CHECKMULTISIGVERIFY), true), 21);
  assert.equal(count(Uint8Array.of(OP_0, OP_CHECKMULTISIG), true), 20, "OP_0 is no number of keys");
  assert.equal(count(Uint8Array.of(OP_16, OP_CHECKMULTISIG), true), 16);
  assert.equal(count(Uint8Array.of(OP_16, OP_NOP, OP_CHECKMULTISIG), true), 20);
  assert.equal(count(Uint8Array.of(OP_CHECKSIGADD), true), 0);
  assert.equal(count(pushData(Uint8Array.of(OP_CHECKSIG)), true), 0, "pushed, not run");
});

test("counting stops at a push that runs past the end, and keeps what it has", () => {
  for (const tail of [[2, OP_CHECKSIG], [OP_PUSHDATA1], [OP_PUSHDATA1, 2, 0], [OP_PUSHDATA4, 0, 0, 0]]) {
    assert.equal(count(Uint8Array.of(OP_CHECKSIG, ...tail), true), 1);
    assert.equal(count(Uint8Array.of(OP_CHECKSIG, ...tail), false), 1);
  }
  assert.equal(count(Uint8Array.of(OP_PUSHDATA4, 0xff, 0xff, 0xff, 0xff, OP_CHECKSIG), false), 0);
});

test("legacy operations: inputs and outputs, multisig as 20", () => {
  const { tx, cost } = spend(Uint8Array.of(OP_CHECKSIG), new Uint8Array(0), [], TWO_OF_TWO);
  assert.equal(legacySigOps(tx, 0), 21);
  assert.equal(cost(BOTH), 84);
  assert.equal(cost(0), 84);
});

test("P2SH counts the redeem script accurately, four times", () => {
  const { cost } = spend(buildScript(OP_0, TWO_OF_TWO), P2SH);
  assert.equal(cost(SCRIPT_VERIFY_P2SH), 8);
  assert.equal(cost(BOTH), 8);
  assert.equal(cost(0), 0);
  // Something that is no push makes it nothing; a number pushed last is an empty redeem script.
  assert.equal(spend(buildScript(OP_NOP, TWO_OF_TWO), P2SH).cost(BOTH), 0);
  assert.equal(spend(concatBytes(buildScript(TWO_OF_TWO), Uint8Array.of(OP_1)), P2SH).cost(BOTH), 0);
  assert.equal(spend(concatBytes(buildScript(TWO_OF_TWO), Uint8Array.of(5)), P2SH).cost(BOTH), 0);
  assert.equal(spend(new Uint8Array(0), P2SH).cost(BOTH), 0);
});

test("witness programs count once: a key one, a script as its last item says", () => {
  const none = new Uint8Array(0);
  assert.equal(spend(none, P2WPKH, [KEY]).cost(BOTH), 1);
  assert.equal(spend(none, P2WPKH).cost(BOTH), 1, "with or without a witness");
  assert.equal(spend(none, P2WPKH, [KEY]).cost(SCRIPT_VERIFY_P2SH), 0);
  assert.equal(spend(none, P2WSH, [KEY, TWO_OF_TWO]).cost(BOTH), 2);
  assert.equal(spend(none, P2WSH, [Uint8Array.of(OP_CHECKMULTISIG)]).cost(BOTH), 20);
  assert.equal(spend(none, P2WSH).cost(BOTH), 0);
  assert.equal(spend(none, P2WSH, [TWO_OF_TWO, none]).cost(BOTH), 0);
  assert.equal(spend(none, buildScript(OP_1, new Uint8Array(32)), [KEY, TWO_OF_TWO]).cost(BOTH), 0);
  assert.equal(spend(none, buildScript(OP_0, new Uint8Array(31)), [TWO_OF_TWO]).cost(BOTH), 0);
});

test("witness programs inside P2SH", () => {
  assert.equal(spend(buildScript(P2WPKH), P2SH, [KEY]).cost(BOTH), 1);
  assert.equal(spend(buildScript(P2WSH), P2SH, [TWO_OF_TWO]).cost(BOTH), 2);
  assert.equal(spend(buildScript(OP_NOP, P2WSH), P2SH, [TWO_OF_TWO]).cost(BOTH), 0);
});

test("a coinbase counts its own scripts alone", () => {
  const tx = tableOf({
    version: 1,
    lockTime: 0,
    inputs: [
      {
        txid: new Uint8Array(32),
        index: 0xffff_ffff,
        script: Uint8Array.of(OP_CHECKSIG, OP_CHECKSIG),
        sequence: 0,
        witness: [new Uint8Array(32)],
      },
    ],
    outputs: [{ value: 0, script: Uint8Array.of(OP_CHECKSIG) }],
  });
  assert.equal(txSigOpCost(tx, 0, prevoutsOf([{ amount: 0, script: P2WPKH }]), BOTH), 12);
});
