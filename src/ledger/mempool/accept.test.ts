import assert from "node:assert/strict";
import { test } from "node:test";
import { toHexReversed } from "#base/lib/bytes.ts";
import { OP_0, OP_1, OP_CHECKSIG, OP_RETURN } from "#protocol/bitcoin/opcodes.ts";
import { buildScript } from "#protocol/bitcoin/script.ts";
import { encodeTransaction, transactionAt } from "#protocol/bitcoin/transaction.ts";
import { parseTx, type TxTable } from "#protocol/bitcoin/tx-table.ts";
import { hashTxs, txidAt, wtxidAt } from "#protocol/bitcoin/txid.ts";
import { rejectionText } from "#protocol/consensus/rejection.ts";
import { feeRatePerKvb } from "#protocol/policy/fee-rate.ts";
import type { AcceptOptions } from "./accept.ts";
import {
  anyone,
  type Coin,
  coinOf,
  createFixture,
  type Fixture,
  keyLock,
  type Lock,
  spend,
} from "./fixture.ts";

async function accept(fixture: Fixture, table: TxTable, options: AcceptOptions = {}): Promise<string> {
  const result = await fixture.acceptor.accept(table, options);
  return result.accepted ? "accepted" : rejectionText(result.rejection);
}

async function accepted(fixture: Fixture, ...tables: TxTable[]): Promise<void> {
  for (const table of tables) assert.equal(await accept(fixture, table), "accepted");
}

const idOf = (table: TxTable) => toHexReversed(txidAt(hashTxs(table), 0));
const txidOf = (table: TxTable) => txidAt(hashTxs(table), 0).slice();

test("a signed spend of a mature coinbase is taken, and all that is known of it is right", async () => {
  const fixture = createFixture(0);
  const lock = keyLock(3);
  fixture.chain.mine([], { lock });
  for (let i = 0; i < 99; i++) fixture.chain.mine();
  const coin = fixture.chain.coinbase(1, lock);
  const table = spend([coin], 1000);
  const events: string[] = [];
  fixture.mempool.added.on(
    ({ entry, sequence }) => void events.push(`${toHexReversed(entry.txid)} ${sequence}`),
  );
  const result = await fixture.acceptor.accept(table);
  assert.ok(result.accepted);
  assert.equal(result.baseFee, 1000);
  assert.equal(result.vsize, Math.ceil(table.weight(0) / 4));
  assert.deepEqual(result.effectiveFeeRate, { fee: 1000, size: result.vsize });
  assert.deepEqual(events, [`${idOf(table)} 1`]);

  const entry = fixture.mempool.get(txidOf(table))!;
  assert.equal(fixture.mempool.getByWtxid(wtxidAt(hashTxs(table), 0)), entry);
  assert.equal(fixture.mempool.spender(table.bytes, table.outpoint(0)), entry);
  assert.equal(entry.height, 100);
  assert.equal(entry.spendsCoinbase, true);
  assert.equal(entry.sigopCost, 1);
  assert.equal(fixture.mempool.sequence, 2);
  const { bytes, totalFee, size } = fixture.mempool.info();
  assert.deepEqual({ bytes, totalFee, size }, { bytes: result.vsize, totalFee: 1000, size: 1 });
});

