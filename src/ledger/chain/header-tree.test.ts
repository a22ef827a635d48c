import assert from "node:assert/strict";
import { test } from "node:test";
import { writeU32 } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { blockHash } from "#protocol/bitcoin/txid.ts";
import { blockWork } from "#protocol/consensus/pow.ts";
import { ActiveChain } from "./active-chain.ts";
import { BlockCandidates, compareCandidates } from "./block-candidates.ts";
import { BlockStatus, type HeaderNode, lastCommonAncestor } from "./header-node.ts";
import { HeaderTree } from "./header-tree.ts";
import { findForkOf, locatorOf } from "./locator.ts";

const BITS = 0x207f_ffff;

function addHeader(
  tree: HeaderTree,
  prev: HeaderNode | null,
  nonce: number,
  time = 1000 + nonce,
): HeaderNode {
  const header = new Uint8Array(80);
  if (prev !== null) header.set(prev.hash, 4);
  writeU32(header, 68, time);
  writeU32(header, 72, BITS);
  writeU32(header, 76, nonce);
  return tree.add(blockHash(header), header, 0, prev);
}

/** A tree of `count` headers, each on a random earlier one, mostly on a late one. */
function randomTree(count: number, seed: number): { tree: HeaderTree; nodes: HeaderNode[] } {
  const random = new SeededRandom(seed);
  const tree = new HeaderTree();
  const nodes = [addHeader(tree, null, 0)];
  for (let i = 1; i < count; i++) {
    const back = random.below(10) === 0 ? random.below(i) : random.below(Math.min(i, 2));
    nodes.push(addHeader(tree, nodes[i - 1 - back]!, i));
  }
  return { tree, nodes };
}

function ancestors(node: HeaderNode): HeaderNode[] {
  const chain: HeaderNode[] = [];
  for (let at: HeaderNode | null = node; at !== null; at = at.prev) chain.unshift(at);
  return chain;
}

test("headers are found by hash, and keep what they say", () => {
  const { tree, nodes } = randomTree(9000, 1);
  assert.equal(tree.size, 9000);
  for (const [i, node] of nodes.entries()) {
    assert.equal(tree.lookup(node.hash), node);
    assert.equal(node.index, i);
    assert.equal(node.nonce, i);
    assert.deepEqual(blockHash(node.header()), node.hash.slice());
  }
  assert.equal(tree.lookup(new Uint8Array(32)), undefined);
});

test("work adds up, and the best header has most of it", () => {
  const { tree, nodes } = randomTree(500, 2);
  for (const node of nodes) assert.equal(node.chainWork, BigInt(node.height + 1) * blockWork(BITS));
  const height = Math.max(...nodes.map((node) => node.height));
  assert.equal(tree.best.height, height);
  assert.equal(
    tree.best,
    nodes.find((node) => node.height === height),
    "the first of equal ones",
  );
  tree.addStatus(tree.best, BlockStatus.FAILED_VALID);
  tree.recalculateBest();
  assert.equal(tree.best.failed, false);
  assert.ok(tree.best.height >= height - 1);
});

test("work beyond 64 bits is kept exactly", () => {
  const tree = new HeaderTree();
  let node: HeaderNode | null = null;
  for (let i = 0; i < 3; i++) {
    const header = new Uint8Array(80);
    if (node !== null) header.set((node as HeaderNode).hash, 4);
    writeU32(header, 72, 0x1200_ffff);
    node = tree.add(blockHash(header), header, 0, node);
  }
  assert.equal(node!.chainWork, 3n * blockWork(0x1200_ffff));
  assert.ok(node!.chainWork > 1n << 100n);
});

test("ancestors by skipping are those by walking", () => {
  const { nodes } = randomTree(3000, 3);
  const random = new SeededRandom(4);
  for (let i = 0; i < 200; i++) {
    const node = nodes[random.below(nodes.length)]!;
    const chain = ancestors(node);
    const height = random.below(node.height + 1);
    assert.equal(node.ancestor(height), chain[height]);
    assert.equal(node.ancestor(node.height + 1), null);
    assert.equal(node.ancestor(-1), null);
  }
});

