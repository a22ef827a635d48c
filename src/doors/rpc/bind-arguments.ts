/** The arguments of a call, found and checked by the method's declaration (Core's rpc/server.cpp, rpc/util.cpp). */
import { type Json, type JsonObject, membersOf, stringify } from "#base/lib/json.ts";
import { Args, type Param, type ParamType, type RpcMethod, typeName } from "./method.ts";
import { helpText } from "./method-help.ts";
import { RPC_CODE, RpcError } from "./rpc-error.ts";

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
  const left = new Map<string, Json>();
  for (const [name, value] of membersOf(named)) {
    if (left.has(name)) {
      throw new RpcError(RPC_CODE.invalidParameter, `Parameter ${name} specified multiple times`);
    }
    left.set(name, value);
  }
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
