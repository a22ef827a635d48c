import assert from "node:assert/strict";
import { test } from "node:test";
import { toHex, toHexReversed } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { type Coin, coinOf, spend } from "#ledger/mempool/fixture.ts";
import { blockWeight, parseBlock } from "#protocol/bitcoin/block-table.ts";
import { regtest, testnet4 } from "#protocol/bitcoin/networks.ts";
import { OP_1, OP_CHECKMULTISIG } from "#protocol/bitcoin/opcodes.ts";
import { buildScript } from "#protocol/bitcoin/script.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";
import { hashTxs, txidAt } from "#protocol/bitcoin/txid.ts";
import { checkMerkleRoot } from "#protocol/consensus/check-block.ts";
import { blockSubsidy } from "#protocol/consensus/subsidy.ts";
import { blockTime, minimumTime } from "./block-time.ts";
import { createMiningFixture, type MiningFixture } from "./fixture.ts";
import { createTemplate, DEFAULT_TEMPLATE_OPTIONS, type TemplateOptions } from "./template.ts";
import { clampOptions, whyImpossible } from "./template-options.ts";

const SCRIPT = Uint8Array.of(OP_1);

async function accept(fixture: MiningFixture, ...tables: TxTable[]): Promise<void> {
  for (const table of tables) {
    const result = await fixture.acceptor.accept(table);
    assert.ok(result.accepted, result.accepted ? "" : result.rejection.reason);
  }
}

function template(fixture: MiningFixture, options: Partial<TemplateOptions> = {}, useMempool = true) {
  const chosen = { ...DEFAULT_TEMPLATE_OPTIONS, ...options };
  return createTemplate({ coinbaseScript: SCRIPT, useMempool }, chosen, fixture.dependencies);
}

const feesOf = (entries: readonly { fee: number }[]) => entries.map(({ fee }) => fee);

test("an empty block: coinbase, commitment, header", async () => {
  const fixture = createMiningFixture();
  const made = await template(fixture);
  const block = parseBlock(made.block);
  const { txs } = block;
  assert.equal(txs.txCount, 1);
  assert.equal(txs.value(0), blockSubsidy(111, fixture.chain.network));
  assert.deepEqual(txs.outputScript(0), SCRIPT);
  assert.equal(toHex(txs.inputScript(0)), "016f00", "height 111 and a dummy extra nonce");
  assert.equal(txs.lockTime(0), 110);
  assert.equal(txs.sequence(0), 0xffff_fffe);
  assert.equal(txs.version(0), 2);
  assert.deepEqual(txs.witness(0), [new Uint8Array(32)]);
  // BIP141 over an empty block: the double hash of 64 zeros.
  const commitment = "6a24aa21a9ede2f61c3f71d1defd3fa999dfa36953755c690689799962b48bebd836974e8cf9";
  assert.equal(toHex(txs.outputScript(1)), commitment);
  assert.equal(toHex(made.commitment), commitment);
  assert.equal(checkMerkleRoot(block, hashTxs(txs)), undefined);
  assert.deepEqual(block.header.prevHash, fixture.chain.tip.hash);
  assert.equal(block.header.nonce, 0);
  // testdummy is started, so its bit is signalled.
  assert.equal(block.header.version, 0x2000_0000);
  assert.equal(made.weight, 8000);
  assert.equal(made.sigopCost, 400);
});

test("transactions come by chunk, parents first, and their fees go to the coinbase", async () => {
  const fixture = createMiningFixture();
  const parent = spend([fixture.chain.coinbase(1)], 100, { split: 2 });
  const rich = spend([coinOf(parent, 0)], 9000);
  const lone = spend([fixture.chain.coinbase(2)], 3000);
  await accept(fixture, parent, lone, rich);
  const made = await template(fixture);
  assert.deepEqual(feesOf(made.entries), [100, 9000, 3000]);
  assert.equal(made.coinbaseValue, blockSubsidy(111, fixture.chain.network) + 12_100);
  const { txs } = parseBlock(made.block);
  assert.deepEqual(
    [1, 2, 3].map((tx) => toHex(txs.raw(tx))),
    [parent, rich, lone].map((table) => toHex(table.bytes)),
  );
  assert.deepEqual(feesOf((await template(fixture, {}, false)).entries), []);
});

