import { type Clock, unixTime } from "#base/lib/clock.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { Random } from "#base/lib/random.ts";
import type { ChainState } from "#ledger/chain/chain-state.ts";
import type { Mempool } from "#ledger/mempool/mempool.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import type { MessageBody, MessageType } from "#protocol/wire/messages.ts";
import { encodeMessage } from "#protocol/wire/messages.ts";
import type { AddressKind } from "#protocol/wire/net-address.ts";
import { NODE_NETWORK, NODE_NETWORK_LIMITED, NODE_WITNESS } from "#protocol/wire/services.ts";
import type { AddressBook } from "./address-book.ts";
import { AddressGossip } from "./address-gossip.ts";
import type { BanList } from "./ban-list.ts";
import { BlockServing } from "./block-serving.ts";
import { BlockSync } from "./block-sync.ts";
import { ChainView } from "./chain-view.ts";
import type { PeerContext, TransactionAcceptor } from "./context.ts";
import { HeaderSync } from "./header-sync.ts";
import { LocalAddresses } from "./local-addresses.ts";
import type { PeerOptions } from "./options.ts";
import type { Peer } from "./peer.ts";
import { PeerTable } from "./peer-table.ts";
import { formatSubversion } from "./subversion.ts";
import { TimeOffsets } from "./time-offsets.ts";
import { Traffic } from "./traffic.ts";
import { TransactionDownload } from "./transaction-download.ts";
import { TransactionRelay } from "./transaction-relay.ts";

export interface PartsDependencies {
  readonly chain: ChainState;
  readonly mempool: Mempool;
  readonly acceptor: TransactionAcceptor;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly book: AddressBook;
  readonly bans: BanList;
  readonly loadingBlocks: () => boolean;
  /** Lets peers have their turn: the one whose messages came, or all. */
  readonly wake: (everyone: boolean) => void;
}

/** All parts that handlers use, each made once. */
export class PeerParts implements PeerContext {
  readonly options: PeerOptions;
  readonly network: Network;
  readonly chain: ChainState;
  readonly mempool: Mempool;
  readonly acceptor: TransactionAcceptor;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly subversion: string;
  readonly ourServices: bigint;
  readonly book: AddressBook;
  readonly bans: BanList;
  readonly table: PeerTable;
  readonly locals: LocalAddresses;
  readonly traffic: Traffic;
  readonly timeOffsets = new TimeOffsets();
  readonly view: ChainView;
  readonly headers: HeaderSync;
  readonly blocks: BlockSync;
  readonly serving: BlockServing;
  readonly download: TransactionDownload;
  readonly relay: TransactionRelay;
  readonly gossip: AddressGossip;
  readonly loadingBlocks: () => boolean;
  readonly #wake: (everyone: boolean) => void;

  constructor(options: PeerOptions, dependencies: PartsDependencies) {
    this.options = options;
    this.chain = dependencies.chain;
    this.network = dependencies.chain.network;
    this.mempool = dependencies.mempool;
    this.acceptor = dependencies.acceptor;
    this.clock = dependencies.clock;
    this.random = dependencies.random;
    this.log = dependencies.log;
    this.book = dependencies.book;
    this.bans = dependencies.bans;
    this.loadingBlocks = dependencies.loadingBlocks;
    this.#wake = dependencies.wake;
    this.subversion = formatSubversion(options.version, options.uaComments);
    this.ourServices = NODE_NETWORK_LIMITED | NODE_WITNESS | (options.pruned ? 0n : NODE_NETWORK);
    const now = (): number => this.now();
    this.locals = new LocalAddresses(options, { log: this.log });
    this.traffic = new Traffic(options.maxUploadTarget, now);
    this.view = new ChainView(this.chain, now);
    this.table = new PeerTable(this, { ourServices: this.ourServices, wake: () => this.#wake(false) });
    this.headers = new HeaderSync(this);
    this.blocks = new BlockSync(this);
    this.serving = new BlockServing(this);
    this.download = new TransactionDownload(this);
    this.relay = new TransactionRelay(this);
    this.gossip = new AddressGossip(this, reachableKinds(options.onlyNet));
  }

  get peers(): ReadonlyMap<number, Peer> {
    return this.table.peers;
  }

  now(): number {
    return this.clock.now();
  }

  seconds(): number {
    return unixTime(this.clock);
  }

  send<T extends MessageType>(peer: Peer, type: T, body: MessageBody<T>): void {
    const payload = encodeMessage(type, body);
    this.log.debug("net", () => `sending ${type} (${payload.length} bytes) peer=${peer.id}`);
    peer.connection.send(type, payload);
  }

  misbehaving(peer: Peer, why: string): void {
    peer.shouldDiscourage = true;
    this.log.debug("net", () => `Misbehaving: peer=${peer.id}${why === "" ? "" : `: ${why}`}`);
  }

  disconnect(peer: Peer, why: string, options?: { log: "info" | "debug" }): void {
    if (peer.disconnecting !== undefined) return;
    peer.disconnecting = why;
    const text = `${why}, disconnecting peer=${peer.id}`;
    if (options?.log === "info") this.log.info(text);
    else this.log.debug("net", () => text);
    this.#wake(false);
  }

  wake(): void {
    this.#wake(true);
  }

  /** The peer's connection is over: nothing of it stays but what others may know. */
  forget(peer: Peer): void {
    peer.connection.close(peer.disconnecting ?? "closed");
    this.table.remove(peer);
    this.blocks.disconnected(peer);
    this.download.disconnected(peer.id);
    // Whom we are connected to for blocks alone is not to be seen from the book.
    if (peer.connected && !peer.inbound && peer.type !== "block-relay-only")
      this.book.connected(peer.endpoint);
    this.log.debug("net", () => `Cleared nodestate for peer=${peer.id}`);
  }
}

/** Networks that we can connect to: those of IP, less what -onlynet leaves out. */
function reachableKinds(onlyNet: readonly string[]): ReadonlySet<AddressKind> {
  const kinds: AddressKind[] = ["ipv4", "ipv6"];
  return new Set(kinds.filter((kind) => onlyNet.length === 0 || onlyNet.includes(kind)));
}
