import assert from "node:assert/strict";
import { test } from "node:test";
import { toHexReversed } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { regtest } from "#protocol/bitcoin/networks.ts";
import type { Transaction } from "#protocol/bitcoin/transaction.ts";
import {
  buildBlock,
  buildChain,
  coinsHash,
  genesisBlock,
  openTestChain,
  spend,
  type TestBlock,
  type TestChain,
  temporaryDirectory,
} from "./chain-fixture.ts";
import type { ChainUpdate } from "./chain-update.ts";

const network = regtest();
const genesis = genesisBlock(network);
const trunk = buildChain(network, genesis, 140);

/** A branch whose blocks spend matured coinbases of the trunk, each differently for each salt. */
function busyBranch(prev: TestBlock, count: number, salt: number): TestBlock[] {
  const random = new SeededRandom(salt);
  const blocks: TestBlock[] = [];
  const free = Array.from({ length: 30 }, (_, i) => ({ txid: trunk[i]!.txids[0]!, index: 0, value: 50e8 }));
  for (let i = 0; i < count; i++) {
    const txs: Transaction[] = [];
    const spent = free.splice(random.below(free.length - 1), 1 + random.below(2));
    for (const { txid, index, value } of spent) {
      txs.push(spend(txid, index, [Math.floor(value / 2), Math.floor(value / 4)]));
    }
    const block = buildBlock(network, blocks.at(-1) ?? prev, { txs, salt });
    for (const [tx, { outputs }] of txs.entries()) {
      const txid = block.txids[tx + 1]!;
      free.push({ txid, index: 1, value: outputs[1]!.value });
    }
    blocks.push(block);
  }
  return blocks;
}

async function hashOf(dir: string, blocks: readonly TestBlock[]): Promise<string> {
  const { chain, submitAll } = await openTestChain(dir);
  await submitAll(blocks);
  const hash = await coinsHash(chain);
  await chain.close();
  return hash;
}

function hashes(updates: ChainUpdate["connected"]): string[] {
  return updates.map(({ node }) => toHexReversed(node.hash));
}

function names(blocks: readonly TestBlock[]): string[] {
  return blocks.map(({ hash }) => toHexReversed(hash));
}

test("a reorg of any depth is one update, and leaves the coins of a chain that never had another", async () => {
  for (const depth of [1, 2, 3, 7, 18, 30]) {
    const fork = trunk[139]!;
    const old = busyBranch(fork, depth, depth);
    const better = busyBranch(fork, depth + 1, 100 + depth);
    const { chain, updates, submitAll, submit, fatal } = await openTestChain(temporaryDirectory());
    await submitAll([...trunk, ...old]);
    const before = await coinsHash(chain);
    updates.length = 0;
    await submitAll(better.slice(0, -1));
    assert.equal(updates.length, 0, "as much work does not move the tip");
    assert.equal(await submit(better.at(-1)!), undefined);
    assert.equal(updates.length, 1);
    assert.deepEqual(hashes(updates[0]!.disconnected), names(old).reverse());
    assert.deepEqual(hashes(updates[0]!.connected), names(better));
    assert.deepEqual(chain.tip.hash.slice(), better.at(-1)!.hash);
    const straight = await hashOf(temporaryDirectory(), [...trunk, ...better]);
    assert.equal(await coinsHash(chain), straight);
    // And back again.
    const last = buildBlock(network, old.at(-1)!);
    await submitAll([last, buildBlock(network, last)]);
    assert.equal(updates.length, 2);
    await chain.invalidateBlock(chain.activeAt(140 + depth + 1)!);
    assert.deepEqual(chain.tip.hash.slice(), better.at(-1)!.hash);
    await chain.invalidateBlock(chain.activeAt(141)!);
    assert.deepEqual(chain.tip.hash.slice(), old.at(-1)!.hash);
    assert.equal(await coinsHash(chain), before);
    assert.deepEqual(fatal, []);
    await chain.close();
  }
});

