/**
 * Transactions from peers: which announcements to follow, whom to ask, what to do with what comes and what fails
 * (Core: node/txdownloadman_impl.cpp). It decides; handlers send and validate.
 */
import { toHexReversed } from "#base/lib/bytes.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { Random } from "#base/lib/random.ts";
import type { Txid } from "#protocol/bitcoin/hashes.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";
import { hashAt, type TxHashes } from "#protocol/bitcoin/txid.ts";
import type { Rejection } from "#protocol/consensus/rejection.ts";
import { type HashKey, hashKey, hashOfKey } from "./hash-key.ts";
import { type LooseTransaction, Orphanage } from "./orphanage.ts";
import { RollingFilter } from "./rolling-filter.ts";
import { SaltedHash } from "./salted-hash.ts";
import { type TransactionId, TransactionRequests } from "./transaction-requests.ts";

/** Requests in flight from which on a peer counts as overloaded. */
export const MAX_REQUESTS_IN_FLIGHT = 100;
/** Announcements of one peer that are followed at a time. */
export const MAX_ANNOUNCEMENTS = 5000;
/** Milliseconds to wait before asking by txid where peers announce by wtxid, a peer we did not choose, and an overloaded one. */
const TXID_RELAY_DELAY = 2000;
const NON_PREFERRED_DELAY = 2000;
const OVERLOADED_DELAY = 2000;
/** Milliseconds after which another peer is asked. */
const REQUEST_TIMEOUT = 60_000;

/** What the download needs of the mempool. */
export interface KnownTransactions {
  has(txid: Uint8Array): boolean;
  hasWtxid(wtxid: Uint8Array): boolean;
}

/** What matters of a peer for asking it. */
export interface DownloadPeer {
  readonly preferred: boolean;
  /** No limits hold for it. */
  readonly relayPermission: boolean;
  readonly wtxidRelay: boolean;
}

export class TransactionDownload {
  readonly requests: TransactionRequests;
  readonly orphanage: Orphanage;
  readonly #mempool: KnownTransactions;
  readonly #log: Logger;
  readonly #peers = new Map<number, DownloadPeer>();
  #wtxidPeers = 0;
  /** Not to be asked for again until the tip changes. */
  readonly #rejected: RollingFilter;
  /** Refused for their fee alone: a child may pay for them. */
  readonly #reconsiderable: RollingFilter;
  readonly #confirmed: RollingFilter;

  constructor(dependencies: { mempool: KnownTransactions; random: Random; log: Logger }) {
    const { random } = dependencies;
    this.#mempool = dependencies.mempool;
    this.#log = dependencies.log;
    const salt = new SaltedHash(random);
    this.requests = new TransactionRequests((hash, peer) => salt.number(hash, peer));
    this.orphanage = new Orphanage(random);
    this.#rejected = new RollingFilter(120_000, 0.000001, random);
    this.#reconsiderable = new RollingFilter(120_000, 0.000001, random);
    this.#confirmed = new RollingFilter(48_000, 0.000001, random);
  }

  connected(peer: number, info: DownloadPeer): void {
    this.#peers.set(peer, info);
    if (info.wtxidRelay) this.#wtxidPeers++;
  }

