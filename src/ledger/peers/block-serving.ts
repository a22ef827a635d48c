/** What peers ask of our chain, blocks, headers and inventory, and what of it they are told unasked. */
import { concatBytes, toHexReversed } from "#base/lib/bytes.ts";
import type { ChainUpdate, HashedBlock } from "#ledger/chain/chain-update.ts";
import type { HeaderNode } from "#ledger/chain/header-node.ts";
import { parseBlock } from "#protocol/bitcoin/block-table.ts";
import { hashAt } from "#protocol/bitcoin/txid.ts";
import { type Inventory, InvType, isBlock, isTransaction, MAX_INVENTORY } from "#protocol/wire/inventory.ts";
import { type LocatorRequest, MAX_HEADERS } from "#protocol/wire/messages/blocks.ts";
import type { BlockTransactionsRequest } from "#protocol/wire/messages/compact-blocks.ts";
import { NODE_NETWORK, NODE_NETWORK_LIMITED } from "#protocol/wire/services.ts";
import { strippedBlock } from "#protocol/wire/stripped.ts";
import { peerHasHeader } from "./block-sync.ts";
import { HISTORICAL_BLOCK_AGE } from "./chain-view.ts";
import type { PeerContext } from "./context.ts";
import type { Peer } from "./peer.ts";
import { Permission } from "./permissions.ts";

/** Headers that are announced at once; of a longer reorganisation the tip alone, by `inv`. */
const MAX_BLOCKS_TO_ANNOUNCE = 8;
/** Blocks that one `getblocks` is answered with. */
const GETBLOCKS_LIMIT = 500;
/** Depth to which a peer with few blocks serves them, with two more as blocks may come meanwhile. */
const LIMITED_DEPTH = 288 + 2;
/** Depth to which `getblocktxn` is answered by transactions alone. */
const MAX_BLOCKTXN_DEPTH = 10;

export class BlockServing {
  readonly #context: PeerContext;
  /** The last block that connected: what peers ask for most. */
  #recent: { readonly node: HeaderNode; readonly block: HashedBlock } | undefined;

  constructor(context: PeerContext) {
    this.#context = context;
  }

