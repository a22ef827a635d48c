import assert from "node:assert/strict";
import { test } from "node:test";
import { concatBytes } from "#base/lib/bytes.ts";
import {
  OP_0,
  OP_1,
  OP_2,
  OP_3,
  OP_4,
  OP_16,
  OP_CHECKMULTISIG,
  OP_CHECKSIG,
  OP_DUP,
  OP_EQUAL,
  OP_EQUALVERIFY,
  OP_HASH160,
  OP_NOP,
  OP_RETURN,
} from "#protocol/bitcoin/opcodes.ts";
import { prevoutsOf } from "#protocol/bitcoin/prevouts.ts";
import { buildScript, pushData } from "#protocol/bitcoin/script.ts";
import { type TransactionInput, tableOf } from "#protocol/bitcoin/transaction.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";
import { rejectionText } from "#protocol/consensus/rejection.ts";
import { dustOutputs, dustThreshold } from "./dust.ts";
import { feeRatePerKvb } from "./fee-rate.ts";
import { MANDATORY_SCRIPT_VERIFY_FLAGS, STANDARD_SCRIPT_VERIFY_FLAGS } from "./policy-flags.ts";
import { whyNotStandard } from "./standard.ts";
import { checkInputsStandard, isWitnessStandard, spendsNonAnchorWitnessProgram } from "./standard-inputs.ts";

const KEY = new Uint8Array(33).fill(2);
const HASH = new Uint8Array(20).fill(7);
const P2PKH = buildScript(OP_DUP, OP_HASH160, HASH, OP_EQUALVERIFY, OP_CHECKSIG);
const P2WPKH = buildScript(OP_0, HASH);
const P2WSH = buildScript(OP_0, new Uint8Array(32).fill(7));
const P2TR = buildScript(OP_1, new Uint8Array(32).fill(7));
const P2SH = buildScript(OP_HASH160, HASH, OP_EQUAL);
const P2A = buildScript(OP_1, Uint8Array.of(0x4e, 0x73));

const OPTIONS = {
  maxDataCarrierBytes: 100_000,
  permitBareMultisig: true,
  dustRelayFee: feeRatePerKvb(3000),
};

interface Shape {
  readonly version?: number;
  readonly inputs?: readonly Partial<TransactionInput>[];
  readonly outputs?: readonly { value: number; script: Uint8Array }[];
}

function tx({ version = 2, inputs = [{}], outputs = [{ value: 10_000, script: P2PKH }] }: Shape): TxTable {
  return tableOf({
    version,
    lockTime: 0,
    inputs: inputs.map((input, i) => ({
      txid: new Uint8Array(32).fill(i + 1),
      index: 0,
      script: new Uint8Array(0),
      sequence: 0xffff_ffff,
      witness: [],
      ...input,
    })),
    outputs: [...outputs],
  });
}

const output = (script: Uint8Array, value = 10_000) => ({ value, script });
const why = (shape: Shape, options = OPTIONS) => whyNotStandard(tx(shape), options);

test("version: 1 to 3", () => {
  assert.equal(why({ version: 0 }), "version");
  assert.equal(why({ version: 1 }), undefined);
  assert.equal(why({ version: 3 }), undefined);
  assert.equal(why({ version: 4 }), "version");
  assert.equal(why({ version: 0xffff_ffff }), "version");
});

test("tx-size: at most 400,000 weight", () => {
  // A witness byte weighs one, so the limit can be met exactly.
  const weighing = (bytes: number) => ({ inputs: [{ witness: [new Uint8Array(bytes)] }] });
  const base = tx(weighing(70_000)).weight(0) - 70_000;
  assert.equal(why(weighing(400_000 - base)), undefined);
  assert.equal(tx(weighing(400_000 - base)).weight(0), 400_000);
  assert.equal(why(weighing(400_001 - base)), "tx-size");
});

test("scriptsig-size: at most 1,650 bytes", () => {
  const pushes = (length: number) => concatBytes(...Array.from({ length }, () => Uint8Array.of(OP_0)));
  assert.equal(why({ inputs: [{ script: pushes(1650) }] }), undefined);
  assert.equal(why({ inputs: [{ script: pushes(1651) }] }), "scriptsig-size");
});

test("scriptsig-not-pushonly", () => {
  assert.equal(why({ inputs: [{ script: buildScript(OP_NOP) }] }), "scriptsig-not-pushonly");
  // A push that runs past the end.
  assert.equal(why({ inputs: [{ script: Uint8Array.of(5, 1) }] }), "scriptsig-not-pushonly");
  assert.equal(why({ inputs: [{ script: buildScript(OP_16, KEY) }] }), undefined);
});

