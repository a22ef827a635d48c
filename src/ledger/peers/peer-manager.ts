/** The node's peers: what doors and wiring see of them. The work is done by the parts that it puts together. */
import { type Clock, unixTime } from "#base/lib/clock.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { Random } from "#base/lib/random.ts";
import type { FileSystem } from "#base/store/file-system.ts";
import type { ChainState } from "#ledger/chain/chain-state.ts";
import type { BlockVerdict, ChainUpdate } from "#ledger/chain/chain-update.ts";
import type { Mempool } from "#ledger/mempool/mempool.ts";
import type { Txid, Wtxid } from "#protocol/bitcoin/hashes.ts";
import type { AddressEntry } from "#protocol/wire/messages/addresses.ts";
import {
  type AddressKind,
  NodeEndpoint,
  parseEndpoint,
  parseNetAddress,
} from "#protocol/wire/net-address.ts";
import { netClass } from "#protocol/wire/net-group.ts";
import { NODE_NETWORK, NODE_WITNESS } from "#protocol/wire/services.ts";
import type { AddressBook } from "./address-book.ts";
import type { BanList } from "./ban-list.ts";
import { ChainHealth, EXTRA_PEER_INTERVAL } from "./chain-health.ts";
import type { TransactionAcceptor } from "./context.ts";
import { describePeer } from "./describe-peer.ts";
import { Inbound } from "./inbound.ts";
import { LocalScore } from "./local-addresses.ts";
import { MessageLoop } from "./message-loop.ts";
import type { PeerOptions } from "./options.ts";
import { Outbound } from "./outbound.ts";
import type { PeerControl } from "./peer-control.ts";
import { PeerFiles } from "./peer-files.ts";
import type {
  AddedNodeInfo,
  AddressBookEntry,
  BanEntry,
  ConnectionType,
  LocalAddress,
  NetTotals,
  NetworkName,
  NetworkReachability,
  NodeAddress,
  OrphanInfo,
  PeerInfo,
} from "./peer-info.ts";
import { PeerParts } from "./peer-parts.ts";
import { FRIEND_PERMISSIONS, parseWhitebind, parseWhitelist } from "./permissions.ts";
import type { Endpoint, SocketLayer } from "./socket.ts";
import { parseSubnet, subnetContains } from "./subnet.ts";
import { REBROADCAST_INTERVAL, REBROADCAST_SPREAD } from "./transaction-relay.ts";

/** Milliseconds between two savings of the address book. */
const SAVE_INTERVAL = 15 * 60_000;
/** Networks in the order in which getnetworkinfo lists them. */
const NETWORKS: readonly AddressKind[] = ["ipv4", "ipv6", "onion", "i2p", "cjdns"];

export interface PeerDependencies {
  readonly chain: ChainState;
  readonly mempool: Mempool;
  readonly acceptor: TransactionAcceptor;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly files: FileSystem;
  readonly sockets: SocketLayer;
  /** Whether blocks are being read in from files now (reindex, -loadblock); left out, they never are. */
  readonly loadingBlocks?: () => boolean;
}

export class PeerManager implements PeerControl {
  readonly options: PeerOptions;
  readonly #parts: PeerParts;
  readonly #files: PeerFiles;
  readonly #inbound: Inbound;
  readonly #outbound: Outbound;
  readonly #health: ChainHealth;
  readonly #loop: MessageLoop;
  readonly #sockets: SocketLayer;
  #active: boolean;
  /** Takes back what is to be done later. */
  readonly #scheduled = new Set<() => void>();
  #saving: Promise<void> = Promise.resolve();

  /** Reads what was kept on disk. Nothing is opened before {@link start}. @throws Error for options or files that are wrong. */
  static async open(options: PeerOptions, dependencies: PeerDependencies): Promise<PeerManager> {
    const { chain, clock } = dependencies;
    const files = new PeerFiles(
      {
        directory: options.directory,
        magic: chain.network.magic,
        deterministic: options.deterministicAddressBook,
      },
      { ...dependencies, now: () => unixTime(clock) },
    );
    const book = await files.loadBook();
    const bans = await files.loadBans();
    const anchors = options.connect === undefined ? await files.takeAnchors() : [];
    return new PeerManager(options, { ...dependencies, peerFiles: files, book, bans, anchors });
  }

