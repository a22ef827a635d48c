/** For tests: wallets over a chain in memory and a disk in memory. */
import { ManualClock } from "#base/lib/clock.ts";
import { silentLogger } from "#base/lib/logger.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import { MemoryChain } from "#money/ports/test-support/memory-chain.ts";
import { decodeAddress, isAddressError } from "#protocol/bitcoin/address.ts";
import { regtest } from "#protocol/bitcoin/networks.ts";
import type { Wallet } from "../wallet.ts";
import { WalletManager } from "../wallet-manager.ts";
import type { WalletOutcome } from "../wallet-views.ts";

export const WORDS = `${"abandon ".repeat(23)}art`;
const NETWORK = regtest();

export class WalletWorld {
  readonly chain: MemoryChain;
  readonly clock: ManualClock;
  readonly random: SeededRandom;
  disk: FaultWorld;
  /** As {@link WalletManager} takes it; one that is made later has it. */
  fallbackFeeRate: number | undefined;
  manager: WalletManager;

  constructor(seed = 1, chain: MemoryChain = new MemoryChain(110), disk: FaultWorld = new FaultWorld()) {
    this.chain = chain;
    // A little after the tip, so that lock times are tied to it.
    this.clock = new ManualClock((1_700_000_000 + 120 * 600) * 1000);
    this.random = new SeededRandom(seed);
    this.disk = disk;
    this.manager = this.#newManager();
  }

  #newManager(): WalletManager {
    return new WalletManager({
      chain: this.chain,
      network: NETWORK,
      disk: this.disk,
      folder: "/data/wallets",
      clock: this.clock,
      random: this.random,
      log: silentLogger,
      fallbackFeeRate: this.fallbackFeeRate,
      passphraseCost: { n: 16, r: 1, p: 1 },
    });
  }

  /** Another run of the program over the same disk, or over what is left of it. */
  restart(disk: FaultWorld = this.disk): void {
    this.disk = disk;
    this.manager = this.#newManager();
  }

  async create(name = "w", passphrase?: string): Promise<Wallet> {
    const { wallet } = good(await this.manager.create(name, { passphrase }));
    await wallet.caughtUp();
    return wallet;
  }

  async restore(words = WORDS, name = "w"): Promise<Wallet> {
    const { wallet } = good(await this.manager.restore(name, { words }));
    await wallet.caughtUp();
    return wallet;
  }

  async load(name = "w"): Promise<Wallet> {
    const { wallet } = good(await this.manager.load(name));
    await wallet.caughtUp();
    return wallet;
  }

  /** A wallet with coins of these amounts, one block deep. */
  async funded(amounts: readonly number[], name = "w"): Promise<Wallet> {
    const wallet = await this.create(name);
    for (const [i, amount] of amounts.entries()) {
      await this.chain.pay(scriptOf(await wallet.newAddress(i % 2 === 0 ? "bech32" : "bech32m")), amount);
    }
    await this.chain.mine();
    await wallet.caughtUp();
    return wallet;
  }

  async mine(count = 1): Promise<void> {
    for (let i = 0; i < count; i++) await this.chain.mine();
  }
}

export function scriptOf(address: string): Uint8Array {
  const decoded = decodeAddress(address, NETWORK);
  if (isAddressError(decoded)) throw new Error(decoded.error);
  return decoded.script;
}

/** The value of a verdict that should be good. */
export function good<T>(outcome: WalletOutcome<T>): T {
  if (!outcome.ok) throw new Error(`${outcome.refusal}: ${outcome.reason}`);
  return outcome;
}
