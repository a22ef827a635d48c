/**
 * How a method is declared: its name, parameters and help in one place. The checks that Core's RPCHelpMan makes
 * before a method runs are made from this declaration.
 */

import { type Json, type JsonObject, parseFixedPoint, stringify } from "#base/lib/json.ts";
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

export function expectBoolean(value: Json): boolean {
  if (typeof value !== "boolean") throw wrongType(value, "bool");
  return value;
}

export function expectNumber(value: Json): number {
  if (typeof value !== "number") throw wrongType(value, "number");
  return value;
}

export function expectInt(value: Json): number {
  const number = expectNumber(value);
  if (!Number.isInteger(number) || number < -0x8000_0000 || number > 0x7fff_ffff) {
    throw new RpcError(RPC_CODE.misc, "JSON integer out of range");
  }
  return number;
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
  if (typeof value !== "number" && typeof value !== "string") {
    throw new RpcError(RPC_CODE.typeError, "Amount is not a number or string");
  }
  const parsed = parseFixedPoint(String(value), decimals);
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

/** The JSON type that a parameter's value must have, where that is checked before the method runs. */
const EXPECTED: Readonly<Partial<Record<ParamType, string>>> = {
  string: "string",
  number: "number",
  boolean: "bool",
  array: "array",
  object: "object",
};

const namesOf = (param: Param): string => [param.name, ...(param.aliases ?? [])].join("|");

/**
 * Arguments for a method from a call's `params`, by position, by name, or mixed (`args` member), with types
 * checked (Core's transformNamedArguments and RPCHelpMan::HandleRequest). Errors are Core's: −8 for names, −1 with
 * the help for counts, −3 for types.
 */
export function bindArguments<Context>(method: RpcMethod<Context>, params: Json): Args {
  const values = Array.isArray(params) ? params : namedToPositions(method, params as JsonObject);
  const required = method.params.findLastIndex((param) => param.required === true) + 1;
  if (values.length < required || values.length > method.params.length) {
    throw new RpcError(RPC_CODE.misc, helpText(method));
  }
  const mismatches: JsonObject = {};
  for (const [i, param] of method.params.entries()) {
    const mismatch = mismatchOf(param, values[i] ?? null);
    if (mismatch !== undefined) mismatches[`Position ${i + 1} (${namesOf(param)})`] = mismatch;
  }
  if (Object.keys(mismatches).length > 0) {
    throw new RpcError(RPC_CODE.typeError, `Wrong type passed:\n${stringify(mismatches, 4)}`);
  }
  return new Args(method.params, values);
}

function mismatchOf(param: Param, value: Json): string | undefined {
  const expected = EXPECTED[param.type];
  if (param.unchecked === true || expected === undefined) return undefined;
  if (value === null && param.required !== true) return undefined;
  const type = typeName(value);
  return type === expected ? undefined : `JSON value of type ${type} is not of expected type ${expected}`;
}

function namedToPositions<Context>(method: RpcMethod<Context>, named: JsonObject): Json[] {
  const left = new Map(
    Object.entries(named).filter((member): member is [string, Json] => member[1] !== undefined),
  );
  const values: Json[] = [];
  let first: Param | undefined;
  for (const [i, param] of method.params.entries()) {
    const value = takeNamed(left, param);
    if (value === undefined) continue;
    first ??= param;
    while (values.length < i) values.push(null);
    values.push(value);
  }
  const positional = left.get("args");
  left.delete("args");
  const unknown = left.keys().next();
  if (Array.isArray(positional)) {
    if (first !== undefined && method.params.indexOf(first) < positional.length) {
      throw new RpcError(
        RPC_CODE.invalidParameter,
        `Parameter ${namesOf(first)} specified twice both as positional and named argument`,
      );
    }
    values.splice(0, positional.length, ...positional);
  }
  if (!unknown.done) {
    throw new RpcError(RPC_CODE.invalidParameter, `Unknown named parameter ${unknown.value}`);
  }
  return values;
}

/** The value of a parameter under one of its names, or put together from its members. */
function takeNamed(left: Map<string, Json>, param: Param): Json | undefined {
  const members: JsonObject = {};
  for (const member of param.members ?? []) {
    const value = takeNamed(left, member);
    if (value !== undefined) members[member.name] = value;
  }
  const [member] = Object.keys(members);
  const name = [param.name, ...(param.aliases ?? [])].find((known) => left.has(known));
  if (name === undefined) return member === undefined ? undefined : members;
  const value = left.get(name);
  left.delete(name);
  if (member === undefined) return value;
  throw new RpcError(RPC_CODE.invalidParameter, `Parameter ${name} conflicts with parameter ${member}`);
}

function usageOf(param: Param): string {
  const open = param.content ?? (param.members !== undefined ? "..." : "");
  switch (param.type) {
    case "string":
      return `"${param.name}"`;
    case "array":
      return open === "" ? param.name : `[${open}]`;
    case "object":
      return open === "" ? param.name : `{${open}}`;
    default:
      return param.name;
  }
}

/** The usage line, as `getblock "blockhash" ( verbosity )`. */
export function usageLine<Context>(method: RpcMethod<Context>): string {
  let line = method.name;
  let optional = false;
  for (const param of method.params) {
    if (param.hidden === true) continue;
    if (param.required !== true && !optional) line += " (";
    if (param.required === true && optional) line += " )";
    optional = param.required !== true;
    line += ` ${usageOf(param)}`;
  }
  return optional ? `${line} )` : line;
}

/** How the help names a parameter's type. */
const TYPE_NAMES: Readonly<Record<ParamType, string>> = {
  string: "string",
  number: "numeric",
  boolean: "boolean",
  array: "json array",
  object: "json object",
  amount: "numeric or string",
  range: "numeric or array",
  value: "string or numeric",
};

function describeParam(param: Param): string {
  const kind = TYPE_NAMES[param.type];
  if (param.required === true) return `(${kind}, required) ${param.help}`;
  const otherwise = param.default === undefined ? "" : `, default=${param.default}`;
  return `(${kind}, optional${otherwise}) ${param.help}`;
}

/** The text of `help <method>`. */
export function helpText<Context>(method: RpcMethod<Context>): string {
  const lines = [usageLine(method), "", method.help.trim()];
  const shown = method.params.filter((param) => param.hidden !== true);
  if (shown.length > 0) {
    lines.push("", "Arguments:");
    for (const [i, param] of shown.entries()) {
      lines.push(`${`${i + 1}. ${param.name}`.padEnd(23)} ${describeParam(param)}`.trimEnd());
      for (const member of param.members ?? []) lines.push(`     "${member.name}": ${describeParam(member)}`);
    }
  }
  lines.push("", "Result:", method.result.trim(), "", "Examples:");
  const given = shown.filter((param) => param.required === true).map(exampleOf);
  const cli = given.map((value) => `'${stringify(value)}'`.replace(/^'"(.*)"'$/, '"$1"')).join(" ");
  lines.push(`> bitcoin-cli ${method.name} ${cli}`.trimEnd());
  lines.push(
    `> curl --user myusername --data-binary '{"jsonrpc": "2.0", "id": "curltest", "method": "${method.name}", "params": ${stringify(given)}}' -H 'content-type: application/json' http://127.0.0.1:8332/`,
    "",
  );
  return lines.join("\n");
}

/** A value of the right type that stands for a parameter. */
function exampleOf(param: Param): Json {
  switch (param.type) {
    case "number":
    case "range":
    case "value":
      return 1;
    case "boolean":
      return true;
    case "array":
      return [];
    case "object":
      return {};
    case "amount":
      return "0.1";
    default:
      return param.name;
  }
}
