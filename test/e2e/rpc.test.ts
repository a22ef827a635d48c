/**
 * Every RPC method in every form that a caller may choose: over HTTP by position, by name, mixed and in a batch, and
 * through bitcoin-cli; with wrong types, too few and too many arguments. Results have Core v31's own fields.
 */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { runBitcoinCli } from "#doors/cli/bitcoin-cli.ts";
import type { Ended, Reply, RpcFailure } from "./node-process.ts";
import { type Cases, rpcCases } from "./rpc-cases.ts";
import { noShapes, SHAPES, type ShapeArgument, shapeDifferences } from "./rpc-shapes.ts";
import { RpcWorld } from "./rpc-world.ts";

/** A value of another type than the shape's, by that type. */
const WRONG: Readonly<Record<string, Reply>> = {
  string: 7,
  numeric: "text",
  boolean: "text",
  "json array": {},
  "json object": [],
  "numeric or string": {},
  "numeric or array": "text",
  "string or numeric": {},
};

/** The methods that this node has, but for stop. */
const METHODS: readonly string[] = `
  getblockchaininfo
  getblockcount
  getbestblockhash
  getdifficulty
  getblockhash
  getblockheader
  getblock
  getchaintips
  getdeploymentinfo
  gettxout
  gettxoutsetinfo
  scantxoutset
  verifychain
  invalidateblock
  reconsiderblock
  preciousblock
  waitfornewblock
  waitforblock
  waitforblockheight
  getrawtransaction
  decoderawtransaction
  decodescript
  createrawtransaction
  combinerawtransaction
  signrawtransactionwithkey
  sendrawtransaction
  testmempoolaccept
  getmempoolinfo
  getrawmempool
  getmempoolentry
  prioritisetransaction
  getmininginfo
  getnetworkhashps
  generatetoaddress
  generatetodescriptor
  generateblock
  getblocktemplate
  submitblock
  submitheader
  getnetworkinfo
  getpeerinfo
  getconnectioncount
  addnode
  addconnection
  disconnectnode
  ping
  setnetworkactive
  getnettotals
  addpeeraddress
  getnodeaddresses
  getaddrmaninfo
  estimatesmartfee
  estimaterawfee
  validateaddress
  deriveaddresses
  getdescriptorinfo
  createmultisig
  signmessagewithprivkey
  verifymessage
  help
  uptime
  logging
  getrpcinfo
  setmocktime
  mockscheduler
  syncwithvalidationinterfacequeue
  echo
  echojson
  createwallet
  loadwallet
  unloadwallet
  listwallets
  listwalletdir
  getwalletinfo
  getnewaddress
  getrawchangeaddress
  getbalance
  getbalances
  listunspent
  listtransactions
  gettransaction
  sendtoaddress
  walletpassphrase
  walletlock
  encryptwallet
`
  .trim()
  .split(/\s+/);

/** Methods of which one call must end before the next. */
const ALONE = [
  "scantxoutset",
  "disconnectnode",
  "addconnection",
  "createwallet",
  "loadwallet",
  "unloadwallet",
  "walletpassphrase",
  "walletlock",
  "encryptwallet",
];

/** Methods that take values of any type. */
const ANY_TYPE = ["echo", "echojson"];

