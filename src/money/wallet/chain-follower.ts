/**
 * Keeps a wallet with the chain: catches up after a start, takes what the chain tells, and looks again wherever the two
 * do not fit together. Everything it applies may be applied twice.
 */
import { type Clock, unixTime } from "#base/lib/clock.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { Mutex } from "#base/lib/mutex.ts";
import type { BlockPlace, ChainChange, ChainSource, ChainTx } from "#money/ports/chain-source.ts";
import type { WalletEvent } from "./wallet-events.ts";
import { tableOf, type WalletState } from "./wallet-state.ts";

/** While it scans, a block without anything of ours is remembered this often. */
const REMEMBER_EVERY = 1000;
/** How long after a failure it is tried again, in ms. */
const RETRY_DELAY = 10_000;
/** How often own transactions that no mempool holds are sent again, in ms. */
const REBROADCAST_INTERVAL = 10 * 60 * 1000;
/** Changes that are kept while it scans. */
const MAX_WAITING = 10_000;
const NOWHERE: BlockPlace = { height: 0, hash: "0".repeat(64), time: 0 };

export interface ChainFollowerParts {
  readonly name: string;
  readonly chain: ChainSource;
  readonly clock: Clock;
  readonly log: Logger;
  readonly state: WalletState;
  /** The wallet's. */
  readonly lock: Mutex;
  /** Height from which there may be something of ours. */
  readonly birthday: number;
  /** Remembers events and applies them; called under the lock. */
  readonly write: (events: readonly WalletEvent[]) => Promise<void>;
  /** The wallet is another than before. */
  readonly changed: () => Promise<void>;
}

export class ChainFollower {
  readonly #parts: ChainFollowerParts;
  readonly #follower: string;
  #off: (() => void) | undefined;
  #stopRebroadcast: (() => void) | undefined;
  #stopRetry: (() => void) | undefined;
  #stopped = false;
  /** Set while what the chain tells is kept for later. */
  #waiting: ChainChange[] | undefined = [];
  #catchingUp: Promise<void> | undefined;
  /** Why it does not follow at present. */
  #failure: Error | undefined;
  #shouldScan = true;
  #scanStart = 0;
  #scanFrom = 0;
  #scanTip = 0;
  #isTipRemembered = true;
  #lastTip: BlockPlace | undefined;
  #wakers: (() => void)[] = [];

  constructor(parts: ChainFollowerParts) {
    this.#parts = parts;
    this.#follower = `wallet/${parts.name}`;
  }

  /** The last block that the wallet has seen. */
  get tip(): BlockPlace {
    return this.#lastTip ?? this.#parts.state.tip ?? NOWHERE;
  }

