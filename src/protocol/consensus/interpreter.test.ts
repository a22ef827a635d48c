import assert from "node:assert/strict";
import { test } from "node:test";
import { compactSizeLength } from "#base/lib/byte-writer.ts";
import { concatBytes } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { fromAsm } from "#protocol/bitcoin/asm.ts";
import { OP_1, OP_CHECKSIG, OP_DROP } from "#protocol/bitcoin/opcodes.ts";
import { buildScript } from "#protocol/bitcoin/script.ts";
import { SighashMidstates, taprootSighash } from "#protocol/bitcoin/sighash.ts";
import { TAPSCRIPT_LEAF, tapLeafHash } from "#protocol/bitcoin/taproot.ts";
import {
  makeKey,
  signSchnorr,
  tweakOutputKey,
  tweakSecretKey,
} from "../../../test/interop/kernel/forge-keys.ts";
import { creditAndSpend, interpret } from "../../../test/support/script-spends.ts";
import type { ScriptError } from "./script-error.ts";
import {
  SCRIPT_VERIFY_CONST_SCRIPTCODE,
  SCRIPT_VERIFY_DISCOURAGE_OP_SUCCESS,
  SCRIPT_VERIFY_DISCOURAGE_UPGRADABLE_PUBKEYTYPE,
  SCRIPT_VERIFY_DISCOURAGE_UPGRADABLE_TAPROOT_VERSION,
  SCRIPT_VERIFY_MINIMALDATA,
  SCRIPT_VERIFY_P2SH,
  SCRIPT_VERIFY_TAPROOT,
  SCRIPT_VERIFY_WITNESS,
} from "./script-flags.ts";

const TAPROOT = SCRIPT_VERIFY_P2SH | SCRIPT_VERIFY_WITNESS | SCRIPT_VERIFY_TAPROOT;
const random = new SeededRandom(21);
const KEY = makeKey(random);
const NOTHING = new Uint8Array(0);

function legacy(scriptSig: string, scriptPubKey: string, flags: number): ScriptError | undefined {
  return interpret(creditAndSpend(fromAsm(scriptPubKey), fromAsm(scriptSig), [], 0), 0, flags);
}

interface TapscriptSpend {
  /** Items below the script. */
  readonly items?: readonly Uint8Array[];
  readonly flags?: number;
  readonly leafVersion?: number;
  /** Hashes of the control block's path. */
  readonly path?: number;
  readonly change?: (control: Uint8Array) => Uint8Array;
}

/** Runs a script as the only leaf of an output. */
function tapscript(script: Uint8Array, spend: TapscriptSpend = {}): ScriptError | undefined {
  const { items = [], flags = TAPROOT, leafVersion = TAPSCRIPT_LEAF, change = (control) => control } = spend;
  const { outputKey, parity } = tweakOutputKey(KEY.xOnly, tapLeafHash(script, leafVersion))!;
  const control = change(concatBytes(Uint8Array.of(leafVersion | parity), KEY.xOnly));
  const made = creditAndSpend(buildScript(OP_1, outputKey), NOTHING, [...items, script, control], 1);
  return interpret(made, 0, flags);
}

/** A key path spend; the signature is made for the hash type, then changed. */
function keyPath(
  hashType: number,
  change: (signature: Uint8Array) => Uint8Array,
  annex: readonly Uint8Array[] = [],
): ScriptError | undefined {
  const script = buildScript(OP_1, tweakOutputKey(KEY.xOnly, undefined)!.outputKey);
  const unsigned = creditAndSpend(script, NOTHING, [], 1);
  const digest = taprootSighash(new SighashMidstates(unsigned.table, 0, unsigned.prevouts), 0, hashType)!;
  const signature = change(signSchnorr(tweakSecretKey(KEY, undefined), digest));
  return interpret(creditAndSpend(script, NOTHING, [signature, ...annex], 1), 0, TAPROOT);
}

test("signatures of taproot key paths", () => {
  const add = (byte: number) => (signature: Uint8Array) => concatBytes(signature, Uint8Array.of(byte));
  assert.equal(
    keyPath(0, (signature) => signature),
    undefined,
  );
  assert.equal(keyPath(1, add(1)), undefined);
  assert.equal(keyPath(0x83, add(0x83)), undefined);
  assert.equal(keyPath(0, add(0)), "SCHNORR_SIG_HASHTYPE");
  assert.equal(keyPath(1, add(4)), "SCHNORR_SIG_HASHTYPE");
  assert.equal(
    keyPath(0, () => NOTHING),
    "SCHNORR_SIG_SIZE",
  );
  assert.equal(
    keyPath(0, (signature) => signature.subarray(0, 63)),
    "SCHNORR_SIG_SIZE",
  );
  assert.equal(keyPath(0, add(1)), "SCHNORR_SIG");
  // The annex is signed too.
  assert.equal(
    keyPath(0, (signature) => signature, [Uint8Array.of(0x50)]),
    "SCHNORR_SIG",
  );
});

