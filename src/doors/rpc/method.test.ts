import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "#base/lib/json.ts";
import { bindArguments } from "./bind-arguments.ts";
import { Args, type Param, parseAmount, parseFeeRate, type RpcMethod, typeName } from "./method.ts";
import { argumentMap, helpText, usageLine } from "./method-help.ts";
import { RPC_CODE, RpcError } from "./rpc-error.ts";

const PARAMS: readonly Param[] = [
  { name: "hash", type: "string", required: true, help: "A hash" },
  {
    name: "verbosity",
    aliases: ["verbose"],
    type: "number",
    default: "1",
    help: "How much",
    unchecked: true,
  },
  { name: "list", type: "array", content: '"item",...', help: "A list" },
  {
    name: "options",
    type: "object",
    help: "Options",
    members: [
      { name: "fee_rate", type: "amount", help: "A rate" },
      { name: "flag", type: "boolean", help: "A flag" },
    ],
  },
  { name: "limit", type: "number", help: "A limit" },
];

const method = (params: readonly Param[] = PARAMS): RpcMethod<null> => ({
  name: "testmethod",
  category: "Util",
  help: "Does nothing.",
  params,
  result: "null",
  run: () => null,
});

function bind(params: Json): Json[] {
  const args = bindArguments(method(), params);
  return Array.from({ length: args.count }, (_, i) => args.value(PARAMS[i]!.name));
}

function refused(run: () => unknown, code: number, message: string | RegExp): void {
  assert.throws(
    run,
    (error) =>
      error instanceof RpcError &&
      error.code === code &&
      (typeof message === "string" ? error.message === message : message.test(error.message)),
  );
}

test("arguments by position", () => {
  assert.deepEqual(bind(["a"]), ["a"]);
  assert.deepEqual(bind(["a", null, ["x"]]), ["a", null, ["x"]]);
  assert.deepEqual(bind(["a", 2, [], {}, 5]), ["a", 2, [], {}, 5]);
});

test("arguments by name leave holes, but none at the end", () => {
  assert.deepEqual(bind({ hash: "a" }), ["a"]);
  assert.deepEqual(bind({ limit: 3, hash: "a" }), ["a", null, null, null, 3]);
  assert.deepEqual(bind({ hash: "a", verbose: true }), ["a", true]);
});

test("members of an options object may be given directly", () => {
  assert.deepEqual(bind({ hash: "a", flag: true, fee_rate: 1 }), [
    "a",
    null,
    null,
    { fee_rate: 1, flag: true },
  ]);
  refused(
    () => bind({ hash: "a", flag: true, options: {} }),
    RPC_CODE.invalidParameter,
    "Parameter options conflicts with parameter flag",
  );
});

test("mixed arguments: the first by position, others by name", () => {
  assert.deepEqual(bind({ args: ["a", 1], limit: 3 }), ["a", 1, null, null, 3]);
  assert.deepEqual(bind({ args: ["a"] }), ["a"]);
  assert.deepEqual(bind({ args: [], hash: "a" }), ["a"]);
  refused(
    () => bind({ args: ["a", 1], verbose: 2 }),
    RPC_CODE.invalidParameter,
    "Parameter verbosity|verbose specified twice both as positional and named argument",
  );
});

test("names that do not exist are refused", () => {
  refused(() => bind({ hash: "a", x: 1 }), RPC_CODE.invalidParameter, "Unknown named parameter x");
  refused(
    () => bind({ hash: "a", verbosity: 1, verbose: 1 }),
    RPC_CODE.invalidParameter,
    "Unknown named parameter verbose",
  );
});

test("missing and surplus arguments get the help", () => {
  refused(() => bind([]), RPC_CODE.misc, helpText(method()));
  refused(() => bind({}), RPC_CODE.misc, helpText(method()));
  refused(() => bind(["a", 1, [], {}, 1, 1]), RPC_CODE.misc, helpText(method()));
  refused(() => bind(["a", 1, [], {}, 1, null]), RPC_CODE.misc, helpText(method()));
});

