/** Fees on a real node: learnt from blocks, asked for over RPC, paid by the wallet, kept over a start. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type NodeProcess, type Reply, startNode, temporaryDirectory } from "./node-process.ts";

/** Bitcoin per kvB that the payments of this test pay. */
const RATE = 0.0005;
const ROUNDS = 12;
const EACH = 3;
/** Height at which the first payment is mined. */
const FIRST = 102;

let directory: string;
let node: NodeProcess;

before(async () => {
  directory = temporaryDirectory();
  node = await startNode({ datadir: directory });
  await node.rpc("createwallet", ["purse"]);
});
after(async () => {
  await node?.[Symbol.asyncDispose]();
});

test("a node that has seen nothing has no estimate, and the wallet falls back", async () => {
  assert.deepEqual(await node.rpc("estimatesmartfee", [6]), {
    errors: ["Insufficient data or no feerate found"],
    blocks: 0,
  });
  const { fail, ...raw } = (await node.rpc("estimaterawfee", [6])).short as Reply;
  assert.deepEqual(raw, {
    decay: 0.962,
    scale: 1,
    errors: ["Insufficient data or no feerate found which meets threshold"],
  });
  assert.equal(fail.startrange, 0);
  const address: string = await node.rpc("getnewaddress");
  await node.rpc("generatetoaddress", [101, address]);
  const sent = await node.rpc("sendtoaddress", { address, amount: 1, verbose: true });
  assert.equal(sent.fee_reason, "Fallback fee");
});

test("what is mined in time at a rate is the estimate, and what the wallet pays", async () => {
  const address: string = await node.rpc("getnewaddress");
  // Coins of their own: what hangs on another transaction that waits tells of no fee.
  await node.rpc("generatetoaddress", [ROUNDS * EACH, address]);
  await node.rpc("generatetoaddress", [100, await node.rpc("getnewaddress")]);
  const coins: Reply[] = await node.rpc("listunspent", [100]);
  assert.ok(coins.length >= ROUNDS * EACH);
  for (let round = 0; round < ROUNDS; round++) {
    for (let i = 0; i < EACH; i++) {
      await node.rpc("sendtoaddress", { address, amount: 40, fee_rate: (RATE * 1e8) / 1000 });
    }
    await node.rpc("generatetoaddress", [1, address]);
  }
  // A signature can be a byte shorter than the wallet reckoned with, so that some pay a little more
  // than RATE: each horizon and threshold then has a mean of its own.
  const nearRate = (rate: number) => assert.ok(Math.abs(rate / RATE - 1) < 0.02, String(rate));
  const { feerate, blocks } = await node.rpc("estimatesmartfee", [2]);
  assert.equal(blocks, 2);
  nearRate(feerate);
  const { blocks: longest } = await node.rpc("estimatesmartfee", [1000]);
  const seen = (await node.rpc("getblockcount")) - FIRST;
  assert.equal(longest, Math.floor(seen / 2), "half of the blocks since the first that was mined");
  const { feerate: conservative } = await node.rpc("estimatesmartfee", [2, "CONSERVATIVE"]);
  nearRate(conservative);
  assert.ok(conservative >= feerate, `${conservative} < ${feerate}`);
  const { short } = await node.rpc("estimaterawfee", [2, 0.9]);
  nearRate(short.feerate);
  assert.ok(short.pass.startrange < RATE * 1e8 && short.pass.endrange >= RATE * 1e8 * 0.98);
  assert.equal(short.pass.withintarget, short.pass.totalconfirmed);
  const sent = await node.rpc("sendtoaddress", { address, amount: 1, verbose: true });
  assert.notEqual(sent.fee_reason, "Fallback fee");
  const { vsize, fees } = await node.rpc("getmempoolentry", [sent.txid]);
  assert.ok(Math.abs((fees.base * 1000) / vsize / RATE - 1) < 0.03);
});

test("estimates are there after a start", async () => {
  const before = await node.rpc("estimatesmartfee", [2]);
  await node.stop();
  assert.ok(existsSync(join(directory, "regtest", "fee-estimates.dat")));
  node = await startNode({ datadir: directory });
  assert.deepEqual(await node.rpc("estimatesmartfee", [2]), before);
});

test("with -fallbackfee=0 nothing is paid while nothing is known", async () => {
  await using other = await startNode({ args: ["-fallbackfee=0"] });
  await other.rpc("createwallet", ["purse"]);
  const address: string = await other.rpc("getnewaddress");
  await other.rpc("generatetoaddress", [101, address]);
  await assert.rejects(other.rpc("sendtoaddress", [address, 1]), {
    code: -6,
    message: /Fee estimation failed. Fallbackfee is disabled. Wait a few blocks or enable -fallbackfee\./,
  });
  await other.rpc("sendtoaddress", { address, amount: 1, fee_rate: 2 });
});

test("false targets, modes and thresholds get Core's words", async () => {
  const failure = async (method: string, params: unknown[]) => {
    const error = await node.rpc(method, params).catch((reason: Reply) => reason);
    return [error.code, error.message.replace(/^\w+: | \(-\d+\)$/g, "")];
  };
  for (const target of [0, 1009, -1]) {
    const wanted = [-8, "Invalid conf_target, must be between 1 and 1008"];
    assert.deepEqual(await failure("estimatesmartfee", [target]), wanted);
    assert.deepEqual(await failure("estimaterawfee", [target]), wanted);
  }
  assert.deepEqual(await failure("estimatesmartfee", [6, "foo"]), [
    -8,
    'Invalid estimate_mode parameter, must be one of: "unset", "economical", "conservative"',
  ]);
  for (const threshold of [-0.1, 1.1]) {
    assert.deepEqual(await failure("estimaterawfee", [6, threshold]), [-8, "Invalid threshold"]);
  }
});

test("addresses are counted by network", async () => {
  await node.rpc("addpeeraddress", ["1.2.3.4", 8333, false]);
  const counts = await node.rpc("getaddrmaninfo");
  assert.deepEqual(counts.ipv4, { new: 1, tried: 0, total: 1 });
  assert.deepEqual(counts.all_networks, { new: 1, tried: 0, total: 1 });
});