  disconnected(peer: number): void {
    this.orphanage.eraseForPeer(peer);
    this.requests.disconnected(peer);
    if (this.#peers.get(peer)?.wtxidRelay) this.#wtxidPeers--;
    this.#peers.delete(peer);
  }

  /** The tip changed: what was refused may be valid now. */
  tipChanged(): void {
    this.#rejected.reset();
    this.#reconsiderable.reset();
  }

  blockConnected(txs: TxTable, hashes: TxHashes): void {
    this.orphanage.eraseForBlock(txs);
    for (let tx = 0; tx < txs.txCount; tx++) {
      const txid = hashAt(hashes.txids, tx);
      this.#confirmed.insert(txid);
      this.requests.forget(txid);
      if (!txs.hasWitness(tx)) continue;
      const wtxid = hashAt(hashes.wtxids, tx);
      this.#confirmed.insert(wtxid);
      this.requests.forget(wtxid);
    }
  }

  /** What was confirmed may be relayed again. */
  blockDisconnected(): void {
    this.#confirmed.reset();
  }

  /** Whether it needs no download: we hold it, had it, or refused it. */
  alreadyHave(id: TransactionId, includeReconsiderable: boolean): boolean {
    const { hash } = id;
    // For a txid this finds transactions without witness, whose ids are the same.
    if (this.orphanage.has(hash)) return true;
    if (includeReconsiderable && this.#reconsiderable.has(hash)) return true;
    if (this.#confirmed.has(hash) || this.#rejected.has(hash)) return true;
    return id.isWtxid ? this.#mempool.hasWtxid(hash) : this.#mempool.has(hash);
  }

  /** A peer announced a transaction; true when we need no download of it. */
  announced(peer: number, id: TransactionId, now: number): boolean {
    const orphan = id.isWtxid ? this.orphanage.get(id.hash) : undefined;
    if (orphan !== undefined) {
      // The peer may have its parents too.
      const parents = this.#missingParents(orphan);
      if (parents.length > 0 && this.#askForParents(parents, orphan, peer, now)) {
        this.orphanage.addAnnouncer(orphan.wtxid, peer);
      }
      return true;
    }
    if (this.alreadyHave(id, true)) return true;
    const info = this.#peers.get(peer);
    if (info === undefined) return false;
    if (!info.relayPermission && this.requests.count(peer) >= MAX_ANNOUNCEMENTS) return false;
    const byTxid = !id.isWtxid && this.#wtxidPeers > 0;
    this.requests.announced(peer, id, info.preferred, now + this.#delay(peer, info, byTxid));
    return false;
  }

  /** What to ask a peer for now. */
  requestsToSend(peer: number, now: number): TransactionId[] {
    const due = this.requests.requestable(peer, now, (other, { hash, isWtxid }) => {
      const kind = isWtxid ? "wtx" : "tx";
      this.#log.debug("net", () => `timeout of inflight ${kind} ${toHexReversed(hash)} from peer=${other}`);
    });
    const wanted: TransactionId[] = [];
    for (const id of due) {
      if (this.alreadyHave(id, false)) {
        this.requests.forget(id.hash);
        continue;
      }
      const kind = id.isWtxid ? "wtx" : "tx";
      this.#log.debug("net", () => `Requesting ${kind} ${toHexReversed(id.hash)} peer=${peer}`);
      this.requests.requested(peer, id.hash, now + REQUEST_TIMEOUT);
      wanted.push(id);
    }
    return wanted;
  }

  notFound(peer: number, hashes: readonly Uint8Array[]): void {
    for (const hash of hashes) this.requests.answered(peer, hash);
  }

  /** A transaction came; false when it is not worth validating. */
  received(peer: number, tx: LooseTransaction): boolean {
    this.requests.answered(peer, tx.txid);
    if (tx.table.hasWitness(0)) this.requests.answered(peer, tx.wtxid);
    return !this.alreadyHave({ hash: tx.wtxid, isWtxid: true }, true);
  }

  accepted(tx: LooseTransaction): void {
    this.requests.forget(tx.txid);
    this.requests.forget(tx.wtxid);
    this.orphanage.addChildrenToWork(tx);
    this.orphanage.erase(tx.wtxid);
  }

  /**
   * A transaction was refused. Txids that the result names are parents that the peer is taken to have.
   * @param first it came just now; false for one from the orphanage.
   */
  refused(tx: LooseTransaction, rejection: Rejection, peer: number, first: boolean, now: number): Txid[] {
    if (rejection.result === "missing-inputs") {
      return first && !this.#rejected.has(tx.wtxid) ? this.#keepOrphan(tx, peer, now) : [];
    }
    if (rejection.result !== "witness-stripped") this.#remember(tx, rejection);
    this.orphanage.erase(tx.wtxid);
    return [];
  }

  hasWork(peer: number): boolean {
    return this.orphanage.hasWork(peer);
  }

  /** An orphan to validate again in a peer's turn. */
  takeWork(peer: number): LooseTransaction | undefined {
    return this.orphanage.takeWork(peer);
  }

  #delay(peer: number, info: DownloadPeer, byTxid: boolean): number {
    let delay = info.preferred ? 0 : NON_PREFERRED_DELAY;
    if (byTxid) delay += TXID_RELAY_DELAY;
    const overloaded = !info.relayPermission && this.requests.countInFlight(peer) >= MAX_REQUESTS_IN_FLIGHT;
    return overloaded ? delay + OVERLOADED_DELAY : delay;
  }

  /**
   * The wtxid alone is remembered, and the txid where a witness could not have mended it: the txid of a
   * transaction whose witness somebody changed must not keep the true one out.
   */
  #remember(tx: LooseTransaction, rejection: Rejection): void {
    if (rejection.result === "reconsiderable") this.#reconsiderable.insert(tx.wtxid);
    else this.#rejected.insert(tx.wtxid);
    this.requests.forget(tx.wtxid);
    if (rejection.result !== "inputs-not-standard" || !tx.table.hasWitness(0)) return;
    this.#rejected.insert(tx.txid);
    this.requests.forget(tx.txid);
  }

  #keepOrphan(tx: LooseTransaction, peer: number, now: number): Txid[] {
    const parents = parentsOf(tx.table);
    if (this.#hopeless(parents)) {
      this.#log.debug("mempool", () => `not keeping orphan with rejected parents ${toHexReversed(tx.txid)}`);
      // No witness would change that: neither id is asked for again.
      for (const id of [tx.txid, tx.wtxid]) {
        this.#rejected.insert(id);
        this.requests.forget(id);
      }
      return [];
    }
    const missing = parents.filter((hash) => !this.alreadyHave({ hash, isWtxid: false }, false));
    const candidates = new Set([peer, ...this.requests.candidatePeers(tx.txid)]);
    if (tx.table.hasWitness(0))
      for (const other of this.requests.candidatePeers(tx.wtxid)) candidates.add(other);
    for (const candidate of candidates) {
      if (this.#askForParents(missing, tx, candidate, now)) this.orphanage.add(tx, candidate);
    }
    this.requests.forget(tx.txid);
    this.requests.forget(tx.wtxid);
    return missing;
  }

  /** Whether a parent was refused for good, or more than one for its fee. */
  #hopeless(parents: readonly Txid[]): boolean {
    let cheap = 0;
    for (const txid of parents) {
      if (this.#rejected.has(txid)) return true;
      if (this.#reconsiderable.has(txid) && !this.#mempool.has(txid)) cheap++;
    }
    return cheap > 1;
  }

  #missingParents(tx: LooseTransaction): Txid[] {
    return parentsOf(tx.table).filter((hash) => !this.alreadyHave({ hash, isWtxid: false }, false));
  }

  /** Takes a peer for one that announced an orphan's parents, unless it has too much on its list already. */
  #askForParents(parents: readonly Txid[], orphan: LooseTransaction, peer: number, now: number): boolean {
    const info = this.#peers.get(peer);
    if (info === undefined || this.orphanage.hasFrom(orphan.wtxid, peer)) return false;
    if (!info.relayPermission && this.requests.count(peer) + parents.length > MAX_ANNOUNCEMENTS) return false;
    const time = now + this.#delay(peer, info, this.#wtxidPeers > 0);
    for (const hash of parents) this.requests.announced(peer, { hash, isWtxid: false }, info.preferred, time);
    this.#log.debug(
      "txpackages",
      () => `added peer=${peer} as a candidate for resolving orphan ${toHexReversed(orphan.wtxid)}`,
    );
    return true;
  }
}

/** Txids that a transaction spends from, each once. */
function parentsOf(table: TxTable): Txid[] {
  const keys = new Set<HashKey>();
  for (let input = 0; input < table.inputTotal; input++) keys.add(hashKey(table.prevTxid(input)));
  return [...keys].map((key) => hashOfKey(key) as Txid);
}
