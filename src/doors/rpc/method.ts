/**
 * How a method is declared: its name, parameters and help in one place. The checks that Core's RPCHelpMan makes
 * before a method runs (bind-arguments.ts) and the help (method-help.ts) are made from this declaration.
 */

import { type Json, JsonNumber, type JsonObject, parseFixedPoint } from "#base/lib/json.ts";
import { COIN, MAX_MONEY } from "#protocol/bitcoin/amount.ts";
import { RPC_CODE, RpcError } from "./rpc-error.ts";

/** Categories in the order that `help` prints them. */
export const CATEGORIES = [
  "Blockchain",
  "Control",
  "Mining",
  "Network",
  "Rawtransactions",
  "Util",
  "Wallet",
  "Zmq",
  "hidden",
] as const;

export type Category = (typeof CATEGORIES)[number];

/**
 * `amount` takes a number or a string and `range` a number or an array: what reads them checks that. `value` is a
 * string or a number that need not be quoted.
 */
export type ParamType = "string" | "number" | "boolean" | "array" | "object" | "amount" | "range" | "value";

export interface Param {
  /** The name for named calls; other names that mean the same stand in `aliases`. */
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly type: ParamType;
  readonly required?: boolean;
  /** As the help shows it. */
  readonly default?: string;
  readonly help: string;
  /** Usage of an array's or object's content, such as `"txid",...`. */
  readonly content?: string;
  /** Other types are let through to the method, which judges them itself. */
  readonly unchecked?: boolean;
  /** Left out of the help. */
  readonly hidden?: boolean;
  /** Members of an options object that named calls may give at the top level (Core's OBJ_NAMED_PARAMS). */
  readonly members?: readonly Param[];
}

export interface RpcMethod<Context> {
  readonly name: string;
  readonly category: Category;
  readonly help: string;
  readonly params: readonly Param[];
  /** What comes back, for the help. */
  readonly result: string;
  run(context: Context, args: Args, call: RpcCall): Json | Promise<Json>;
}

/** Circumstances of one call. */
export interface RpcCall {
  readonly method: string;
  /** Wallet name from the URL `/wallet/<name>`, or undefined. */
  readonly wallet: string | undefined;
  readonly user: string;
  /** Aborted when the client went away or the node stops: long waits end on it. */
  readonly signal: AbortSignal;
}

/** Arguments by position, after their types were checked. `null` counts as not given. */
export class Args {
  readonly #params: readonly Param[];
  readonly #values: readonly Json[];

  constructor(params: readonly Param[], values: readonly Json[]) {
    this.#params = params;
    this.#values = values;
  }

  /** Arguments given, nulls included. */
  get count(): number {
    return this.#values.length;
  }

  has(name: string): boolean {
    return this.value(name) !== null;
  }

  /** The raw value, null when not given. */
  value(name: string): Json {
    const index = this.#params.findIndex((param) => param.name === name);
    if (index < 0) throw new Error(`method declares no parameter ${name}`);
    return this.#values[index] ?? null;
  }

  string(name: string): string;
  string(name: string, otherwise: string): string;
  string(name: string, otherwise?: string): string {
    return expectString(this.value(name) ?? otherwise ?? null);
  }

  boolean(name: string, otherwise: boolean): boolean {
    const value = this.value(name);
    return value === null ? otherwise : expectBoolean(value);
  }

  /** A whole number that fits 32 bits, else Core's text for int overflow. */
  int(name: string, otherwise?: number): number {
    return expectInt(this.value(name) ?? otherwise ?? null);
  }

  number(name: string, otherwise?: number): number {
    return expectNumber(this.value(name) ?? otherwise ?? null);
  }

  array(name: string): Json[] {
    return expectArray(this.value(name));
  }

  object(name: string): JsonObject {
    return expectObject(this.value(name));
  }

  /** An amount in satoshi. */
  amount(name: string, otherwise?: number): number {
    const value = this.value(name);
    if (value === null && otherwise !== undefined) return otherwise;
    return parseAmount(value);
  }
}

/** Core's name of a value's JSON type. */
export function typeName(value: Json): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "string" || typeof value === "number") return typeof value;
  if (value instanceof JsonNumber) return "number";
  return "object";
}

function wrongType(value: Json, expected: string): RpcError {
  return new RpcError(
    RPC_CODE.typeError,
    `JSON value of type ${typeName(value)} is not of expected type ${expected}`,
  );
}

export function expectString(value: Json): string {
  if (typeof value !== "string") throw wrongType(value, "string");
  return value;
}

function expectBoolean(value: Json): boolean {
  if (typeof value !== "boolean") throw wrongType(value, "bool");
  return value;
}

export function expectNumber(value: Json): number {
  if (value instanceof JsonNumber) return Number(value.text);
  if (typeof value !== "number") throw wrongType(value, "number");
  return value;
}

export function expectInt(value: Json): number {
  return expectWithin(value, -0x8000_0000, 0x7fff_ffff);
}

/** A whole number that fits 32 bits without a sign. */
export function expectUint(value: Json): number {
  return expectWithin(value, 0, 0xffff_ffff);
}

/** A whole number that fits 64 bits; beyond 2^53 only its size is right. */
export function expectLong(value: Json): number {
  return expectWithin(value, -(2 ** 63), 2 ** 63 - 1);
}

function expectWithin(value: Json, least: number, most: number): number {
  const number = expectNumber(value);
  if (Number.isInteger(number) && number >= least && number <= most) return number;
  throw new RpcError(RPC_CODE.misc, "JSON integer out of range");
}

export function expectArray(value: Json): Json[] {
  if (!Array.isArray(value)) throw wrongType(value, "array");
  return value;
}

export function expectObject(value: Json): JsonObject {
  if (typeName(value) !== "object") throw wrongType(value, "object");
  return value as JsonObject;
}

/** Bitcoin, as a number or a string, to satoshi (Core's AmountFromValue). */
export function parseAmount(value: Json, decimals = 8): number {
  if (typeName(value) !== "number" && typeof value !== "string") {
    throw new RpcError(RPC_CODE.typeError, "Amount is not a number or string");
  }
  const parsed = parseFixedPoint(value instanceof JsonNumber ? value.text : String(value), decimals);
  if (parsed === undefined) throw new RpcError(RPC_CODE.typeError, "Invalid amount");
  if (parsed < 0n || parsed > BigInt(MAX_MONEY))
    throw new RpcError(RPC_CODE.typeError, "Amount out of range");
  return Number(parsed);
}

/** A fee rate in BTC/kvB to satoshi per 1,000 vbytes; more than 1 BTC/kvB is taken for a slip (Core's ParseFeeRate). */
export function parseFeeRate(value: Json): number {
  const rate = parseAmount(value);
  if (rate >= COIN) {
    throw new RpcError(
      RPC_CODE.invalidParameter,
      "Fee rates larger than or equal to 1BTC/kvB are not accepted",
    );
  }
  return rate;
}