test("control blocks", () => {
  const script = Uint8Array.of(OP_1);
  assert.equal(tapscript(script), undefined);
  const size = "TAPROOT_WRONG_CONTROL_SIZE";
  assert.equal(tapscript(script, { change: (control) => control.subarray(0, 32) }), size);
  assert.equal(tapscript(script, { change: (control) => concatBytes(control, new Uint8Array(31)) }), size);
  const longest = (control: Uint8Array) => concatBytes(control, new Uint8Array(32 * 128));
  assert.equal(tapscript(script, { change: longest }), "WITNESS_PROGRAM_MISMATCH");
  assert.equal(
    tapscript(script, { change: (control) => concatBytes(longest(control), new Uint8Array(32)) }),
    size,
  );
  const parity = (control: Uint8Array) => concatBytes(Uint8Array.of(control[0]! ^ 1), control.subarray(1));
  assert.equal(tapscript(script, { change: parity }), "WITNESS_PROGRAM_MISMATCH");
  const flags = TAPROOT | SCRIPT_VERIFY_DISCOURAGE_UPGRADABLE_TAPROOT_VERSION;
  const unknown = { leafVersion: 0xc2 };
  assert.equal(tapscript(Uint8Array.of(0x6a), unknown), undefined);
  assert.equal(
    tapscript(Uint8Array.of(0x6a), { ...unknown, flags }),
    "DISCOURAGE_UPGRADABLE_TAPROOT_VERSION",
  );
});

test("OP_SUCCESSx comes before everything but what cannot be read in front of it", () => {
  const flags = TAPROOT | SCRIPT_VERIFY_DISCOURAGE_OP_SUCCESS;
  const large = { items: [new Uint8Array(521)] };
  assert.equal(tapscript(Uint8Array.of(0x6a, 0x50), large), undefined);
  assert.equal(tapscript(Uint8Array.of(0x50, 0x05), large), undefined);
  assert.equal(tapscript(Uint8Array.of(0x05, 0x50), large), "BAD_OPCODE");
  assert.equal(tapscript(Uint8Array.of(0x01, 0x50), large), "PUSH_SIZE");
  assert.equal(tapscript(Uint8Array.of(0x50), { ...large, flags }), "DISCOURAGE_OP_SUCCESS");
  const successes = Array.from({ length: 256 }, (_, opcode) => opcode).filter((opcode) => {
    return (
      opcode > 0x4e &&
      tapscript(Uint8Array.of(opcode, 0x6a), { items: [], flags }) === "DISCOURAGE_OP_SUCCESS"
    );
  });
  // BIP342's list.
  const ranges = [
    [80, 80],
    [98, 98],
    [126, 129],
    [131, 134],
    [137, 138],
    [141, 142],
    [149, 153],
    [187, 254],
  ] as const;
  const expected = ranges.flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, i) => from + i));
  assert.deepEqual(successes, expected);
});

test("what tapscript limits, and what it no longer does", () => {
  assert.equal(tapscript(fromAsm("1"), { items: Array(1001).fill(NOTHING) }), "STACK_SIZE");
  assert.equal(tapscript(fromAsm("1"), { items: Array(1000).fill(NOTHING) }), "STACK_SIZE");
  assert.equal(tapscript(fromAsm("DROP"), { items: Array(1000).fill(NOTHING) }), "CLEANSTACK");
  const noops = new Uint8Array(20_000).fill(0x61);
  assert.equal(tapscript(concatBytes(noops, Uint8Array.of(OP_1))), undefined);
  assert.equal(tapscript(fromAsm("IF 1 ENDIF"), { items: [Uint8Array.of(2)] }), "TAPSCRIPT_MINIMALIF");
  assert.equal(tapscript(fromAsm("NOTIF 1 ENDIF"), { items: [Uint8Array.of(0)] }), "TAPSCRIPT_MINIMALIF");
  assert.equal(tapscript(fromAsm("IF 1 ENDIF"), { items: [Uint8Array.of(1)] }), undefined);
  assert.equal(tapscript(fromAsm("0 0 0 CHECKMULTISIG")), "TAPSCRIPT_CHECKMULTISIG");
  assert.equal(tapscript(fromAsm("0 0 0 CHECKMULTISIGVERIFY 1")), "TAPSCRIPT_CHECKMULTISIG");
  assert.equal(tapscript(fromAsm("0 0 0 0xba")), "TAPSCRIPT_EMPTY_PUBKEY");
  assert.equal(tapscript(fromAsm("0 0 0xba")), "INVALID_STACK_OPERATION");
  assert.equal(tapscript(fromAsm("0 0x05 0x0102030405 1 0xba")), "SCRIPTNUM");
});

