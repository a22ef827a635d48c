import assert from "node:assert/strict";
import { test } from "node:test";
import { equalBytes, readU32, toHex, toHexReversed, writeU32 } from "#base/lib/bytes.ts";
import { ManualClock } from "#base/lib/clock.ts";
import type { JsonObject } from "#base/lib/json.ts";
import { coinOf, spend } from "#ledger/mempool/fixture.ts";
import { parseBlock } from "#protocol/bitcoin/block-table.ts";
import { regtest } from "#protocol/bitcoin/networks.ts";
import { OP_1 } from "#protocol/bitcoin/opcodes.ts";
import { encodeTransaction, transactionAt } from "#protocol/bitcoin/transaction.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";
import { blockHash, hashTxs, txidAt } from "#protocol/bitcoin/txid.ts";
import { checkProofOfWork } from "#protocol/consensus/pow.ts";
import { BlockTemplates } from "./block-templates.ts";
import { createMiningFixture, type MiningFixture } from "./fixture.ts";
import { DEFAULT_MAX_TRIES, generateBlock, generateBlocks, transactionsNamed } from "./generate.ts";
import { grind } from "./grind.ts";
import { isRefusal } from "./mining-refusal.ts";
import { networkHashRate } from "./network-hash-rate.ts";
import { scriptOfAddress, scriptOfDescriptor, scriptOfOutput } from "./output-script.ts";
import { submitBlock } from "./submit-block.ts";
import { createTemplate, DEFAULT_TEMPLATE_OPTIONS } from "./template.ts";

const SCRIPT = Uint8Array.of(OP_1);
const txidOf = (table: TxTable) => txidAt(hashTxs(table), 0);

async function accept(fixture: MiningFixture, ...tables: TxTable[]): Promise<void> {
  for (const table of tables) assert.ok((await fixture.acceptor.accept(table)).accepted);
}

/** A result that is no refusal. */
function good<T>(result: T): Exclude<T, { kind: string }> {
  if (typeof result === "object" && result !== null && isRefusal(result)) assert.fail(result.text);
  return result as Exclude<T, { kind: string }>;
}

test("generateBlocks mines the mempool, block on block, with proof of work", async () => {
  const fixture = createMiningFixture();
  const parent = spend([fixture.chain.coinbase(1)], 1000);
  await accept(fixture, parent);
  const hashes = good(await generateBlocks(3, SCRIPT, DEFAULT_MAX_TRIES, fixture.dependencies));
  assert.equal(hashes.length, 3);
  const { tip } = fixture.chain;
  assert.equal(tip.height, 113);
  assert.deepEqual(tip.hash, hashes[2]);
  assert.equal(fixture.mempool.size, 0);
  assert.ok(fixture.chain.isUnspent({ txid: txidOf(parent), index: 0 }));
  for (const hash of hashes) assert.ok(checkProofOfWork(hash, tip.bits, fixture.chain.network.consensus));
});

test("generateBlocks ends when its tries are used up, or the node stops", async () => {
  const fixture = createMiningFixture();
  assert.deepEqual(await generateBlocks(1, SCRIPT, 0, fixture.dependencies), []);
  const some = good(await generateBlocks(1000, SCRIPT, 40, fixture.dependencies));
  // Every second hash is good on regtest, and a hash that is good is no try used up.
  assert.ok(some.length > 10 && some.length < 120, `${some.length} blocks`);
  let asked = 0;
  const stopped = () => ++asked > 4;
  const few = good(
    await generateBlocks(1000, SCRIPT, DEFAULT_MAX_TRIES, { ...fixture.dependencies, stopped }),
  );
  assert.ok(few.length <= 4);
});

test("grind counts the nonce up, and tells of the last one", async () => {
  const fixture = createMiningFixture();
  const { network } = fixture.chain;
  const { block } = await createTemplate(
    { coinbaseScript: SCRIPT },
    DEFAULT_TEMPLATE_OPTIONS,
    fixture.dependencies,
  );
  writeU32(block, 76, 0xffff_ffff);
  assert.equal(await grind(block, network, { left: 10 }, () => false), "nonces-exhausted");
  // A target that no hash meets.
  writeU32(block, 72, 0x0100_0001);
  writeU32(block, 76, 0);
  const tries = { left: 12_000 };
  assert.equal(await grind(block, network, tries, () => false), "tries-exhausted");
  assert.equal(readU32(block, 76), 12_000);
  assert.equal(tries.left, 0);
  assert.equal(await grind(block, network, { left: 1_000_000 }, () => true), "tries-exhausted");
});

