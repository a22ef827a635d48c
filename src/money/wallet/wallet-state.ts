/**
 * What a wallet knows: its transactions, where each stands, and what follows for coins, balances and history. It only
 * changes by events, the same whether they happen or are read back from the log.
 */
import { toHex, toHexReversed } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import type { BlockPlace } from "#money/ports/chain-source.ts";
import { encodeAddress } from "#protocol/bitcoin/address.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import { parseTx, type TxTable } from "#protocol/bitcoin/tx-table.ts";
import { hashTxs, txidAt, wtxidAt } from "#protocol/bitcoin/txid.ts";
import type { Keychains, OwnScript } from "./keychains.ts";
import type { TxEvent, WalletEvent } from "./wallet-events.ts";
import type { Balances, CoinView, HistoryEntry, HistoryOutput, TxStatus } from "./wallet-views.ts";

/** Blocks on top that a coinbase needs before its coins can be in a block themselves. */
const COINBASE_MATURITY = 100;
/** Blocks that are remembered, to find where the chain forked off. */
const REMEMBERED_BLOCKS = 300;
/** The highest sequence number that signals replaceability (BIP125). */
const MAX_REPLACEABLE_SEQUENCE = 0xffff_fffd;

/** A transaction that touches the wallet. */
export interface WalletTx {
  readonly txid: string;
  readonly wtxid: string;
  readonly table: TxTable;
  readonly received: number;
  readonly fee: number | undefined;
  readonly comment: string | undefined;
  readonly to: string | undefined;
  block: BlockPlace | undefined;
  position: number | undefined;
  inMempool: boolean;
  isAbandoned: boolean;
}

/** A coin of ours that nothing spends. */
interface Unspent {
  readonly tx: WalletTx;
  readonly vout: number;
  readonly own: OwnScript;
  readonly amount: number;
}

export class WalletState {
  readonly keychains: Keychains;
  readonly #network: Network;
  readonly #txs = new Map<string, WalletTx>();
  /** Txids of those that spend an outpoint. */
  readonly #spenders = new Map<string, Set<string>>();
  readonly #labels = new Map<string, string>();
  #blocks: BlockPlace[] = [];
  #fresh: Uint8Array[] = [];
  // What follows from the rest, worked out once until something changes; -1: no conflict.
  readonly #trust = new Map<string, boolean>();
  readonly #conflicts = new Map<string, number>();

  constructor(keychains: Keychains, network: Network) {
    this.keychains = keychains;
    this.#network = network;
  }

  get tip(): BlockPlace | undefined {
    return this.#blocks.at(-1);
  }

  /** The blocks last followed, oldest first; there may be gaps. */
  get blocks(): readonly BlockPlace[] {
    return this.#blocks;
  }

  /** Whether it knows a block, or a transaction in a block, above this height. */
  reachesBeyond(height: number): boolean {
    if ((this.tip?.height ?? -1) > height) return true;
    return [...this.#txs.values()].some(({ block }) => block !== undefined && block.height > height);
  }

  get txCount(): number {
    return this.#txs.size;
  }

  get(txid: string): WalletTx | undefined {
    return this.#txs.get(txid);
  }

  label(own: OwnScript): string | undefined {
    return this.#labels.get(toHex(own.script));
  }

  /** Scripts that came to be watched since it was asked last. */
  takeFresh(): Uint8Array[] {
    const fresh = this.#fresh;
    this.#fresh = [];
    return fresh;
  }

  apply(event: WalletEvent): void {
    this.#forgetConclusions();
    switch (event.k) {
      case "given":
        this.#given(event.chain, event.index, event.label);
        break;
      case "tx":
        this.#tx(event);
        break;
      case "tip":
        this.#blocks.push({ height: event.height, hash: event.hash, time: event.time });
        if (this.#blocks.length > 2 * REMEMBERED_BLOCKS)
          this.#blocks = this.#blocks.slice(-REMEMBERED_BLOCKS);
        break;
      case "fork":
        this.#fork(event.height);
        break;
      case "abandoned": {
        const tx = this.#txs.get(event.txid);
        if (tx !== undefined) tx.isAbandoned = true;
        break;
      }
    }
  }

  #forgetConclusions(): void {
    this.#trust.clear();
    this.#conflicts.clear();
  }

  #given(chainIndex: number, index: number, label: string | null): void {
    const chain = this.keychains.all[chainIndex];
    if (chain === undefined) return;
    this.keychains.use(chain, index);
    this.#fresh.push(...this.keychains.extend());
    if (label !== null) this.#labels.set(toHex(chain.at(index).script), label);
  }

