/**
 * One wallet: it follows the chain, gives out addresses, and pays. What it acknowledges (an address, a payment) is on
 * disk before anyone hears of it; what it learns of the chain it could always learn again.
 */
import { type Clock, unixTime } from "#base/lib/clock.ts";
import { Signal } from "#base/lib/events.ts";
import type { Logger } from "#base/lib/logger.ts";
import { Mutex } from "#base/lib/mutex.ts";
import type { Random } from "#base/lib/random.ts";
import type { Disk } from "#base/store/disk.ts";
import type { ChainSource } from "#money/ports/chain-source.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import { type BranchPurpose, deriveBranch } from "./branches.ts";
import { ChainFollower } from "./chain-follower.ts";
import type { Keychains, OwnScript } from "./keychains.ts";
import { planPayment, type SpendableCoin } from "./plan-payment.ts";
import { encodePsbt } from "./psbt.ts";
import { type CoinLookup, isSameReview, type OwnPsbt, reviewPsbt } from "./review.ts";
import type { SeedKeeper } from "./seed-keeper.ts";
import { signPsbt } from "./sign-psbt.ts";
import type { WalletEvent } from "./wallet-events.ts";
import { encodeEvent } from "./wallet-events.ts";
import type { WalletLog } from "./wallet-log.ts";
import { tableOf, type WalletState, type WalletTx } from "./wallet-state.ts";
import type {
  AddressType,
  Balances,
  CoinView,
  HistoryEntry,
  SpendProposal,
  SpendRequest,
  SpendReview,
  WalletInfo,
  WalletOutcome,
  WalletRefusal,
} from "./wallet-views.ts";

export interface WalletParts {
  readonly chain: ChainSource;
  readonly network: Network;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Satoshi per 1000 virtual bytes where the chain knows no rate; 0 for none. 10,000 unless told. */
  readonly fallbackFeeRate?: number | undefined;
}

/** What became of a wallet. */
export type WalletChange = "balance" | "locked" | "unlocked";

export interface SendOptions {
  /** Kept with the transaction, for the owner's eyes. */
  readonly comment?: string | undefined;
  readonly commentTo?: string | undefined;
}

/** Seconds for which a wallet can be unlocked at most (Core's MAX_SLEEP_TIME). */
const MAX_UNLOCK = 100_000_000;
const MAX_TEXT = 10_000;

export function refuse(
  refusal: WalletRefusal,
  reason: string,
): { readonly ok: false; readonly refusal: WalletRefusal; readonly reason: string } {
  return { ok: false, refusal, reason };
}

export class Wallet {
  readonly name: string;
  /** Coins, transactions or the lock changed. */
  readonly changed: Signal<WalletChange> = new Signal();
  readonly #parts: WalletParts;
  readonly #seed: SeedKeeper;
  readonly #state: WalletState;
  readonly #store: WalletLog;
  readonly #lock = new Mutex();
  readonly #follower: ChainFollower;
  #relock: (() => void) | undefined;
  #unlockedUntil = 0;

