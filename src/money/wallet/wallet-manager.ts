/**
 * The wallets of a node, by name. `node/main.ts` makes one manager and, once the chain is open:
 *
 *   const wallets = new WalletManager({ chain: source, network, disk, folder: join(paths.network, "wallets"), clock,
 *     random, log });
 *   stack.defer(() => wallets.close());
 *   await wallets.startUp(namesOfTheOptionWallet);
 *
 * `wallets.changed` tells of wallets that were loaded, unloaded, locked and unlocked, and of balances that changed. The
 * wallet named `freehold` is the account: its `branch(BRANCH.identity)` and `branch(BRANCH.files)` are what the sharing
 * process is given, and `undefined` while it is locked.
 */
import { join } from "node:path";
import { equalBytes } from "#base/lib/bytes.ts";
import { type Clock, unixTime } from "#base/lib/clock.ts";
import { Signal } from "#base/lib/events.ts";
import type { Logger } from "#base/lib/logger.ts";
import { Mutex } from "#base/lib/mutex.ts";
import type { Random } from "#base/lib/random.ts";
import type { Disk } from "#base/store/disk.ts";
import { readIfThere, writeAtomically } from "#base/store/write-atomically.ts";
import type { ChainSource } from "#money/ports/chain-source.ts";
import { masterKey } from "#protocol/bitcoin/bip32.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import { accountsOf, Keychains } from "./keychains.ts";
import { SeedKeeper } from "./seed-keeper.ts";
import { hasSeedRecord, PASSPHRASE_COST, type PassphraseCost } from "./seed-record.ts";
import { refuse, Wallet, type WalletChange } from "./wallet.ts";
import { decodeEvent, encodeEvent } from "./wallet-events.ts";
import { WalletLog } from "./wallet-log.ts";
import { WalletState } from "./wallet-state.ts";
import type { WalletOutcome } from "./wallet-views.ts";
import { entropyOfWords, newEntropy, seedOfWords, whyNotWords, wordsOfEntropy } from "./words.ts";

/** Name of the wallet that is the account. */
export const ACCOUNT_WALLET = "freehold";

export interface WalletManagerOptions {
  readonly chain: ChainSource;
  readonly network: Network;
  readonly disk: Disk;
  /** Holds a folder for each wallet; made when the first wallet is. */
  readonly folder: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Satoshi per 1000 virtual bytes where the chain knows no rate; 0 for none. 10,000 unless told. */
  readonly fallbackFeeRate?: number | undefined;
  /** What a passphrase costs to try; only tests have reason for less. */
  readonly passphraseCost?: PassphraseCost;
}

export interface WalletsChange {
  readonly name: string;
  readonly change: WalletChange | "loaded" | "unloaded";
}

export interface CreateOptions {
  /** Without one the seed is protected by the permissions of its file alone. */
  readonly passphrase?: string | undefined;
  /** Loads it at every start of the node. */
  readonly loadOnStartup?: boolean | undefined;
}

export interface RestoreOptions extends CreateOptions {
  readonly words: string;
  /** Height from which to look for coins, 0 unless told. */
  readonly birthday?: number | undefined;
}

const NAME = /^[A-Za-z0-9_][A-Za-z0-9 ._-]{0,63}$/;
/** Files without which a wallet is whole. */
const LEFTOVER = /^(seed\.\d\.new|log\.new)$/;
const STARTUP_FILE = "startup.json";

export class WalletManager {
  readonly changed: Signal<WalletsChange> = new Signal();
  readonly #options: WalletManagerOptions;
  readonly #lock = new Mutex();
  readonly #loaded = new Map<string, Wallet>();

  constructor(options: WalletManagerOptions) {
    this.#options = options;
  }

