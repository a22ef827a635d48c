import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { hex, toHexReversed } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { prevoutsOf } from "#protocol/bitcoin/prevouts.ts";
import { parseTx } from "#protocol/bitcoin/tx-table.ts";
import { fromOldAsm } from "../../../test/support/old-asm.ts";
import {
  fillFlags,
  interpretAll,
  parseFlags,
  type Spend,
  trimFlags,
} from "../../../test/support/script-spends.ts";
import { bitcoreVector, NO_SHARED, sharedVector } from "../../../test/vectors/vectors.ts";
import { checkTransaction } from "./check-transaction.ts";
import { ALL_SCRIPT_FLAGS, SCRIPT_FLAG_NAMES, SCRIPT_VERIFY_NONE } from "./script-flags.ts";
import { verifyTransaction } from "./verify-inputs.ts";

/** [[[txid, index, script, satoshi?]…], transaction, flags] */
type Row = readonly [
  prevouts: readonly (readonly [string, number, string, number?])[],
  tx: string,
  flags: string,
];

interface TxTest {
  /** `undefined` when the transaction cannot even be read, as Core may answer a BADTX row. */
  readonly spend: Spend | undefined;
  readonly flagText: string;
  readonly name: string;
}

function readTests(path: string): TxTest[] {
  const rows = (JSON.parse(readFileSync(path, "utf8")) as Row[]).filter((row) => Array.isArray(row[0]));
  return rows.map((row) => ({ spend: readSpend(row), flagText: row[2], name: JSON.stringify(row) }));
}

function readSpend([outputs, raw]: Row): Spend | undefined {
  const known = new Map<string, { amount: number; script: Uint8Array }>();
  for (const [txid, index, script, amount] of outputs) {
    known.set(`${txid}:${index >>> 0}`, { amount: amount ?? 0, script: fromOldAsm(script) });
  }
  try {
    const table = parseTx(hex(raw));
    const spent = Array.from({ length: table.inputTotal }, (_, input) => {
      const outpoint = `${toHexReversed(table.prevTxid(input))}:${table.prevIndex(input)}`;
      return known.get(outpoint) ?? { amount: 0, script: new Uint8Array(0) };
    });
    return { table, prevouts: prevoutsOf(spent) };
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

/** Both ways to verify, which must agree. */
function isValid(spend: Spend, flags: number, name: string): boolean {
  const failure = interpretAll(spend, flags);
  assert.deepEqual(verifyTransaction(spend.table, spend.prevouts, flags), failure, name);
  return failure === undefined;
}

/** Every set of flags that has one less, and makes sense. */
function withoutOne(flags: number): number[] {
  const sets = SCRIPT_FLAG_NAMES.map((_, bit) => trimFlags(flags & ~(1 << bit)));
  return [...new Set(sets)].filter((set) => set !== flags);
}

const valid = sharedVector("core/tx_valid.json");
const invalid = sharedVector("core/tx_invalid.json");

test("every row of Core's tx_valid.json", { skip: valid === undefined ? NO_SHARED : false }, (context) => {
  const tests = readTests(valid!);
  const random = new SeededRandom(3);
  for (const { spend, flagText, name } of tests) {
    const excluded = parseFlags(flagText);
    const flags = ALL_SCRIPT_FLAGS & ~excluded;
    assert.equal(fillFlags(flags), flags, name);
    assert.equal(checkTransaction(spend!.table, 0), undefined, name);
    assert.ok(isValid(spend!, flags, name), name);
    for (const fewer of withoutOne(flags)) assert.ok(isValid(spend!, fewer, name), `${fewer}: ${name}`);
    for (let i = 0; i < 16; i++) {
      const fewer = trimFlags(flags & random.u32());
      assert.ok(isValid(spend!, fewer, name), `${fewer}: ${name}`);
    }
    // Whatever the row excludes, it would fail with.
    for (const fewerExcluded of withoutOne(excluded)) {
      assert.ok(!isValid(spend!, ALL_SCRIPT_FLAGS & ~fewerExcluded, name), `${fewerExcluded}: ${name}`);
    }
  }
  context.diagnostic(`${tests.length} rows`);
  assert.ok(tests.length >= 121);
});

test("every row of Core's tx_invalid.json", {
  skip: invalid === undefined ? NO_SHARED : false,
}, (context) => {
  const tests = readTests(invalid!);
  const random = new SeededRandom(4);
  let bad = 0;
  for (const { spend, flagText, name } of tests) {
    if (flagText === "BADTX") {
      bad++;
      assert.ok(spend === undefined || checkTransaction(spend.table, 0) !== undefined, name);
      continue;
    }
    const flags = parseFlags(flagText);
    assert.equal(checkTransaction(spend!.table, 0), undefined, name);
    assert.ok(!isValid(spend!, flags, name), name);
    for (let bit = 0; bit < SCRIPT_FLAG_NAMES.length; bit++) {
      const more = fillFlags(flags | (1 << bit));
      assert.ok(!isValid(spend!, more, name), `${more}: ${name}`);
    }
    for (let i = 0; i < 16; i++) {
      const more = fillFlags(flags | (random.u32() & ALL_SCRIPT_FLAGS));
      assert.ok(!isValid(spend!, more, name), `${more}: ${name}`);
    }
    // Each of the row's flags is needed for it to fail.
    for (const fewer of withoutOne(flags)) assert.ok(isValid(spend!, fewer, name), `${fewer}: ${name}`);
  }
  context.diagnostic(`${tests.length} rows, ${bad} of them BADTX`);
  assert.ok(tests.length >= 93 && bad === 9);
});

test("every row of the older tx_valid.json and tx_invalid.json in bitcore-lib", (context) => {
  const good = readTests(bitcoreVector("bitcoind/tx_valid.json"));
  for (const { spend, flagText, name } of good) {
    assert.equal(checkTransaction(spend!.table, 0), undefined, name);
    assert.ok(isValid(spend!, parseFlags(flagText), name), name);
    assert.ok(isValid(spend!, SCRIPT_VERIFY_NONE, name), name);
  }
  const bad = readTests(bitcoreVector("bitcoind/tx_invalid.json"));
  for (const { spend, flagText, name } of bad) {
    const fails =
      spend === undefined ||
      checkTransaction(spend.table, 0) !== undefined ||
      !isValid(spend, parseFlags(flagText), name);
    assert.ok(fails, name);
  }
  context.diagnostic(`${good.length} valid and ${bad.length} invalid rows`);
  assert.ok(good.length >= 50 && bad.length >= 39);
});