test("scriptpubkey: known types, and multisig of up to three keys", () => {
  const multisig = (m: number, keys: number, n: number) =>
    buildScript(m, ...Array.from({ length: keys }, () => KEY), n, OP_CHECKMULTISIG);
  for (const script of [P2PKH, P2WPKH, P2WSH, P2TR, P2SH, P2A, buildScript(KEY, OP_CHECKSIG)]) {
    assert.equal(why({ outputs: [output(script)] }), undefined);
  }
  // A witness version of the future may be paid to, though not be spent.
  assert.equal(why({ outputs: [output(buildScript(OP_16, HASH))] }), undefined);
  assert.equal(why({ outputs: [output(multisig(OP_1, 3, OP_3))] }), undefined);
  assert.equal(why({ outputs: [output(multisig(OP_1, 4, OP_4))] }), "scriptpubkey");
  assert.equal(why({ outputs: [output(multisig(OP_2, 1, OP_1))] }), "scriptpubkey");
  assert.equal(why({ outputs: [output(buildScript(OP_NOP))] }), "scriptpubkey");
  assert.equal(why({ outputs: [output(buildScript(OP_0, new Uint8Array(21)))] }), "scriptpubkey");
  assert.equal(why({ outputs: [output(new Uint8Array(0))] }), "scriptpubkey");
});

test("bare-multisig: where it is not permitted", () => {
  const outputs = [output(buildScript(OP_1, KEY, OP_1, OP_CHECKMULTISIG))];
  assert.equal(why({ outputs }, { ...OPTIONS, permitBareMultisig: false }), "bare-multisig");
  assert.equal(why({ outputs }), undefined);
});

test("datacarrier: a budget for all OP_RETURN outputs together", () => {
  const data = (bytes: number) =>
    output(concatBytes(Uint8Array.of(OP_RETURN), pushData(new Uint8Array(bytes))), 0);
  const options = { ...OPTIONS, maxDataCarrierBytes: 83 };
  assert.equal(why({ outputs: [data(80)] }, options), undefined);
  assert.equal(why({ outputs: [data(81)] }, options), "datacarrier");
  // 38 + 45 bytes of script.
  assert.equal(why({ outputs: [data(36), data(43)] }, options), undefined);
  assert.equal(why({ outputs: [data(36), data(44)] }, options), "datacarrier");
  assert.equal(
    why({ outputs: [data(1)] }, { ...OPTIONS, maxDataCarrierBytes: undefined as never }),
    "datacarrier",
  );
  assert.equal(why({ outputs: [data(99_000)] }), undefined);
});

test("dust: the thresholds of Core, and one such output at most", () => {
  const rate = OPTIONS.dustRelayFee;
  assert.equal(dustThreshold(P2PKH, rate), 546);
  assert.equal(dustThreshold(P2SH, rate), 540);
  assert.equal(dustThreshold(P2WPKH, rate), 294);
  assert.equal(dustThreshold(P2WSH, rate), 330);
  assert.equal(dustThreshold(P2TR, rate), 330);
  assert.equal(dustThreshold(P2A, rate), 240);
  assert.equal(dustThreshold(buildScript(OP_RETURN), rate), 0);
  // Core's script_standard_tests: a rate that does not divide.
  assert.equal(dustThreshold(P2PKH, feeRatePerKvb(3702)), 674);
  assert.deepEqual(dustOutputs(tx({ outputs: [output(P2PKH, 545), output(P2PKH, 546)] }), rate), [0]);
  assert.equal(why({ outputs: [output(P2PKH, 545), output(P2PKH)] }), undefined);
  assert.equal(why({ outputs: [output(P2PKH, 545), output(P2WPKH, 293)] }), "dust");
});

/** Checks one input that spends a script. */
function spending(script: Uint8Array, input: Partial<TransactionInput> = {}) {
  return { table: tx({ inputs: [input] }), prevouts: prevoutsOf([{ amount: 1000, script }]) };
}

function inputsText(script: Uint8Array, input: Partial<TransactionInput> = {}): string | undefined {
  const { table, prevouts } = spending(script, input);
  const rejection = checkInputsStandard(table, prevouts);
  return rejection && rejectionText(rejection);
}

test("bad-txns-nonstandard-inputs: unknown scripts and undefined witness programs", () => {
  assert.equal(inputsText(P2PKH), undefined);
  assert.equal(inputsText(P2A), undefined);
  assert.equal(inputsText(P2TR), undefined);
  assert.equal(inputsText(buildScript(OP_NOP)), "bad-txns-nonstandard-inputs, input 0 script unknown");
  assert.equal(
    inputsText(buildScript(OP_16, HASH)),
    "bad-txns-nonstandard-inputs, input 0 witness program is undefined",
  );
  // OP_RETURN outputs can be spent by nobody, and their type is known.
  assert.equal(inputsText(buildScript(OP_RETURN)), undefined);
});

test("bad-txns-nonstandard-inputs: the redeem script", () => {
  const sigops = (count: number) => pushData(new Uint8Array(count).fill(OP_CHECKSIG));
  assert.equal(inputsText(P2SH, { script: sigops(15) }), undefined);
  assert.equal(
    inputsText(P2SH, { script: sigops(16) }),
    "bad-txns-nonstandard-inputs, p2sh redeemscript sigops exceed limit (input 0: 16 > 15)",
  );
  assert.equal(inputsText(P2SH), "bad-txns-nonstandard-inputs, input 0 P2SH redeemscript missing");
  assert.equal(
    inputsText(P2SH, { script: pushData(new Uint8Array(521)) }),
    "bad-txns-nonstandard-inputs, p2sh scriptsig malformed (input 0: Push value size limit exceeded)",
  );
  // OP_RESERVED passes for a push, and fails when it runs.
  assert.equal(
    inputsText(P2SH, { script: Uint8Array.of(0x50) }),
    "bad-txns-nonstandard-inputs, p2sh scriptsig malformed (input 0: Opcode missing or not understood)",
  );
});