  /** After the tip moved: remembers the newest block, and what is to be announced to whom. */
  async chainMoved(update: ChainUpdate): Promise<void> {
    if (update.initialBlockDownload) return;
    const newest = update.connected.at(-1);
    if (newest !== undefined) this.#recent = { node: newest.node, block: await newest.load() };
    const nodes = update.connected.slice(-MAX_BLOCKS_TO_ANNOUNCE).map(({ node }) => node);
    for (const peer of this.#context.peers.values()) peer.blocksToAnnounce.push(...nodes);
    this.#context.wake();
  }

  /** A transaction of the newest block, by either id. */
  recentTransaction(hash: Uint8Array): { readonly raw: Uint8Array; readonly index: number } | undefined {
    if (this.#recent === undefined) return undefined;
    const { block, hashes } = this.#recent.block;
    for (let index = 0; index < block.txs.txCount; index++) {
      if (same(hashAt(hashes.txids, index), hash) || same(hashAt(hashes.wtxids, index), hash)) {
        return { raw: block.txs.raw(index), index };
      }
    }
    return undefined;
  }

  /** The newest block, to serve parts of it. */
  get recent(): HashedBlock | undefined {
    return this.#recent?.block;
  }

  /** Works off what the peer asked for: all transactions in front, then one block, as far as it takes what we send. */
  async serve(peer: Peer): Promise<void> {
    const missing: Inventory[] = [];
    let done = 0;
    while (done < peer.requests.length && isTransaction(peer.requests[done]!)) {
      if (peer.connection.sendPaused) break;
      const entry = peer.requests[done++]!;
      // Peers without transaction relay get none, and no answer either.
      if (peer.transactions !== undefined && !this.#context.relay.serve(peer, entry)) missing.push(entry);
    }
    const next = peer.requests[done];
    if (next !== undefined && !isTransaction(next) && !peer.connection.sendPaused) {
      done++;
      if (isBlock(next)) await this.#serveBlock(peer, next);
    }
    peer.requests.splice(0, done);
    if (missing.length > 0) this.#context.send(peer, "notfound", missing);
  }

  headersFor(peer: Peer, request: LocatorRequest): void {
    const { chain, log } = this.#context;
    if (this.#context.loadingBlocks()) {
      log.debug("net", () => `Ignoring getheaders from peer=${peer.id} while importing/reindexing`);
      return;
    }
    if (chain.tip.chainWork < chain.minimumChainWork && !peer.has(Permission.DOWNLOAD)) {
      log.debug(
        "net",
        () =>
          `Ignoring getheaders from peer=${peer.id} because active chain has too little work; sending empty response`,
      );
      this.#context.send(peer, "headers", new Uint8Array(0));
      return;
    }
    let node: HeaderNode | undefined;
    if (request.locator.length === 0) {
      // No locator: the one block named.
      node = chain.headers.lookup(request.stop);
      if (node === undefined) return;
      if (!this.#context.view.mayBeServed(node)) {
        log.debug(
          "net",
          () =>
            `headers: ignoring request from peer=${peer.id} for old block header that isn't in the main chain`,
        );
        return;
      }
    } else {
      node = chain.activeAt(chain.findFork(request.locator).height + 1);
    }
    const parts: Uint8Array[] = [];
    log.debug(
      "net",
      () => `getheaders ${node?.height ?? -1} to ${stopText(request.stop)} from peer=${peer.id}`,
    );
    while (node !== undefined) {
      parts.push(node.header());
      if (parts.length >= MAX_HEADERS || same(node.hash, request.stop)) break;
      node = chain.isActive(node) ? chain.activeAt(node.height + 1) : undefined;
    }
    // Set back on purpose: what was announced while this was asked for is announced again.
    peer.chain.bestHeaderSent = node ?? chain.tip;
    this.#context.send(peer, "headers", concatBytes(...parts));
  }

  inventoryFor(peer: Peer, request: LocatorRequest): void {
    const { chain, log } = this.#context;
    let node = chain.activeAt(chain.findFork(request.locator).height + 1);
    log.debug(
      "net",
      () =>
        `getblocks ${node?.height ?? -1} to ${stopText(request.stop)} limit ${GETBLOCKS_LIMIT} from peer=${peer.id}`,
    );
    for (let left = GETBLOCKS_LIMIT; node !== undefined; node = chain.activeAt(node.height + 1)) {
      if (same(node.hash, request.stop)) return;
      peer.blocksToInv.push(node);
      if (--left > 0) continue;
      // When this one is asked for, an inv of the tip makes the peer ask on.
      peer.continuation = node;
      return;
    }
  }

  async blockTransactionsFor(peer: Peer, request: BlockTransactionsRequest): Promise<void> {
    const { chain, log } = this.#context;
    const node = chain.headers.lookup(request.block);
    if (node === undefined || !node.hasData) {
      log.debug("net", () => `Peer ${peer.id} sent us a getblocktxn for a block we don't have`);
      return;
    }
    if (node.height < chain.tip.height - MAX_BLOCKTXN_DEPTH) {
      // A whole block costs the peer as much as it costs us to read.
      log.debug(
        "net",
        () => `Peer ${peer.id} sent us a getblocktxn for a block > ${MAX_BLOCKTXN_DEPTH} deep`,
      );
      peer.requests.push({ type: InvType.WITNESS_BLOCK, hash: request.block });
      return;
    }
    const raw = await this.#read(node);
    const { txs } = parseBlock(raw);
    if (request.indexes.some((index) => index >= txs.txCount)) {
      this.#context.misbehaving(peer, "getblocktxn with out-of-bounds tx indices");
      return;
    }
    const found = request.indexes.map((index) => txs.raw(index));
    this.#context.send(peer, "blocktxn", { block: request.block, txs: found });
  }

  /** In a peer's turn: tells it the blocks that it does not know of. */
  announce(peer: Peer): void {
    const { chain, blocks } = this.#context;
    const nodes = peer.blocksToAnnounce;
    peer.blocksToAnnounce = [];
    if (nodes.length === 0) return;
    blocks.updateBestKnown(peer);
    const headers =
      peer.prefersHeaders && nodes.length <= MAX_BLOCKS_TO_ANNOUNCE
        ? this.#unknownTo(peer, nodes)
        : undefined;
    if (headers === undefined) {
      const last = nodes.at(-1)!;
      if (!chain.isActive(last)) {
        this.#context.log.debug(
          "net",
          () =>
            `Announcing block ${toHexReversed(last.hash)} not on main chain (tip=${toHexReversed(chain.tip.hash)})`,
        );
      }
      if (!peerHasHeader(peer, last)) peer.blocksToInv.push(last);
    } else if (headers.length > 0) {
      this.#context.send(peer, "headers", concatBytes(...headers.map((node) => node.header())));
      peer.chain.bestHeaderSent = nodes.at(-1)!;
    }
  }

  /** In a peer's turn: the blocks to announce by `inv`, but for what makes a message too long. */
  takeInventory(peer: Peer): Inventory[] {
    let entries: Inventory[] = [];
    for (const node of peer.blocksToInv) {
      entries.push({ type: InvType.BLOCK, hash: node.hash });
      if (entries.length < MAX_INVENTORY) continue;
      this.#context.send(peer, "inv", entries);
      entries = [];
    }
    peer.blocksToInv = [];
    return entries;
  }

  /** Those of `nodes` from the first that the peer lacks; undefined when they would connect to nothing it has. */
  #unknownTo(peer: Peer, nodes: readonly HeaderNode[]): HeaderNode[] | undefined {
    const headers: HeaderNode[] = [];
    let previous: HeaderNode | undefined;
    for (const node of nodes) {
      if (!this.#context.chain.isActive(node)) return undefined;
      if (previous !== undefined && node.prev !== previous) return undefined;
      previous = node;
      if (headers.length === 0) {
        if (peerHasHeader(peer, node)) continue;
        if (node.prev !== null && !peerHasHeader(peer, node.prev)) return undefined;
      }
      headers.push(node);
    }
    return headers;
  }

  async #serveBlock(peer: Peer, entry: Inventory): Promise<void> {
    const node = this.#servable(peer, entry);
    if (node === undefined) return;
    let raw: Uint8Array;
    try {
      raw = await this.#read(node);
    } catch (error) {
      this.#context.log.error(`Cannot load block from disk, disconnecting peer=${peer.id}: ${String(error)}`);
      this.#context.disconnect(peer, "block was not readable");
      return;
    }
    switch (entry.type) {
      case InvType.BLOCK:
        this.#context.send(peer, "block", strippedBlock(parseBlock(raw)));
        break;
      case InvType.FILTERED_BLOCK:
        // Only a peer with a filter gets an answer, and we load none.
        break;
      default:
        // Whoever asks for a compact block of ours gets the whole one.
        this.#context.send(peer, "block", raw);
    }
    if (peer.continuation !== node) return;
    // At once, and even if it is known: the peer waits for it to ask for the next batch.
    peer.continuation = undefined;
    this.#context.send(peer, "inv", [{ type: InvType.BLOCK, hash: this.#context.chain.tip.hash }]);
  }

  /** The block that a request names, if this peer may have it. */
  #servable(peer: Peer, entry: Inventory): HeaderNode | undefined {
    const { chain, view, traffic, log } = this.#context;
    const node = chain.headers.lookup(entry.hash);
    if (node === undefined) return undefined;
    if (!view.mayBeServed(node)) {
      log.debug(
        "net",
        () =>
          `ProcessGetBlockData: ignoring request from peer=${peer.id} for old block that isn't in the main chain`,
      );
      return undefined;
    }
    const historical = chain.headers.best.time - node.time > HISTORICAL_BLOCK_AGE;
    const costly = historical || entry.type === InvType.FILTERED_BLOCK;
    if (costly && traffic.targetReached(true) && !peer.has(Permission.DOWNLOAD)) {
      this.#context.disconnect(peer, "historical block serving limit reached");
      return undefined;
    }
    const limited = (peer.ourServices & (NODE_NETWORK | NODE_NETWORK_LIMITED)) === NODE_NETWORK_LIMITED;
    if (limited && !peer.has(Permission.NO_BAN) && chain.tip.height - node.height > LIMITED_DEPTH) {
      this.#context.disconnect(peer, "Ignore block request below NODE_NETWORK_LIMITED threshold");
      return undefined;
    }
    return node.hasData ? node : undefined;
  }

  async #read(node: HeaderNode): Promise<Uint8Array> {
    if (this.#recent?.node === node) return this.#recent.block.block.bytes;
    return this.#context.chain.readBlock(node);
  }
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < 32; i++) if (a[i] !== b[i]) return false;
  return true;
}

function stopText(stop: Uint8Array): string {
  return stop.every((byte) => byte === 0) ? "end" : toHexReversed(stop);
}
