import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "#base/lib/json.ts";
import { type Caller, RpcDispatcher } from "./dispatcher.ts";
import type { RpcMethod } from "./method.ts";
import { RPC_CODE, RpcError } from "./rpc-error.ts";

const calls: string[] = [];

const echo: RpcMethod<string> = {
  name: "echo",
  category: "hidden",
  help: "",
  params: [{ name: "value", type: "number", help: "" }],
  result: "",
  run(context, args) {
    calls.push(`echo ${String(args.value("value"))}`);
    return { context, value: args.value("value") };
  },
};

const refuse: RpcMethod<string> = {
  ...echo,
  name: "refuse",
  run() {
    throw new RpcError(RPC_CODE.invalidParameter, "refused");
  },
};

const fail: RpcMethod<string> = {
  ...echo,
  name: "fail",
  run: () => Promise.reject(new Error("disk on fire")),
};

const CALLER: Caller = {
  wallet: undefined,
  user: "alice",
  signal: new AbortController().signal,
  methods: undefined,
};

function ready(): RpcDispatcher<string> {
  const dispatcher = new RpcDispatcher("context", [echo, refuse, fail]);
  dispatcher.warmup = undefined;
  return dispatcher;
}

async function answer(body: unknown, caller: Partial<Caller> = {}): Promise<[number, unknown]> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const reply = await ready().answer(text, { ...CALLER, ...caller });
  const written = reply.pieces.join("");
  if (written !== "") assert.ok(written.endsWith("\n"));
  return [reply.status, written === "" ? "" : (JSON.parse(written) as unknown)];
}

const result = (value: number | null) => ({ context: "context", value });
const error = (code: number, message: string) => ({ code, message });

test("a legacy reply has result and error", async () => {
  assert.deepEqual(await answer({ id: 1, method: "echo", params: [5] }), [
    200,
    { result: result(5), error: null, id: 1 },
  ]);
  assert.deepEqual(await answer({ jsonrpc: "1.0", id: null, method: "echo" }), [
    200,
    { result: result(null), error: null, id: null },
  ]);
  assert.deepEqual(await answer({ method: "echo", params: { value: 2 } }), [
    200,
    { result: result(2), error: null },
  ]);
});

test("legacy errors change the HTTP status", async () => {
  assert.deepEqual(await answer({ id: "x", method: "refuse" }), [
    500,
    { result: null, error: error(-8, "refused"), id: "x" },
  ]);
  assert.deepEqual(await answer({ id: 1, method: "gone" }), [
    404,
    { result: null, error: error(-32601, "Method not found"), id: 1 },
  ]);
  assert.deepEqual(await answer({ id: 1, method: "fail" }), [
    500,
    { result: null, error: error(-1, "disk on fire"), id: 1 },
  ]);
  assert.deepEqual(await answer({ id: 1 }), [
    400,
    { result: null, error: error(-32600, "Missing method"), id: 1 },
  ]);
});

test("a 2.0 reply has one of result and error, and status 200", async () => {
  const v2 = { jsonrpc: "2.0", id: 7 };
  assert.deepEqual(await answer({ ...v2, method: "echo", params: [1] }), [
    200,
    { jsonrpc: "2.0", result: result(1), id: 7 },
  ]);
  assert.deepEqual(await answer({ ...v2, method: "refuse" }), [
    200,
    { jsonrpc: "2.0", error: error(-8, "refused"), id: 7 },
  ]);
  assert.deepEqual(await answer({ ...v2, method: "gone" }), [
    200,
    { jsonrpc: "2.0", error: error(-32601, "Method not found"), id: 7 },
  ]);
  assert.deepEqual(await answer({ ...v2, id: null, method: "echo" }), [
    200,
    { jsonrpc: "2.0", result: result(null), id: null },
  ]);
});

test("a 2.0 request without id is a notification: it runs, and nothing comes back", async () => {
  calls.length = 0;
  assert.deepEqual(await answer({ jsonrpc: "2.0", method: "echo", params: [9] }), [204, ""]);
  assert.deepEqual(await answer({ jsonrpc: "2.0", method: "refuse" }), [204, ""]);
  assert.deepEqual(calls, ["echo 9"]);
});