test("the reject strings of what can be said without the chain", async () => {
  const fixture = createFixture();
  const coin = fixture.chain.coinbase(1);
  const good = transactionAt(spend([coin], 1000), 0);
  /** The good transaction with some members changed, and what is said of it. */
  const altered = (change: Partial<typeof good>, input: Partial<(typeof good.inputs)[0]> = {}): TxTable => {
    const inputs = [{ ...good.inputs[0]!, ...input }];
    return parseTx(encodeTransaction({ ...good, inputs, ...change }));
  };
  const textOf = (...changes: Parameters<typeof altered>) => accept(fixture, altered(...changes));
  assert.equal(await textOf({ outputs: [] }), "bad-txns-vout-empty");
  assert.equal(await textOf({ inputs: [good.inputs[0]!, good.inputs[0]!] }), "bad-txns-inputs-duplicate");
  const nothing = { txid: new Uint8Array(32), index: 0xffff_ffff, script: new Uint8Array(4) };
  assert.equal(await textOf({}, nothing), "coinbase");
  assert.equal(await textOf({ version: 4 }), "version");
  const outputs = [{ value: 1000, script: buildScript(OP_CHECKSIG) }];
  assert.equal(await textOf({ outputs }), "scriptpubkey");
  // 4 + 1 + 41 + 1 + 9 + 4 = 60 bytes, and an OP_RETURN of one byte and of five.
  const small = (bytes: number) => {
    const script = Uint8Array.of(OP_RETURN, ...new Uint8Array(bytes - 1).fill(OP_0));
    return altered({ outputs: [{ value: 0, script }] });
  };
  assert.equal(small(4).strippedSize(0), 64);
  assert.equal(await accept(fixture, small(4)), "tx-size-small");
  // One byte more passes that check: the fee is the next thing wrong with it, or nothing.
  assert.equal(await accept(fixture, small(5), { testAccept: true }), "accepted");
  const locked = (lockTime: number) => altered({ lockTime });
  assert.equal(await accept(fixture, locked(111)), "non-final");
  assert.equal(await accept(fixture, locked(110), { testAccept: true }), "accepted");
  assert.equal(await accept(fixture, locked(fixture.chain.tip.medianTimePast())), "non-final");
});

test("known transactions and conflicting witnesses", async () => {
  const fixture = createFixture();
  const table = spend([fixture.chain.coinbase(1)], 1000);
  await accepted(fixture, table);
  assert.equal(await accept(fixture, table), "txn-already-in-mempool");
  const tx = transactionAt(table, 0);
  tx.inputs[0]!.witness = [Uint8Array.of(1), Uint8Array.of(OP_1)];
  assert.equal(await accept(fixture, parseTx(encodeTransaction(tx))), "txn-same-nonwitness-data-in-mempool");
});

test("missing inputs, and those of a transaction that was mined", async () => {
  const fixture = createFixture();
  const { chain } = fixture;
  const first = spend([chain.coinbase(1)], 1000, { split: 2 });
  await accepted(fixture, first);
  await fixture.acceptor.chainMoved(chain.extend([first]));
  assert.equal(fixture.mempool.size, 0);
  const result = await fixture.acceptor.accept(first);
  assert.ok(!result.accepted);
  // Its outputs are among the coins in memory only when someone asked for them.
  assert.equal(result.rejection.reason, "bad-txns-inputs-missingorspent");
  assert.equal(result.rejection.result, "missing-inputs");
  const spender = spend([coinOf(first)], 1000);
  await accepted(fixture, spender);
  assert.equal(await accept(fixture, first), "txn-already-known");

  const child = spend([coinOf(first, 1)], 1000);
  await accepted(fixture, child);
  assert.equal(
    await accept(fixture, spend([{ ...coinOf(child), index: 1 }], 1000)),
    "bad-txns-inputs-missingorspent",
  );
});

test("BIP68 locks, immature coinbases, amounts", async () => {
  const fixture = createFixture(110);
  const { chain } = fixture;
  // Coinbases up to height 11 are mature in block 111.
  assert.equal(
    await accept(fixture, spend([chain.coinbase(12)], 1000)),
    "bad-txns-premature-spend-of-coinbase, tried to spend coinbase at depth 99",
  );
  const coin = chain.coinbase(11);
  // The next block is 100 above the coinbase's.
  assert.equal(await accept(fixture, spend([coin], 1000, { sequence: 101 })), "non-BIP68-final");
  assert.equal(
    await accept(fixture, spend([coin], 1000, { sequence: 100 }), { testAccept: true }),
    "accepted",
  );
  const seconds = (units: number) => spend([coin], 1000, { sequence: 0x40_0000 | units });
  // Median time past now over that before block 11: 100 blocks of 600 s; 117 units of 512 s are 59,904.
  assert.equal(await accept(fixture, seconds(117), { testAccept: true }), "accepted");
  assert.equal(await accept(fixture, seconds(118)), "non-BIP68-final");
  assert.equal(
    await accept(fixture, spend([coin], -1)),
    "bad-txns-in-belowout, value in (50.00) < value out (50.00000001)",
  );
  const parent = spend([coin], 1000);
  await accepted(fixture, parent);
  assert.equal(await accept(fixture, spend([coinOf(parent)], 1000, { sequence: 1 })), "non-BIP68-final");
});

