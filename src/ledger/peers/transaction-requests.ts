/**
 * Which transaction to ask which peer for, and when (Core: txrequest.h, whose specification this follows).
 *
 * An announcement is one peer's word that it has one transaction. For each transaction at most one announcement is
 * selected at a time: preferred peers first, then by a salted random priority, never before the time given with
 * it. When the request is answered or expires, the next is selected. When all peers failed, all is forgotten.
 */

import { type HashKey, hashKey, hashOfKey } from "./hash-key.ts";
import { TimeHeap } from "./time-heap.ts";

/** How a transaction was named in the announcement. */
export interface TransactionId {
  readonly hash: Uint8Array;
  readonly isWtxid: boolean;
}

/** CANDIDATE_DELAYED, _READY, _BEST, REQUESTED and COMPLETED of Core. */
type State = "delayed" | "ready" | "best" | "requested" | "completed";

interface Announcement {
  readonly peer: number;
  readonly tx: Transaction;
  readonly isWtxid: boolean;
  readonly preferred: boolean;
  /** Order of arrival. */
  readonly sequence: number;
  readonly priority: number;
  state: State;
  /** When it may be asked for, or, once requested, when the request expires. Milliseconds. */
  time: number;
  /** Told apart from stale entries of the heap. */
  timer: number;
}

interface Transaction {
  readonly key: HashKey;
  readonly announcements: Announcement[];
}

interface PeerAnnouncements {
  readonly all: Set<Announcement>;
  readonly best: Set<Announcement>;
  requested: number;
  completed: number;
}

const STALE_TIMERS = 1000;

/** Orders peers for a transaction in a way that nobody outside can foretell. */
export type Priority = (hash: Uint8Array, peer: number) => number;

export class TransactionRequests {
  readonly #priority: Priority;
  readonly #transactions = new Map<HashKey, Transaction>();
  readonly #peers = new Map<number, PeerAnnouncements>();
  readonly #timers = new TimeHeap<{ announcement: Announcement; timer: number }>();
  #sequence = 0;
  #size = 0;
  #now = Number.NEGATIVE_INFINITY;

  constructor(priority: Priority) {
    this.#priority = priority;
  }

  /** Announcements of all peers. */
  get size(): number {
    return this.#size;
  }

  /** Timers that are kept, those of forgotten announcements among them. */
  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** Announcements of a peer, whatever became of them. */
  count(peer: number): number {
    return this.#peers.get(peer)?.all.size ?? 0;
  }

  countInFlight(peer: number): number {
    return this.#peers.get(peer)?.requested ?? 0;
  }

  countCandidates(peer: number): number {
    const announcements = this.#peers.get(peer);
    return announcements ? announcements.all.size - announcements.requested - announcements.completed : 0;
  }

  /** A peer announced a transaction, which it may be asked for from `time` on. A second time changes nothing. */
  announced(peer: number, id: TransactionId, preferred: boolean, time: number): void {
    const key = hashKey(id.hash);
    const tx = this.#transactions.get(key) ?? { key, announcements: [] };
    if (tx.announcements.some((other) => other.peer === peer)) return;
    this.#transactions.set(key, tx);
    const announcement: Announcement = {
      peer,
      tx,
      isWtxid: id.isWtxid,
      preferred,
      sequence: this.#sequence++,
      priority: this.#priority(id.hash, peer),
      state: "delayed",
      time,
      timer: 0,
    };
    tx.announcements.push(announcement);
    this.#peerOf(peer).all.add(announcement);
    this.#size++;
    this.#setTimer(announcement, time);
  }