  /** Seconds that the scan under way has taken and the share done; `undefined` when there is none. */
  get scanning(): { readonly duration: number; readonly progress: number } | undefined {
    if (this.#catchingUp === undefined) return undefined;
    const duration = Math.floor((this.#parts.clock.monotonic() - this.#scanStart) / 1000);
    const span = this.#scanTip - this.#scanFrom;
    const done = span <= 0 ? 1 : (this.tip.height - this.#scanFrom) / span;
    return { duration, progress: Math.min(1, Math.max(0, done)) };
  }

  start(): void {
    const { chain } = this.#parts;
    if (chain.isAbsent === true) return;
    this.#off = chain.changed.on(async ({ follower, change }) => {
      if (follower === this.#follower) await this.#told(change);
    });
    this.#catchUp();
    this.#rebroadcastLater();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#off?.();
    this.#stopRebroadcast?.();
    this.#stopRetry?.();
    this.#wake();
    await this.#catchingUp;
    await this.#parts.chain.forget?.(this.#follower);
  }

  /**
   * Resolves when the wallet has seen all that the chain is now, or has stopped.
   * @throws Error while it cannot follow, such as when its disk failed
   */
  async caughtUp(): Promise<void> {
    if (this.#parts.chain.isAbsent === true) return;
    const target = await this.#parts.chain.tip();
    while (!this.#stopped) {
      if (this.#failure !== undefined) throw this.#failure;
      const isThere = this.tip.hash === target.hash || this.tip.height > target.height;
      if (this.#catchingUp === undefined && isThere && !this.#shouldScan) break;
      await new Promise<void>((resolve) => this.#wakers.push(resolve));
    }
    // Whoever applies something has finished.
    await this.#parts.lock.run(() => undefined);
  }

  #wake(): void {
    for (const wake of this.#wakers.splice(0)) wake();
  }

  /** Follows the scripts that were derived since; called under the lock. */
  async watchFresh(): Promise<void> {
    const fresh = this.#parts.state.takeFresh();
    if (fresh.length > 0) await this.#parts.chain.watch(this.#follower, fresh);
  }

  #catchUp(): void {
    this.#shouldScan = true;
    this.#waiting ??= [];
    if (this.#catchingUp !== undefined || this.#stopped) return;
    this.#scanStart = this.#parts.clock.monotonic();
    this.#catchingUp = this.#scanUntilDone()
      .catch((error: Error) => this.#failed(error))
      .finally(() => {
        this.#catchingUp = undefined;
        this.#wake();
      });
  }

  /** A disk that failed may work again: what was missed is in the chain. */
  #failed(error: Error): void {
    if (this.#stopped) return;
    this.#parts.log.error(`wallet ${this.#parts.name} cannot follow the chain: ${error.message}`);
    this.#failure = error;
    this.#shouldScan = true;
    this.#waiting ??= [];
    this.#wake();
    this.#stopRetry?.();
    this.#stopRetry = this.#parts.clock.after(RETRY_DELAY, () => this.#catchUp());
  }

  async #scanUntilDone(): Promise<void> {
    const { chain, state, lock } = this.#parts;
    while (this.#shouldScan && !this.#stopped) {
      this.#shouldScan = false;
      await lock.run(async () => {
        await this.#rewind();
        state.forgetMempool();
        state.takeFresh();
        await chain.watch(this.#follower, state.keychains.scripts());
      });
      await this.#scan(Math.max(this.#parts.birthday, (state.tip?.height ?? -1) + 1));
      if (this.#shouldScan || this.#stopped) continue;
      await lock.run(() => this.#applyWaiting());
    }
    if (this.#stopped) return;
    await this.#rebroadcast();
    this.#failure = undefined;
    await this.#parts.changed();
  }

  /**
   * Goes back to the last block that the chain still has. Of a block that came in when the power went, the wallet may
   * know transactions and not the block: they are beyond its tip, and whether the chain still has them is not known.
   */
  async #rewind(): Promise<void> {
    const { chain, state, write } = this.#parts;
    this.#lastTip = undefined;
    let height = -1;
    for (const block of [...state.blocks].reverse()) {
      const there = await chain.blockAt(block.height);
      if (there?.hash !== block.hash) continue;
      height = block.height;
      break;
    }
    if (state.reachesBeyond(height)) await write([{ k: "fork", height }]);
  }

  async #scan(from: number): Promise<void> {
    const { chain, lock } = this.#parts;
    this.#scanFrom = from;
    this.#scanTip = (await chain.tip()).height;
    for await (const change of chain.scan(this.#follower, from)) {
      if (this.#stopped) return;
      const isFurther = await lock.run(() => this.#apply(change, true));
      // Addresses beyond the gap came into sight: this block may pay them too.
      if (isFurther && change.connected.length > 0) {
        this.#shouldScan = true;
        await lock.run(() => this.#stepBack(change));
        return;
      }
      if (isFurther) this.#shouldScan = true;
      // The chain is not yet as high as what is looked for.
      if (change.connected.length === 0 && change.tip.height < from) this.#lastTip ??= change.tip;
    }
    await lock.run(() => this.#rememberTip());
  }

  /** Forgets that the blocks of a change were seen, so that they are looked at again. */
  async #stepBack({ connected: [first] }: ChainChange): Promise<void> {
    if (first === undefined) return;
    await this.#parts.write([{ k: "fork", height: first.block.height - 1 }]);
    this.#lastTip = undefined;
  }

  async #rememberTip(): Promise<void> {
    const tip = this.#lastTip;
    if (tip === undefined || this.#isTipRemembered) return;
    this.#isTipRemembered = true;
    await this.#parts.write([{ k: "tip", ...tip }]);
  }

  async #applyWaiting(): Promise<void> {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const change of waiting) await this.#applyLive(change);
  }

  async #told(change: ChainChange): Promise<void> {
    if (this.#stopped) return;
    try {
      await this.#parts.lock.run(async () => {
        if (this.#waiting !== undefined) this.#keep(change);
        else await this.#applyLive(change);
      });
    } catch (error) {
      this.#failed(error as Error);
    }
    this.#wake();
    if (this.#waiting === undefined) await this.#parts.changed();
  }

  /** Keeps a change for the end of the scan; beyond a bound the scan is rather made again. */
  #keep(change: ChainChange): void {
    if (this.#waiting!.length < MAX_WAITING) this.#waiting!.push(change);
    else {
      this.#waiting = [];
      this.#shouldScan = true;
    }
  }

  /** Takes a change as it happens, unless it does not follow what is known: then the chain is looked at again. */
  async #applyLive(change: ChainChange): Promise<void> {
    const { tip } = this;
    const [first] = change.connected;
    const isKnown =
      change.tip.hash === tip.hash || (first !== undefined && (await this.#isPast(first.block)));
    const isMove = change.disconnected.length > 0 || first !== undefined;
    if (isMove && isKnown && change.tip.height <= tip.height) {
      // The scan was ahead of what was told.
      await this.#apply({ ...change, disconnected: [], connected: [] }, false);
      return;
    }
    const fork = change.disconnected.at(-1)?.height ?? first?.block.height;
    const isFollowing =
      !isMove ||
      (change.disconnected.length > 0 ? change.disconnected[0]!.hash === tip.hash : fork === tip.height + 1);
    if (!isFollowing) {
      this.#catchUp();
      return;
    }
    if (!(await this.#apply(change, false))) return;
    await this.#stepBack(change);
    this.#catchUp();
  }

  /** Whether a block is one that the wallet has seen. */
  async #isPast(block: BlockPlace): Promise<boolean> {
    if (block.height > this.tip.height) return false;
    return this.#parts.state.blocks.some(({ hash }) => hash === block.hash);
  }

  /** @returns whether an address was paid that this wallet had not given out, so that the gap moved on */
  async #apply(change: ChainChange, isScan: boolean): Promise<boolean> {
    const { state, write } = this.#parts;
    const before = state.keychains.all.map(({ next }) => next);
    const lowest = change.disconnected.at(-1)?.height;
    if (lowest !== undefined) {
      await write([{ k: "fork", height: lowest - 1 }]);
      this.#lastTip = undefined;
    }
    for (const { block, txs } of change.connected) {
      const events = txs.flatMap((tx) => this.#txEvent(tx, block));
      for (const { txid } of txs) state.setInMempool(txid, false);
      const isWorthIt = !isScan || events.length > 0 || block.height % REMEMBER_EVERY === 0;
      if (isWorthIt) events.push({ k: "tip", ...block });
      await write(events);
      this.#lastTip = block;
      this.#isTipRemembered = isWorthIt;
    }
    for (const txid of change.mempoolRemoved) state.setInMempool(txid, false);
    for (const tx of change.mempoolAdded) {
      if (state.get(tx.txid) === undefined) await write(this.#txEvent(tx, undefined));
      state.setInMempool(tx.txid, true);
    }
    await this.watchFresh();
    return state.keychains.all.some(({ next }, i) => next !== before[i]);
  }

  #txEvent(tx: ChainTx, block: BlockPlace | undefined): WalletEvent[] {
    const { state, clock } = this.#parts;
    const known = state.get(tx.txid);
    const table = tableOf(tx.raw);
    if (table === undefined || (known === undefined && !state.concerns(table))) return [];
    const now = unixTime(clock);
    return [
      {
        k: "tx",
        raw: table.bytes,
        received: known?.received ?? (block === undefined ? now : Math.min(now, block.time)),
        block: block === undefined ? null : { height: block.height, hash: block.hash, time: block.time },
        position: tx.position ?? null,
        fee: tx.fee ?? null,
        comment: known?.comment ?? null,
        to: known?.to ?? null,
      },
    ];
  }

  #rebroadcastLater(): void {
    if (this.#stopped) return;
    this.#stopRebroadcast = this.#parts.clock.after(REBROADCAST_INTERVAL, () => {
      void this.#rebroadcast()
        .catch((error: Error) => this.#failed(error))
        .finally(() => this.#rebroadcastLater());
    });
  }

  /** Sends again what of ours waits for a block and no mempool is known to hold. */
  async #rebroadcast(): Promise<void> {
    const { chain, state, log, name, lock } = this.#parts;
    await lock.run(async () => {
      for (const { txid, table } of state.toRebroadcast()) {
        const verdict = await chain.broadcast(table.bytes);
        if (verdict.ok) state.setInMempool(txid, true);
        else log.info(`wallet ${name}: ${txid} is not taken by the mempool: ${verdict.reason}`);
      }
    });
  }
}
