/** Blocks that were asked for and have not come: which, from whom, since when (Core's mapBlocksInFlight). */
import type { HeaderNode } from "#ledger/chain/header-node.ts";

/** What one peer still owes. */
export interface PeerBlockRequests {
  /** In the order of the requests. */
  readonly inFlight: HeaderNode[];
  /** Milliseconds since 1970 when the first of them became the one waited for. */
  downloadingSince: number;
  /** Since when this peer alone keeps the download window from moving; 0 when it does not. */
  stallingSince: number;
}

export class BlockRequests {
  readonly #byPeer = new Map<number, PeerBlockRequests>();
  /** Peers that were asked for a block, the first one first. */
  readonly #byBlock = new Map<HeaderNode, number[]>();

  /** Blocks in flight, from any number of peers each. */
  get blocks(): number {
    return this.#byBlock.size;
  }

  /** Peers that owe blocks. */
  get peersDownloading(): number {
    let count = 0;
    for (const { inFlight } of this.#byPeer.values()) if (inFlight.length > 0) count++;
    return count;
  }

  of(peer: number): PeerBlockRequests {
    let requests = this.#byPeer.get(peer);
    if (requests === undefined) {
      requests = { inFlight: [], downloadingSince: 0, stallingSince: 0 };
      this.#byPeer.set(peer, requests);
    }
    return requests;
  }

  has(block: HeaderNode): boolean {
    return this.#byBlock.has(block);
  }

  /** Who was asked for it, the first one first. */
  peersOf(block: HeaderNode): readonly number[] {
    return this.#byBlock.get(block) ?? [];
  }

  /** False when that peer owes it already. */
  add(peer: number, block: HeaderNode, now: number): boolean {
    const peers = this.#byBlock.get(block);
    if (peers?.includes(peer)) return false;
    const requests = this.of(peer);
    requests.inFlight.push(block);
    if (requests.inFlight.length === 1) requests.downloadingSince = now;
    if (peers === undefined) this.#byBlock.set(block, [peer]);
    else peers.push(peer);
    return true;
  }

  /** The block came, or is not waited for any more: from one peer, or from all. */
  remove(block: HeaderNode, now: number, from?: number): void {
    const peers = this.#byBlock.get(block);
    if (peers === undefined) return;
    for (const peer of [...peers]) {
      if (from !== undefined && peer !== from) continue;
      const requests = this.of(peer);
      const at = requests.inFlight.indexOf(block);
      // The next one is waited for from now on.
      if (at === 0) requests.downloadingSince = Math.max(requests.downloadingSince, now);
      requests.inFlight.splice(at, 1);
      requests.stallingSince = 0;
      peers.splice(peers.indexOf(peer), 1);
    }
    if (peers.length === 0) this.#byBlock.delete(block);
  }

  disconnected(peer: number, now: number): void {
    for (const block of [...(this.#byPeer.get(peer)?.inFlight ?? [])]) this.remove(block, now, peer);
    this.#byPeer.delete(peer);
  }
}