suite("every method in every form", { skip: noShapes }, () => {
  let world: RpcWorld;
  let cases: Cases;
  const counts = new Map<string, number>();
  const count = (form: string) => counts.set(form, (counts.get(form) ?? 0) + 1);

  before(async () => {
    world = await RpcWorld.build();
    cases = await rpcCases(world);
  });

  after(async () => {
    const forms = [...counts].map(([form, number]) => `${form} ${number}`).join(", ");
    const total = [...counts.values()].reduce((sum, number) => sum + number, 0);
    console.log(`${Object.keys(cases).length + 1} methods, ${total} method forms checked: ${forms}`);
    await world?.[Symbol.asyncDispose]();
  });

  const argumentsOf = (method: string): readonly ShapeArgument[] => SHAPES[method]?.args ?? [];

  /** Arguments by name. */
  function byName(method: string, values: readonly Reply[], from = 0): Record<string, Reply> {
    const names = argumentsOf(method).map(({ name }) => name);
    const named: Record<string, Reply> = {};
    for (let i = from; i < values.length; i++) named[names[i]!] = values[i];
    return named;
  }

  function holdToShape(method: string, form: string, result: Reply): void {
    assert.deepEqual(shapeDifferences(method, result), [], `${method} ${form}: ${JSON.stringify(result)}`);
    count(form);
  }

  /** An argument as a word of the command line. */
  const wordOf = (value: Reply): string => (typeof value === "string" ? value : JSON.stringify(value));

  function wordsOf(method: string, values: readonly Reply[]): string[] {
    // echojson takes JSON everywhere: its strings need quotes.
    return values.map((value) => (method === "echojson" ? JSON.stringify(value) : wordOf(value)));
  }

  function namedWords(method: string, values: readonly Reply[], from = 0): string[] {
    return Object.entries(byName(method, values, from)).map(
      ([name, value]) => `${name}=${wordsOf(method, [value])[0]}`,
    );
  }

  function resultOf(method: string, { code, stdout, stderr }: Omit<Ended, "signal">): Reply {
    assert.deepEqual([code, stderr], [0, ""], `${method}: ${stdout}`);
    if (stdout === "") return null;
    // Strings come without quotes, and a result that is text may look like JSON.
    try {
      const value: Reply = JSON.parse(stdout);
      const isNumber = SHAPES[method]?.results?.some(({ fields }) => fields["."] === "numeric") === true;
      return typeof value === "number" && !isNumber ? stdout.trimEnd() : value;
    } catch {
      return stdout.replace(/\n$/, "");
    }
  }

  async function refused(
    method: string,
    params: unknown,
    codes: readonly number[],
    what: string,
  ): Promise<string> {
    let failure: RpcFailure | undefined;
    try {
      await world.node.rpc(method, params);
    } catch (error) {
      failure = error as RpcFailure;
    }
    assert.ok(failure !== undefined && codes.includes(failure.code), `${method} ${what}: ${failure}`);
    return failure.message;
  }

  /** bitcoin-cli in this process, for what it says of errors. */
  async function cliHere(
    words: readonly string[],
  ): Promise<{ code: number; stderr: string; stdout: string }> {
    const { datadir, rpcPort } = world.node;
    return runBitcoinCli([`-datadir=${datadir}`, "-regtest", `-rpcport=${rpcPort}`, ...words], "v", () => {});
  }

  const methods = Object.keys(SHAPES).length === 0 ? [] : METHODS;
  for (const method of methods) {
    test(method, async () => {
      const make = cases[method]!;
      const { node } = world;
      const names = argumentsOf(method);

      // Over HTTP.
      holdToShape(method, "HTTP positional", await node.rpc(method, await make()));
      holdToShape(method, "HTTP named", await node.rpc(method, byName(method, await make())));
      const values = await make();
      const mixed = { args: values.slice(0, 1), ...byName(method, values, 1) };
      holdToShape(method, "HTTP mixed", await node.rpc(method, mixed));
      await checkBatch(method, make);

      // Through the real client, and its code in this process.
      const positional = async () => node.cli([method, ...wordsOf(method, await make())]);
      const named = async () => node.cli(["-named", method, ...namedWords(method, await make())]);
      const [one, two] = ALONE.includes(method)
        ? [await positional(), await named()]
        : await Promise.all([positional(), named()]);
      holdToShape(method, "cli positional", resultOf(method, one));
      holdToShape(method, "cli named", resultOf(method, two));
      if (names.length > 1) {
        const all = await make();
        const line = [...wordsOf(method, all.slice(0, 1)), ...namedWords(method, all, 1)];
        holdToShape(method, "cli mixed", resultOf(method, await cliHere(["-named", method, ...line])));
      }

      await checkTypes(method, await make());
      await checkCounts(method, await make());
    });
  }

  /** A legacy call and one of 2.0 in one batch. */
  async function checkBatch(method: string, make: Cases[string]): Promise<void> {
    const batch = [
      { id: "a", method, params: await make() },
      { jsonrpc: "2.0", id: "b", method: "getblockcount" },
    ];
    const reply = await world.node.post(JSON.stringify(batch));
    assert.equal(reply.status, 200);
    assert.equal(reply.headers["content-type"], "application/json");
    const [legacy, modern]: Reply = JSON.parse(reply.text);
    assert.deepEqual(Object.keys(legacy).sort(), ["error", "id", "result"]);
    assert.deepEqual([legacy.id, legacy.error], ["a", null]);
    assert.deepEqual(Object.keys(modern).sort(), ["id", "jsonrpc", "result"]);
    holdToShape(method, "HTTP batch", legacy.result);
  }

  async function checkTypes(method: string, values: readonly Reply[]): Promise<void> {
    if (ANY_TYPE.includes(method)) return;
    for (const [i, { name, type }] of argumentsOf(method).entries()) {
      const params = Array.from({ length: Math.max(values.length, i + 1) }, (_, at) => values[at] ?? null);
      // An object of outputs is as good as an array of them.
      params[i] = name === "outputs" ? "text" : WRONG[type];
      const message = await refused(method, params, [-3, -8], `wrong ${name}`);
      assert.match(
        message,
        /of expected type|Amount is not|Range must be|Querying specific block/,
        `${method} ${name}`,
      );
      count("HTTP wrong type");
      if (type === "string") continue;
      const wrong = params.map(wordOf);
      if (typeof params[i] === "string") wrong[i] = JSON.stringify(params[i]);
      const outcome = await cliHere([method, ...wrong]);
      assert.ok([3, 8].includes(outcome.code), `${method} ${wrong.join(" ")}: ${outcome.stderr}`);
      assert.match(outcome.stderr, /^error code: -[38]\nerror message:\n/);
      assert.equal(outcome.stdout, "");
      count("cli wrong type");
    }
  }

  async function checkCounts(method: string, values: readonly Reply[]): Promise<void> {
    const all = argumentsOf(method);
    const usage = SHAPES[method]!.usage;
    const required = all.findLastIndex((argument) => argument.required) + 1;
    if (required > 0) {
      const short = values.slice(0, required - 1);
      const message = await refused(method, short, [-1], "missing");
      assert.ok(message.includes(`${usage}\n`), message);
      count("HTTP missing");
      const outcome = await cliHere([method, ...wordsOf(method, short)]);
      assert.equal(outcome.code, 1);
      assert.ok(outcome.stderr.startsWith(`error code: -1\nerror message:\n${usage}\n`), outcome.stderr);
      count("cli missing");
    }
    const surplus = Array.from({ length: all.length + 1 }, (_, i) => values[i] ?? null);
    assert.ok((await refused(method, surplus, [-1], "surplus")).includes(`${usage}\n`));
    count("HTTP surplus");
    const outcome = await cliHere([method, ...surplus.map(() => "1")]);
    assert.equal(outcome.code, 1, outcome.stderr);
    count("cli surplus");
    const message = await refused(method, { nosuchname: 1 }, [-8], "unknown name");
    assert.ok(message.includes("Unknown named parameter nosuchname"));
    count("HTTP unknown name");
  }

  test("the methods and their arguments are Core's", async () => {
    assert.deepEqual(Object.keys(cases).sort(), [...METHODS].sort());
    const listed = (await world.node.rpc("help")).split("\n").filter((line: string) => /^\w/.test(line));
    const shown = METHODS.concat("stop").filter((method) => SHAPES[method]?.category !== "hidden");
    assert.deepEqual(listed.sort(), shown.map((method) => SHAPES[method]?.usage).sort());
    for (const method of METHODS) {
      const help: string = await world.node.rpc("help", [method]);
      assert.equal(help.split("\n")[0], SHAPES[method]?.usage);
      for (const [i, { name, type, required }] of argumentsOf(method).entries()) {
        if (ANY_TYPE.includes(method)) continue;
        const line = new RegExp(
          `^${i + 1}\\. ${name} +\\(${type}, ${required ? "required" : "optional"}`,
          "m",
        );
        assert.match(help, line, `${method} ${name}`);
      }
    }
    count("help");
  });

  test("what this node has not answers -32601 and nothing else", async () => {
    const others = Object.keys(SHAPES).filter((method) => !METHODS.includes(method) && method !== "stop");
    assert.ok(others.length > 70);
    for (const method of [...others, "getinfo", "random", "", "toString", "__proto__"]) {
      const message = await refused(method, [], [-32601], "unknown method");
      assert.match(message, /Method not found/);
      count("unknown method");
    }
    const { status } = await world.node.post(JSON.stringify({ id: 1, method: "getinfo" }));
    assert.equal(status, 404);
  });

  test("stop", async () => {
    const { node, peer } = world;
    await refused("stop", ["x"], [-3], "wrong wait");
    await refused("stop", [0, 0], [-1], "surplus");
    await refused("stop", { x: 1 }, [-8], "unknown name");
    const clean = { code: 0, signal: null, stdout: "", stderr: "" };
    // As Core's test framework calls it, and as people do.
    holdToShape("stop", "HTTP named", await node.rpc("stop", { wait: 0 }));
    assert.deepEqual(await node.ended, clean);
    holdToShape("stop", "cli positional", resultOf("stop", await peer.cli(["stop"])));
    assert.deepEqual(await peer.ended, clean);
  });
});
