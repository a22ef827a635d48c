/** Are the peers that we chose of any use? Those whose chain lags behind, or that are one too many, give way. */
import { toHexReversed } from "#base/lib/bytes.ts";
import type { PeerContext } from "./context.ts";
import { HEADERS_RESPONSE_TIME } from "./header-sync.ts";
import type { Peer } from "./peer.ts";

/** Seconds in which an outbound peer must catch up with the work of our tip. */
const CHAIN_SYNC_TIMEOUT = 20 * 60;
/** Milliseconds between looks for outbound peers too many. */
export const EXTRA_PEER_INTERVAL = 45_000;
/** Milliseconds between looks for a stale tip. */
const STALE_INTERVAL = 10 * 60_000;
/** Milliseconds that a peer is left connected at least. */
const MINIMUM_CONNECT_TIME = 30_000;
/** Block intervals without a new tip after which it may be stale. */
const STALE_BLOCKS = 3;

/** What the check needs of those who open connections. */
export interface OutboundTargets {
  /** Peers of each kind beyond what we aim for. */
  readonly extraFullRelay: number;
  readonly extraBlockRelay: number;
  /** Whether a peer is picked from the address book at all. */
  readonly automatic: boolean;
  tryExtraFullRelay: boolean;
  /** From now on block-relay-only peers are tried out now and then. */
  startExtraBlockRelay(): void;
}

export class ChainHealth {
  readonly #context: PeerContext;
  readonly #targets: OutboundTargets;
  /** Milliseconds since 1970. */
  #nextStaleCheck = 0;
  #lastTipUpdate = 0;
  #caughtUp = false;

  constructor(context: PeerContext, targets: OutboundTargets) {
    this.#context = context;
    this.#targets = targets;
  }

  tipMoved(): void {
    this.#lastTipUpdate = this.#context.now();
  }

  /** In a peer's turn: gives a peer whose chain is behind ours time to catch up, one reminder, and then up. */
  check(peer: Peer): void {
    const { chain } = this.#context;
    const state = peer.chain;
    if (state.protected || !peer.isOutboundOrBlockRelay || !state.syncStarted) return;
    const now = this.#context.seconds();
    const best = state.bestKnown;
    if (best !== undefined && best.compareWork(chain.tip) >= 0) {
      state.timeout = 0;
      state.workHeader = undefined;
      state.sentGetHeaders = false;
      return;
    }
    const target = state.workHeader;
    const caughtUp = target !== undefined && best !== undefined && best.compareWork(target) >= 0;
    if (state.timeout === 0 || caughtUp) {
      // First noticed, or it came as far as we were then but not as far as we are now.
      state.timeout = now + CHAIN_SYNC_TIMEOUT;
      state.workHeader = chain.tip;
      state.sentGetHeaders = false;
    } else if (now > state.timeout) {
      const bestText = best === undefined ? "<none>" : toHexReversed(best.hash);
      if (state.sentGetHeaders) {
        const why = `Outbound peer has old chain, best known block = ${bestText}`;
        this.#context.disconnect(peer, why, { log: "info" });
        return;
      }
      this.#context.headers.askFrom(peer, target!.prev ?? target!);
      this.#context.log.debug(
        "net",
        () =>
          `sending getheaders to outbound peer=${peer.id} to verify chain work (current best known block:${bestText})`,
      );
      state.sentGetHeaders = true;
      state.timeout = now + HEADERS_RESPONSE_TIME / 1000;
    }
  }

  /** Every {@link EXTRA_PEER_INTERVAL}: drops peers that are too many, and sees whether more are needed. */
  checkAll(): void {
    const now = this.#context.now();
    if (this.#targets.extraBlockRelay > 0) this.#dropExtraBlockRelay();
    if (this.#targets.extraFullRelay > 0) this.#dropExtraFullRelay();
    if (now > this.#nextStaleCheck) {
      this.#checkStaleTip(now);
      this.#nextStaleCheck = now + STALE_INTERVAL;
    }
    if (!this.#caughtUp && this.#context.view.canFetchDirectly) {
      this.#targets.startExtraBlockRelay();
      this.#caughtUp = true;
    }
  }

  #checkStaleTip(now: number): void {
    const { network, blocks, log } = this.#context;
    if (this.#lastTipUpdate === 0) this.#lastTipUpdate = now;
    const limit = network.consensus.powTargetSpacing * STALE_BLOCKS * 1000;
    const stale = this.#lastTipUpdate < now - limit && blocks.requests.blocks === 0;
    if (stale && this.#targets.automatic && !this.#context.loadingBlocks()) {
      const age = Math.floor((now - this.#lastTipUpdate) / 1000);
      log.info(
        `Potential stale tip detected, will try using extra outbound peer (last tip update: ${age} seconds ago)`,
      );
      this.#targets.tryExtraFullRelay = true;
    } else {
      this.#targets.tryExtraFullRelay = false;
    }
  }

  /** The youngest goes, unless it gave us a block later than the second youngest. */
  #dropExtraBlockRelay(): void {
    const peers = [...this.#context.peers.values()]
      .filter((peer) => peer.type === "block-relay-only" && peer.disconnecting === undefined)
      .sort((a, b) => b.id - a.id);
    const [youngest, next] = peers;
    if (youngest === undefined) return;
    const victim = next !== undefined && youngest.lastBlock > next.lastBlock ? next : youngest;
    if (this.#mayGo(victim)) {
      this.#context.disconnect(
        victim,
        `extra block-relay-only peer (last block received at time ${victim.lastBlock})`,
      );
    }
  }

  /** The one goes whose last announcement of a new block is oldest, but not the only one of its network. */
  #dropExtraFullRelay(): void {
    let victim: Peer | undefined;
    for (const peer of this.#context.peers.values()) {
      if (peer.type !== "outbound-full-relay" || peer.disconnecting !== undefined || peer.chain.protected)
        continue;
      if (!this.#hasOthersOf(peer)) continue;
      if (victim === undefined || peer.chain.lastAnnouncement <= victim.chain.lastAnnouncement) victim = peer;
    }
    if (victim === undefined || !this.#mayGo(victim)) return;
    const time = victim.chain.lastAnnouncement;
    this.#context.disconnect(
      victim,
      `extra outbound peer (last block announcement received at time ${time})`,
    );
    // We found a new peer since the tip looked stale: no more until it does again.
    this.#targets.tryExtraFullRelay = false;
  }

  #hasOthersOf(peer: Peer): boolean {
    for (const other of this.#context.peers.values()) {
      const lasting = other.type === "outbound-full-relay" || other.type === "manual";
      if (other !== peer && lasting && other.network === peer.network) return true;
    }
    return false;
  }

  #mayGo(peer: Peer): boolean {
    const connected = this.#context.now() - peer.connectedAt;
    return (
      connected > MINIMUM_CONNECT_TIME && this.#context.blocks.requests.of(peer.id).inFlight.length === 0
    );
  }
}