  /** Names of the loaded wallets, in the order in which they were loaded. */
  list(): string[] {
    return [...this.#loaded.keys()];
  }

  get(name: string): Wallet | undefined {
    return this.#loaded.get(name);
  }

  /** The account's wallet, when it is loaded. */
  get account(): Wallet | undefined {
    return this.get(ACCOUNT_WALLET);
  }

  /** Names of all wallets on disk, loaded or not, sorted. */
  async names(): Promise<string[]> {
    const { disk, folder } = this.#options;
    if ((await disk.files.stat(folder)) === undefined) return [];
    const names: string[] = [];
    for (const name of await disk.files.readDirectory(folder)) {
      if (NAME.test(name) && (await hasSeedRecord(disk.files, join(folder, name)))) names.push(name);
    }
    return names;
  }

  /** Loads the account's wallet, those marked to be loaded, and the named ones. What fails is logged and left out. */
  async startUp(names: readonly string[] = []): Promise<void> {
    const present = await this.names();
    const wanted = new Set([ACCOUNT_WALLET, ...(await this.#startupNames()), ...names]);
    for (const name of wanted) {
      if (!present.includes(name)) continue;
      const loaded = await this.load(name);
      if (!loaded.ok) this.#options.log.error(`wallet ${name} was not loaded: ${loaded.reason}`);
    }
  }

  /** A new wallet with 24 new words, loaded. The words are for its owner to write down, now. */
  create(
    name: string,
    options: CreateOptions = {},
  ): Promise<WalletOutcome<{ readonly wallet: Wallet; readonly words: string }>> {
    return this.#lock.run(async () => {
      const refusal = await this.#whyNotNew(name, options);
      if (refusal !== undefined) return refusal;
      const { chain, clock, random } = this.#options;
      const tip = await chain.tip();
      const entropy = newEntropy(random);
      const words = wordsOfEntropy(entropy);
      const wallet = await this.#make(name, entropy, options, {
        created: unixTime(clock),
        birthday: tip.height,
        tip,
      });
      return { ok: true, wallet, words };
    });
  }

