/** Headers from peers: asking for them, checking that storing them is worth it, and what they say of the peer. */
import { equalBytes, readU32, toHexReversed } from "#base/lib/bytes.ts";
import type { HeaderNode } from "#ledger/chain/header-node.ts";
import { HEADER_LENGTH } from "#protocol/bitcoin/block-table.ts";
import type { BlockHash } from "#protocol/bitcoin/hashes.ts";
import { blockHash } from "#protocol/bitcoin/txid.ts";
import { blockWork, checkProofOfWork } from "#protocol/consensus/pow.ts";
import { MAX_HEADERS } from "#protocol/wire/messages/blocks.ts";
import { PROTOCOL_VERSION } from "#protocol/wire/messages/handshake.ts";
import type { PeerContext } from "./context.ts";
import { HeaderPresync } from "./header-presync.ts";
import type { Peer } from "./peer.ts";
import { Permission } from "./permissions.ts";

/** Milliseconds that a peer has to answer `getheaders` before it is asked again. */
export const HEADERS_RESPONSE_TIME = 2 * 60_000;
/** The first headers sync may take so long, plus a millisecond for each header expected. */
const HEADERS_DOWNLOAD_TIMEOUT = 15 * 60_000;
const HEADERS_DOWNLOAD_TIMEOUT_PER_HEADER = 1;
const DAY = 24 * 60 * 60_000;

const NO_STOP = new Uint8Array(32) as BlockHash;

export class HeaderSync {
  readonly #context: PeerContext;
  /** The last block whose announcement made us ask a further peer for headers before the first sync was done. */
  #lastTrigger: Uint8Array = NO_STOP;

  constructor(context: PeerContext) {
    this.#context = context;
  }

  /** Peers that the first headers sync was started with, and that have not told all they have. */
  get #syncing(): number {
    let count = 0;
    for (const { chain } of this.#context.peers.values()) if (chain.syncStarted && !chain.toldAll) count++;
    return count;
  }

