import assert from "node:assert/strict";
import { test as declareTest } from "node:test";
import { hex, toHexReversed } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { HARDENED } from "#protocol/bitcoin/key-path.ts";
import { decodeTransaction, encodeTransaction, tableOf } from "#protocol/bitcoin/transaction.ts";
import { hashTxs } from "#protocol/bitcoin/txid.ts";
import { BRANCH } from "./branches.ts";
import { encodePsbt } from "./psbt.ts";
import { good, scriptOf, WalletWorld, WORDS } from "./test-support/wallet-world.ts";
import type { SpendReview } from "./wallet-views.ts";

const test = (name: string, run: () => Promise<void>) => declareTest(name, { timeout: 30_000 }, run);

/** Of a wallet that is not ours. */
const FOREIGN = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";
const FOREIGN_TAPROOT = "bcrt1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqc8gma6";

test("the addresses of BIP84 and BIP86, for the words of their vectors", async () => {
  const world = new WalletWorld();
  const words = `${"abandon ".repeat(11)}about`;
  const wallet = await world.restore(words);
  // The BIPs' keys, under this network's coin type, as other wallets derive them.
  assert.equal(await wallet.newAddress("bech32"), "bcrt1q6rz28mcfaxtmd6v789l9rrlrusdprr9pz3cppk");
  assert.equal(
    await wallet.newAddress("bech32m"),
    "bcrt1p8wpt9v4frpf3tkn0srd97pksgsxc5hs52lafxwru9kgeephvs7rqjeprhg",
  );
  const [receiving] = wallet.descriptors();
  assert.match(receiving!.descriptor, /^wpkh\(\[73c5da0a\/84h\/1h\/0h\]tpub[^/]+\/0\/\*\)#[a-z0-9]{8}$/);
});

test("a payment is pending, then trusted, and mined coins ripen", async () => {
  const world = new WalletWorld();
  const wallet = await world.create();
  const address = await wallet.newAddress();
  await world.chain.pay(scriptOf(address), 70_000);
  assert.deepEqual(wallet.balances(), { trusted: 0, untrustedPending: 70_000, immature: 0, nonMempool: 0 });
  assert.equal(wallet.coins()[0]?.isSafe, false);
  await world.mine();
  await wallet.caughtUp();
  assert.deepEqual(wallet.balances(), { trusted: 70_000, untrustedPending: 0, immature: 0, nonMempool: 0 });
  assert.equal(wallet.balances(2).trusted, 0);
  await world.chain.mine(scriptOf(await wallet.newAddress("bech32m")));
  assert.equal(wallet.balances().immature, 50 * 100_000_000);
  assert.equal(wallet.coins().length, 1, "what is not ripe cannot be spent");
  await world.mine(99);
  assert.equal(wallet.balances().immature, 50 * 100_000_000);
  await world.mine();
  assert.equal(wallet.balances().trusted, 50 * 100_000_000 + 70_000);
  const [received] = wallet.history();
  assert.deepEqual(
    [received?.net, received?.confirmations, received?.outputs[0]?.address, received?.isCoinbase],
    [70_000, 102, address, false],
  );
});

test("a payment pays what was asked at the rate that was asked, and change comes back", async () => {
  const world = new WalletWorld();
  const wallet = await world.funded([500_000, 300_000, 200_000]);
  const rates = [1, 2.5, 17.3, 250];
  for (const feeRate of rates) {
    for (const address of [FOREIGN, FOREIGN_TAPROOT]) {
      const amount = 40_000;
      const before = wallet.balances().trusted;
      const { proposal } = good(await wallet.propose({ recipients: [{ address, amount }], feeRate }));
      const { review } = proposal;
      assert.deepEqual(review.recipients, [{ address, amount }]);
      const { txid } = good(await wallet.approve(proposal.psbt, review));
      const sent = wallet.transaction(txid)!;
      assert.equal(sent.fee, review.fee);
      assert.equal(before - wallet.balances().trusted, amount + review.fee);
      const size = decodeTransaction(sent.raw).inputs.length * 27;
      const vsize = Math.ceil((3 * strippedLength(sent.raw) + sent.raw.length) / 4);
      // A signature may come out a byte or two shorter than the longest.
      assert.ok(review.vsize - vsize >= 0 && review.vsize - vsize <= size, `${review.vsize} for ${vsize}`);
      if (review.change.length > 0) assert.equal(review.fee, Math.ceil(review.vsize * feeRate));
      assert.ok(review.fee >= Math.ceil(vsize * feeRate));
      for (const { address: own } of review.change) {
        assert.equal(own.length, address.length, "change is of the recipient's type");
      }
      await world.mine();
    }
  }
  assert.equal(wallet.balances().nonMempool, 0);
});

function strippedLength(raw: Uint8Array): number {
  const tx = decodeTransaction(raw);
  const witness = tx.inputs.reduce(
    (sum, input) => sum + 1 + input.witness.reduce((all, item) => all + 1 + item.length, 0),
    2,
  );
  return raw.length - witness;
}

test("rate: the chain's estimate, else a fallback, never below the mempool's minimum", async () => {
  const world = new WalletWorld();
  const wallet = await world.funded([500_000]);
  const request = { recipients: [{ address: FOREIGN, amount: 10_000 }] };
  const propose = async () => good(await wallet.propose(request)).proposal;
  assert.equal((await propose()).feeSource, "fallback");
  assert.equal(Math.round((await propose()).review.feeRate), 10);
  world.chain.estimate = 4000;
  assert.deepEqual(
    [(await propose()).feeSource, Math.round((await propose()).review.feeRate)],
    ["estimate", 4],
  );
  world.chain.minimum = 7000;
  assert.deepEqual(
    [(await propose()).feeSource, Math.round((await propose()).review.feeRate)],
    ["minimum", 7],
  );
  const low = await wallet.propose({ ...request, feeRate: 6 });
  assert.ok(!low.ok && low.refusal === "fee-too-low");
  assert.equal(
    low.reason,
    "Fee rate (6.000 sat/vB) is lower than the minimum fee rate setting (7.000 sat/vB)",
  );
  for (const minimum of [7000, 0]) {
    world.chain.minimum = minimum;
    const none = await wallet.propose({ ...request, feeRate: 0 });
    assert.ok(!none.ok && none.refusal === "fee-too-low");
  }
});

test("the fallback is what the node was told, and without one nothing is paid unless a rate is given", async () => {
  const request = { recipients: [{ address: FOREIGN, amount: 10_000 }] };
  const world = new WalletWorld();
  const fundedWith = async (fallbackFeeRate: number, name: string) => {
    world.fallbackFeeRate = fallbackFeeRate;
    world.restart();
    return await world.funded([500_000], name);
  };
  const told = await fundedWith(3000, "told");
  const { proposal } = good(await told.propose(request));
  assert.deepEqual([proposal.feeSource, Math.round(proposal.review.feeRate)], ["fallback", 3]);
  const wallet = await fundedWith(0, "without");
  const refused = await wallet.propose(request);
  assert.ok(!refused.ok && refused.refusal === "fee-unknown", JSON.stringify(refused));
  assert.ok((await wallet.propose({ ...request, feeRate: 2 })).ok);
  world.chain.estimate = 4000;
  assert.equal(good(await wallet.propose(request)).proposal.feeSource, "estimate");
});

test("what cannot be paid is refused with its reason", async () => {
  const world = new WalletWorld();
  const wallet = await world.funded([100_000]);
  const refusal = async (address: string, amount: number, more: object = {}) => {
    const outcome = await wallet.propose({ recipients: [{ address, amount }], ...more });
    return outcome.ok ? undefined : outcome.refusal;
  };
  assert.equal(await refusal("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", 1000), "invalid-address");
  assert.equal(await refusal(FOREIGN, 0), "invalid-amount");
  assert.equal(await refusal(FOREIGN, 1.5), "invalid-amount");
  assert.equal(await refusal(FOREIGN, -5), "invalid-amount");
  assert.equal(await refusal(FOREIGN, 293), "invalid-amount");
  assert.equal(await refusal(FOREIGN, 294), undefined);
  assert.equal(await refusal(FOREIGN, 99_990), "insufficient-funds");
  assert.equal(await refusal(FOREIGN, 100_000, { subtractFee: true }), undefined);
  assert.equal(await refusal(FOREIGN, 100_001, { subtractFee: true }), "insufficient-funds");
  assert.equal(await refusal(FOREIGN, 1000, { feeRate: 1e6 }), "fee-too-high");
  assert.equal((await wallet.propose({ recipients: [] })).ok, false);
  assert.equal(await refusal(FOREIGN, 500, { subtractFee: true }), "invalid-amount");
});

test("all can be sent, the fee taken from it", async () => {
  const world = new WalletWorld();
  const wallet = await world.funded([100_000, 50_000, 25_000]);
  const { proposal } = good(
    await wallet.pay({ recipients: [{ address: FOREIGN, amount: 175_000 }], subtractFee: true, feeRate: 3 }),
  );
  assert.equal(proposal.review.change.length, 0);
  assert.equal(proposal.review.recipients[0]!.amount + proposal.review.fee, 175_000);
  assert.equal(proposal.review.fee, Math.ceil(proposal.review.vsize * 3));
  await world.mine();
  assert.deepEqual(wallet.balances(), { trusted: 0, untrustedPending: 0, immature: 0, nonMempool: 0 });
});

test("change is spent before it confirms; a stranger's payment is not", async () => {
  const world = new WalletWorld();
  const wallet = await world.funded([1_000_000]);
  good(await wallet.pay({ recipients: [{ address: FOREIGN, amount: 100_000 }] }));
  await world.chain.pay(scriptOf(await wallet.newAddress()), 5_000_000);
  good(await wallet.pay({ recipients: [{ address: FOREIGN, amount: 100_000 }] }));
  const tooMuch = await wallet.pay({ recipients: [{ address: FOREIGN, amount: 2_000_000 }] });
  assert.ok(!tooMuch.ok && tooMuch.refusal === "insufficient-funds");
  await world.mine();
  good(await wallet.pay({ recipients: [{ address: FOREIGN, amount: 2_000_000 }] }));
});

test("transactions signal replaceability, hide their order, and are tied to the tip", async () => {
  const world = new WalletWorld();
  const wallet = await world.funded([400_000, 400_000]);
  const tip = await world.chain.tip();
  const [orders, lockTimes] = [new Set<boolean>(), new Set<number>()];
  for (let i = 0; i < 60; i++) {
    const { proposal } = good(
      await wallet.propose({ recipients: [{ address: FOREIGN, amount: 500_000 }], replaceable: i % 2 === 0 }),
    );
    assert.equal(proposal.review.replaceable, i % 2 === 0);
    lockTimes.add(proposal.review.lockTime);
    orders.add(proposal.review.inputs[0]!.txid < proposal.review.inputs[1]!.txid);
  }
  assert.equal(orders.size, 2);
  assert.ok(lockTimes.has(tip.height) && lockTimes.size > 1);
  assert.ok([...lockTimes].every((height) => height <= tip.height && height >= tip.height - 100));
  world.clock.advance(9 * 3600 * 1000);
  const late = good(await wallet.propose({ recipients: [{ address: FOREIGN, amount: 500_000 }] }));
  assert.equal(late.proposal.review.lockTime, 0, "an old tip tells how far behind we are");
});

test("only what was shown is signed", async () => {
  const world = new WalletWorld();
  const wallet = await world.funded([400_000, 100_000]);
  const { proposal } = good(await wallet.propose({ recipients: [{ address: FOREIGN, amount: 50_000 }] }));
  const other = good(await wallet.propose({ recipients: [{ address: FOREIGN_TAPROOT, amount: 60_000 }] }));
  const { review } = proposal;
  const changed: SpendReview[] = [
    { ...review, fee: review.fee - 1 },
    { ...review, recipients: [{ address: FOREIGN, amount: 49_999 }] },
    { ...review, change: [] },
    { ...review, lockTime: review.lockTime + 1 },
    { ...review, replaceable: false },
    other.proposal.review,
  ];
  for (const seen of changed) {
    const outcome = await wallet.approve(proposal.psbt, seen);
    assert.ok(!outcome.ok && outcome.refusal === "changed");
  }
  assert.deepEqual(world.chain.waiting, []);
  good(await wallet.approve(proposal.psbt, review));
  const again = await wallet.approve(proposal.psbt, review);
  assert.ok(!again.ok && again.refusal === "not-ours", "its coins are spent");
});

test("a PSBT that lies about amounts, or spends what is not ours, is refused", async () => {
  const world = new WalletWorld();
  const wallet = await world.funded([400_000]);
  const [coin] = wallet.coins();
  const publicKey = hex(/\]([0-9a-f]{66})\)/.exec(coin!.descriptor)![1]!);
  const path = [84, 1, 0].map((step) => step + HARDENED).concat(0);
  const own = { chain: { type: "bech32", path }, index: 0, script: coin!.script, publicKey } as never;
  const input = { txid: coin!.txid, index: coin!.vout, sequence: 0xffff_fffd, amount: 400_000, own };
  const parent = wallet.transaction(coin!.txid)!.raw;
  /** As a dishonest maker of payments may hand it over. */
  const psbt = (changes: { parent?: Uint8Array; index?: number; amount?: number }, amount = 1000) =>
    encodePsbt({
      inputs: [{ ...input, parent, ...changes }],
      outputs: [{ script: scriptOf(FOREIGN), amount, own: undefined }],
      lockTime: 0,
      fingerprint: new Uint8Array(4),
    });
  assert.ok(wallet.review(psbt({})).ok);
  // The parent with another amount in it has another txid, which only the wallet's own records show.
  const forged = decodeTransaction(parent);
  forged.outputs[coin!.vout]!.value = 399_999;
  const forgedParent = encodeTransaction(forged);
  const forgedTxid = toHexReversed(hashTxs(tableOf(forged)).txids);
  const lying = encodePsbt({
    inputs: [{ ...input, txid: forgedTxid, amount: 399_999, parent: forgedParent }],
    outputs: [{ script: scriptOf(FOREIGN), amount: 1000, own: undefined }],
    lockTime: 0,
    fingerprint: new Uint8Array(4),
  });
  const sound = psbt({});
  const bad = [lying, psbt({}, 400_001), sound.slice(0, -3), new Uint8Array(0), Uint8Array.of(112, 115)];
  for (const [i, bytes] of bad.entries()) {
    const outcome = wallet.review(bytes);
    assert.ok(!outcome.ok && outcome.refusal === "not-ours", `case ${i}`);
  }
});