test("what is no request is refused with 400 or 500, in both versions", async () => {
  const refused = async (body: unknown, status: number, code: number, message: string, more = {}) =>
    assert.deepEqual(await answer(body), [status, { result: null, error: error(code, message), ...more }]);
  await refused("nonsense", 500, -32700, "Parse error", { id: null });
  await refused("", 500, -32700, "Parse error", { id: null });
  await refused("5", 500, -32700, "Top-level object parse error", { id: null });
  await refused("null", 500, -32700, "Top-level object parse error", { id: null });
  await refused({ jsonrpc: 2, method: "echo" }, 400, -32600, "jsonrpc field must be a string");
  await refused({ jsonrpc: "3.0", method: "echo" }, 400, -32600, "JSON-RPC version not supported");
  await refused({ jsonrpc: "1.1", method: "echo" }, 400, -32600, "JSON-RPC version not supported");
  await refused({ method: 5, id: 1 }, 400, -32600, "Method must be a string", { id: 1 });
  await refused({ method: "echo", params: "x", id: 1 }, 400, -32600, "Params must be an array or object", {
    id: 1,
  });
  assert.deepEqual(await answer({ jsonrpc: "2.0", id: 3 }), [
    400,
    { jsonrpc: "2.0", error: error(-32600, "Missing method"), id: 3 },
  ]);
});

test("a batch answers each call, in order, without the notifications", async () => {
  const [status, replies] = await answer([
    { id: 1, method: "echo", params: [1] },
    { jsonrpc: "2.0", id: 2, method: "refuse" },
    { jsonrpc: "2.0", method: "echo" },
    7,
    { id: 3, method: "gone" },
  ]);
  assert.equal(status, 200);
  assert.deepEqual(replies, [
    { result: result(1), error: null, id: 1 },
    { jsonrpc: "2.0", error: error(-8, "refused"), id: 2 },
    { result: null, error: error(-32601, "Method not found"), id: 3 },
  ]);
});

test("an item that is no request is answered, unless it follows a notification, whose envelope it has", async () => {
  const wrong = { result: null, error: error(-32600, "Invalid Request object"), id: null };
  assert.deepEqual(await answer([7]), [200, [wrong]]);
  assert.deepEqual(await answer([{ id: 1, method: "echo" }, 7]), [
    200,
    [
      { result: result(null), error: null, id: 1 },
      { ...wrong, id: 1 },
    ],
  ]);
});

test("an empty batch gets an empty array, one of notifications nothing", async () => {
  assert.deepEqual(await answer([]), [200, []]);
  assert.deepEqual(await answer([{ jsonrpc: "2.0", method: "echo" }]), [204, ""]);
});

test("while the node starts every call is answered with -28 and what it does", async () => {
  const dispatcher = new RpcDispatcher("context", [echo]);
  dispatcher.warmup = "Loading block index…";
  const reply = await dispatcher.answer('{"id":1,"method":"gone"}', CALLER);
  assert.equal(reply.status, 500);
  assert.deepEqual(JSON.parse(reply.pieces.join("")), {
    result: null,
    error: error(-28, "Loading block index…"),
    id: 1,
  });
});

test("a whitelist lets its methods through, and of a batch all or none", async () => {
  const only = { methods: new Set(["echo"]) };
  assert.equal((await answer({ id: 1, method: "echo" }, only))[0], 200);
  assert.deepEqual(await answer({ id: 1, method: "refuse" }, only), [403, ""]);
  calls.length = 0;
  assert.deepEqual(await answer([{ method: "echo" }, { method: "refuse" }], only), [403, ""]);
  assert.deepEqual(calls, []);
  assert.equal((await answer([{ id: 1, method: "echo" }], only))[0], 200);
  assert.equal((await answer([5], only))[0], 400);
  assert.equal((await answer([{}], only))[0], 500);
  assert.deepEqual(await answer({ method: "echo" }, { methods: new Set<string>() }), [403, ""]);
});

test("calls that run are listed", async () => {
  let release = (_value: Json) => {};
  const slow: RpcMethod<string> = {
    ...echo,
    name: "slow",
    run: () =>
      new Promise<Json>((resolve) => {
        release = resolve;
      }),
  };
  const dispatcher = new RpcDispatcher("context", [slow]);
  dispatcher.warmup = undefined;
  const reply = dispatcher.answer('{"method":"slow"}', CALLER);
  assert.deepEqual(
    dispatcher.active.map(({ method }) => method),
    ["slow"],
  );
  release(null);
  await reply;
  assert.deepEqual(dispatcher.active, []);
});