test("non-standard inputs and witnesses, and -acceptnonstdtxn", async () => {
  const odd: Lock = { script: Uint8Array.of(OP_1), unlock: () => ({}) };
  const pay = (lock: Lock) => ({ outputs: [{ value: 49_0000_0000, script: lock.script }] });
  const padded: Lock = {
    script: anyone.script,
    unlock: () => ({ witness: [new Uint8Array(81), Uint8Array.of(0x75, OP_1)] }),
  };
  for (const requireStandard of [true, false]) {
    const fixture = createFixture(110, { requireStandard });
    const { chain } = fixture;
    const oddParent = spend([chain.coinbase(1)], 1000, pay(odd));
    chain.mine([oddParent]);
    const nonstandard = await accept(fixture, spend([coinOf(oddParent, 0, odd)], 1000));
    const wide = await accept(fixture, spend([{ ...chain.coinbase(2), lock: padded }], 1000));
    if (requireStandard) {
      assert.equal(nonstandard, "bad-txns-nonstandard-inputs, input 0 script unknown");
      assert.equal(wide, "bad-witness-nonstandard");
      assert.equal(await accept(fixture, spend([chain.coinbase(3)], 1000, pay(odd))), "scriptpubkey");
    } else {
      assert.equal(nonstandard, "accepted");
      assert.match(wide, /^mempool-script-verify-flag-failed \(Witness program hash mismatch\)/);
    }
  }
});

test("dust needs a fee of nothing, and its spend", async () => {
  const fixture = createFixture(110, { minRelayFee: feeRatePerKvb(0) });
  const dusty = (fee: number) => {
    const coin = fixture.chain.coinbase(1);
    const script = anyone.script;
    return spend([coin], fee, {
      outputs: [
        { value: coin.amount - fee, script },
        { value: 0, script },
      ],
    });
  };
  assert.equal(await accept(fixture, dusty(1000)), "dust, tx with dust output must be 0-fee");
  const parent = dusty(0);
  await accepted(fixture, parent);
  const wtxid = (table: TxTable) => toHexReversed(wtxidAt(hashTxs(table), 0));
  const careless = spend([coinOf(parent, 0)], 1000);
  assert.equal(
    await accept(fixture, careless),
    `missing-ephemeral-spends, tx ${idOf(careless)} (wtxid=${wtxid(careless)}) did not spend parent's ephemeral dust`,
  );
  await accepted(fixture, spend([coinOf(parent, 0), coinOf(parent, 1)], 1000));
});

test("bad-txns-too-many-sigops", async () => {
  // P2WSH of a script with many CHECKMULTISIGs: 20 each, in the witness.
  const script = new Uint8Array(900).fill(0xae);
  const { sha256 } = await import("#base/crypto/sha256.ts");
  const lock: Lock = { script: buildScript(OP_0, sha256(script)), unlock: () => ({ witness: [script] }) };
  const fixture = createFixture();
  const parent = spend([fixture.chain.coinbase(1)], 1000, {
    outputs: [{ value: 1_0000_0000, script: lock.script }],
  });
  fixture.chain.mine([parent]);
  const text = await accept(fixture, spend([coinOf(parent, 0, lock)], 1_000_000));
  assert.equal(text, "bad-txns-too-many-sigops, 18000");
});

test("min relay fee not met, at 100 sat/kvB, and prioritisation", async () => {
  const fixture = createFixture();
  const coin = fixture.chain.coinbase(1);
  const vsize = Math.ceil(spend([coin], 1000).weight(0) / 4);
  const least = Math.ceil(vsize / 10);
  const cheap = spend([coin], least - 1);
  const result = await fixture.acceptor.accept(cheap);
  assert.ok(!result.accepted);
  assert.equal(rejectionText(result.rejection), `min relay fee not met, ${least - 1} < ${least}`);
  assert.equal(result.rejection.result, "reconsiderable");
  assert.deepEqual(result.effectiveFeeRate, { fee: least - 1, size: vsize });
  fixture.mempool.prioritise(txidAt(hashTxs(cheap), 0), 1);
  await accepted(fixture, cheap);
  const entry = fixture.mempool.get(txidOf(cheap))!;
  assert.equal(fixture.mempool.entryInfo(entry).fees.modified, least);
  assert.equal(await accept(fixture, spend([fixture.chain.coinbase(2)], least)), "accepted");
});