  private constructor(
    options: PeerOptions,
    dependencies: PeerDependencies & {
      peerFiles: PeerFiles;
      book: AddressBook;
      bans: BanList;
      anchors: AddressEntry[];
    },
  ) {
    this.options = options;
    this.#files = dependencies.peerFiles;
    this.#active = options.networkActive;
    const parts = new PeerParts(options, {
      ...dependencies,
      loadingBlocks: dependencies.loadingBlocks ?? (() => false),
      wake: (everyone) => (everyone ? this.#loop.wakeAll() : this.#loop.wake()),
    });
    this.#parts = parts;
    const whitelist = options.whitelist.map((text) => valid(parseWhitelist(text)));
    const whitebind = options.whitebind.map((text) => valid(parseWhitebind(text)));
    const isActive = (): boolean => this.#active;
    const { sockets } = dependencies;
    this.#sockets = sockets;
    const shared = { context: parts, table: parts.table, sockets, isActive };
    this.#outbound = new Outbound({ whitelist, anchors: dependencies.anchors }, shared);
    const maxInbound = Math.max(0, options.maxConnections - this.#outbound.maxOutbound);
    const port = options.port ?? parts.network.p2pPort;
    this.#inbound = new Inbound({ whitelist, whitebind, maxInbound, port }, shared);
    this.#health = new ChainHealth(parts, this.#outbound);
    this.#loop = new MessageLoop(parts, this.#health, {
      gone: (peer) => parts.forget(peer),
    });
  }

  get subversion(): string {
    return this.#parts.subversion;
  }

  get localServices(): bigint {
    return this.#parts.ourServices;
  }

  get networkActive(): boolean {
    return this.#active;
  }

  get timeOffset(): number {
    return this.#parts.timeOffsets.median;
  }

  /** What the user should know, for the `warnings` of getnetworkinfo. */
  get warnings(): string[] {
    const warning = this.#parts.timeOffsets.warning;
    return warning === undefined ? [] : [warning];
  }

  /** Where we listen. */
  get listening(): Endpoint[] {
    return this.#inbound.endpoints;
  }