test("a method may be declared once", () => {
  assert.throws(() => new RpcDispatcher("context", [echo, echo]), /declared twice/);
});

test("an id comes back as it was sent, whatever its size", async () => {
  const { pieces } = await ready().answer('{"id":12345678901234567890,"method":"echo"}', CALLER);
  assert.match(pieces[0]!, /"id":12345678901234567890}\n$/);
});

test("an argument that is too large for a double is told of as it is", async () => {
  const call = (params: string) => ready().answer(`{"id":1,"method":"echo","params":${params}}`, CALLER);
  assert.match((await call("[1e400]")).pieces[0]!, /"value":1e400/);
  assert.match((await call("1e400")).pieces[0]!, /Params must be an array or object/);
});

test("of a request's members that stand twice the first counts; arguments may not stand twice", async () => {
  assert.deepEqual(await answer('{"id":1,"id":2,"method":"echo","method":"fail"}'), [
    200,
    { result: result(null), error: null, id: 1 },
  ]);
  assert.deepEqual(await answer('{"id":1,"method":"echo","params":{"value":1,"value":1}}'), [
    500,
    { result: null, error: error(-8, "Parameter value specified multiple times"), id: 1 },
  ]);
});

test("nesting without end, and bytes that are no text, are parse errors", async () => {
  const refused = [500, { result: null, error: error(-32700, "Parse error"), id: null }];
  assert.deepEqual(await answer(`{"id":1,"method":"echo","params":${"[".repeat(100_000)}`), refused);
  const deep = `${"[".repeat(5000)}1${"]".repeat(5000)}`;
  assert.deepEqual(await answer(`{"id":1,"method":"echo","params":[${deep}]}`), refused);
  const latin1 = Buffer.from('{"id":"\u00ff","method":"echo"}', "latin1");
  const reply = await ready().answer(latin1, CALLER);
  assert.deepEqual([reply.status, JSON.parse(reply.pieces.join(""))], refused);
  assert.equal((await ready().answer(Buffer.from('{"id":"\u00ff","method":"echo"}'), CALLER)).status, 200);
});

test("a long batch lets others run, and its replies are sent one by one", async () => {
  const spin: RpcMethod<string> = {
    ...echo,
    name: "spin",
    run() {
      for (const start = performance.now(); performance.now() - start < 1; );
      return null;
    },
  };
  const dispatcher = new RpcDispatcher("context", [spin]);
  dispatcher.warmup = undefined;
  let turns = 0;
  let waiting: NodeJS.Immediate | undefined;
  const count = () => {
    turns++;
    waiting = setImmediate(count);
  };
  count();
  const calls = Array.from({ length: 200 }, (_, id) => ({ id, method: "spin" }));
  const { pieces } = await dispatcher.answer(JSON.stringify(calls), CALLER);
  clearImmediate(waiting);
  assert.ok(turns > 2, `${turns} turns in a batch of 200 ms`);
  assert.equal(pieces.length, calls.length + 1);
  const replies = JSON.parse(pieces.join("")) as { id: number }[];
  assert.deepEqual(
    replies.map(({ id }) => id),
    calls.map(({ id }) => id),
  );
});

test("a batch ends when its caller is gone or the node stops", async () => {
  const stop = new AbortController();
  const stopper: RpcMethod<string> = {
    ...echo,
    name: "stopper",
    run() {
      stop.abort();
      return 1;
    },
  };
  const dispatcher = new RpcDispatcher("context", [stopper, echo]);
  dispatcher.warmup = undefined;
  calls.length = 0;
  const batch = [
    { id: 1, method: "stopper" },
    { id: 2, method: "echo" },
  ];
  const { pieces } = await dispatcher.answer(JSON.stringify(batch), { ...CALLER, signal: stop.signal });
  assert.deepEqual(JSON.parse(pieces.join("")), [
    { result: 1, error: null, id: 1 },
    { result: null, error: error(-9, "Shutting down"), id: 2 },
  ]);
  assert.deepEqual(calls, []);
});