test("a refused broadcast frees the coins again", async () => {
  const world = new WalletWorld();
  const wallet = await world.funded([400_000]);
  world.chain.refusal = "mempool full";
  const outcome = await wallet.pay({ recipients: [{ address: FOREIGN, amount: 50_000 }] });
  assert.deepEqual(outcome, { ok: false, refusal: "rejected", reason: "mempool full" });
  assert.equal(wallet.balances().trusted, 400_000);
  world.chain.refusal = undefined;
  good(await wallet.pay({ recipients: [{ address: FOREIGN, amount: 50_000 }] }));
});

test("a reorganisation takes confirmations away and gives them back", async () => {
  const world = new WalletWorld();
  const wallet = await world.funded([400_000, 30_000]);
  const { txid } = good(await wallet.pay({ recipients: [{ address: FOREIGN, amount: 100_000 }] }));
  await world.mine(3);
  assert.equal(wallet.transaction(txid)?.confirmations, 3);
  const balance = wallet.balances().trusted;
  await world.chain.reorg(3);
  await wallet.caughtUp();
  assert.equal(wallet.transaction(txid)?.status, "mempool");
  assert.equal(wallet.transaction(txid)?.block, undefined);
  assert.equal(wallet.balances().trusted, balance);
  await world.mine();
  assert.equal(wallet.transaction(txid)?.confirmations, 1);
  await world.chain.reorg(6);
  await wallet.caughtUp();
  assert.equal(
    wallet.balances().trusted,
    0,
    "what came in waits again, and is a stranger's until it confirms",
  );
  assert.equal(wallet.balances().untrustedPending, balance);
  await world.mine();
  assert.equal(wallet.balances().trusted, balance);
});