test("what others see moves from tip to tip and never in between", async (t) => {
  const { chain, submitAll } = await openTestChain(temporaryDirectory());
  t.after(() => chain.close());
  const old = busyBranch(trunk[139]!, 12, 1);
  const better = busyBranch(trunk[139]!, 13, 2);
  await submitAll([...trunk, ...old, ...better.slice(0, -1)]);
  const seen = new Set<string>();
  let done = false;
  const watch = (): void => {
    seen.add(toHexReversed(chain.tip.hash));
    if (!done) setImmediate(watch);
  };
  watch();
  await submitAll(better.slice(-1));
  done = true;
  watch();
  assert.deepEqual([...seen], [toHexReversed(old.at(-1)!.hash), toHexReversed(better.at(-1)!.hash)]);
});

test("a branch that turns out invalid in the middle leaves the tip where it was", async (t) => {
  const world = await openTestChain(temporaryDirectory());
  const { chain, updates, submit, submitAll } = world;
  t.after(() => chain.close());
  const fork = trunk[139]!;
  const old = busyBranch(fork, 5, 1);
  await submitAll([...trunk, ...old]);
  const before = await coinsHash(chain);
  const good = busyBranch(fork, 3, 2);
  const bad = buildBlock(network, good.at(-1)!, { fees: 1 });
  const rest = buildChain(network, bad, 3);
  await submitAll([...good, bad, ...rest.slice(0, 1)]);
  updates.length = 0;
  assert.equal(await submit(rest[1]!), undefined, "the verdict is not on this block");
  const verdict = world.verdicts.find(({ rejection }) => rejection !== undefined);
  assert.deepEqual(verdict?.hash.slice(), bad.hash);
  assert.equal(verdict?.rejection?.reason, "bad-cb-amount");
  assert.equal(updates.length, 0, "nothing happened");
  assert.deepEqual(chain.tip.hash.slice(), old.at(-1)!.hash);
  assert.equal(await coinsHash(chain), before);
  assert.equal(await submit(rest[2]!), "bad-prevblk");
  for (const block of [bad, rest[0]!, rest[1]!]) assert.equal(chain.headers.lookup(block.hash)!.failed, true);
  assert.equal(chain.headers.lookup(good[2]!.hash)!.failed, false);
  assert.deepEqual(chain.headers.best.hash.slice(), old.at(-1)!.hash);
});

test("the part of a branch before the fault wins when it is the better chain", async (t) => {
  const { chain, updates, submitAll } = await openTestChain(temporaryDirectory());
  t.after(() => chain.close());
  const fork = trunk[139]!;
  const old = busyBranch(fork, 2, 1);
  await submitAll([...trunk, ...old]);
  const good = busyBranch(fork, 4, 2);
  const bad = buildBlock(network, good.at(-1)!, { fees: 1 });
  // The branch comes from its end, so that it is all tried at once.
  const headers = [...good, bad].map(({ raw }) => raw.subarray(0, 80));
  await chain.acceptHeaders(Buffer.concat(headers), { minPowChecked: true });
  await submitAll([bad, ...good.slice(1).reverse()]);
  updates.length = 0;
  await submitAll([good[0]!]);
  assert.deepEqual(chain.tip.hash.slice(), good.at(-1)!.hash);
  assert.deepEqual(
    updates.map((update) => update.connected.length),
    [3, 1],
    "better after three blocks, then one more",
  );
  assert.deepEqual(hashes(updates[0]!.disconnected), names(old).reverse());
});

test("of equal branches the first that came stays, also after a restart", async () => {
  const dir = temporaryDirectory();
  const first = await openTestChain(dir);
  const a = buildChain(network, genesis, 3, 1);
  const b = buildChain(network, genesis, 3, 2);
  await first.submitAll([...b.slice(0, 2), ...a, ...b.slice(2)]);
  assert.deepEqual(first.chain.tip.hash.slice(), a.at(-1)!.hash);
  await first.chain.close();
  const second = await openTestChain(dir);
  await second.chain.importBlocks();
  assert.deepEqual(second.chain.tip.hash.slice(), a.at(-1)!.hash);
  await second.chain.close();
});