test("wrong types are all named at once", () => {
  refused(
    () => bind([1, "any", {}, [], "5"]),
    RPC_CODE.typeError,
    [
      "Wrong type passed:",
      "{",
      '    "Position 1 (hash)": "JSON value of type number is not of expected type string",',
      '    "Position 3 (list)": "JSON value of type object is not of expected type array",',
      '    "Position 4 (options)": "JSON value of type array is not of expected type object",',
      '    "Position 5 (limit)": "JSON value of type string is not of expected type number"',
      "}",
    ].join("\n"),
  );
  refused(
    () => bind([null]),
    RPC_CODE.typeError,
    /"Position 1 \(hash\)": "JSON value of type null is not of expected type string"/,
  );
  assert.deepEqual(bind(["a", "not checked here"]), ["a", "not checked here"]);
});

test("arguments are read with Core's errors", () => {
  const args = new Args(PARAMS, ["text", 1.5, null, null, 2 ** 31]);
  assert.equal(args.string("hash"), "text");
  assert.equal(args.has("list"), false);
  refused(() => args.int("verbosity"), RPC_CODE.misc, "JSON integer out of range");
  refused(() => args.int("limit"), RPC_CODE.misc, "JSON integer out of range");
  refused(
    () => args.int("hash"),
    RPC_CODE.typeError,
    "JSON value of type string is not of expected type number",
  );
  refused(
    () => args.array("list"),
    RPC_CODE.typeError,
    "JSON value of type null is not of expected type array",
  );
  assert.equal(args.boolean("list", true), true);
});

test("amounts are numbers or strings with at most eight decimals", () => {
  assert.equal(parseAmount(0.00000001), 1);
  assert.equal(parseAmount("0.10"), 10_000_000);
  assert.equal(parseAmount(20_999_999.9769), 2_099_999_997_690_000);
  assert.equal(parseAmount(1e-8), 1);
  refused(() => parseAmount(1e-9), RPC_CODE.typeError, "Invalid amount");
  refused(() => parseAmount("1,5"), RPC_CODE.typeError, "Invalid amount");
  refused(() => parseAmount(-1), RPC_CODE.typeError, "Amount out of range");
  refused(() => parseAmount(21_000_001), RPC_CODE.typeError, "Amount out of range");
  refused(() => parseAmount(true), RPC_CODE.typeError, "Amount is not a number or string");
  refused(
    () => parseFeeRate(1),
    RPC_CODE.invalidParameter,
    "Fee rates larger than or equal to 1BTC/kvB are not accepted",
  );
});

test("types have Core's names", () => {
  assert.deepEqual(
    [null, true, "", 0, [], {}].map((value) => typeName(value)),
    ["null", "bool", "string", "number", "array", "object"],
  );
});

test("the usage line brackets what may be left out", () => {
  assert.equal(usageLine(method()), 'testmethod "hash" ( verbosity ["item",...] {...} limit )');
  const hidden: Param = { name: "wait", type: "number", hidden: true, help: "" };
  assert.equal(usageLine(method([hidden])), "testmethod");
  const dummy: Param = { name: "dummy", type: "number", help: "" };
  const last: Param = { name: "last", type: "number", required: true, help: "" };
  assert.equal(usageLine(method([PARAMS[0]!, dummy, last])), 'testmethod "hash" ( dummy ) last');
});

test("the help tells of each argument and shows calls", () => {
  const text = helpText(method());
  assert.match(text, /^testmethod "hash"/);
  assert.match(
    text,
    /\nArguments:\n1\. hash +\(string, required\) A hash\n2\. verbosity +\(numeric, optional, default=1\) How much\n/,
  );
  assert.match(text, / {5}"flag": \(boolean, optional\) A flag\n/);
  assert.match(text, /\nResult:\nnull\n\nExamples:\n> bitcoin-cli testmethod "hash"\n> curl /);
});

test("arguments are listed for the client's table", () => {
  assert.deepEqual(argumentMap([method(PARAMS.slice(0, 2))]), [
    ["testmethod", 0, "hash", true],
    ["testmethod", 1, "verbosity", false],
    ["testmethod", 1, "verbose", false],
  ]);
});
