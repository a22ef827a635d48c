/** Wallets whose machine loses power: what they acknowledged is there, the rest comes back from the chain. */
import assert from "node:assert/strict";
import { SeededRandom } from "#base/lib/random.ts";
import { MemoryChain } from "#money/ports/test-support/memory-chain.ts";
import { good, scriptOf, WalletWorld } from "#money/wallet/test-support/wallet-world.ts";
import type { Wallet } from "#money/wallet/wallet.ts";

const FOREIGN = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";

/** What the wallet told its owner, and may not forget. */
interface Told {
  readonly addresses: string[];
  readonly payments: string[];
}

/** Lives until the power goes. */
async function live(world: WalletWorld, wallet: Wallet, told: Told, random: SeededRandom): Promise<never> {
  for (;;) {
    const dice = random.below(8);
    if (dice < 2) {
      const address = await wallet.newAddress(random.below(2) === 0 ? "bech32" : "bech32m");
      told.addresses.push(address);
      while (!world.chain.canPay(75_000)) await world.mine();
      await world.chain.pay(scriptOf(address), 20_000 + random.below(50_000));
    } else if (dice < 5) {
      const amount = 1000 + random.below(15_000);
      const paid = await wallet.pay({ recipients: [{ address: FOREIGN, amount }], feeRate: 1 });
      if (paid.ok) told.payments.push(paid.txid);
    } else if (dice < 7) await world.mine();
    else await world.chain.reorg(1 + random.below(3));
    await wallet.caughtUp();
  }
}

function holdToWord(wallet: Wallet, told: Told, what: string): void {
  for (const txid of told.payments) {
    const status = wallet.transaction(txid)?.status;
    assert.ok(status !== undefined && status !== "gone", `${what}: the payment ${txid} is ${status}`);
  }
  for (const address of told.addresses) {
    assert.ok(wallet.ownScript(scriptOf(address)) !== undefined, `${what}: ${address} was forgotten`);
  }
}

/**
 * One wallet that loses power at random instants, and after each is held to what it told and to a twin restored from
 * its words.
 * @throws AssertionError when something was lost
 */
export async function sufferWalletCuts(seed: number, cuts: number): Promise<void> {
  const random = new SeededRandom(seed);
  const world = new WalletWorld(seed, new MemoryChain(110));
  const told: Told = { addresses: [], payments: [] };
  let wallet = await world.funded([200_000, 300_000]);
  const words = good(await wallet.words()).words;
  for (let cut = 0; cut <= cuts; cut++) {
    const what = `seed ${seed}, after ${cut} cuts`;
    holdToWord(wallet, told, what);
    const fresh = await wallet.newAddress();
    assert.ok(!told.addresses.includes(fresh), `${what}: an address was given out twice`);
    told.addresses.push(fresh);
    const twin = await new WalletWorld(seed + 1_000_000, world.chain).restore(words);
    assert.deepEqual(wallet.balances(), twin.balances(), what);
    if (cut === cuts) return;
    world.disk.offAfter(1 + random.below(150));
    await assert.rejects(live(world, wallet, told, random), /the power is off/);
    await world.manager.close().catch(() => {});
    world.restart(world.disk.powerCut(random));
    wallet = await world.load();
  }
}