test("-blockmintxfee leaves chunks out that pay less", async () => {
  const fixture = createMiningFixture();
  const cheap = spend([fixture.chain.coinbase(1)], 100);
  const dear = spend([fixture.chain.coinbase(2)], 1000);
  await accept(fixture, cheap, dear);
  const vsize = Math.ceil(cheap.weight(0) / 4);
  assert.deepEqual(
    feesOf((await template(fixture, { minFeeRate: { fee: 100, size: vsize } })).entries),
    [1000, 100],
  );
  assert.deepEqual(
    feesOf((await template(fixture, { minFeeRate: { fee: 101, size: vsize } })).entries),
    [1000],
  );
});

test("-blockmaxweight: what does not fit is passed over, and what follows may fit", async () => {
  const fixture = createMiningFixture();
  const { chain } = fixture;
  const big = spend([chain.coinbase(1)], 90_000, { data: 5000 });
  const small = spend([chain.coinbase(2)], 100);
  await accept(fixture, big, small);
  const reservedWeight = 2000;
  const both = reservedWeight + big.weight(0) + small.weight(0);
  const fees = async (maxWeight: number) =>
    feesOf((await template(fixture, { maxWeight, reservedWeight })).entries);
  assert.deepEqual(await fees(both + 1), [90_000, 100]);
  assert.deepEqual(await fees(both), [90_000], "the limit itself is not reached");
  assert.deepEqual(await fees(reservedWeight + big.weight(0)), [100]);
  assert.deepEqual(await fees(0), []);
});

test("what follows a chunk that did not fit in its cluster is left out with it", async () => {
  const fixture = createMiningFixture();
  const parent = spend([fixture.chain.coinbase(1)], 90_000, { data: 5000 });
  const child = spend([coinOf(parent)], 100);
  const lone = spend([fixture.chain.coinbase(2)], 50);
  await accept(fixture, parent, child, lone);
  const limits = { reservedWeight: 2000, maxWeight: 2000 + parent.weight(0) };
  assert.deepEqual(feesOf((await template(fixture, limits)).entries), [50]);
});

test("a delta moves a transaction up, and adds nothing to the coinbase", async () => {
  const fixture = createMiningFixture();
  const [first, second] = [1, 2].map((i) => spend([fixture.chain.coinbase(i)], 1000 * i)) as [
    TxTable,
    TxTable,
  ];
  await accept(fixture, first, second);
  fixture.mempool.prioritise(txidAt(hashTxs(first), 0), 5000);
  const made = await template(fixture);
  assert.deepEqual(feesOf(made.entries), [1000, 2000]);
  assert.equal(made.coinbaseValue, blockSubsidy(111, fixture.chain.network) + 3000);
});

test("sigops: a block stays below 80,000 of cost", async () => {
  const fixture = createMiningFixture(120);
  // A bare multisig counts as 20 operations, at a cost of 4 each.
  const multisig = buildScript(OP_1, new Uint8Array(33).fill(2), OP_1, OP_CHECKMULTISIG);
  const outputs = Array.from({ length: 50 }, () => ({ value: 10_000, script: multisig }));
  for (let i = 1; i <= 3; i++) {
    await accept(fixture, spend([fixture.chain.coinbase(i)], 0, { outputs }));
  }
  for (const { sigopCost } of fixture.mempool.entries()) assert.equal(sigopCost, 4000);
  const count = async (reservedSigops: number) =>
    (await template(fixture, { reservedSigops })).entries.length;
  assert.equal(await count(400), 3);
  assert.equal(await count(71_999), 2);
  assert.equal(await count(72_000), 1);
  assert.equal(await count(80_000), 0);
});

test("a chunk that is not final in the next block is left out", async () => {
  const fixture = createMiningFixture();
  const { chain, mempool, acceptor } = fixture;
  const locked = spend([chain.coinbase(1)], 5000, { lockTime: 110, sequence: 0 });
  const free = spend([chain.coinbase(2)], 1000);
  await accept(fixture, locked, free);
  assert.equal((await template(fixture)).entries.length, 2);
  // A tip one block lower that the mempool has not heard of.
  chain.unmine();
  assert.deepEqual(feesOf((await template(fixture)).entries), [1000]);
  assert.equal(mempool.size, 2);
  await acceptor.limitSize();
});

test("a mempool that disagrees with the chain is a bug, told as Core does", async () => {
  const fixture = createMiningFixture();
  const table = spend([fixture.chain.coinbase(1)], 1000);
  await accept(fixture, table);
  fixture.chain.mine([spend([fixture.chain.coinbase(1)], 2000)]);
  await assert.rejects(
    template(fixture),
    /^Error: TestBlockValidity failed: bad-txns-inputs-missingorspent$/,
  );
});

test("-blockversion is heeded where blocks are mined on demand", async () => {
  const fixture = createMiningFixture();
  assert.equal((await template(fixture, { version: 0x2000_0005 })).version, 0x2000_0005);
});