test("a payment that was replaced counts for nothing", async () => {
  const world = new WalletWorld();
  const wallet = await world.create();
  const script = scriptOf(await wallet.newAddress());
  const { txid } = await world.chain.pay(world.chain.anyone, 100_000);
  await world.mine();
  const cheap = await world.chain.broadcast(await world.chain.spend(txid, 0, [{ value: 90_000, script }]));
  await wallet.caughtUp();
  assert.equal(wallet.balances().untrustedPending, 90_000);
  const dear = await world.chain.spend(txid, 0, [{ value: 50_000, script: scriptOf(FOREIGN) }]);
  assert.ok((await world.chain.broadcast(dear)).ok && cheap.ok);
  await wallet.caughtUp();
  assert.deepEqual(wallet.balances(), { trusted: 0, untrustedPending: 0, immature: 0, nonMempool: 0 });
  assert.equal(wallet.history()[0]?.status, "gone");
});

test("a double spend of ours is told as a conflict, as deep as the other's block", async () => {
  const world = new WalletWorld();
  const wallet = await world.funded([400_000]);
  const seen = await world.chain.tip();
  const request = { recipients: [{ address: FOREIGN, amount: 100_000 }] };
  const first = good(await wallet.propose({ ...request, feeRate: 2 }));
  const second = good(await wallet.propose({ ...request, feeRate: 50 }));
  const { txid } = good(await wallet.approve(first.proposal.psbt, first.proposal.review));
  assert.ok(seen.height > 0);
  // The same words on another machine.
  const words = good(await wallet.words()).words;
  const other = new WalletWorld(9, world.chain);
  const twin = await other.restore(words, "twin");
  world.chain.refusal = undefined;
  const outcome = await twin.approve(second.proposal.psbt, second.proposal.review);
  assert.ok(!outcome.ok, "the twin knows that the coin is spent");
  await world.mine();
  assert.equal(wallet.transaction(txid)?.confirmations, 1);
  assert.equal(twin.transaction(txid)?.confirmations, 1);
  assert.equal(twin.balances().trusted, wallet.balances().trusted);
});