test("sigops count as 20 bytes each: adjusted weight and size", async () => {
  const script = new Uint8Array(60).fill(0x75, 0, 59);
  script.fill(0xac, 10, 40);
  script[59] = OP_1;
  const { sha256 } = await import("#base/crypto/sha256.ts");
  const lock: Lock = {
    script: buildScript(OP_0, sha256(script)),
    unlock: () => ({ witness: [script] }),
  };
  const fixture = createFixture();
  const parent = spend([fixture.chain.coinbase(1)], 1000, {
    outputs: [{ value: 1_0000_0000, script: lock.script }],
  });
  fixture.chain.mine([parent]);
  const table = spend([coinOf(parent, 0, lock)], 0);
  const result = await fixture.acceptor.accept(table);
  assert.ok(!result.accepted);
  // 30 sigops of 20 bytes are 600 weight, 150 vbytes; its bytes are fewer.
  assert.ok(table.weight(0) < 600);
  assert.equal(rejectionText(result.rejection), "min relay fee not met, 0 < 15");
});

test("mempool-script-verify-flag-failed, witness-stripped", async () => {
  const fixture = createFixture(0);
  const lock = keyLock(5);
  fixture.chain.mine([], { lock });
  for (let i = 0; i < 100; i++) fixture.chain.mine();
  const good = spend([fixture.chain.coinbase(1, lock)], 1000);
  const tx = transactionAt(good, 0);
  tx.inputs[0]!.witness[0]![20]! ^= 1;
  const bad = parseTx(encodeTransaction(tx));
  const name = `input 0 of ${idOf(bad)} (wtxid ${toHexReversed(wtxidAt(hashTxs(bad), 0))})`;
  const spending = `spending ${toHexReversed(bad.prevTxid(0))}:0`;
  assert.equal(
    await accept(fixture, bad),
    `mempool-script-verify-flag-failed (Signature must be zero for failed CHECK(MULTI)SIG operation), ${name}, ${spending}`,
  );
  const stripped = parseTx(encodeTransaction(tx, { witness: false }));
  const result = await fixture.acceptor.accept(stripped);
  assert.ok(!result.accepted);
  assert.equal(result.rejection.result, "witness-stripped");
  assert.match(
    result.rejection.reason,
    /^mempool-script-verify-flag-failed \(Witness program hash mismatch\)$/,
  );
  await accepted(fixture, good);
});

test("replacement: by fee, by feerate diagram, and what is refused", async () => {
  const fixture = createFixture();
  const { chain, mempool } = fixture;
  const coin = chain.coinbase(1);
  const original = spend([coin], 1000);
  await accepted(fixture, original);
  const removed: string[] = [];
  mempool.removed.on(({ entry, reason }) => void removed.push(`${reason} ${toHexReversed(entry.txid)}`));

  const vsize = Math.ceil(original.weight(0) / 4);
  const step = Math.ceil(vsize / 10);
  const lower = spend([coin], 999);
  assert.equal(
    await accept(fixture, lower),
    `insufficient fee, rejecting replacement ${idOf(lower)}, less fees than conflicting txs; 0.00000999 < 0.00001`,
  );
  const short = spend([coin], 1000 + step - 1);
  assert.match(await accept(fixture, short), /^insufficient fee, .*, not enough additional fees to relay; /);
  // More in total, but less for its size: many outputs.
  const fat = spend([coin], 1600, { split: 30 });
  assert.equal(
    await accept(fixture, fat),
    "replacement-failed, insufficient feerate: does not improve feerate diagram",
  );
  const better = spend([coin], 1000 + step, { sequence: 0xffff_ffff });
  const test = await fixture.acceptor.accept(better, { testAccept: true });
  assert.ok(test.accepted);
  assert.deepEqual(removed, []);
  const result = await fixture.acceptor.accept(better);
  assert.ok(result.accepted);
  assert.deepEqual(
    result.replaced.map(({ txid }) => toHexReversed(txid)),
    [idOf(original)],
  );
  assert.deepEqual(removed, [`replaced ${idOf(original)}`]);
  assert.equal(mempool.size, 1);
  // It did not signal, and is replaced all the same.
  assert.equal(await accept(fixture, spend([coin], 5000)), "accepted");
});