test("generateBlock mines given transactions, and refuses what would not connect", async () => {
  const fixture = createMiningFixture();
  const { chain, dependencies, mempool } = fixture;
  const parent = spend([chain.coinbase(1)], 1000);
  const child = spend([coinOf(parent)], 1000);
  const other = spend([chain.coinbase(2)], 1000);
  await accept(fixture, parent, other);
  assert.deepEqual(await generateBlock(SCRIPT, [child, parent], true, dependencies), {
    kind: "verify",
    text: "TestBlockValidity failed: bad-txns-inputs-missingorspent",
  });
  const held = good(await generateBlock(SCRIPT, [parent, child], false, dependencies));
  assert.equal(chain.tip.height, 110);
  const { txs } = parseBlock(held.block);
  assert.equal(txs.txCount, 3);
  assert.equal(txs.value(0), 50_0000_0000, "the fees of the transactions are not claimed, as in Core");
  assert.equal(await submitBlock(held.block, { chain: fixture.mining, submitter: fixture.submitter }), null);
  assert.deepEqual(chain.tip.hash, held.hash);
  assert.equal(mempool.size, 1);
  const mined = good(await generateBlock(SCRIPT, [], true, dependencies));
  assert.deepEqual(chain.tip.hash, mined.hash);
  assert.equal(mempool.size, 1, "what is not asked for is left out");
});

test("transactionsNamed: txids of the mempool and raw transactions", async () => {
  const fixture = createMiningFixture();
  const table = spend([fixture.chain.coinbase(1)], 1000);
  await accept(fixture, table);
  const txid = toHexReversed(txidOf(table));
  const raw = spend([fixture.chain.coinbase(2)], 1000);
  const tables = good(transactionsNamed([txid, toHex(raw.bytes)], fixture.mempool));
  assert.deepEqual(
    tables.map(({ bytes }) => toHex(bytes)),
    [table, raw].map(({ bytes }) => toHex(bytes)),
  );
  const absent = "ab".repeat(32);
  assert.deepEqual(transactionsNamed([absent], fixture.mempool), {
    kind: "invalid-address-or-key",
    text: `Transaction ${absent} not in mempool.`,
  });
  for (const bad of ["zz", "0102", ""]) {
    assert.deepEqual(transactionsNamed([bad], fixture.mempool), {
      kind: "deserialization",
      text: `Transaction decode failed for ${bad}. Make sure the tx has at least one input.`,
    });
  }
});

test("scripts of addresses and descriptors, with Core's errors", () => {
  const network = regtest();
  const address = "bcrt1p9yfmy5h72durp7zrhlw9lf7jpwjgvwdg0jr0lqmmjtgg83266lqsekaqka";
  const script = "51202913b252fe537830f843bfdc5fa7d20ba48639a87c86ff837b92d083c55ad7c1";
  const text = (result: Uint8Array | { kind: string; text: string }) =>
    result instanceof Uint8Array ? toHex(result) : `${result.kind}: ${result.text}`;
  assert.equal(text(scriptOfAddress(address, network)), script);
  assert.equal(text(scriptOfAddress("nonsense", network)), "invalid-address-or-key: Error: Invalid address");
  const key = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
  const hash = "751e76e8199196d454941c45d1b3a323f1433bd6";
  assert.equal(text(scriptOfDescriptor(`wpkh(${key})`, network)), `0014${hash}`);
  assert.equal(text(scriptOfDescriptor(`combo(${key})`, network)), `0014${hash}`, "the third of four");
  assert.equal(text(scriptOfDescriptor(`raw(51)`, network)), "51");
  assert.equal(text(scriptOfOutput(`addr(${address})`, network)), script);
  assert.equal(text(scriptOfOutput(address, network)), script);
  assert.equal(
    text(scriptOfOutput("nonsense", network)),
    "invalid-address-or-key: Error: Invalid address or descriptor",
  );
  const xpub =
    "tpubD6NzVbkrYhZ4WaWSyoBvQwbpLkojyoTZPRsgXELWz3Popb3qkjcJyJUGLnL4qHHoQvao8ESaAstxYSnhyswJ76uZPStJRJCTKvosUCJZL5B";
  assert.equal(
    text(scriptOfOutput(`wpkh(${xpub}/*)`, network)),
    "invalid-parameter: Ranged descriptor not accepted. Maybe pass through deriveaddresses first?",
  );
  assert.equal(
    text(scriptOfDescriptor(`wpkh(${xpub}/<0;1>)`, network)),
    "invalid-parameter: Multipath descriptor not accepted",
  );
  assert.equal(
    text(scriptOfDescriptor(`wpkh(${xpub}/1')`, network)),
    "invalid-address-or-key: Cannot derive script without private keys",
  );
});

