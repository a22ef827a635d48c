/** Blocks from peers: who has which, whom to ask for what, and what to make of what comes (Core: net_processing.cpp). */
import { toHexReversed } from "#base/lib/bytes.ts";
import type { BlockVerdict } from "#ledger/chain/chain-update.ts";
import { BlockStatus, type HeaderNode, lastCommonAncestor } from "#ledger/chain/header-node.ts";
import { blockHash } from "#protocol/bitcoin/txid.ts";
import { isBlockMutated } from "#protocol/consensus/check-block.ts";
import { isActiveAfter, isActiveAt } from "#protocol/consensus/deployments.ts";
import { blockWork } from "#protocol/consensus/pow.ts";
import type { Rejection } from "#protocol/consensus/rejection.ts";
import { type Inventory, InvType, WITNESS_FLAG } from "#protocol/wire/inventory.ts";
import { BlockRequests } from "./block-requests.ts";
import type { PeerContext } from "./context.ts";
import { type HashKey, hashKey } from "./hash-key.ts";
import type { Peer } from "./peer.ts";

/** Blocks that may be asked of one peer at a time. */
export const MAX_BLOCKS_IN_TRANSIT = 16;
/** Blocks that may be asked for ahead of the last one that we and the peer have. */
const DOWNLOAD_WINDOW = 1024;
/** Milliseconds for which one peer may keep the window from moving. */
const STALLING_TIMEOUT = 2_000;
const STALLING_TIMEOUT_MAX = 64_000;
/** Share of the stalling timeout that is left after each block that connects. */
const STALLING_TIMEOUT_DECAY = 0.85;
/** Block intervals for a download, and as many more for each other peer that sends blocks. */
const DOWNLOAD_TIMEOUT_BASE = 1;
const DOWNLOAD_TIMEOUT_PER_PEER = 0.5;
/** Peers with the last 288 blocks alone are asked for two less, as they may prune meanwhile. */
const LIMITED_PEER_BLOCKS = 288 - 2;
/** Outbound peers that are protected from being dropped for a chain that is behind. */
const MAX_PROTECTED_PEERS = 4;

export class BlockSync {
  readonly requests = new BlockRequests();
  readonly #context: PeerContext;
  /** Who sent a block that has not been judged yet. */
  readonly #sources = new Map<HashKey, number>();
  #stallingTimeout = STALLING_TIMEOUT;

  constructor(context: PeerContext) {
    this.#context = context;
  }

  /** Milliseconds; doubled with each peer that was dropped for stalling, and slowly going back. */
  get stallingTimeout(): number {
    return this.#stallingTimeout;
  }

  /** A peer says that it has a block. */
  announced(peer: Peer, hash: Uint8Array): void {
    this.updateBestKnown(peer);
    const node = this.#context.chain.headers.lookup(hash);
    if (node === undefined) peer.chain.lastUnknown = hash.slice();
    else this.#raiseBestKnown(peer, node);
  }

  /** A block that the peer announced may have become known since. */
  updateBestKnown(peer: Peer): void {
    const { lastUnknown } = peer.chain;
    const node = lastUnknown && this.#context.chain.headers.lookup(lastUnknown);
    if (node === undefined) return;
    this.#raiseBestKnown(peer, node);
    peer.chain.lastUnknown = undefined;
  }

