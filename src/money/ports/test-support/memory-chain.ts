/**
 * For tests of money: a chain in memory without proof of work and without scripts, as its followers see one. It keeps
 * to what the suite of chain sources asks, so that what is true on it is true on a node's.
 */
import { toHex, toHexReversed } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { Signal } from "#base/lib/events.ts";
import { encodeTransaction, type Transaction } from "#protocol/bitcoin/transaction.ts";
import { parseTx, type TxTable } from "#protocol/bitcoin/tx-table.ts";
import { hashTxs, txidAt } from "#protocol/bitcoin/txid.ts";
import type { BlockPlace, ChainChange, ChainSource, ChainTx } from "../chain-source.ts";
import type { ChainSourceWorld } from "./chain-source-suite.ts";
import { payFrom, spendCoin, type TestOutput } from "./spend-coin.ts";

/** OP_TRUE: what the chain's own coins are locked with. */
const ANYONE = Uint8Array.of(0x51);
const REWARD = 50 * 100_000_000;
const START_TIME = 1_700_000_000;
const NOTHING = { disconnected: [], connected: [], mempoolAdded: [], mempoolRemoved: [] } as const;

interface Tx {
  readonly table: TxTable;
  readonly txid: string;
  readonly fee: number | undefined;
}

interface Block {
  readonly place: BlockPlace;
  readonly txs: readonly Tx[];
}

export class MemoryChain implements ChainSource, ChainSourceWorld {
  readonly changed: ChainSource["changed"] = new Signal();
  readonly anyone: Uint8Array = ANYONE;
  /** Satoshi per 1000 virtual bytes that {@link feeRate} answers. */
  estimate: number | undefined;
  minimum = 100;
  /** Refuses what is broadcast with this reason. */
  refusal: string | undefined;
  readonly #scripts = new Map<string, Set<string>>();
  #blocks: Block[] = [];
  #mempool: Tx[] = [];
  /** Every transaction ever seen, for what its outputs are. */
  readonly #known = new Map<string, Tx>();
  #salt = 0;
  #telling: Promise<void> = Promise.resolve();

  constructor(height = 101) {
    this.#blocks.push({ place: this.#placeAt(0), txs: [] });
    for (let i = 0; i < height; i++) this.#blocks.push(this.#block([], ANYONE));
  }

  get source(): ChainSource {
    return this;
  }

  /** Txids in the mempool. */
  get waiting(): string[] {
    return this.#mempool.map(({ txid }) => txid);
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #placeAt(height: number): BlockPlace {
    this.#salt++;
    const hash = this.#salt.toString(16).padStart(64, "0");
    return { height, hash, time: START_TIME + height * 600 };
  }

  #block(txs: readonly Tx[], script: Uint8Array): Block {
    const place = this.#placeAt(this.#blocks.length);
    const coinbase: Transaction = {
      version: 2,
      inputs: [
        {
          txid: new Uint8Array(32),
          index: 0xffff_ffff,
          script: Uint8Array.of(4, this.#salt, this.#salt >> 8, this.#salt >> 16, 0),
          sequence: 0xffff_ffff,
          witness: [],
        },
      ],
      outputs: [{ value: REWARD, script }],
      lockTime: 0,
    };
    return { place, txs: [this.#txOf(encodeTransaction(coinbase)), ...txs] };
  }

  #txOf(raw: Uint8Array): Tx {
    const table = parseTx(raw.slice());
    const tx: Tx = { table, txid: toHexReversed(txidAt(hashTxs(table), 0)), fee: this.#feeOf(table) };
    this.#known.set(tx.txid, tx);
    return tx;
  }

  #feeOf(table: TxTable): number | undefined {
    if (table.isCoinbase(0)) return undefined;
    let fee = 0;
    for (let i = 0; i < table.inputTotal; i++) {
      const parent = this.#known.get(toHexReversed(table.prevTxid(i)))?.table;
      if (parent === undefined || table.prevIndex(i) >= parent.outputTotal) return undefined;
      fee += parent.value(table.prevIndex(i));
    }
    for (let i = 0; i < table.outputTotal; i++) fee -= table.value(i);
    return fee;
  }

  /** The tip, once all was told. */
  async tip(): Promise<BlockPlace> {
    await this.#telling;
    return this.#tip;
  }

  get #tip(): BlockPlace {
    return this.#blocks.at(-1)!.place;
  }