test("replacement takes descendants along, and may not depend on them", async () => {
  const fixture = createFixture();
  const { chain, mempool } = fixture;
  const coin = chain.coinbase(1);
  const parent = spend([coin], 1000, { split: 2 });
  const children = [0, 1].map((i) => spend([coinOf(parent, i)], 1000));
  await accepted(fixture, parent, ...children);
  assert.match(await accept(fixture, spend([coin], 3000)), /not enough additional fees to relay; 0.00 < /);
  const circular = spend([coin, coinOf(children[0]!)], 50_000);
  assert.equal(
    await accept(fixture, circular),
    `bad-txns-spends-conflicting-tx, ${idOf(circular)} spends conflicting transaction ${idOf(parent)}`,
  );
  assert.equal(await accept(fixture, spend([coin], 3100)), "accepted");
  assert.equal(mempool.size, 1);
});

test("too many potential replacements: from more than 100 clusters", async () => {
  const fixture = createFixture();
  const { chain, acceptor } = fixture;
  const fan = spend([chain.coinbase(1)], 10_000, { split: 101 });
  await acceptor.chainMoved(chain.extend([fan]));
  const coins = Array.from({ length: 101 }, (_, i) => coinOf(fan, i));
  for (const coin of coins) await accepted(fixture, spend([coin], 200));
  const all = spend(coins, 1_000_000);
  assert.equal(
    await accept(fixture, all),
    `too many potential replacements, rejecting replacement ${idOf(all)}; too many conflicting clusters (101 > 100)`,
  );
  assert.equal(await accept(fixture, spend(coins.slice(0, 100), 1_000_000)), "accepted");
});

test("too-large-cluster: 64 transactions, or 101,000 virtual bytes", async () => {
  const fixture = createFixture();
  const { chain, mempool } = fixture;
  let coin: Coin = chain.coinbase(1);
  for (let i = 0; i < 64; i++) {
    const table = spend([coin], 1000);
    await accepted(fixture, table);
    coin = coinOf(table);
  }
  assert.equal(await accept(fixture, spend([coin], 1000)), "too-large-cluster");
  // Joined to another cluster, by a replacement of its only transaction.
  const lone = chain.coinbase(2);
  await accepted(fixture, spend([lone], 1000));
  assert.equal(await accept(fixture, spend([lone, coin], 100_000)), "too-large-cluster");
  assert.equal(mempool.cluster(mempool.get(coin.txid)!).flatMap(({ entries }) => entries).length, 64);

  const wide = createFixture();
  const big = (from: Coin, data: number) => spend([from], 20_000, { data });
  const first = big(wide.chain.coinbase(1), 50_000);
  await accepted(wide, first);
  const left = 101_000 * 4 - first.weight(0);
  const overhead = big(coinOf(first), 40_000).weight(0) - 4 * 40_000;
  const most = Math.floor((left - overhead) / 4);
  assert.equal(await accept(wide, big(coinOf(first), most + 1)), "too-large-cluster");
  assert.equal(await accept(wide, big(coinOf(first), most)), "accepted");
});

test("TRUC-violation, and a sibling whose place is taken", async () => {
  const fixture = createFixture();
  const { chain, mempool } = fixture;
  const parent = spend([chain.coinbase(1)], 1000, { version: 3, split: 2 });
  await accepted(fixture, parent);
  assert.match(
    await accept(fixture, spend([coinOf(parent)], 1000)),
    /^TRUC-violation, non-version=3 tx .* cannot spend from version=3 tx /,
  );
  const child = spend([coinOf(parent, 0)], 1000, { version: 3 });
  await accepted(fixture, child);
  const sibling = (fee: number) => spend([coinOf(parent, 1)], fee, { version: 3 });
  assert.match(
    await accept(fixture, sibling(1000)),
    /^insufficient fee \(including sibling eviction\), rejecting replacement/,
  );
  await accepted(fixture, sibling(2000));
  assert.ok(!mempool.has(txidOf(child)));
  assert.match(
    await accept(fixture, spend([coinOf(sibling(2000))], 1000, { version: 3 })),
    /^TRUC-violation, tx .* would have too many ancestors$/,
  );
});

