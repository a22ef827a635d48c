import assert from "node:assert/strict";
import { test } from "node:test";
import { hash160, sha256 } from "#base/crypto/sha256.ts";
import { concatBytes, toHexReversed, writeU32 } from "#base/lib/bytes.ts";
import { parseBlock } from "#protocol/bitcoin/block-table.ts";
import { regtest } from "#protocol/bitcoin/networks.ts";
import type { Transaction } from "#protocol/bitcoin/transaction.ts";
import {
  type BlockSpec,
  buildBlock,
  buildChain,
  CLOCK_TIME,
  coinsHash,
  FALSE_SCRIPT,
  genesisBlock,
  openTestChain,
  spend,
  type TestBlock,
  type TestChain,
  TRUE_SCRIPT,
  temporaryDirectory,
} from "./chain-fixture.ts";

const network = regtest();
const genesis = genesisBlock(network);
const COIN = 100_000_000;
const OP_CHECKMULTISIG = 0xae;

/** 110 blocks; the outputs of the first ten may be spent. */
const trunk = buildChain(network, genesis, 110);
const tip = trunk.at(-1)!;

/** Output of the coinbase of block `height`. */
function coinbaseOf(height: number): Uint8Array {
  return trunk[height - 1]!.txids[0]!;
}

function txidOf(tx: Transaction): Uint8Array {
  return buildBlock(network, tip, { txs: [tx] }).txids[1]!;
}

/** What a block breaks, how, and a twin that keeps the rule. */
interface Row {
  readonly reason: string;
  readonly debug?: RegExp;
  readonly bad: BlockSpec;
  readonly good?: BlockSpec;
}

const split = spend(coinbaseOf(1), 0, [20 * COIN, 29 * COIN]);
const unspendable = spend(coinbaseOf(2), 0, [{ value: 50 * COIN, script: FALSE_SCRIPT }]);
/** FALSE IF 199 × CHECKMULTISIG ENDIF TRUE: valid, and 3,980 operations that only a spender shows. */
const hungry = Uint8Array.of(0x00, 0x63, ...new Uint8Array(199).fill(OP_CHECKMULTISIG), 0x68, 0x51);
const toHungry = spend(
  coinbaseOf(1),
  0,
  Array.from({ length: 6 }, () => ({ value: 1, script: scriptHash(hungry) })),
);

function hungrySpends(count: number): Transaction[] {
  return Array.from({ length: count }, (_, index) => {
    const tx = spend(txidOf(toHungry), index, [1]);
    tx.inputs[0]!.script = concatBytes(Uint8Array.of(0x4c, hungry.length), hungry);
    return tx;
  });
}

/** The P2SH output of a redeem script. */
function scriptHash(redeem: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.of(0xa9, 20), hash160(redeem), Uint8Array.of(0x87));
}