test("words bring everything back, up to the gap limit and beyond it step by step", async () => {
  const world = new WalletWorld();
  const wallet = await world.funded([10_000, 20_000, 30_000, 40_000]);
  good(await wallet.pay({ recipients: [{ address: FOREIGN, amount: 12_000 }] }));
  for (let i = 0; i < 18; i++) await wallet.newAddress("bech32m");
  await world.chain.pay(scriptOf(await wallet.newAddress("bech32m")), 77_000);
  await world.mine();
  for (let i = 0; i < 19; i++) await wallet.newAddress("bech32m");
  await world.chain.pay(scriptOf(await wallet.newAddress("bech32m")), 88_000);
  await world.mine();
  await world.chain.pay(scriptOf(await wallet.newAddress("bech32")), 99_000);
  const words = good(await wallet.words()).words;
  const twin = await new WalletWorld(5, world.chain).restore(words);
  assert.deepEqual(twin.balances(), wallet.balances());
  assert.deepEqual(
    twin.history().map(({ txid, net, confirmations }) => [txid, net, confirmations]),
    wallet.history().map(({ txid, net, confirmations }) => [txid, net, confirmations]),
  );
  assert.equal(await twin.newAddress("bech32m"), await wallet.newAddress("bech32m"));
  assert.deepEqual(twin.branch(BRANCH.files), wallet.branch(BRANCH.files));
  good(await twin.pay({ recipients: [{ address: FOREIGN, amount: 150_000 }] }));
});