  async blockAt(height: number): Promise<BlockPlace | undefined> {
    return this.#blocks[height]?.place;
  }

  async watch(follower: string, scripts: readonly Uint8Array[]): Promise<void> {
    const own = this.#scripts.get(follower) ?? new Set();
    for (const script of scripts) own.add(toHex(script));
    this.#scripts.set(follower, own);
  }

  async forget(follower: string): Promise<void> {
    this.#scripts.delete(follower);
  }

  async *scan(follower: string, from: number): AsyncGenerator<ChainChange> {
    for (let height = Math.max(0, from); height < this.#blocks.length; height++) {
      const block = this.#blocks[height]!;
      yield { ...NOTHING, connected: [this.#told(block, follower)], tip: block.place };
    }
    const mempoolAdded = this.#mempool.filter((tx) => this.#concerns(tx, follower)).map((tx) => chainTx(tx));
    yield { ...NOTHING, mempoolAdded, tip: this.#tip };
  }

  #told({ place, txs }: Block, follower: string): { block: BlockPlace; txs: ChainTx[] } {
    const own = txs.flatMap((tx, position) =>
      this.#concerns(tx, follower) ? [{ ...chainTx(tx), block: place, position }] : [],
    );
    return { block: place, txs: own };
  }

  #concerns({ table }: Tx, follower: string): boolean {
    const scripts = this.#scripts.get(follower);
    for (let i = 0; i < table.outputTotal; i++) if (scripts?.has(toHex(table.outputScript(i)))) return true;
    for (let i = 0; i < table.inputTotal; i++) {
      const parent = this.#known.get(toHexReversed(table.prevTxid(i)))?.table;
      const spent = parent?.outputScript(table.prevIndex(i));
      if (spent !== undefined && scripts?.has(toHex(spent))) return true;
    }
    return false;
  }

  async broadcast(raw: Uint8Array): ReturnType<ChainSource["broadcast"]> {
    if (this.refusal !== undefined) return { ok: false, reason: this.refusal };
    const tx = this.#decoded(raw);
    if (tx === undefined) return { ok: false, reason: "TX decode failed" };
    if (this.#mempool.some(({ txid }) => txid === tx.txid)) return { ok: true, txid: tx.txid };
    const replaced = this.#mempool.filter((other) => doConflict(other.table, tx.table));
    if (tx.fee === undefined || this.#isSpentInChain(tx.table)) {
      return { ok: false, reason: "bad-txns-inputs-missingorspent" };
    }
    if (replaced.some(({ fee }) => fee! >= tx.fee!)) return { ok: false, reason: "insufficient fee" };
    const gone = this.#withDescendants(replaced);
    this.#mempool = [...this.#mempool.filter((other) => !gone.includes(other)), tx];
    // Whoever sends may hold what a follower waits for.
    void this.#emit({ added: [tx], removed: gone });
    return { ok: true, txid: tx.txid };
  }

  #decoded(raw: Uint8Array): Tx | undefined {
    try {
      return this.#txOf(raw);
    } catch (error) {
      if (error instanceof DecodeError) return undefined;
      throw error;
    }
  }

  #isSpentInChain(table: TxTable): boolean {
    return this.#blocks.some(({ txs }) => txs.some((other) => doConflict(other.table, table)));
  }