test("before segwit the coinbase has no witness", async () => {
  const fixture = createMiningFixture(110, {}, regtest({ activationHeights: { segwit: 200 } }));
  const { txs } = parseBlock((await template(fixture)).block);
  assert.equal(txs.hasWitness(0), false);
  assert.equal(txs.outputCount(0), 2);
});

test("heights up to 16 keep the coinbase's script long enough", async () => {
  for (const [height, script] of [
    [0, "5100"],
    [15, "6000"],
    [16, "011100"],
    [127, "02800000"],
  ] as const) {
    const fixture = createMiningFixture(height);
    assert.equal(toHex(parseBlock((await template(fixture)).block).txs.inputScript(0)), script);
  }
});

test("times: after the median, not before the clock, and BIP94's bound at the start of a period", () => {
  const { chain } = createMiningFixture(142);
  const { network, tip } = chain;
  assert.equal(minimumTime(tip, network), tip.medianTimePast() + 1);
  assert.equal(blockTime(tip, network, 5), tip.medianTimePast() + 1);
  assert.equal(blockTime(tip, network, tip.time + 77), tip.time + 77);
  // Regtest's period has 144 blocks; the tip below is far ahead of the median.
  chain.mine([], { after: 100_000 });
  assert.equal(chain.tip.height, 143);
  assert.equal(minimumTime(chain.tip, network), chain.tip.time - 600);
  assert.equal(minimumTime(chain.tip, testnet4), chain.tip.medianTimePast() + 1);
});

test("options are held in their bounds, and told where they cannot be", () => {
  const options = {
    ...DEFAULT_TEMPLATE_OPTIONS,
    maxWeight: 9_000_000,
    reservedWeight: 1,
    reservedSigops: -5,
  };
  const { maxWeight, reservedWeight, reservedSigops } = clampOptions(options);
  assert.deepEqual([maxWeight, reservedWeight, reservedSigops], [4_000_000, 2000, 0]);
  assert.equal(whyImpossible(DEFAULT_TEMPLATE_OPTIONS), undefined);
  assert.equal(
    whyImpossible(options),
    "Specified -blockmaxweight (9000000) exceeds consensus maximum block weight (4000000)",
  );
  assert.equal(
    whyImpossible({ ...options, maxWeight: 1 }),
    "Specified -blockreservedweight (1) is lower than minimum safety value of (2000)",
  );
});

test("random mempools: the block keeps its limits, and no chunk left out would have fitted at the end", async () => {
  for (let seed = 1; seed <= 5; seed++) {
    const random = new SeededRandom(seed);
    const fixture = createMiningFixture(160);
    const coins: Coin[] = Array.from({ length: 50 }, (_, i) => fixture.chain.coinbase(i + 1));
    for (let i = 0; i < 120; i++) {
      const coin = coins.splice(random.below(coins.length), 1)[0]!;
      const split = 1 + random.below(2);
      const table = spend([coin], 200 + random.below(5000), { split, data: random.below(3) * 800 });
      if (!(await fixture.acceptor.accept(table)).accepted) coins.push(coin);
      else for (let j = 0; j < split; j++) coins.push(coinOf(table, j));
    }
    const maxWeight = 30_000 + random.below(40_000);
    const made = await template(fixture, { maxWeight, reservedWeight: 2000 });
    assert.ok(blockWeight(parseBlock(made.block)) < maxWeight);
    const inside = new Set(made.entries);
    const names = new Set<string>();
    for (const entry of made.entries) {
      for (const parent of fixture.mempool.parents(entry)) assert.ok(names.has(toHexReversed(parent.txid)));
      names.add(toHexReversed(entry.txid));
    }
    for (const { entries, weight } of fixture.mempool.bestChunks()) {
      if (entries.some((entry) => inside.has(entry))) {
        assert.ok(
          entries.every((entry) => inside.has(entry)),
          "chunks are whole",
        );
        continue;
      }
      // The first of its cluster that is missing was tried; those after it were not.
      const cluster = fixture.mempool.cluster(entries[0]!);
      const missing = cluster.find((chunk) => !chunk.entries.every((entry) => inside.has(entry)))!;
      if (missing.entries[0] === entries[0]) assert.ok(made.weight + weight >= maxWeight);
    }
    assert.ok(made.entries.length > 20);
    const ids = new Set(made.entries.map(({ table }) => toHex(txidAt(hashTxs(table), 0))));
    assert.equal(ids.size, made.entries.length);
  }
});