  /**
   * What to ask `peer` for now, in the order in which it announced. Each must be followed by {@link requested} or
   * {@link forget}. Requests of all peers that expired are reported to `expired`.
   */
  requestable(
    peer: number,
    now: number,
    expired?: (peer: number, id: TransactionId) => void,
  ): TransactionId[] {
    this.#moveTo(now, expired);
    const best = [...(this.#peers.get(peer)?.best ?? [])];
    best.sort((a, b) => a.sequence - b.sequence);
    return best.map(idOf);
  }

  /** The transaction was asked for; the request expires at `expiry`. */
  requested(peer: number, hash: Uint8Array, expiry: number): void {
    const tx = this.#transactions.get(hashKey(hash));
    const announcement = tx?.announcements.find((other) => other.peer === peer);
    if (tx === undefined || announcement === undefined) return;
    const { state } = announcement;
    if (state === "requested" || state === "completed") return;
    if (state !== "best") {
      const selected = tx.announcements.find(
        (other) => other.state === "best" || other.state === "requested",
      );
      if (selected !== undefined) this.#setState(selected, selected.state === "best" ? "ready" : "completed");
    }
    this.#setState(announcement, "requested");
    this.#setTimer(announcement, expiry);
  }

  /** The peer sent the transaction, or said that it has none. */
  answered(peer: number, hash: Uint8Array): void {
    const announcement = this.#find(peer, hash);
    if (announcement !== undefined) this.#complete(announcement);
  }

  /** Nobody is to be asked for it any more. */
  forget(hash: Uint8Array): void {
    const tx = this.#transactions.get(hashKey(hash));
    if (tx !== undefined) this.#forgetTransaction(tx);
  }

  disconnected(peer: number): void {
    const announcements = this.#peers.get(peer);
    if (announcements === undefined) return;
    for (const announcement of [...announcements.all]) {
      // Completing it selects another peer, and may forget the transaction altogether.
      if (this.#complete(announcement)) this.#remove(announcement);
    }
  }

  /** Peers that announced the transaction and may still be asked. */
  candidatePeers(hash: Uint8Array): number[] {
    const tx = this.#transactions.get(hashKey(hash));
    return (tx?.announcements ?? []).filter(({ state }) => state !== "completed").map(({ peer }) => peer);
  }

  #find(peer: number, hash: Uint8Array): Announcement | undefined {
    return this.#transactions.get(hashKey(hash))?.announcements.find((other) => other.peer === peer);
  }

  #peerOf(peer: number): PeerAnnouncements {
    let announcements = this.#peers.get(peer);
    if (announcements === undefined) {
      announcements = { all: new Set(), best: new Set(), requested: 0, completed: 0 };
      this.#peers.set(peer, announcements);
    }
    return announcements;
  }

  /** Handles all that fell due, and takes back what a clock set back makes premature. */
  #moveTo(now: number, expired?: (peer: number, id: TransactionId) => void): void {
    if (now < this.#now) this.#delayAgain(now);
    this.#now = now;
    for (;;) {
      const due = this.#timers.takeDue(now);
      if (due === undefined) return;
      const { announcement, timer } = due;
      if (announcement.timer !== timer) continue;
      if (announcement.state === "delayed") {
        this.#becomeReady(announcement);
      } else if (announcement.state === "requested") {
        expired?.(announcement.peer, idOf(announcement));
        this.#complete(announcement);
      }
    }
  }

  #delayAgain(now: number): void {
    for (const { announcements } of [...this.#transactions.values()]) {
      for (const announcement of announcements) {
        const selectable = announcement.state === "ready" || announcement.state === "best";
        if (!selectable || announcement.time <= now) continue;
        const wasBest = announcement.state === "best";
        this.#setState(announcement, "delayed");
        this.#setTimer(announcement, announcement.time);
        if (wasBest) this.#reselect(announcement.tx);
      }
    }
  }

  #becomeReady(announcement: Announcement): void {
    this.#setState(announcement, "ready");
    const { announcements } = announcement.tx;
    if (announcements.some(({ state }) => state === "requested")) return;
    const best = announcements.find(({ state }) => state === "best");
    if (best === undefined) {
      this.#setState(announcement, "best");
    } else if (isBetter(announcement, best)) {
      this.#setState(best, "ready");
      this.#setState(announcement, "best");
    }
  }

  /** Selects the best of those that are ready. */
  #reselect(tx: Transaction): void {
    let best: Announcement | undefined;
    for (const announcement of tx.announcements) {
      if (announcement.state !== "ready") continue;
      if (best === undefined || isBetter(announcement, best)) best = announcement;
    }
    if (best !== undefined) this.#setState(best, "best");
  }

  /** False when with it the last hope went, and the transaction was forgotten. */
  #complete(announcement: Announcement): boolean {
    const { state, tx } = announcement;
    if (state === "completed") return true;
    if (tx.announcements.every((other) => other === announcement || other.state === "completed")) {
      this.#forgetTransaction(tx);
      return false;
    }
    this.#setState(announcement, "completed");
    if (state === "best" || state === "requested") this.#reselect(tx);
    return true;
  }

  #forgetTransaction(tx: Transaction): void {
    for (const announcement of [...tx.announcements]) this.#remove(announcement);
  }

  #remove(announcement: Announcement): void {
    this.#setState(announcement, "completed");
    const { tx, peer } = announcement;
    const announcements = this.#peerOf(peer);
    announcements.all.delete(announcement);
    announcements.completed--;
    if (announcements.all.size === 0) this.#peers.delete(peer);
    tx.announcements.splice(tx.announcements.indexOf(announcement), 1);
    if (tx.announcements.length === 0) this.#transactions.delete(tx.key);
    this.#size--;
  }

  #setState(announcement: Announcement, state: State): void {
    const announcements = this.#peerOf(announcement.peer);
    if (announcement.state === "best") announcements.best.delete(announcement);
    if (announcement.state === "requested") announcements.requested--;
    if (announcement.state === "completed") announcements.completed--;
    announcement.state = state;
    announcement.timer = 0;
    if (state === "best") announcements.best.add(announcement);
    if (state === "requested") announcements.requested++;
    if (state === "completed") announcements.completed++;
  }

  #setTimer(announcement: Announcement, time: number): void {
    announcement.time = time;
    announcement.timer = this.#timers.add(time, (timer) => ({ announcement, timer }));
    // Stale timers must not outgrow what they belonged to.
    if (this.#timers.size > 2 * this.#size + STALE_TIMERS) {
      this.#timers.prune((entry) => entry.announcement.timer === entry.timer);
    }
  }
}

function isBetter(a: Announcement, b: Announcement): boolean {
  return a.preferred === b.preferred ? a.priority > b.priority : a.preferred;
}

function idOf({ tx, isWtxid }: Announcement): TransactionId {
  return { hash: hashOfKey(tx.key), isWtxid };
}