  #withDescendants(roots: readonly Tx[]): Tx[] {
    const gone = [...roots];
    for (const { txid } of gone) {
      for (const other of this.#mempool) {
        if (!gone.includes(other) && spends(other.table, txid)) gone.push(other);
      }
    }
    return gone;
  }

  /** Empties the mempool, as a restart without its file does. */
  forgetMempool(): Promise<void> {
    const removed = this.#mempool;
    this.#mempool = [];
    return this.#emit({ removed });
  }

  async feeRate(_blocks: number): Promise<number | undefined> {
    return this.estimate;
  }

  async minimumFeeRate(): Promise<number> {
    return this.minimum;
  }

  async mine(script: Uint8Array = ANYONE): Promise<BlockPlace> {
    const block = this.#block(this.#mempool, script);
    this.#mempool = [];
    this.#blocks.push(block);
    await this.#emit({ connected: [block] });
    return block.place;
  }

  async reorg(depth: number): Promise<void> {
    const left = this.#blocks.splice(-depth).reverse();
    const returning = left.flatMap(({ txs }) => txs.filter((tx) => !tx.table.isCoinbase(0)));
    const before = new Set(this.#mempool.map(({ txid }) => txid));
    this.#mempool.push(...returning.filter(({ txid }) => !before.has(txid)));
    const connected: Block[] = [];
    for (let i = 0; i <= depth; i++) {
      const block = this.#block([], ANYONE);
      this.#blocks.push(block);
      connected.push(block);
    }
    await this.#emit({ disconnected: left, connected, added: returning });
  }

  async pay(script: Uint8Array, amount: number, fee = 1000): Promise<{ txid: string; raw: Uint8Array }> {
    const coin = this.#ownCoin(amount + fee);
    const raw = payFrom(coin, { script, amount, fee }, ANYONE);
    const verdict = await this.broadcast(raw);
    if (!verdict.ok) throw new Error(verdict.reason);
    await this.#telling;
    return { txid: verdict.txid, raw };
  }

  async spend(txid: string, index: number, outputs: readonly TestOutput[]): Promise<Uint8Array> {
    return spendCoin(txid, index, outputs);
  }

  /** Whether the chain has a coin left to pay so much of, the fee included. */
  canPay(amount: number): boolean {
    return this.#findCoin(amount) !== undefined;
  }

  #ownCoin(least: number): { txid: string; index: number; value: number } {
    const coin = this.#findCoin(least);
    if (coin === undefined) throw new Error("the chain has no coin left: mine some blocks");
    return coin;
  }

  /** A matured coin of the chain's own that nobody spends. */
  #findCoin(least: number): { txid: string; index: number; value: number } | undefined {
    const depth = this.#blocks.length;
    for (const { place, txs } of this.#blocks) {
      const coinbase = txs[0];
      if (coinbase === undefined || depth - place.height < 101) continue;
      if (toHex(coinbase.table.outputScript(0)) !== toHex(ANYONE) || coinbase.table.value(0) < least)
        continue;
      const isSpent = [...this.#known.values()].some(({ table }) => spends(table, coinbase.txid));
      if (!isSpent) return { txid: coinbase.txid, index: 0, value: coinbase.table.value(0) };
    }
    return undefined;
  }

  /** Tells the followers, one happening after the other. */
  #emit(what: {
    disconnected?: readonly Block[];
    connected?: readonly Block[];
    added?: readonly Tx[];
    removed?: readonly Tx[];
  }): Promise<void> {
    const tip = this.#tip;
    const told: { follower: string; change: ChainChange }[] = [];
    for (const follower of this.#scripts.keys()) {
      const own = (txs: readonly Tx[] = []) => txs.filter((tx) => this.#concerns(tx, follower));
      const change: ChainChange = {
        disconnected: (what.disconnected ?? []).map(({ place }) => place),
        connected: (what.connected ?? []).map((block) => this.#told(block, follower)),
        mempoolAdded: own(what.added).map((tx) => chainTx(tx)),
        mempoolRemoved: own(what.removed).map(({ txid }) => txid),
        tip,
      };
      const isMove = change.connected.length + change.disconnected.length > 0;
      if (isMove || change.mempoolAdded.length + change.mempoolRemoved.length > 0)
        told.push({ follower, change });
    }
    this.#telling = this.#telling.then(async () => {
      for (const each of told) await this.changed.emit(each);
    });
    return this.#telling;
  }
}

function chainTx({ table, txid, fee }: Tx): ChainTx {
  return { raw: table.bytes, txid, ...(fee !== undefined && { fee }) };
}

function spends(table: TxTable, txid: string): boolean {
  for (let i = 0; i < table.inputTotal; i++) if (toHexReversed(table.prevTxid(i)) === txid) return true;
  return false;
}

function doConflict(a: TxTable, b: TxTable): boolean {
  for (let i = 0; i < a.inputTotal; i++) {
    for (let j = 0; j < b.inputTotal; j++) {
      if (a.isNullOutpoint(i)) continue;
      if (toHex(a.prevTxid(i)) === toHex(b.prevTxid(j)) && a.prevIndex(i) === b.prevIndex(j)) {
        return true;
      }
    }
  }
  return false;
}