test("invalid blocks are left and reconsidered", async (t) => {
  const dir = temporaryDirectory();
  const { chain, updates, submitAll, submit } = await openTestChain(dir);
  const a = buildChain(network, trunk[9]!, 6, 1);
  const b = buildChain(network, trunk[9]!, 4, 2);
  await submitAll([...trunk.slice(0, 10), ...a, ...b]);
  updates.length = 0;
  const node = chain.headers.lookup(a[1]!.hash)!;
  await chain.invalidateBlock(node);
  assert.deepEqual(chain.tip.hash.slice(), b.at(-1)!.hash);
  assert.deepEqual(
    updates.map(({ disconnected, connected }) => [disconnected.length, connected.length]),
    [
      [5, 0],
      [1, 2],
      [0, 1],
      [0, 1],
    ],
  );
  for (const block of a.slice(1)) assert.equal(chain.headers.lookup(block.hash)!.failed, true);
  assert.equal(chain.headers.lookup(a[0]!.hash)!.failed, false);
  assert.equal(await submit(buildBlock(network, a.at(-1)!)), "bad-prevblk");
  assert.equal(await submit(a[2]!), "duplicate-invalid");
  assert.deepEqual(chain.headers.best.hash.slice(), b.at(-1)!.hash);
  assert.equal(chain.getChainTips()[0]!.status, "invalid");
  await chain.close();

  const again = await openTestChain(dir);
  t.after(() => again.chain.close());
  await again.chain.importBlocks();
  assert.deepEqual(again.chain.tip.hash.slice(), b.at(-1)!.hash, "a mark outlives a restart");
  // Reconsidering a descendant clears its ancestors too.
  await again.chain.reconsiderBlock(again.chain.headers.lookup(a[3]!.hash)!);
  assert.deepEqual(again.chain.tip.hash.slice(), a.at(-1)!.hash);
  await again.chain.invalidateBlock(again.chain.headers.root);
  assert.deepEqual(again.chain.tip.hash.slice(), a.at(-1)!.hash, "genesis can not be invalid");
});

test("a precious block wins over others of its work, the last named one first", async (t) => {
  const { chain, submitAll } = await openTestChain(temporaryDirectory());
  t.after(() => chain.close());
  const a = buildChain(network, genesis, 3, 1);
  const b = buildChain(network, genesis, 3, 2);
  const c = buildChain(network, genesis, 3, 3);
  await submitAll([...a, ...b, ...c]);
  const tipIs = (block: TestBlock): void => assert.deepEqual(chain.tip.hash.slice(), block.hash);
  const precious = (block: TestBlock) => chain.preciousBlock(chain.headers.lookup(block.hash)!);
  tipIs(a[2]!);
  await precious(b[2]!);
  tipIs(b[2]!);
  await precious(c[2]!);
  tipIs(c[2]!);
  await precious(b[2]!);
  tipIs(b[2]!);
  await precious(a[1]!);
  tipIs(b[2]!);
  await submitAll([buildBlock(network, a[2]!)]);
  assert.equal(chain.tip.height, 4, "more work is more work");
  await precious(c[2]!);
  assert.equal(chain.tip.height, 4);
});

test("random trees of blocks, some invalid, end on the best valid branch", async () => {
  for (let seed = 1; seed <= 12; seed++) {
    const world = await openTestChain(temporaryDirectory());
    await randomWalk(world, new SeededRandom(seed));
    await world.chain.close();
  }
});

async function randomWalk(world: TestChain, random: SeededRandom): Promise<void> {
  const { chain, submit, submitAll, fatal } = world;
  await submitAll(trunk.slice(0, 105));
  const fork = trunk[104]!;
  const known: { block: TestBlock; valid: boolean; order: number }[] = [
    { block: fork, valid: true, order: 0 },
  ];
  for (let i = 1; i <= 60; i++) {
    const late = known.slice(-4);
    const parent =
      random.below(4) === 0 ? known[random.below(known.length)]! : late[random.below(late.length)]!;
    const bad = random.below(8) === 0;
    const block = buildBlock(network, parent.block, { salt: i, fees: bad ? 1 : 0 });
    await submit(block);
    const wasTried = chain.headers.lookup(block.hash) !== undefined;
    if (wasTried) known.push({ block, valid: parent.valid && !bad, order: i });
  }
  let best = known[0]!;
  for (const entry of known) {
    if (entry.valid && entry.block.height > best.block.height) best = entry;
  }
  assert.deepEqual(chain.tip.hash.slice(), best.block.hash);
  assert.ok(await chain.verifyChain(4, 0));
  assert.equal(await chain.verifyChain(4, 0, AbortSignal.abort()), false, "cut off, it vouches for nothing");
  assert.ok(await chain.verifyChain(4, 0));
  assert.deepEqual(fatal, []);
}