test("submitBlock: BIP22's words", async () => {
  const fixture = createMiningFixture();
  const context = { chain: fixture.mining, submitter: fixture.submitter };
  const { block } = good(await generateBlock(SCRIPT, [], false, fixture.dependencies));
  assert.deepEqual(await submitBlock(block.subarray(0, 100), context), {
    kind: "deserialization",
    text: "Block decode failed",
  });
  const { network } = fixture.chain;
  const badTarget = block.slice();
  writeU32(badTarget, 72, 0x1d00_ffff);
  assert.equal(await submitBlock(badTarget, context), "high-hash");
  const badRoot = block.slice();
  badRoot[40]! ^= 1;
  assert.equal(await grind(badRoot, network, { left: 1000 }, () => false), "found");
  assert.equal(await submitBlock(badRoot, context), "bad-txnmrklroot");
  const orphan = block.slice();
  orphan[10]! ^= 1;
  assert.equal(await submitBlock(orphan, context), "prev-blk-not-found");
  assert.equal(await submitBlock(block, context), null);
  assert.equal(await submitBlock(block, context), "duplicate");
});

test("submitBlock puts in the coinbase's witness that miners leave out", async () => {
  const fixture = createMiningFixture();
  const { block, hash } = good(await generateBlock(SCRIPT, [], false, fixture.dependencies));
  const { txs } = parseBlock(block);
  const bare = encodeTransaction(transactionAt(txs, 0), { witness: false });
  const stripped = Uint8Array.of(...block.subarray(0, txs.start(0)), ...bare);
  assert.equal(await submitBlock(stripped, { chain: fixture.mining, submitter: fixture.submitter }), null);
  assert.deepEqual(fixture.chain.tip.hash, hash);
});

test("a block that is never checked to its end is inconclusive", async () => {
  const fixture = createMiningFixture();
  const { block } = good(await generateBlock(SCRIPT, [], false, fixture.dependencies));
  const submitter = { ...fixture.submitter, acceptBlock: async () => ({ isNew: true }) };
  assert.equal(await submitBlock(block, { chain: fixture.mining, submitter }), "inconclusive");
});

test("networkHashRate over a number of blocks, and since the last retarget", () => {
  const { chain } = createMiningFixture(150);
  const { tip, network } = chain;
  // Each block is two hashes of work in 600 seconds.
  assert.equal(networkHashRate(tip, network, 120, -1), 240 / (120 * 600));
  assert.equal(networkHashRate(tip, network, 1, 10), 2 / 600);
  assert.equal(networkHashRate(tip, network, 1000, -1), 300 / (150 * 600));
  assert.equal(networkHashRate(tip, network, -1, -1), 14 / (7 * 600), "144 blocks a period");
  assert.equal(networkHashRate(tip, network, 5, 0), 0);
  assert.deepEqual(networkHashRate(tip, network, 0, -1), {
    kind: "invalid-parameter",
    text: "Invalid nblocks. Must be a positive number or -1.",
  });
  assert.deepEqual(networkHashRate(tip, network, 1, 151), {
    kind: "invalid-parameter",
    text: "Block does not exist at specified height",
  });
});

function templatesOf(fixture: MiningFixture, clock = new ManualClock()) {
  const { dependencies, tipMoved } = fixture;
  return new BlockTemplates(DEFAULT_TEMPLATE_OPTIONS, { ...dependencies, clock, tipMoved });
}

const SEGWIT = { rules: ["segwit"] };
const never = () => false;