const rows: Row[] = [
  {
    reason: "bad-txns-inputs-missingorspent",
    debug: /^CheckTxInputs: inputs missing\/spent in transaction [0-9a-f]{64}$/,
    bad: { txs: [spend(new Uint8Array(32).fill(1), 0, [1])] },
  },
  {
    reason: "bad-txns-inputs-missingorspent",
    bad: { txs: [spend(coinbaseOf(1), 0, [1]), spend(coinbaseOf(1), 0, [2])] },
    good: { txs: [spend(coinbaseOf(1), 0, [1]), spend(coinbaseOf(2), 0, [2])] },
  },
  {
    reason: "bad-txns-inputs-missingorspent",
    bad: { txs: [spend(txidOf(split), 0, [1]), split] },
    good: { txs: [split, spend(txidOf(split), 0, [1])] },
  },
  {
    reason: "bad-txns-premature-spend-of-coinbase",
    debug: /^tried to spend coinbase at depth 99 in transaction [0-9a-f]{64}$/,
    bad: { txs: [spend(coinbaseOf(12), 0, [1])] },
    good: { txs: [spend(coinbaseOf(11), 0, [1])] },
  },
  {
    reason: "bad-txns-in-belowout",
    debug: /^value in \(50\.00\) < value out \(50\.00000001\) in transaction [0-9a-f]{64}$/,
    bad: { txs: [spend(coinbaseOf(1), 0, [50 * COIN + 1])] },
    good: { txs: [spend(coinbaseOf(1), 0, [50 * COIN])] },
  },
  {
    reason: "bad-txns-nonfinal",
    debug: /^contains a non-BIP68-final transaction [0-9a-f]{64}$/,
    bad: { txs: [spend(coinbaseOf(1), 0, [1], { sequence: 111 })] },
    good: { txs: [spend(coinbaseOf(1), 0, [1], { sequence: 110 })] },
  },
  {
    reason: "bad-txns-nonfinal",
    bad: { txs: [split, spend(txidOf(split), 0, [1], { sequence: 1 })] },
    good: { txs: [split, spend(txidOf(split), 0, [1], { sequence: 1, version: 1 })] },
  },
  {
    reason: "bad-cb-amount",
    debug: /^coinbase pays too much \(actual=5100000001 vs limit=5100000000\)$/,
    bad: { txs: [split], fees: COIN + 1 },
    good: { txs: [split], fees: COIN },
  },
  {
    reason:
      "block-script-verify-flag-failed (Script evaluated without error but finished with a false/empty top stack element)",
    debug: new RegExp(
      `^input 0 of [0-9a-f]{64} \\(wtxid [0-9a-f]{64}\\), spending ${toHexReversed(txidOf(unspendable))}:0$`,
    ),
    bad: { txs: [unspendable, spend(txidOf(unspendable), 0, [1])] },
    good: { txs: [unspendable] },
  },
  {
    reason: "bad-blk-sigops",
    debug: /^too many sigops$/,
    bad: { txs: [toHungry, ...hungrySpends(6)] },
    good: { txs: [toHungry, ...hungrySpends(5)] },
  },
];

for (const par of [1, 3]) {
  test(`blocks that break a rule are refused for it, their twins are not (par ${par})`, async () => {
    for (const { reason, debug, bad, good } of rows) {
      const world = await trunkChain(temporaryDirectory(), { par });
      try {
        const before = await coinsHash(world.chain);
        const block = buildBlock(network, tip, bad);
        assert.equal(await world.submit(block), reason);
        const { rejection } = world.verdicts.at(-1)!;
        assert.equal(rejection?.result, "consensus");
        if (debug !== undefined) assert.match(rejection.debug, debug);
        assert.equal(world.chain.tip.height, 110);
        assert.equal(await coinsHash(world.chain), before, "the coins are as they were");
        assert.equal(await world.submit(buildBlock(network, block)), "bad-prevblk");
        assert.equal(await world.submit(block), "duplicate-invalid");
        assert.equal(await world.submit(buildBlock(network, tip, good)), undefined);
        assert.equal(world.chain.tip.height, 111);
        assert.deepEqual(world.fatal, []);
      } finally {
        await world.chain.close();
      }
    }
  });
}

async function trunkChain(dir: string, options: { par?: number }): Promise<TestChain> {
  const world = await openTestChain(dir, options);
  await world.submitAll(trunk);
  return world;
}

test("of several failing scripts the first is named, whoever checked it", async () => {
  const locked = Array.from({ length: 9 }, (_, i) =>
    spend(
      coinbaseOf(i + 1),
      0,
      Array.from({ length: 100 }, () => ({ value: 1, script: FALSE_SCRIPT })),
    ),
  );
  const txs = [...locked];
  const first = spend(txidOf(locked[0]!), 5, [1]);
  for (let i = 0; i < 9; i++) {
    for (let index = 10; index < 40; index++) txs.push(spend(txidOf(locked[i]!), index, [1]));
    if (i === 0) txs.splice(9, 0, first);
  }
  const block = buildBlock(network, tip, { txs });
  for (const par of [1, 2, 4]) {
    const world = await trunkChain(temporaryDirectory(), { par });
    assert.match((await world.submit(block)) ?? "", /^block-script-verify-flag-failed/);
    const { rejection } = world.verdicts.at(-1)!;
    assert.match(rejection!.debug, new RegExp(`^input 0 of ${toHexReversed(txidOf(first))} `));
    await world.chain.close();
  }
});

