/** Transactions, scripts and coins as Core prints them (core_io.cpp). */
import { readBigU64, toHex, toHexReversed } from "#base/lib/bytes.ts";
import type { Json, JsonObject } from "#base/lib/json.ts";
import { toAsm } from "#protocol/bitcoin/asm.ts";
import { describeOutput } from "#protocol/bitcoin/describe-script.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import type { Prevouts } from "#protocol/bitcoin/prevouts.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";
import { virtualSize } from "#protocol/policy/fee-rate.ts";
import { amountJson } from "./amount-json.ts";

/** An output's script: `asm`, `desc`, `hex`, `address` where it has one, and `type`. */
export function scriptJson(script: Uint8Array, network: Network): JsonObject {
  return { ...describeOutput(script, network) };
}

/** The outputs that a transaction spends, with where they came from. */
export interface SpentOutputs {
  readonly prevouts: Prevouts;
  /** Height and coinbase flag by input of the table. */
  origin(input: number): { readonly height: number; readonly generated: boolean };
}

export interface TxJsonOptions {
  readonly network: Network;
  readonly txid: Uint8Array;
  readonly wtxid: Uint8Array;
  /** Adds the fee, and with `withPrevouts` each input's spent output. */
  readonly spent?: SpentOutputs | undefined;
  readonly withPrevouts?: boolean;
  readonly withHex?: boolean;
}

/** A transaction of a table as getrawtransaction and decoderawtransaction print it. */
export function txJson(table: TxTable, tx: number, options: TxJsonOptions): JsonObject {
  const { network, spent } = options;
  const firstInput = table.firstInput(tx);
  const firstOutput = table.firstOutput(tx);
  const isCoinbase = table.isCoinbase(tx);
  const vin: Json[] = [];
  for (let i = 0; i < table.inputCount(tx); i++) {
    vin.push(inputJson(table, firstInput + i, isCoinbase, options));
  }
  const vout: Json[] = [];
  for (let i = 0; i < table.outputCount(tx); i++) {
    const output = firstOutput + i;
    vout.push({
      value: amountJson(BigInt.asIntN(64, readBigU64(table.bytes, table.outputStart(output)))),
      n: i,
      scriptPubKey: scriptJson(table.outputScript(output), network),
    });
  }
  return {
    txid: toHexReversed(options.txid),
    hash: toHexReversed(options.wtxid),
    version: table.version(tx),
    size: table.size(tx),
    vsize: virtualSize(table.weight(tx)),
    weight: table.weight(tx),
    locktime: table.lockTime(tx),
    vin,
    vout,
    fee: spent === undefined || isCoinbase ? undefined : amountJson(feeOf(table, tx, spent.prevouts)),
    hex: options.withHex === false ? undefined : toHex(table.raw(tx)),
  };
}

function feeOf(table: TxTable, tx: number, prevouts: Prevouts): number {
  let fee = 0;
  for (let i = 0; i < table.inputCount(tx); i++) fee += prevouts.amount(table.firstInput(tx) + i);
  for (let i = 0; i < table.outputCount(tx); i++) fee -= table.value(table.firstOutput(tx) + i);
  return fee;
}

function inputJson(table: TxTable, input: number, isCoinbase: boolean, options: TxJsonOptions): JsonObject {
  const script = table.inputScript(input);
  const witness = table.witness(input);
  const txinwitness = witness.length > 0 ? witness.map(toHex) : undefined;
  if (isCoinbase) return { coinbase: toHex(script), txinwitness, sequence: table.sequence(input) };
  return {
    txid: toHexReversed(table.prevTxid(input)),
    vout: table.prevIndex(input),
    scriptSig: { asm: toAsm(script, true), hex: toHex(script) },
    txinwitness,
    prevout: options.withPrevouts === true ? prevoutJson(input, options) : undefined,
    sequence: table.sequence(input),
  };
}

function prevoutJson(input: number, { spent, network }: TxJsonOptions): JsonObject | undefined {
  if (spent === undefined) return undefined;
  const { height, generated } = spent.origin(input);
  return {
    generated,
    height,
    value: amountJson(spent.prevouts.amount(input)),
    scriptPubKey: scriptJson(spent.prevouts.script(input), network),
  };
}
