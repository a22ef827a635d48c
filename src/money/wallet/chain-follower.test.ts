import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryChain } from "#money/ports/test-support/memory-chain.ts";
import { good, scriptOf, WalletWorld } from "./test-support/wallet-world.ts";

const FOREIGN = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";
const TEN_MINUTES = 10 * 60 * 1000;
const deadline = { timeout: 30_000 };

/** A chain whose mempool can forget, and whose scan can be held up. */
class HeldChain extends MemoryChain {
  held: Promise<void> | undefined;
  scans = 0;

  override async *scan(follower: string, from: number) {
    this.scans++;
    for await (const change of super.scan(follower, from)) {
      await this.held;
      yield change;
    }
  }
}

test("what happens during a scan is taken in after it", deadline, async () => {
  const chain = new HeldChain(110);
  const world = new WalletWorld(1, chain);
  const first = await world.funded([50_000]);
  const address = await first.newAddress();
  await world.manager.close();
  const { promise, resolve } = Promise.withResolvers<void>();
  chain.held = promise;
  world.restart();
  await chain.mine();
  const { wallet } = good(await world.manager.load("w"));
  assert.ok(wallet.info().scanning !== undefined);
  await chain.pay(scriptOf(address), 7000);
  await chain.mine();
  await chain.reorg(1);
  await chain.mine();
  chain.held = undefined;
  resolve();
  await wallet.caughtUp();
  assert.equal(wallet.balances().trusted, 57_000);
  assert.equal(wallet.info().scanning, undefined);
  assert.equal(wallet.info().tip.hash, (await chain.tip()).hash);
});

test("following block by block needs no second scan", deadline, async () => {
  const chain = new HeldChain(110);
  const world = new WalletWorld(1, chain);
  const wallet = await world.funded([50_000]);
  const { scans } = chain;
  for (let i = 0; i < 5; i++) {
    await chain.pay(scriptOf(await wallet.newAddress()), 5000);
    good(await wallet.pay({ recipients: [{ address: FOREIGN, amount: 1000 }] }));
    await chain.mine();
    await chain.reorg(2);
    await chain.mine();
  }
  await wallet.caughtUp();
  assert.equal(chain.scans, scans);
  assert.equal(wallet.history().filter(({ net }) => net > 0).length, 6);
});

test(
  "a chain that went back further than the wallet remembers is looked through again",
  deadline,
  async () => {
    const world = new WalletWorld();
    const wallet = await world.restore();
    const address = await wallet.newAddress();
    await world.chain.pay(scriptOf(address), 9000);
    await world.mine(2);
    await wallet.caughtUp();
    await world.manager.close();
    await world.chain.reorg(100);
    world.restart();
    const again = await world.load();
    assert.equal(again.balances().untrustedPending, 9000);
    await world.mine();
    assert.equal(again.balances().trusted, 9000);
    assert.equal(again.history()[0]?.block?.height, (await world.chain.tip()).height);
  },
);

test(
  "a payment that no mempool holds is sent again, at a start and from time to time",
  deadline,
  async () => {
    const world = new WalletWorld();
    const wallet = await world.funded([50_000]);
    world.chain.refusal = "mempool full";
    const refused = await wallet.pay({ recipients: [{ address: FOREIGN, amount: 1000 }] });
    assert.ok(!refused.ok);
    world.chain.refusal = undefined;
    const { txid } = good(await wallet.pay({ recipients: [{ address: FOREIGN, amount: 1000 }] }));
    assert.deepEqual(world.chain.waiting, [txid]);
    await world.chain.forgetMempool();
    await wallet.caughtUp();
    assert.equal(wallet.transaction(txid)?.status, "pending");
    assert.equal(wallet.balances().nonMempool, 50_000);
    world.clock.advance(TEN_MINUTES);
    while (world.chain.waiting.length === 0) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(world.chain.waiting, [txid]);
    await wallet.caughtUp();
    assert.equal(wallet.transaction(txid)?.status, "mempool");
    await world.manager.close();
    await world.chain.forgetMempool();
    world.restart();
    const again = await world.load();
    assert.deepEqual(world.chain.waiting, [txid]);
    assert.equal(again.transaction(txid)?.status, "mempool");
  },
);

test("a full disk stops a wallet from promising anything; with room it goes on", deadline, async () => {
  const world = new WalletWorld();
  const wallet = await world.funded([50_000]);
  const address = await wallet.newAddress();
  world.disk.capacity = world.disk.used;
  await assert.rejects(wallet.newAddress(), { code: "ENOSPC" });
  await assert.rejects(wallet.pay({ recipients: [{ address: FOREIGN, amount: 1000 }] }), { code: "ENOSPC" });
  assert.deepEqual(world.chain.waiting, [], "what could not be remembered was not sent");
  await world.chain.pay(scriptOf(address), 6000);
  await world.mine();
  await assert.rejects(wallet.caughtUp(), { code: "ENOSPC" });
  world.disk.capacity = Number.POSITIVE_INFINITY;
  world.clock.advance(TEN_MINUTES);
  while (
    (await wallet.caughtUp().then(
      () => false,
      () => true,
    )) === true
  ) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(wallet.balances().trusted, 56_000);
  const fresh = await wallet.newAddress();
  await world.manager.close();
  world.restart();
  const again = await world.load();
  assert.equal(again.balances().trusted, 56_000);
  assert.notEqual(await again.newAddress(), fresh);
});

test("a wallet whose birthday lies ahead of the chain waits for it", deadline, async () => {
  const world = new WalletWorld();
  const words = good(await (await world.create("other")).words()).words;
  const twin = good(await world.manager.restore("ahead", { words, birthday: 113 })).wallet;
  await twin.caughtUp();
  const address = await twin.newAddress();
  await world.mine();
  await twin.caughtUp();
  await world.chain.pay(scriptOf(address), 9000);
  await world.mine(3);
  await twin.caughtUp();
  assert.equal(twin.balances().trusted, 9000);
  assert.equal(twin.info().tip.height, 114);
});

test("without a chain a wallet keeps what it knew, and gives out addresses", deadline, async () => {
  const world = new WalletWorld();
  await world.funded([50_000]);
  await world.manager.close();
  Object.assign(world.chain, { isAbsent: true });
  await world.mine(2);
  world.restart();
  const wallet = await world.load();
  assert.equal(wallet.balances().trusted, 50_000);
  assert.match(await wallet.newAddress(), /^bcrt1q/);
});