  /** Listens, and opens connections. @throws Error when an address to listen on cannot be had. */
  async start(): Promise<void> {
    await this.#inbound.start();
    this.#addLocals();
    this.#loop.start();
    this.#outbound.start();
    const { random, relay } = this.#parts;
    this.#every(
      () => EXTRA_PEER_INTERVAL,
      () => this.#health.checkAll(),
    );
    this.#every(
      () => SAVE_INTERVAL,
      () => this.#save(),
    );
    this.#every(
      () => REBROADCAST_INTERVAL + random.below(REBROADCAST_SPREAD),
      () => relay.rebroadcast(),
    );
  }

  /** Ends all connections and writes down what is worth keeping. */
  async stop(): Promise<void> {
    this.#active = false;
    for (const cancel of this.#scheduled) cancel();
    const anchors = this.#outbound.anchors();
    await this.#outbound.stop();
    await this.#loop.stop();
    for (const peer of [...this.#parts.table.peers.values()]) this.#parts.forget(peer);
    await this.#inbound.stop();
    this.#save();
    await this.#saving;
    if (this.#outbound.automatic) await this.#attempt("anchors.dat", this.#files.saveAnchors(anchors));
  }

  /** To be called for every move of the tip, under the chain-state lock, after the mempool followed it. */
  async chainMoved(update: ChainUpdate): Promise<void> {
    const { blocks, download, serving } = this.#parts;
    this.#health.tipMoved();
    for (const _ of update.connected) blocks.connected();
    if (update.disconnected.length > 0) download.blockDisconnected();
    // While we catch up no transactions are relayed: there is nothing to forget.
    if (!update.initialBlockDownload) {
      for (const connected of update.connected) {
        const { block, hashes } = await connected.load();
        download.blockConnected(block.txs, hashes);
      }
      download.tipChanged();
    }
    await serving.chainMoved(update);
  }

  /** To be called for every verdict on a block. */
  blockChecked(verdict: BlockVerdict): void {
    this.#parts.blocks.judged(verdict);
  }

  peers(): PeerInfo[] {
    return [...this.#parts.peers.values()].map((peer) => describePeer(this.#parts, peer));
  }

  connectionCounts(): { total: number; inbound: number; outbound: number } {
    const inbound = this.#parts.table.count("inbound");
    const total = this.#parts.peers.size;
    return { total, inbound, outbound: total - inbound };
  }

  setNetworkActive(active: boolean): void {
    this.#parts.log.info(`SetNetworkActive: ${active}`);
    this.#active = active;
    if (active) return;
    for (const peer of this.#parts.peers.values()) this.#parts.disconnect(peer, "Network not active");
  }

  netTotals(): NetTotals {
    return this.#parts.traffic.totals();
  }

  localAddresses(): LocalAddress[] {
    return this.#parts.locals.entries();
  }

  networks(): NetworkReachability[] {
    return NETWORKS.map((name) => {
      const reachable = this.#parts.gossip.reachable.has(name);
      return { name, limited: !reachable, reachable, proxy: "", proxyRandomizeCredentials: false };
    });
  }

  addNode(address: string): boolean {
    return this.#outbound.addNode(address);
  }

  removeNode(address: string): boolean {
    return this.#outbound.removeNode(address);
  }

  connectOnce(address: string): Promise<void> {
    return this.#outbound.connectTo(address, "manual");
  }

  connectFriend(address: string): Promise<void> {
    return this.#outbound.connectTo(address, "manual", FRIEND_PERMISSIONS);
  }

  setFriendHosts(hosts: ReadonlySet<string>): void {
    this.#inbound.friendHosts = hosts;
  }

  addedNodes(): AddedNodeInfo[] {
    return this.#outbound.addedNodes();
  }

  addConnection(address: string, type: ConnectionType): Promise<boolean> {
    return this.#outbound.addConnection(address, type);
  }

  disconnectByAddress(address: string): boolean {
    const peer = this.#parts.table.findName(address);
    if (peer === undefined) return false;
    this.#parts.disconnect(peer, `disconnect by address`);
    return true;
  }

  disconnectById(id: number): boolean {
    const peer = this.#parts.peers.get(id);
    if (peer === undefined) return false;
    this.#parts.disconnect(peer, "disconnect by id");
    return true;
  }

  pingAll(): void {
    for (const peer of this.#parts.peers.values()) peer.ping.queued = true;
    this.#parts.wake();
  }

  addPeerAddress(
    text: string,
    port: number,
    tried: boolean,
  ): { success: boolean; error?: string } | undefined {
    const address = parseNetAddress(text);
    if (address === undefined) return undefined;
    const { book } = this.#parts;
    const endpoint = new NodeEndpoint(address, port);
    // As if the node had announced itself.
    const entry = { time: this.#parts.seconds(), services: NODE_NETWORK | NODE_WITNESS, endpoint };
    if (!book.add([entry], address)) return { success: false, error: "failed-adding-to-new" };
    if (tried && !book.good(endpoint)) return { success: false, error: "failed-adding-to-tried" };
    return { success: true };
  }

  nodeAddresses(count: number, network: NetworkName | undefined): NodeAddress[] {
    const { book, bans } = this.#parts;
    const kind = NETWORKS.find((name) => name === network);
    return book
      .addresses(count, 0, kind === undefined ? {} : { kind })
      .filter(({ endpoint: { address } }) => !bans.isBanned(address) && !bans.isDiscouraged(address))
      .map(({ time, services, endpoint }) => ({
        time,
        services,
        address: endpoint.address.toString(),
        port: endpoint.port,
        network: netClass(endpoint.address),
      }));
  }

  addressBookCounts(): Record<string, { new: number; tried: number; total: number }> {
    const { book } = this.#parts;
    const counts = (kind?: AddressKind): { new: number; tried: number; total: number } => ({
      new: book.size(kind, "new"),
      tried: book.size(kind, "tried"),
      total: book.size(kind),
    });
    return Object.fromEntries([...NETWORKS.map((kind) => [kind, counts(kind)]), ["all_networks", counts()]]);
  }

  addressBookEntries(): AddressBookEntry[] {
    return (["new", "tried"] as const).flatMap((table) =>
      [...this.#parts.book.places(table)].map(({ bucket, position, known }) => ({
        table,
        bucket,
        position,
        address: known.endpoint.address.toString(),
        port: known.endpoint.port,
        network: netClass(known.endpoint.address),
        services: known.services,
        time: known.time,
        source: known.source.toString(),
        sourceNetwork: netClass(known.source),
      })),
    );
  }

  bans(): BanEntry[] {
    return this.#parts.bans.entries();
  }

  async ban(text: string, until: number): Promise<"invalid" | "already" | undefined> {
    const subnet = parseSubnet(text);
    if (subnet === undefined) return "invalid";
    const { bans } = this.#parts;
    const single = !text.includes("/");
    if (single ? bans.isBanned(subnet.address) : bans.isSubnetBanned(subnet)) return "already";
    await bans.ban(subnet, until);
    for (const peer of this.#parts.peers.values()) {
      if (subnetContains(subnet, peer.endpoint.address)) this.#parts.disconnect(peer, "banned");
    }
    return undefined;
  }

  async unban(text: string): Promise<boolean> {
    const subnet = parseSubnet(text);
    return subnet !== undefined && (await this.#parts.bans.unban(subnet));
  }

  clearBans(): Promise<void> {
    return this.#parts.bans.clear();
  }

  orphans(): OrphanInfo[] {
    return this.#parts.download.orphanage.entries().map(({ tx, weight, peers }) => ({
      tx: tx.table.raw(0),
      txid: tx.txid,
      wtxid: tx.wtxid,
      weight,
      from: peers,
    }));
  }

  broadcastTransaction(txid: Txid, wtxid: Wtxid): void {
    this.#parts.relay.broadcast(txid, wtxid);
  }

  fetchBlock(hash: Uint8Array, peer: number): string | undefined {
    return this.#parts.blocks.fetch(hash, peer);
  }

  sendMessage(id: number, type: string, payload: Uint8Array): boolean {
    const peer = this.#parts.peers.get(id);
    if (peer === undefined) return false;
    peer.connection.send(type, payload);
    return true;
  }

  #addLocals(): void {
    const { locals, network, log } = this.#parts;
    const port = this.listening[0]?.port ?? this.options.port ?? network.p2pPort;
    const everywhere = this.options.listen && this.options.bind.length === 0;
    for (const host of everywhere && this.options.discover ? this.#sockets.interfaces() : []) {
      const address = parseNetAddress(host);
      if (address !== undefined) locals.add(new NodeEndpoint(address, port), LocalScore.INTERFACE);
    }
    for (const text of this.options.externalIps) {
      const endpoint = parseEndpoint(text, port);
      if (endpoint === undefined) log.warn(`Cannot resolve -externalip address: '${text}'`);
      else locals.add(endpoint, LocalScore.MANUAL);
    }
  }

  /** Does something over and over, by the machine's time: mocked time does not move it, mockscheduler does. */
  #every(delay: () => number, action: () => void): void {
    const cancel = this.#parts.clock.after(delay(), () => {
      this.#scheduled.delete(cancel);
      this.#every(delay, action);
      action();
    });
    this.#scheduled.add(cancel);
  }

  #save(): void {
    this.#saving = this.#saving.then(() =>
      this.#attempt("peers.dat", this.#files.saveBook(this.#parts.book)),
    );
  }

  /** A full disk is no reason to stop here: what was to be saved can be learned again. */
  async #attempt(name: string, saving: Promise<void>): Promise<void> {
    await saving.catch((error: unknown) =>
      this.#parts.log.error(`${name} could not be saved: ${String(error)}`),
    );
  }
}

/** A parsed option, or an exception with the reason why it is none. */
function valid<T extends object>(parsed: T | { error: string }): T {
  if ("error" in parsed) throw new Error(parsed.error);
  return parsed;
}