test("a full mempool evicts the worst chunks and asks for more than they paid", async () => {
  const fixture = createFixture(150, { maxSize: 400_000 });
  const { chain, mempool } = fixture;
  const events: string[] = [];
  mempool.added.on(() => void events.push("added"));
  mempool.removed.on(({ reason }) => void events.push(reason));
  for (let i = 1; i <= 40; i++)
    await fixture.acceptor.accept(spend([chain.coinbase(i)], 3000 + 3000 * i, { data: 20_000 }));
  assert.ok(mempool.usage <= 400_000);
  assert.ok(mempool.size >= 15 && mempool.size < 25, `${mempool.size} of 40 are left`);
  assert.equal(events.filter((event) => event === "added").length, 40);
  assert.equal(events.filter((event) => event === "sizelimit").length, 40 - mempool.size);
  // The cheapest that is left pays more than all that went.
  const fees = [...mempool.entries()].map(({ fee }) => fee);
  assert.equal(Math.min(...fees), 3000 + 3000 * (41 - mempool.size));

  const minimum = mempool.info().mempoolMinFee;
  assert.ok(minimum > 100);
  const cheap = await fixture.acceptor.accept(spend([chain.coinbase(41)], 2000, { data: 20_000 }));
  assert.ok(!cheap.accepted);
  assert.match(rejectionText(cheap.rejection), /^mempool min fee not met, 2000 < \d+$/);

  // It falls after a block: in a nearly empty mempool by half in three hours, and not under the step.
  await fixture.acceptor.chainMoved(chain.extend([...mempool.entries()].map(({ table }) => table)));
  assert.equal(mempool.size, 0);
  fixture.now += 3 * 3600;
  assert.equal(mempool.info().mempoolMinFee, Math.max(100, Math.round(minimum / 2)));
  fixture.now += 30 * 3600;
  assert.equal(mempool.info().mempoolMinFee, 100);
  assert.equal(mempool.minFee().fee, 0);
});

test("mempool full: what would itself be evicted", async () => {
  const fixture = createFixture(150, { maxSize: 400_000, minRelayFee: feeRatePerKvb(0) });
  const { chain, mempool } = fixture;
  let i = 1;
  for (; mempool.usage + 25_000 < 400_000; i++) {
    await accepted(fixture, spend([chain.coinbase(i)], 5000, { data: 20_000 }));
  }
  const { size } = mempool;
  const before = mempool.sequence;
  assert.equal(await accept(fixture, spend([chain.coinbase(i)], 100, { data: 60_000 })), "mempool full");
  assert.equal(mempool.size, size);
  assert.equal(mempool.sequence, before + 1, "its removal was told, its coming not");
});

test("old transactions leave with their descendants when the next one comes", async () => {
  const fixture = createFixture(110, { expiry: 3600 });
  const { chain, mempool } = fixture;
  const reasons: string[] = [];
  mempool.removed.on(({ reason }) => void reasons.push(reason));
  const old = spend([chain.coinbase(1)], 1000);
  await accepted(fixture, old);
  fixture.now += 3600;
  await accepted(fixture, spend([coinOf(old)], 1000));
  mempool.prioritise(mempool.get(txidOf(old))!.txid, 5);
  fixture.now += 1;
  await accepted(fixture, spend([chain.coinbase(2)], 1000));
  assert.deepEqual(reasons, ["expiry", "expiry"]);
  assert.equal(mempool.size, 1);
});

