/** Wallets whose machine loses power: what they acknowledged is there, the rest comes back from the chain. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "#base/lib/random.ts";
import type { FaultWorld } from "#base/store/fault-world.ts";
import { MemoryChain } from "#money/ports/memory-chain.ts";
import type { Wallet } from "./wallet.ts";
import { good, scriptOf, WalletWorld } from "./wallet-world.ts";

const FOREIGN = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";
const ROUNDS = Number(process.env["FREEHOLD_WALLET_CUTS"] ?? 4);

/** What the wallet told its owner, and may not forget. */
interface Told {
  readonly addresses: string[];
  readonly payments: string[];
}

async function live(world: WalletWorld, wallet: Wallet, told: Told, random: SeededRandom): Promise<void> {
  for (;;) {
    const dice = random.below(8);
    if (dice < 2) {
      const address = await wallet.newAddress(random.below(2) === 0 ? "bech32" : "bech32m");
      told.addresses.push(address);
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

test("power cuts at random instants", { timeout: 120_000 }, async (context) => {
  let cuts = 0;
  for (let seed = 1; seed <= ROUNDS; seed++) {
    const random = new SeededRandom(seed);
    const world = new WalletWorld(seed, new MemoryChain(110));
    const told: Told = { addresses: [], payments: [] };
    const first = await world.funded([200_000, 300_000]);
    const words = good(await first.words()).words;
    for (let life = 0; life < 4; life++) {
      const wallet = life === 0 ? first : await world.load();
      for (const txid of told.payments) {
        const status = wallet.transaction(txid)?.status;
        assert.ok(status !== undefined && status !== "gone", `seed ${seed}: payment ${txid} is ${status}`);
      }
      for (const address of told.addresses) assert.ok(wallet.ownScript(scriptOf(address)) !== undefined);
      const fresh = await wallet.newAddress();
      assert.ok(!told.addresses.includes(fresh), "no address is given out twice");
      told.addresses.push(fresh);
      const twin = await new WalletWorld(seed + 1000, world.chain).restore(words);
      assert.deepEqual(wallet.balances(), twin.balances(), `seed ${seed}, life ${life}`);
      world.disk.offAfter(1 + random.below(150));
      await assert.rejects(live(world, wallet, told, random));
      await world.manager.close().catch(() => {});
      const left: FaultWorld = world.disk.powerCut(random);
      world.restart(left);
      cuts++;
    }
  }
  context.diagnostic(`${cuts} power cuts of ${ROUNDS} wallets`);
});
