/** Two nodes of ours on regtest, each a process: what one has, the other gets over the wire. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type NodeProcess, type Reply, startNode, until } from "./node-process.ts";

const BLOCKS = 500;
/** The keys 1 and 2, of the first and the second node. */
const KEYS = [
  "cMahea7zqjxrtgAbB7LSGbcQUr1uX1ojuat9jZodMN87JcbXMTcA",
  "cMahea7zqjxrtgAbB7LSGbcQUr1uX1ojuat9jZodMN87K7XCyj5v",
] as const;
/** Transactions are passed on to such peers at once, where others wait some seconds. */
const TRUSTED = "-whitelist=in,out,noban@127.0.0.1";

let first: NodeProcess;
let second: NodeProcess;
const addresses: string[] = [];

before(async () => {
  [first, second] = await Promise.all([startNode({ args: [TRUSTED] }), startNode({ args: [TRUSTED] })]);
  for (const key of KEYS) {
    const { checksum } = await first.rpc("getdescriptorinfo", [`wpkh(${key})`]);
    addresses.push((await first.rpc("deriveaddresses", [`wpkh(${key})#${checksum}`]))[0]);
  }
});

after(async () => {
  for (const node of [first, second]) await node?.[Symbol.asyncDispose]();
});

/** `from` opens a connection to `to`. */
async function connect(from: NodeProcess, to: NodeProcess): Promise<void> {
  await from.rpc("addnode", [`127.0.0.1:${to.port}`, "onetry"]);
  await until("both have shaken hands", async () => {
    const peers: Reply[] = [...(await from.rpc("getpeerinfo")), ...(await to.rpc("getpeerinfo"))];
    return peers.length === 2 && peers.every(({ bytesrecv_per_msg }) => bytesrecv_per_msg.pong > 0);
  });
}

async function disconnect(from: NodeProcess, to: NodeProcess): Promise<void> {
  await from.rpc("disconnectnode", [`127.0.0.1:${to.port}`]);
  await until("neither has a peer", async () => {
    const counts = await Promise.all([from.rpc("getconnectioncount"), to.rpc("getconnectioncount")]);
    return counts.every((count) => count === 0);
  });
}

/** Mines blocks to the node's own key; the result is their hashes. */
function mine(node: NodeProcess, count: number): Promise<string[]> {
  return node.rpc("generatetoaddress", [count, addresses[node === first ? 0 : 1]]);
}

async function untilSameTip(height: number): Promise<void> {
  await until(`both are at height ${height}`, async () => {
    const tips = await Promise.all([first.rpc("getbestblockhash"), second.rpc("getbestblockhash")]);
    return tips[0] === tips[1] && (await first.rpc("getblockcount")) === height;
  });
  const [ours, theirs] = await Promise.all([first, second].map((node) => node.rpc("gettxoutsetinfo")));
  assert.equal(ours.height, height);
  assert.equal(ours.hash_serialized_3, theirs.hash_serialized_3);
}

/** Signs a transaction that spends the coinbase of `height`, the node's own, to `address`. */
async function spendCoinbase(node: NodeProcess, height: number, address: string): Promise<string> {
  const block = await node.rpc("getblock", [await node.rpc("getblockhash", [height]), 1]);
  const inputs = [{ txid: block.tx[0], vout: 0 }];
  const { value } = await node.rpc("gettxout", [block.tx[0], 0]);
  const raw = await node.rpc("createrawtransaction", [inputs, { [address]: value - 0.001 }]);
  const key = KEYS[node === first ? 0 : 1];
  const { hex, complete } = await node.rpc("signrawtransactionwithkey", [raw, [key]]);
  assert.equal(complete, true);
  return hex;
}

test("each syncs 500 blocks from the other, whoever dialled", async () => {
  await mine(first, BLOCKS);
  await connect(second, first);
  await untilSameTip(BLOCKS);
  await disconnect(second, first);

  await mine(second, BLOCKS);
  assert.equal(await first.rpc("getblockcount"), BLOCKS);
  await connect(second, first);
  await untilSameTip(2 * BLOCKS);
});

test("each hands its transactions to the other, which mines them", async () => {
  const [sender, receiver] = addresses as [string, string];
  for (const [from, to, height, address] of [
    [first, second, 1, receiver],
    [second, first, BLOCKS + 1, sender],
  ] as const) {
    const hex = await spendCoinbase(from, height, address);
    const txid = await from.rpc("sendrawtransaction", [hex]);
    await until("the transaction is passed on", async () => (await to.rpc("getrawmempool")).includes(txid));
    assert.equal(await to.rpc("getrawtransaction", [txid]), hex);
    const [hash] = await mine(to, 1);
    await until("the block is passed on", async () => (await from.rpc("getbestblockhash")) === hash);
    assert.ok((await from.rpc("getblock", [hash])).tx.includes(txid));
    assert.deepEqual(await from.rpc("getrawmempool"), []);
    assert.ok((await from.rpc("gettxout", [txid, 0])).confirmations === 1);
  }
  await untilSameTip(2 * BLOCKS + 2);
});

for (const depth of [2, 30]) {
  test(`each follows a reorg of the other, ${depth} blocks deep; what it had mined comes back`, async () => {
    for (const [loser, winner, coin] of [
      [first, second, depth],
      [second, first, BLOCKS + depth],
    ] as const) {
      const fork = await first.rpc("getblockcount");
      await disconnect(second, first);
      const hex = await spendCoinbase(loser, coin, addresses[0]!);
      const txid = await loser.rpc("sendrawtransaction", [hex]);
      const lost = await mine(loser, depth);
      assert.deepEqual(await loser.rpc("getrawmempool"), []);
      const won = await mine(winner, depth + 1);
      await connect(second, first);
      await untilSameTip(fork + depth + 1);
      assert.equal(await loser.rpc("getbestblockhash"), won.at(-1));
      const tips: Reply[] = await loser.rpc("getchaintips");
      const old = tips.find(({ hash }) => hash === lost.at(-1));
      assert.deepEqual(old, {
        height: fork + depth,
        hash: lost.at(-1),
        branchlen: depth,
        status: "valid-fork",
      });
      assert.deepEqual(await loser.rpc("getrawmempool"), [txid]);
      await mine(loser, 1);
      await untilSameTip(fork + depth + 2);
      assert.ok((await winner.rpc("gettxout", [txid, 0])) !== null);
    }
  });
}

test("both stop in order", async () => {
  for (const node of [first, second]) {
    const { code, stderr } = await node.stop();
    assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  }
});