test("testPackage: parents first, each paying for itself, nothing replaced", async () => {
  const fixture = createFixture();
  const { chain, acceptor, mempool } = fixture;
  const parent = spend([chain.coinbase(1)], 1000);
  const child = spend([coinOf(parent)], 1000);
  const both = await acceptor.testPackage([parent, child]);
  assert.equal(both.rejection, undefined);
  assert.deepEqual(
    both.results.map((result) => result?.accepted),
    [true, true],
  );
  assert.equal(mempool.size, 0);

  const refusal = async (...tables: TxTable[]) => {
    const { rejection, results } = await acceptor.testPackage(tables);
    const texts = results.map((result) =>
      result === undefined ? "-" : result.accepted ? "ok" : rejectionText(result.rejection),
    );
    return [rejection === undefined ? "" : rejectionText(rejection), ...texts];
  };
  assert.deepEqual(await refusal(child, parent), ["package-not-sorted", "-", "-"]);
  assert.deepEqual(await refusal(parent, parent), ["package-contains-duplicates", "-", "-"]);
  assert.deepEqual(await refusal(parent, spend([chain.coinbase(1)], 2000)), [
    "conflict-in-package",
    "-",
    "-",
  ]);
  const cheap = spend([coinOf(parent)], 1);
  assert.deepEqual(await refusal(parent, cheap), ["", "-", "min relay fee not met, 1 < 10"]);
  const orphan = spend([coinOf(child)], 1000);
  assert.deepEqual(await refusal(orphan, parent), ["", "bad-txns-inputs-missingorspent", "-"]);
  assert.deepEqual(await refusal(parent, orphan), ["", "-", "bad-txns-inputs-missingorspent"]);

  await accepted(fixture, parent);
  assert.deepEqual(await refusal(parent, child), ["", "txn-already-in-mempool", "-"]);
  const replacing = spend([chain.coinbase(1)], 90_000);
  assert.deepEqual(await refusal(replacing, spend([chain.coinbase(2)], 1000)), [
    "",
    "bip125-replacement-disallowed",
    "-",
  ]);
  assert.deepEqual(await refusal(child, spend([coinOf(child)], 1000)), ["", "ok", "ok"]);
});

test("testPackage: clusters, TRUC and dust across the package", async () => {
  const fixture = createFixture(110, { maxClusterCount: 3, minRelayFee: feeRatePerKvb(0) });
  const { chain, acceptor } = fixture;
  const chainOf = (count: number, version = 2): TxTable[] => {
    const tables = [spend([chain.coinbase(1)], 1000, { version })];
    while (tables.length < count) tables.push(spend([coinOf(tables.at(-1)!)], 1000, { version }));
    return tables;
  };
  assert.equal((await acceptor.testPackage(chainOf(3))).rejection, undefined);
  assert.equal((await acceptor.testPackage(chainOf(4))).rejection?.reason, "too-large-cluster");
  assert.equal((await acceptor.testPackage(chainOf(2, 3))).rejection, undefined);
  const truc = await acceptor.testPackage(chainOf(3, 3));
  assert.match(rejectionText(truc.rejection!), /^TRUC-violation, tx .* would have too many ancestors$/);

  const coin = chain.coinbase(2);
  const outputs = [coin.amount, 0].map((value) => ({ value, script: anyone.script }));
  const dusty = spend([coin], 0, { outputs });
  const swept = await acceptor.testPackage([dusty, spend([coinOf(dusty, 0), coinOf(dusty, 1)], 1000)]);
  assert.deepEqual(
    swept.results.map((result) => result?.accepted),
    [true, true],
  );
  const left = await acceptor.testPackage([dusty, spend([coinOf(dusty, 0)], 1000)]);
  const last = left.results[1]!;
  assert.ok(!last.accepted);
  assert.equal(last.rejection.reason, "missing-ephemeral-spends");
});

test("acceptances that are asked for at once are taken one after the other", async () => {
  const fixture = createFixture();
  const coin = fixture.chain.coinbase(1);
  const rivals = [1000, 1001, 1002].map((fee) => spend([coin], fee));
  const results = await Promise.all(rivals.map((rival) => accept(fixture, rival)));
  assert.equal(results[0], "accepted");
  assert.match(results[1]!, /^insufficient fee/);
  assert.equal(fixture.mempool.size, 1);
});

test("coins that were fetched for a refused transaction are let go again", async () => {
  const fixture = createFixture();
  const { chain, acceptor } = fixture;
  const cheap = spend([chain.coinbase(1)], 0);
  await fixture.acceptor.accept(cheap);
  await fixture.acceptor.accept(spend([{ ...chain.coinbase(2), index: 9 }], 1000));
  await fixture.acceptor.accept(spend([chain.coinbase(3)], 1000), { testAccept: true });
  await acceptor.testPackage([spend([chain.coinbase(4)], 1000), spend([chain.coinbase(5)], 1000)]);
  assert.equal(chain.fetchedCount, 0);
  await accepted(fixture, spend([chain.coinbase(1)], 1000));
  assert.equal(chain.fetchedCount, 1);
  // What is there for another stays.
  await fixture.acceptor.accept(spend([chain.coinbase(1)], 1));
  assert.equal(chain.fetchedCount, 1);
});
