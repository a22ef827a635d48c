import assert from "node:assert/strict";
import { test } from "node:test";
import { parseBlock } from "#protocol/bitcoin/block-table.ts";
import { regtest } from "#protocol/bitcoin/networks.ts";
import { hashTxs } from "#protocol/bitcoin/txid.ts";
import { buildChain, genesisBlock } from "./chain-fixture.ts";
import type { HashedBlock } from "./chain-update.ts";
import type { HeaderNode } from "./header-node.ts";
import { HeaderTree } from "./header-tree.ts";
import { TipMove } from "./tip-move.ts";
import { verificationProgress } from "./verification-progress.ts";

const network = regtest();
const genesis = genesisBlock(network);
const tree = new HeaderTree();
const nodes: HeaderNode[] = [tree.add(genesis.hash, genesis.raw, 0, null)];
const hashed: HashedBlock[] = [];
for (const { hash, raw } of buildChain(network, genesis, 4)) {
  nodes.push(tree.add(hash, raw, 0, nodes.at(-1)!));
  const block = parseBlock(raw);
  hashed.push({ block, hashes: hashTxs(block.txs) });
}

const never = (): Promise<HashedBlock> => Promise.reject(new Error("not to be read"));

test("blocks that left and came back were never gone", () => {
  const move = new TipMove(never);
  assert.ok(move.isEmpty);
  move.disconnect(nodes[3]!, hashed[2]!);
  move.disconnect(nodes[2]!, hashed[1]!);
  move.connect(nodes[2]!, hashed[1]!);
  assert.deepEqual(
    move.disconnected.map(({ node }) => node.height),
    [3],
  );
  move.connect(nodes[3]!, hashed[2]!);
  assert.ok(move.isEmpty);
  move.connect(nodes[4]!, hashed[3]!);
  move.disconnect(nodes[4]!, hashed[3]!);
  assert.ok(move.isEmpty, "nor was there what came and left");
});

test("a long move lets blocks go, and has them read again", async () => {
  const big = {
    block: { ...hashed[0]!.block, bytes: new Uint8Array(40 * 1024 * 1024) },
    hashes: hashed[0]!.hashes,
  };
  const read: HeaderNode[] = [];
  const move = new TipMove((node) => {
    read.push(node);
    return Promise.resolve(hashed[1]!);
  });
  move.connect(nodes[1]!, big);
  move.connect(nodes[2]!, big);
  assert.equal(await move.connected[0]!.load(), big);
  assert.equal(await move.connected[1]!.load(), hashed[1]);
  assert.deepEqual(read, [nodes[2]]);
});

test("progress is the share of the transactions that there may be", () => {
  const node = nodes[2]!;
  const best = nodes[4]!;
  assert.equal(verificationProgress(network, node, best, node.time), 0, "no block was received");
  tree.setChainTxCount(node, 300);
  // Some days old: a thousandth of a transaction each second since.
  const old = verificationProgress(network, node, best, node.time + 100_000);
  assert.equal(old, 300 / 400);
  // Recent: two blocks are missing, as many times ten minutes.
  const recent = verificationProgress(network, node, best, node.time + 3600);
  assert.equal(recent, 300 / (300 + 2 * 600 * 0.001));
  assert.equal(verificationProgress(network, node, node, node.time + 3600), 1);
});
