import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { concatBytes, hex } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { fromAsm } from "#protocol/bitcoin/asm.ts";
import { OP_1 } from "#protocol/bitcoin/opcodes.ts";
import { pushData } from "#protocol/bitcoin/script.ts";
import { TAPSCRIPT_LEAF, taprootOutput } from "#protocol/bitcoin/taproot.ts";
import { fromOldAsm } from "../../../test/support/old-asm.ts";
import {
  creditAndSpend,
  fillFlags,
  interpret,
  parseFlags,
  type Spend,
  trimFlags,
} from "../../../test/support/script-spends.ts";
import { bitcoreVector, NO_SHARED, sharedVector } from "../../../test/vectors/vectors.ts";
import type { ScriptError } from "./script-error.ts";
import { ALL_SCRIPT_FLAGS, SCRIPT_VERIFY_CLEANSTACK } from "./script-flags.ts";
import { verifyTransaction } from "./verify-inputs.ts";

/** [[witness item…, amount in bitcoin]?, scriptSig, scriptPubKey, flags, result, comment?] */
type Row = readonly [...witness: [] | [readonly (string | number)[]], ...texts: string[]];

interface ScriptTest {
  readonly spend: Spend;
  readonly flags: number;
  readonly expected: string;
  readonly name: string;
}

/** BIP341's key that nobody knows the logarithm of. */
const NUMS = hex("50929b74c1a04954b78b4b6035e97a5e078a5a0f28ec96d547bfee9ace803ac0");

function readRows(path: string): Row[] {
  return (JSON.parse(readFileSync(path, "utf8")) as Row[]).filter((row) => row.length >= 4);
}

/** The witness of a row; a script marked #SCRIPT# is a single leaf under an internal key that nobody has. */
function readWitness(items: readonly string[]): { witness: Uint8Array[]; outputKey: Uint8Array } {
  const witness: Uint8Array[] = [];
  let outputKey: Uint8Array = new Uint8Array(0);
  for (const item of items) {
    if (item.startsWith("#SCRIPT#")) {
      witness.push(fromAsm(item.slice("#SCRIPT#".length)));
    } else if (item === "#CONTROLBLOCK#") {
      const script = witness[witness.length - 1]!;
      const output = taprootOutput(NUMS, [{ script, leafVersion: TAPSCRIPT_LEAF, depth: 0 }])!;
      outputKey = output.outputKey;
      witness.push(output.leaves[0]!.controlBlock);
    } else {
      witness.push(hex(item));
    }
  }
  return { witness, outputKey };
}

function readTest(row: Row): ScriptTest {
  const [first, ...rest] = row;
  const parts = Array.isArray(first) ? (first as (string | number)[]) : [];
  const [sig, pubkey, flagText, expected] = (Array.isArray(first) ? rest : row) as string[];
  const { witness, outputKey } = readWitness(parts.slice(0, -1) as string[]);
  const scriptPubKey =
    pubkey === "0x51 0x20 #TAPROOTOUTPUT#"
      ? concatBytes(Uint8Array.of(OP_1), pushData(outputKey))
      : fromOldAsm(pubkey!);
  const amount = Math.round(Number(parts.at(-1) ?? 0) * 1e8);
  const flags = parseFlags(flagText!);
  return {
    spend: creditAndSpend(scriptPubKey, fromOldAsm(sig!), witness, amount),
    flags: (flags & SCRIPT_VERIFY_CLEANSTACK) !== 0 ? fillFlags(flags) : flags,
    expected: expected!,
    name: JSON.stringify(row),
  };
}

/** Core's name of what we found, as the vectors write it. */
function resultName(error: ScriptError | undefined): string {
  if (error === undefined) return "OK";
  return error === "SIG_NULLFAIL" ? "NULLFAIL" : error;
}

/**
 * Removing flags from a row that passes, or adding some to one that fails, must not change the verdict; and the
 * straight paths say what the interpreter says.
 */
function checkOtherFlags({ spend, flags, expected, name }: ScriptTest, random: SeededRandom): void {
  for (let i = 0; i < 16; i++) {
    const extra = random.u32() & ALL_SCRIPT_FLAGS;
    const other = expected === "OK" ? flags & ~extra : flags | extra;
    if (trimFlags(other) !== other) continue;
    const error = interpret(spend, 0, other);
    assert.equal(error === undefined, expected === "OK", `flags ${other}: ${name}`);
    assert.equal(verifyTransaction(spend.table, spend.prevouts, other)?.error, error, name);
  }
}

const shared = sharedVector("core/script_tests.json");

test("every row of Core's script_tests.json", {
  skip: shared === undefined ? NO_SHARED : false,
}, (context) => {
  const rows = readRows(shared!);
  const random = new SeededRandom(1);
  for (const row of rows) {
    const scriptTest = readTest(row);
    const { spend, flags, expected, name } = scriptTest;
    assert.equal(resultName(interpret(spend, 0, flags)), expected, name);
    checkOtherFlags(scriptTest, random);
  }
  context.diagnostic(`${rows.length} rows`);
  assert.ok(rows.length >= 1222);
});

/** What the older copy calls errors that Core has told apart since, or checks in another order now. */
const FORMER_NAMES: Readonly<Record<string, readonly string[]>> = {
  UNKNOWN_ERROR: ["SCRIPTNUM"],
  EVAL_FALSE: ["EVAL_FALSE", "CLEANSTACK"],
  UNBALANCED_CONDITIONAL: ["UNBALANCED_CONDITIONAL", "INVALID_STACK_OPERATION"],
};

/** Opcodes that were no-operations until their flag is set no longer count as upgradable ones without it. */
function isNopNoMore(row: Row): boolean {
  return row[3] === "DISCOURAGE_UPGRADABLE_NOPS" && /^CHECK(LOCKTIME|SEQUENCE)VERIFY$/.test(row[1] as string);
}

test("every row of the older script_tests.json in bitcore-lib", (context) => {
  const rows = readRows(bitcoreVector("bitcoind/script_tests.json"));
  const random = new SeededRandom(2);
  for (const row of rows) {
    const former = readTest(row);
    const scriptTest = isNopNoMore(row) ? { ...former, expected: "OK" } : former;
    const { spend, flags, expected, name } = scriptTest;
    const found = resultName(interpret(spend, 0, flags));
    assert.ok((FORMER_NAMES[expected] ?? [expected]).includes(found), `${found}: ${name}`);
    checkOtherFlags(scriptTest, random);
  }
  context.diagnostic(`${rows.length} rows`);
  assert.ok(rows.length >= 1189);
});
