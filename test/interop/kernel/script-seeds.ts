/** Spends of Core's vectors as objects, to grow others from. Nothing here says whether they are valid. */

import { readFileSync } from "node:fs";
import { ByteReader } from "#base/lib/byte-reader.ts";
import { fromHex, hex, toHexReversed } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { decodeTransaction, type Transaction, transactionAt } from "#protocol/bitcoin/transaction.ts";
import { fromOldAsm } from "../../support/old-asm.ts";
import { creditAndSpend } from "../../support/script-spends.ts";
import { bitcoreVector, sharedVector } from "../../vectors/vectors.ts";

export interface SpentOutput {
  /** Satoshi. */
  amount: number;
  script: Uint8Array;
}

/** A transaction and what its inputs spend, in their order. Byte strings are replaced, never written to. */
export interface MutableSpend {
  tx: Transaction;
  prevouts: SpentOutput[];
}

export function copySpend({ tx, prevouts }: MutableSpend): MutableSpend {
  return {
    tx: {
      ...tx,
      inputs: tx.inputs.map((input) => ({ ...input, witness: [...input.witness] })),
      outputs: tx.outputs.map((output) => ({ ...output })),
    },
    prevouts: prevouts.map((prevout) => ({ ...prevout })),
  };
}

/** Bytes above which a vector's spend is left out: a long one costs time and shows nothing more. */
const LONGEST = 12_000;

/** Every spend of every vector file that is at hand. */
export function readSeeds(): MutableSpend[] {
  const seeds = [
    ...readAll("script_tests.json", scriptTest),
    ...readAll("tx_valid.json", txTest),
    ...readAll("tx_invalid.json", txTest),
    ...readAll("script_assets_test.json", scriptAssets),
  ];
  return seeds.filter((seed) => sizeOf(seed) <= LONGEST);
}

function sizeOf({ tx, prevouts }: MutableSpend): number {
  let size = 0;
  for (const input of tx.inputs) {
    size += input.script.length;
    for (const item of input.witness) size += item.length;
  }
  for (const output of [...tx.outputs, ...prevouts]) size += output.script.length;
  return size;
}

function readAll(name: string, read: (row: never) => MutableSpend[]): MutableSpend[] {
  const paths = [sharedVector(`core/${name}`)];
  // The package has its own vectors of script_assets, and an older copy of the others.
  paths.push(bitcoreVector(`bitcoind/${name}`));
  const seeds: MutableSpend[] = [];
  for (const path of paths) {
    if (path === undefined) continue;
    for (const row of JSON.parse(readFileSync(path, "utf8")) as never[]) seeds.push(...read(row));
  }
  return seeds;
}

function scriptTest(row: readonly unknown[]): MutableSpend[] {
  if (row.length < 4) return [];
  const parts = Array.isArray(row[0]) ? (row[0] as (string | number)[]) : [];
  const [sig, pubkey] = (Array.isArray(row[0]) ? row.slice(1) : row) as string[];
  const witness = parts.slice(0, -1).map((item) => fromHex(String(item)));
  // Those written as text are for the taproot test alone.
  if (witness.includes(undefined)) return [];
  const amount = Math.round(Number(parts.at(-1) ?? 0) * 1e8);
  const script = fromOldAsm(pubkey!);
  const { table } = creditAndSpend(script, fromOldAsm(sig!), witness as Uint8Array[], amount);
  return [{ tx: transactionAt(table, 0), prevouts: [{ amount, script }] }];
}

function txTest(row: readonly unknown[]): MutableSpend[] {
  if (!Array.isArray(row[0])) return [];
  const known = new Map<string, SpentOutput>();
  for (const [txid, index, script, amount] of row[0] as [string, number, string, number?][]) {
    known.set(`${txid}:${index >>> 0}`, { amount: safeAmount(amount ?? 0), script: fromOldAsm(script) });
  }
  try {
    const tx = decodeTransaction(hex(row[1] as string));
    if (tx.inputs.length === 0 || tx.outputs.some(({ value }) => !Number.isSafeInteger(value))) return [];
    const prevouts = tx.inputs.map(
      ({ txid, index }) =>
        known.get(`${toHexReversed(txid)}:${index}`) ?? { amount: 0, script: new Uint8Array(0) },
    );
    return [{ tx, prevouts }];
  } catch (error) {
    if (error instanceof DecodeError) return [];
    throw error;
  }
}

function safeAmount(amount: number): number {
  return Number.isSafeInteger(amount) && amount >= 0 ? amount : 0;
}

interface AssetInput {
  readonly scriptSig: string;
  readonly witness: readonly string[];
}

interface AssetRow {
  readonly tx: string;
  readonly prevouts: readonly string[];
  readonly index: number;
  readonly success: AssetInput;
  readonly failure?: AssetInput;
}

function scriptAssets({ tx: raw, prevouts: spent, index, success, failure }: AssetRow): MutableSpend[] {
  const prevouts = spent.map((text) => {
    const reader = new ByteReader(hex(text));
    return { amount: reader.i64(), script: reader.varBytes() };
  });
  return [success, ...(failure === undefined ? [] : [failure])].map(({ scriptSig, witness }) => {
    const tx = decodeTransaction(hex(raw));
    tx.inputs[index]!.script = hex(scriptSig);
    tx.inputs[index]!.witness = witness.map(hex);
    return { tx, prevouts: prevouts.map((prevout) => ({ ...prevout })) };
  });
}