  /** Asks for headers after those of the locator; false when the peer has not answered the last time yet. */
  ask(peer: Peer, locator: readonly Uint8Array[]): boolean {
    const now = this.#context.now();
    if (now - peer.chain.lastGetHeaders <= HEADERS_RESPONSE_TIME) return false;
    this.#context.send(peer, "getheaders", {
      version: PROTOCOL_VERSION,
      locator: locator as BlockHash[],
      stop: NO_STOP,
    });
    peer.chain.lastGetHeaders = now;
    return true;
  }

  askFrom(peer: Peer, node: HeaderNode): boolean {
    return this.ask(peer, this.#context.chain.locator(node));
  }

  /** A block that we do not know was announced by `inv`. */
  askForAnnounced(peer: Peer, hash: Uint8Array): void {
    const { chain, log } = this.#context;
    const started = peer.chain.syncStarted;
    // One more peer a block may join the first sync, so that an unresponsive one cannot hold us up.
    if (!started && (peer.chain.invTriggeredGetHeaders || equalBytes(hash, this.#lastTrigger))) return;
    if (this.askFrom(peer, chain.headers.best)) {
      log.debug(
        "net",
        () => `getheaders (${chain.headers.best.height}) ${toHexReversed(hash)} to peer=${peer.id}`,
      );
    }
    if (started) return;
    peer.chain.invTriggeredGetHeaders = true;
    this.#lastTrigger = hash.slice();
  }

  /**
   * In a peer's turn: starts the first sync, with one peer alone unless we are close to today. Core stays with that one
   * peer for a quarter of an hour, though it may be as new as we are; we go on to the next once it has told all it has.
   */
  maybeStart(peer: Peer, mayDownload: boolean): void {
    const { chain, log } = this.#context;
    if (peer.chain.syncStarted || !peer.servesBlocks || this.#context.loadingBlocks()) return;
    const now = this.#context.now();
    const { best } = chain.headers;
    if (!(this.#syncing === 0 && mayDownload) && best.time * 1000 <= now - DAY) return;
    // From one before the best: an answer that is never empty tells us the peer's best block.
    const start = best.prev ?? best;
    if (!this.askFrom(peer, start)) return;
    log.debug("net", () => `initial getheaders (${start.height}) to peer=${peer.id}`);
    peer.chain.syncStarted = true;
    const spacing = chain.network.consensus.powTargetSpacing;
    const expected = (now / 1000 - best.time) / spacing;
    peer.chain.headersSyncTimeout =
      now + HEADERS_DOWNLOAD_TIMEOUT + HEADERS_DOWNLOAD_TIMEOUT_PER_HEADER * expected;
  }

  /** In a peer's turn: gives up a first sync that takes too long, where another peer could do it. */
  checkTimeout(peer: Peer): void {
    const { chain, peers } = this.#context;
    const state = peer.chain;
    if (!state.syncStarted || state.toldAll || state.headersSyncTimeout === Infinity) return;
    const now = this.#context.now();
    if (chain.headers.best.time * 1000 > now - DAY) {
      // Caught up once: no timeout from now on.
      state.headersSyncTimeout = Infinity;
      return;
    }
    let others = 0;
    for (const other of peers.values()) if (other !== peer && other.chain.preferredDownload) others++;
    if (now <= state.headersSyncTimeout || this.#syncing !== 1 || others === 0) return;
    if (!peer.has(Permission.NO_BAN)) {
      this.#context.disconnect(peer, "Timeout downloading headers", { log: "info" });
    } else {
      this.#context.log.info(
        `Timeout downloading headers from noban peer, not disconnecting peer=${peer.id}`,
      );
      state.syncStarted = false;
      state.headersSyncTimeout = 0;
    }
  }

  /** A `headers` message: 80 bytes each. */
  async process(peer: Peer, received: Uint8Array): Promise<void> {
    await this.#take(peer, received);
    const state = peer.chain;
    if (state.syncStarted && state.lastGetHeaders === 0 && state.presync === undefined) state.toldAll = true;
  }

  async #take(peer: Peer, received: Uint8Array): Promise<void> {
    const count = received.length / HEADER_LENGTH;
    if (count === 0) {
      // The peer has nothing more: an answer to what we asked, if we did.
      peer.chain.presync = undefined;
      peer.chain.lastGetHeaders = 0;
      return;
    }
    if (!this.#checkProofOfWork(peer, received)) return;
    const full = count === MAX_HEADERS;
    const continued = this.#continuePresync(peer, received, full);
    const raw = continued ?? received;
    if (raw.length === 0) return;
    const start = this.#context.chain.headers.lookup(raw.subarray(4, 36));
    if (start === undefined) {
      this.#unconnected(peer, raw);
      return;
    }
    peer.chain.lastGetHeaders = 0;
    const last = this.#context.chain.headers.lookup(hashOfLast(raw));
    const trusted =
      continued !== undefined ||
      this.#context.view.isAncestorOfBestHeaderOrTip(last) ||
      peer.has(Permission.NO_BAN);
    if (!trusted && this.#isLowWork(peer, start, raw, full)) return;
    await this.#store(peer, raw, { full, isNew: last === undefined });
  }

  #checkProofOfWork(peer: Peer, raw: Uint8Array): boolean {
    const { network } = this.#context;
    let previous: Uint8Array | undefined;
    let continuous = true;
    for (let at = 0; at < raw.length; at += HEADER_LENGTH) {
      const hash = blockHash(raw.subarray(at, at + HEADER_LENGTH));
      if (!checkProofOfWork(hash, readU32(raw, at + 72), network.consensus)) {
        this.#context.misbehaving(peer, "header with invalid proof of work");
        return false;
      }
      if (previous !== undefined && !equalBytes(raw.subarray(at + 4, at + 36), previous)) continuous = false;
      previous = hash;
    }
    if (!continuous) this.#context.misbehaving(peer, "non-continuous headers sequence");
    return continuous;
  }

  /** Headers that a presync in progress lets through; undefined when there is none, or they are not part of it. */
  #continuePresync(peer: Peer, raw: Uint8Array, full: boolean): Uint8Array | undefined {
    const { presync } = peer.chain;
    if (presync === undefined) return undefined;
    const result = presync.process(raw, full);
    const { ended } = result;
    if (result.success) peer.chain.lastGetHeaders = 0;
    if (result.requestMore) {
      this.ask(peer, presync.locator(this.#presyncStart(presync)));
    }
    if (ended !== undefined) {
      this.#context.log.debug("net", () => `Initial headers sync ended with peer=${peer.id}: ${ended}`);
      peer.chain.presync = undefined;
    }
    return result.success ? result.headers : undefined;
  }

  #presyncStart(presync: HeaderPresync): Uint8Array[] {
    return this.#context.chain.locator(presync.start);
  }

  /** Headers that connect to nothing we know: perhaps an announcement. We ask for what is between. */
  #unconnected(peer: Peer, raw: Uint8Array): void {
    const { best } = this.#context.chain.headers;
    if (this.askFrom(peer, best)) {
      this.#context.log.debug("net", () => {
        const missing = toHexReversed(raw.subarray(4, 36));
        const hash = toHexReversed(blockHash(raw));
        return `received header ${hash}: missing prev block ${missing}, sending getheaders (${best.height}) to end (peer=${peer.id})`;
      });
    }
    this.#context.blocks.announced(peer, hashOfLast(raw));
  }

  /** Whether the chain has too little work to be stored: then a presync is started, or it is ignored. */
  #isLowWork(peer: Peer, start: HeaderNode, raw: Uint8Array, full: boolean): boolean {
    const threshold = this.#context.view.minimumHeaderWork;
    let work = start.chainWork;
    for (let at = 0; at < raw.length; at += HEADER_LENGTH) work += blockWork(readU32(raw, at + 72));
    if (work >= threshold) return false;
    if (!full) {
      const height = start.height + raw.length / HEADER_LENGTH;
      this.#context.log.debug("net", () => `Ignoring low-work chain (height=${height}) from peer=${peer.id}`);
      return true;
    }
    const { network, random } = this.#context;
    peer.chain.presync = new HeaderPresync(start, threshold, {
      network,
      random,
      now: this.#context.seconds(),
    });
    this.#context.log.debug(
      "net",
      () => `Initial headers sync started with peer=${peer.id}: height=${start.height}`,
    );
    this.#continuePresync(peer, raw, full);
    return true;
  }

  async #store(
    peer: Peer,
    raw: Uint8Array,
    { full, isNew }: { full: boolean; isNew: boolean },
  ): Promise<void> {
    const inPresync = peer.chain.presync !== undefined;
    const verdict = await this.#context.chain.acceptHeaders(raw, { minPowChecked: true });
    if (verdict.rejection !== undefined) {
      this.#context.blocks.punish(peer, verdict.rejection, "invalid header received");
      return;
    }
    const last = verdict.last!;
    if (full && !inPresync && this.askFrom(peer, last)) {
      this.#context.log.debug(
        "net",
        () => `more getheaders (${last.height}) to end to peer=${peer.id} (startheight:${peer.startHeight})`,
      );
    }
    this.#context.blocks.headersReceived(peer, last, { isNew, mayHaveMore: full });
    this.#context.blocks.fetchDirectly(peer, last);
  }
}

function hashOfLast(raw: Uint8Array): Uint8Array {
  return blockHash(raw.subarray(raw.length - HEADER_LENGTH));
}
