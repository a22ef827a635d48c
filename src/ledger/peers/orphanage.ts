/**
 * Transactions whose parents we do not have, with the peers that announced them (Core v31: node/txorphanage.cpp).
 * Room is shared out by peer: whoever uses the largest multiple of its share of announcements or weight loses its
 * oldest ones first, so that one peer's flood never pushes out what another gave us.
 */
import type { Random } from "#base/lib/random.ts";
import type { Txid, Wtxid } from "#protocol/bitcoin/hashes.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";
import { type HashKey, hashKey } from "./hash-key.ts";

/** A transaction by itself, with its ids. */
export interface LooseTransaction {
  readonly table: TxTable;
  readonly txid: Txid;
  readonly wtxid: Wtxid;
}

/** Core's DEFAULT_MAX_ORPHAN_ANNOUNCEMENTS and DEFAULT_RESERVED_ORPHAN_WEIGHT_PER_PEER. */
const MAX_ORPHAN_ANNOUNCEMENTS = 3000;
const RESERVED_ORPHAN_WEIGHT = 404_000;
/** Core's MAX_STANDARD_TX_WEIGHT: nothing larger would be taken into the mempool. */
export const MAX_ORPHAN_WEIGHT = 400_000;

interface Orphan {
  readonly tx: LooseTransaction;
  readonly weight: number;
  readonly outpoints: readonly HashKey[];
  /** By peer. */
  readonly announcements: Map<number, Announcement>;
}

interface Announcement {
  readonly orphan: Orphan;
  readonly peer: number;
  readonly sequence: number;
  /** A parent arrived: to be tried again when it is the peer's turn. */
  reconsider: boolean;
}

interface PeerShare {
  /** In the order they came. */
  readonly announcements: Set<Announcement>;
  weight: number;
  /** Announcements to be reconsidered. */
  work: number;
}

export class Orphanage {
  readonly #random: Random;
  readonly #maxAnnouncements: number;
  readonly #reservedWeight: number;
  readonly #orphans = new Map<HashKey, Orphan>();
  readonly #peers = new Map<number, PeerShare>();
  /** Orphans that spend an outpoint. */
  readonly #spenders = new Map<HashKey, Set<Orphan>>();
  #announcements = 0;
  #weight = 0;
  #sequence = 0;

  constructor(
    random: Random,
    limits: { announcements: number; weightPerPeer: number } = {
      announcements: MAX_ORPHAN_ANNOUNCEMENTS,
      weightPerPeer: RESERVED_ORPHAN_WEIGHT,
    },
  ) {
    this.#random = random;
    this.#maxAnnouncements = limits.announcements;
    this.#reservedWeight = limits.weightPerPeer;
  }

  /** Different transactions held. */
  get size(): number {
    return this.#orphans.size;
  }

  get announcements(): number {
    return this.#announcements;
  }

  /** Their weight, each counted once. */
  get weight(): number {
    return this.#weight;
  }

  announcementsOf(peer: number): number {
    return this.#peers.get(peer)?.announcements.size ?? 0;
  }

  weightOf(peer: number): number {
    return this.#peers.get(peer)?.weight ?? 0;
  }

  has(wtxid: Uint8Array): boolean {
    return this.#orphans.has(hashKey(wtxid));
  }

  hasFrom(wtxid: Uint8Array, peer: number): boolean {
    return this.#orphans.get(hashKey(wtxid))?.announcements.has(peer) ?? false;
  }

  get(wtxid: Uint8Array): LooseTransaction | undefined {
    return this.#orphans.get(hashKey(wtxid))?.tx;
  }

  /** Keeps a transaction for a peer; false when it was there already, or is too large. */
  add(tx: LooseTransaction, peer: number): boolean {
    const weight = tx.table.weight(0);
    if (weight > MAX_ORPHAN_WEIGHT) return false;
    const key = hashKey(tx.wtxid);
    const known = this.#orphans.get(key);
    if (known !== undefined) {
      this.#announce(known, peer);
      this.#limit();
      return false;
    }
    const orphan: Orphan = { tx, weight, outpoints: outpointsOf(tx.table), announcements: new Map() };
    this.#orphans.set(key, orphan);
    this.#weight += weight;
    for (const outpoint of orphan.outpoints) {
      const spenders = this.#spenders.get(outpoint);
      if (spenders === undefined) this.#spenders.set(outpoint, new Set([orphan]));
      else spenders.add(orphan);
    }
    this.#announce(orphan, peer);
    this.#limit();
    return true;
  }

