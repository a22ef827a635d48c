/** Wallets of two nodes of ours, each a process: paying each other, killed, reorganised, restored. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { freePort } from "../../demo/free-port.ts";
import {
  FREEHOLD,
  type NodeProcess,
  type Reply,
  runProgram,
  startNode,
  temporaryDirectory,
  until,
} from "./node-process.ts";

const TRUSTED = "-whitelist=in,out,noban@127.0.0.1";
let alice: NodeProcess;
let bob: NodeProcess;

before(async () => {
  [alice, bob] = await Promise.all([startNode({ args: [TRUSTED] }), startNode({ args: [TRUSTED] })]);
  await bob.rpc("addnode", [`127.0.0.1:${alice.port}`, "add"]);
});
after(async () => {
  for (const node of [alice, bob]) await node?.[Symbol.asyncDispose]();
});

async function failure(node: NodeProcess, method: string, params: unknown = []): Promise<Reply> {
  try {
    await node.rpc(method, params);
  } catch (error) {
    return { code: (error as Reply).code, message: (error as Error).message };
  }
  throw new Error(`${method} did not fail`);
}

/** A call to one of several wallets. */
async function of(node: NodeProcess, wallet: string, method: string, params: unknown[] = []): Promise<Reply> {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  const { text } = await node.post(body, { path: `/wallet/${encodeURIComponent(wallet)}` });
  const { result, error } = JSON.parse(text);
  if (error !== undefined) throw Object.assign(new Error(error.message), { code: error.code });
  return result;
}

async function sameTip(): Promise<void> {
  await until("both have one tip", async () => {
    const tips = await Promise.all([alice, bob].map((node) => node.rpc("getbestblockhash")));
    return tips[0] === tips[1];
  });
}

test("without a wallet, with an unknown one and with several: Core's codes", async () => {
  assert.equal((await failure(alice, "getbalance")).code, -18);
  await assert.rejects(of(alice, "nobody", "getbalance"), { code: -18 });
  assert.equal((await failure(alice, "loadwallet", ["nobody"])).code, -18);
  assert.equal((await failure(alice, "unloadwallet", ["nobody"])).code, -18);
  assert.deepEqual(await alice.rpc("createwallet", ["one"]), { name: "one" });
  const again = await failure(alice, "createwallet", ["one"]);
  assert.equal(again.code, -4);
  assert.match(again.message, /Database already exists\./);
  assert.equal((await failure(alice, "createwallet", [""])).code, -8);
  assert.equal((await failure(alice, "loadwallet", ["one"])).code, -35);
  await alice.rpc("createwallet", ["two words"]);
  assert.equal((await failure(alice, "getbalance")).code, -19);
  assert.deepEqual(await alice.rpc("listwallets"), ["one", "two words"]);
  const { stdout, code } = await alice.cli(["-rpcwallet=two words", "getwalletinfo"]);
  assert.deepEqual([code, JSON.parse(stdout).walletname], [0, "two words"]);
  const several = await alice.cli(["getbalance"]);
  assert.equal(several.code, 19);
  await alice.rpc("unloadwallet", ["two words"]);
  assert.deepEqual((await alice.rpc("listwalletdir")).wallets, [{ name: "one" }, { name: "two words" }]);
  assert.equal((await failure(alice, "getnewaddress", ["", "legacy"])).code, -12);
  assert.equal((await failure(alice, "getnewaddress", ["", "unknown"])).code, -5);
  assert.equal((await failure(alice, "walletpassphrase", ["x", 1])).code, -15);
  assert.equal((await failure(alice, "walletlock")).code, -15);
  assert.equal((await failure(alice, "gettransaction", ["ab".repeat(32)])).code, -5);
});

test("alice pays bob; he sees it at once, then in a block; both remember it after a kill", async () => {
  const mined: string = await alice.rpc("getnewaddress");
  const generated = await alice.cli(["-generate", "1"]);
  assert.equal(JSON.parse(generated.stdout).blocks.length, 1);
  assert.equal((await alice.rpc("getbalances")).mine.immature, 50);
  await alice.rpc("generatetoaddress", [100, mined]);
  assert.equal(await alice.rpc("getbalance"), 50);
  assert.equal((await alice.rpc("getbalances")).mine.immature, 5000);
  await sameTip();
  await bob.rpc("createwallet", ["freehold"]);
  const address: string = await bob.rpc("getnewaddress", ["rent", "bech32m"]);
  assert.equal((await failure(alice, "sendtoaddress", [address, 51])).code, -6);
  assert.equal((await failure(alice, "sendtoaddress", ["nonsense", 1])).code, -5);
  const txid: string = await alice.rpc("sendtoaddress", {
    address,
    amount: 1.5,
    fee_rate: 7,
    comment: "May",
  });
  const sent = await alice.rpc("gettransaction", [txid]);
  assert.equal(sent.amount, -1.5);
  assert.equal(sent.comment, "May");
  assert.equal(sent.details[0].category, "send");
  const { vsize, locktime, vin } = await alice.rpc("decoderawtransaction", [sent.hex]);
  assert.ok(
    -sent.fee * 1e8 >= vsize * 7 && -sent.fee * 1e8 < (vsize + 2) * 7 + 1,
    `${sent.fee} for ${vsize}`,
  );
  assert.ok(locktime <= 101 && vin[0].sequence === 0xffff_fffd);
  await until("bob sees it", async () => (await bob.rpc("getbalances")).mine.untrusted_pending === 1.5);
  const [line] = await bob.rpc("listtransactions", ["rent"]);
  assert.deepEqual(
    [line.txid, line.category, line.amount, line.label, line.confirmations, line.trusted],
    [txid, "receive", 1.5, "rent", 0, false],
  );
  await alice.rpc("generatetoaddress", [1, mined]);
  await sameTip();
  assert.equal(await bob.rpc("getbalance"), 1.5);
  const [coin] = await bob.rpc("listunspent");
  assert.deepEqual([coin.txid, coin.address, coin.label, coin.confirmations], [txid, address, "rent", 1]);

  const datadir = bob.keep();
  await bob.kill("SIGKILL");
  await alice.rpc("sendtoaddress", [address, 0.25]);
  await alice.rpc("generatetoaddress", [3, mined]);
  bob = await startNode({ args: [TRUSTED], datadir, port: bob.port, rpcPort: bob.rpcPort });
  assert.deepEqual(await bob.rpc("listwallets"), ["freehold"], "the account is loaded by itself");
  assert.equal(await bob.rpc("getbalance"), 1.5);
  await bob.rpc("addnode", [`127.0.0.1:${alice.port}`, "onetry"]);
  await sameTip();
  assert.equal(await bob.rpc("getbalance"), 1.75);
});