  /** The wallet of given words, loaded; it looks for its coins in the chain from the birthday on. */
  restore(name: string, options: RestoreOptions): Promise<WalletOutcome<{ readonly wallet: Wallet }>> {
    return this.#lock.run(async () => {
      const reason = whyNotWords(options.words);
      if (reason !== undefined) return refuse("invalid-words", reason);
      const refusal = await this.#whyNotNew(name, options);
      if (refusal !== undefined) return refusal;
      const birthday = options.birthday ?? 0;
      if (!Number.isSafeInteger(birthday) || birthday < 0) return refuse("invalid-words", "no such height");
      const entropy = entropyOfWords(options.words);
      const wallet = await this.#make(name, entropy, options, { created: null, birthday, tip: undefined });
      return { ok: true, wallet };
    });
  }

  async #whyNotNew(
    name: string,
    { passphrase }: CreateOptions,
  ): Promise<ReturnType<typeof refuse> | undefined> {
    const { disk, folder } = this.#options;
    if (!NAME.test(name)) {
      return refuse("invalid-name", "a wallet's name has 1 to 64 letters, digits, spaces and . _ -");
    }
    if (passphrase === "") return refuse("wrong-passphrase", "the passphrase cannot be empty");
    const path = join(folder, name);
    const found = await disk.files.stat(path);
    if (found === undefined) return undefined;
    // What a making left behind that was cut off before its seed was written is nobody's wallet.
    const entries = found.isDirectory ? await disk.files.readDirectory(path) : [name];
    if (entries.every((entry) => LEFTOVER.test(entry))) return undefined;
    return refuse("exists", `there is a wallet or another file named ${name} already`);
  }

  async #make(
    name: string,
    entropy: Uint8Array,
    { passphrase, loadOnStartup }: CreateOptions,
    birth: { created: number | null; birthday: number; tip: Parameters<typeof placeEvent>[0] | undefined },
  ): Promise<Wallet> {
    const { network, disk, random, folder } = this.#options;
    const path = join(folder, name);
    const seed = await seedOfWords(wordsOfEntropy(entropy));
    const accounts = accountsOf(masterKey(seed), network);
    seed.fill(0);
    await disk.files.makeDirectory(path);
    const keeper = await SeedKeeper.create(
      this.#keeperParts(path),
      entropy,
      {
        network: network.magic.slice(),
        created: birth.created,
        birthday: birth.birthday,
        ...accounts,
        logKey: random.fill(new Uint8Array(32)),
      },
      passphrase,
    );
    entropy.fill(0);
    const opened = await this.#open(name, keeper, birth.tip);
    if (loadOnStartup !== undefined) await this.#rememberStartup(name, loadOnStartup);
    return opened;
  }

  #keeperParts(path: string) {
    const { disk, random, log, passphraseCost } = this.#options;
    return { files: disk.files, folder: path, random, log, cost: passphraseCost ?? PASSPHRASE_COST };
  }

  /** Takes a wallet up from disk and lets it follow the chain. */
  async #open(name: string, seed: SeedKeeper, tip?: Parameters<typeof placeEvent>[0]): Promise<Wallet> {
    const { network, disk, random, log, folder } = this.#options;
    const { fingerprint, accounts, logKey } = seed.public;
    const keychains = Keychains.of(fingerprint, accounts, network);
    if (keychains === undefined) throw new Error(`wallet ${name}: its accounts are of another network`);
    const state = new WalletState(keychains, network);
    const parts = { files: disk.files, folder: join(folder, name), key: logKey, random, log };
    const { log: store, stored } = await WalletLog.open(parts);
    for (const record of stored.records) {
      const event = decodeEvent(record);
      if (event !== undefined) state.apply(event);
    }
    if (stored.isDamaged)
      log.warn(`wallet ${name}: its log was cut short; what is missing comes from the chain`);
    if (tip !== undefined) state.apply(placeEvent(tip));
    await store.begin([...state.snapshot()].map(encodeEvent));
    const wallet = new Wallet(name, this.#options, { seed, state, store });
    this.#loaded.set(name, wallet);
    wallet.changed.on((change) => this.changed.emit({ name, change }));
    wallet.start();
    await this.changed.emit({ name, change: "loaded" });
    return wallet;
  }

  /** Takes up a wallet from disk. */
  load(
    name: string,
    { loadOnStartup }: Pick<CreateOptions, "loadOnStartup"> = {},
  ): Promise<WalletOutcome<{ readonly wallet: Wallet }>> {
    return this.#lock.run(async () => {
      const { disk, folder, network } = this.#options;
      if (this.#loaded.has(name)) return refuse("already-loaded", `the wallet ${name} is loaded already`);
      const path = join(folder, name);
      if (!NAME.test(name) || !(await hasSeedRecord(disk.files, path))) {
        return refuse("not-found", `there is no wallet ${name} in ${folder}`);
      }
      const seed = await SeedKeeper.load(this.#keeperParts(path));
      if (seed === undefined) {
        return refuse("damaged", `both copies of the seed in ${path} are damaged: restore it from its words`);
      }
      if (!equalBytes(seed.public.network, network.magic)) {
        return refuse("damaged", `the wallet ${name} belongs to another network`);
      }
      const wallet = await this.#open(name, seed);
      if (loadOnStartup !== undefined) await this.#rememberStartup(name, loadOnStartup);
      return { ok: true, wallet };
    });
  }

  /** Lets go of a wallet; it stays on disk. */
  unload(
    name: string,
    { loadOnStartup }: Pick<CreateOptions, "loadOnStartup"> = {},
  ): Promise<WalletOutcome<object>> {
    return this.#lock.run(async () => {
      const wallet = this.#loaded.get(name);
      if (wallet === undefined) return refuse("not-found", `the wallet ${name} is not loaded`);
      this.#loaded.delete(name);
      await wallet.close();
      if (loadOnStartup !== undefined) await this.#rememberStartup(name, loadOnStartup);
      await this.changed.emit({ name, change: "unloaded" });
      return { ok: true };
    });
  }

  /** Lets go of all. */
  async close(): Promise<void> {
    await this.#lock.run(async () => {
      const ends = await Promise.allSettled([...this.#loaded.values()].map((wallet) => wallet.close()));
      this.#loaded.clear();
      const failed = ends.find((end) => end.status === "rejected");
      if (failed !== undefined) throw failed.reason;
    });
  }

  async #startupNames(): Promise<string[]> {
    const { disk, folder, log } = this.#options;
    const path = join(folder, STARTUP_FILE);
    const bytes = await readIfThere(disk.files, path, 1_000_000);
    if (bytes === undefined) return [];
    try {
      const names: unknown = JSON.parse(new TextDecoder().decode(bytes));
      if (Array.isArray(names)) return names.filter((name) => typeof name === "string");
    } catch {
      // Said below.
    }
    log.warn(`${path} is no list of names; no wallet is loaded for it`);
    return [];
  }

  async #rememberStartup(name: string, load: boolean): Promise<void> {
    const { disk, folder } = this.#options;
    const names = new Set(await this.#startupNames());
    if (names.has(name) === load) return;
    if (load) names.add(name);
    else names.delete(name);
    const text = `${JSON.stringify([...names])}\n`;
    await writeAtomically(disk.files, join(folder, STARTUP_FILE), new TextEncoder().encode(text));
  }
}

function placeEvent(tip: { height: number; hash: string; time: number }) {
  return { k: "tip", height: tip.height, hash: tip.hash, time: tip.time } as const;
}