test("the last common ancestor is the last block of both chains", () => {
  const { nodes } = randomTree(2000, 5);
  const random = new SeededRandom(6);
  for (let i = 0; i < 200; i++) {
    const a = nodes[random.below(nodes.length)]!;
    const b = nodes[random.below(nodes.length)]!;
    const chain = new Set(ancestors(a));
    let expected = b;
    while (!chain.has(expected)) expected = expected.prev!;
    assert.equal(lastCommonAncestor(a, b), expected);
  }
});

test("changes are handed out once", () => {
  const { tree, nodes } = randomTree(10, 7);
  assert.equal(tree.takeUnsaved().length, 10);
  assert.equal(tree.takeUnsaved().length, 0);
  tree.setDataPosition(nodes[3]!, 1, 500);
  tree.addStatus(nodes[3]!, BlockStatus.HAVE_DATA);
  assert.equal(tree.raiseValidity(nodes[4]!, BlockStatus.VALID_SCRIPTS), true);
  assert.equal(tree.raiseValidity(nodes[4]!, BlockStatus.VALID_CHAIN), false);
  assert.deepEqual(new Set(tree.takeUnsaved()), new Set([nodes[3], nodes[4]]));
  assert.equal(nodes[3]!.hasData, true);
  assert.equal(nodes[3]!.dataPos, 500);
  assert.equal(nodes[4]!.isValid(BlockStatus.VALID_SCRIPTS), true);
});

test("the active chain follows its tip anywhere in the tree", () => {
  const { nodes } = randomTree(800, 8);
  const random = new SeededRandom(9);
  const active = new ActiveChain();
  assert.equal(active.tip, undefined);
  assert.equal(active.height, -1);
  for (let i = 0; i < 100; i++) {
    const tip = nodes[random.below(nodes.length)]!;
    active.setTip(tip);
    assert.deepEqual(
      ancestors(tip).map((node) => active.at(node.height) === node),
      ancestors(tip).map(() => true),
    );
    assert.equal(active.height, tip.height);
    const other = nodes[random.below(nodes.length)]!;
    assert.equal(active.fork(other), lastCommonAncestor(tip, other));
    assert.equal(active.contains(other), lastCommonAncestor(tip, other) === other);
  }
});

test("a locator leads to the fork within the step it was taken", () => {
  const { tree, nodes } = randomTree(600, 10);
  const active = new ActiveChain();
  active.setTip(tree.best);
  for (const node of nodes) {
    const locator = locatorOf(node);
    assert.deepEqual(locator[0], node.hash.slice());
    assert.deepEqual(locator.at(-1), nodes[0]!.hash.slice());
    const found = findForkOf(locator, active, tree);
    const fork = active.fork(node)!;
    assert.ok(active.contains(found));
    assert.ok(found.height <= fork.height);
    assert.ok(node.height - found.height <= 2 * (node.height - fork.height) + 11);
  }
  assert.equal(findForkOf([], active, tree), nodes[0]);
});

test("candidates come out by work, then by arrival", () => {
  const { tree, nodes } = randomTree(400, 11);
  const random = new SeededRandom(12);
  for (const node of nodes) tree.setSequenceId(node, random.below(20));
  const candidates = new BlockCandidates();
  const held = new Set<HeaderNode>();
  for (let i = 0; i < 3000; i++) {
    const node = nodes[random.below(nodes.length)]!;
    if (random.below(3) > 0) {
      candidates.add(node);
      held.add(node);
    } else {
      candidates.delete(node);
      held.delete(node);
    }
    if (random.below(50) === 0) {
      const tip = [...held][random.below(held.size)]!;
      candidates.prune(tip);
      for (const other of held) if (compareCandidates(other, tip) < 0) held.delete(other);
    }
    const best = [...held].sort(compareCandidates).at(-1);
    assert.equal(candidates.best, best);
    assert.equal(candidates.size, held.size);
    assert.equal(candidates.has(node), held.has(node));
  }
});
