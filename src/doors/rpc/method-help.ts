/** What `help` says of a method, from its declaration. */
import { type Json, stringify } from "#base/lib/json.ts";
import type { Param, ParamType, RpcMethod } from "./method.ts";

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

/**
 * Each argument's method, position, name and whether it is text, as Core's tests compare them with the table of
 * the client (RPCHelpMan::GetArgMap).
 */
export function argumentMap<Context>(methods: Iterable<RpcMethod<Context>>): Json[] {
  const rows: Json[] = [];
  for (const { name, params } of methods) {
    for (const [position, param] of params.entries()) {
      for (const known of [param, ...(param.members ?? [])]) {
        for (const alias of [known.name, ...(known.aliases ?? [])]) {
          rows.push([name, position, alias, known.type === "string"]);
        }
      }
    }
  }
  return rows;
}