test("getblocktemplate: every member", async () => {
  const fixture = createMiningFixture();
  const { chain } = fixture;
  const parent = spend([chain.coinbase(1)], 1000);
  const child = spend([coinOf(parent)], 5000);
  await accept(fixture, parent, child);
  const answer = good(await templatesOf(fixture).answer(SEGWIT, never)) as JsonObject;
  const transactions = [parent, child].map((table, i) => ({
    data: toHex(table.bytes),
    txid: toHexReversed(txidOf(table)),
    hash: toHexReversed(hashTxs(table).wtxids),
    depends: i === 0 ? [] : [1],
    fee: i === 0 ? 1000 : 5000,
    sigops: 0,
    weight: table.weight(0),
  }));
  const { default_witness_commitment: commitment, ...rest } = answer;
  assert.deepEqual(rest, {
    capabilities: ["proposal"],
    version: 0x2000_0000,
    rules: ["csv", "!segwit", "taproot"],
    vbavailable: {},
    vbrequired: 0,
    previousblockhash: toHexReversed(chain.tip.hash),
    transactions,
    coinbaseaux: {},
    coinbasevalue: 50_0000_6000,
    longpollid: `${toHexReversed(chain.tip.hash)}2`,
    target: "7fffff0000000000000000000000000000000000000000000000000000000000",
    mintime: chain.tip.medianTimePast() + 1,
    mutable: ["time", "transactions", "prevblock"],
    noncerange: "00000000ffffffff",
    sigoplimit: 80_000,
    sizelimit: 4_000_000,
    weightlimit: 4_000_000,
    curtime: fixture.now,
    bits: "207fffff",
    height: 111,
    signet_challenge: undefined,
  });
  assert.match(commitment as string, /^6a24aa21a9ed[0-9a-f]{64}$/);
});

test("getblocktemplate: deployments under way, and the time before segwit", async () => {
  const deployments = { testdummy: { startTime: 0, timeout: Number.MAX_SAFE_INTEGER } };
  const started = createMiningFixture(145, {}, regtest({ deployments }));
  const answer = good(await templatesOf(started).answer(SEGWIT, never)) as JsonObject;
  assert.deepEqual(answer["vbavailable"], { testdummy: 28 });
  assert.equal(answer["version"], 0x3000_0000);

  const early = createMiningFixture(110, {}, regtest({ activationHeights: { segwit: 500 } }));
  const old = good(await templatesOf(early).answer(SEGWIT, never)) as JsonObject;
  assert.deepEqual(old["rules"], ["csv", "taproot"]);
  assert.deepEqual([old["sigoplimit"], old["sizelimit"], old["weightlimit"]], [20_000, 1_000_000, undefined]);
});

test("getblocktemplate: rules that the client must know", async () => {
  const fixture = createMiningFixture();
  assert.deepEqual(await templatesOf(fixture).answer({ rules: [] }, never), {
    kind: "invalid-parameter",
    text: 'getblocktemplate must be called with the segwit rule set (call with {"rules": ["segwit"]})',
  });
  const network = regtest();
  const signet = { ...network, consensus: { ...network.consensus, signetChallenge: "51" } };
  const custom = createMiningFixture(110, {}, signet);
  assert.deepEqual(await templatesOf(custom).answer(SEGWIT, never), {
    kind: "invalid-parameter",
    text: 'getblocktemplate must be called with the signet rule set (call with {"rules": ["segwit", "signet"]})',
  });
  const answer = good(await templatesOf(custom).answer({ rules: ["segwit", "signet"] }, never)) as JsonObject;
  assert.equal(answer["signet_challenge"], "51");
  assert.deepEqual(answer["rules"], ["csv", "!segwit", "!signet", "taproot"]);
});

test("getblocktemplate: a template serves for five seconds though the mempool changes", async () => {
  const fixture = createMiningFixture();
  const templates = templatesOf(fixture);
  const count = async () =>
    ((good(await templates.answer(SEGWIT, never)) as JsonObject)["transactions"] as unknown[]).length;
  assert.equal(await count(), 0);
  await accept(fixture, spend([fixture.chain.coinbase(1)], 1000));
  fixture.now += 5;
  assert.equal(await count(), 0);
  fixture.now += 1;
  assert.equal(await count(), 1);
  await accept(fixture, spend([fixture.chain.coinbase(2)], 1000));
  await generateBlocks(1, SCRIPT, DEFAULT_MAX_TRIES, fixture.dependencies);
  assert.equal(await count(), 0, "another tip, another template");
});