test("the words of a wallet are those of its seed", async () => {
  const world = new WalletWorld();
  const wallet = await world.restore(WORDS);
  assert.equal(good(await wallet.words()).words, WORDS);
  const bad = await world.manager.restore("other", { words: WORDS.replace("art", "abandon") });
  assert.ok(!bad.ok && bad.refusal === "invalid-words" && /checksum/.test(bad.reason));
  const typo = await world.manager.restore("other", { words: WORDS.replace("art", "artt") });
  assert.ok(!typo.ok && /word 24/.test(typo.reason) && !typo.reason.includes("artt"));
  const few = await world.manager.restore("other", { words: "abandon" });
  assert.ok(!few.ok && /not 1/.test(few.reason));
});

test("a locked wallet receives and does not sign; the seed is not there", async () => {
  const world = new WalletWorld();
  const wallet = await world.create("w", "secret phrase");
  assert.ok(wallet.isEncrypted && wallet.isLocked);
  assert.equal(wallet.branch(BRANCH.identity), undefined);
  await world.chain.pay(scriptOf(await wallet.newAddress()), 100_000);
  await world.mine();
  assert.equal(wallet.balances().trusted, 100_000);
  const request = { recipients: [{ address: FOREIGN, amount: 10_000 }] };
  const refused = await wallet.pay(request);
  assert.ok(!refused.ok && refused.refusal === "locked");
  const wrong = await wallet.unlock("wrong", 60);
  assert.ok(!wrong.ok && wrong.refusal === "wrong-passphrase");
  good(await wallet.unlock("secret phrase", 60));
  assert.equal(wallet.info().unlockedUntil, Math.floor(world.clock.now() / 1000) + 60);
  good(await wallet.pay(request));
  assert.equal(wallet.branch(BRANCH.identity)?.length, 32);
  world.clock.advance(60_000);
  assert.ok(wallet.isLocked, "it locks itself");
  assert.equal(wallet.branch(BRANCH.identity), undefined);
  assert.ok(!(await wallet.words()).ok);
  assert.ok(!(await wallet.words("wrong")).ok);
  assert.equal(good(await wallet.words("secret phrase")).words.split(" ").length, 24);
  good(await wallet.unlock("secret phrase", 10 ** 12));
  world.clock.advance(3_000_000_000);
  assert.ok(!wallet.isLocked);
  good(await wallet.lock());
  assert.ok(wallet.isLocked);
});