test("a faulty header is refused, and nothing is kept of it", async (t) => {
  const world = await trunkChain(temporaryDirectory(), {});
  t.after(() => world.chain.close());
  const median = trunk[104]!.time;
  const cases: [string, BlockSpec, string][] = [
    ["bad-diffbits", { bits: 0x207e_ffff }, "invalid-header"],
    ["time-too-old", { time: median }, "invalid-header"],
    ["time-too-new", { time: CLOCK_TIME + 7201 }, "time-future"],
    ["bad-version(0x00000003)", { version: 3 }, "invalid-header"],
    ["bad-cb-height", { coinbase: (tx) => tx.inputs[0]!.script.set([3], 1) }, "consensus"],
    [
      "bad-txns-nonfinal",
      { txs: [spend(coinbaseOf(1), 0, [1], { lockTime: 111, sequence: 0 })] },
      "consensus",
    ],
  ];
  for (const [reason, spec, result] of cases) {
    const block = buildBlock(network, tip, spec);
    assert.equal(await world.submit(block), reason);
    assert.equal(world.verdicts.at(-1)!.rejection!.result, result);
    const isHeader = result !== "consensus";
    assert.equal(world.chain.headers.lookup(block.hash) === undefined, isHeader);
  }
  assert.equal(await world.submit(buildBlock(network, tip, { time: median + 1 })), undefined);
});

test("a block whose proof of work fails is refused, and so is one without a parent", async (t) => {
  const { chain, submit } = await openTestChain(temporaryDirectory());
  t.after(() => chain.close());
  const block = buildBlock(network, genesis);
  let weak = block;
  for (let nonce = 0; ; nonce++) {
    const raw = block.raw.slice();
    writeU32(raw, 76, nonce);
    weak = { ...block, raw };
    const { rejection } = await chain.acceptBlock(raw, { requested: true, minPowChecked: true });
    if (rejection !== undefined) {
      assert.equal(rejection.reason, "high-hash");
      break;
    }
  }
  assert.equal(weak.height, 1);
  const orphan = buildBlock(network, { ...block, hash: new Uint8Array(32).fill(3) });
  assert.equal(await submit(orphan), "prev-blk-not-found");
});

test("a mutated block is refused without a mark on its header", async (t) => {
  const world = await trunkChain(temporaryDirectory(), {});
  t.after(() => world.chain.close());
  const txs = [split, spend(txidOf(split), 0, [1])];
  const block = buildBlock(network, tip, { txs });
  const wrong = block.raw.slice();
  wrong[block.raw.length - 1]! ^= 1;
  assert.equal(await submitRaw(world, block, wrong), "bad-txnmrklroot");
  // CVE-2012-2459: of three transactions the last is paired with itself.
  const repeated = repeatLast(block);
  assert.equal(await submitRaw(world, block, repeated), "bad-txns-duplicate");
  assert.equal(world.verdicts.at(-1)!.rejection!.result, "mutated");
  assert.equal(await world.submit(block), undefined);
  assert.equal(world.chain.tip.height, 111);
});

test("a witness that does not fit its commitment is a mutation too", async (t) => {
  const world = await trunkChain(temporaryDirectory(), {});
  t.after(() => world.chain.close());
  const tx = spend(coinbaseOf(1), 0, [{ value: COIN, script: witnessTrue() }]);
  const witnessed = spend(txidOf(tx), 0, [1]);
  witnessed.inputs[0]!.witness = [TRUE_SCRIPT];
  const block = buildBlock(network, tip, { txs: [tx, witnessed] });
  const wrong = block.raw.slice();
  wrong[wrong.length - 5]! ^= 1;
  assert.equal(await submitRaw(world, block, wrong), "bad-witness-merkle-match");
  assert.equal(world.chain.headers.lookup(block.hash)?.failed, false);
  assert.equal(await world.submit(block), undefined);
});