test("getblocktemplate: longpoll waits for a tip, or after a minute for transactions", async () => {
  const fixture = createMiningFixture();
  const clock = new ManualClock();
  const templates = templatesOf(fixture, clock);
  const first = good(await templates.answer(SEGWIT, never)) as JsonObject;
  const longPollId = first["longpollid"] as string;
  const ask = (stopped = never) => {
    let done = false;
    const answer = templates.answer({ ...SEGWIT, longPollId }, stopped).finally(() => {
      done = true;
    });
    return { answer, done: () => done };
  };
  const settle = () => new Promise((resolve) => setImmediate(resolve));

  const byTip = ask();
  await settle();
  assert.equal(byTip.done(), false);
  await generateBlocks(1, SCRIPT, DEFAULT_MAX_TRIES, fixture.dependencies);
  const after = good(await byTip.answer) as JsonObject;
  assert.equal(after["height"], 112);

  // Its id names an old tip: it is answered at once.
  await ask().answer;
  const current = after["longpollid"] as string;
  const waiting = templates.answer({ ...SEGWIT, longPollId: current }, never);
  let done = false;
  void waiting.then(() => {
    done = true;
  });
  await accept(fixture, spend([fixture.chain.coinbase(1)], 1000));
  clock.advance(59_999);
  await settle();
  assert.equal(done, false);
  fixture.now += 60;
  clock.advance(1);
  const answered = good(await waiting) as JsonObject;
  assert.equal((answered["transactions"] as unknown[]).length, 1);

  // Without new transactions it looks again every ten seconds.
  let found = false;
  const patient = templates.answer({ ...SEGWIT, longPollId: answered["longpollid"] as string }, never);
  void patient.then(() => {
    found = true;
  });
  clock.advance(60_000);
  await settle();
  assert.equal(found, false);
  await accept(fixture, spend([fixture.chain.coinbase(2)], 1000));
  clock.advance(10_000);
  await patient;

  let stop = false;
  const stopped = templates.answer({ ...SEGWIT, longPollId: null }, () => stop);
  stop = true;
  clock.advance(70_000);
  await stopped;
  assert.deepEqual(await templates.answer({ ...SEGWIT, longPollId: "00" }, never), {
    kind: "invalid-parameter",
    text: "longpollid must be of length 64 (not 2, for '00')",
  });
  const odd = "g".repeat(64);
  assert.deepEqual(await templates.answer({ ...SEGWIT, longPollId: odd }, never), {
    kind: "invalid-parameter",
    text: `longpollid must be hexadecimal string (not '${odd}')`,
  });
});

test("getblocktemplate: proposals", async () => {
  const fixture = createMiningFixture();
  const templates = templatesOf(fixture);
  const { block } = await createTemplate(
    { coinbaseScript: SCRIPT },
    DEFAULT_TEMPLATE_OPTIONS,
    fixture.dependencies,
  );
  assert.equal(await templates.judgeProposal(block), null, "no proof of work is asked for");
  const wrong = block.slice();
  wrong[40]! ^= 1;
  assert.equal(await templates.judgeProposal(wrong), "bad-txnmrklroot");
  const elsewhere = block.slice();
  elsewhere[10]! ^= 1;
  assert.equal(await templates.judgeProposal(elsewhere), "inconclusive-not-best-prevblk");
  assert.deepEqual(await templates.judgeProposal(block.subarray(1)), {
    kind: "deserialization",
    text: "Block decode failed",
  });
  const mined = good(await generateBlock(SCRIPT, [], true, fixture.dependencies));
  assert.equal(await templates.judgeProposal(mined.block), "duplicate");
  assert.ok(equalBytes(blockHash(mined.block), fixture.chain.tip.hash));
  const verdicts = ["invalid", "inconclusive"] as const;
  for (const verdict of verdicts) {
    const chain = { ...fixture.mining, tip: fixture.chain.tip, knowledgeOf: () => verdict };
    const { dependencies, tipMoved } = fixture;
    const other = new BlockTemplates(DEFAULT_TEMPLATE_OPTIONS, {
      ...dependencies,
      chain,
      clock: new ManualClock(),
      tipMoved,
    });
    assert.equal(await other.judgeProposal(block), `duplicate-${verdict}`);
  }
});
