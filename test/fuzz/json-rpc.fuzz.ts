import assert from "node:assert/strict";
import type { Json } from "#base/lib/json.ts";
import { type Caller, RpcDispatcher } from "#doors/rpc/dispatcher.ts";
import type { RpcMethod } from "#doors/rpc/method.ts";
import type { FuzzTarget } from "./fuzz.ts";

const METHOD: RpcMethod<null> = {
  name: "m",
  category: "hidden",
  help: "",
  params: [
    { name: "a", aliases: ["b"], type: "string", required: true, help: "" },
    { name: "c", type: "number", help: "" },
    { name: "o", type: "object", help: "", members: [{ name: "x", type: "boolean", help: "" }] },
  ],
  result: "",
  run: (_context, args) => [args.string("a"), args.int("c", 0), args.value("o")],
};

const CALLER: Caller = {
  wallet: undefined,
  user: "user",
  signal: new AbortController().signal,
  methods: new Set(["m", "n"]),
};

const SEEDS = [
  '{"jsonrpc":"2.0","id":1,"method":"m","params":["a",1,{"x":true}]}',
  '{"jsonrpc":"1.0","id":"x","method":"m","params":{"b":"a","c":2,"x":true}}',
  '{"method":"m","params":{"args":["a"],"c":1e3}}',
  '{"id":12345678901234567890,"id":2,"method":"m","params":{"b":"a","b":"c"}}',
  '[{"id":null,"method":"m"},{"jsonrpc":"2.0","method":"n"},5,[],{}]',
];

/** Whatever comes in, one well-formed reply goes out, with a status that HTTP knows. */
export const target: FuzzTarget = {
  name: "JSON-RPC requests",
  seeds: SEEDS.map((text) => new TextEncoder().encode(text)),
  async run(input) {
    const dispatcher = new RpcDispatcher(null, [METHOD]);
    dispatcher.warmup = undefined;
    const { status, pieces } = await dispatcher.answer(input, CALLER);
    const body = pieces.join("");
    assert.ok([200, 204, 400, 403, 404, 500].includes(status));
    if (body === "") {
      assert.ok(status === 204 || status === 403);
      return;
    }
    const reply = JSON.parse(body) as Json;
    for (const one of Array.isArray(reply) ? reply : [reply]) {
      assert.ok(one !== null && typeof one === "object");
      assert.ok("result" in one || "error" in one);
    }
  },
};