  #raiseBestKnown(peer: Peer, node: HeaderNode): void {
    const known = peer.chain.bestKnown;
    if (known === undefined || node.compareWork(known) >= 0) peer.chain.bestKnown = node;
  }

  /** Headers of the peer's chain up to `last` are in the tree. */
  headersReceived(
    peer: Peer,
    last: HeaderNode,
    { isNew, mayHaveMore }: { isNew: boolean; mayHaveMore: boolean },
  ): void {
    const { chain, peers } = this.#context;
    this.announced(peer, last.hash);
    if (isNew && last.compareWork(chain.tip) > 0) peer.chain.lastAnnouncement = this.#context.seconds();
    const best = peer.chain.bestKnown;
    if (best === undefined) return;
    // It has no more to give, and that is too little to sync from.
    const hopeless = best.chainWork < chain.minimumChainWork && !mayHaveMore;
    if (chain.isInitialBlockDownload() && hopeless && peer.isOutboundOrBlockRelay) {
      this.#context.disconnect(peer, "outbound peer headers chain has insufficient work", { log: "info" });
    }
    if (peer.disconnecting !== undefined || peer.type !== "outbound-full-relay" || peer.chain.protected)
      return;
    let protectedPeers = 0;
    for (const other of peers.values()) if (other.chain.protected) protectedPeers++;
    if (protectedPeers >= MAX_PROTECTED_PEERS || best.compareWork(chain.tip) < 0) return;
    this.#context.log.debug("net", () => `Protecting outbound peer=${peer.id} from eviction`);
    peer.chain.protected = true;
  }

  /** Close to the tip, blocks are asked for as soon as their headers come. */
  fetchDirectly(peer: Peer, last: HeaderNode): void {
    const { chain, view, log } = this.#context;
    if (!view.canFetchDirectly || !last.isValid(BlockStatus.VALID_TREE) || chain.tip.compareWork(last) > 0)
      return;
    const wanted: HeaderNode[] = [];
    let node: HeaderNode | null = last;
    while (node !== null && !chain.isActive(node) && wanted.length <= MAX_BLOCKS_IN_TRANSIT) {
      if (!node.hasData && !this.requests.has(node) && this.#canServe(peer, node)) wanted.push(node);
      node = node.prev;
    }
    if (node === null || !chain.isActive(node)) {
      log.debug(
        "net",
        () => `Large reorg, won't direct fetch to ${toHexReversed(last.hash)} (${last.height})`,
      );
      return;
    }
    const room = MAX_BLOCKS_IN_TRANSIT - this.requests.of(peer.id).inFlight.length;
    const asked = wanted.reverse().slice(0, Math.max(0, room));
    if (asked.length > 1) {
      log.debug(
        "net",
        () =>
          `Downloading blocks toward ${toHexReversed(last.hash)} (${last.height}) via headers direct fetch`,
      );
    }
    const entries = asked.map((block) => this.#request(peer, block));
    if (entries.length > 0) this.#context.send(peer, "getdata", entries);
  }

  /** In a peer's turn: what to ask it for now. */
  nextRequests(peer: Peer, mayDownload: boolean): Inventory[] {
    const { chain } = this.#context;
    const mine = this.requests.of(peer.id);
    const wanted = (mayDownload && !peer.isLimited) || !chain.isInitialBlockDownload();
    if (!peer.servesBlocks || !wanted || mine.inFlight.length >= MAX_BLOCKS_IN_TRANSIT) return [];
    const { blocks, staller } = this.#findNext(peer, MAX_BLOCKS_IN_TRANSIT - mine.inFlight.length);
    const entries = blocks.map((block) => this.#request(peer, block));
    if (mine.inFlight.length === 0 && staller !== undefined) {
      const other = this.requests.of(staller);
      if (other.stallingSince === 0) {
        other.stallingSince = this.#context.now();
        this.#context.log.debug("net", () => `Stall started peer=${staller}`);
      }
    }
    return entries;
  }

  /** In a peer's turn: drops it when it holds up the download. */
  checkStalling(peer: Peer): void {
    const mine = this.requests.of(peer.id);
    const now = this.#context.now();
    const { log } = this.#context;
    if (mine.stallingSince !== 0 && mine.stallingSince < now - this.#stallingTimeout) {
      this.#context.disconnect(peer, "Peer is stalling block download", { log: "info" });
      // The fault may be our own bandwidth: the next peer gets more time.
      const timeout = Math.min(2 * this.#stallingTimeout, STALLING_TIMEOUT_MAX);
      if (timeout !== this.#stallingTimeout) {
        this.#stallingTimeout = timeout;
        log.debug(
          "net",
          () => `Increased stalling timeout temporarily to ${Math.floor(timeout / 1000)} seconds`,
        );
      }
      return;
    }
    const first = mine.inFlight[0];
    if (first === undefined) return;
    const others = this.requests.peersDownloading - 1;
    const spacing = this.#context.network.consensus.powTargetSpacing * 1000;
    const timeout = spacing * (DOWNLOAD_TIMEOUT_BASE + DOWNLOAD_TIMEOUT_PER_PEER * others);
    if (now > mine.downloadingSince + timeout) {
      const hash = toHexReversed(first.hash);
      this.#context.disconnect(peer, `Timeout downloading block ${hash}`, { log: "info" });
    }
  }

  /** A `block` message. */
  async process(peer: Peer, raw: Uint8Array): Promise<void> {
    const { chain, network, log } = this.#context;
    const prepared = await chain.prepareBlock(raw);
    const { block, hashes } = prepared;
    const hash = blockHash(raw);
    log.debug("net", () => `received block ${toHexReversed(hash)} peer=${peer.id}`);
    const prev = chain.headers.lookup(block.header.prevHash);
    const node = chain.headers.lookup(hash);
    const now = this.#context.now();
    if (prev !== undefined && isBlockMutated(block, hashes, isActiveAfter(network, prev, "segwit"))) {
      log.debug("net", () => `Received mutated block from peer=${peer.id}`);
      this.#context.misbehaving(peer, "mutated block");
      if (node !== undefined) this.requests.remove(node, now, peer.id);
      return;
    }
    const requested = node !== undefined && this.requests.has(node);
    if (node !== undefined) this.requests.remove(node, now, peer.id);
    const key = hashKey(hash);
    if (!this.#sources.has(key)) this.#sources.set(key, peer.id);
    const work = prev === undefined ? 0n : prev.chainWork + blockWork(block.header.bits);
    const minPowChecked = prev !== undefined && work >= this.#context.view.minimumHeaderWork;
    const accepted = await chain.acceptPrepared(prepared, { requested, minPowChecked });
    if (accepted.isNew) {
      peer.lastBlock = this.#context.seconds();
      // It may have been asked of another peer.
      const stored = accepted.node ?? chain.headers.lookup(hash);
      if (stored !== undefined) this.requests.remove(stored, this.#context.now());
    } else {
      if (accepted.rejection !== undefined) this.judged({ hash, rejection: accepted.rejection });
      this.#sources.delete(key);
    }
  }

  /** The chain judged a block: who sent an invalid one is punished. */
  judged({ hash, rejection }: BlockVerdict): void {
    const key = hashKey(hash);
    const source = this.#sources.get(key);
    if (source === undefined) return;
    this.#sources.delete(key);
    const peer = this.#context.peers.get(source);
    if (rejection !== undefined && peer !== undefined) this.punish(peer, rejection, "");
  }

  /** What a refused block or header means for the peer that sent it (MaybePunishNodeForBlock). */
  punish(peer: Peer, rejection: Rejection, message: string): void {
    switch (rejection.result) {
      case "consensus":
      case "mutated":
      case "invalid-header":
      case "invalid-prev":
      case "missing-prev":
        this.#context.misbehaving(peer, message);
        return;
      case "cached-invalid":
        // An inbound peer may just not know better; one that we chose is of no use.
        if (!peer.inbound) this.#context.misbehaving(peer, message);
        return;
      default:
        if (message !== "") this.#context.log.debug("net", () => `peer=${peer.id}: ${message}`);
    }
  }

  /** A block connected: the timeout for stalling goes back. */
  connected(): void {
    if (this.#stallingTimeout === STALLING_TIMEOUT) return;
    const timeout = Math.floor((this.#stallingTimeout * STALLING_TIMEOUT_DECAY) / 1000) * 1000;
    this.#stallingTimeout = Math.max(timeout, STALLING_TIMEOUT);
    this.#context.log.debug(
      "net",
      () => `Decreased stalling timeout to ${this.#stallingTimeout / 1000} seconds`,
    );
  }

  disconnected(peer: Peer): void {
    this.requests.disconnected(peer.id, this.#context.now());
  }

  /** The user wants a block from a peer (getblockfrompeer); the result is why not, in Core's words. */
  fetch(hash: Uint8Array, id: number): string | undefined {
    const { chain, peers } = this.#context;
    if (this.#context.loadingBlocks()) return "Loading blocks ...";
    const peer = peers.get(id);
    if (peer === undefined) return "Peer does not exist";
    if (!peer.servesWitnesses) return "Pre-SegWit peer";
    const node = chain.headers.lookup(hash);
    if (node === undefined) return "Block header missing";
    this.requests.remove(node, this.#context.now());
    if (!peer.connected) return "Peer not fully connected";
    this.#context.send(peer, "getdata", [this.#request(peer, node)]);
    return undefined;
  }

  #request(peer: Peer, block: HeaderNode): Inventory {
    this.requests.add(peer.id, block, this.#context.now());
    this.#context.log.debug(
      "net",
      () => `Requesting block ${toHexReversed(block.hash)} (${block.height}) peer=${peer.id}`,
    );
    return { type: InvType.BLOCK | (peer.servesWitnesses ? WITNESS_FLAG : 0), hash: block.hash };
  }

  /** A block with witnesses cannot come from a peer that serves none. */
  #canServe(peer: Peer, node: HeaderNode): boolean {
    return peer.servesWitnesses || !isActiveAt(this.#context.network, node.height, "segwit");
  }

  /**
   * The next blocks of the peer's chain that nobody was asked for, at most `count`. Where there are none because
   * the whole window is in flight, `staller` is the peer that the first of it was asked of.
   */
  #findNext(peer: Peer, count: number): { blocks: HeaderNode[]; staller: number | undefined } {
    const { chain } = this.#context;
    const state = peer.chain;
    const nothing = { blocks: [], staller: undefined };
    this.updateBestKnown(peer);
    const best = state.bestKnown;
    if (best === undefined || best.compareWork(chain.tip) < 0 || best.chainWork < chain.minimumChainWork) {
      return nothing;
    }
    // A guess to start with; it only moves forward from here, or back where the peer reorganised.
    state.lastCommon ??= chain.activeAt(Math.min(best.height, chain.tip.height));
    state.lastCommon = lastCommonAncestor(state.lastCommon!, best);
    if (state.lastCommon === best) return nothing;
    return this.#walk(peer, state.lastCommon, best, count);
  }

  #walk(
    peer: Peer,
    from: HeaderNode,
    best: HeaderNode,
    count: number,
  ): { blocks: HeaderNode[]; staller: number | undefined } {
    const { chain } = this.#context;
    const blocks: HeaderNode[] = [];
    const windowEnd = from.height + DOWNLOAD_WINDOW;
    const highest = Math.min(best.height, windowEnd + 1);
    let waitingFor: number | undefined;
    for (let height = from.height; height < highest; ) {
      // A stretch at a time: finding an ancestor costs about as much as walking over a hundred.
      const span = Math.min(highest - height, Math.max(count - blocks.length, 128));
      height += span;
      for (const node of pathTo(best.ancestor(height)!, span)) {
        if (!node.isValid(BlockStatus.VALID_TREE) || !this.#canServe(peer, node))
          return { blocks, staller: undefined };
        if (node.hasData || chain.isActive(node)) {
          if (node.chainTxCount !== 0) peer.chain.lastCommon = node;
          continue;
        }
        if (this.requests.has(node)) {
          waitingFor ??= this.requests.peersOf(node)[0];
          continue;
        }
        if (node.height > windowEnd) {
          const stalled = blocks.length === 0 && waitingFor !== peer.id;
          return { blocks, staller: stalled ? waitingFor : undefined };
        }
        if (peer.isLimited && best.height - node.height >= LIMITED_PEER_BLOCKS) continue;
        blocks.push(node);
        if (blocks.length === count) return { blocks, staller: undefined };
      }
    }
    return { blocks, staller: undefined };
  }
}

/** The last `span` blocks up to `last`, in ascending order. */
function pathTo(last: HeaderNode, span: number): HeaderNode[] {
  const path: HeaderNode[] = new Array(span);
  let node: HeaderNode | null = last;
  for (let i = span - 1; i >= 0; i--) {
    path[i] = node!;
    node = node!.prev;
  }
  return path;
}

/** Whether a peer knows a block's header, from its word or from ours (PeerHasHeader). */
export function peerHasHeader(peer: Peer, node: HeaderNode): boolean {
  const { bestKnown, bestHeaderSent } = peer.chain;
  return bestKnown?.ancestor(node.height) === node || bestHeaderSent?.ancestor(node.height) === node;
}
