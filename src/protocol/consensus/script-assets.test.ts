import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type Verifier, verifier } from "#base/crypto/secp256k1.ts";
import { ByteReader } from "#base/lib/byte-reader.ts";
import { hex, toHex } from "#base/lib/bytes.ts";
import { prevoutsOf } from "#protocol/bitcoin/prevouts.ts";
import { SighashMidstates } from "#protocol/bitcoin/sighash.ts";
import { decodeTransaction, encodeTransaction } from "#protocol/bitcoin/transaction.ts";
import { parseTx } from "#protocol/bitcoin/tx-table.ts";
import { parseFlags, type Spend } from "../../../test/support/script-spends.ts";
import { bitcoreVector } from "../../../test/vectors/vectors.ts";
import { verifyScript } from "./interpreter.ts";
import type { ScriptError } from "./script-error.ts";
import { TxSignatureChecker } from "./signature-checker.ts";
import { verifyTransaction } from "./verify-inputs.ts";

interface Input {
  readonly scriptSig: string;
  readonly witness: readonly string[];
}

interface Row {
  readonly tx: string;
  readonly prevouts: readonly string[];
  readonly index: number;
  readonly flags: string;
  readonly comment: string;
  /** Valid under all flags, not just those of the row. */
  readonly final?: boolean;
  readonly success: Input;
  readonly failure?: Input;
}

const CONSENSUS = [
  "P2SH",
  "DERSIG",
  "NULLDUMMY",
  "CHECKLOCKTIMEVERIFY",
  "CHECKSEQUENCEVERIFY",
  "WITNESS",
  "TAPROOT",
];

/** Every sensible combination of the consensus flags (Core: `AllConsensusFlags`). */
function consensusFlagSets(): number[] {
  const [p2sh, witness, taproot] = ["P2SH", "WITNESS", "TAPROOT"].map(parseFlags) as [number, number, number];
  const sets: number[] = [];
  for (let i = 0; i < 1 << CONSENSUS.length; i++) {
    const flags = parseFlags(CONSENSUS.filter((_, bit) => (i & (1 << bit)) !== 0).join(","));
    if ((flags & witness) !== 0 && (flags & p2sh) === 0) continue;
    if ((flags & taproot) !== 0 && (flags & witness) === 0) continue;
    sets.push(flags);
  }
  return sets;
}

/** Remembers answers: the same signature is checked under many sets of flags. */
function remembering(inner: Verifier): Verifier {
  const known = new Map<string, boolean>();
  const remember = (check: () => boolean, ...parts: Uint8Array[]): boolean => {
    const key = parts.map(toHex).join();
    const answer = known.get(key) ?? check();
    known.set(key, answer);
    return answer;
  };
  return {
    ...inner,
    ecdsa: (sig, key, digest) => remember(() => inner.ecdsa(sig, key, digest), sig, key, digest),
    schnorr: (sig, key, digest) => remember(() => inner.schnorr(sig, key, digest), sig, key, digest),
  };
}

function readOutput(text: string): { amount: number; script: Uint8Array } {
  const reader = new ByteReader(hex(text));
  return { amount: reader.i64(), script: reader.varBytes() };
}

function spendOf(row: Row, { scriptSig, witness }: Input): Spend {
  const tx = decodeTransaction(hex(row.tx));
  const input = tx.inputs[row.index]!;
  input.script = hex(scriptSig);
  input.witness = witness.map(hex);
  return { table: parseTx(encodeTransaction(tx)), prevouts: prevoutsOf(row.prevouts.map(readOutput)) };
}

test("every row of script_assets_test.json", (context) => {
  const rows = JSON.parse(readFileSync(bitcoreVector("bitcoind/script_assets_test.json"), "utf8")) as Row[];
  const flagSets = consensusFlagSets();
  const counts = { valid: 0, invalid: 0 };
  for (const row of rows) {
    const remembered = remembering(verifier);
    const rowFlags = parseFlags(row.flags);
    const verdictsOf = (which: Input, wanted: (flags: number) => boolean) => {
      const spend = spendOf(row, which);
      const { table, prevouts } = spend;
      const midstates = new SighashMidstates(table, 0, prevouts);
      const verdicts: (ScriptError | undefined)[] = [];
      for (const flags of flagSets.filter(wanted)) {
        const checker = new TxSignatureChecker(midstates, row.index, prevouts.amount(row.index), remembered);
        const scriptPubKey = prevouts.script(row.index);
        const { index } = row;
        verdicts.push(
          verifyScript(table.inputScript(index), scriptPubKey, table.witness(index), flags, checker),
        );
      }
      return { spend, verdicts };
    };
    const good = verdictsOf(row.success, (flags) => row.final === true || (flags & rowFlags) === flags);
    for (const error of good.verdicts) assert.equal(error, undefined, row.comment);
    counts.valid += good.verdicts.length;
    checkStraight(good.spend, row, undefined);
    if (row.failure === undefined) continue;
    const bad = verdictsOf(row.failure, (flags) => (flags & rowFlags) === rowFlags);
    for (const error of bad.verdicts) assert.notEqual(error, undefined, row.comment);
    counts.invalid += bad.verdicts.length;
    checkStraight(bad.spend, row, bad.verdicts[0]);
  }
  context.diagnostic(`${rows.length} rows: ${counts.valid} valid and ${counts.invalid} invalid spends`);
  assert.ok(rows.length === 2243 && counts.invalid > 1000);
});

/** The other inputs are not signed, so only what happens to this one is compared. */
function checkStraight({ table, prevouts }: Spend, row: Row, error: ScriptError | undefined): void {
  const failure = verifyTransaction(table, prevouts, parseFlags(row.flags));
  if (failure === undefined) assert.equal(error, undefined, row.comment);
  else if (failure.input === row.index) assert.equal(failure.error, error, row.comment);
}