test("the budget of tapscript signatures is 50 and the witness, each check takes 50", () => {
  // With an unknown key every signature that is not empty holds.
  const items = [Uint8Array.of(1), Uint8Array.of(2)];
  const padded = (checks: number, padding: number) => {
    const check = fromAsm("2DUP CHECKSIGVERIFY");
    const pad = buildScript(new Uint8Array(padding), OP_DROP);
    return concatBytes(pad, ...Array(checks).fill(check), fromAsm("2DROP 1"));
  };
  // A count, two items of two bytes, the script and a control block of 33 bytes with their lengths; 50 on top.
  const budget = (script: Uint8Array) =>
    50 + 1 + 2 + 2 + compactSizeLength(script.length) + script.length + 34;
  for (const checks of [3, 4, 10]) {
    let padding = 1;
    while (budget(padded(checks, padding)) < 50 * checks) padding++;
    assert.ok(padding > 1);
    assert.equal(tapscript(padded(checks, padding), { items }), undefined);
    assert.equal(tapscript(padded(checks, padding - 1), { items }), "TAPSCRIPT_VALIDATION_WEIGHT");
  }
});

test("keys of other lengths are for later soft forks", () => {
  const flags = TAPROOT | SCRIPT_VERIFY_DISCOURAGE_UPGRADABLE_PUBKEYTYPE;
  const script = buildScript(new Uint8Array(33).fill(2), OP_CHECKSIG);
  assert.equal(tapscript(script, { items: [Uint8Array.of(1)] }), undefined);
  assert.equal(tapscript(script, { items: [NOTHING] }), "EVAL_FALSE");
  assert.equal(tapscript(script, { items: [NOTHING], flags }), "DISCOURAGE_UPGRADABLE_PUBKEYTYPE");
  const known = buildScript(KEY.xOnly, OP_CHECKSIG);
  assert.equal(tapscript(known, { items: [Uint8Array.of(1)] }), "SCHNORR_SIG_SIZE");
  assert.equal(tapscript(known, { items: [NOTHING] }), "EVAL_FALSE");
});

test("scripts that change what legacy signatures sign are refused by policy", () => {
  const flags = SCRIPT_VERIFY_CONST_SCRIPTCODE;
  assert.equal(legacy("", "1 0 IF CODESEPARATOR ENDIF", 0), undefined);
  assert.equal(legacy("", "1 0 IF CODESEPARATOR ENDIF", flags), "OP_CODESEPARATOR");
  const found = "0 0x03 0x010203 DROP CHECKSIG NOT";
  assert.equal(legacy("0x03 0x010203", found, 0), undefined);
  assert.equal(legacy("0x03 0x010203", found, flags), "SIG_FINDANDDELETE");
  const multisig = "1 0 1 0x03 0x010203 DROP CHECKMULTISIG NOT";
  assert.equal(legacy("0 0x03 0x010203", multisig, 0), undefined);
  assert.equal(legacy("0 0x03 0x010203", multisig, flags), "SIG_FINDANDDELETE");
});

test("checks that verify", () => {
  assert.equal(legacy("0", "0 CHECKSIGVERIFY 1", 0), "CHECKSIGVERIFY");
  assert.equal(legacy("0 0", "1 0 1 CHECKMULTISIGVERIFY 1", 0), "CHECKMULTISIGVERIFY");
  assert.equal(legacy("0", "1 0 1 CHECKMULTISIG", 0), "INVALID_STACK_OPERATION");
});

test("pushes that could be shorter", () => {
  const flags = SCRIPT_VERIFY_MINIMALDATA;
  for (const push of [
    "0x01 0x01",
    "0x01 0x10",
    "0x01 0x81",
    "0x4c 0x00",
    "0x4c 0x01 0x11",
    "0x4d 0x0100 0x11",
  ]) {
    assert.equal(legacy(push, "DROP 1", 0), undefined, push);
    assert.equal(legacy(push, "DROP 1", flags), "MINIMALDATA", push);
    // Not where it is not executed.
    assert.equal(legacy("", `0 IF ${push} ENDIF 1`, flags), undefined, push);
  }
  for (const push of ["0x01 0x00", "0x01 0x11", "0x01 0x80", "0x02 0x0100"]) {
    assert.equal(legacy(push, "DROP 1", flags), undefined, push);
  }
});