test("bad-txns-nonstandard-inputs: 2,500 signature operations outside the witness (BIP54)", () => {
  const redeem = pushData(new Uint8Array(15).fill(OP_CHECKSIG));
  const many = (inputs: number, spent: Uint8Array, script: Uint8Array) => {
    const table = tx({ inputs: Array.from({ length: inputs }, () => ({ script })) });
    const prevouts = prevoutsOf(Array.from({ length: inputs }, () => ({ amount: 1, script: spent })));
    const rejection = checkInputsStandard(table, prevouts);
    return rejection && rejectionText(rejection);
  };
  const broken = "bad-txns-nonstandard-inputs, non-witness sigops exceed bip54 limit";
  assert.equal(many(166, P2SH, redeem), undefined);
  assert.equal(many(167, P2SH, redeem), broken);
  // The spent script counts, and a multisig by its keys.
  const multisig = buildScript(OP_1, KEY, KEY, OP_2, OP_CHECKMULTISIG);
  assert.equal(many(1250, multisig, new Uint8Array(0)), undefined);
  assert.equal(many(1251, multisig, new Uint8Array(0)), broken);
});

test("bad-witness-nonstandard", () => {
  const standard = (script: Uint8Array, input: Partial<TransactionInput>) => {
    const { table, prevouts } = spending(script, input);
    return isWitnessStandard(table, prevouts);
  };
  const witness = (...sizes: number[]) => ({ witness: sizes.map((size) => new Uint8Array(size)) });
  assert.equal(standard(P2PKH, {}), true);
  assert.equal(standard(P2PKH, witness(1)), false, "no program, no witness");
  assert.equal(standard(P2A, witness(1)), false, "an anchor needs none");
  assert.equal(standard(P2WPKH, witness(5000)), true);
  assert.equal(standard(P2WSH, witness(3600)), true);
  assert.equal(standard(P2WSH, witness(3601)), false);
  assert.equal(standard(P2WSH, witness(80, 10)), true);
  assert.equal(standard(P2WSH, witness(81, 10)), false);
  assert.equal(standard(P2WSH, witness(...new Array<number>(100).fill(1), 10)), true);
  assert.equal(standard(P2WSH, witness(...new Array<number>(101).fill(1), 10)), false);
  assert.equal(standard(P2SH, { ...witness(81, 10), script: pushData(P2WSH) }), false, "nested");
  assert.equal(standard(P2SH, { ...witness(1), script: pushData(P2PKH) }), false, "nested no program");
  assert.equal(standard(P2SH, witness(1)), false, "no redeem script");

  const taproot = (...items: Uint8Array[]) => standard(P2TR, { witness: items });
  const bytes = (size: number, first = 0) => new Uint8Array(size).fill(first, 0, 1);
  const control = bytes(33, 0xc1);
  assert.equal(taproot(bytes(64)), true, "key path");
  assert.equal(taproot(bytes(64), bytes(3, 0x50)), false, "annex");
  assert.equal(taproot(bytes(80), bytes(9000), control), true);
  assert.equal(taproot(bytes(81), bytes(9000), control), false);
  assert.equal(taproot(bytes(81), bytes(9000), bytes(33, 0xc2)), true, "another leaf version");
  assert.equal(taproot(bytes(1), new Uint8Array(0)), false, "no control block");
  assert.equal(
    standard(P2SH, { witness: [bytes(81), bytes(9), control], script: pushData(P2TR) }),
    true,
    "nested",
  );
});

test("spendsNonAnchorWitnessProgram", () => {
  const spends = (script: Uint8Array, input: Partial<TransactionInput> = {}) => {
    const { table, prevouts } = spending(script, input);
    return spendsNonAnchorWitnessProgram(table, prevouts);
  };
  assert.equal(spends(P2PKH), false);
  assert.equal(spends(P2A), false);
  assert.equal(spends(P2WPKH), true);
  assert.equal(spends(buildScript(OP_16, HASH)), true);
  assert.equal(spends(P2SH), false);
  assert.equal(spends(P2SH, { script: pushData(P2WPKH) }), true);
  assert.equal(spends(P2SH, { script: pushData(P2PKH) }), false);
});

test("the standard flags are the mandatory ones and Core's others", () => {
  assert.equal(MANDATORY_SCRIPT_VERIFY_FLAGS, 0x20e15);
  // Every flag of Core but SIGPUSHONLY.
  assert.equal(STANDARD_SCRIPT_VERIFY_FLAGS, 0x1f_ffff & ~(1 << 5));
});