test("a passphrase may come later", async () => {
  const world = new WalletWorld();
  const wallet = await world.create();
  const words = good(await wallet.words()).words;
  assert.ok(!(await wallet.unlock("x", 1)).ok);
  assert.ok(!(await wallet.lock()).ok);
  good(await wallet.encrypt("later"));
  assert.ok(wallet.isLocked);
  assert.ok(!(await wallet.encrypt("twice")).ok);
  good(await world.manager.unload("w"));
  const again = await world.load();
  assert.ok(again.isLocked);
  good(await again.unlock("later", 5));
  assert.equal(good(await again.words("later")).words, words);
});

test("several wallets by name, each with its own coins", async () => {
  const world = new WalletWorld();
  const [a, b] = [await world.create("a"), await world.create("b")];
  assert.deepEqual(world.manager.list(), ["a", "b"]);
  await world.chain.pay(scriptOf(await a.newAddress()), 111_000);
  await world.chain.pay(scriptOf(await b.newAddress()), 222_000);
  await world.mine();
  assert.deepEqual([a.balances().trusted, b.balances().trusted], [111_000, 222_000]);
  good(await a.pay({ recipients: [{ address: await b.newAddress("bech32m"), amount: 50_000 }] }));
  await b.caughtUp();
  assert.equal(b.balances().untrustedPending, 50_000);
  for (const name of ["", "../x", "a/b", ".hidden", "x".repeat(65), "new\nline"]) {
    const outcome = await world.manager.create(name);
    assert.ok(!outcome.ok && outcome.refusal === "invalid-name", name);
  }
  const twice = await world.manager.create("a");
  assert.ok(!twice.ok && twice.refusal === "exists");
  const loaded = await world.manager.load("a");
  assert.ok(!loaded.ok && loaded.refusal === "already-loaded");
  const absent = await world.manager.load("c");
  assert.ok(!absent.ok && absent.refusal === "not-found");
  good(await world.manager.unload("a"));
  assert.deepEqual(world.manager.list(), ["b"]);
  assert.deepEqual(await world.manager.names(), ["a", "b"]);
  await world.mine();
  assert.equal((await world.load("a")).balances().trusted + b.balances().trusted <= 333_000, true);
});