  /** One more peer has it; false when we do not hold it, or knew. */
  addAnnouncer(wtxid: Uint8Array, peer: number): boolean {
    const orphan = this.#orphans.get(hashKey(wtxid));
    if (orphan === undefined || !this.#announce(orphan, peer)) return false;
    this.#limit();
    return true;
  }

  /** Forgets a transaction; false when it was not there. */
  erase(wtxid: Uint8Array): boolean {
    const orphan = this.#orphans.get(hashKey(wtxid));
    if (orphan === undefined) return false;
    for (const announcement of [...orphan.announcements.values()]) this.#withdraw(announcement);
    // With a peer less there is less room.
    this.#limit();
    return true;
  }

  eraseForPeer(peer: number): void {
    for (const announcement of [...(this.#peers.get(peer)?.announcements ?? [])])
      this.#withdraw(announcement);
    this.#limit();
  }

  /** Forgets what a block contains, or contradicts. */
  eraseForBlock(txs: TxTable): void {
    if (this.#orphans.size === 0) return;
    const gone = new Set<Orphan>();
    for (let input = 0; input < txs.inputTotal; input++) {
      for (const orphan of this.#spenders.get(outpointKey(txs, input)) ?? []) gone.add(orphan);
    }
    for (const orphan of gone) this.erase(orphan.tx.wtxid);
  }

  /** A transaction was accepted: its children are to be tried again, each in the turn of one peer that has it. */
  addChildrenToWork(tx: LooseTransaction): void {
    for (let i = 0; i < tx.table.outputCount(0); i++) {
      for (const orphan of this.#spenders.get(keyOfOutpoint(tx.txid, i)) ?? []) {
        const announcements = [...orphan.announcements.values()];
        this.#setReconsider(announcements[this.#random.below(announcements.length)]!, true);
      }
    }
  }

  hasWork(peer: number): boolean {
    return (this.#peers.get(peer)?.work ?? 0) > 0;
  }

  /** The next transaction to try again in a peer's turn. It stays here until it is erased. */
  takeWork(peer: number): LooseTransaction | undefined {
    if (!this.hasWork(peer)) return undefined;
    for (const announcement of this.#peers.get(peer)!.announcements) {
      if (!announcement.reconsider) continue;
      this.#setReconsider(announcement, false);
      return announcement.orphan.tx;
    }
    return undefined;
  }

  /** What spends outputs of `parent` and was announced by `peer`, the newest first. */
  childrenFrom(parent: LooseTransaction, peer: number): LooseTransaction[] {
    const children = [...(this.#peers.get(peer)?.announcements ?? [])].filter(({ orphan }) =>
      spendsFrom(orphan.tx.table, parent.txid),
    );
    // Reconsidered ones count as newer than all others, as in Core's order.
    children.sort((a, b) => Number(b.reconsider) - Number(a.reconsider) || b.sequence - a.sequence);
    return children.map(({ orphan }) => orphan.tx);
  }

  /** All of them, with the peers that have them. */
  entries(): { tx: LooseTransaction; weight: number; peers: number[] }[] {
    return [...this.#orphans.values()].map(({ tx, weight, announcements }) => ({
      tx,
      weight,
      peers: [...announcements.keys()].sort((a, b) => a - b),
    }));
  }

  #announce(orphan: Orphan, peer: number): boolean {
    if (orphan.announcements.has(peer)) return false;
    const announcement: Announcement = { orphan, peer, sequence: this.#sequence++, reconsider: false };
    orphan.announcements.set(peer, announcement);
    let share = this.#peers.get(peer);
    if (share === undefined) {
      share = { announcements: new Set(), weight: 0, work: 0 };
      this.#peers.set(peer, share);
    }
    share.announcements.add(announcement);
    share.weight += orphan.weight;
    this.#announcements++;
    return true;
  }

  #setReconsider(announcement: Announcement, reconsider: boolean): void {
    if (announcement.reconsider === reconsider) return;
    announcement.reconsider = reconsider;
    this.#peers.get(announcement.peer)!.work += reconsider ? 1 : -1;
  }

  #withdraw(announcement: Announcement): void {
    const { orphan, peer } = announcement;
    this.#setReconsider(announcement, false);
    orphan.announcements.delete(peer);
    const share = this.#peers.get(peer)!;
    share.announcements.delete(announcement);
    share.weight -= orphan.weight;
    if (share.announcements.size === 0) this.#peers.delete(peer);
    this.#announcements--;
    if (orphan.announcements.size > 0) return;
    this.#orphans.delete(hashKey(orphan.tx.wtxid));
    this.#weight -= orphan.weight;
    for (const outpoint of orphan.outpoints) {
      const spenders = this.#spenders.get(outpoint)!;
      spenders.delete(orphan);
      if (spenders.size === 0) this.#spenders.delete(outpoint);
    }
  }

  get #full(): boolean {
    return (
      this.#announcements > this.#maxAnnouncements ||
      this.#weight > this.#reservedWeight * Math.max(1, this.#peers.size)
    );
  }

  /** Takes from the peer that is furthest over its share until all fits. */
  #limit(): void {
    // Shares are held fixed while peers drop out.
    const count = Math.floor(this.#maxAnnouncements / Math.max(1, this.#peers.size));
    while (this.#full) {
      let worst = -1;
      let worstScore = 0;
      for (const [peer, share] of this.#peers) {
        const score = Math.max(share.announcements.size / count, share.weight / this.#reservedWeight);
        if (score > worstScore || (score === worstScore && peer > worst)) {
          worst = peer;
          worstScore = score;
        }
      }
      this.#withdraw(oldest(this.#peers.get(worst)!.announcements));
    }
  }
}

/** The first that came, those to be reconsidered last. */
function oldest(announcements: Iterable<Announcement>): Announcement {
  let first: Announcement | undefined;
  for (const announcement of announcements) {
    if (!announcement.reconsider) return announcement;
    first ??= announcement;
  }
  return first!;
}

function outpointKey(txs: TxTable, input: number): HashKey {
  const at = txs.outpoint(input);
  return hashKey(txs.bytes.subarray(at, at + 36));
}

function keyOfOutpoint(txid: Uint8Array, index: number): HashKey {
  const outpoint = new Uint8Array(36);
  outpoint.set(txid);
  new DataView(outpoint.buffer).setUint32(32, index, true);
  return hashKey(outpoint);
}

function outpointsOf(table: TxTable): HashKey[] {
  const keys = new Set<HashKey>();
  for (let input = 0; input < table.inputTotal; input++) keys.add(outpointKey(table, input));
  return [...keys];
}

function spendsFrom(table: TxTable, txid: Uint8Array): boolean {
  for (let input = 0; input < table.inputTotal; input++) {
    const prev = table.prevTxid(input);
    if (prev.every((byte, i) => byte === txid[i])) return true;
  }
  return false;
}