  constructor(
    name: string,
    parts: WalletParts,
    own: { readonly seed: SeedKeeper; readonly state: WalletState; readonly store: WalletLog },
  ) {
    this.name = name;
    this.#parts = parts;
    this.#seed = own.seed;
    this.#state = own.state;
    this.#store = own.store;
    this.#follower = new ChainFollower({
      name,
      chain: parts.chain,
      clock: parts.clock,
      log: parts.log,
      state: own.state,
      lock: this.#lock,
      birthday: own.seed.birthday,
      write: (events) => this.#write(events),
      changed: () => this.changed.emit("balance"),
    });
  }

  /** Begins to follow the chain; {@link caughtUp} tells when it has. */
  start(): void {
    this.#follower.start();
  }

  /** Resolves when the wallet has seen the chain up to the tip of now, and its mempool. */
  caughtUp(): Promise<void> {
    return this.#follower.caughtUp();
  }

  /** Ends following. The seed is forgotten, the log closed. */
  async close(): Promise<void> {
    await this.#follower.stop();
    await this.#lock.run(async () => {
      this.#relock?.();
      this.#seed.lock();
      try {
        await this.#store.sync();
      } finally {
        await this.#store.close();
      }
    });
  }

  /** Remembers what happened. The caller holds the lock; {@link WalletLog.sync} makes it safe. */
  async #write(events: readonly WalletEvent[]): Promise<void> {
    if (events.length === 0) return;
    if (this.#store.isBroken) await this.#beginAnew();
    await this.#store.append(...events.map(encodeEvent));
    for (const event of events) this.#state.apply(event);
    if (this.#store.isLong) await this.#beginAnew();
  }

  #beginAnew(): Promise<void> {
    return this.#store.begin([...this.#state.snapshot()].map(encodeEvent));
  }

  get #keychains(): Keychains {
    return this.#state.keychains;
  }

  /** Output descriptors of all chains, as they may be given to a wallet that only watches. */
  descriptors(): readonly {
    readonly descriptor: string;
    readonly isChange: boolean;
    readonly next: number;
  }[] {
    return this.#keychains.all.map(({ descriptor, isChange, next }) => ({ descriptor, isChange, next }));
  }

  /** A receiving address that was never given out; on disk before it is returned. */
  newAddress(type: AddressType = "bech32", label?: string): Promise<string> {
    return this.#giveOut(type, false, label?.slice(0, MAX_TEXT));
  }

  newChangeAddress(type: AddressType = "bech32"): Promise<string> {
    return this.#giveOut(type, true, undefined);
  }

  #giveOut(type: AddressType, isChange: boolean, label: string | undefined): Promise<string> {
    return this.#lock.run(async () => {
      const keychain = this.#keychains.chain(type, isChange);
      const chain = this.#keychains.all.indexOf(keychain);
      const index = keychain.next;
      await this.#write([{ k: "given", chain, index, label: label ?? null }]);
      await this.#store.sync();
      await this.#follower.watchFresh();
      return keychain.address(index);
    });
  }

  /** Whether a script is one of ours, as far as addresses were derived. */
  ownScript(script: Uint8Array): { readonly address: string; readonly isChange: boolean } | undefined {
    const own = this.#keychains.find(script);
    return own === undefined
      ? undefined
      : { address: own.chain.address(own.index), isChange: own.chain.isChange };
  }

  /** @param minConfirmations of what counts as trusted */
  balances(minConfirmations = 0): Balances {
    return this.#state.balances(minConfirmations);
  }

  coins(): CoinView[] {
    return this.#state.coins();
  }

  /** Oldest first; what waits for a block comes last. */
  history(): HistoryEntry[] {
    return this.#state.history();
  }

  transaction(txid: string): HistoryEntry | undefined {
    const tx = this.#state.get(txid);
    return tx === undefined ? undefined : this.#state.entry(tx);
  }

  info(): WalletInfo {
    const size = (isChange: boolean) =>
      this.#keychains.all
        .filter((chain) => chain.isChange === isChange)
        .reduce((sum, chain) => sum + chain.length - chain.next, 0);
    const { isEncrypted, isLocked } = this.#seed;
    return {
      name: this.name,
      txCount: this.#state.txCount,
      keypoolSize: { receiving: size(false), change: size(true) },
      isEncrypted,
      isLocked,
      unlockedUntil: isEncrypted ? (isLocked ? 0 : this.#unlockedUntil) : undefined,
      birthday: this.#seed.birthday,
      birthTime: this.#seed.created,
      tip: this.#follower.tip,
      scanning: this.#follower.scanning,
    };
  }

  // Paying: a proposal is looked at, then the same is approved.

  /** A payment as a PSBT and what it does, for its owner to see. Nothing is signed or kept. */
  propose(request: SpendRequest): Promise<WalletOutcome<{ readonly proposal: SpendProposal }>> {
    return this.#lock.run(() => this.#propose(request));
  }

  async #propose(request: SpendRequest): Promise<WalletOutcome<{ readonly proposal: SpendProposal }>> {
    const { network, chain, random, clock } = this.#parts;
    const planned = await planPayment(request, {
      network,
      coins: this.#spendable(),
      change: (type) => {
        const keychain = this.#keychains.chain(type, true);
        return keychain.at(keychain.next);
      },
      chain,
      fallbackFeeRate: this.#parts.fallbackFeeRate,
      tip: this.#follower.tip,
      now: unixTime(clock),
      random,
      fingerprint: this.#keychains.fingerprint,
    });
    if (!planned.ok) return planned;
    const psbt = encodePsbt(planned.plan);
    const reviewed = this.#review(psbt);
    if (!reviewed.ok) throw new Error(`a PSBT of our own fails its review: ${reviewed.reason}`);
    const { review } = reviewed.psbt;
    return { ok: true, proposal: { psbt, review, feeSource: planned.feeSource } };
  }

  #spendable(): SpendableCoin[] {
    return this.#state
      .coins()
      .filter(({ isSafe }) => isSafe)
      .map(({ txid, vout, amount, script }) => ({
        txid,
        vout,
        amount,
        own: this.#keychains.find(script)!,
        parent: this.#state.get(txid)!.table.bytes,
      }));
  }

  /** What a PSBT does, from whoever it comes. */
  review(psbt: Uint8Array): WalletOutcome<{ readonly review: SpendReview }> {
    const reviewed = this.#review(psbt);
    return reviewed.ok ? { ok: true, review: reviewed.psbt.review } : reviewed;
  }

  #review(psbt: Uint8Array): WalletOutcome<{ readonly psbt: OwnPsbt }> {
    const coins = new Map<string, { amount: number; own: OwnScript }>();
    for (const { txid, vout, amount, own } of this.#spendable())
      coins.set(`${txid}:${vout}`, { amount, own });
    const coin: CoinLookup = (outpoint) => coins.get(outpoint);
    return reviewPsbt(psbt, { keychains: this.#keychains, coin, network: this.#parts.network });
  }

  /**
   * Signs a PSBT and sends it, if it does what its owner saw, and nothing else. The transaction is on disk before the
   * mempool gets it, so that no power cut makes the wallet forget a payment.
   */
  approve(
    psbt: Uint8Array,
    seen: SpendReview,
    options: SendOptions = {},
  ): Promise<WalletOutcome<{ readonly txid: string }>> {
    return this.#lock.run(() => this.#approve(psbt, seen, options));
  }

  async #approve(
    psbt: Uint8Array,
    seen: SpendReview,
    options: SendOptions,
  ): Promise<WalletOutcome<{ readonly txid: string }>> {
    const { seed } = this.#seed;
    if (seed === undefined) return refuse("locked", LOCKED);
    const reviewed = this.#review(psbt);
    if (!reviewed.ok) return reviewed;
    if (!isSameReview(reviewed.psbt.review, seen)) {
      return refuse("changed", "the PSBT does something else than what was shown; nothing was signed");
    }
    return this.#send(signPsbt(reviewed.psbt, seed), reviewed.psbt, options);
  }

  async #send(
    raw: Uint8Array,
    { review }: OwnPsbt,
    { comment, commentTo }: SendOptions,
  ): Promise<WalletOutcome<{ readonly txid: string }>> {
    await this.#write([
      {
        k: "tx",
        raw,
        received: unixTime(this.#parts.clock),
        block: null,
        position: null,
        fee: review.fee,
        comment: comment?.slice(0, MAX_TEXT) ?? null,
        to: commentTo?.slice(0, MAX_TEXT) ?? null,
      },
    ]);
    await this.#store.sync();
    await this.#follower.watchFresh();
    const verdict = await this.#parts.chain.broadcast(raw);
    if (verdict.ok) {
      this.#state.setInMempool(verdict.txid, true);
      await this.changed.emit("balance");
      return { ok: true, txid: verdict.txid };
    }
    const txid = this.#findByBytes(raw)!.txid;
    await this.#write([{ k: "abandoned", txid }]);
    await this.#store.sync();
    return refuse("rejected", verdict.reason);
  }

  #findByBytes(raw: Uint8Array): WalletTx | undefined {
    const table = tableOf(raw)!;
    for (const { txid } of this.#state.history()) {
      const tx = this.#state.get(txid)!;
      if (tx.table.bytes.length === table.bytes.length && tx.table.bytes.every((byte, i) => byte === raw[i]))
        return tx;
    }
    return undefined;
  }

  /** Proposes and approves in one: for callers whose request was the owner's word already. */
  pay(
    request: SpendRequest,
    options: SendOptions = {},
  ): Promise<WalletOutcome<{ readonly txid: string; readonly proposal: SpendProposal }>> {
    return this.#lock.run(async () => {
      if (this.#seed.isLocked) return refuse("locked", LOCKED);
      const proposed = await this.#propose(request);
      if (!proposed.ok) return proposed;
      const { psbt, review } = proposed.proposal;
      const sent = await this.#approve(psbt, review, options);
      return sent.ok ? { ...sent, proposal: proposed.proposal } : sent;
    });
  }

  // The seed.

  get isLocked(): boolean {
    return this.#seed.isLocked;
  }

  get isEncrypted(): boolean {
    return this.#seed.isEncrypted;
  }

  /**
   * The 32 bytes of a branch of the seed (identity, channels, files, swaps), for who gets derived keys alone.
   * @returns `undefined` while the wallet is locked
   */
  branch(purpose: BranchPurpose, index = 0): Uint8Array | undefined {
    const { seed } = this.#seed;
    return seed === undefined ? undefined : deriveBranch(seed, purpose, index);
  }

  /** The words, for their owner to write down. @param passphrase needed where the wallet has one, though unlocked */
  async words(passphrase?: string): Promise<WalletOutcome<{ readonly words: string }>> {
    const words = await this.#seed.words(passphrase);
    return words === undefined ? refuse("wrong-passphrase", WRONG_PASSPHRASE) : { ok: true, words };
  }

  /** Makes the wallet able to sign for some time. @param seconds more than 100,000,000 count as that many */
  async unlock(passphrase: string, seconds: number): Promise<WalletOutcome<object>> {
    const outcome = await this.#lock.run(async (): Promise<WalletOutcome<object>> => {
      if (!this.#seed.isEncrypted) return refuse("not-encrypted", NOT_ENCRYPTED);
      if (!(await this.#seed.unlock(passphrase))) return refuse("wrong-passphrase", WRONG_PASSPHRASE);
      const span = Math.min(seconds, MAX_UNLOCK);
      this.#relock?.();
      this.#unlockedUntil = unixTime(this.#parts.clock) + span;
      this.#relock = this.#lockAfter(span);
      return { ok: true };
    });
    if (outcome.ok) await this.changed.emit("unlocked");
    return outcome;
  }

  /** Timers take 2^31 ms at most; longer times are waited for in steps. */
  #lockAfter(seconds: number): () => void {
    const step = Math.min(seconds, 1_000_000);
    return this.#parts.clock.after(step * 1000, () => {
      if (seconds > step) this.#relock = this.#lockAfter(seconds - step);
      else void this.lock();
    });
  }

  /** Forgets the seed. */
  async lock(): Promise<WalletOutcome<object>> {
    if (!this.#seed.isEncrypted) return refuse("not-encrypted", NOT_ENCRYPTED);
    this.#relock?.();
    this.#relock = undefined;
    this.#unlockedUntil = 0;
    if (this.#seed.isLocked) return { ok: true };
    this.#seed.lock();
    await this.changed.emit("locked");
    return { ok: true };
  }

  /** Puts the seed under a passphrase and locks the wallet. */
  async encrypt(passphrase: string): Promise<WalletOutcome<object>> {
    const outcome = await this.#lock.run(async (): Promise<WalletOutcome<object>> => {
      if (this.#seed.isEncrypted) return refuse("already-encrypted", ALREADY_ENCRYPTED);
      await this.#seed.encrypt(passphrase);
      return { ok: true };
    });
    if (outcome.ok) await this.changed.emit("locked");
    return outcome;
  }
}

const LOCKED = "the wallet is locked: unlock it with its passphrase first";
const WRONG_PASSPHRASE = "the passphrase is wrong";
const NOT_ENCRYPTED = "the wallet has no passphrase";
const ALREADY_ENCRYPTED = "the wallet has a passphrase already";