  #fork(height: number): void {
    this.#blocks = this.#blocks.filter((block) => block.height <= height);
    for (const tx of this.#txs.values()) {
      if (tx.block !== undefined && tx.block.height > height) {
        tx.block = undefined;
        tx.position = undefined;
      }
    }
  }

  #tx(event: TxEvent): void {
    const table = parseTx(event.raw);
    const hashes = hashTxs(table);
    const txid = toHexReversed(txidAt(hashes, 0));
    const known = this.#txs.get(txid);
    const block = event.block ?? undefined;
    if (known !== undefined) {
      known.block = block;
      known.position = event.position ?? undefined;
      if (block !== undefined) known.isAbandoned = false;
      return;
    }
    this.#txs.set(txid, {
      txid,
      wtxid: toHexReversed(wtxidAt(hashes, 0)),
      table,
      received: event.received,
      fee: event.fee ?? undefined,
      comment: event.comment ?? undefined,
      to: event.to ?? undefined,
      block,
      position: event.position ?? undefined,
      inMempool: false,
      isAbandoned: false,
    });
    for (let i = 0; i < table.inputTotal; i++) {
      const spenders = this.#spenders.get(outpointOf(table, i)) ?? new Set();
      spenders.add(txid);
      this.#spenders.set(outpointOf(table, i), spenders);
    }
    this.#useScripts(table);
  }

  /** Addresses that were paid count as used; what the gap then reaches may be paid by the same transaction. */
  #useScripts(table: TxTable): void {
    let isUsed = true;
    while (isUsed) {
      isUsed = false;
      for (let i = 0; i < table.outputTotal; i++) {
        const own = this.keychains.find(table.outputScript(i));
        if (own !== undefined && this.keychains.use(own.chain, own.index)) isUsed = true;
      }
      if (isUsed) this.#fresh.push(...this.keychains.extend());
    }
  }

  /** Whether a transaction pays us or spends from us, as far as is known. */
  concerns(table: TxTable): boolean {
    for (let i = 0; i < table.outputTotal; i++) {
      if (this.keychains.find(table.outputScript(i)) !== undefined) return true;
    }
    for (let i = 0; i < table.inputTotal; i++) if (this.#ownPrevout(table, i) !== undefined) return true;
    return false;
  }

  /** All that is known, as the events that make it anew. */
  *snapshot(): Generator<WalletEvent> {
    for (const [chain, keychain] of this.keychains.all.entries()) {
      for (let index = 0; index < keychain.next; index++) {
        const label = this.label(keychain.at(index)) ?? null;
        if (label !== null || index === keychain.next - 1) yield { k: "given", chain, index, label };
      }
    }
    for (const block of this.#blocks.slice(-REMEMBERED_BLOCKS)) yield { k: "tip", ...block };
    for (const tx of this.#txs.values()) {
      yield {
        k: "tx",
        raw: tx.table.bytes,
        received: tx.received,
        block: tx.block ?? null,
        position: tx.position ?? null,
        fee: tx.fee ?? null,
        comment: tx.comment ?? null,
        to: tx.to ?? null,
      };
      if (tx.isAbandoned) yield { k: "abandoned", txid: tx.txid };
    }
  }

  /** The mempool is not what the log remembers: until it was looked through, nothing is in it. */
  forgetMempool(): void {
    this.#forgetConclusions();
    for (const tx of this.#txs.values()) tx.inMempool = false;
  }

  setInMempool(txid: string, inMempool: boolean): void {
    const tx = this.#txs.get(txid);
    if (tx === undefined) return;
    this.#forgetConclusions();
    tx.inMempool = inMempool;
    if (inMempool) tx.isAbandoned = false;
  }

  /** Transactions of ours that wait for a block and are in no mempool that we know of, parents first. */
  toRebroadcast(): WalletTx[] {
    return [...this.#txs.values()].filter((tx) => this.status(tx) === "pending");
  }

  status(tx: WalletTx): TxStatus {
    if (tx.block !== undefined) return "confirmed";
    if (this.#conflictHeight(tx) !== undefined) return "conflicted";
    if (tx.inMempool) return "mempool";
    return !tx.isAbandoned && this.#isFromUs(tx) ? "pending" : "gone";
  }

  /** Height of the block whose transaction takes an input away from this one or from a parent of it. */
  #conflictHeight(tx: WalletTx): number | undefined {
    let height = this.#conflicts.get(tx.txid);
    if (height === undefined) {
      height = this.#findConflict(tx);
      this.#conflicts.set(tx.txid, height);
    }
    return height < 0 ? undefined : height;
  }

  #findConflict(tx: WalletTx): number {
    for (let i = 0; i < tx.table.inputTotal; i++) {
      for (const other of this.#spenders.get(outpointOf(tx.table, i)) ?? []) {
        const { block } = this.#txs.get(other)!;
        if (other !== tx.txid && block !== undefined) return block.height;
      }
      const parent = this.#txs.get(toHexReversed(tx.table.prevTxid(i)));
      if (parent === undefined || parent.block !== undefined) continue;
      const height = this.#conflictHeight(parent);
      if (height !== undefined) return height;
    }
    return -1;
  }

  #ownPrevout(table: TxTable, input: number): { own: OwnScript; amount: number } | undefined {
    const parent = this.#txs.get(toHexReversed(table.prevTxid(input)))?.table;
    const vout = table.prevIndex(input);
    if (parent === undefined || vout >= parent.outputTotal) return undefined;
    const own = this.keychains.find(parent.outputScript(vout));
    return own === undefined ? undefined : { own, amount: parent.value(vout) };
  }

  #isFromUs(tx: WalletTx): boolean {
    for (let i = 0; i < tx.table.inputTotal; i++) {
      if (this.#ownPrevout(tx.table, i) !== undefined) return true;
    }
    return false;
  }

  confirmations(tx: WalletTx): number {
    const tip = this.tip?.height ?? 0;
    if (tx.block !== undefined) return tip - tx.block.height + 1;
    const conflict = this.#conflictHeight(tx);
    return conflict === undefined ? 0 : conflict - tip - 1;
  }

  /** Confirmed, or in the mempool and from ourselves alone, through all its unconfirmed parents (Core's IsTrusted). */
  isTrusted(tx: WalletTx): boolean {
    const known = this.#trust.get(tx.txid);
    if (known !== undefined) return known;
    const status = this.status(tx);
    let trusted = status === "confirmed";
    if (status === "mempool") {
      trusted = true;
      for (let i = 0; trusted && i < tx.table.inputTotal; i++) {
        const parent = this.#txs.get(toHexReversed(tx.table.prevTxid(i)));
        trusted =
          parent !== undefined && this.#ownPrevout(tx.table, i) !== undefined && this.isTrusted(parent);
      }
    }
    this.#trust.set(tx.txid, trusted);
    return trusted;
  }

  #isImmature(tx: WalletTx): boolean {
    return tx.table.isCoinbase(0) && this.confirmations(tx) <= COINBASE_MATURITY;
  }

  /** The first transaction that spends an output and may yet be in the chain. */
  #spender(outpoint: string): WalletTx | undefined {
    for (const txid of this.#spenders.get(outpoint) ?? []) {
      const tx = this.#txs.get(txid)!;
      const status = this.status(tx);
      if (status !== "conflicted" && status !== "gone") return tx;
    }
    return undefined;
  }

  *#outputs(): Generator<Unspent & { readonly spender: WalletTx | undefined }> {
    for (const tx of this.#txs.values()) {
      for (let vout = 0; vout < tx.table.outputTotal; vout++) {
        const own = this.keychains.find(tx.table.outputScript(vout));
        if (own === undefined) continue;
        const spender = this.#spender(`${tx.txid}:${vout}`);
        yield { tx, vout, own, amount: tx.table.value(vout), spender };
      }
    }
  }

  balances(minConfirmations = 0): Balances {
    const sums = { trusted: 0, untrustedPending: 0, immature: 0, nonMempool: 0 };
    for (const { tx, amount, spender } of this.#outputs()) {
      if (spender !== undefined) {
        if (this.status(spender) === "pending") sums.nonMempool += amount;
        continue;
      }
      const status = this.status(tx);
      if (status === "confirmed" && this.#isImmature(tx)) sums.immature += amount;
      else if (this.isTrusted(tx)) {
        if (this.confirmations(tx) >= minConfirmations) sums.trusted += amount;
      } else if (status === "mempool") sums.untrustedPending += amount;
    }
    return sums;
  }

  /** Coins that could be spent now, by whoever takes the risk of those that are not safe. */
  coins(): CoinView[] {
    const coins: CoinView[] = [];
    for (const { tx, vout, own, amount, spender } of this.#outputs()) {
      const status = this.status(tx);
      if (spender !== undefined || (status !== "confirmed" && status !== "mempool")) continue;
      if (this.#isImmature(tx)) continue;
      coins.push({
        txid: tx.txid,
        vout,
        amount,
        script: own.script,
        address: own.chain.address(own.index),
        label: this.label(own),
        isChange: own.chain.isChange && this.label(own) === undefined,
        confirmations: this.confirmations(tx),
        isSafe: this.isTrusted(tx),
        descriptor: own.chain.descriptorAt(own.index),
        parentDescriptor: own.chain.descriptor,
      });
    }
    return coins;
  }

  /** Every transaction, in the order in which the chain, then we, came to know it. */
  history(): HistoryEntry[] {
    return [...this.#txs.values()].sort(byOrder).map((tx) => this.entry(tx));
  }

  entry(tx: WalletTx): HistoryEntry {
    const { table } = tx;
    const outputs = Array.from({ length: table.outputTotal }, (_, vout) => this.#outputView(table, vout));
    let spent = 0;
    let ownInputs = 0;
    for (let i = 0; i < table.inputTotal; i++) {
      const prevout = this.#ownPrevout(table, i);
      if (prevout === undefined) continue;
      spent += prevout.amount;
      ownInputs++;
    }
    const mine = sum(outputs.filter(({ isMine }) => isMine));
    const isOurs = ownInputs > 0 && ownInputs === table.inputTotal;
    const others = this.#rivals(tx);
    const status = this.status(tx);
    return {
      txid: tx.txid,
      wtxid: tx.wtxid,
      raw: table.bytes,
      status,
      confirmations: this.confirmations(tx),
      block: tx.block,
      position: tx.position,
      isCoinbase: table.isCoinbase(0),
      net: mine - spent,
      fee: isOurs ? spent - sum(outputs) : undefined,
      isTrusted: this.isTrusted(tx),
      isReplaceable: status !== "confirmed" && signalsReplaceability(table),
      outputs,
      spent,
      received: tx.received,
      conflicts: others.map(({ txid }) => txid),
      mempoolConflicts: others.filter(({ inMempool }) => inMempool).map(({ txid }) => txid),
      replacedBy: tx.block !== undefined || tx.inMempool ? undefined : others.find((o) => o.inMempool)?.txid,
      comment: tx.comment,
      commentTo: tx.to,
    };
  }

  #rivals(tx: WalletTx): WalletTx[] {
    const rivals = new Set<string>();
    for (let i = 0; i < tx.table.inputTotal; i++) {
      for (const other of this.#spenders.get(outpointOf(tx.table, i)) ?? []) rivals.add(other);
    }
    rivals.delete(tx.txid);
    return [...rivals].map((txid) => this.#txs.get(txid)!);
  }

  #outputView(table: TxTable, vout: number): HistoryOutput {
    const script = table.outputScript(vout).slice();
    const own = this.keychains.find(script);
    const label = own === undefined ? undefined : this.label(own);
    return {
      vout,
      amount: table.value(vout),
      script,
      address: encodeAddress(script, this.#network),
      isMine: own !== undefined,
      isChange: own?.chain.isChange === true && label === undefined,
      label,
      parentDescriptor: own?.chain.descriptor,
    };
  }
}

function sum(outputs: readonly { readonly amount: number }[]): number {
  return outputs.reduce((total, { amount }) => total + amount, 0);
}

function outpointOf(table: TxTable, input: number): string {
  return `${toHexReversed(table.prevTxid(input))}:${table.prevIndex(input)}`;
}

function signalsReplaceability(table: TxTable): boolean {
  for (let i = 0; i < table.inputTotal; i++) if (table.sequence(i) <= MAX_REPLACEABLE_SEQUENCE) return true;
  return false;
}

function byOrder(a: WalletTx, b: WalletTx): number {
  const height = (tx: WalletTx) => tx.block?.height ?? Number.POSITIVE_INFINITY;
  if (height(a) !== height(b)) return height(a) < height(b) ? -1 : 1;
  if (a.block !== undefined) return (a.position ?? 0) - (b.position ?? 0);
  return a.received - b.received;
}

/** The table of a transaction that somebody handed us, `undefined` when it does not parse. */
export function tableOf(raw: Uint8Array): TxTable | undefined {
  try {
    return parseTx(raw.slice());
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}