test("a reorganisation, and a payment that its mempool forgot is sent again", async () => {
  const [hash] = await alice.rpc("generatetoaddress", [1, await alice.rpc("getrawchangeaddress")]);
  await sameTip();
  const back: string = await alice.rpc("getnewaddress");
  const txid: string = await bob.rpc("sendtoaddress", [back, 0.5]);
  const [block] = await bob.rpc("generatetoaddress", [1, await bob.rpc("getnewaddress")]);
  assert.equal((await bob.rpc("gettransaction", [txid])).confirmations, 1);
  await bob.rpc("invalidateblock", [block]);
  assert.equal((await bob.rpc("gettransaction", [txid])).confirmations, 0);
  assert.equal((await bob.rpc("getbalances")).mine.immature, 0);
  await bob.rpc("reconsiderblock", [block]);
  assert.equal((await bob.rpc("gettransaction", [txid])).blockhash, block);
  assert.notEqual(hash, block);

  await bob.rpc("invalidateblock", [block]);
  const datadir = bob.keep();
  await bob.stop();
  const options = { datadir, port: bob.port, rpcPort: bob.rpcPort };
  // Without its mempool the node knows of the payment by the wallet alone.
  bob = await startNode({ ...options, args: [TRUSTED, "-persistmempool=0"] });
  await until("it is sent again", async () => (await bob.rpc("getrawmempool")).includes(txid));
  assert.equal((await bob.rpc("gettransaction", [txid])).confirmations, 0);
});

test("freehold's own commands: words in, coins back, a passphrase, and nothing sent unseen", async () => {
  const datadir = temporaryDirectory();
  const [port, rpcPort] = [await freePort(), await freePort()];
  const place = ["--datadir", datadir, "--network", "regtest"];
  const daemon = [
    `-port=${port}`,
    `-rpcport=${rpcPort}`,
    "-connect=0",
    "-listen=0",
    "-apiport=0",
    "-sharing=0",
  ];
  const run = (words: string[], input?: string) =>
    runProgram(FREEHOLD, [...words, ...place, ...daemon], input === undefined ? {} : { input });
  const json = async (words: string[], input?: string): Promise<Reply> => {
    const { stdout, stderr, code } = await run([...words, "--json"], input);
    assert.equal(code, 0, stderr + stdout);
    return JSON.parse(stdout);
  };
  assert.equal((await run(["start"])).code, 0);
  try {
    const { words } = await json(["wallet", "new"]);
    const { address } = await json(["wallet", "receive", "--taproot"]);
    const cli = [
      "-regtest",
      `-datadir=${datadir}`,
      `-rpcport=${rpcPort}`,
      "generatetoaddress",
      "101",
      address,
    ];
    assert.equal((await runProgram(FREEHOLD.replace("bin/freehold", "compat/bitcoin-cli"), cli)).code, 0);
    assert.equal((await json(["wallet", "balance"])).balance.trusted, 50e8);
    const order = ["wallet", "send", "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", "0.5btc"];
    const unseen = await run(order);
    assert.equal(unseen.code, 2);
    assert.match(
      unseen.stderr,
      /Amount {2}50,000,000 sat \(0\.5 BTC\)\n {2}Fee .*sat\/vB, .*% of the amount/,
    );
    assert.match(unseen.stderr, /--yes/);
    assert.equal((await json(["wallet", "history", "--limit", "500"])).length, 101);
    const sent = await json([...order, "--yes", "--fee-rate", "3"]);
    assert.equal(sent.total, 50_000_000 + sent.fee);
    assert.match(
      (await run(["wallet", "history", "--limit", "1"])).stdout,
      /−50,\d{3},\d{3} sat {2}waits for a block/,
    );
    const twin = ["--wallet", "twin"];
    const restored = await json(["wallet", "restore", "--passphrase", ...twin], `${words}\na secret\n`);
    assert.equal(restored.balance.trusted, 50e8 - sent.total);
    assert.equal(restored.locked, true);
    assert.equal((await run(["wallet", "send", order[2]!, "1000", "--yes", ...twin])).code, 1);
    assert.equal((await run(["wallet", "unlock", ...twin], "wrong\n")).code, 1);
    assert.equal((await json(["wallet", "unlock", ...twin], "a secret\n")).locked, false);
    assert.equal((await json(["wallet", "words", "--yes", ...twin], "a secret\n")).words, words);
    assert.equal(
      (await json(["wallet", "send", order[2]!, "all", "--yes", ...twin])).total,
      50e8 - sent.total,
    );
    assert.equal((await json(["wallet", "lock", ...twin])).locked, true);
  } finally {
    await run(["stop"]);
  }
});
