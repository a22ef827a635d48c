/** Transactions to peers: announcing them at random moments, handing them out, and the fee below which we want none. */

import type { MempoolEntry } from "#ledger/mempool/mempool-entry.ts";
import { MAX_MONEY } from "#protocol/bitcoin/amount.ts";
import type { Txid, Wtxid } from "#protocol/bitcoin/hashes.ts";
import { type Inventory, InvType, MAX_INVENTORY } from "#protocol/wire/inventory.ts";
import { FEEFILTER_VERSION } from "#protocol/wire/messages/handshake.ts";
import { strippedTx } from "#protocol/wire/stripped.ts";
import type { PeerContext } from "./context.ts";
import { FeeFilterRounder } from "./fee-filter.ts";
import { hashKey, hashOfKey } from "./hash-key.ts";
import type { Peer, TransactionState } from "./peer.ts";
import { Permission } from "./permissions.ts";
import { exponentialDelay } from "./random-draws.ts";
import { RollingFilter } from "./rolling-filter.ts";

/** Milliseconds between announcements, on average. Inbound peers share one timer: many of them tell no more than one. */
const INBOUND_INTERVAL = 5_000;
const OUTBOUND_INTERVAL = 2_000;
/** Transactions to announce at a time: what 14 a second make, and more when many wait. */
const ANNOUNCE_TARGET = 14 * 5;
const ANNOUNCE_MAX = 1_000;
const FEEFILTER_INTERVAL = 10 * 60_000;
/** A large change of our fee filter is told within this time. */
const FEEFILTER_CHANGE_DELAY = 5 * 60_000;
/** Milliseconds between attempts to announce what nobody has asked for yet, and what is added at random. */
export const REBROADCAST_INTERVAL: number = 10 * 60_000;
export const REBROADCAST_SPREAD: number = 5 * 60_000;

export class TransactionRelay {
  readonly #context: PeerContext;
  readonly #rounder: FeeFilterRounder;
  #nextInbound = 0;

  constructor(context: PeerContext) {
    this.#context = context;
    this.#rounder = new FeeFilterRounder(this.#minRelayRate, context.random);
  }