test("a making that was cut off is made again under its name", async () => {
  const outcomes = new Set<string>();
  for (let cut = 1; cut < 40; cut += 3) {
    const world = new WalletWorld(cut);
    world.disk.offAfter(cut);
    const made = await world.manager.create("w").then(
      ({ ok }) => ok,
      () => false,
    );
    await world.manager.close().catch(() => {});
    world.restart(world.disk.powerCut(world.random));
    const names = await world.manager.names();
    if (made) assert.deepEqual(names, ["w"]);
    const wallet = names.length === 1 ? await world.load() : await world.create();
    assert.match(await wallet.newAddress(), /^bcrt1q/);
    outcomes.add(`${made} ${names.length}`);
  }
  assert.deepEqual([...outcomes].sort(), ["false 0", "false 1", "true 1"]);
});

test("at a start the account and what was asked for is loaded", async () => {
  const world = new WalletWorld();
  good(await world.manager.create("freehold"));
  good(await world.manager.create("kept", { loadOnStartup: true }));
  good(await world.manager.create("left"));
  good(await world.manager.create("named"));
  await world.manager.close();
  world.restart();
  const told: string[] = [];
  world.manager.changed.on(({ name, change }) => {
    if (change === "loaded") told.push(name);
  });
  await world.manager.startUp(["named", "absent"]);
  assert.deepEqual(told, ["freehold", "kept", "named"]);
  assert.equal(world.manager.account?.name, "freehold");
  good(await world.manager.unload("kept", { loadOnStartup: false }));
  await world.manager.close();
  world.restart();
  await world.manager.startUp();
  assert.deepEqual(world.manager.list(), ["freehold"]);
});

test("a random year: restarts, reorgs, payments in and out, and the sums are the chain's", async () => {
  for (let seed = 1; seed <= 2; seed++) {
    const world = new WalletWorld(seed);
    const random = new SeededRandom(seed);
    const words = good(await (await world.funded([300_000, 200_000])).words()).words;
    let wallet = world.manager.get("w")!;
    for (let step = 0; step < 40; step++) {
      const dice = random.below(10);
      if (dice < 3) await world.chain.pay(scriptOf(await wallet.newAddress()), 5000 + random.below(90_000));
      else if (dice < 6) {
        const amount = 1000 + random.below(60_000);
        const outcome = await wallet.pay({
          recipients: [{ address: FOREIGN, amount }],
          feeRate: 1 + random.below(5),
        });
        if (!outcome.ok) assert.equal(outcome.refusal, "insufficient-funds");
      } else if (dice < 8) await world.mine();
      else if (dice === 8) await world.chain.reorg(1 + random.below(4));
      else {
        await world.manager.close();
        if (random.below(2) === 0) await world.mine();
        world.restart();
        wallet = await world.load();
      }
      await wallet.caughtUp();
    }
    await world.mine();
    await wallet.caughtUp();
    const twin = await new WalletWorld(seed + 100, world.chain).restore(words);
    assert.deepEqual(wallet.balances(), twin.balances(), `seed ${seed}`);
    assert.equal(wallet.balances().nonMempool, 0);
    assert.equal(
      wallet
        .history()
        .filter(({ status }) => status === "confirmed")
        .reduce((sum, { net }) => sum + net, 0),
      wallet.balances().trusted,
    );
  }
});
