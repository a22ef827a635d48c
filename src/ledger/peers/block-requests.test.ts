import assert from "node:assert/strict";
import { test } from "node:test";
import type { HeaderNode } from "#ledger/chain/header-node.ts";
import { HeaderTree } from "#ledger/chain/header-tree.ts";
import { regtest } from "#protocol/bitcoin/networks.ts";
import { BlockRequests } from "./block-requests.ts";

function nodes(count: number): HeaderNode[] {
  const tree = new HeaderTree();
  const { genesis } = regtest();
  const made: HeaderNode[] = [];
  for (let i = 0; i < count; i++)
    made.push(tree.add(new Uint8Array(32).fill(i + 1), genesis, 0, made.at(-1) ?? null));
  return made;
}

test("requests are known by peer and by block, the first peer first", () => {
  const [a, b] = nodes(2) as [HeaderNode, HeaderNode];
  const requests = new BlockRequests();
  assert.equal(requests.add(1, a, 10), true);
  assert.equal(requests.add(1, a, 20), false);
  requests.add(2, a, 20);
  requests.add(1, b, 30);
  assert.deepEqual(requests.peersOf(a), [1, 2]);
  assert.deepEqual(requests.of(1).inFlight, [a, b]);
  assert.equal(requests.of(1).downloadingSince, 10);
  assert.deepEqual([requests.blocks, requests.peersDownloading], [2, 2]);
  requests.remove(a, 40, 1);
  assert.deepEqual(requests.peersOf(a), [2]);
  // The next block is waited for from now on.
  assert.equal(requests.of(1).downloadingSince, 40);
  requests.remove(a, 50);
  assert.equal(requests.has(a), false);
  assert.deepEqual([requests.blocks, requests.peersDownloading], [1, 1]);
});

test("a block that came ends a stall, and a peer that went owes nothing", () => {
  const [a, b] = nodes(2) as [HeaderNode, HeaderNode];
  const requests = new BlockRequests();
  requests.add(1, a, 10);
  requests.add(1, b, 10);
  requests.of(1).stallingSince = 15;
  requests.remove(b, 20);
  assert.equal(requests.of(1).stallingSince, 0);
  // It was not the one waited for.
  assert.equal(requests.of(1).downloadingSince, 10);
  requests.disconnected(1, 30);
  assert.deepEqual([requests.blocks, requests.peersDownloading], [0, 0]);
  assert.equal(requests.has(a), false);
});