  /** What a peer that wants transactions, or may want them later, starts with. */
  newState(relay: boolean): TransactionState {
    return {
      relay,
      known: new RollingFilter(50_000, 0.000001, this.#context.random),
      toSend: new Set(),
      sendMempool: false,
      nextSend: 0,
      lastSequence: 1,
      feeFilter: 0,
    };
  }

  /** Announces a transaction of the mempool to everyone who may not know it, each in its time. */
  broadcast(txid: Txid, wtxid: Wtxid): void {
    let urgent = false;
    for (const peer of this.#context.peers.values()) {
      const state = peer.transactions;
      // Before the handshake is over nothing is queued: it would leave at once, without its random delay.
      if (state === undefined || state.nextSend === 0) continue;
      const hash = peer.wtxidRelay ? wtxid : txid;
      if (state.known.has(hash)) continue;
      state.toSend.add(hashKey(hash));
      // Others wait for their time anyway.
      if (peer.has(Permission.NO_BAN)) urgent = true;
    }
    if (urgent) this.#context.wake();
  }

  /** The peer has it: it announced or sent it. */
  markKnown(peer: Peer, hash: Uint8Array): void {
    peer.transactions?.known.insert(hash);
  }

  /** Announces again what nobody has asked for. */
  rebroadcast(): void {
    const { mempool } = this.#context;
    for (const txid of mempool.unbroadcast()) {
      const entry = mempool.get(txid);
      if (entry !== undefined) this.broadcast(entry.txid, entry.wtxid);
      else mempool.removeUnbroadcast(txid);
    }
  }

  /** Sends a transaction that a peer asks for; false when we have none that it may know of. */
  serve(peer: Peer, { type, hash }: Inventory): boolean {
    const { mempool, serving } = this.#context;
    const byWtxid = type === InvType.WTX;
    const entry = byWtxid ? mempool.getByWtxid(hash) : mempool.get(hash);
    const stripped = type === InvType.TX;
    if (entry !== undefined && entry.sequence < (peer.transactions?.lastSequence ?? 0)) {
      this.#context.send(peer, "tx", stripped ? strippedTx(entry.table, 0) : entry.table.raw(0));
      mempool.removeUnbroadcast(entry.txid);
      return true;
    }
    const recent = serving.recentTransaction(hash);
    if (recent === undefined) return false;
    const table = serving.recent!.block.txs;
    this.#context.send(peer, "tx", stripped ? strippedTx(table, recent.index) : recent.raw);
    return true;
  }

  /** In a peer's turn: transactions to announce, added to `entries`. */
  announce(peer: Peer, entries: Inventory[]): void {
    const state = peer.transactions;
    if (state === undefined || !this.#isDue(peer, state)) return;
    if (!state.relay) state.toSend.clear();
    if (state.sendMempool) this.#announceMempool(peer, state, entries);
    const limit = Math.min(ANNOUNCE_MAX, ANNOUNCE_TARGET + Math.floor(state.toSend.size / 1000) * 5);
    let announced = 0;
    for (const entry of this.#inOrder(peer, state)) {
      if (announced >= limit) break;
      const hash = idFor(peer, entry);
      state.toSend.delete(hashKey(hash));
      if (state.known.has(hash) || !paysFor(entry, state.feeFilter)) continue;
      this.#add(peer, state, entries, hash);
      announced++;
    }
    // What was just announced, and all before it, may be asked for.
    state.lastSequence = this.#context.mempool.sequence;
  }

  /** In a peer's turn: the fee rate below which we want nothing (BIP133). */
  maybeSendFeeFilter(peer: Peer): void {
    const { options, mempool, chain, random } = this.#context;
    if (options.blocksOnly || peer.commonVersion < FEEFILTER_VERSION) return;
    if (peer.has(Permission.FORCE_RELAY) || peer.type === "block-relay-only") return;
    const now = this.#context.now();
    const rate = mempool.minFee();
    let current = rate.size === 0 ? 0 : Math.floor((rate.fee * 1000) / rate.size);
    if (chain.isInitialBlockDownload()) {
      // We could not judge any.
      current = MAX_MONEY;
    } else if (peer.feeFilterSent === this.#rounder.highest) {
      peer.nextFeeFilter = 0;
    }
    if (now > peer.nextFeeFilter) {
      const filter = Math.max(this.#rounder.round(current), this.#minRelayRate);
      if (filter !== peer.feeFilterSent) {
        this.#context.send(peer, "feefilter", filter);
        peer.feeFilterSent = filter;
      }
      peer.nextFeeFilter = now + exponentialDelay(FEEFILTER_INTERVAL, random);
    } else if (
      now + FEEFILTER_CHANGE_DELAY < peer.nextFeeFilter &&
      differsMuch(current, peer.feeFilterSent)
    ) {
      peer.nextFeeFilter = now + random.below(FEEFILTER_CHANGE_DELAY);
    }
  }

  get #minRelayRate(): number {
    const { fee, size } = this.#context.mempool.options.minRelayFee;
    return size === 0 ? 0 : Math.floor((fee * 1000) / size);
  }

  /** Whether it is time to announce. Peers that we trust wait for nothing. */
  #isDue(peer: Peer, state: TransactionState): boolean {
    const now = this.#context.now();
    const { random } = this.#context;
    if (state.nextSend < now) {
      if (peer.inbound) {
        if (this.#nextInbound < now) this.#nextInbound = now + exponentialDelay(INBOUND_INTERVAL, random);
        state.nextSend = this.#nextInbound;
      } else {
        state.nextSend = now + exponentialDelay(OUTBOUND_INTERVAL, random);
      }
      return true;
    }
    return peer.has(Permission.NO_BAN);
  }

  /** What waits and is in the mempool still, parents first and the best-paying first. */
  #inOrder(peer: Peer, state: TransactionState): MempoolEntry[] {
    const { mempool } = this.#context;
    const waiting: MempoolEntry[] = [];
    for (const key of state.toSend) {
      const hash = hashOfKey(key);
      const entry = peer.wtxidRelay ? mempool.getByWtxid(hash) : mempool.get(hash);
      if (entry === undefined) state.toSend.delete(key);
      else waiting.push(entry);
    }
    return waiting.sort((a, b) => mempool.compareScore(a, b));
  }

  #announceMempool(peer: Peer, state: TransactionState, entries: Inventory[]): void {
    state.sendMempool = false;
    for (const entry of this.#context.mempool.entriesByScore()) {
      const hash = idFor(peer, entry);
      state.toSend.delete(hashKey(hash));
      if (paysFor(entry, state.feeFilter)) this.#add(peer, state, entries, hash);
    }
  }

  #add(peer: Peer, state: TransactionState, entries: Inventory[], hash: Uint8Array): void {
    entries.push({ type: peer.wtxidRelay ? InvType.WTX : InvType.TX, hash });
    state.known.insert(hash);
    if (entries.length < MAX_INVENTORY) return;
    this.#context.send(peer, "inv", entries.splice(0));
  }
}

function idFor(peer: Peer, entry: MempoolEntry): Uint8Array {
  return peer.wtxidRelay ? entry.wtxid : entry.txid;
}

/** Whether a transaction pays a rate in satoshi per kvB. */
function paysFor(entry: MempoolEntry, rate: number): boolean {
  return entry.fee >= Math.ceil((rate * entry.vsize) / 1000);
}

function differsMuch(current: number, told: number): boolean {
  return current < (3 * told) / 4 || current > (4 * told) / 3;
}