test("witnesses are verified alike on every thread", async () => {
  const count = 300;
  const outputs = Array.from({ length: count }, (_, i) => ({ value: 1000 + i, script: witnessTrue() }));
  const tx = spend(coinbaseOf(1), 0, outputs);
  const spends = outputs.map(({ value }, index) => {
    const witnessed = spend(txidOf(tx), index, [value]);
    witnessed.inputs[0]!.witness = [TRUE_SCRIPT];
    return witnessed;
  });
  const good = buildBlock(network, tip, { txs: [tx, ...spends] });
  spends[207]!.inputs[0]!.witness = [Uint8Array.of(0x52)];
  const bad = buildBlock(network, tip, { txs: [tx, ...spends] });
  for (const par of [1, 3]) {
    const world = await trunkChain(temporaryDirectory(), { par });
    assert.equal(await world.submit(bad), "block-script-verify-flag-failed (Witness program hash mismatch)");
    assert.match(world.verdicts.at(-1)!.rejection!.debug, /^input 0 of .*:207$/);
    assert.equal(await world.submit(good), undefined);
    await world.chain.close();
  }
});

/** P2WSH of OP_TRUE. */
function witnessTrue(): Uint8Array {
  const script = new Uint8Array(34);
  script[1] = 32;
  script.set(sha256(TRUE_SCRIPT), 2);
  return script;
}

async function submitRaw(world: TestChain, block: TestBlock, raw: Uint8Array): Promise<string | undefined> {
  return world.submit({ ...block, raw });
}

function repeatLast(block: TestBlock): Uint8Array {
  const { txs } = parseBlock(block.raw);
  const last = txs.raw(txs.txCount - 1);
  const raw = new Uint8Array(block.raw.length + last.length);
  raw.set(block.raw);
  raw.set(last, block.raw.length);
  raw[80] = txs.txCount + 1;
  return raw;
}

test("BIP30 is enforced where coinbases need not name their height", async (t) => {
  const free = regtest({ activationHeights: { bip34: 1000 } });
  const { chain, submit, submitAll } = await openTestChain(temporaryDirectory(), { network: free });
  t.after(() => chain.close());
  const start = genesisBlock(free);
  const same: BlockSpec = {
    coinbase: (tx) => {
      tx.inputs[0]!.script = Uint8Array.of(1, 2, 3);
      tx.outputs[0]!.value = 100;
    },
  };
  const first = buildBlock(free, start, same);
  const blocks = buildChain(free, first, 100);
  await submitAll([first, ...blocks]);
  assert.equal(await submit(buildBlock(free, blocks.at(-1)!, same)), "bad-txns-BIP30");
  // Once it is spent, the same transaction may come again.
  const spent = buildBlock(free, blocks.at(-1)!, { txs: [spend(first.txids[0]!, 0, [1])] });
  assert.equal(await submit(spent), undefined);
  const again = buildBlock(free, spent, same);
  assert.deepEqual(again.txids[0], first.txids[0]);
  assert.equal(await submit(again), undefined);
});

test("a block is tested on the tip without a trace", async (t) => {
  const world = await trunkChain(temporaryDirectory(), {});
  const { chain } = world;
  t.after(() => chain.close());
  const before = await coinsHash(chain);
  const checks = { pow: false, merkle: false };
  const test = (block: TestBlock) => chain.lock.run(() => chain.testBlock(block.raw, checks));
  assert.equal(await test(buildBlock(network, tip, { txs: [split] })), undefined);
  assert.equal((await test(buildBlock(network, tip, { fees: 1 })))?.reason, "bad-cb-amount");
  assert.equal((await test(buildBlock(network, trunk[100]!)))?.reason, "inconclusive-not-best-prevblk");
  assert.equal(chain.headers.size, 111);
  assert.equal(await coinsHash(chain), before);
});
